/* downstream.h - one client's connection, speaking HTTP/1. */
#ifndef JOBGATE_DOWNSTREAM_H
#define JOBGATE_DOWNSTREAM_H

#include "gateway/state.h"

/* Bytes of one connection's state, for the slab. */
size_t downstream_size(void);

/* Take over an accepted socket; closes it when that cannot be done. */
void downstream_accept(
    struct gateway *gateway, int fd, const struct sockaddr *peer, const struct entrance *entrance);

/* The gateway drains: an idle connection closes, unless gently; any other one after its exchange.
 */
void downstream_drain(struct downstream *downstream, bool gently);

/*
 * Close a connection that only waits, for one that may bring a request. A client that opens
 * many to keep others out only closes its own. False when none has waited for long enough.
 */
bool downstream_make_room(struct gateway *gateway);

/* Close at once, cutting what runs. */
void downstream_shutdown(struct downstream *downstream);

/* The next one in its list. */
struct downstream *downstream_next(struct downstream *downstream);

#endif
