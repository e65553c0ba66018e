/* blocks.c - field blocks, which may come in several frames, and what they are for. */
#include "downstream/http2/session_state.h"

/* Begin a new stream, if the client may have one more. */
static void
on_request(struct http2_session *session, uint32_t id, const struct hpack_block *block,
    bool end_stream, unsigned *requests)
{
	if (session->last_goaway)
		return; /* it is beyond the last stream: the client sends it elsewhere */
	http2_use_id(session, id);
	if (end_stream)
		http2_note_ended(session, id);
	if (session->block.error != H2_NO_ERROR) {
		http2_reset(session, id, session->block.error, true);
		return;
	}
	if (session->stream_count >= session_options(session)->http2.streams &&
	    !http2_stop_oldest(session)) {
		http2_reset(session, id, H2_REFUSED_STREAM, true);
		return;
	}
	--*requests;
	http2_begin(session, id, block, end_stream);
}

/* A block for a stream that is closed. */
static void
on_late_block(struct http2_session *session, uint32_t id)
{
	enum http2_past past = http2_past_of(session, id);

	/* Other clients share a trusted proxy's connection, so it stays open. */
	if (past == HTTP2_CLIENT_ENDED && session->connection->peer.trusted)
		past = HTTP2_LONG_AGO;
	switch (past) {
	case HTTP2_NEVER_USED:
		http2_fail(session, H2_PROTOCOL_ERROR, SLICE("stream ids must increase"));
		return;
	case HTTP2_CLIENT_ENDED:
		http2_fail(session, H2_STREAM_CLOSED, SLICE("HEADERS for a closed stream"));
		return;
	case HTTP2_LEFT_OPEN:
		return;
	case HTTP2_LONG_AGO:
		http2_reset(session, id, H2_STREAM_CLOSED, false);
		return;
	}
}

/* A block for a stream that has been opened before: trailers, or a mistake. */
static void
on_later_block(
    struct http2_session *session, uint32_t id, const struct hpack_block *block, bool end_stream)
{
	struct http2_stream *stream = http2_find(session, id);

	if (stream == NULL)
		on_late_block(session, id);
	if (end_stream)
		http2_note_ended(session, id);
	if (stream == NULL)
		return;
	if (session->block.error != H2_NO_ERROR)
		http2_stream_fail(stream, session->block.error);
	else if (stream->client_ended)
		http2_stream_fail(stream, H2_STREAM_CLOSED);
	else if (!end_stream)
		http2_stream_fail(stream, H2_PROTOCOL_ERROR);
	else
		http2_on_trailers(stream, block);
}

/* Where blocks are decoded. */
static struct h2_block_room
block_room(struct http2_session *session)
{
	struct head_scratch *scratch = session->downstream->scratch;

	return (struct h2_block_room){
	    .buffers = session->downstream->buffers,
	    .decoder = &session->decoder,
	    .fields = scratch->h2_fields,
	    .text = scratch->h2_text,
	    .text_size = sizeof(scratch->h2_text),
	    .head_bytes = session_options(session)->limits.head.head_bytes,
	};
}

/* What gathering a piece of a block came to. */
static void
on_piece(struct http2_session *session, const struct h2_frame *frame, struct h2_fault fault,
    const struct hpack_block *block, unsigned *requests)
{
	if (fault.error != H2_NO_ERROR) {
		http2_fail(session, fault.error, fault.why);
		return;
	}
	if (!h2_frame_has(frame, H2_END_HEADERS))
		return;
	if (frame->stream > session->last_id)
		on_request(session, frame->stream, block, session->block.end_stream, requests);
	else
		on_later_block(session, frame->stream, block, session->block.end_stream);
	h2_gather_end(&session->block, session->downstream->buffers);
	session->begun_ms = 0;
}

void
http2_on_headers(struct http2_session *session, const struct h2_frame *frame, enum h2_error error,
    struct slice payload, unsigned *requests)
{
	struct h2_block_room room = block_room(session);
	struct hpack_block block;

	if (frame->stream % 2 == 0) {
		http2_fail(session, H2_PROTOCOL_ERROR, SLICE("clients have odd stream ids"));
		return;
	}
	on_piece(session, frame,
	    h2_gather_headers(&session->block, &room, frame, error, payload, &block), &block,
	    requests);
}

void
http2_on_continuation(struct http2_session *session, const struct h2_frame *frame,
    struct slice payload, unsigned *requests)
{
	struct h2_block_room room = block_room(session);
	struct hpack_block block;

	on_piece(session, frame,
	    h2_gather_continuation(&session->block, &room, frame, payload, &block), &block,
	    requests);
}
