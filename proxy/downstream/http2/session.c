/* session.c - HTTP/2 on a client connection: one turn of it, its beginning and its end. */
#include "downstream/http2/session_state.h"

#include <stdlib.h>

/* What one connection may do in a turn of the loop. */
#define TURN_FRAMES 256
#define TURN_REQUESTS 32
#define TURN_BYTES (512 * 1024) /* in each direction */

/* A client that has not shown a valid token so far may have this many streams: until then, nothing
 * more is read. */
#define UNKNOWN_STREAMS 8

/* The client has to acknowledge our SETTINGS within this time. */
#define ACK_MS 10000

/* After the first GOAWAY, what is on its way has this long to come. */
#define LEAVE_MS 1000

/* Bytes read and dropped after a GOAWAY, before a reset takes the place of a close. */
#define LINGER_BYTES (1024 * 1024)

/* ---- reading ---- */

bool
http2_may_read(const struct http2_session *session)
{
	return session->control_out < CONTROL_OUT_MAX &&
	       (session->connection->authenticated || session->stream_count < UNKNOWN_STREAMS);
}

/* Make `in` a buffer with room. False: memory is short. */
static bool
reserve_in(struct http2_session *session)
{
	struct buffer_pool *buffers = session->downstream->buffers;
	struct buffer *in = session->in, *large;

	if (in != NULL && in->capacity >= BUFFER_LARGE) {
		buffer_compact(in);
		return true;
	}
	large = buffer_take(buffers, BUFFER_LARGE);
	if (large == NULL)
		return false;
	if (in != NULL)
		buffer_append(large, buffer_bytes(in));
	buffer_give(buffers, in);
	session->in = large;
	return true;
}

/* Read once. IO_AGAIN: there is nothing. */
static enum io
fill(struct http2_session *session, size_t *budget)
{
	struct conn *conn = &session->connection->conn;
	enum io io;
	size_t n;

	/* The end of the connection may stand right behind the first part of a frame. */
	if (session->in != NULL)
		conn_look_again(conn);
	if (!conn->readable)
		return IO_AGAIN;
	if (!reserve_in(session))
		return IO_ERROR;
	io = conn_read(conn, session->in->bytes + session->in->end, buffer_room(session->in), &n);
	if (io != IO_OK)
		return io;
	session->in->end += (uint32_t)n;
	*budget -= n < *budget ? n : *budget;
	if (!overhead_read(&session->overhead, n, session_now_ms(session)) &&
	    !session->connection->peer.trusted)
		http2_fail(session, H2_ENHANCE_YOUR_CALM, SLICE("too many frames without content"));
	return IO_OK;
}

/* Give back `in` when it is empty. */
static void
drop_empty(struct http2_session *session)
{
	if (session->in == NULL || buffer_len(session->in) > 0)
		return;
	buffer_give(session->downstream->buffers, session->in);
	session->in = NULL;
}

/* Read frames as long as that makes sense in this turn. False: the connection is lost. */
static bool
read_frames(struct http2_session *session)
{
	unsigned frames = TURN_FRAMES, requests = TURN_REQUESTS;
	size_t budget = TURN_BYTES;

	while (session->state < HTTP2_CLOSING && !session->failed) {
		if (!http2_may_read(session))
			return true;
		if (http2_read_frames(session, &frames, &requests) || budget == 0) {
			connection_defer(session->connection);
			return true;
		}
		drop_empty(session);
		if (session->state >= HTTP2_CLOSING || !http2_may_read(session))
			return true;
		switch (fill(session, &budget)) {
		case IO_OK:
			break;
		case IO_AGAIN:
			drop_empty(session);
			return true;
		case IO_EOF:
		case IO_ERROR:
			return false;
		}
	}
	return true;
}

/* Content was handed to exchanges: let them send it on. */
static void
flush_exchanges(struct http2_session *session)
{
	struct http2_stream *stream, *next;

	for (stream = TAILQ_FIRST(&session->streams); stream != NULL; stream = next) {
		next = TAILQ_NEXT(stream, link);
		if (!stream->pushed)
			continue;
		stream->pushed = false;
		if (stream->exchange != NULL)
			exchange_content_flush(stream->exchange);
	}
}

/* ---- sending ---- */

/* Send what waits, and what streams have besides as long as the socket takes it. */
static void
send_all(struct http2_session *session)
{
	uint64_t until = session->sent + TURN_BYTES, before;

	for (;;) {
		http2_take_turns(session);
		before = session->sent;
		if (http2_send(session) != IO_OK)
			return;
		if (TAILQ_EMPTY(&session->turns) || session->send_window <= 0 ||
		    session->sent == before)
			return;
		if (session->sent >= until) {
			connection_defer(session->connection);
			return;
		}
	}
}

/* All is sent: end our side, and read until the client has ended as well. */
static void
linger(struct http2_session *session)
{
	struct connection *connection = session->connection;
	struct downstream *downstream = session->downstream;
	char *room = downstream->scratch.wire;
	size_t n;

	if (!session->finished_sending) {
		session->finished_sending = true;
		conn_shutdown_write(&connection->conn);
		connection_wait(connection, downstream->options.timeouts.linger);
	}
	for (;;) {
		if (session->skipped > LINGER_BYTES)
			break;
		if (!connection->conn.readable)
			return;
		switch (conn_read(&connection->conn, room, BUFFER_LARGE, &n)) {
		case IO_OK:
			session->skipped += n;
			continue;
		case IO_AGAIN:
			return;
		case IO_EOF:
		case IO_ERROR:
			break;
		}
		break;
	}
	connection_close(connection, false);
}

/* Before control goes back to the loop: hold no more memory than there are bytes. */
static void
settle(struct http2_session *session)
{
	struct buffer_pool *buffers = session->downstream->buffers;

	session->in = buffer_fit(buffers, session->in);
	session->out = buffer_fit(buffers, session->out);
	http2_set_timer(session);
}

void
http2_work(struct http2_session *session)
{
	struct connection *connection = session->connection;

	if (session->working || session->state == HTTP2_CLOSED)
		return;
	session->working = true;
	if (!read_frames(session)) {
		session->working = false;
		connection_lost(connection);
		return;
	}
	flush_exchanges(session);
	if (session->state == HTTP2_LEAVING && session->last_goaway && session->stream_count == 0)
		http2_session_set_state(session, HTTP2_CLOSING);
	send_all(session);
	session->working = false;
	if (session->failed)
		connection_lost(connection);
	else if (session->state == HTTP2_CLOSING && http2_out_at(session) == session->sent &&
		 !connection->conn.unsent)
		linger(session);
	else
		settle(session);
}

void
http2_wake(struct http2_session *session)
{
	if (!session->working && session->state != HTTP2_CLOSED)
		connection_defer(session->connection);
}

/* ---- its end ---- */

/* End all streams without a word of ours to each. */
static void
end_streams(struct http2_session *session)
{
	struct http2_stream *stream;

	while ((stream = TAILQ_FIRST(&session->streams)) != NULL) {
		stream->client_reset = true;
		if (stream->exchange != NULL)
			exchange_client_failed(stream->exchange, CLIENT_CLOSED);
		http2_stream_close(stream);
	}
}

static void
write_goaway(struct http2_session *session, uint32_t last, enum h2_error error, struct slice why)
{
	struct writer writer;

	if (!http2_write(session, H2_FRAME_HEAD_LEN + 8 + why.len, &writer))
		return;
	h2_write_goaway(&writer, last, error, why);
	http2_written(session, &writer, true);
}

void
http2_fail(struct http2_session *session, enum h2_error error, struct slice why)
{
	if (session->state >= HTTP2_CLOSING)
		return;
	http2_session_set_state(session, HTTP2_CLOSING);
	write_goaway(session, session->last_id, error, why);
	end_streams(session);
	connection_wait(session->connection, session_options(session)->timeouts.answer);
	http2_wake(session);
}

void
http2_leave(struct http2_session *session, bool now)
{
	static const char payload[8] = "jobgate";
	struct writer writer;

	if (session->state >= HTTP2_CLOSING || session->last_goaway)
		return;
	if (session->state == HTTP2_PREFACE) {
		http2_fail(session, H2_NO_ERROR, (struct slice){0});
		return;
	}
	if (now) {
		session->last_goaway = true;
		write_goaway(session, session->last_id, H2_NO_ERROR, (struct slice){0});
	} else if (session->state == HTTP2_OPEN) {
		/* Requests on their way are still served: this says so, and the answer to PING
		 * that they have come (RFC 9113 section 6.8). */
		session->leave_at_ms = session_now_ms(session) + LEAVE_MS;
		write_goaway(session, H2_STREAM_LIMIT, H2_NO_ERROR, (struct slice){0});
		if (http2_write(session, H2_FRAME_HEAD_LEN + sizeof(payload), &writer)) {
			h2_write_ping(&writer, false, payload);
			http2_written(session, &writer, true);
		}
	}
	if (session->state == HTTP2_OPEN)
		http2_session_set_state(session, HTTP2_LEAVING);
	http2_wake(session);
}

/* ---- called by the connection ---- */

/* Our SETTINGS, and a connection window that is larger than the default. */
static void
write_preface(struct http2_session *session)
{
	const struct downstream_options *options = session_options(session);
	const struct h2_setting settings[] = {
	    {H2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)options->http2.streams},
	    {H2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_WINDOW_FIRST},
	    {H2_SETTINGS_MAX_HEADER_LIST_SIZE,
		(uint32_t)(options->limits.head.head_bytes +
			   HPACK_FIELD_OVERHEAD * options->limits.head.fields)},
	    {H2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};
	struct writer writer;

	if (!http2_write(session, 128, &writer))
		return;
	h2_write_settings(&writer, settings, sizeof(settings) / sizeof(*settings));
	h2_write_window_update(&writer, 0, session->window - H2_WINDOW_DEFAULT);
	http2_written(session, &writer, false);
}

static void
session_free(struct task *task)
{
	struct http2_session *session = container_of(task, struct http2_session, free_task);

	hpack_decoder_free(&session->decoder);
	free(session);
}

static void
http2_opened(struct connection *connection, struct buffer *received)
{
	struct http2_server *server = container_of(connection, struct http2_server, connection);
	struct http2_session *session = calloc(1, sizeof(*session));

	server->session = session;
	if (session == NULL) {
		buffer_give(connection->downstream->buffers, received);
		connection_close(connection, false);
		return;
	}
	session->connection = connection;
	session->downstream = connection->downstream;
	session->free_task.run = session_free;
	session->in = received;
	hpack_decoder_init(&session->decoder, HPACK_TABLE_MAX);
	h2_settings_init(&session->settings);
	TAILQ_INIT(&session->streams);
	TAILQ_INIT(&session->turns);
	resets_init(&session->resets);
	session->send_window = H2_WINDOW_DEFAULT;
	session->window = HTTP2_CONNECTION_WINDOW;
	/* A trusted proxy has many users on a connection: none may have to wait for others. */
	if (connection->peer.trusted &&
	    session->window < connection->downstream->options.http2.streams * HTTP2_WINDOW_ALLOWED)
		session->window =
		    (uint32_t)connection->downstream->options.http2.streams * HTTP2_WINDOW_ALLOWED;
	session->receive_window = (int32_t)session->window;
	session->first_block_at = UINT64_MAX;
	session->idle_since_ms = session->overhead.began_ms = session_now_ms(session);
	session->ack_due_ms = session->idle_since_ms + ACK_MS;
	write_preface(session);
	http2_set_timer(session);
}

static void
http2_ready(struct connection *connection)
{
	http2_work(session_of(connection));
}

static void
http2_timer(struct connection *connection)
{
	exchange_catch_up(connection->downstream->exchanges);
	if (connection->state == CONNECTION_OPEN)
		http2_expired(session_of(connection));
}

static void
http2_drain(struct connection *connection, bool gently)
{
	(void)gently; /* GOAWAY tells the client all that it has to know */
	http2_leave(session_of(connection), false);
}

static void
http2_shutdown(struct connection *connection)
{
	struct http2_session *session = session_of(connection);
	struct http2_stream *stream, *next;

	session->working = true; /* what the exchanges write is sent below */
	for (stream = TAILQ_FIRST(&session->streams); stream != NULL; stream = next) {
		next = TAILQ_NEXT(stream, link);
		if (stream->exchange != NULL)
			exchange_shutdown(stream->exchange);
	}
	http2_fail(session, H2_NO_ERROR, (struct slice){0});
	http2_send(session);
	session->working = false;
}

static void
http2_lost(struct connection *connection)
{
	struct http2_session *session = session_of(connection);

	session->failed = true;
	end_streams(session);
}

static void
http2_closed(struct connection *connection)
{
	struct http2_session *session = session_of(connection);
	struct buffer_pool *buffers;

	if (session == NULL)
		return;
	buffers = session->downstream->buffers;
	session->working = true; /* there is no next turn for it */
	end_streams(session);
	http2_session_set_state(session, HTTP2_CLOSED);
	buffer_give(buffers, session->in);
	buffer_give(buffers, session->block.bytes);
	buffer_give(buffers, session->out);
	session->in = session->block.bytes = session->out = NULL;
	/* Behind the tasks that free its streams. */
	loop_defer(session->downstream->loop, &session->free_task);
}

static struct connection_load
http2_load(const struct connection *connection)
{
	const struct http2_session *session = session_of(connection);
	struct connection_load load = {
	    .unread = buffer_len(session->out) > 0, .awaits_content = true, .age_ms = UINT64_MAX};
	const struct http2_stream *stream;

	TAILQ_FOREACH(stream, &session->streams, link)
	{
		if (stream->exchange == NULL)
			continue;
		load.serves = true;
		load.awaits_content =
		    load.awaits_content && exchange_awaits_content(stream->exchange);
		if (exchange_age_ms(stream->exchange) < load.age_ms)
			load.age_ms = exchange_age_ms(stream->exchange);
	}
	return load;
}

static void
http2_dump(const struct connection *connection, struct dump *dump)
{
	if (session_of(connection) != NULL)
		http2_session_dump(session_of(connection), dump);
}

const struct connection_protocol http2_server_protocol = {
    .size = sizeof(struct http2_server),
    .stream_size = sizeof(struct http2_stream),
    .opened = http2_opened,
    .ready = http2_ready,
    .work = http2_ready,
    .expired = http2_timer,
    .drain = http2_drain,
    .shutdown = http2_shutdown,
    .lost = http2_lost,
    .closed = http2_closed,
    .load = http2_load,
    .dump = http2_dump,
};
