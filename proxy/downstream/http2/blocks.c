/* blocks.c - field blocks, which may come in several frames, and what they are for. */
#include "downstream/http2/session_state.h"

/* How many CONTINUATION frames one block may have, none of them empty. */
#define CONTINUATIONS_MAX 8

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

/* Decode bytes of the block under way, with `end` the last ones. False: the connection fails. */
static bool
decode(struct http2_session *session, struct slice bytes, bool end, struct hpack_block *block,
    size_t *consumed)
{
	struct head_scratch *scratch = session->downstream->scratch;
	const struct head_limits *limits = &session_options(session)->limits.head;

	hpack_block_init(block, scratch->h2_fields, H2_FIELDS_MAX, scratch->h2_text,
	    sizeof(scratch->h2_text), limits->head_bytes + HPACK_FIELD_OVERHEAD * H2_FIELDS_MAX);
	block->begun = session->block.too_long;
	block->too_large = session->block.too_long || !end;
	switch (hpack_decode(&session->decoder, bytes, end, block, consumed)) {
	case HPACK_OK:
		return true;
	case HPACK_CUT:
		if (!end)
			return true;
		break;
	case HPACK_NO_MEMORY:
		http2_fail(session, H2_INTERNAL_ERROR, SLICE("no memory"));
		return false;
	case HPACK_BAD:
		break;
	}
	http2_fail(session, H2_COMPRESSION_ERROR, SLICE("field block not valid"));
	return false;
}

/* A whole block has come. It is decoded whatever it is for, so that the table stays in step. */
static void
on_block(struct http2_session *session, struct slice bytes, unsigned *requests)
{
	struct hpack_block block;
	uint32_t id = session->block.stream;
	bool end_stream = session->block.end_stream;
	size_t consumed;

	if (!decode(session, bytes, true, &block, &consumed))
		return;
	if (id > session->last_id)
		on_request(session, id, &block, end_stream, requests);
	else
		on_later_block(session, id, &block, end_stream);
}

/*
 * The block is longer than any that is served. Decode what has come, which leaves at most a part of
 * one field (HPACK_REST_MAX).
 */
static bool
shorten(struct http2_session *session)
{
	struct buffer *gathered = session->block.bytes;
	struct hpack_block block;
	size_t consumed;

	if (!decode(session, buffer_bytes(gathered), false, &block, &consumed))
		return false;
	session->block.too_long = true;
	gathered->start += (uint32_t)consumed;
	buffer_compact(gathered);
	return true;
}

/* Keep a piece of a block until the rest has come. False: the connection fails. */
static bool
gather(struct http2_session *session, struct slice piece)
{
	struct buffer_pool *buffers = session->downstream->buffers;
	struct buffer *gathered = session->block.bytes, *larger;

	if (buffer_len(gathered) + piece.len > BUFFER_LARGE && !shorten(session))
		return false;
	if (gathered == NULL || buffer_room(gathered) < piece.len) {
		larger = buffer_take(buffers, buffer_len(gathered) + piece.len);
		if (larger == NULL) {
			http2_fail(session, H2_INTERNAL_ERROR, SLICE("no memory"));
			return false;
		}
		if (gathered != NULL)
			buffer_append(larger, buffer_bytes(gathered));
		buffer_give(buffers, gathered);
		session->block.bytes = gathered = larger;
	}
	buffer_append(gathered, piece);
	return true;
}

/* The block under way is over. */
static void
end_block(struct http2_session *session)
{
	buffer_give(session->downstream->buffers, session->block.bytes);
	session->block.bytes = NULL;
	session->block.stream = 0;
	session->begun_ms = 0;
}

void
http2_on_headers(struct http2_session *session, const struct h2_frame *frame, enum h2_error error,
    struct slice payload, unsigned *requests)
{
	if (frame->stream % 2 == 0) {
		http2_fail(session, H2_PROTOCOL_ERROR, SLICE("clients have odd stream ids"));
		return;
	}
	session->block.stream = frame->stream;
	session->block.error = error;
	session->block.end_stream = h2_frame_has(frame, H2_END_STREAM);
	session->block.too_long = false;
	session->block.continuations = 0;
	if (!h2_frame_has(frame, H2_END_HEADERS)) {
		gather(session, payload);
		return;
	}
	on_block(session, payload, requests);
	end_block(session);
}

void
http2_on_continuation(struct http2_session *session, const struct h2_frame *frame,
    struct slice payload, unsigned *requests)
{
	uint32_t id = session->block.stream;

	if (id == 0 || id != frame->stream) {
		http2_fail(session, H2_PROTOCOL_ERROR, SLICE("CONTINUATION without HEADERS"));
		return;
	}
	if (++session->block.continuations > CONTINUATIONS_MAX || payload.len == 0) {
		http2_fail(session, H2_ENHANCE_YOUR_CALM, SLICE("too many CONTINUATION frames"));
		return;
	}
	if (!gather(session, payload) || !h2_frame_has(frame, H2_END_HEADERS))
		return;
	on_block(session, buffer_bytes(session->block.bytes), requests);
	end_block(session);
}
