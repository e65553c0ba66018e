/* upstream_answer.c - what a backend answers: heads, content, trailers. */
#include "gateway/answer.h"
#include "gateway/upstream.h"
#include "http/framing.h"
#include "http/names.h"

/*
 * Bytes of one answer relayed in one turn of the loop: a fast backend must not starve the others.
 */
#define TURN_BYTES (512 * 1024)

/* Answers of 1xx before the final one; whoever sends more does not mean to answer. */
#define INTERIMS_MAX 64

/* Of a backend's word on how long it keeps a connection. */
#define KEEP_MARGIN_MS 500
#define KEEP_SECONDS_MAX 86400

/* Read more of a head; true when there is something new to look at. */
static bool
upstream_fill(struct upstream *upstream)
{
	struct receiver *receiver = &upstream->receiver;

	switch (
	    buffer_len(receiver->in) > 0 ? receiver_fill_on(receiver) : receiver_fill(receiver)) {
	case IO_OK:
		upstream->answer_begun = true;
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
	case IO_ERROR:
		break;
	}
	upstream_fail(upstream, UPSTREAM_BROKEN);
	return false;
}

/* Does an answer of 101 switch to what was asked for? */
static bool
upgrade_agreed(const struct upstream *upstream, const struct response_framing *framing)
{
	return upstream->upgrade_asked.len > 0 &&
	       slice_equal_nocase(framing->upgrade, upstream->upgrade_asked);
}

/*
 * How long the backend says it keeps a connection that is idle (Keep-Alive: timeout=SECONDS), less
 * a margin, so that we are the first to let go of it: a request that meets its end on the way
 * may not be one that can be sent again. UINT64_MAX when it does not say.
 */
static uint64_t
keep_hint_ms(const struct response_head *head)
{
	struct slice name = SLICE("timeout="), list, member;
	uint64_t seconds;

	for (size_t i = 0; i < head->field_count; i++) {
		if (head->fields[i].id != FIELD_KEEP_ALIVE)
			continue;
		list = head->fields[i].value;
		while (list_next(&list, &member)) {
			if (member.len == name.len || !slice_starts_with_nocase(member, name))
				continue;
			seconds = 0;
			for (size_t at = name.len; at < member.len && seconds < KEEP_SECONDS_MAX &&
						   member.at[at] >= '0' && member.at[at] <= '9';
			     at++)
				seconds = seconds * 10 + (uint64_t)(member.at[at] - '0');
			return seconds > 0 ? seconds * 1000 - KEEP_MARGIN_MS : 0;
		}
	}
	return UINT64_MAX;
}

/* A complete head: hand it on. False when the answer is not one that can be understood. */
static bool
upstream_take_head(struct upstream *upstream, const struct response_head *head,
    const struct response_framing *framing)
{
	struct response response = {
	    .status = head->status,
	    .reason = head->reason,
	    .fields = {(struct field *)head->fields, head->field_count},
	    .length = framing->length,
	    .length_known = framing->length_known,
	    .upgrade = framing->upgrade,
	};

	if (head->status == 101 && !upgrade_agreed(upstream, framing))
		return false;
	if (head->status < 200 && head->status != 101) {
		if (++upstream->interims > INTERIMS_MAX)
			return false;
		if (head->status == 100 || head->status == 103)
			exchange_interim(upstream->exchange, &response);
		return true;
	}
	switch (framing->body) {
	case BODY_NONE:
		response.content = CONTENT_NONE;
		break;
	case BODY_LENGTH:
		response.content = CONTENT_LENGTH;
		break;
	case BODY_CHUNKED:
	case BODY_UNTIL_CLOSE:
		response.content = CONTENT_UNKNOWN;
		break;
	}
	upstream->tunnel = head->status == 101;
	upstream->keep_ms = keep_hint_ms(head);
	upstream->keep_alive = framing->keep_alive && !upstream->tunnel && upstream->keep_ms > 0;
	body_decoder_init(&upstream->receiver.body,
	    upstream->tunnel ? BODY_UNTIL_CLOSE : framing->body, framing->length, TRAILER_MAX);
	upstream->state = UPSTREAM_RELAYING;
	exchange_answer(upstream->exchange, &response);
	return true;
}

/* Look for the head of an answer. True when there is more to do at once. */
static bool
upstream_head(struct upstream *upstream)
{
	struct gateway *gateway = upstream->gateway;
	struct response_head *head = &gateway->scratch.response_head;
	struct receiver *receiver = &upstream->receiver;
	struct response_framing framing;
	struct slice bytes = {0};
	size_t start, end;

	if (receiver->in != NULL)
		bytes = buffer_bytes(receiver->in);
	if (bytes.len == 0)
		return upstream_fill(upstream);
	switch (head_find(
	    bytes, false, &gateway->options.limits.head, &receiver->scanned, &start, &end)) {
	case HEAD_COMPLETE:
		break;
	case HEAD_INCOMPLETE:
		return upstream_fill(upstream);
	case HEAD_BAD:
	case HEAD_BAD_VERSION:
	case HEAD_TARGET_TOO_LONG:
	case HEAD_TOO_LARGE:
		upstream_fail(upstream, UPSTREAM_BAD_ANSWER);
		return false;
	}
	bytes.len = end;
	if (head_parse_response(bytes, &gateway->options.limits.head, head) != HEAD_COMPLETE ||
	    response_framing(head, upstream->method, &framing) != FRAMING_OK) {
		upstream_fail(upstream, UPSTREAM_BAD_ANSWER);
		return false;
	}
	/* The bytes stay where they are until the next fill: the head's slices point there. */
	receiver->in->start += (uint32_t)end;
	receiver->scanned = 0;
	if (!upstream_take_head(upstream, head, &framing)) {
		upstream_fail(upstream, UPSTREAM_BAD_ANSWER);
		return false;
	}
	return true;
}

/* The trailer fields that may travel on, in scratch; NULL when they break the rules. */
const struct fields *
trailers_take(
    struct gateway *gateway, struct slice section, const char *const *listed, struct fields *out)
{
	*out = (struct fields){gateway->scratch.trailers, 0};
	if (fields_parse(section, out->items, gateway->options.limits.head.fields, &out->count) !=
	    HEAD_COMPLETE)
		return NULL;
	for (size_t i = 0; i < out->count; i++)
		out->items[i].dropped = !field_has(out->items[i].id, TRAILERS_TOO) ||
					name_is_listed(out->items[i].name, listed);
	return out;
}

/* The answer has come to its end. */
static void
upstream_complete(struct upstream *upstream, const struct fields *trailers)
{
	if (upstream->tunnel)
		upstream->tunnel_ended = true;
	exchange_answer_end(upstream->exchange, trailers);
}

/* Content comes to a stop for now: read more, or learn that it has ended. */
static bool
upstream_more(struct upstream *upstream)
{
	switch (upstream->tunnel ? receiver_fill(&upstream->receiver)
				 : receiver_fill_on(&upstream->receiver)) {
	case IO_OK:
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
		if (upstream->receiver.body.kind == BODY_UNTIL_CLOSE) {
			upstream_complete(upstream, NULL);
			return false;
		}
		break;
	case IO_ERROR:
		break;
	}
	upstream_fail(upstream, UPSTREAM_BROKEN);
	return false;
}

/* Hand on a piece of content. True when there is more to do at once. */
static bool
upstream_relay(struct upstream *upstream, size_t *budget)
{
	struct fields trailers;
	const struct fields *allowed;
	struct slice data;
	size_t taken;
	enum body_status status = receiver_content(&upstream->receiver, &data);
	bool more = receiver_spend(&upstream->receiver, budget);

	if (!more)
		loop_defer(upstream->gateway->loop, &upstream->carry_on);
	switch (status) {
	case BODY_DATA:
		taken = exchange_answer_content(upstream->exchange, data);
		if (upstream->exchange == NULL)
			return false;
		receiver_taken(&upstream->receiver, taken);
		return taken == data.len && more;
	case BODY_TRAILERS:
		allowed = trailers_take(upstream->gateway, data, NULL, &trailers);
		if (allowed == NULL)
			break;
		upstream_complete(upstream, allowed);
		return false;
	case BODY_END:
		upstream_complete(upstream, NULL);
		return false;
	case BODY_MORE:
		return more && upstream_more(upstream);
	case BODY_BAD:
		break;
	}
	upstream_fail(upstream, UPSTREAM_BAD_ANSWER);
	return false;
}

void
upstream_pump(struct upstream *upstream)
{
	size_t budget = TURN_BYTES;
	bool more = true;

	while (more && upstream->exchange != NULL && !upstream->tunnel_ended) {
		if (upstream->state == UPSTREAM_WAITING)
			more = upstream_head(upstream);
		else if (upstream->state == UPSTREAM_RELAYING)
			more = upstream_relay(upstream, &budget);
		else
			break;
	}
	if (upstream->exchange != NULL)
		exchange_answer_flush(upstream->exchange);
	if (upstream->state != UPSTREAM_CLOSED)
		receiver_settle(&upstream->receiver);
}

void
upstream_look(struct upstream *upstream)
{
	conn_look_again(&upstream->conn);
	upstream_pump(upstream);
}
