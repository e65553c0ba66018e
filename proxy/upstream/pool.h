/* pool.h - backends, their addresses, and the idle connections kept to each. */
#ifndef JOBGATE_UPSTREAM_POOL_H
#define JOBGATE_UPSTREAM_POOL_H

#include "jobgate/job.h"
#include "upstream/upstream.h"

struct backend;
struct gateway;
struct pool;

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
 * Get a connection to a backend. *up: it is an idle one, and `begin` may follow at once. Else it is
 * still to be made, and `connected` or `failed` of the user follows, never from within this call;
 * until then only `cancel` may be called. NULL when memory is short.
 */
struct upstream *pool_acquire(
    struct backend *backend, struct upstream_user *user, enum pool_choice choice, bool *up);

/* Seconds after which a backend whose circuit is open may be tried again, at least 1. */
unsigned pool_retry_s(const struct backend *backend);

/* Close an idle connection of some backend, each in turn. False when there is none. */
bool pool_make_room(struct pool *pool);

#endif
