/* frames.c - from bytes to frames, and what each type of frame does. */
#include "downstream/http2/session_state.h"

/* True when it was opened after our last GOAWAY. Then it is ignored: the client sends it
 * elsewhere. */
static bool
is_beyond(const struct http2_session *session, uint32_t id)
{
	return session->last_goaway && id > session->last_id && id % 2 == 1;
}

/* Apply what a check said. False: it was an error, which has been answered. */
static bool
passes(struct http2_session *session, struct h2_check check, uint32_t id)
{
	struct http2_stream *stream;

	switch (check.scope) {
	case H2_FINE:
		return true;
	case H2_STREAM_BAD:
		if (is_beyond(session, id))
			return false;
		/* An idle stream cannot be reset. */
		if (id > session->last_id || id % 2 == 0)
			break;
		stream = http2_find(session, id);
		if (stream != NULL)
			http2_stream_fail(stream, check.error);
		else
			http2_reset(session, id, check.error, true);
		return false;
	case H2_CONNECTION_BAD:
		break;
	}
	http2_fail(session, check.error, SLICE("frame not valid"));
	return false;
}

/* True when the frame is for a stream that has not been opened: an error, which has been
 * answered. */
static bool
is_for_idle(struct http2_session *session, const struct h2_frame *frame)
{
	if (is_beyond(session, frame->stream) ||
	    (frame->stream % 2 == 1 && frame->stream <= session->last_id))
		return false;
	http2_fail(session, H2_PROTOCOL_ERROR, SLICE("frame for a stream that is not open"));
	return true;
}

/*
 * How far DATA may take a stream's window down. A client that has not read our SETTINGS yet counts
 * on the default one, and goes below 0 with what it has sent by then (section 6.9.3).
 */
static int32_t
least_window(const struct http2_session *session)
{
	return session->ack_due_ms != 0 ? HTTP2_WINDOW_FIRST - H2_WINDOW_DEFAULT : 0;
}

/* DATA for a stream that is closed. It causes no work, so the client's budget does not pay for it.
 */
static void
on_late_data(struct http2_session *session, uint32_t id)
{
	switch (http2_past_of(session, id)) {
	case HTTP2_NEVER_USED:
	case HTTP2_CLIENT_ENDED:
		http2_reset(session, id, H2_STREAM_CLOSED, false);
		return;
	case HTTP2_LEFT_OPEN:
	case HTTP2_LONG_AGO:
		return;
	}
}

static void
on_data(struct http2_session *session, const struct h2_frame *frame, struct slice content)
{
	struct http2_stream *stream;
	bool end_stream = h2_frame_has(frame, H2_END_STREAM);

	if (is_for_idle(session, frame))
		return;
	if (!h2_window_take(&session->window, frame->length)) {
		http2_fail(session, H2_FLOW_CONTROL_ERROR, SLICE("window exceeded"));
		return;
	}
	http2_credit(session, frame->length);
	if (is_beyond(session, frame->stream))
		return;
	stream = http2_find(session, frame->stream);
	if (stream == NULL)
		on_late_data(session, frame->stream);
	if (end_stream)
		http2_note_ended(session, frame->stream);
	if (stream == NULL)
		return;
	if (stream->client_ended) {
		http2_stream_fail(stream, H2_STREAM_CLOSED);
		return;
	}
	overhead_payload(&session->overhead, content.len);
	if (!h2_window_take(&stream->window, frame->length) && frame->length > 0 &&
	    stream->window.left < least_window(session))
		http2_stream_fail(stream, H2_FLOW_CONTROL_ERROR);
	else
		http2_on_content(stream, content, frame->length, end_stream);
}

static void
on_rst_stream(struct http2_session *session, const struct h2_frame *frame)
{
	struct http2_stream *stream;

	if (is_for_idle(session, frame) || is_beyond(session, frame->stream))
		return;
	http2_note_ended(session, frame->stream);
	stream = http2_find(session, frame->stream);
	if (stream == NULL)
		return;
	/* Only a reset before the answer begins takes from the client's budget. */
	if (stream->answer_at == H2_NOWHERE && !session->connection->peer.trusted &&
	    !resets_spend(&session->resets)) {
		http2_fail(session, H2_ENHANCE_YOUR_CALM, SLICE("too many streams were reset"));
		return;
	}
	stream->client_reset = true;
	http2_take_out(stream, 0);
	if (stream->exchange != NULL)
		exchange_client_failed(stream->exchange, CLIENT_CLOSED);
	http2_stream_close(stream);
}

/* The client's initial window has changed: shift the window of each stream. */
static bool
shift_windows(struct http2_session *session, uint32_t from, uint32_t to)
{
	struct http2_stream *stream;

	TAILQ_FOREACH(stream, &session->streams, link)
	{
		if (!h2_window_shift(&stream->send_window, from, to))
			return false;
		http2_unblock(stream);
	}
	return true;
}

static void
on_settings(struct http2_session *session, const struct h2_frame *frame, struct slice payload)
{
	uint32_t window = session->settings.initial_window_size;
	struct writer writer;

	if (h2_frame_has(frame, H2_ACK)) {
		session->ack_due_ms = 0;
		return;
	}
	if (!passes(session, h2_settings_read(&session->settings, payload, false), 0))
		return;
	if (!shift_windows(session, window, session->settings.initial_window_size)) {
		http2_fail(session, H2_FLOW_CONTROL_ERROR, SLICE("window too large"));
		return;
	}
	if (!http2_write(session, H2_FRAME_HEAD_LEN, &writer))
		return;
	h2_write_settings_ack(&writer);
	http2_written(session, &writer, true);
}

static void
on_ping(struct http2_session *session, const struct h2_frame *frame, const char *payload)
{
	struct writer writer;

	if (h2_frame_has(frame, H2_ACK)) {
		/* Our PING followed the first GOAWAY, so the client has read that. */
		if (session->state == HTTP2_LEAVING)
			http2_leave(session, true);
		return;
	}
	if (!http2_write(session, H2_FRAME_HEAD_LEN + 8, &writer))
		return;
	h2_write_ping(&writer, true, payload);
	http2_written(session, &writer, true);
}

static void
on_window_update(struct http2_session *session, const struct h2_frame *frame, const char *payload)
{
	struct http2_stream *stream;
	uint32_t increment;

	if (frame->stream != 0 && is_for_idle(session, frame))
		return;
	if (!passes(session, h2_window_update_read(frame, payload, &increment), frame->stream))
		return;
	if (frame->stream == 0) {
		if (!h2_window_add(&session->output.window, increment))
			http2_fail(session, H2_FLOW_CONTROL_ERROR, SLICE("window too large"));
		return;
	}
	stream = http2_find(session, frame->stream);
	if (stream == NULL)
		return;
	if (!h2_window_add(&stream->send_window, increment)) {
		http2_stream_fail(stream, H2_FLOW_CONTROL_ERROR);
		return;
	}
	stream->widened += increment;
	http2_unblock(stream);
}

/* DATA and HEADERS: their payload lies between a prefix and padding. */
static void
on_prefixed(struct http2_session *session, const struct h2_frame *frame, struct slice payload,
    unsigned *requests)
{
	uint32_t len = 0;
	struct h2_check check = h2_prefix_read(frame, payload.at, &len);
	struct slice inner = {payload.at + h2_prefix_len(frame), len};

	if (check.scope == H2_CONNECTION_BAD)
		passes(session, check, frame->stream);
	else if (frame->type == H2_DATA)
		on_data(session, frame, inner);
	else
		http2_on_headers(session, frame, check.error, inner, requests);
}

/* A whole frame whose head has been checked. */
static void
on_frame(struct http2_session *session, const struct h2_frame *frame, struct slice payload,
    unsigned *requests)
{
	switch (frame->type) {
	case H2_DATA:
	case H2_HEADERS:
		on_prefixed(session, frame, payload, requests);
		return;
	case H2_PRIORITY:
		passes(session, h2_priority_check(frame, payload.at), frame->stream);
		return;
	case H2_RST_STREAM:
		on_rst_stream(session, frame);
		return;
	case H2_SETTINGS:
		on_settings(session, frame, payload);
		return;
	case H2_PING:
		on_ping(session, frame, payload.at);
		return;
	case H2_GOAWAY:
		http2_leave(session, true);
		return;
	case H2_WINDOW_UPDATE:
		on_window_update(session, frame, payload.at);
		return;
	case H2_CONTINUATION:
		http2_on_continuation(session, frame, payload, requests);
		return;
	default: /* not known: ignored (RFC 9113 section 4.1) */
		return;
	}
}

/*
 * Take the next frame off `in`. False: no whole frame is there, or it was an error, which has been
 * answered.
 */
static bool
next_frame(struct http2_session *session, struct h2_frame *frame, struct slice *payload,
    struct h2_check *check)
{
	enum h2_due due = !session->settings.received  ? H2_DUE_SETTINGS
			  : session->block.stream != 0 ? H2_DUE_CONTINUATION
						       : H2_DUE_ANY;

	if (!h2_frame_next(buffer_bytes(session->in), due, frame, payload, check))
		return false;
	if (check->scope == H2_CONNECTION_BAD) {
		http2_fail(session, check->error, h2_due_text(due));
		return false;
	}
	session->in->start += H2_FRAME_HEAD_LEN + frame->length;
	return true;
}

/* Take the preface off `in`. False: it is not whole, or it is wrong. */
static bool
take_preface(struct http2_session *session)
{
	struct slice in = buffer_bytes(session->in);
	size_t len = in.len < H2_PREFACE_LEN ? in.len : H2_PREFACE_LEN;

	if (memcmp(in.at, H2_PREFACE, len) != 0) {
		http2_fail(session, H2_PROTOCOL_ERROR, SLICE("this is not HTTP/2"));
		return false;
	}
	if (len < H2_PREFACE_LEN)
		return false;
	session->in->start += H2_PREFACE_LEN;
	http2_session_set_state(session, HTTP2_OPEN);
	if (session->downstream->draining) /* it was opened after the drain began */
		http2_leave(session, false);
	return true;
}

bool
http2_read_frames(struct http2_session *session, unsigned *frames, unsigned *requests)
{
	struct h2_frame frame;
	struct slice payload;
	struct h2_check check;

	if (session->in == NULL)
		return false;
	if (session->state == HTTP2_PREFACE && !take_preface(session))
		return false;
	while (session->state < HTTP2_CLOSING) {
		if (*frames == 0 || *requests == 0)
			return true;
		if (!http2_may_read(session))
			break;
		if (!next_frame(session, &frame, &payload, &check))
			break;
		--*frames;
		if (session->block.stream == 0)
			session->begun_ms = 0;
		if (passes(session, check, frame.stream))
			on_frame(session, &frame, payload, requests);
	}
	return false;
}
