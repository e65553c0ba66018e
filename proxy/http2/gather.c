/* gather.c - a field block that comes in several frames. */
#include "http2/gather.h"

#define FAULT(code, text) ((struct h2_fault){(code), SLICE(text)})

static const struct h2_fault none;

void
h2_gather_begin(struct h2_gather *gather, const struct h2_frame *frame, enum h2_error error)
{
	gather->stream = frame->stream;
	gather->error = error;
	gather->end_stream = h2_frame_has(frame, H2_END_STREAM);
	gather->continuations = 0;
}

struct h2_fault
h2_gather_keep(struct h2_gather *gather, struct buffer_pool *buffers, struct slice piece)
{
	struct buffer *gathered = gather->bytes, *larger;
	size_t len = buffer_len(gathered) + piece.len;

	if (len > BUFFER_LARGE)
		return FAULT(H2_ENHANCE_YOUR_CALM, "field block too long");
	if (gathered == NULL || buffer_room(gathered) < piece.len) {
		larger = buffer_take(buffers, len);
		if (larger == NULL)
			return FAULT(H2_INTERNAL_ERROR, "no memory");
		if (gathered != NULL)
			buffer_append(larger, buffer_bytes(gathered));
		buffer_give(buffers, gathered);
		gather->bytes = gathered = larger;
	}
	buffer_append(gathered, piece);
	return none;
}

struct h2_fault
h2_gather_continue(struct h2_gather *gather, struct buffer_pool *buffers,
    const struct h2_frame *frame, struct slice piece)
{
	if (gather->stream == 0 || gather->stream != frame->stream)
		return FAULT(H2_PROTOCOL_ERROR, "CONTINUATION without HEADERS");
	if (++gather->continuations > CONTINUATIONS_MAX || piece.len == 0)
		return FAULT(H2_ENHANCE_YOUR_CALM, "too many CONTINUATION frames");
	return h2_gather_keep(gather, buffers, piece);
}

void
h2_gather_end(struct h2_gather *gather, struct buffer_pool *buffers)
{
	buffer_give(buffers, gather->bytes);
	gather->bytes = NULL;
	gather->stream = 0;
}
