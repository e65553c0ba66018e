/* bytes.h - which bytes are allowed where in HTTP (RFC 9110 section 5.6, RFC 3986 section 2). */
#ifndef JOBGATE_HTTP_BYTES_H
#define JOBGATE_HTTP_BYTES_H

#include <stdbool.h>

#include "jobgate/slice.h"

enum byte_class {
	BYTE_TOKEN = 1, /* tchar */
	BYTE_VALUE = 2, /* field-vchar, SP and HTAB: the value of a field */
	BYTE_TARGET =
	    4,	       /* unreserved, sub-delims, ':' '@' '/' '?' and '%': a path with its query */
	BYTE_HOST = 8, /* letters, digits, '-' '.' '_' */
	BYTE_HEX = 16,
	BYTE_NAME = 32,	  /* letters, digits and '-': the usual name of a field */
	BYTE_RAW = 64,	  /* visible ASCII except '#': what clients send unescaped in targets */
	BYTE_LOWER = 128, /* tchar without upper case: a field's name in HTTP/2 */
};

extern const unsigned char byte_classes[256];

static inline bool
byte_is(unsigned char c, enum byte_class class)
{
	return (byte_classes[c] & class) != 0;
}

/* True when every byte is a token character and there is at least one (RFC 9110 section 5.6.2). */
bool is_token(struct slice text);

#endif
