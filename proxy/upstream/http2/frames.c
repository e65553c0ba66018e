/* frames.c - from bytes to frames, and what each type of frame does. */
#include "upstream/http2/client_state.h"

/* True when this end has opened a stream with this id. */
static bool
was_opened(const struct backend_session *session, uint32_t id)
{
	return id % 2 == 1 && id < session->next_id;
}

/* Apply what a check said. False: it was an error, which has been answered. */
static bool
passes(struct backend_session *session, struct h2_check check, uint32_t id)
{
	struct backend_stream *stream;

	switch (check.scope) {
	case H2_FINE:
		return true;
	case H2_STREAM_BAD:
		if (!was_opened(session, id))
			break;
		stream = backend_stream_find(session, id);
		if (stream != NULL)
			backend_stream_bad(stream, check.error);
		return false;
	case H2_CONNECTION_BAD:
		break;
	}
	backend_session_fail(session, check.error, SLICE("frame not valid"));
	return false;
}

/* True when the frame is for a stream that this end has not opened: an error, which has been
 * answered. */
static bool
is_for_idle(struct backend_session *session, const struct h2_frame *frame)
{
	if (was_opened(session, frame->stream))
		return false;
	backend_session_fail(
	    session, H2_PROTOCOL_ERROR, SLICE("frame for a stream that is not open"));
	return true;
}

static void
on_data(struct backend_session *session, const struct h2_frame *frame, struct slice content)
{
	struct backend_stream *stream;

	if (is_for_idle(session, frame))
		return;
	if (!h2_window_take(&session->window, frame->length)) {
		backend_session_fail(session, H2_FLOW_CONTROL_ERROR, SLICE("window exceeded"));
		return;
	}
	/* The streams' windows bound what waits here, so the connection's is given back at once: a
	 * slow client of one stream does not hold up the others. */
	if (h2_window_credit(&session->window, frame->length))
		backend_session_widen(session, 0, h2_window_give(&session->window));
	stream = backend_stream_find(session, frame->stream);
	if (stream == NULL)
		return;
	overhead_payload(&session->overhead, content.len);
	if (stream->state != BACKEND_STREAM_RELAYING)
		backend_stream_bad(stream, H2_PROTOCOL_ERROR);
	else if (stream->answer_ended)
		backend_stream_bad(stream, H2_STREAM_CLOSED);
	else if (!h2_window_take(&stream->window, frame->length))
		backend_stream_bad(stream, H2_FLOW_CONTROL_ERROR);
	else
		backend_stream_on_content(
		    stream, content, frame->length, h2_frame_has(frame, H2_END_STREAM));
}

static void
on_rst_stream(struct backend_session *session, const struct h2_frame *frame, const char *payload)
{
	enum h2_error error = h2_rst_stream_read(payload);
	struct backend_stream *stream;

	if (is_for_idle(session, frame))
		return;
	stream = backend_stream_find(session, frame->stream);
	if (stream == NULL)
		return;
	if (stream->answer_ended) {
		/* The answer is whole, and the rest of the request is not wanted. */
		stream->stopped = true;
		h2_output_take_out(&session->output, stream->id, 0);
		backend_stream_unblock(stream);
		return;
	}
	if (error == H2_HTTP_1_1_REQUIRED && stream->state == BACKEND_STREAM_AWAITING) {
		backend_stream_over_http1(stream);
		return;
	}
	backend_stream_failed(stream, UPSTREAM_BROKEN,
	    error == H2_REFUSED_STREAM && stream->state == BACKEND_STREAM_AWAITING
		? REPEAT_UNPROCESSED
		: REPEAT_NOT);
}

/* The backend's initial window has changed: shift the window of each stream. */
static bool
shift_windows(struct backend_session *session, uint32_t from, uint32_t to)
{
	struct backend_stream *stream;

	TAILQ_FOREACH(stream, &session->streams, link)
	{
		if (!h2_window_shift(&stream->send_window, from, to))
			return false;
		backend_stream_unblock(stream);
	}
	return true;
}

static void
on_settings(struct backend_session *session, const struct h2_frame *frame, struct slice payload)
{
	uint32_t window = session->settings.initial_window_size;
	struct writer writer;

	if (h2_frame_has(frame, H2_ACK)) {
		session->ack_due_ms = 0;
		return;
	}
	if (!passes(session, h2_settings_read(&session->settings, payload, true), 0))
		return;
	if (!shift_windows(session, window, session->settings.initial_window_size)) {
		backend_session_fail(session, H2_FLOW_CONTROL_ERROR, SLICE("window too large"));
		return;
	}
	if (h2_output_write(&session->output, H2_FRAME_HEAD_LEN, &writer)) {
		h2_write_settings_ack(&writer);
		h2_output_written(&session->output, &writer, true);
	}
	session->settings_due_ms = 0;
}

static void
on_ping(struct backend_session *session, const struct h2_frame *frame, const char *payload)
{
	struct writer writer;

	if (h2_frame_has(frame, H2_ACK)) {
		session->ping_due_ms = 0;
		return;
	}
	if (!h2_output_write(&session->output, H2_FRAME_HEAD_LEN + 8, &writer))
		return;
	h2_write_ping(&writer, true, payload);
	h2_output_written(&session->output, &writer, true);
}

static void
on_window_update(struct backend_session *session, const struct h2_frame *frame, const char *payload)
{
	struct backend_stream *stream;
	uint32_t increment;

	if (frame->stream != 0 && is_for_idle(session, frame))
		return;
	if (!passes(session, h2_window_update_read(frame, payload, &increment), frame->stream))
		return;
	if (frame->stream == 0) {
		if (!h2_window_add(&session->output.window, increment))
			backend_session_fail(
			    session, H2_FLOW_CONTROL_ERROR, SLICE("window too large"));
		return;
	}
	stream = backend_stream_find(session, frame->stream);
	if (stream == NULL)
		return;
	if (!h2_window_add(&stream->send_window, increment))
		backend_stream_bad(stream, H2_FLOW_CONTROL_ERROR);
	else
		backend_stream_unblock(stream);
}

/* What gathering a piece of a block came to. */
static void
on_piece(struct backend_session *session, const struct h2_frame *frame, struct h2_fault fault,
    const struct hpack_block *block)
{
	if (fault.error != H2_NO_ERROR) {
		backend_session_fail(session, fault.error, fault.why);
		return;
	}
	if (!h2_frame_has(frame, H2_END_HEADERS))
		return;
	backend_session_on_block(session, block);
	h2_gather_end(&session->block, session->options->buffers);
}

/* error: the one found in the frame's head. */
static void
on_headers(struct backend_session *session, const struct h2_frame *frame, enum h2_error error,
    struct slice piece)
{
	struct h2_block_room room = backend_session_block_room(session);
	struct hpack_block block;

	if (is_for_idle(session, frame))
		return;
	on_piece(session, frame,
	    h2_gather_headers(&session->block, &room, frame, error, piece, &block), &block);
}

static void
on_continuation(struct backend_session *session, const struct h2_frame *frame, struct slice piece)
{
	struct h2_block_room room = backend_session_block_room(session);
	struct hpack_block block;

	on_piece(session, frame,
	    h2_gather_continuation(&session->block, &room, frame, piece, &block), &block);
}

/* DATA and HEADERS: their payload lies between a prefix and padding. */
static void
on_prefixed(struct backend_session *session, const struct h2_frame *frame, struct slice payload)
{
	uint32_t len = 0;
	struct h2_check check = h2_prefix_read(frame, payload.at, &len);
	struct slice inner = {payload.at + h2_prefix_len(frame), len};

	if (check.scope == H2_CONNECTION_BAD)
		passes(session, check, frame->stream);
	else if (frame->type == H2_DATA)
		on_data(session, frame, inner);
	else
		on_headers(session, frame, check.error, inner);
}

/* A whole frame whose head has been checked. */
static void
on_frame(struct backend_session *session, const struct h2_frame *frame, struct slice payload)
{
	switch (frame->type) {
	case H2_DATA:
	case H2_HEADERS:
		on_prefixed(session, frame, payload);
		return;
	case H2_PRIORITY:
		passes(session, h2_priority_check(frame, payload.at), frame->stream);
		return;
	case H2_RST_STREAM:
		on_rst_stream(session, frame, payload.at);
		return;
	case H2_SETTINGS:
		on_settings(session, frame, payload);
		return;
	case H2_PING:
		on_ping(session, frame, payload.at);
		return;
	case H2_GOAWAY:
		backend_session_on_goaway(session, payload);
		return;
	case H2_WINDOW_UPDATE:
		on_window_update(session, frame, payload.at);
		return;
	case H2_CONTINUATION:
		on_continuation(session, frame, payload);
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
next_frame(struct backend_session *session, struct h2_frame *frame, struct slice *payload,
    struct h2_check *check)
{
	enum h2_due due = !session->settings.received  ? H2_DUE_SETTINGS
			  : session->block.stream != 0 ? H2_DUE_CONTINUATION
						       : H2_DUE_ANY;

	if (!h2_frame_next(buffer_bytes(session->in), due, frame, payload, check))
		return false;
	if (check->scope == H2_CONNECTION_BAD) {
		backend_session_fail(session, check->error, h2_due_text(due));
		return false;
	}
	session->in->start += H2_FRAME_HEAD_LEN + frame->length;
	return true;
}

void
backend_session_read_frames(struct backend_session *session, unsigned *frames)
{
	struct h2_frame frame;
	struct slice payload;
	struct h2_check check;

	while (session->state != BACKEND_SESSION_CLOSED && session->in != NULL && *frames > 0 &&
	       backend_session_may_read(session)) {
		if (!next_frame(session, &frame, &payload, &check))
			break;
		--*frames;
		if (passes(session, check, frame.stream))
			on_frame(session, &frame, payload);
		if (session->state == BACKEND_SESSION_OPENING && session->settings.received)
			backend_session_settle(session);
	}
}
