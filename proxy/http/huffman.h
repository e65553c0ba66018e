/* huffman.h - the Huffman code of HPACK strings (RFC 7541 section 5.2 and appendix B). */
#ifndef JOBGATE_HTTP_HUFFMAN_H
#define JOBGATE_HTTP_HUFFMAN_H

#include "jobgate/slice.h"

enum huffman_status {
	HUFFMAN_OK,
	HUFFMAN_FULL, /* the text is longer than cap; the rest was not decoded */
	HUFFMAN_BAD,  /* EOS, padding of 8 bits or more, or padding that is not all ones: not a
			 string of HPACK */
};

/*
 * Decode a whole string into out, which has room for cap bytes and does not overlap it. *len is the
 * length of the text. Unless the result is HUFFMAN_OK, *len and out have no meaning. A text has at
 * most 8/5 of the bytes of its code.
 */
enum huffman_status huffman_decode(struct slice code, char *out, size_t cap, size_t *len);

/* The exact length of a text's code in bytes, with padding. */
size_t huffman_len(struct slice text);

/* Encode a text into out, which has room for huffman_len(text) bytes; returns that length. */
size_t huffman_encode(struct slice text, char *out);

#endif
