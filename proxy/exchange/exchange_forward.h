/* exchange_forward.h - what the files of an exchange that forward it share. */
#ifndef JOBGATE_EXCHANGE_EXCHANGE_FORWARD_H
#define JOBGATE_EXCHANGE_EXCHANGE_FORWARD_H

#include "exchange/exchange_state.h"

/* ---- allow.c ---- */

/*
 * The verdict allows: watch both records from now on, and send the request to its backend.
 */
void exchange_allow(
    struct exchange *exchange, struct request *request, const struct lookup *lookup);

/* ---- replica.c ---- */

/*
 * Choose the URL of the job to which the request goes, and enter its backend. The URL is valid as
 * long as the job. NULL when memory is short.
 */
const struct job_url *exchange_enter(
    struct exchange *exchange, const struct request *request, const struct job *job);

/*
 * Leave the backend for that of a replica that was not tried, and keep the request in the form for
 * it. While the request is held, it goes round those at which it did not fail for good. for_good:
 * it did so at this one. False: there is none, and all stays.
 */
bool exchange_change_replica(struct exchange *exchange, bool for_good);

/*
 * The job has other URLs now: a request that is held for one of the old ones goes to one of these.
 * False: it is not held, or memory is short; it must not go to the old URL.
 */
bool exchange_follow_urls(struct exchange *exchange, const struct job *job);

/* The job's URLs may have other indexes now: the request tries no other one, unless it is held. */
void exchange_stay_at_replica(struct exchange *exchange, const struct job *job);

/* True when the request goes to a URL that the job does not have any more. */
bool exchange_left_by_job(const struct exchange *exchange, const struct job *job);

/* The replica to which the request went, for the log; empty: its job has one URL. */
static inline struct slice
exchange_replica(const struct exchange *exchange, char out[POOL_NAME_MAX])
{
	return exchange->tried != 0 ? pool_name(exchange->backend, out) : (struct slice){0};
}

/* ---- affinity.c ---- */

/*
 * The index of the replica that the request's cookie names, if the job has affinity. replicas.count
 * if there is none. Notes what the answer needs.
 */
size_t exchange_find_affinity(
    struct exchange *exchange, const struct request *request, const struct job *job);

/* Name the replica in an answer to a browser that has no cookie, or that of another replica. */
void exchange_add_affinity(struct exchange *exchange, struct fields *fields, struct writer *room);

/* ---- send.c ---- */

/*
 * Keep the request in the form for the backend at this target, with these fields added. False when
 * it does not fit.
 */
bool exchange_keep(struct exchange *exchange, struct request *request, const struct fields *extra,
    const struct job_url *target);

/*
 * As exchange_keep, for the kept request, which goes to another replica of its job. False when it
 * does not fit; it stays as it was then.
 */
bool exchange_keep_for(struct exchange *exchange, const struct job_url *target);

/* It will not be sent again. */
void exchange_drop_kept(struct exchange *exchange);

/* CONNECTING: runs at the end of the turn. */
void exchange_connect(struct task *task);

/* Of exchange_upstream_ops. */
void exchange_upstream_connected(struct upstream_user *user, struct upstream *upstream);
void exchange_upstream_failed(
    struct upstream_user *user, enum upstream_failure failure, enum repeat repeat);

/* ---- request_content.c ---- */

/*
 * Send what was kept of the content, which comes before what the client still has. False: some of
 * it is left. Calls nothing back.
 */
bool exchange_send_kept_content(struct exchange *exchange);

/* Give back kept content that has been sent, and will not be sent again. */
void exchange_drop_kept_content(struct exchange *exchange);

/* A tunnel is over once both ends have ended and the backend has been sent all bytes. */
void exchange_end_tunnel(struct exchange *exchange);

/* Of exchange_upstream_ops. */
void exchange_upstream_writable(struct upstream_user *user);

/* ---- relay.c ---- */

/* What the backend's end is to call. */
extern const struct upstream_user_ops exchange_upstream_ops;

/* exchange_catch_up, and exchange_judge_if_changed for this one where that is necessary. */
static inline void
exchange_catch_up_with(struct exchange *exchange)
{
	if (__builtin_expect(exchange_catch_up(exchange->context), false))
		exchange_judge_if_changed(exchange);
}

static inline struct exchange *
exchange_of_user(struct upstream_user *user)
{
	return container_of(user, struct exchange, upstream_user);
}

#endif
