/* base64.h - decodes base64 and base64url (RFC 4648 sections 4 and 5). */
#ifndef JOBGATE_HTTP_BASE64_H
#define JOBGATE_HTTP_BASE64_H

#include "jobgate/slice.h"

/* What '=' does before the end of base64. Decoders differ. */
enum base64_padding {
	BASE64_PADDING_ENDS,
	BASE64_PADDING_IS_SKIPPED,
	BASE64_PADDING_BEGINS_ANEW, /* the next digit is the first of a group */
};

/*
 * Decode both alphabets to `out`. Other bytes than digits and '=' are skipped, as lenient decoders
 * do: it finds what a job could read. What does not fit is cut; 3/4 of the text's length is enough.
 */
struct slice base64_decode_leniently(
    struct slice text, enum base64_padding padding, char *out, size_t cap);

/*
 * Decode base64url without padding to `out`. False when it is empty, does not fit, or is not the
 * one right form of its bytes (RFC 4648 section 3.5).
 */
bool base64url_decode(struct slice text, char *out, size_t cap, struct slice *decoded);

#endif
