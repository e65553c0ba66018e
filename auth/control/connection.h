/* connection.h - between server.c, which accepts connections, and connection.c, which serves them.
 */
#ifndef JOBGATE_CONTROL_CONNECTION_H
#define JOBGATE_CONTROL_CONNECTION_H

#include <sys/queue.h>

#include <evhtp/evhtp.h>

#include "auth/control/call.h"
#include "auth/control/head.h"
#include "auth/control/server.h"

LIST_HEAD(connections, connection);

/* A client's connection. It is freed together with libevhtp's own. */
struct connection {
	LIST_ENTRY(connection) link;
	size_t *count; /* of the connections of its server */
	const struct server_setup *setup;
	evhtp_connection_t *evhtp;
	struct event *start;	/* starts the call */
	struct event *deadline; /* by which the client must have sent, or taken, what is due */
	struct call *call;	/* waiting for start, or for its answer; NULL between requests */
	bool started;		/* the call belongs to its handler */
	bool last;		/* close after the answer */
	struct head head;
	char *body;
	size_t body_len;
	bool body_too_large;
	bool local;
	bool gateway; /* our own worker, who tells for whom it speaks */
	char peer[CALL_PEER_MAX];
};

/*
 * Serve what libevhtp has just accepted, as one more of *connections and *count. NULL
 * when memory is short: the caller refuses it then.
 */
struct connection *connection_new(evhtp_connection_t *evhtp, const struct server_setup *setup,
    struct connections *connections, size_t *count);

/* libevhtp's callback for each complete request. */
void connection_on_request(evhtp_request_t *request, void *ctx);

#endif
