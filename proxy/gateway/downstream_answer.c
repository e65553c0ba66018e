/* downstream_answer.c - what the exchange has us send to its client. */
#include "gateway/downstream_state.h"

static void
client_interim(struct exchange_client *client, const struct response *response)
{
	struct downstream *downstream = OWNER(client, client);
	struct gateway *gateway = downstream->gateway;
	struct writer writer = writer_of(gateway->scratch.wire, sizeof(gateway->scratch.wire));
	bool awaited = response->status == 100 && downstream->expects;
	size_t len;

	if (awaited) {
		downstream->expects = false; /* from now on it is the client who is waited for */
		timer_start(gateway->loop, &downstream->timer, gateway->options.timeouts.body);
	}
	if (downstream->minor == 0)
		return; /* RFC 9110 section 15.2: a 1.0 client knows of none */
	write_status_line(&writer, response->status, response->reason);
	write_fields(&writer, &response->fields);
	write_literal(&writer, "\r\n");
	len = (size_t)(writer.at - gateway->scratch.wire);
	/* What a client has no room for is dropped, but for the one 100 that it waits for: memory
	 * is bounded whatever a backend says. */
	if (!writer.full && (awaited || buffer_len(downstream->sender.out) + len <= BUFFER_MEDIUM))
		sender_append(&downstream->sender, (struct slice){gateway->scratch.wire, len});
}

/*
 * How the content of an answer is framed for this client, and whether the connection outlives it.
 */
static enum body_kind
answer_framing(struct downstream *downstream, const struct response *response)
{
	switch (response->content) {
	case CONTENT_NONE:
		return BODY_NONE;
	case CONTENT_LENGTH:
		return BODY_LENGTH;
	case CONTENT_UNKNOWN:
		break;
	}
	if (downstream->minor > 0)
		return BODY_CHUNKED;
	downstream->keep_alive = false;
	return BODY_UNTIL_CLOSE;
}

/* May the rest of the request's content be read and dropped, to keep the connection? */
static bool
content_is_skippable(const struct downstream *downstream)
{
	const struct body_decoder *body = &downstream->receiver.body;

	if (downstream->content_ended)
		return true;
	/* A client that waits for 100 may or may not send its content now: nobody can tell where it
	 * ends. */
	if (downstream->expects)
		return false;
	return body->kind == BODY_CHUNKED ||
	       body->left <= downstream->gateway->options.limits.drain_bytes;
}

/* Does an answer of 426 name protocols? Each other Upgrade was another connection's, and is gone.
 */
static bool
names_upgrade(const struct response *response)
{
	const struct fields *fields = &response->fields;

	for (size_t i = 0; response->status == 426 && i < fields->count; i++)
		if (fields->items[i].id == FIELD_UPGRADE && !fields->items[i].dropped)
			return true;
	return false;
}

static void
client_answer(struct exchange_client *client, const struct response *response)
{
	struct downstream *downstream = OWNER(client, client);
	struct gateway *gateway = downstream->gateway;
	struct writer writer = writer_of(gateway->scratch.wire, sizeof(gateway->scratch.wire));
	enum body_kind framing = answer_framing(downstream, response);

	downstream->answer_at = downstream->sender.sent + buffer_len(downstream->sender.out);
	downstream->tunnel = response->status == 101;
	if (downstream->tunnel || gateway->draining || !content_is_skippable(downstream))
		downstream->keep_alive = false;
	write_status_line(&writer, response->status, response->reason);
	/* First, for of several only the first one counts (RFC 6797 section 8.1). */
	if (downstream->peer.secure && gateway->options.hsts != NULL &&
	    downstream->entrance.purpose == FOR_JOBS)
		write_field(
		    &writer, SLICE("Strict-Transport-Security"), slice_of(gateway->options.hsts));
	write_fields(&writer, &response->fields);
	if (names_upgrade(response)) /* it speaks of this connection (RFC 9110 section 7.8) */
		write_literal(&writer, "Connection: Upgrade\r\n");
	if (framing == BODY_CHUNKED) {
		write_literal(&writer, "Transfer-Encoding: chunked\r\n");
	} else if (framing == BODY_LENGTH || response->length_known) {
		write_literal(&writer, "Content-Length: ");
		write_number(&writer, response->length);
		write_literal(&writer, "\r\n");
	}
	if (downstream->tunnel) {
		write_literal(&writer, "Connection: Upgrade\r\n");
		write_field(&writer, SLICE("Upgrade"), response->upgrade);
		framing = BODY_UNTIL_CLOSE;
		body_decoder_init(&downstream->receiver.body, BODY_UNTIL_CLOSE, 0, 0);
		downstream->content_ended = false;
		downstream_drop_head(downstream);
	} else if (!downstream->keep_alive) {
		write_literal(&writer, "Connection: close\r\n");
	} else if (downstream->minor == 0) {
		write_literal(&writer, "Connection: keep-alive\r\n");
	}
	write_literal(&writer, "\r\n");
	downstream->sender.framing = framing;
	downstream->sender.chunk_left = 0;
	if (writer.full ||
	    !sender_append(&downstream->sender,
		(struct slice){gateway->scratch.wire, (size_t)(writer.at - gateway->scratch.wire)}))
		downstream->sender.failed = true;
}

static size_t
client_content(struct exchange_client *client, struct slice data)
{
	struct downstream *downstream = OWNER(client, client);

	return sender_content(&downstream->sender, data);
}

static void
client_whole(struct exchange_client *client, struct slice data)
{
	struct downstream *downstream = OWNER(client, client);

	if (!sender_append(&downstream->sender, data))
		downstream->sender.failed = true;
}

void
downstream_shut_if_drained(struct downstream *downstream)
{
	if (downstream->tunnel_shut && !sender_pending(&downstream->sender))
		conn_shutdown_write(&downstream->conn);
}

static void
client_content_end(struct exchange_client *client, const struct fields *trailers)
{
	struct downstream *downstream = OWNER(client, client);

	if (downstream->tunnel) {
		downstream->tunnel_shut = true;
		sender_flush(&downstream->sender);
		downstream_shut_if_drained(downstream);
	} else if (!sender_end(&downstream->sender, trailers)) {
		downstream->sender.failed = true;
	}
}

static void
client_flush(struct exchange_client *client)
{
	struct downstream *downstream = OWNER(client, client);

	if (downstream->working)
		return; /* it flushes at its end */
	sender_flush(&downstream->sender);
	if (downstream->sender.failed) {
		downstream_lost(downstream);
		return;
	}
	downstream_shut_if_drained(downstream);
	sender_settle(&downstream->sender);
}

static void
client_resume(struct exchange_client *client)
{
	downstream_work(OWNER(client, client));
}

static void
client_look(struct exchange_client *client)
{
	struct downstream *downstream = OWNER(client, client);

	conn_look_again(&downstream->conn);
	downstream_work(downstream);
}

static bool
client_take_back(struct exchange_client *client)
{
	struct downstream *downstream = OWNER(client, client);
	struct sender *sender = &downstream->sender;

	/* What was pending before the answer, and has not left either, stays. */
	if (sender->failed || sender->out == NULL || sender->sent > downstream->answer_at)
		return false;
	sender->out->end = sender->out->start + (uint32_t)(downstream->answer_at - sender->sent);
	return true;
}

static void
client_ended(struct exchange_client *client, enum ending ending)
{
	struct downstream *downstream = OWNER(client, client);

	downstream->known = downstream->known || exchange_is_allowed(downstream->exchange);
	downstream->exchange = NULL;
	if (downstream->known)
		downstream->idle_since_ms = (uint32_t)loop_now_ms(downstream->gateway->loop);
	if (downstream->state != DOWNSTREAM_EXCHANGE)
		return;
	if (ending == ENDING_AT_ONCE) {
		downstream_close(downstream, true);
		return;
	}
	downstream_drop_head(downstream);
	downstream->cut = ending == ENDING_SHORT;
	if (downstream->cut || !downstream->keep_alive) {
		downstream_finish(downstream);
	} else if (!downstream->content_ended) {
		downstream->state = DOWNSTREAM_SKIPPING;
		downstream->skipped = 0;
		timer_start(downstream->gateway->loop, &downstream->timer,
		    downstream->gateway->options.timeouts.body);
	} else {
		downstream_await(downstream);
	}
	if (downstream->working)
		return;
	/*
	 * Most often nothing is left to do than to send the answer's end: the next
	 * request has not come. What has come is taken up at the end of the turn.
	 */
	if (downstream->state == DOWNSTREAM_HEAD && downstream->receiver.in == NULL &&
	    !downstream->conn.readable)
		client_flush(client);
	else
		loop_defer(downstream->gateway->loop, &downstream->task);
}

const struct exchange_client_ops downstream_ops = {
    .request = downstream_request,
    .interim = client_interim,
    .answer = client_answer,
    .content = client_content,
    .whole = client_whole,
    .content_end = client_content_end,
    .flush = client_flush,
    .resume = client_resume,
    .look = client_look,
    .take_back = client_take_back,
    .ended = client_ended,
};
