/* receiver.c - reads into a borrowed buffer, and returns content from it. */
#include "http1/receiver.h"

#include <assert.h>

/* Make room in `in` if possible, perhaps by another buffer. */
static bool
receiver_reserve(struct receiver *receiver)
{
	struct buffer *in = receiver->in;

	assert(receiver->piece.len == 0); /* it points into `in`, which may be replaced now */
	if (in == NULL) {
		in = buffer_take(receiver->buffers, BUFFER_LARGE);
	} else if (in->capacity < BUFFER_LARGE) {
		/* The bytes were moved to a small buffer: move them to a large one. */
		struct buffer *large = buffer_take(receiver->buffers, BUFFER_LARGE);

		if (large != NULL) {
			buffer_append(large, buffer_bytes(in));
			buffer_give(receiver->buffers, in);
		}
		in = large != NULL ? large : in;
	} else {
		buffer_compact(in);
	}
	receiver->in = in;
	return in != NULL;
}

enum io
receiver_fill(struct receiver *receiver)
{
	size_t n;
	enum io io;

	if (!receiver->conn->readable)
		return IO_AGAIN;
	if (!receiver_reserve(receiver))
		return IO_ERROR;
	if (buffer_room(receiver->in) == 0)
		return IO_AGAIN;
	io = conn_read(
	    receiver->conn, receiver->in->bytes + receiver->in->end, buffer_room(receiver->in), &n);
	receiver->in->end += (uint32_t)n;
	return io;
}

enum io
receiver_fill_on(struct receiver *receiver)
{
	conn_look_again(receiver->conn);
	return receiver_fill(receiver);
}

enum body_status
receiver_content(struct receiver *receiver, struct slice *data)
{
	struct slice input = {0};
	size_t consumed = 0;
	enum body_status status;

	if (receiver->piece.len > 0) {
		*data = receiver->piece;
		return BODY_DATA;
	}
	if (receiver->in != NULL)
		input = buffer_bytes(receiver->in);
	status = body_next(&receiver->body, input, &consumed, data);
	if (receiver->in != NULL)
		receiver->in->start += (uint32_t)consumed;
	receiver->decoded += (uint32_t)consumed;
	if (status == BODY_DATA)
		receiver->piece = *data;
	return status;
}

bool
receiver_spend(struct receiver *receiver, size_t *budget)
{
	*budget -= receiver->decoded < *budget ? receiver->decoded : *budget;
	receiver->decoded = 0;
	return *budget > 0;
}

void
receiver_taken(struct receiver *receiver, size_t n)
{
	receiver->piece = slice_after(receiver->piece, n);
}

void
receiver_settle(struct receiver *receiver)
{
	struct buffer *in = receiver->in;

	if (in == NULL)
		return;
	if (receiver->piece.len > 0) {
		/* The piece ends where the undecoded bytes begin: keep both, without a gap. */
		size_t piece_len = receiver->piece.len;
		uint32_t undecoded = in->start;

		in->start = (uint32_t)(receiver->piece.at - in->bytes);
		if (undecoded - in->start > piece_len) { /* drop the framing bytes between them */
			uint32_t gap = undecoded - in->start - (uint32_t)piece_len;

			memmove(in->bytes + in->start + piece_len, in->bytes + undecoded,
			    in->end - undecoded);
			in->end -= gap;
		}
		in = buffer_fit(receiver->buffers, in);
		receiver->piece = (struct slice){in->bytes + in->start, piece_len};
		in->start += (uint32_t)piece_len;
	} else {
		in = buffer_fit(receiver->buffers, in);
	}
	receiver->in = in;
}

void
receiver_clear(struct receiver *receiver)
{
	buffer_give(receiver->buffers, receiver->in);
	receiver->in = NULL;
	receiver->piece = (struct slice){0};
	receiver->scanned = 0;
}
