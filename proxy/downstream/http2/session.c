/* session.c - one turn of a session: it reads, then sends. */
#include "downstream/http2/session_state.h"

/* What one connection may do in a turn of the loop. */
#define TURN_FRAMES 256
#define TURN_REQUESTS 32
#define TURN_BYTES (512 * 1024) /* in each direction */

/* As long as a client has not shown a valid token, it may have this many streams that are still
 * being authorized; at this number, nothing more is read. */
#define UNKNOWN_STREAMS 8

/* ---- reading ---- */

/*
 * The number of streams whose requests are still being authorized: they wait for the store, not for
 * the client, nor for their job.
 */
static size_t
count_undecided(const struct http2_session *session)
{
	const struct http2_stream *stream;
	size_t count = 0;

	TAILQ_FOREACH(stream, &session->streams, link)
	if (stream->exchange != NULL && !stream->passed && !exchange_is_allowed(stream->exchange) &&
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

/* Read once. IO_AGAIN: there is nothing. */
static enum io
fill(struct http2_session *session, size_t *budget)
{
	size_t n;
	enum io io = h2_input_read(
	    &session->in, session->downstream->buffers, &session->connection->conn, &n);

	if (io != IO_OK)
		return io;
	session->tunnel_look_ms = session_now_ms(session) + TUNNEL_LOOK_MS;
	*budget -= n < *budget ? n : *budget;
	if (!overhead_read(&session->overhead, n, session_now_ms(session)) &&
	    !session->connection->peer.trusted)
		http2_fail(session, H2_ENHANCE_YOUR_CALM, SLICE("too many frames without content"));
	return IO_OK;
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
		h2_input_drop_empty(&session->in, session->downstream->buffers);
		if (session->state >= HTTP2_CLOSING || !http2_may_read(session))
			return true;
		switch (fill(session, &budget)) {
		case IO_OK:
			break;
		case IO_AGAIN:
			h2_input_drop_empty(&session->in, session->downstream->buffers);
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
		/* When that has read the clock, other streams may have ended: begin again. */
		if (stream->exchange != NULL && exchange_content_flush(stream->exchange))
			next = TAILQ_FIRST(&session->streams);
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
