/* turns.c - content of answers in frames: as the windows allow, and one stream after the other. */
#include "downstream/http2/session_state.h"

size_t
http2_write_content(struct http2_stream *stream, struct slice data)
{
	struct http2_session *session = stream->session;
	size_t taken;

	if (data.len > stream->quota)
		data.len = stream->quota;
	taken = h2_output_content(&session->output, stream->id, data,
	    session->settings.max_frame_size, &stream->send_window, &stream->last_frame_at);
	stream->quota -= (uint32_t)taken;
	overhead_payload(&session->overhead, taken);
	if (taken > 0 || session->output.failed)
		http2_wake(session);
	return taken;
}

void
http2_block(struct http2_stream *stream)
{
	stream->blocked = true;
	if (stream->send_window <= 0 || stream->has_turn)
		return;
	stream->has_turn = true;
	TAILQ_INSERT_TAIL(&stream->session->turns, stream, turn_link);
}

void
http2_unblock(struct http2_stream *stream)
{
	if (stream->blocked)
		http2_block(stream);
	http2_wake(stream->session);
}

/* Give a stream its turn: it may write one frame. */
static void
take_turn(struct http2_stream *stream)
{
	stream->quota = DATA_MAX;
	stream->blocked = false;
	if (stream->own != NULL)
		http2_push_own(stream);
	else if (stream->exchange != NULL)
		exchange_client_ready(stream->exchange);
	stream->quota = 0;
}

void
http2_take_turns(struct http2_session *session)
{
	struct http2_stream *stream;

	while (!session->output.failed && session->output.window > 0 &&
	       buffer_len(session->output.out) < OUT_MAX) {
		stream = TAILQ_FIRST(&session->turns);
		if (stream == NULL)
			break;
		TAILQ_REMOVE(&session->turns, stream, turn_link);
		stream->has_turn = false;
		take_turn(stream);
	}
}
