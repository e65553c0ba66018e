/* reply.h - the parts of an answer, between the handler that gives it and the server that sends it.
 */
#ifndef JOBGATE_CONTROL_REPLY_H
#define JOBGATE_CONTROL_REPLY_H

#include <stddef.h>

struct reply {
	unsigned status;
	const char *type; /* of the content */
	char *content;	  /* malloc, wiped and freed when sent; NULL: none */
	size_t len;
	const char *location; /* or NULL */
};

/* The words for the status of a refusal (RFC 9110 section 15), as in its first line. */
const char *reply_title(unsigned status);

#endif
