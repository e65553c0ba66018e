/* answer.c - what comes for a stream: heads, content, trailers, on their way to the user. */
#include "http/framing.h"
#include "upstream/http2/client_state.h"

/* ---- windows ---- */

void
backend_session_widen(struct backend_session *session, uint32_t id, uint32_t bytes)
{
	struct writer writer;

	if (!h2_output_write(&session->output, H2_FRAME_HEAD_LEN + 4, &writer))
		return;
	h2_write_window_update(&writer, id, bytes);
	h2_output_written(&session->output, &writer, true);
	backend_session_wake(session);
}

/* Make a window larger, as far as the worker's budget allows. */
static void
grow_window(struct backend_stream *stream)
{
	struct h2_window *window = &stream->window;
	uint32_t larger =
	    window->size < BACKEND_WINDOW_MAX / 2 ? 2 * window->size : BACKEND_WINDOW_MAX;

	if (larger > window->size && window_share_grow(&stream->share, larger - window->size,
					 backend_session_now_ms(stream->session)))
		h2_window_grow(window, larger - window->size);
}

/* The user has taken this much content: let more come. */
static void
credit_stream(struct backend_stream *stream, size_t bytes)
{
	uint64_t now_ms;

	if (stream->session->state == BACKEND_SESSION_CLOSED ||
	    !h2_window_credit(&stream->window, (uint32_t)bytes) || stream->answer_ended)
		return;
	now_ms = backend_session_now_ms(stream->session);
	if (stream->in == NULL && window_share_is_fast(&stream->share, now_ms)) /* both keep up */
		grow_window(stream);
	h2_window_shrink(
	    &stream->window, window_share_use(&stream->share, stream->window.credit, now_ms));
	if (stream->window.credit > 0)
		backend_session_widen(stream->session, stream->id, h2_window_give(&stream->window));
}

/* ---- content ---- */

void
backend_stream_drop_block(struct backend_stream *stream)
{
	struct buffer *block = stream->in;

	stream->in = block->next;
	buffer_give(stream->session->options->buffers, block);
}

/* Keep what the user does not take, in as many blocks as it needs. False: memory is short. */
static bool
keep_content(struct backend_stream *stream, struct slice content)
{
	struct buffer_pool *buffers = stream->session->options->buffers;
	struct buffer *last;
	size_t n;

	while (content.len > 0) {
		if (stream->in == NULL || buffer_room(stream->in_last) == 0) {
			n = stream->in == NULL && content.len < BUFFER_LARGE ? content.len
									     : BUFFER_LARGE;
			last = buffer_take(buffers, n);
			if (last == NULL)
				return false;
			last->next = NULL;
			*(stream->in == NULL ? &stream->in : &stream->in_last->next) = last;
			stream->in_last = last;
		}
		n = buffer_room(stream->in_last);
		if (n > content.len)
			n = content.len;
		buffer_append(stream->in_last, (struct slice){content.at, n});
		content = slice_after(content, n);
	}
	return true;
}

/* All content has been handed on: the end follows. */
static void
hand_on_end(struct backend_stream *stream)
{
	struct backend_session *session = stream->session;
	struct fields trailers = {.items = backend_session_scratch(session)->trailers};
	struct upstream_user *user = stream->upstream.user;
	bool has = stream->trailers != NULL && trailers_parse(buffer_bytes(stream->trailers),
						   session->options->head.fields, NULL, &trailers);

	user->ops->content_end(user, has ? &trailers : NULL);
}

void
backend_stream_push(struct backend_stream *stream)
{
	struct backend_session *session = stream->session;
	struct upstream_user *user = stream->upstream.user;
	size_t taken;

	if (stream->state != BACKEND_STREAM_RELAYING || stream->end_told)
		return;
	while (stream->in != NULL) {
		taken = user->ops->content(user, buffer_bytes(stream->in));
		if (stream->state == BACKEND_STREAM_CLOSED || taken == 0)
			return;
		stream->in->start += (uint32_t)taken;
		if (buffer_len(stream->in) == 0)
			backend_stream_drop_block(stream);
		credit_stream(stream, taken);
	}
	if (stream->answer_ended) {
		/* No more can come. */
		stream->window.size -= stream->share.bytes;
		window_share_end(&stream->share);
		stream->end_told = true;
		hand_on_end(stream);
	}
	if (session->state == BACKEND_SESSION_CLOSED && stream->state != BACKEND_STREAM_CLOSED)
		backend_stream_failed(stream, session->failure, REPEAT_NOT);
}

void
backend_stream_on_content(
    struct backend_stream *stream, struct slice content, uint32_t counted, bool end_stream)
{
	struct upstream_user *user = stream->upstream.user;
	size_t taken = 0;

	if (!h2_content_take(&stream->announced, content.len) ||
	    (end_stream && !h2_content_whole(&stream->announced))) {
		backend_stream_bad(stream, H2_PROTOCOL_ERROR);
		return;
	}
	stream->answer_ended = end_stream;
	backend_stream_to_flush(stream);
	if (stream->in == NULL && content.len > 0)
		taken = user->ops->content(user, content);
	if (stream->state == BACKEND_STREAM_CLOSED)
		return;
	if (!keep_content(stream, slice_after(content, taken))) {
		backend_stream_bad(stream, H2_INTERNAL_ERROR);
		return;
	}
	credit_stream(stream, taken + (counted - content.len));
	if (end_stream && stream->in == NULL)
		backend_stream_push(stream);
}

/* ---- field blocks ---- */

/* An interim answer. */
static void
take_interim(struct backend_stream *stream, struct response *response)
{
	struct upstream_user *user = stream->upstream.user;

	if (++stream->interims > stream->session->options->tuning->interims_max)
		backend_stream_bad(stream, H2_ENHANCE_YOUR_CALM);
	else if (response->status == 100 || response->status == 103)
		user->ops->interim(user, response);
}

static void
take_head(struct backend_stream *stream, const struct hpack_block *block, bool end_stream)
{
	struct backend_session *session = stream->session;
	const struct h2_asked asked = {.method = stream->method, .upgrade = stream->upgrade};
	struct upstream_user *user = stream->upstream.user;
	struct response response;

	if (!h2_response_read(block, end_stream, &asked, &session->options->head, &response)) {
		backend_stream_bad(stream, H2_PROTOCOL_ERROR);
		return;
	}
	if (response.status < 200 && !response.tunnel) {
		take_interim(stream, &response);
		return;
	}
	session->answered = true;
	stream->tunnel = response.tunnel;
	stream->answer_ended = end_stream;
	stream->announced = h2_content_of(response.content, response.length);
	backend_stream_set_state(stream, BACKEND_STREAM_RELAYING);
	user->ops->head(user, &response);
	if (end_stream)
		backend_stream_push(stream);
}

static void
take_trailers(struct backend_stream *stream, const struct hpack_block *block, bool end_stream)
{
	struct fields trailers;

	if (stream->answer_ended) {
		backend_stream_bad(stream, H2_STREAM_CLOSED);
		return;
	}
	/* In a tunnel only content may come (RFC 9113 section 8.5). */
	if (stream->tunnel || !end_stream || !h2_trailers_read(block, NULL, &trailers) ||
	    trailers.count > stream->session->options->head.fields ||
	    !h2_content_whole(&stream->announced)) {
		backend_stream_bad(stream, H2_PROTOCOL_ERROR);
		return;
	}
	if (trailers.count > 0)
		stream->trailers = h2_trailers_keep(stream->session->options->buffers, &trailers);
	if (trailers.count > 0 && stream->trailers == NULL) {
		backend_stream_bad(stream, H2_INTERNAL_ERROR);
		return;
	}
	stream->answer_ended = true;
	backend_stream_push(stream);
}

void
backend_session_on_block(struct backend_session *session, const struct hpack_block *block)
{
	struct backend_stream *stream = backend_stream_find(session, session->block.stream);

	if (stream == NULL) /* it was on its way when the stream was reset */
		return;
	/* The fields of a block that is too large are not counted: its bytes are. */
	overhead_payload(&session->overhead, block->too_large ? session->block.len : block->size);
	backend_stream_to_flush(stream);
	if (session->block.error != H2_NO_ERROR)
		backend_stream_bad(stream, session->block.error);
	else if (stream->state == BACKEND_STREAM_AWAITING)
		take_head(stream, block, session->block.end_stream);
	else
		take_trailers(stream, block, session->block.end_stream);
}
