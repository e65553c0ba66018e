/* request.c - what a user sends on its stream, within the windows that the backend gives. */
#include "http/h2_encode.h"
#include "upstream/http2/client_state.h"

/* ---- field blocks ---- */

/* Begin a block in the pool's scratch. */
static struct writer
begin_block(const struct backend_stream *stream)
{
	struct http2_client_scratch *scratch = backend_session_scratch(stream->session);
	struct writer writer = writer_of(scratch->wire, sizeof(scratch->wire));

	if (h2_output_is_first_block(&stream->session->output))
		hpack_write_start(&writer);
	return writer;
}

static void
end_block(struct backend_stream *stream, const struct writer *writer, unsigned flags)
{
	struct backend_session *session = stream->session;
	char *text = backend_session_scratch(session)->wire;
	struct slice block = {text, (size_t)(writer->at - text)};
	uint64_t at;

	if (writer->full) /* the scratch has room for all that can be kept */
		session->output.failed = true;
	if (!h2_output_block(
		&session->output, stream->id, flags, block, session->settings.max_frame_size, &at))
		return;
	overhead_payload(&session->overhead, block.len);
	if (stream->head_at == H2_NOWHERE)
		stream->head_at = at;
	stream->last_frame_at = at;
}

/* True when the request ends with its head. */
static bool
is_all_head(const struct request *request)
{
	return request->upgrade.len == 0 &&
	       (request->content == CONTENT_NONE ||
		   (request->content == CONTENT_LENGTH && request->length == 0));
}

/*
 * A client must not send an extended CONNECT before the server's SETTINGS allow it (RFC 8441
 * section 3), so its head waits for them. When they do not, backend_session_begin_held says so,
 * because `begin` calls nothing back.
 */
static void
hold(struct backend_stream *stream, const struct request *request, struct slice lines)
{
	struct backend_session *session = stream->session;
	struct http2_client_scratch *scratch = backend_session_scratch(session);
	struct writer writer = writer_of(scratch->wire, sizeof(scratch->wire));
	size_t len;

	stream->held = true;
	session->held_count++;
	if (session->settings.received)
		return;
	h2_encode_request(&writer, request, lines, session->connection->conn.tls != NULL);
	len = (size_t)(writer.at - scratch->wire);
	stream->held_block = writer.full ? NULL : buffer_take(session->options->buffers, len);
	if (stream->held_block != NULL)
		buffer_append(stream->held_block, (struct slice){scratch->wire, len});
}

static void
stream_begin(struct upstream *upstream, const struct request *request, struct slice lines)
{
	struct backend_stream *stream = backend_stream_of(upstream);
	struct backend_session *session = stream->session;
	struct writer writer;

	CHECK(stream->state == BACKEND_STREAM_NEW && upstream->user != NULL, backend_stream_dump,
	    stream);
	stream->method = request->method_id;
	stream->upgrade = request->upgrade;
	stream->request_ended = is_all_head(request);
	stream->began_ms = backend_session_now_ms(session);
	backend_stream_set_state(stream, BACKEND_STREAM_AWAITING);
	backend_session_wake(session);
	if (stream->upgrade.len > 0 && !session->settings.enable_connect_protocol) {
		hold(stream, request, lines);
		return;
	}
	backend_stream_take_id(stream);
	writer = begin_block(stream);
	h2_encode_request(&writer, request, lines, session->connection->conn.tls != NULL);
	end_block(stream, &writer, stream->request_ended ? H2_END_STREAM : 0);
}

void
backend_stream_drop_held(struct backend_stream *stream)
{
	if (!stream->held)
		return;
	buffer_give(stream->session->options->buffers, stream->held_block);
	stream->held_block = NULL;
	stream->held = false;
	stream->session->held_count--;
}

/* Send a head that has waited, or fail its stream. */
static void
begin_held(struct backend_stream *stream)
{
	struct backend_session *session = stream->session;
	struct writer writer;

	if (session->state == BACKEND_SESSION_LEAVING) {
		backend_stream_failed(stream, UPSTREAM_BROKEN, REPEAT_UNPROCESSED);
	} else if (!session->settings.enable_connect_protocol) {
		backend_stream_failed(stream, UPSTREAM_NEEDS_HTTP1,
		    pool_lacks_tunnels(session->connection) ? REPEAT_OVER_HTTP1 : REPEAT_NOT);
	} else if (stream->held_block == NULL) {
		backend_stream_failed(stream, UPSTREAM_NO_SOCKET, REPEAT_NOT);
	} else {
		backend_stream_take_id(stream);
		writer = begin_block(stream);
		write_slice(&writer, buffer_bytes(stream->held_block));
		end_block(stream, &writer, 0);
		backend_stream_drop_held(stream);
	}
}

void
backend_session_begin_held(struct backend_session *session)
{
	struct backend_stream *stream;

	while (session->held_count > 0 && session->settings.received &&
	       session->state != BACKEND_SESSION_CLOSED) {
		TAILQ_FOREACH(stream, &session->streams, link)
		if (stream->held)
			break;
		CHECK(stream != NULL, backend_session_dump, session);
		begin_held(stream);
	}
}

/* ---- content ---- */

/* Write content in frames, as far as there is room; returns how much. */
static size_t
write_content(struct backend_stream *stream, struct slice data)
{
	struct backend_session *session = stream->session;
	size_t taken;

	if (data.len > stream->quota)
		data.len = stream->quota;
	taken = h2_output_content(&session->output, stream->id, data,
	    session->settings.max_frame_size, &stream->send_window, &stream->last_frame_at);
	stream->quota -= (uint32_t)taken;
	overhead_payload(&session->overhead, taken);
	return taken;
}

/* Content was not taken: the stream gets a turn, unless its own window is used up. */
static void
block(struct backend_stream *stream)
{
	stream->blocked = true;
	if ((stream->send_window <= 0 && !stream->stopped) || stream->has_turn)
		return;
	stream->has_turn = true;
	TAILQ_INSERT_TAIL(&stream->session->turns, stream, turn_link);
}

void
backend_stream_unblock(struct backend_stream *stream)
{
	if (stream->blocked)
		block(stream);
	backend_session_wake(stream->session);
}

static size_t
stream_content(struct upstream *upstream, struct slice data)
{
	struct backend_stream *stream = backend_stream_of(upstream);
	struct backend_session *session = stream->session;
	bool in_turn = stream->quota > 0;
	size_t taken;

	CHECK(stream->state == BACKEND_STREAM_AWAITING || stream->state == BACKEND_STREAM_RELAYING,
	    backend_stream_dump, stream);
	if (session->state == BACKEND_SESSION_CLOSED && stream->state != BACKEND_STREAM_RELAYING) {
		stream->blocked = true;
		return 0; /* its user will be told that it failed, and may repeat it */
	}
	if (session->output.failed || stream->stopped || stream->request_ended)
		return data.len; /* the backend does not want it any more */
	/* When others wait for their turn, this stream has to wait, too. */
	if (!in_turn && TAILQ_EMPTY(&session->turns))
		stream->quota = OUT_MAX;
	taken = write_content(stream, data);
	if (!in_turn)
		stream->quota = 0;
	stream->blocked = false;
	if (taken < data.len && !session->output.failed)
		block(stream);
	backend_session_wake(session);
	return taken;
}

static void
stream_content_end(struct upstream *upstream, const struct fields *trailers)
{
	struct backend_stream *stream = backend_stream_of(upstream);
	struct h2_output *output = &stream->session->output;
	struct writer writer;

	CHECK(stream->state == BACKEND_STREAM_AWAITING || stream->state == BACKEND_STREAM_RELAYING,
	    backend_stream_dump, stream);
	if (stream->request_ended || stream->stopped)
		return;
	stream->request_ended = true;
	if (fields_are_any(trailers)) {
		writer = begin_block(stream);
		hpack_write_fields(&writer, trailers);
		end_block(stream, &writer, H2_END_STREAM);
	} else {
		/*
		 * A frame of its own: if the last content has left only in part when the request is
		 * cancelled, filler replaces its rest, and must not look like a whole request.
		 */
		h2_output_data(
		    output, stream->id, H2_END_STREAM, (struct slice){0}, &stream->last_frame_at);
	}
	backend_session_wake(stream->session);
}

static void
stream_flush(struct upstream *upstream)
{
	backend_session_wake(backend_stream_of(upstream)->session);
}

/* Give a stream its turn: it may write one frame. */
static void
take_turn(struct backend_stream *stream)
{
	stream->quota = DATA_MAX;
	stream->blocked = false;
	stream->upstream.user->ops->writable(stream->upstream.user);
	stream->quota = 0;
}

void
backend_session_take_turns(struct backend_session *session)
{
	struct backend_stream *stream;

	while (session->output.window > 0 && buffer_len(session->output.out) < OUT_MAX) {
		stream = TAILQ_FIRST(&session->turns);
		if (stream == NULL)
			break;
		TAILQ_REMOVE(&session->turns, stream, turn_link);
		stream->has_turn = false;
		take_turn(stream);
	}
}

/* ---- the other operations ---- */

static void
stream_pump(struct upstream *upstream)
{
	struct backend_stream *stream = backend_stream_of(upstream);

	backend_stream_push(stream);
	if (upstream->user != NULL)
		upstream->user->ops->flush(upstream->user);
}

/* What was taken is sent even if the stream ends before, once both sides have ended. */
static bool
stream_pending(const struct upstream *upstream)
{
	(void)upstream;
	return false;
}

static bool
stream_unsent(const struct upstream *upstream)
{
	return backend_stream_is_unseen(backend_stream_of(upstream));
}

static void
stream_release(struct upstream *upstream)
{
	struct backend_stream *stream = backend_stream_of(upstream);

	/* An exchange may end its answer before the backend has seen the end of the request. */
	if (stream->request_ended && stream->answer_ended)
		backend_stream_close(stream);
	else
		backend_stream_cut(stream, H2_CANCEL);
}

static void
stream_cancel(struct upstream *upstream)
{
	backend_stream_cut(backend_stream_of(upstream), H2_CANCEL);
}

const struct upstream_ops backend_stream_ops = {
    .begin = stream_begin,
    .content = stream_content,
    .content_end = stream_content_end,
    .flush = stream_flush,
    .pump = stream_pump,
    .pending = stream_pending,
    .unsent = stream_unsent,
    .release = stream_release,
    .cancel = stream_cancel,
    .says_unprocessed = true,
};
