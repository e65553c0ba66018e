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

/*
 * Get a connection to a backend for an exchange: an idle one (unless
 * `fresh`), which is UPSTREAM_WAITING, or a new one that is still to be made:
 * exchange_connected or exchange_upstream_failed follows, never from within this
 * call; until then upstream_close takes it back. NULL when memory is short.
 */
struct upstream *pool_acquire(struct backend *backend, struct exchange *exchange, bool fresh);

/* Keep a connection for the next exchange. False when the backend has enough of them. */
bool pool_keep(struct upstream *upstream);

/* Take a connection out of whatever list of its backend it is in, because it closes. */
void pool_forget(struct upstream *upstream);

#endif
