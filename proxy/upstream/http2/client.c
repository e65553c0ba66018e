/* client.c - the gateway as an HTTP/2 client: what the pool calls. */
#include <stdlib.h>

#include "upstream/http2/client_state.h"

/* The client's preface: SETTINGS, and a connection window that is larger than the default. */
static void
write_preface(struct backend_session *session)
{
	const struct pool_options *options = session->options;
	const struct h2_setting settings[] = {
	    {H2_SETTINGS_ENABLE_PUSH, 0},
	    {H2_SETTINGS_INITIAL_WINDOW_SIZE, BACKEND_WINDOW_FIRST},
	    {H2_SETTINGS_MAX_HEADER_LIST_SIZE,
		(uint32_t)(options->head.head_bytes + HPACK_FIELD_OVERHEAD * options->head.fields)},
	    {H2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};
	struct writer writer;

	if (!h2_output_write(&session->output, 128, &writer))
		return;
	write_slice(&writer, (struct slice){H2_PREFACE, H2_PREFACE_LEN});
	h2_write_settings(&writer, settings, sizeof(settings) / sizeof(*settings));
	h2_write_window_update(&writer, 0, session->window.size - H2_WINDOW_DEFAULT);
	h2_output_written(&session->output, &writer, false);
	/* The preface is no frame: only what follows it can be taken out. */
	session->output.whole_at = h2_output_at(&session->output);
}

/* A frame that waits has moved. */
static void
on_moved(struct h2_output *output, uint32_t id, uint64_t at, uint64_t to)
{
	struct backend_stream *stream =
	    backend_stream_find(container_of(output, struct backend_session, output), id);

	if (stream == NULL)
		return;
	if (stream->head_at == at)
		stream->head_at = to;
	if (stream->last_frame_at == at)
		stream->last_frame_at = to;
}

static struct backend_session *
session_new(struct backend_conn *connection)
{
	const struct pool_options *options = connection->options;
	struct backend_session *session = calloc(1, sizeof(*session));
	uint64_t now_ms = loop_now_ms(options->loop);
	size_t window = options->settings.http2.streams * BACKEND_WINDOW_FIRST;

	if (session == NULL)
		return NULL;
	session->connection = connection;
	session->pool = connection->pool;
	session->options = options;
	session->timer.expired = backend_session_expired;
	session->work_task.run = backend_session_resume;
	session->free_task.run = backend_session_free;
	hpack_decoder_init(&session->decoder, HPACK_TABLE_MAX, h2_table_memory(options->buffers));
	h2_settings_init(&session->settings);
	TAILQ_INIT(&session->streams);
	TAILQ_INIT(&session->turns);
	TAILQ_INIT(&session->flushes);
	session->next_id = 1;
	session->window =
	    h2_window_of(window > BACKEND_WINDOW_MAX ? (uint32_t)window : BACKEND_WINDOW_MAX);
	session->account = (struct window_account){.budget = pool_windows(session->pool),
	    .lent_max = window,
	    .part = BACKEND_PART,
	    .steps = BACKEND_STEPS};
	h2_output_init(&session->output, &connection->conn, options->buffers, on_moved);
	session->overhead.began_ms = now_ms;
	session->settings_due_ms = session->ack_due_ms = now_ms + options->tuning->settings_ms;
	return session;
}

static void
client_opened(struct backend_conn *connection, struct upstream_user *user)
{
	struct http2_client *client = container_of(connection, struct http2_client, connection);
	struct backend_session *session = session_new(connection);
	struct backend_stream *stream =
	    session != NULL ? backend_stream_new(session, user, true) : NULL;

	CHECK(connection->dial == NULL && user != NULL && connection->conn.fd >= 0,
	    backend_conn_dump, connection);
	client->session = session;
	if (stream == NULL) {
		if (session != NULL)
			backend_session_close(session);
		else
			backend_conn_close(connection);
		user->ops->failed(user, UPSTREAM_NO_SOCKET, REPEAT_NOT);
		return;
	}
	connection->conn.ready = backend_session_ready;
	write_preface(session);
	user->ops->connected(user, &stream->upstream);
	backend_session_wake(session);
}

static bool
client_takes(const struct backend_conn *connection)
{
	const struct backend_session *session = backend_session_of(connection);

	return session != NULL &&
	       (session->state == BACKEND_SESSION_SHARED ||
		   session->state == BACKEND_SESSION_IDLE) &&
	       session->stream_count < backend_session_streams_max(session);
}

static struct upstream *
client_serve(struct backend_conn *connection, struct upstream_user *user)
{
	struct backend_session *session = backend_session_of(connection);
	struct backend_stream *stream;

	CHECK(client_takes(connection), backend_session_dump, session);
	stream = backend_stream_new(session, user, false);
	if (stream == NULL)
		return NULL;
	backend_session_settle(session);
	return &stream->upstream;
}

static bool
client_still_idle(struct backend_conn *connection)
{
	struct backend_session *session = backend_session_of(connection);

	conn_ask_again(&connection->conn);
	backend_session_work_idle(session);
	return session->state == BACKEND_SESSION_IDLE;
}

static void
client_leave(struct backend_conn *connection)
{
	backend_session_leave(backend_session_of(connection));
}

static void
client_dump(const struct backend_conn *connection, struct dump *dump)
{
	if (backend_session_of(connection) != NULL)
		backend_session_dump(backend_session_of(connection), dump);
	else
		backend_conn_dump(connection, dump);
}

const struct upstream_protocol http2_client_protocol = {
    .size = sizeof(struct http2_client),
    .scratch_size = sizeof(struct http2_client_scratch),
    .stream_size = sizeof(struct backend_stream),
    .opened = client_opened,
    .takes = client_takes,
    .serve = client_serve,
    .still_idle = client_still_idle,
    .close = client_leave,
    .dump = client_dump,
};
