/* form.h - text as forms and queries write it (application/x-www-form-urlencoded, WHATWG URL). */
#ifndef JOBGATE_AUTH_FORM_H
#define JOBGATE_AUTH_FORM_H

#include "auth/ascii.h"
#include "jobgate/slice.h"

/* Take the next byte from *text, which is not empty: '+' is a blank, %XX a byte; a stray '%' stays.
 */
static inline char
form_next(struct slice *text)
{
	char c = text->at[0];
	size_t len = 1;

	if (c == '%' && text->len > 2 && is_hex(text->at[1]) && is_hex(text->at[2])) {
		c = (char)(hex_value(text->at[1]) << 4 | hex_value(text->at[2]));
		len = 3;
	} else if (c == '+') {
		c = ' ';
	}
	*text = slice_after(*text, len);
	return c;
}

#endif
