/* gather.h - a field block that comes in several frames (RFC 9113 section 4.3). */
#ifndef JOBGATE_HTTP2_GATHER_H
#define JOBGATE_HTTP2_GATHER_H

#include "http/h2_frame.h"
#include "net/buffer.h"

/* How many CONTINUATION frames one block may have, none of them empty. */
#define CONTINUATIONS_MAX 8

/* Start with a zeroed one. */
struct h2_gather {
	struct buffer *bytes; /* what has come; NULL: nothing, or all of it in one frame */
	uint32_t stream;      /* 0: no block is under way */
	enum h2_error error;  /* the error found in the frame's head */
	bool end_stream;
	unsigned char continuations;
};

/* A connection error; H2_NO_ERROR: there is none. */
struct h2_fault {
	enum h2_error error;
	struct slice why; /* static */
};

/* HEADERS has come: its block begins. */
void h2_gather_begin(struct h2_gather *gather, const struct h2_frame *frame, enum h2_error error);

/* Keep the piece that HEADERS had, when CONTINUATION is to follow. */
struct h2_fault h2_gather_keep(
    struct h2_gather *gather, struct buffer_pool *buffers, struct slice piece);

/* CONTINUATION has come: check it, and keep its piece. */
struct h2_fault h2_gather_continue(struct h2_gather *gather, struct buffer_pool *buffers,
    const struct h2_frame *frame, struct slice piece);

/* No block is under way any more. */
void h2_gather_end(struct h2_gather *gather, struct buffer_pool *buffers);

#endif
