/* answer.c - reads the answers of an HTTP/1 backend: heads, content, trailers. */
#include "http/framing.h"
#include "upstream/http1/client_state.h"

#define KEEP_SECONDS_MAX 86400 /* of a backend's word on how long it keeps a connection */

/* Read more of a head; true when there is something new to look at. */
static bool
answer_fill(struct http1_client *client)
{
	struct receiver *receiver = &client->receiver;

	switch (
	    buffer_len(receiver->in) > 0 ? receiver_fill_on(receiver) : receiver_fill(receiver)) {
	case IO_OK:
		client->answer_begun = true;
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
	case IO_ERROR:
		break;
	}
	http1_client_fail(client, UPSTREAM_BROKEN);
	return false;
}

/* True when an answer of 101 switches to the protocol that was asked for. */
static bool
upgrade_agreed(const struct http1_client *client, const struct response_framing *framing,
    struct fields *fields)
{
	return client->upgrade_asked.len > 0 &&
	       slice_equal_nocase(framing->upgrade, client->upgrade_asked) &&
	       (!client->own_key || websocket_take_accept(fields, client->websocket_key));
}

/*
 * How long the backend says that it keeps an idle connection (Keep-Alive: timeout=SECONDS), minus a
 * margin, so that we close it first: a request that crosses the backend's close may be one that
 * cannot be sent again. UINT64_MAX when it does not say.
 */
static uint64_t
keep_hint_ms(const struct response_head *head, uint64_t margin_ms)
{
	struct slice name = SLICE("timeout="), list, member;
	uint64_t seconds;
	struct slice digits;

	for (size_t i = 0; i < head->field_count; i++) {
		if (head->fields[i].id != FIELD_KEEP_ALIVE)
			continue;
		list = head->fields[i].value;
		while (list_next(&list, &member)) {
			if (member.len == name.len || !slice_starts_with_nocase(member, name))
				continue;
			digits = slice_digits(slice_after(member, name.len));
			if (!slice_to_capped_number(digits, KEEP_SECONDS_MAX, &seconds) ||
			    seconds == 0)
				return 0;
			return seconds * 1000 - margin_ms;
		}
	}
	return UINT64_MAX;
}

/* Pass a complete head on. False when the answer cannot be understood. */
static bool
answer_take_head(struct http1_client *client, const struct response_head *head,
    const struct response_framing *framing)
{
	struct response response = {
	    .status = head->status,
	    .reason = head->reason,
	    .fields = {(struct field *)head->fields, head->field_count},
	    .length = framing->length,
	    .length_known = framing->length_known,
	    .tunnel = head->status == 101,
	    .upgrade = framing->upgrade,
	};
	struct upstream_user *user = client->upstream.user;

	if (head->status == 101 && !upgrade_agreed(client, framing, &response.fields))
		return false;
	if (head->status < 200 && head->status != 101) {
		if (++client->interims > client->connection.options->tuning->interims_max)
			return false;
		client->no_reuse = client->no_reuse || !framing->keep_alive;
		if (head->status == 100 || head->status == 103)
			user->ops->interim(user, &response);
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
	client->tunnel = response.tunnel;
	if (client->tunnel)
		timer_start(client->connection.options->loop, &client->timer, TUNNEL_LOOK_MS);
	client->keep_ms = keep_hint_ms(head, client->connection.options->tuning->keep_margin_ms);
	client->keep_alive = framing->keep_alive && !client->tunnel && client->keep_ms > 0;
	body_decoder_init(&client->receiver.body, client->tunnel ? BODY_UNTIL_CLOSE : framing->body,
	    framing->length, TRAILER_MAX);
	http1_client_set_state(client, HTTP1_CLIENT_RELAYING);
	user->ops->head(user, &response);
	return true;
}

/* Look for the head of an answer. True when there is more to do at once. */
static bool
answer_head(struct http1_client *client)
{
	const struct head_limits *limits = &client->connection.options->head;
	struct response_head *head = &http1_client_scratch(client)->head;
	struct receiver *receiver = &client->receiver;
	struct response_framing framing;
	struct slice bytes = {0};
	size_t start, end;

	if (receiver->in != NULL)
		bytes = buffer_bytes(receiver->in);
	if (bytes.len == 0)
		return answer_fill(client);
	switch (head_find(bytes, false, limits, &receiver->scanned, &start, &end)) {
	case HEAD_COMPLETE:
		break;
	case HEAD_INCOMPLETE:
		return answer_fill(client);
	case HEAD_BAD:
	case HEAD_BAD_VERSION:
	case HEAD_TARGET_TOO_LONG:
	case HEAD_TOO_LARGE:
		http1_client_fail(client, UPSTREAM_BAD_ANSWER);
		return false;
	}
	bytes.len = end;
	if (head_parse_response(bytes, limits, head) != HEAD_COMPLETE ||
	    response_framing(head, client->method, &framing) != FRAMING_OK) {
		http1_client_fail(client, UPSTREAM_BAD_ANSWER);
		return false;
	}
	/* The bytes stay where they are until the next fill: the head's slices point there. */
	receiver->in->start += (uint32_t)end;
	receiver->scanned = 0;
	if (!answer_take_head(client, head, &framing)) {
		http1_client_fail(client, UPSTREAM_BAD_ANSWER);
		return false;
	}
	return true;
}

/* The answer has come to its end. */
static void
answer_complete(struct http1_client *client, const struct fields *trailers)
{
	struct upstream_user *user = client->upstream.user;

	if (client->tunnel)
		client->tunnel_ended = true;
	user->ops->content_end(user, trailers);
}

/* No more content is buffered: read more, or find that it has ended. */
static bool
answer_more(struct http1_client *client)
{
	switch (client->tunnel ? receiver_fill(&client->receiver)
			       : receiver_fill_on(&client->receiver)) {
	case IO_OK:
		if (client->tunnel)
			timer_start(
			    client->connection.options->loop, &client->timer, TUNNEL_LOOK_MS);
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
		if (client->receiver.body.kind == BODY_UNTIL_CLOSE) {
			answer_complete(client, NULL);
			return false;
		}
		break;
	case IO_ERROR:
		break;
	}
	http1_client_fail(client, UPSTREAM_BROKEN);
	return false;
}

/* Hand on a piece of content. True when there is more to do at once. */
static bool
answer_relay(struct http1_client *client, size_t *budget)
{
	struct upstream_user *user = client->upstream.user;
	const struct pool_options *options = client->connection.options;
	struct fields trailers = {.items = http1_client_scratch(client)->trailers};
	struct slice data;
	size_t taken;
	enum body_status status = receiver_content(&client->receiver, &data);
	bool more = receiver_spend(&client->receiver, budget);

	if (!more)
		loop_defer(options->loop, &client->resume_task);
	switch (status) {
	case BODY_DATA:
		taken = user->ops->content(user, data);
		if (client->upstream.user == NULL)
			return false;
		receiver_taken(&client->receiver, taken);
		return taken == data.len && more;
	case BODY_TRAILERS:
		if (!trailers_parse(data, options->head.fields, NULL, &trailers))
			break;
		answer_complete(client, &trailers);
		return false;
	case BODY_END:
		answer_complete(client, NULL);
		return false;
	case BODY_MORE:
		return more && answer_more(client);
	case BODY_BAD:
		break;
	}
	http1_client_fail(client, UPSTREAM_BAD_ANSWER);
	return false;
}

void
http1_client_pump(struct http1_client *client)
{
	size_t budget = client->connection.options->tuning->turn_bytes;
	bool more = true;

	while (more && client->upstream.user != NULL && !client->tunnel_ended) {
		if (client->state == HTTP1_CLIENT_WAITING)
			more = answer_head(client);
		else if (client->state == HTTP1_CLIENT_RELAYING)
			more = answer_relay(client, &budget);
		else
			break;
	}
	if (client->upstream.user != NULL)
		client->upstream.user->ops->flush(client->upstream.user);
	if (client->state != HTTP1_CLIENT_CLOSED)
		receiver_settle(&client->receiver);
}
