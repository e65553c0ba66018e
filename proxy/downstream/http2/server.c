/* server.c - the gateway as an HTTP/2 server: what the connection calls. */
#include <stdlib.h>

#include "downstream/http2/session_state.h"

/* The client has to acknowledge our SETTINGS within this time. */
#define ACK_MS 10000

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

/* What its streams may have of the worker's budget. */
static struct window_account
account_of(const struct connection *connection)
{
	struct window_budget *budget = &connection->downstream->http2_windows;
	uint64_t first = connection->downstream->options.http2.streams * HTTP2_WINDOW_FIRST;
	bool shared = connection->peer.trusted;

	return (struct window_account){
	    .budget = budget,
	    .lent_max = shared && budget->max / 4 > first ? budget->max / 4 : first,
	    .part = shared ? HTTP2_SHARED_PART : HTTP2_PART,
	    .steps = shared ? HTTP2_SHARED_STEPS : HTTP2_STEPS,
	};
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
	session->account = account_of(connection);
	h2_output_init(
	    &session->output, &connection->conn, connection->downstream->buffers, http2_moved);
	session->idle_since_ms = session->overhead.began_ms = session_now_ms(session);
	session->ack_due_ms = session->idle_since_ms + ACK_MS;
	write_preface(session);
	http2_set_timer(session);
}

static void
http2_judge_if_changed(struct connection *connection)
{
	if (session_of(connection) != NULL)
		http2_judge_streams(session_of(connection), NULL);
}

static void
http2_ready(struct connection *connection)
{
	http2_work(session_of(connection));
}

static void
http2_timer(struct connection *connection)
{
	connection_catch_up(connection);
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
    .judge_if_changed = http2_judge_if_changed,
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
