/* reply.c - local replies: what a client is told when there is no answer of a job, or not yet. */
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "exchange/forward_auth_answer.h"
#include "jobgate/check.h"

/* Statuses as a gRPC client would read them from the HTTP status, except for its own deadline. */
static enum grpc_status
grpc_status_for(enum outcome outcome, unsigned status)
{
	return outcome == OUTCOME_DEADLINE ? GRPC_DEADLINE_EXCEEDED : grpc_status_of(status);
}

static void
answer_call(struct exchange *exchange, struct local_reply *reply, enum outcome outcome)
{
	enum grpc_status status = reply->call_status != GRPC_OK
				      ? reply->call_status
				      : grpc_status_for(outcome, reply->response.status);

	local_reply_for_grpc(reply, grpc_call_type(&exchange->grpc), status);
	grpc_call_set_status(&exchange->grpc, status);
}

void
exchange_send_reply(struct exchange *exchange, struct local_reply *reply, enum outcome outcome)
{
	const struct exchange_client_ops *ops = exchange->client->ops;
	bool grants;

	CHECK(
	    !exchange->answer_begun && exchange->state != EXCHANGE_ENDED, exchange_dump, exchange);
	if (exchange->tunnel_only && status_is_success(reply->response.status)) {
		exchange_refuse_tunnel(exchange);
		return;
	}
	local_reply_add(reply, SLICE("Date"), exchange_date(exchange->context));
	if (carrier_field(exchange->carrier).len > 0)
		local_reply_add(reply, SLICE("Vary"), carrier_field(exchange->carrier));
	if (exchange_does_cors(exchange) && !status_is_success(reply->response.status))
		local_reply_cors(reply, exchange->cors_origin != NULL
					    ? slice_of(exchange->cors_origin)
					    : (struct slice){0});
	local_reply_add(reply, SLICE("X-Request-Id"), exchange_id(exchange));
	grants = (exchange->token_watch.entry != NULL || exchange->is_public) &&
		 reply->response.status < 400;
	/*
	 * The worker may have been stopped for any time since the verdict, so a grant is judged
	 * again. From here until it is sent, no call may stop the worker.
	 */
	if (grants && exchange->context->telling && ops->judge_others != NULL) {
		ops->judge_others(exchange->client);
		if (exchange->state == EXCHANGE_ENDED)
			return; /* the refusals of others can end the whole connection */
	}
	if (grants && !exchange_still_holds(exchange))
		return;
	exchange->status =
	    reply->response.status; /* also for a gRPC call: the access log shows it */
	if (is_grpc_call(&exchange->grpc))
		answer_call(exchange, reply, outcome);
	exchange->answer_begun = true;
	ops->answer(exchange->client, &reply->response);
	if (reply->content.len > 0)
		ops->reply_content(exchange->client, reply->content);
	exchange->bytes_out += reply->content.len;
	ops->content_end(exchange->client, NULL);
	if (grants)
		ops->send_now(exchange->client);
	exchange_end(exchange, outcome, END_COMPLETE);
}

void
exchange_send_message(struct exchange *exchange, struct slice message, enum outcome outcome)
{
	const struct exchange_client_ops *ops = exchange->client->ops;
	struct field items[] = {
	    {.name = SLICE("Content-Type"), .value = grpc_call_type(&exchange->grpc)},
	    {.name = SLICE("Date"), .value = exchange_date(exchange->context)},
	    {.name = SLICE("X-Request-Id"), .value = exchange_id(exchange)},
	};
	struct response response = {
	    .status = 200, .fields = {items, 3}, .content = CONTENT_UNKNOWN};
	struct grpc_end end;
	struct fields trailers = grpc_end_fields(&end, GRPC_OK, SLICE(""));

	CHECK(is_grpc_call(&exchange->grpc) && !exchange->answer_begun, exchange_dump, exchange);
	exchange->status = response.status;
	exchange->answer_begun = true;
	grpc_call_set_status(&exchange->grpc, GRPC_OK);
	ops->answer(exchange->client, &response);
	ops->reply_content(exchange->client, message);
	exchange->bytes_out += message.len;
	ops->content_end(exchange->client, &trailers);
	exchange_end(exchange, outcome, END_COMPLETE);
}

/* True when nothing of the answer has left, not even its head: another one can replace it. */
static bool
exchange_take_back(struct exchange *exchange)
{
	if (exchange->state != EXCHANGE_RELAYING || exchange->bytes_out > 0 ||
	    !exchange->client->ops->take_back(exchange->client))
		return false;
	exchange->answer_begun = false;
	exchange_set_state(exchange, EXCHANGE_AWAITING);
	return true;
}

void
exchange_fail_retry_later(struct exchange *exchange, enum outcome outcome, unsigned status,
    struct slice title, struct slice detail, unsigned retry_s)
{
	struct local_reply reply;
	struct reply_form form;

	if (exchange->answer_begun && !exchange_take_back(exchange)) {
		exchange_cut(exchange, outcome, END_CUT,
		    &(struct cut_reason){.grpc = grpc_status_for(outcome, status), .text = detail});
		return;
	}
	form = exchange_form(exchange);
	local_reply_make(&reply, status, title, detail, &form);
	local_reply_retry_after(&reply, retry_s);
	exchange_send_reply(exchange, &reply, outcome);
}

void
exchange_fail(struct exchange *exchange, enum outcome outcome, unsigned status, struct slice title,
    struct slice detail)
{
	exchange_fail_retry_later(exchange, outcome, status, title, detail, 1);
}

#define CHECK_AGAIN_S "3"

void
exchange_fail_starting(struct exchange *exchange, enum outcome outcome, struct slice title,
    struct slice detail, unsigned retry_s)
{
	struct reply_form form = exchange_form(exchange);
	bool page = form.waits = exchange_checks_again(exchange);
	struct local_reply reply;

	if (page) {
		title = SLICE("Job is starting");
		detail = SLICE("This page checks again by itself every " CHECK_AGAIN_S " seconds.");
	}
	local_reply_make(&reply, 503, title, detail, &form);
	local_reply_retry_after(&reply, retry_s);
	if (page) /* the HTML standard, "Refresh": browsers reload the page then */
		local_reply_add(&reply, SLICE("Refresh"), SLICE(CHECK_AGAIN_S));
	exchange_send_reply(exchange, &reply, outcome);
}

void
exchange_refuse_tunnel(struct exchange *exchange)
{
	exchange_fail(exchange, OUTCOME_BAD_REQUEST, 501, SLICE("Protocol not implemented"),
	    SLICE("There is no WebSocket at this address."));
}

/*
 * The limit is checked after the verdict, and each verdict takes the same work. A valid token
 * passes even if its address has many failures, because these may be a neighbour's. For each
 * connection, the store sees one look-up at a time over HTTP/1; over HTTP/2 it sees a few until one
 * of its requests is allowed.
 */
unsigned
exchange_failed_auth(const struct exchange *exchange, enum verdict verdict)
{
	/* An Authorization that is not ours is not a token that failed: it costs no look-up. */
	bool is_ours = exchange->carrier != CARRIER_NONE || exchange->state == EXCHANGE_LOCAL;

	return is_ours && (verdict == VERDICT_INVALID_TOKEN || verdict == VERDICT_EXPIRED)
		   ? exchange->client->ops->failed_auth(exchange->client, NULL)
		   : 0;
}

/* The status of a call that was allowed before: it says whether the token or the job ended it. */
static enum grpc_status
revoked_status(enum verdict verdict)
{
	switch (jg_verdict_status(verdict)) {
	case 401:
		return GRPC_UNAUTHENTICATED;
	case 503:
		return GRPC_UNAVAILABLE;
	default:
		return GRPC_PERMISSION_DENIED;
	}
}

void
exchange_refuse(struct exchange *exchange, enum verdict verdict)
{
	struct exchange_context *context = exchange->context;
	bool was_allowed = exchange_is_allowed(exchange) || exchange->hold_until_ms != 0;
	struct slice hint = credential_mistake_text(exchange->mistake);
	const struct reply_form form = exchange_form(exchange);
	struct local_reply reply;
	unsigned wait_s;

	exchange->verdict = verdict;
	exchange->decided = true;
	counter_add(&context->stats->verdicts[verdict], 1);
	if (exchange->answer_begun) {
		exchange_cut(exchange, OUTCOME_REVOKED, END_REVOKED,
		    &(struct cut_reason){WEBSOCKET_POLICY_VIOLATION, revoked_status(verdict),
			verdict == VERDICT_EXPIRED ? SLICE("the token has expired")
						   : SLICE("access has been revoked")});
		return;
	}
	/* A token that was valid is not guessed: its client is told that it no longer is. */
	wait_s = was_allowed ? 0 : exchange_failed_auth(exchange, verdict);
	if (wait_s > 0) {
		exchange_fail_retry_later(exchange, OUTCOME_RATE_LIMITED, 429,
		    SLICE("Too many requests"),
		    SLICE("Too many tokens from this address were not valid; try again later."),
		    wait_s);
		return;
	}
	if (verdict == VERDICT_NO_URL) {
		exchange_fail_starting(exchange, OUTCOME_REFUSED, SLICE("Job not ready"),
		    SLICE("The job has no URL yet; try again shortly."), 1);
		return;
	}
	if (exchange->control)
		local_reply_for_call(
		    &reply, verdict, hint, slice_of(context->options.forwarding.realm), &form);
	else
		local_reply_for_verdict(
		    &reply, verdict, hint, slice_of(context->options.forwarding.realm), &form);
	if (exchange->offers_basic && reply.response.status == 401)
		local_reply_offer_basic(&reply, slice_of(context->options.forwarding.realm));
	exchange_send_reply(exchange, &reply, OUTCOME_REFUSED);
}

/*
 * Not at /authorize: every 2xx there would let the preflight pass to its job. A token in the query
 * does not matter: a preflight has the URL of the request that follows it.
 */
bool
exchange_answer_preflight(
    struct exchange *exchange, const struct request *request, const struct claim *claim)
{
	struct preflight preflight;
	struct local_reply reply;

	if (exchange->cors_origin == NULL || exchange->peer->forward_auth ||
	    !exchange->route.names_job || !exchange_does_cors(exchange) ||
	    (claim->credential != CREDENTIAL_NONE && exchange->carrier != CARRIER_QUERY) ||
	    !cors_preflight(request, &preflight))
		return false;
	local_reply_preflight(&reply, slice_of(exchange->cors_origin), &preflight);
	exchange_send_reply(exchange, &reply, OUTCOME_PREFLIGHT);
	return true;
}

void
exchange_grant(
    struct exchange *exchange, const struct request *request, const struct lookup *lookup)
{
	struct writer room = writer_of(exchange->context->local_room, LOCAL_ROOM);
	struct local_reply reply;

	CHECK(
	    exchange->peer->forward_auth && exchange_is_allowed(exchange), exchange_dump, exchange);
	exchange_watch(exchange, lookup);
	local_reply_grant(&reply, route_job(&exchange->route), lookup->evidence.token);
	if (!forward_auth_answer(
		&request->fields, exchange_keeps_authorization(exchange), &room, &reply)) {
		exchange_fail(exchange, OUTCOME_BAD_REQUEST, 431, SLICE("Head too large"),
		    SLICE("The request's cookies do not fit into the answer to your proxy."));
		return;
	}
	exchange_send_reply(exchange, &reply, OUTCOME_AUTHORIZED);
}
