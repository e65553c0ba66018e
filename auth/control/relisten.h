/* relisten.h - listens again at a Unix socket whose name was removed. */
#ifndef JOBGATE_CONTROL_RELISTEN_H
#define JOBGATE_CONTROL_RELISTEN_H

#include <event2/event.h>

#include "auth/control/listen.h"

/*
 * A cleaner may remove the run directory of a running gateway; then clients could no longer
 * connect. So the name is checked every second, and created again, with its directory if necessary.
 */
struct relisten;

/*
 * socket is where a server of ours listens; it is updated. again takes a new descriptor, which it
 * owns, in place of that socket; false when that fails. socket and ctx must outlive the result.
 * NULL when memory is short.
 */
struct relisten *relisten_new(struct event_base *base, struct listen_unix *socket,
    bool (*again)(void *ctx, int fd), void *ctx, const struct log *log);
void relisten_free(struct relisten *relisten);

#endif
