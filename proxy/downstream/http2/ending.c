/* ending.c - how a session ends: GOAWAY, the end of its streams, lingering. */
#include "downstream/http2/session_state.h"

/* How long frames that are on their way may take to come after the first GOAWAY. */
#define LEAVE_MS 1000

/* Bytes read and dropped after a GOAWAY, before a reset takes the place of a close. */
#define LINGER_BYTES (1024 * 1024)

void
http2_end_streams(struct http2_session *session)
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
http2_begin_closing(struct http2_session *session)
{
	http2_session_set_state(session, HTTP2_CLOSING);
	/* A client that does not read what is left must not keep its place. */
	connection_wait(session->connection, session_options(session)->timeouts.answer);
}

void
http2_fail(struct http2_session *session, enum h2_error error, struct slice why)
{
	if (session->state >= HTTP2_CLOSING)
		return;
	http2_begin_closing(session);
	write_goaway(session, session->last_id, error, why);
	http2_end_streams(session);
	http2_wake(session);
}

/* Requests on their way are still served: GOAWAY says so, and the answer to PING shows that they
 * have come (RFC 9113 section 6.8). */
static void
announce(struct http2_session *session)
{
	static const char payload[8] = "jobgate";
	struct writer writer;

	session->leave_at_ms = session_now_ms(session) + LEAVE_MS;
	write_goaway(session, H2_STREAM_LIMIT, H2_NO_ERROR, (struct slice){0});
	if (!http2_write(session, H2_FRAME_HEAD_LEN + sizeof(payload), &writer))
		return;
	h2_write_ping(&writer, false, payload);
	http2_written(session, &writer, true);
}

void
http2_leave(struct http2_session *session, bool now)
{
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
		announce(session);
	}
	if (session->state == HTTP2_OPEN)
		http2_session_set_state(session, HTTP2_LEAVING);
	http2_wake(session);
}

/* Nothing more will be read: give back what only reading needs. */
static void
end_reading(struct http2_session *session)
{
	struct buffer_pool *buffers = session->downstream->buffers;

	buffer_give(buffers, session->in);
	session->in = NULL;
	h2_gather_end(&session->block, buffers);
	hpack_decoder_free(&session->decoder);
}

bool
http2_half_close(struct http2_session *session)
{
	struct http2_stream *stream, *next;

	if (session->stream_count == 0 || conn_failed(&session->connection->conn))
		return false;
	session->half_closed = true;
	session->ack_due_ms = 0; /* none will come */
	end_reading(session);
	for (stream = TAILQ_FIRST(&session->streams); stream != NULL; stream = next) {
		next = TAILQ_NEXT(stream, link);
		if (stream->state == HTTP2_STREAM_LINGERING)
			http2_stream_close(stream);
		if (stream->client_ended || stream->exchange == NULL)
			continue;
		stream->client_reset = true;
		exchange_client_failed(stream->exchange, CLIENT_CLOSED);
	}
	conn_probe(&session->connection->conn);
	http2_leave(session, true);
	return true;
}

/* Read and drop what still comes. False: the connection is to be closed. */
static bool
drop_input(struct http2_session *session)
{
	struct conn *conn = &session->connection->conn;
	size_t n;

	while (session->skipped <= LINGER_BYTES) {
		conn_look_again(conn);
		switch (conn_read(conn, session->downstream->scratch->wire, BUFFER_LARGE, &n)) {
		case IO_OK:
			session->skipped += n;
			break;
		case IO_AGAIN:
			return true;
		case IO_EOF:
		case IO_ERROR:
			return false;
		}
	}
	return false;
}

void
http2_linger(struct http2_session *session)
{
	struct connection *connection = session->connection;

	if (!session->finished_sending) {
		session->finished_sending = true;
		end_reading(session);
		conn_shutdown_write(&connection->conn);
		connection_wait(connection, session_options(session)->timeouts.linger);
	}
	if (!drop_input(session))
		connection_close(connection, false);
}
