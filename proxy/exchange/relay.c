/* relay.c - the answer, from the backend to the client. */
#include "exchange/exchange_forward.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/frame_answer.h"
#include "exchange/subprotocol.h"

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

/*
 * Add the fields that say who else may have the answer. Shared caches know no credential but
 * Authorization: they must not keep an answer to another one.
 */
static void
exchange_say_for_whom(struct exchange *exchange, struct response *response)
{
	struct rewritten *room = &exchange->context->rewritten;
	struct writer writer = writer_of(room->text, sizeof(room->text));

	if (!carrier_is_for_caches(exchange->carrier)) {
		rewrite_private(&response->fields, carrier_field(exchange->carrier), &writer);
		if (exchange_by_session(exchange) && !response->tunnel)
			frame_answer(&response->fields, exchange->context->ancestors,
			    exchange->context->frame_policy.len == 0);
	}
	if (exchange_does_cors(exchange) && !response->tunnel)
		cors_answer(&response->fields, exchange->cors_origin, &writer);
	if (exchange->sticky)
		exchange_add_affinity(exchange, &response->fields, &writer);
}

static void
upstream_interim(struct upstream_user *user, struct response *response)
{
	struct exchange *exchange = exchange_of_user(user);

	if (exchange->asks)
		return;
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

/* The value of the next field of this name in the request as it was sent to the backend. */
static bool
sent_next(struct slice *lines, struct slice name, struct slice *value)
{
	struct field field;

	while (field_line_next(lines, &field)) {
		*value = field.value;
		if (slice_equal_nocase(field.name, name))
			return true;
	}
	return false;
}

static struct slice
lines_sent(const struct exchange *exchange)
{
	return exchange->kept != NULL ? exchange->kept->lines : (struct slice){0};
}

/* The key of the WebSocket that the request asked for; empty: over HTTP/2 it has none. */
static struct slice
websocket_key_sent(const struct exchange *exchange)
{
	struct slice lines = lines_sent(exchange), key;

	return sent_next(&lines, SLICE("Sec-WebSocket-Key"), &key) ? key : (struct slice){0};
}

/* True when the backend was offered this subprotocol. */
static bool
subprotocol_was_sent(const struct exchange *exchange, struct slice subprotocol)
{
	struct slice lines = lines_sent(exchange), list, member;

	while (sent_next(&lines, SLICE("Sec-WebSocket-Protocol"), &list))
		while (subprotocol_next(&list, &member))
			if (slice_equal(member, subprotocol))
				return true;
	return false;
}

/*
 * A WebSocket opens: a backend names at most one of the subprotocols that it was offered (RFC 6455
 * section 4.2.2). Where it was offered none, ours is named to a client that offers it. False when
 * the answer is not valid.
 */
static bool
agree_on_subprotocol(const struct exchange *exchange, struct fields *fields)
{
	size_t named = 0;

	for (size_t i = 0; i < fields->count; i++) {
		const struct field *field = &fields->items[i];

		if (field->id != FIELD_SEC_WEBSOCKET_PROTOCOL || field->dropped)
			continue;
		if (named++ > 0 || !subprotocol_was_sent(exchange, field->value))
			return false;
	}
	if (exchange->offers_subprotocol && fields->count < HEAD_FIELDS_MAX)
		fields->items[fields->count++] = (struct field){
		    .name = SLICE("Sec-WebSocket-Protocol"), .value = SUBPROTOCOL_OF_GATEWAY};
	return true;
}

static void
upstream_head(struct upstream_user *user, struct response *response)
{
	struct exchange *exchange = exchange_of_user(user);
	struct exchange_context *context = exchange->context;

	if (exchange->asks) {
		exchange_asked_head(exchange, response->status);
		return;
	}
	if (exchange->tunnel_only && !response->tunnel && status_is_success(response->status)) {
		exchange_fail(exchange, OUTCOME_BAD_ANSWER, 502, SLICE("Bad gateway"),
		    SLICE("The job answered, but opened no WebSocket."));
		return;
	}
	if (response->tunnel && slice_equal(exchange->upgrade, SLICE("websocket")) &&
	    !agree_on_subprotocol(exchange, &response->fields)) {
		exchange_fail(exchange, OUTCOME_BAD_ANSWER, 502, SLICE("Bad gateway"),
		    SLICE("The job names a WebSocket subprotocol that it was not offered."));
		return;
	}
	exchange->status = response->status;
	exchange_rewrite_answer(exchange, response);
	exchange_say_for_whom(exchange, response);
	exchange->answer_begun = true;
	exchange->first_byte_us = exchange_timed(exchange, TIMED_FIRST_BYTE);
	if (response->tunnel) {
		if (response->keyless)
			response->websocket_key = websocket_key_sent(exchange);
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
	exchange_drop_kept(exchange); /* websocket_key points into it */
	if (exchange->state == EXCHANGE_TUNNEL)
		exchange->client->ops->resume(exchange->client);
}

static size_t
upstream_content(struct upstream_user *user, struct slice data)
{
	struct exchange *exchange = exchange_of_user(user);
	bool was_full = exchange->client_full;
	size_t taken;

	if (exchange->asks)
		return data.len;
	taken = exchange->client->ops->content(exchange->client, data);
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
	struct exchange *exchange = exchange_of_user(user);

	exchange->answer_ended = true;
	if (exchange->asks) {
		exchange_asked(exchange, exchange->status);
		return;
	}
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
	struct exchange *exchange = exchange_of_user(user);

	if (!exchange->asks)
		exchange->client->ops->flush(exchange->client);
}

static bool
upstream_judge_if_changed(struct upstream_user *user)
{
	return exchange_judge_if_changed(exchange_of_user(user));
}

const struct upstream_user_ops exchange_upstream_ops = {
    .judge_if_changed = upstream_judge_if_changed,
    .connected = exchange_upstream_connected,
    .interim = upstream_interim,
    .head = upstream_head,
    .content = upstream_content,
    .content_end = upstream_content_end,
    .flush = upstream_flush,
    .writable = exchange_upstream_writable,
    .failed = exchange_upstream_failed,
};
