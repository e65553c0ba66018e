/* reply.h - an answer's parts, between answers as handlers give them and the server's sending. */
#ifndef JOBGATE_CONTROL_REPLY_H
#define JOBGATE_CONTROL_REPLY_H

#include <stddef.h>

struct call;

struct reply {
	unsigned status;
	const char *type; /* of the content */
	char *content;	  /* malloc, wiped and freed when sent; NULL: none */
	size_t len;
	const char *location; /* or NULL */
};

/* Send it, if the client is still there, and free the call. Takes reply->content. */
void call_reply(struct call *call, const struct reply *reply);

#endif
