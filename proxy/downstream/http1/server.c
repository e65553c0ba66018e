/* server.c - HTTP/1 on a client connection: from one request to the next. */
#include "downstream/http1/server_state.h"
#include "exchange/context.h"
#include "http/h2_frame.h"

/* How many bytes of content, and how many requests, one connection may handle in a turn. */
#define TURN_BYTES (512 * 1024)
#define TURN_REQUESTS 32

/* Up to this many bytes of answers wait to be sent together with the next answer. */
#define ANSWERS_TOGETHER 4096

/* Content that is read and dropped in one turn while skipping or lingering. */
#define SKIP_BYTES (256 * 1024)

/* With libevent's struct event of 128 bytes; see connection.h. */
_Static_assert(sizeof(struct http1_server) <= 456, "an idle connection costs no more than before");

uint64_t
http1_acknowledged(const struct http1_server *server)
{
	return server->sender.sent - conn_unacknowledged(&server->connection.conn);
}

void
http1_finish(struct http1_server *server)
{
	http1_server_set_state(server, HTTP1_CLOSING);
	server->skipped = 0;
	server->read_before = UINT64_MAX; /* not looked at yet */
	if (!server->cut)
		conn_end_follows(&server->connection.conn);
	/* A client that reads may take its time; lingering begins when all is sent. */
	connection_wait(
	    &server->connection, server->connection.downstream->options.timeouts.answer);
}

void
http1_await(struct http1_server *server)
{
	struct downstream *downstream = server->connection.downstream;

	http1_server_set_state(server, HTTP1_HEAD);
	server->receiver.scanned = 0;
	server->read_before = UINT64_MAX; /* not looked at yet */
	/* If a part of the next head has come, the rest has to come within timeouts.head. */
	connection_wait(&server->connection, buffer_len(server->receiver.in) > 0
						 ? downstream->options.timeouts.head
						 : downstream->options.timeouts.keep_alive);
}

/*
 * True when the connection begins with HTTP/2's preface ("prior knowledge", RFC 9113 section 3.3),
 * or with its first bytes. HTTP/1 has no such request.
 */
static bool
is_http2(const struct http1_server *server, struct slice bytes)
{
	const struct downstream_options *options = &server->connection.downstream->options;
	size_t len = bytes.len < H2_PREFACE_LEN ? bytes.len : H2_PREFACE_LEN;

	return len > 0 && !server->served && options->protocols[PROTOCOL_HTTP2] != NULL &&
	       server->connection.conn.tls == NULL && memcmp(bytes.at, H2_PREFACE, len) == 0;
}

/* Look for a head. True when there is more to do at once. */
static bool
http1_head(struct http1_server *server)
{
	struct downstream *downstream = server->connection.downstream;
	struct receiver *receiver = &server->receiver;
	struct slice bytes = {0};
	size_t start, end;
	enum head_status status = HEAD_INCOMPLETE;

	if (receiver->in != NULL)
		bytes = buffer_bytes(receiver->in);
	server->http2 = is_http2(server, bytes);
	if (server->http2 && bytes.len >= H2_PREFACE_LEN)
		return false; /* http1_work hands the connection over */
	if (bytes.len > 0 && !server->http2)
		status = head_find(bytes, true, &downstream->options.limits.head,
		    &receiver->scanned, &start, &end);
	if (status == HEAD_COMPLETE) {
		/* What follows is content; the head's bytes stay until something is read. */
		receiver->in->start += (uint32_t)end;
		receiver->scanned = 0;
		http1_begin(server, (struct slice){bytes.at + start, end - start});
		return true;
	}
	if (status != HEAD_INCOMPLETE) {
		http1_reject_head(server, status);
		return true;
	}
	switch (bytes.len > 0 ? receiver_fill_on(receiver) : receiver_fill(receiver)) {
	case IO_OK:
		if (bytes.len == 0) /* first bytes of a head: timeouts.head begins */
			connection_wait(&server->connection, downstream->options.timeouts.head);
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
		if (!sender_pending(&server->sender) && !server->half_closed)
			break;
		/* It sends no more, but still reads its answers. */
		http1_finish(server);
		return true;
	case IO_ERROR:
		break;
	}
	connection_lost(&server->connection);
	return false;
}

/*
 * True when the next request may be read. Answers of a few KiB wait for each other, to be sent
 * together. A client that does not read its answers gets no more of them.
 */
static bool
may_ask(struct http1_server *server)
{
	struct sender *sender = &server->sender;

	if (!sender_pending(sender))
		return true;
	if (!server->connection.conn.writable)
		return false;
	return buffer_len(sender->out) <= ANSWERS_TOGETHER || sender_flush(sender) != IO_AGAIN;
}

/* HTTP/2 takes over, with the bytes that have come. */
static void
hand_over(struct http1_server *server)
{
	struct buffer *received = server->receiver.in;

	server->receiver.in = NULL;
	receiver_clear(&server->receiver);
	sender_clear(&server->sender);
	connection_switch(&server->connection, PROTOCOL_HTTP2, received);
}

void
http1_work(struct http1_server *server)
{
	size_t budget = TURN_BYTES, skip_budget = SKIP_BYTES;
	unsigned requests = 0;
	bool more = true;

	if (server->working)
		return; /* the loop below goes on with it */
	server->working = true;
	while (more) {
		switch (server->state) {
		case HTTP1_HEAD:
			more = may_ask(server);
			if (more && requests++ == TURN_REQUESTS) {
				connection_defer(&server->connection);
				more = false;
			}
			more = more && http1_head(server);
			break;
		case HTTP1_EXCHANGE:
			more = http1_serve(server, &budget);
			break;
		case HTTP1_SKIPPING:
			more = http1_skip(server, &skip_budget);
			break;
		case HTTP1_CLOSING:
			if (sender_flush(&server->sender) == IO_ERROR) {
				connection_close(&server->connection, false);
				more = false;
				break;
			}
			more = http1_closing(server, &skip_budget);
			break;
		case HTTP1_CLOSED:
			more = false;
			break;
		}
	}
	server->working = false;
	if (server->exchange != NULL)
		exchange_content_flush(server->exchange);
	if (server->state == HTTP1_CLOSED)
		return;
	if (sender_flush(&server->sender) == IO_ERROR) {
		connection_lost(&server->connection);
		return;
	}
	if (!http1_watch(server))
		return; /* lost */
	if (server->http2 && buffer_len(server->receiver.in) >= H2_PREFACE_LEN) {
		hand_over(server);
		return;
	}
	receiver_settle(&server->receiver);
	sender_settle(&server->sender);
}

/* ---- called by the connection ---- */

/*
 * The time of a client that has not read all of its answers is over. If it has read some since
 * then, it gets the same time again; if not, a reset shows it that the answer is incomplete.
 */
static void
http1_expired_unread(struct http1_server *server)
{
	uint64_t read = http1_acknowledged(server);

	if (read == server->read_before) {
		connection_close(&server->connection, true);
		return;
	}
	server->read_before = read;
	connection_wait(
	    &server->connection, server->connection.downstream->options.timeouts.answer);
}

/* In a tunnel, nothing has come for a while; else the time for the request's content is over. */
static void
http1_expired_exchange(struct http1_server *server)
{
	struct connection *connection = &server->connection;

	if (server->content_ended) {
		/* It waits for longer than http1_watch expected. When this fails, it is closed. */
		(void)connection_watch(connection);
		return;
	}
	if (server->tunnel) {
		connection_catch_up(connection);
		conn_look_again(&connection->conn);
		if (server->state != HTTP1_CLOSED)
			http1_work(server);
		return;
	}
	if (server->receiver.piece.len > 0 || server->expects ||
	    !exchange_takes_content(server->exchange)) {
		/* The backend keeps the client waiting. */
		connection_wait(connection, connection->downstream->options.timeouts.body);
		return;
	}
	server->keep_alive = false;
	exchange_client_failed(server->exchange, CLIENT_BODY_TIMEOUT);
}

static void
http1_expired(struct connection *connection)
{
	struct http1_server *server = server_of(connection);

	switch (server->state) {
	case HTTP1_HEAD:
		if (sender_pending(&server->sender)) {
			http1_expired_unread(server);
			return;
		}
		if (buffer_len(server->receiver.in) == 0) {
			conn_farewell(&server->connection.conn);
			connection_close(&server->connection, false);
			return;
		}
		server->version = HTTP_1_1;
		http1_reject(server, NULL, 408, SLICE("Request timeout"),
		    SLICE("The request's head did not come in time."));
		if (server->state != HTTP1_CLOSED)
			http1_work(server);
		return;
	case HTTP1_EXCHANGE:
		http1_expired_exchange(server);
		return;
	case HTTP1_SKIPPING:
		connection_close(&server->connection, false);
		return;
	case HTTP1_CLOSING:
		if (sender_pending(&server->sender))
			http1_expired_unread(server);
		else if (!http1_reset_when_read(server))
			connection_close(&server->connection, false);
		return;
	case HTTP1_CLOSED:
		return;
	}
}

static void
http1_opened(struct connection *connection, struct buffer *received)
{
	struct http1_server *server = server_of(connection);

	CHECK(received == NULL, client_connection_dump, connection);
	server->client.ops = &http1_client_ops;
	server->receiver.conn = server->sender.conn = &connection->conn;
	server->receiver.buffers = server->sender.buffers = connection->downstream->buffers;
	CHECK(server->state == HTTP1_HEAD && server->exchange == NULL, client_connection_dump,
	    connection);
	connection_wait(connection, connection->downstream->options.timeouts.head);
}

static void
http1_judge_if_changed(struct connection *connection)
{
	struct http1_server *server = server_of(connection);

	if (server->exchange != NULL)
		exchange_judge_if_changed(server->exchange);
}

static void
http1_ready(struct connection *connection)
{
	struct http1_server *server = server_of(connection);

	if (connection->conn.writable && sender_pending(&server->sender)) {
		if (sender_flush(&server->sender) == IO_ERROR) {
			connection_lost(connection);
			return;
		}
		http1_shut_if_drained(server);
	}
	if (connection->conn.writable && server->exchange != NULL)
		exchange_client_ready(server->exchange);
	if (server->state != HTTP1_CLOSED)
		http1_work(server);
}

static void
http1_resumed(struct connection *connection)
{
	http1_work(server_of(connection));
}

static void
http1_drain(struct connection *connection, bool gently)
{
	struct http1_server *server = server_of(connection);

	/* The client has been told that the connection stays: it may send one more request. */
	if (gently)
		return;
	server->keep_alive = false;
	if (server->state == HTTP1_HEAD && buffer_len(server->receiver.in) == 0 &&
	    !sender_pending(&server->sender)) {
		conn_farewell(&connection->conn);
		connection_close(connection, false);
	}
}

static void
http1_shutdown(struct connection *connection)
{
	struct http1_server *server = server_of(connection);

	if (server->exchange != NULL)
		exchange_shutdown(server->exchange);
	sender_flush(&server->sender);
	connection_close(connection, http1_must_reset(server));
}

static void
http1_lost(struct connection *connection)
{
	struct http1_server *server = server_of(connection);

	if (server->exchange != NULL)
		exchange_client_failed(server->exchange, CLIENT_CLOSED);
}

static void
http1_closed(struct connection *connection)
{
	struct http1_server *server = server_of(connection);

	http1_server_set_state(server, HTTP1_CLOSED);
	receiver_clear(&server->receiver);
	sender_clear(&server->sender);
}

static struct connection_load
http1_load(const struct connection *connection)
{
	const struct http1_server *server = (const struct http1_server *)connection;
	struct connection_load load = {.unread = sender_pending(&server->sender)};

	if (server->state == HTTP1_EXCHANGE) {
		load.serves = true;
		load.awaits_content = exchange_awaits_content(server->exchange);
		load.age_ms = exchange_age_ms(server->exchange);
	}
	return load;
}

static void
http1_dump(const struct connection *connection, struct dump *dump)
{
	http1_server_dump((const struct http1_server *)connection, dump);
}

const struct connection_protocol http1_server_protocol = {
    .size = sizeof(struct http1_server),
    .watches = true,
    .opened = http1_opened,
    .judge_if_changed = http1_judge_if_changed,
    .ready = http1_ready,
    .work = http1_resumed,
    .expired = http1_expired,
    .drain = http1_drain,
    .shutdown = http1_shutdown,
    .lost = http1_lost,
    .closed = http1_closed,
    .load = http1_load,
    .dump = http1_dump,
};
