/* relisten.h - listening again at a Unix socket whose name was taken away. */
#ifndef JOBGATE_CONTROL_RELISTEN_H
#define JOBGATE_CONTROL_RELISTEN_H

#include "auth/control/listen.h"
#include "auth/control/server.h"

/*
 * A cleaner may remove a run directory under a running gateway; nobody could reach it by that
 * name any more. So its name is looked at every second, and made again with its directory.
 */
struct relisten;

/*
 * socket is where server listens, and is kept true. Both outlive it. NULL when memory is short.
 */
struct relisten *relisten_new(struct event_base *base, struct listen_unix *socket,
    struct server *server, const struct log *log);
void relisten_free(struct relisten *relisten);

#endif
