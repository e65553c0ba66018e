/*
 * body.h - finds where a message's body ends, and which of its bytes are content (RFC 9112 sections
 * 6 and 7).
 */
#ifndef JOBGATE_HTTP_BODY_H
#define JOBGATE_HTTP_BODY_H

#include <stdint.h>

#include "jobgate/slice.h"

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

enum body_status {
	BODY_MORE,     /* more bytes are needed; consumed may be more than 0 */
	BODY_DATA,     /* *data is content */
	BODY_TRAILERS, /* *data is a trailer section with its empty line, and has at least one
			  field; BODY_END follows */
	BODY_END,      /* the body has ended; consumed may be more than 0 */
	BODY_BAD,      /* the chunk framing is broken, or exceeds a limit */
};

/* A plain value: start with body_decoder_init. */
struct body_decoder {
	enum body_kind kind;
	unsigned char state;  /* the place in the chunked grammar, see body.c */
	bool has_size;	      /* a digit of the chunk size has been read */
	uint64_t left;	      /* bytes of content, or of this chunk, still to come */
	uint32_t line_extra;  /* bytes of this chunk's line besides the size: see body.c */
	uint32_t trailer_max; /* the most bytes that a trailer section may have */
};

/* trailer_max is in bytes. Extensions and leading zeros of a chunk's line may have 8 KiB. */
void body_decoder_init(
    struct body_decoder *decoder, enum body_kind kind, uint64_t length, uint32_t trailer_max);

/*
 * Read the next piece of the body from input. *consumed is how many bytes were read; *data
 * (BODY_DATA, BODY_TRAILERS) lies within them. Content is returned as it comes. Only a trailer
 * section must be in input as a whole: until it is, BODY_MORE leaves *consumed before it; BODY_BAD
 * if it cannot fit trailer_max.
 *
 * A chunk's size is at most 2^63 - 1; leading zeros do not count. Extensions are parsed with their
 * white space (RFC 9112 section 7.1.1) and dropped. Lines must end in CRLF. BODY_UNTIL_CLOSE never
 * ends here, because the caller sees the close. After BODY_END, each call returns BODY_END and
 * reads nothing.
 */
enum body_status body_next(
    struct body_decoder *decoder, struct slice input, size_t *consumed, struct slice *data);

/* True when the body has ended (never for BODY_UNTIL_CLOSE). */
bool body_ended(const struct body_decoder *decoder);

#endif
