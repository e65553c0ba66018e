/* one_request.h - a client's connection of one request over HTTP/1, and the answer to it. */
#ifndef SIM_ONE_REQUEST_H
#define SIM_ONE_REQUEST_H

#include "exchanges.h"
#include "message.h"
#include "stream.h"

struct world;

/*
 * Its owner embeds it, with world and the functions set, and writes the request to `out` after
 * one_request_begin. The answer is the gateway's own, or a backend's, whose content is checked.
 */
struct one_request {
	struct world *world;
	struct end *end; /* NULL: there is no connection */
	struct bytes out;
	struct message message;
	enum message_part was;
	bool marked;	/* the answer is a backend's */
	uint32_t mark;	/* of the request that is under way; 0: there is none */
	char text[600]; /* what the gateway itself says */
	size_t text_len;
	/* The whole answer has come; or the connection has ended without it. Either must call
	 * one_request_end. */
	void (*answered)(struct one_request *request);
	void (*failed)(struct one_request *request, enum result result);
	/* A rule is broken. */
	void (*violation)(const struct one_request *request, const char *what);
};

/* Connect to a port of the gateway; mark names the exchange. */
void one_request_begin(struct one_request *request, struct host *host, uint16_t port);

/* The request has come to this. The connection is closed; mark stays. */
void one_request_end(struct one_request *request, enum result result);

#endif
