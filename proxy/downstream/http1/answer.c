/* answer.c - sends what the exchange has for its client. */
#include "downstream/http1/server_state.h"
#include "http1/websocket_handshake.h"

static void
client_interim(struct exchange_client *client, const struct response *response)
{
	struct http1_server *server = server_of_client(client);
	struct downstream *downstream = server->connection.downstream;
	struct writer writer =
	    writer_of(downstream->scratch->wire, sizeof(downstream->scratch->wire));
	bool awaited = response->status == 100 && server->expects;
	size_t len;

	if (awaited) {
		server->expects = false; /* now the client has to send */
		connection_wait(&server->connection, downstream->options.timeouts.body);
	}
	if (server->version == HTTP_1_0)
		return; /* RFC 9110 section 15.2: HTTP/1.0 has no interim answers */
	write_status_line(&writer, response->status, response->reason);
	write_fields(&writer, &response->fields);
	write_literal(&writer, "\r\n");
	len = (size_t)(writer.at - downstream->scratch->wire);
	/*
	 * Interim answers that the client does not read in time are dropped, except the 100 that it
	 * waits for. So memory is limited, whatever a backend sends.
	 */
	if (!writer.full && (awaited || buffer_len(server->sender.out) + len <= BUFFER_MEDIUM))
		sender_append(&server->sender, (struct slice){downstream->scratch->wire, len});
}

/*
 * How the content of an answer is framed for this client, and whether the connection outlives it.
 */
static enum body_kind
answer_framing(struct http1_server *server, const struct response *response)
{
	switch (response->content) {
	case CONTENT_NONE:
		return BODY_NONE;
	case CONTENT_LENGTH:
		return BODY_LENGTH;
	case CONTENT_UNKNOWN:
		break;
	}
	if (server->version != HTTP_1_0)
		return BODY_CHUNKED;
	server->keep_alive = false;
	return BODY_UNTIL_CLOSE;
}

/* True when the rest of the request's content may be read and dropped, to keep the connection. */
static bool
content_is_skippable(const struct http1_server *server)
{
	const struct body_decoder *body = &server->receiver.body;

	if (server->content_ended)
		return true;
	/* A client that waits for 100 may or may not send its content now, so its next bytes may be
	 * content or a request. */
	if (server->expects)
		return false;
	return body->kind == BODY_CHUNKED ||
	       body->left <= server->connection.downstream->options.limits.drain_bytes;
}

/* True when the answer's Upgrade names this protocol, whether or not Connection lists the field. */
static bool
names_upgrade(const struct fields *fields, struct slice protocol)
{
	struct slice list, member;

	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].id != FIELD_UPGRADE)
			continue;
		list = fields->items[i].value;
		while (list_next(&list, &member))
			if (slice_equal_nocase(member, protocol))
				return true;
	}
	return false;
}

/*
 * An answer of 426 must name protocols, and Upgrade concerns only one connection (RFC 9110 sections
 * 15.5.22 and 7.8). So the gateway writes its own Upgrade fields: with the backend's protocols that
 * may become tunnels here, or, if there are none, with all protocols that may.
 */
static void
write_upgrades(
    const struct downstream *downstream, const struct fields *received, struct writer *writer)
{
	const char *const *upgrades = downstream->options.upgrades;
	bool named = false;

	if (upgrades == NULL || *upgrades == NULL)
		return;
	for (const char *const *at = upgrades; *at != NULL; at++)
		named = named || names_upgrade(received, slice_of(*at));
	for (const char *const *at = upgrades; *at != NULL; at++)
		if (!named || names_upgrade(received, slice_of(*at)))
			write_field(writer, SLICE("Upgrade"), slice_of(*at));
	write_literal(writer, "Connection: Upgrade\r\n");
}

/* True when the answer has this field. */
static bool
has_field(const struct fields *fields, struct slice name)
{
	for (size_t i = 0; i < fields->count; i++)
		if (!fields->items[i].dropped && slice_equal_nocase(fields->items[i].name, name))
			return true;
	return false;
}

/*
 * The fields with which HTTP/1 switches to the protocol of a tunnel. A backend of HTTP/2 has not
 * seen the key, so the gateway accepts it.
 */
static void
write_switch(const struct response *response, struct writer *writer)
{
	const struct slice name = SLICE("Sec-WebSocket-Accept");
	char accept[WEBSOCKET_ACCEPT_LEN];

	write_literal(writer, "Connection: Upgrade\r\n");
	write_field(writer, SLICE("Upgrade"), response->upgrade);
	if (response->websocket_key.len == WEBSOCKET_KEY_LEN &&
	    !has_field(&response->fields, name) &&
	    websocket_make_accept(response->websocket_key.at, accept))
		write_field(writer, name, (struct slice){accept, sizeof(accept)});
}

static void
client_answer(struct exchange_client *client, const struct response *response)
{
	struct http1_server *server = server_of_client(client);
	struct downstream *downstream = server->connection.downstream;
	struct writer writer =
	    writer_of(downstream->scratch->wire, sizeof(downstream->scratch->wire));
	enum body_kind framing;

	CHECK(server->state == HTTP1_EXCHANGE, client_connection_dump, &server->connection);
	framing = answer_framing(server, response);

	server->answer_at = server->sender.sent + buffer_len(server->sender.out);
	server->tunnel = response->tunnel;
	if (server->tunnel || response->no_reuse || downstream->draining ||
	    !content_is_skippable(server))
		server->keep_alive = false;
	write_status_line(&writer, response->status, response->reason);
	/*
	 * Our field comes first, because only the first of several counts (RFC 6797 section 8.1).
	 */
	if (server->connection.peer.tls && downstream->options.hsts != NULL &&
	    server->connection.peer.purpose == FOR_JOBS)
		write_field(&writer, SLICE("Strict-Transport-Security"),
		    slice_of(downstream->options.hsts));
	write_fields(&writer, &response->fields);
	if (response->status == 426)
		write_upgrades(downstream, &response->fields, &writer);
	if (framing == BODY_CHUNKED) {
		write_literal(&writer, "Transfer-Encoding: chunked\r\n");
	} else if (framing == BODY_LENGTH || response->length_known) {
		write_literal(&writer, "Content-Length: ");
		write_number(&writer, response->length);
		write_literal(&writer, "\r\n");
	}
	if (server->tunnel) {
		write_switch(response, &writer);
		framing = BODY_UNTIL_CLOSE;
		body_decoder_init(&server->receiver.body, BODY_UNTIL_CLOSE, 0, 0);
		server->content_ended = false;
		connection_wait(&server->connection, TUNNEL_LOOK_MS);
	} else if (!server->keep_alive) {
		write_literal(&writer, "Connection: close\r\n");
	} else if (server->version == HTTP_1_0) {
		write_literal(&writer, "Connection: keep-alive\r\n");
	}
	write_literal(&writer, "\r\n");
	server->sender.framing = framing;
	server->sender.chunk_left = 0;
	if (writer.full ||
	    !sender_append(&server->sender, (struct slice){downstream->scratch->wire,
						(size_t)(writer.at - downstream->scratch->wire)}))
		server->sender.failed = true;
}

static size_t
client_content(struct exchange_client *client, struct slice data)
{
	struct http1_server *server = server_of_client(client);

	return sender_content(&server->sender, data);
}

static void
client_reply_content(struct exchange_client *client, struct slice data)
{
	struct http1_server *server = server_of_client(client);

	if (!sender_append(&server->sender, data))
		server->sender.failed = true;
}

static bool
client_waits(struct exchange_client *client)
{
	return sender_pending(&server_of_client(client)->sender);
}

static bool
client_last_words(struct exchange_client *client, struct slice data)
{
	return client_content(client, data) == data.len;
}

void
http1_shut_if_drained(struct http1_server *server)
{
	if (server->tunnel_shut && !sender_pending(&server->sender))
		conn_shutdown_write(&server->connection.conn);
}

static void
client_content_end(struct exchange_client *client, const struct fields *trailers)
{
	struct http1_server *server = server_of_client(client);

	if (server->tunnel) {
		server->tunnel_shut = true;
		sender_flush(&server->sender);
		http1_shut_if_drained(server);
	} else if (!sender_end(&server->sender, trailers)) {
		server->sender.failed = true;
	}
}

static void
client_flush(struct exchange_client *client)
{
	struct http1_server *server = server_of_client(client);

	if (server->working)
		return; /* it flushes at its end */
	sender_flush(&server->sender);
	if (server->sender.failed) {
		connection_lost(&server->connection);
		return;
	}
	http1_shut_if_drained(server);
	if (http1_watch(server))
		sender_settle(&server->sender);
}

/* If it fails, the next flush says so. */
static void
client_send_now(struct exchange_client *client)
{
	sender_flush(&server_of_client(client)->sender);
}

static uint64_t
client_progress(struct exchange_client *client)
{
	return http1_acknowledged(server_of_client(client));
}

static void
client_pause(struct exchange_client *client)
{
	http1_pause_content(server_of_client(client));
}

static void
client_resume(struct exchange_client *client)
{
	struct http1_server *server = server_of_client(client);

	http1_resume_content(server);
	http1_work(server);
}

static bool
client_take_back(struct exchange_client *client)
{
	struct http1_server *server = server_of_client(client);
	struct sender *sender = &server->sender;

	/* Unsent bytes of earlier answers stay. */
	if (sender->failed || sender->out == NULL || sender->sent > server->answer_at)
		return false;
	CHECK(server->answer_at - sender->sent <= buffer_len(sender->out), client_connection_dump,
	    &server->connection);
	sender->out->end = sender->out->start + (uint32_t)(server->answer_at - sender->sent);
	return true;
}

static unsigned
client_failed_auth(struct exchange_client *client, const struct in6_addr *address)
{
	return connection_failed_auth(&server_of_client(client)->connection, address);
}

static void
client_ended(struct exchange_client *client, enum exchange_end end)
{
	struct http1_server *server = server_of_client(client);

	CHECK(server->state == HTTP1_EXCHANGE, client_connection_dump, &server->connection);
	connection_exchange_over(&server->connection,
	    exchange_is_allowed(server->exchange) && !exchange_is_public(server->exchange));
	server->exchange = NULL;
	if (end == END_REVOKED || end == END_ABANDONED) {
		connection_close(&server->connection, true);
		return;
	}
	server->cut = end != END_COMPLETE && end != END_TOLD;
	if (server->cut || !server->keep_alive) {
		http1_finish(server);
	} else if (!server->content_ended) {
		http1_server_set_state(server, HTTP1_SKIPPING);
		server->skipped = 0;
		connection_wait(
		    &server->connection, server->connection.downstream->options.timeouts.body);
	} else {
		http1_await(server);
	}
	if (server->working)
		return;
	/*
	 * Most often the next request has not come, and only the end of the answer remains to be
	 * sent. If it has come, it is served at the end of the turn.
	 */
	if (server->state == HTTP1_HEAD && server->receiver.in == NULL &&
	    !server->connection.conn.readable)
		client_flush(client);
	else
		connection_defer(&server->connection);
}

const struct exchange_client_ops http1_client_ops = {
    .interim = client_interim,
    .answer = client_answer,
    .content = client_content,
    .reply_content = client_reply_content,
    .waits = client_waits,
    .last_words = client_last_words,
    .content_end = client_content_end,
    .progress = client_progress,
    .flush = client_flush,
    .send_now = client_send_now,
    .pause = client_pause,
    .resume = client_resume,
    .take_back = client_take_back,
    .failed_auth = client_failed_auth,
    .ended = client_ended,
};
