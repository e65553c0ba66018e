/* gather.h - a field block that comes in one or several frames (RFC 9113 section 4.3). */
#ifndef JOBGATE_HTTP2_GATHER_H
#define JOBGATE_HTTP2_GATHER_H

#include "http/h2_frame.h"
#include "http/hpack.h"
#include "net/buffer.h"

/* How many CONTINUATION frames one block may have, none of them empty. */
#define CONTINUATIONS_MAX 8

/*
 * Start with a zeroed one. A block that is longer than the limits allow is decoded to its end,
 * because the decoder's table has to stay in step. Of such a block only the last part is kept, so
 * it takes no more memory than others; CONTINUATIONS_MAX bounds its length.
 */
struct h2_gather {
	struct buffer *bytes; /* what has come; NULL: nothing, or all of it in one frame */
	uint32_t stream;      /* 0: no block is under way */
	uint32_t len;	      /* bytes of the block that have come */
	enum h2_error error;  /* the stream's error, found in the head of HEADERS */
	bool end_stream;
	bool too_long; /* its first part has been decoded, only to keep the table in step */
	unsigned char continuations;
};

/* What a connection decodes its blocks with: a value that is made for one call. */
struct h2_block_room {
	struct buffer_pool *buffers;
	struct hpack_decoder *decoder;
	struct field *fields; /* room for H2_FIELDS_MAX */
	char *text;	      /* what the fields point to */
	size_t text_size;     /* at least HPACK_TABLE_MAX */
	size_t head_bytes;    /* the limit of a head */
};

/* A connection error; H2_NO_ERROR: there is none. */
struct h2_fault {
	enum h2_error error;
	struct slice why; /* static */
};

/*
 * HEADERS or CONTINUATION has come, with this piece of a block. If the frame has END_HEADERS, the
 * block is whole, and `block` has its fields; call h2_gather_end when they have been used.
 * Otherwise the piece is kept. error: see h2_gather; the block is decoded all the same.
 */
struct h2_fault h2_gather_headers(struct h2_gather *gather, const struct h2_block_room *room,
    const struct h2_frame *frame, enum h2_error error, struct slice piece,
    struct hpack_block *block);
struct h2_fault h2_gather_continuation(struct h2_gather *gather, const struct h2_block_room *room,
    const struct h2_frame *frame, struct slice piece, struct hpack_block *block);

/* No block is under way any more. */
void h2_gather_end(struct h2_gather *gather, struct buffer_pool *buffers);

#endif
