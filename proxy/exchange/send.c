/* send.c - an allowed request on its way to its backend: the connection, its head, repeats. */
#include "exchange/exchange_forward.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "jobgate/check.h"
#include "jobgate/container_of.h"

bool
exchange_keep(struct exchange *exchange, struct request *request, const struct fields *extra,
    const struct job_url *target)
{
	struct exchange_context *context = exchange->context;
	char authority[ROUTE_AUTHORITY_MAX];
	struct slice base = target->base;
	bool keeps_host = context->options.forwarding.preserve_host && request->authority.len > 0;

	if (!keeps_host)
		request->authority = route_authority(target, authority);
	if (slice_equal(request->path, SLICE("*")))
		base.len = 0;
	exchange->kept = kept_request_new(context->buffers, request, base, extra);
	if (exchange->kept == NULL)
		return false;
	/* This text is the configuration's: it outlives the copy, and the answer's head is compared
	 * with it. */
	exchange->kept->request.upgrade = request->upgrade;
	exchange->kept->keeps_host = keeps_host;
	return true;
}

bool
exchange_keep_for(struct exchange *exchange, const struct job_url *target)
{
	struct buffer_pool *buffers = exchange->context->buffers;
	struct kept_request *kept = exchange->kept, *moved;
	char text[ROUTE_AUTHORITY_MAX];
	struct slice authority = kept->request.authority, base = target->base;

	if (!kept->keeps_host)
		authority = route_authority(target, text);
	if (slice_equal(kept->request.path, SLICE("*")))
		base.len = 0;
	moved = kept_request_move(buffers, kept, authority, base);
	if (moved == NULL)
		return false;
	moved->request.upgrade = kept->request.upgrade;
	moved->keeps_host = kept->keeps_host;
	kept_request_free(buffers, kept);
	exchange->kept = moved;
	return true;
}

void
exchange_drop_kept(struct exchange *exchange)
{
	kept_request_free(exchange->context->buffers, exchange->kept);
	exchange->kept = NULL;
	exchange_drop_kept_content(exchange);
}

/* What the control process is asked is a POST, whatever the client's method. */
static bool
is_repeatable(const struct exchange *exchange)
{
	return method_is_idempotent(exchange->method_id) && !exchange->asks;
}

/* The connection is up: send the request on it. fresh: it was made for this exchange. */
static void
exchange_send_request(struct exchange *exchange, bool fresh)
{
	struct exchange_context *context = exchange->context;
	struct upstream *upstream = exchange->upstream;

	/*
	 * The head is sent below. What allowed it must still hold now, however long ago the verdict
	 * was and even if the worker was stopped since. If the job has other URLs now, the request
	 * goes to one of them.
	 */
	exchange_catch_up_with(exchange);
	if (exchange->state == EXCHANGE_ENDED || exchange->upstream != upstream)
		return;
	if (exchange->ends_ms != 0 && loop_now_ms(context->loop) >= exchange->ends_ms) {
		exchange_time_over(exchange);
		return;
	}
	CHECK(upstream != NULL && exchange->kept != NULL, exchange_dump, exchange);
	exchange_hold_ended(exchange);
	CHECK(exchange_is_allowed(exchange) || exchange->open_call || exchange->asks ||
		  exchange->peer->purpose == FOR_METRICS,
	    exchange_dump, exchange);
	exchange_set_state(exchange, EXCHANGE_AWAITING);
	if (fresh)
		exchange->connect_us = exchange_timed(exchange, TIMED_CONNECT);
	else
		exchange->phase_us = loop_now_us(context->loop);
	exchange_restart_deadline(exchange);
	upstream->ops->begin(upstream, &exchange->kept->request, exchange->kept->lines);
	if (fresh && !is_repeatable(exchange) && !upstream->ops->says_unprocessed)
		exchange_drop_kept(exchange);
	if (exchange_send_kept_content(exchange) && !exchange->content_ended) {
		/* This reads from the client, and the worker may be stopped there. */
		exchange->client->ops->resume(exchange->client);
		exchange_catch_up_with(exchange);
	} else if (exchange->upgrade.len > 0) {
		/* Its key is random, and the worker may be stopped while the system makes it. */
		exchange_catch_up_with(exchange);
	}
	if (exchange->upstream != NULL)
		upstream->ops->flush(upstream);
}

static enum pool_sharing
sharing_of(const struct exchange *exchange)
{
	const struct request *request = &exchange->kept->request;

	if (request->exclusive)
		return POOL_EXCLUSIVE;
	return request->upgrade.len > 0 ? POOL_TUNNEL : POOL_SHARED;
}

static void
exchange_acquire(struct exchange *exchange, enum pool_choice choice)
{
	bool up;

	exchange->upstream = pool_acquire(
	    exchange->backend, &exchange->upstream_user, choice, sharing_of(exchange), &up);
	if (exchange->upstream == NULL)
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
	else if (up)
		exchange_send_request(exchange, false);
	else if (exchange->ends_ms != 0) /* `ends_ms` may pass before the connection is up */
		exchange_start_deadline(exchange, exchange->context->options.timeouts.connect);
}

/*
 * Runs at the end of the turn, for a request that is held, too. By then the pool has dropped each
 * idle connection that closed in this turn, or on which the backend sent something unasked.
 */
void
exchange_connect(struct task *task)
{
	struct exchange *exchange = container_of(task, struct exchange, connect);
	bool repeatable;

	if (exchange->held) {
		exchange_resume(exchange);
		return;
	}
	CHECK(exchange->state == EXCHANGE_CONNECTING && exchange->backend != NULL, exchange_dump,
	    exchange);
	repeatable = is_repeatable(exchange) && exchange->content_ended;

	exchange_acquire(exchange, repeatable ? POOL_ANY : POOL_CHECKED);
}

void
exchange_upstream_connected(struct upstream_user *user, struct upstream *upstream)
{
	struct exchange *exchange = exchange_of_user(user);

	CHECK(exchange->state == EXCHANGE_CONNECTING, exchange_dump, exchange);
	exchange->upstream = upstream;
	exchange_send_request(exchange, true);
}

/* Send the request once more, if it can be, and has not been for the same reason. */
static bool
exchange_repeat(struct exchange *exchange, enum repeat repeat)
{
	unsigned reason = 1u << repeat;

	if (repeat == REPEAT_NOT || (exchange->repeated & reason) != 0 ||
	    exchange->kept_content.lost || exchange->kept == NULL || exchange->job_moved)
		return false;
	kept_content_rewind(&exchange->kept_content);
	exchange->repeated |= (unsigned char)reason;
	if (exchange->state != EXCHANGE_CONNECTING) {
		exchange_set_state(exchange, EXCHANGE_CONNECTING);
		exchange->client->ops->pause(exchange->client);
	}
	timer_stop(&exchange->timer);
	counter_add(&exchange->context->stats->backend_retries, 1);
	if (repeat == REPEAT_BROKEN || repeat == REPEAT_UNPROCESSED)
		exchange_change_replica(exchange, false); /* or the same one again */
	exchange_acquire(exchange, POOL_FRESH);
	return true;
}

/* True for a failure that passes when a job has started. */
static bool
may_pass(enum upstream_failure failure)
{
	switch (failure) {
	case UPSTREAM_REFUSED:
	case UPSTREAM_CIRCUIT_OPEN:
	case UPSTREAM_NO_ADDRESS:
	case UPSTREAM_CONNECT_FAILED:
	case UPSTREAM_CONNECT_TIMEOUT:
		return true;
	default:
		return false;
	}
}

/* True when the job may be starting: it takes no connections, and requests are held for that. */
static bool
is_starting(const struct exchange *exchange, enum upstream_failure failure)
{
	return may_pass(failure) &&
	       (exchange->hold_until_ms != 0 || exchange->context->options.timeouts.start > 0);
}

/*
 * True when no further replica is tried. A client waits for two that do not answer, not for
 * sixteen. A request that is held tries those that may start again and again: it waits only at the
 * last one of each round.
 */
static bool
stays(const struct exchange *exchange, enum upstream_failure failure)
{
	const struct upstream_user *user = &exchange->upstream_user;

	if (failure == UPSTREAM_NO_SOCKET)
		return true;
	if (exchange_waits(exchange))
		return false;
	if (exchange->hold_until_ms != 0 && user->leave_ms != 0)
		return true; /* its time is over */
	return failure == UPSTREAM_CONNECT_TIMEOUT && exchange->connect_timed_out;
}

/*
 * No connection could be made, so nothing was sent on it: go to another replica, if there is one.
 */
static bool
exchange_go_elsewhere(struct exchange *exchange, enum upstream_failure failure)
{
	bool tried_all = exchange->upstream_user.leave_ms != 0;

	if (exchange->state != EXCHANGE_CONNECTING || exchange->kept == NULL ||
	    stays(exchange, failure) || !exchange_change_replica(exchange, !may_pass(failure)))
		return false;
	exchange->connect_timed_out =
	    exchange->connect_timed_out || failure == UPSTREAM_CONNECT_TIMEOUT;
	if (!tried_all)
		counter_add(&exchange->context->stats->backend_retries, 1);
	loop_defer(exchange->context->loop, &exchange->connect);
	return true;
}

static enum outcome
starting_outcome(enum upstream_failure failure)
{
	return failure == UPSTREAM_NO_ADDRESS	     ? OUTCOME_NOT_RESOLVED
	       : failure == UPSTREAM_CONNECT_TIMEOUT ? OUTCOME_CONNECT_TIMEOUT
						     : OUTCOME_CONNECT_FAILED;
}

/* Answer for a job that gave no answer itself. */
static void
answer_failure(struct exchange *exchange, enum upstream_failure failure)
{
	struct slice title = SLICE("Bad gateway");

	if (is_starting(exchange, failure)) {
		exchange_fail_starting(exchange, starting_outcome(failure),
		    SLICE("Job is starting"),
		    failure == UPSTREAM_NO_ADDRESS
			? SLICE("The job's host name has no address yet; try again shortly.")
			: SLICE("The job does not accept connections yet; try again shortly."),
		    pool_retry_s(exchange->backend));
		return;
	}
	switch (failure) {
	case UPSTREAM_NO_ADDRESS:
		exchange_fail(exchange, OUTCOME_NOT_RESOLVED, 502, title,
		    SLICE("The job's host name has no address."));
		return;
	case UPSTREAM_NOT_ALLOWED:
		exchange_fail(exchange, OUTCOME_NOT_ALLOWED, 502, title,
		    SLICE("The job's URL leads to an address that is not allowed."));
		return;
	case UPSTREAM_REFUSED:
	case UPSTREAM_CONNECT_FAILED:
		exchange_fail(exchange, OUTCOME_CONNECT_FAILED, 502, title,
		    SLICE("The job does not accept connections."));
		return;
	case UPSTREAM_CONNECT_TIMEOUT:
		exchange_fail(exchange, OUTCOME_CONNECT_TIMEOUT, 504, SLICE("Gateway timeout"),
		    SLICE("No connection to the job could be made in time."));
		return;
	case UPSTREAM_NOT_VERIFIED:
		exchange_fail(exchange, OUTCOME_NOT_VERIFIED, 502, title,
		    SLICE("The job's certificate could not be verified."));
		return;
	case UPSTREAM_CIRCUIT_OPEN:
		exchange_fail_retry_later(exchange, OUTCOME_CIRCUIT_OPEN, 503,
		    SLICE("Job unavailable"),
		    SLICE("The job does not accept connections; the gateway tries again shortly."),
		    pool_retry_s(exchange->backend));
		return;
	case UPSTREAM_NO_SOCKET:
		exchange_fail(exchange, OUTCOME_CONNECT_FAILED, 503, SLICE("Gateway busy"),
		    SLICE("The gateway cannot open more connections just now; try again "
			  "shortly."));
		return;
	case UPSTREAM_NOT_HTTP2:
		exchange_fail(exchange, OUTCOME_BAD_ANSWER, 502, title,
		    SLICE("The job's URL says that it speaks HTTP/2, but it does not."));
		return;
	case UPSTREAM_NEEDS_HTTP1:
		exchange_fail(exchange, OUTCOME_BAD_REQUEST, 501, SLICE("Not implemented"),
		    SLICE(
			"The job is reached over HTTP/2. It takes no WebSockets there (RFC 8441), "
			"and HTTP/2 has no other upgrades and no authentication of connections "
			"(NTLM, Negotiate)."));
		return;
	case UPSTREAM_WANTS_HTTP1:
		exchange_fail(exchange, OUTCOME_BAD_ANSWER, 502, title,
		    SLICE("The job takes this request only over HTTP/1.1, but its URL says HTTP/2: "
			  "give it an http:// or https:// URL."));
		return;
	case UPSTREAM_BROKEN:
		exchange_fail(exchange, OUTCOME_BACKEND_CLOSED, 502, title,
		    SLICE("The job closed the connection before it had answered."));
		return;
	case UPSTREAM_BAD_ANSWER:
		exchange_fail(exchange, OUTCOME_BAD_ANSWER, 502, title,
		    is_grpc_call(&exchange->grpc)
			? SLICE("The job's answer is not valid HTTP. The URL of a gRPC service has "
				"to begin with grpc:// or grpcs://.")
			: SLICE("The job's answer is not valid HTTP."));
		return;
	}
}

void
exchange_upstream_failed(
    struct upstream_user *user, enum upstream_failure failure, enum repeat repeat)
{
	struct exchange *exchange = exchange_of_user(user);

	exchange->upstream = NULL;
	/* A dial that fails reads no clock, so the exchange may not know of a change yet. Judging
	 * it may lead the request to the job's other URL. */
	if (exchange->context->telling &&
	    (exchange_judge_if_changed(exchange) || task_is_queued(&exchange->connect)))
		return;
	if (exchange_repeat(exchange, repeat) || exchange_go_elsewhere(exchange, failure))
		return;
	if (exchange->asks)
		exchange_asked(exchange, 0);
	else if (repeat == REPEAT_UNPROCESSED || repeat == REPEAT_OVER_HTTP1)
		exchange_fail_retry_later(exchange, OUTCOME_BACKEND_CLOSED, 503,
		    SLICE("Job unavailable"),
		    SLICE("The job refused the request before it had processed it; send it again."),
		    1);
	else if (exchange->control)
		exchange_call_failed(exchange, failure);
	else
		answer_failure(exchange, failure);
}
