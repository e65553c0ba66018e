/* session.c - HTTP/2 on a client connection: its beginning, and one turn of it. */
#include "downstream/http2/session_state.h"

#include <stdlib.h>

/* What one connection may do in a turn of the loop. */
#define TURN_FRAMES 256
#define TURN_REQUESTS 32
#define TURN_BYTES (512 * 1024) /* in each direction */

/* As long as a client has not shown a valid token, it may have this many streams that are still
 * being authorized; at this number, nothing more is read. */
#define UNKNOWN_STREAMS 8

/* The client has to acknowledge our SETTINGS within this time. */
#define ACK_MS 10000

/* ---- reading ---- */

/*
 * The number of streams whose requests are still being authorized: they wait for the store, not for
 * the client.
 */
static size_t
count_undecided(const struct http2_session *session)
{
	const struct http2_stream *stream;
	size_t count = 0;

	TAILQ_FOREACH(stream, &session->streams, link)
	if (stream->exchange != NULL && !exchange_is_allowed(stream->exchange) &&
	    !exchange_takes_content(stream->exchange))
		count++;
	return count;
}

bool
http2_may_read(const struct http2_session *session)
{
	if (session->output.control_out >= CONTROL_OUT_MAX ||
	    buffer_len(session->output.out) >= OUT_FULL)
		return false;
	return session->connection->authenticated || session->stream_count < UNKNOWN_STREAMS ||
	       count_undecided(session) < UNKNOWN_STREAMS;
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

	/* The connection may have ended right after the first part of a frame. */
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
	session->tunnel_look_ms = session_now_ms(session) + TUNNEL_LOOK_MS;
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

/* Read frames, within the limits of one turn. False: the connection is lost. */
static bool
read_frames(struct http2_session *session)
{
	unsigned frames = TURN_FRAMES, requests = TURN_REQUESTS;
	size_t budget = TURN_BYTES;

	if (session->half_closed)
		return !conn_failed(&session->connection->conn);
	while (session->state < HTTP2_CLOSING && !session->output.failed) {
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
			return http2_half_close(session);
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

/* Send what waits, then what the streams still have, as long as the socket takes it. */
static void
send_all(struct http2_session *session)
{
	uint64_t until = session->output.sent + TURN_BYTES, before;

	for (;;) {
		http2_take_turns(session);
		before = session->output.sent;
		if (h2_output_send(&session->output) != IO_OK)
			return;
		if (TAILQ_EMPTY(&session->turns) || session->output.window <= 0 ||
		    session->output.sent == before)
			return;
		if (session->output.sent >= until) {
			connection_defer(session->connection);
			return;
		}
	}
}

/* Before control goes back to the loop: hold no more memory than there are bytes. */
static void
settle(struct http2_session *session)
{
	struct buffer_pool *buffers = session->downstream->buffers;

	session->in = buffer_fit(buffers, session->in);
	session->block.bytes = buffer_fit(buffers, session->block.bytes);
	session->output.out = buffer_fit(buffers, session->output.out);
	http2_set_timer(session);
}

void
http2_work(struct http2_session *session)
{
	struct connection *connection = session->connection;
	bool held;

	if (session->working || session->state == HTTP2_CLOSED)
		return;
	session->working = true;
	if (!read_frames(session)) {
		session->working = false;
		connection_lost(connection);
		return;
	}
	held = !http2_may_read(session);
	flush_exchanges(session);
	send_all(session);
	/* What was sent may have made room for more of what the client has sent, and it may have
	 * ended the last stream: no event will tell that. */
	if (held && session->state < HTTP2_CLOSING && http2_may_read(session))
		connection_defer(connection);
	if (session->state == HTTP2_LEAVING && session->last_goaway && session->stream_count == 0)
		http2_begin_closing(session);
	session->working = false;
	if (session->output.failed)
		connection_lost(connection);
	else if (session->state == HTTP2_CLOSING &&
		 h2_output_at(&session->output) == session->output.sent && !connection->conn.unsent)
		http2_linger(session);
	else
		settle(session);
}

void
http2_wake(struct http2_session *session)
{
	if (!session->working && session->state != HTTP2_CLOSED)
		connection_defer(session->connection);
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
	    {H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, http2_offers_websockets(session)},
	};
	struct writer writer;

	if (!http2_write(session, 128, &writer))
		return;
	h2_write_settings(&writer, settings, sizeof(settings) / sizeof(*settings));
	h2_write_window_update(&writer, 0, session->window.size - H2_WINDOW_DEFAULT);
	http2_written(session, &writer, true);
}

static void
session_free(struct task *task)
{
	struct http2_session *session = container_of(task, struct http2_session, free_task);

	hpack_decoder_free(&session->decoder);
	free(session);
}

/* The connection's window. A trusted proxy has many users on a connection: none may have to wait
 * for others. */
static uint32_t
first_window(const struct connection *connection)
{
	size_t all = connection->downstream->options.http2.streams * HTTP2_WINDOW_ALLOWED;

	return connection->peer.trusted && all > HTTP2_CONNECTION_WINDOW ? (uint32_t)all
									 : HTTP2_CONNECTION_WINDOW;
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
	hpack_decoder_init(
	    &session->decoder, HPACK_TABLE_MAX, h2_table_memory(connection->downstream->buffers));
	h2_settings_init(&session->settings);
	TAILQ_INIT(&session->streams);
	TAILQ_INIT(&session->turns);
	resets_init(&session->resets);
	session->window = h2_window_of(first_window(connection));
	session->account = (struct window_account){
	    .budget = &connection->downstream->http2_windows,
	    .lent_max = connection->downstream->options.http2.streams * HTTP2_WINDOW_FIRST,
	    .part = connection->peer.trusted ? HTTP2_PART_TRUSTED : HTTP2_PART,
	};
	h2_output_init(
	    &session->output, &connection->conn, connection->downstream->buffers, http2_moved);
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
	h2_output_send(&session->output);
	session->working = false;
}

static void
http2_lost(struct connection *connection)
{
	struct http2_session *session = session_of(connection);

	session->output.failed = true;
	http2_end_streams(session);
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
	http2_end_streams(session);
	http2_session_set_state(session, HTTP2_CLOSED);
	buffer_give(buffers, session->in);
	session->in = NULL;
	h2_gather_end(&session->block, buffers);
	h2_output_clear(&session->output);
	/* Behind the tasks that free its streams. */
	loop_defer(session->downstream->loop, &session->free_task);
}

static struct connection_load
http2_load(const struct connection *connection)
{
	const struct http2_session *session = session_of(connection);
	struct connection_load load = {.unread = buffer_len(session->output.out) > 0,
	    .awaits_content = true,
	    .age_ms = UINT64_MAX};
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
