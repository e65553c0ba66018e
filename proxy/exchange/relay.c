/* relay.c - an exchange that is allowed: connect, send the request, relay the answer. */
#include "exchange/exchange_state.h"
#include "jobgate/check.h"
#include "jobgate/container_of.h"

static struct exchange *
exchange_of(struct upstream_user *user)
{
	return container_of(user, struct exchange, upstream_user);
}

bool
exchange_keep(struct exchange *exchange, struct request *request, const struct fields *extra,
    const struct job_url *target)
{
	struct exchange_context *context = exchange->context;
	char authority[ROUTE_AUTHORITY_MAX];
	struct slice base = target->base;

	if (!context->options.forwarding.preserve_host || request->authority.len == 0)
		request->authority = route_authority(target, authority);
	if (slice_equal(request->path, SLICE("*")))
		base.len = 0;
	exchange->kept = kept_request_new(context->buffers, request, base, extra);
	if (exchange->kept == NULL)
		return false;
	/* This text is the configuration's: it outlives the copy, and the answer's head is compared
	 * with it. */
	exchange->kept->request.upgrade = request->upgrade;
	return true;
}

static void
exchange_drop_kept(struct exchange *exchange)
{
	kept_request_free(exchange->context->buffers, exchange->kept);
	exchange->kept = NULL;
}

/* The connection is up: send the request on it. fresh: it was made for this exchange. */
static void
exchange_send_request(struct exchange *exchange, bool fresh)
{
	struct exchange_context *context = exchange->context;
	struct upstream *upstream = exchange->upstream;

	/*
	 * The head is sent below. What allowed it must still hold now, however long ago the verdict
	 * was and even if the worker was stopped since.
	 */
	exchange_catch_up(context);
	if (exchange->state == EXCHANGE_ENDED)
		return;
	if (exchange->ends_ms != 0 && loop_now_ms(context->loop) >= exchange->ends_ms) {
		exchange_time_over(exchange);
		return;
	}
	CHECK(upstream != NULL && exchange->kept != NULL, exchange_dump, exchange);
	CHECK(exchange_is_allowed(exchange) || exchange->peer->purpose == FOR_METRICS,
	    exchange_dump, exchange);
	exchange_set_state(exchange, EXCHANGE_AWAITING);
	if (fresh)
		exchange->connect_us = exchange_timed(exchange, TIMED_CONNECT);
	else
		exchange->phase_us = loop_now_us(context->loop);
	exchange_restart_deadline(exchange);
	upstream->ops->begin(upstream, &exchange->kept->request, exchange->kept->lines);
	if (fresh && !method_is_idempotent(exchange->method_id) && !upstream->ops->says_unprocessed)
		exchange_drop_kept(exchange);
	if (!exchange->content_ended) {
		/* This reads from the client, and the worker may be stopped there. */
		exchange->client->ops->resume(exchange->client);
		exchange_catch_up(context);
	}
	if (exchange->upstream != NULL)
		upstream->ops->flush(upstream);
}

static void
exchange_acquire(struct exchange *exchange, enum pool_choice choice)
{
	bool up;

	exchange->upstream = pool_acquire(exchange->backend, &exchange->upstream_user, choice,
	    exchange->kept->request.exclusive, &up);
	if (exchange->upstream == NULL)
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
	else if (up)
		exchange_send_request(exchange, false);
	else if (exchange->ends_ms != 0) /* `ends_ms` may pass before the connection is up */
		exchange_start_deadline(exchange, exchange->context->options.timeouts.connect);
}

/*
 * Runs at the end of the turn. By then the pool has dropped each idle connection that closed in
 * this turn, or on which the backend sent something unasked.
 */
void
exchange_connect(struct task *task)
{
	struct exchange *exchange = container_of(task, struct exchange, connect);
	bool repeatable;

	CHECK(exchange->state == EXCHANGE_CONNECTING && exchange->backend != NULL, exchange_dump,
	    exchange);
	repeatable = method_is_idempotent(exchange->method_id) && exchange->content_ended;

	exchange_acquire(exchange, repeatable ? POOL_ANY : POOL_CHECKED);
}

static void
upstream_connected(struct upstream_user *user, struct upstream *upstream)
{
	struct exchange *exchange = exchange_of(user);

	CHECK(exchange->state == EXCHANGE_CONNECTING, exchange_dump, exchange);
	exchange->upstream = upstream;
	exchange_send_request(exchange, true);
}

/* Send the request once more, if it can be, and has not been for the same reason. */
static bool
exchange_repeat(struct exchange *exchange, enum repeat repeat)
{
	unsigned reason = 1u << repeat;

	if (repeat == REPEAT_NOT || (exchange->repeated & reason) != 0 || exchange->content_taken ||
	    exchange->kept == NULL || exchange->job_moved)
		return false;
	exchange->repeated |= (unsigned char)reason;
	if (exchange->state != EXCHANGE_CONNECTING)
		exchange_set_state(exchange, EXCHANGE_CONNECTING);
	timer_stop(&exchange->timer);
	counter_add(&exchange->context->stats->backend_retries, 1);
	exchange_acquire(exchange, POOL_FRESH);
	return true;
}

static void
upstream_failed(struct upstream_user *user, enum upstream_failure failure, enum repeat repeat)
{
	struct exchange *exchange = exchange_of(user);
	struct slice title = SLICE("Bad gateway");

	exchange->upstream = NULL;
	if (exchange_repeat(exchange, repeat))
		return;
	if (repeat == REPEAT_UNPROCESSED) {
		exchange_fail_retry_later(exchange, OUTCOME_BACKEND_CLOSED, 503,
		    SLICE("Job unavailable"),
		    SLICE("The job refused the request before it had processed it; send it again."),
		    1);
		return;
	}
	if (exchange->control) {
		exchange_call_failed(exchange, failure);
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
		    SLICE("The job is reached over HTTP/2, which has no upgrades (WebSocket) and "
			  "no authentication of connections (NTLM, Negotiate)."));
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

/* ---- the request's content ---- */

bool
exchange_takes_content(const struct exchange *exchange)
{
	switch (exchange->state) {
	case EXCHANGE_AWAITING:
	case EXCHANGE_RELAYING:
		/* What follows a request for an upgrade may be bytes of the other protocol. */
		return exchange->upgrade.len == 0;
	case EXCHANGE_TUNNEL:
	case EXCHANGE_LOCAL:
		return !exchange->content_ended;
	case EXCHANGE_AUTHORIZING:
	case EXCHANGE_CONNECTING:
	case EXCHANGE_ENDED:
		break;
	}
	return false;
}

bool
exchange_is_tunnel(const struct exchange *exchange)
{
	return exchange->state == EXCHANGE_TUNNEL;
}

size_t
exchange_content(struct exchange *exchange, struct slice data)
{
	uint64_t max = exchange_content_max(exchange);
	size_t taken;

	/* What follows a request without content would be read as another request. */
	if (!exchange_takes_content(exchange) || exchange->content_ended)
		return 0;
	if (max > 0 && exchange->state != EXCHANGE_TUNNEL && exchange->bytes_in + data.len > max) {
		exchange_client_failed(exchange, CLIENT_TOO_LARGE);
		return 0;
	}
	if (exchange->state == EXCHANGE_LOCAL)
		return exchange_local_content(exchange, data);
	if (!exchange->content_taken) {
		/* The head may leave together with this content, and the clock was read before the
		 * client's bytes were. */
		exchange_catch_up(exchange->context);
		if (!exchange_takes_content(exchange))
			return 0;
	}
	taken = exchange->upstream->ops->content(exchange->upstream, data);
	if (taken > 0) {
		exchange->content_taken = true;
		exchange->bytes_in += taken;
		exchange_restart_deadline(exchange);
	}
	return taken;
}

/* A tunnel is over once both ends have ended and the backend has been sent all bytes. */
static void
exchange_end_tunnel(struct exchange *exchange)
{
	if (exchange->content_ended && exchange->answer_ended &&
	    !exchange->upstream->ops->pending(exchange->upstream))
		exchange_end(exchange, OUTCOME_TUNNEL_CLOSED, END_COMPLETE);
}

void
exchange_content_end(struct exchange *exchange, const struct fields *trailers)
{
	struct upstream *upstream = exchange->upstream;

	CHECK(exchange->state == EXCHANGE_LOCAL || upstream != NULL, exchange_dump, exchange);
	exchange->content_ended = true;
	if (exchange->state == EXCHANGE_LOCAL) {
		exchange_local_content_end(exchange);
		return;
	}
	/* No field of a client reaches the control process, not even a trailer. */
	upstream->ops->content_end(upstream, exchange->control ? NULL : trailers);
	if (exchange->state != EXCHANGE_TUNNEL) {
		exchange->content_taken = true;
		return;
	}
	upstream->ops->flush(upstream);
	exchange_end_tunnel(exchange);
}

void
exchange_content_flush(struct exchange *exchange)
{
	if (exchange->upstream != NULL && exchange_takes_content(exchange))
		exchange->upstream->ops->flush(exchange->upstream);
}

static void
upstream_writable(struct upstream_user *user)
{
	struct exchange *exchange = exchange_of(user);

	if (!exchange->content_ended && exchange_takes_content(exchange))
		exchange->client->ops->resume(exchange->client);
	else if (exchange->state == EXCHANGE_TUNNEL)
		exchange_end_tunnel(exchange);
}

void
exchange_client_ready(struct exchange *exchange)
{
	if (exchange->state == EXCHANGE_RELAYING || exchange->state == EXCHANGE_TUNNEL)
		exchange->upstream->ops->pump(exchange->upstream);
}

/* ---- the answer ---- */

static void
exchange_rewrite_answer(const struct exchange *exchange, struct response *response)
{
	const struct exchange_options *options = &exchange->context->options;
	const struct answer_rules rules = {
	    .domain =
		options->jobs.domain != NULL ? slice_of(options->jobs.domain) : (struct slice){0},
	    .shares_site = options->jobs.domain != NULL && options->session_key != NULL,
	};

	rewrite_answer(&response->fields, &rules);
}

/* An answer to a session's cookie is for this browser only: no shared cache may keep it. */
static void
exchange_keep_private(struct exchange *exchange, struct fields *fields)
{
	struct rewritten *room = &exchange->context->rewritten;
	struct writer writer = writer_of(room->text, sizeof(room->text));

	if (exchange->by_session)
		rewrite_private(fields, SLICE("Cookie"), &writer);
}

static void
upstream_interim(struct upstream_user *user, struct response *response)
{
	struct exchange *exchange = exchange_of(user);

	exchange_rewrite_answer(exchange, response);
	exchange->client->ops->interim(exchange->client, response);
}

/* Fields that a proxy adds to an answer: Via always, Date where the backend has none (RFC 9110
 * section 6.6.1). */
static void
add_answer_fields(struct exchange_context *context, struct fields *fields)
{
	bool dated = false;

	for (size_t i = 0; i < fields->count; i++)
		dated = dated || (fields->items[i].id == FIELD_DATE && !fields->items[i].dropped);
	if (!dated && fields->count < HEAD_FIELDS_MAX)
		fields->items[fields->count++] =
		    (struct field){.name = SLICE("Date"), .value = exchange_date(context)};
	if (fields->count < HEAD_FIELDS_MAX)
		fields->items[fields->count++] =
		    (struct field){.name = SLICE("Via"), .value = SLICE("1.1 jobgate")};
}

static void
upstream_head(struct upstream_user *user, struct response *response)
{
	struct exchange *exchange = exchange_of(user);
	struct exchange_context *context = exchange->context;

	if (exchange->tunnel_only && !response->tunnel && status_is_success(response->status)) {
		exchange_fail(exchange, OUTCOME_BAD_ANSWER, 502, SLICE("Bad gateway"),
		    SLICE("The job answered, but opened no WebSocket."));
		return;
	}
	exchange_drop_kept(exchange);
	exchange->status = response->status;
	exchange_rewrite_answer(exchange, response);
	exchange_keep_private(exchange, &response->fields);
	exchange->answer_begun = true;
	exchange->first_byte_us = exchange_timed(exchange, TIMED_FIRST_BYTE);
	if (response->tunnel) {
		exchange_set_state(exchange, EXCHANGE_TUNNEL);
		exchange->content_ended = false;
		counter_add(&context->stats->tunnels, 1);
	} else {
		exchange_set_state(exchange, EXCHANGE_RELAYING);
		add_answer_fields(context, &response->fields);
	}
	if (is_grpc_call(&exchange->grpc))
		grpc_call_answer(&exchange->grpc, response);
	exchange_restart_deadline(exchange);
	exchange->client->ops->answer(exchange->client, response);
	if (exchange->state == EXCHANGE_TUNNEL)
		exchange->client->ops->resume(exchange->client);
}

static size_t
upstream_content(struct upstream_user *user, struct slice data)
{
	struct exchange *exchange = exchange_of(user);
	size_t taken = exchange->client->ops->content(exchange->client, data);
	bool was_full = exchange->client_full;

	exchange->client_full = taken < data.len;
	if (exchange->client_full && (taken > 0 || !was_full) && exchange->state != EXCHANGE_ENDED)
		exchange->progress = exchange->client->ops->progress(exchange->client);
	if (taken > 0 && exchange->state != EXCHANGE_ENDED) {
		exchange->bytes_out += taken;
		if (exchange->state == EXCHANGE_TUNNEL)
			websocket_follow(&exchange->frames, (struct slice){data.at, taken});
		else if (is_grpc_call(&exchange->grpc))
			grpc_call_content(&exchange->grpc, (struct slice){data.at, taken});
		exchange_restart_deadline(exchange);
	}
	return taken;
}

static void
upstream_content_end(struct upstream_user *user, const struct fields *trailers)
{
	struct exchange *exchange = exchange_of(user);

	exchange->answer_ended = true;
	if (is_grpc_call(&exchange->grpc))
		grpc_call_end(&exchange->grpc, trailers);
	exchange->client->ops->content_end(exchange->client, trailers);
	if (exchange->state == EXCHANGE_ENDED)
		return;
	if (exchange->state == EXCHANGE_TUNNEL) {
		exchange_end_tunnel(exchange);
		return;
	}
	exchange_end(exchange, OUTCOME_ANSWERED, END_COMPLETE);
}

static void
upstream_flush(struct upstream_user *user)
{
	struct exchange *exchange = exchange_of(user);

	exchange->client->ops->flush(exchange->client);
}

const struct upstream_user_ops exchange_upstream_ops = {
    .connected = upstream_connected,
    .interim = upstream_interim,
    .head = upstream_head,
    .content = upstream_content,
    .content_end = upstream_content_end,
    .flush = upstream_flush,
    .writable = upstream_writable,
    .failed = upstream_failed,
};
