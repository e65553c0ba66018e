/* pool.h - backends, their addresses, and the idle connections kept to each. */
#ifndef JOBGATE_POOL_H
#define JOBGATE_POOL_H

#include "gateway/upstream.h"

struct pool *pool_new(struct gateway *gateway);

/* Closes every connection. */
void pool_free(struct pool *pool);

/*
 * The backend that a job's URL leads to, made when it is not known. It stays until
 * pool_leave. NULL when memory is short.
 */
struct backend *pool_enter(struct pool *pool, const struct job_url *target);
void pool_leave(struct backend *backend);

enum pool_choice {
	POOL_ANY,     /* an idle connection if there is one: the request can be sent again */
	POOL_CHECKED, /* the same, but looked at once more, for it cannot */
	POOL_FRESH,   /* a new one */
};

/*
 * Get a connection to a backend for an exchange: an idle one, which is
 * UPSTREAM_WAITING, or a new one that is still to be made:
 * exchange_connected or exchange_upstream_failed follows, never from within this
 * call; until then upstream_close takes it back. NULL when memory is short.
 */
struct upstream *pool_acquire(
    struct backend *backend, struct exchange *exchange, enum pool_choice choice);

/* Seconds after which a backend whose circuit is open may be tried again, at least 1. */
unsigned pool_retry_s(const struct backend *backend);

/* A new connection broke before its first answer: begin with another address next time. */
void pool_avoid(struct upstream *upstream);

/* Close an idle connection of some backend, each in turn. False when there is none. */
bool pool_make_room(struct pool *pool);

/* Keep a connection for the next exchange. False when the backend has enough of them. */
bool pool_keep(struct upstream *upstream);

/* Take a connection out of whatever list of its backend it is in, because it closes. */
void pool_forget(struct upstream *upstream);

#endif
