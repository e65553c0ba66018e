/* running.h - goes through the exchanges of a worker that run: lists sessions for operators, or
 * ends them. */
#ifndef JOBGATE_EXCHANGE_RUNNING_H
#define JOBGATE_EXCHANGE_RUNNING_H

#include "exchange/context.h"
#include "jobgate/session.h"

/* The random number by which the ids of this worker's sessions begin. */
uint32_t running_worker(const struct exchange_context *context);

/*
 * A walk over the exchanges that ran when it began, the youngest first. Between its steps the loop
 * may turn, and exchanges may end. A context has one walk at a time.
 */
struct running_walk;

/*
 * The order is copied, and may have any content. NULL when its address has no valid prefix, or when
 * memory is short.
 */
struct running_walk *running_walk_new(
    struct exchange_context *context, const struct session_order *order);

/*
 * Begin a walk that only counts the sessions at each of these jobs: running_walk_next never returns
 * RUNNING_FOUND. NULL when memory is short.
 */
struct running_walk *running_count_new(
    struct exchange_context *context, const struct session_jobs *jobs);

/* What a walk that counts has counted so far, in the order of its jobs. */
const uint32_t *running_counts(const struct running_walk *walk);

enum running_step {
	RUNNING_FOUND, /* a session that passes the filters */
	RUNNING_PAUSE, /* none so far: *left is 0 */
	RUNNING_DONE,  /* there is none left */
};

/*
 * Look for the next session, at *left more exchanges at most; *left is counted down. RUNNING_FOUND:
 * *out describes it; if the order is to cut, the session has been ended.
 */
enum running_step running_walk_next(struct running_walk *walk, size_t *left, struct session *out);

/* NULL is allowed. Before the context is freed. */
void running_walk_free(struct running_walk *walk);

/* What is told of a session that begins or ends. False: it cannot be told now. */
typedef bool running_tell_fn(void *ctx, const struct session_event *event);

/*
 * Carry out an order to watch: until it is taken back, or running_watch_free, sessions that begin
 * and end are told, at most SESSION_EVENTS_MAX in a second. While no slot is watched, an exchange
 * pays two comparisons for this. False: the order is of no use, or memory is short.
 */
bool running_watch(struct exchange_context *context, const struct session_order *order,
    running_tell_fn *tell, void *ctx);

/* Call it periodically: tells that some sessions could not be told. */
void running_watch_look(struct exchange_context *context);

/* No slot is watched any more. Before the context is freed. */
void running_watch_free(struct exchange_context *context);

#endif
