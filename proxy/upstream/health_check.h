/* health_check.h - one request of the gateway's own to a backend: whether its job is healthy. */
#ifndef JOBGATE_UPSTREAM_HEALTH_CHECK_H
#define JOBGATE_UPSTREAM_HEALTH_CHECK_H

#include "upstream/pool.h"

struct health_check;

/* What is asked. The slices are copied. */
struct health_question {
	struct loop *loop; /* of the pool */
	const struct job_url *url;
	enum backend_source source;
	struct slice authority; /* of the request: the URL's own */
	struct slice path;	/* behind the URL's base */
	uint64_t deadline_ms;	/* from now on */
};

/* How it ended: with a status, or with 0 and why there was none; why is NULL if that says nothing
 * about the backend. The check is gone. */
typedef void health_checked(
    void *ctx, struct health_check *check, unsigned status, const char *why);

/*
 * Begin: GET, without any field of a client. The answer's content is read and dropped, up to a
 * bound. `checked` is called once, never from within. NULL when memory is short.
 */
struct health_check *health_check_new(
    struct pool *pool, const struct health_question *question, health_checked *checked, void *ctx);

/* End it before that; `checked` is not called. */
void health_check_cancel(struct health_check *check);

#endif
