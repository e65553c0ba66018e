/* timers.c - the one timer of a session, and what is late when it expires. */
#include "downstream/http2/session_state.h"

/* While a client has to send or read something, each stream's deadline is looked at this often. */
#define STREAMS_LOOK_MS 1000

static uint64_t
earlier(uint64_t due_ms, uint64_t other_ms)
{
	return other_ms != 0 && other_ms < due_ms ? other_ms : due_ms;
}

/* True when any stream has a deadline. */
static bool
streams_have_deadlines(const struct http2_session *session)
{
	const struct http2_stream *stream;

	TAILQ_FOREACH(stream, &session->streams, link)
	if (stream->due_ms != 0)
		return true;
	return false;
}

/* Streams have deadlines: note when to look. What the client does meanwhile does not delay that. */
static void
note_deadlines(struct http2_session *session)
{
	if (!streams_have_deadlines(session))
		session->look_at_ms = 0;
	else if (session->look_at_ms == 0)
		session->look_at_ms = session_now_ms(session) + STREAMS_LOOK_MS;
}

/* A frame or block has begun: note since when. */
static void
note_begun(struct http2_session *session)
{
	bool begun =
	    session->block.stream != 0 || session->state == HTTP2_PREFACE || session->in != NULL;

	if (!begun || !http2_may_read(session))
		session->begun_ms = 0;
	else if (session->begun_ms == 0)
		session->begun_ms = session_now_ms(session);
}

/* By when the rest of that frame or block has to come; 0: none has begun. Content may come as
 * slowly as it may in HTTP/1. */
static uint64_t
rest_due_ms(const struct http2_session *session)
{
	const struct downstream_options *options = session_options(session);
	bool content = session->block.stream == 0 && buffer_len(session->in) >= H2_FRAME_HEAD_LEN &&
		       session->settings.received &&
		       session->in->bytes[session->in->start + 3] == H2_DATA;

	if (session->begun_ms == 0)
		return 0;
	return session->begun_ms + (content ? options->timeouts.body : options->timeouts.head);
}

void
http2_set_timer(struct http2_session *session)
{
	uint64_t now_ms = session_now_ms(session), due_ms = UINT64_MAX;

	if (session->state >= HTTP2_CLOSING)
		return;
	note_begun(session);
	due_ms = earlier(due_ms, rest_due_ms(session));
	due_ms = earlier(due_ms, session->ack_due_ms);
	if (session->state == HTTP2_LEAVING && !session->last_goaway)
		due_ms = earlier(due_ms, session->leave_at_ms);
	if (session->tunnels > 0)
		due_ms = earlier(due_ms, session->tunnel_look_ms);
	if (session->stream_count == 0)
		due_ms = earlier(
		    due_ms, session->idle_since_ms + session_options(session)->timeouts.keep_alive);
	note_deadlines(session);
	due_ms = earlier(due_ms, session->look_at_ms);
	if (due_ms == UINT64_MAX)
		timer_stop(&session->connection->timer);
	else
		connection_wait(session->connection, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void
check_streams(struct http2_session *session)
{
	struct http2_stream *stream, *next;
	uint64_t now_ms = session_now_ms(session);

	session->look_at_ms = 0;
	for (stream = TAILQ_FIRST(&session->streams);
	     stream != NULL && session->state < HTTP2_CLOSING; stream = next) {
		next = TAILQ_NEXT(stream, link);
		if (stream->state == HTTP2_STREAM_RUNNING) {
			if (stream->due_ms != 0)
				http2_check_content(stream);
		} else if (now_ms < stream->due_ms) {
			continue;
		} else if (stream->state == HTTP2_STREAM_LINGERING) {
			http2_stream_stop(stream);
		} else {
			/* It does not read the answer. */
			http2_take_out(stream, 0);
			http2_reset(session, stream->id, H2_CANCEL, true);
			http2_stream_close(stream);
		}
	}
}

static bool
is_late(const struct http2_session *session, uint64_t due_ms)
{
	return due_ms != 0 && session_now_ms(session) >= due_ms;
}

void
http2_expired(struct http2_session *session)
{
	if (session->state >= HTTP2_CLOSING) {
		connection_close(session->connection, false);
		return;
	}
	if (is_late(session, session->tunnel_look_ms)) {
		session->tunnel_look_ms = 0;
		conn_look_again(&session->connection->conn);
	}
	if (session->state == HTTP2_LEAVING && is_late(session, session->leave_at_ms))
		http2_leave(session, true);
	if (is_late(session, session->ack_due_ms))
		http2_fail(session, H2_SETTINGS_TIMEOUT, SLICE("SETTINGS not acknowledged"));
	else if (is_late(session, rest_due_ms(session)))
		http2_fail(session, H2_NO_ERROR, SLICE("the rest of a frame did not come"));
	else if (session->stream_count > 0)
		check_streams(session);
	else if (is_late(session,
		     session->idle_since_ms + session_options(session)->timeouts.keep_alive))
		http2_fail(session, H2_NO_ERROR, (struct slice){0});
	http2_work(session);
}
