/* body.h - where a message's body ends, and what of the bytes is content (RFC 9112 sections 6 and
 * 7). */
#ifndef JOBGATE_HTTP_BODY_H
#define JOBGATE_HTTP_BODY_H

#include <stdint.h>

#include "jobgate/slice.h"

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

enum body_status {
	BODY_MORE,     /* more bytes are needed; consumed may be over 0 */
	BODY_DATA,     /* *data is content */
	BODY_TRAILERS, /* *data is a trailer section with its empty line, not empty itself; BODY_END
			  follows */
	BODY_END,      /* nothing of the body is left; consumed may be over 0 */
	BODY_BAD,      /* chunk framing broken or out of bounds */
};

/* A plain value: start with body_decoder_init. */
struct body_decoder {
	enum body_kind kind;
	unsigned char state;  /* of the chunk grammar, see body.c */
	bool has_size;	      /* a digit of the chunk size has been read */
	uint64_t left;	      /* bytes of content, or of this chunk, still to come */
	uint32_t line_extra;  /* bytes of this chunk's line besides the size: see body.c */
	uint32_t trailer_max; /* bytes of a trailer section allowed */
};

/* trailer_max: bytes. Extensions and leading zeros of a chunk's line may be 8 KiB long.
 */
void body_decoder_init(
    struct body_decoder *decoder, enum body_kind kind, uint64_t length, uint32_t trailer_max);

/*
 * Take the next piece of the body from input. *consumed bytes are dealt with,
 * *data (BODY_DATA, BODY_TRAILERS) lies within them. Content is handed out as it
 * comes; only a trailer section must lie in input whole (BODY_MORE with
 * *consumed standing before it until it does; BODY_BAD when it cannot fit
 * trailer_max). A chunk's size is at most 2^63 - 1, leading zeros do not count; extensions
 * are parsed with their white space (RFC 9112 section 7.1.1) and dropped; CRLF only.
 * BODY_UNTIL_CLOSE never ends by itself: the caller sees the close. Once BODY_END
 * has been returned it is returned again, consuming nothing.
 */
enum body_status body_next(
    struct body_decoder *decoder, struct slice input, size_t *consumed, struct slice *data);

/* True when the body has ended (for BODY_UNTIL_CLOSE never). */
bool body_ended(const struct body_decoder *decoder);

#endif
