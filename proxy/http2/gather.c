/* gather.c - a field block that comes in one or several frames. */
#include "http2/gather.h"

#include "http/h2_fields.h"

#define FAULT(code, text) ((struct h2_fault){(code), SLICE(text)})

static const struct h2_fault none;

/* Decode bytes of the block, with `end` the last ones. */
static struct h2_fault
decode(const struct h2_gather *gather, const struct h2_block_room *room, struct slice bytes,
    bool end, struct hpack_block *block, size_t *consumed)
{
	hpack_block_init(block, room->fields, H2_FIELDS_MAX, room->text, room->text_size,
	    room->head_bytes + HPACK_FIELD_OVERHEAD * H2_FIELDS_MAX);
	block->begun = gather->too_long;
	block->too_large = gather->too_long || !end;
	switch (hpack_decode(room->decoder, bytes, end, block, consumed)) {
	case HPACK_OK:
		return none;
	case HPACK_CUT:
		if (!end)
			return none;
		break;
	case HPACK_NO_MEMORY:
		return FAULT(H2_INTERNAL_ERROR, "no memory");
	case HPACK_BAD:
		break;
	}
	return FAULT(H2_COMPRESSION_ERROR, "field block not valid");
}

/*
 * The block is longer than any that is served. Decode what has come, which leaves at most a part of
 * one field (HPACK_REST_MAX).
 */
static struct h2_fault
shorten(struct h2_gather *gather, const struct h2_block_room *room)
{
	struct hpack_block block;
	size_t consumed = 0;
	struct h2_fault fault =
	    decode(gather, room, buffer_bytes(gather->bytes), false, &block, &consumed);

	if (fault.error != H2_NO_ERROR)
		return fault;
	gather->too_long = true;
	gather->bytes->start += (uint32_t)consumed;
	buffer_compact(gather->bytes);
	return none;
}

/* Keep a piece until the rest has come. */
static struct h2_fault
keep(struct h2_gather *gather, const struct h2_block_room *room, struct slice piece)
{
	struct buffer *gathered = gather->bytes, *larger;
	struct h2_fault fault;

	if (buffer_len(gathered) + piece.len > BUFFER_LARGE) {
		fault = shorten(gather, room);
		if (fault.error != H2_NO_ERROR)
			return fault;
	}
	if (gathered == NULL || buffer_room(gathered) < piece.len) {
		larger = buffer_take(room->buffers, buffer_len(gathered) + piece.len);
		if (larger == NULL)
			return FAULT(H2_INTERNAL_ERROR, "no memory");
		if (gathered != NULL)
			buffer_append(larger, buffer_bytes(gathered));
		buffer_give(room->buffers, gathered);
		gather->bytes = gathered = larger;
	}
	buffer_append(gathered, piece);
	return none;
}

struct h2_fault
h2_gather_headers(struct h2_gather *gather, const struct h2_block_room *room,
    const struct h2_frame *frame, enum h2_error error, struct slice piece,
    struct hpack_block *block)
{
	size_t consumed;

	gather->stream = frame->stream;
	gather->len = (uint32_t)piece.len;
	gather->error = error;
	gather->end_stream = h2_frame_has(frame, H2_END_STREAM);
	gather->too_long = false;
	gather->continuations = 0;
	if (!h2_frame_has(frame, H2_END_HEADERS))
		return keep(gather, room, piece);
	return decode(gather, room, piece, true, block, &consumed);
}

struct h2_fault
h2_gather_continuation(struct h2_gather *gather, const struct h2_block_room *room,
    const struct h2_frame *frame, struct slice piece, struct hpack_block *block)
{
	struct h2_fault fault;
	size_t consumed;

	if (gather->stream == 0 || gather->stream != frame->stream)
		return FAULT(H2_PROTOCOL_ERROR, "CONTINUATION without HEADERS");
	if (++gather->continuations > CONTINUATIONS_MAX || piece.len == 0)
		return FAULT(H2_ENHANCE_YOUR_CALM, "too many CONTINUATION frames");
	gather->len += (uint32_t)piece.len;
	fault = keep(gather, room, piece);
	if (fault.error != H2_NO_ERROR || !h2_frame_has(frame, H2_END_HEADERS))
		return fault;
	return decode(gather, room, buffer_bytes(gather->bytes), true, block, &consumed);
}

void
h2_gather_end(struct h2_gather *gather, struct buffer_pool *buffers)
{
	buffer_give(buffers, gather->bytes);
	gather->bytes = NULL;
	gather->stream = 0;
}
