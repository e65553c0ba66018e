/*
 * client.h - the gateway as an HTTP/1 client of one backend connection: the implementation of
 * upstream.h and protocol.h.
 */
#ifndef JOBGATE_UPSTREAM_HTTP1_CLIENT_H
#define JOBGATE_UPSTREAM_HTTP1_CLIENT_H

#include "http/head.h"
#include "http/target.h"
#include "http/write.h"
#include "http1/receiver.h"
#include "http1/sender.h"
#include "upstream/protocol.h"

/* For pool_options.protocol. */
extern const struct upstream_protocol http1_client_protocol;

enum http1_client_state {
	HTTP1_CLIENT_WAITING,  /* serves an exchange; waits for the head of its answer */
	HTTP1_CLIENT_RELAYING, /* serves an exchange; the content of the answer is coming */
	HTTP1_CLIENT_IDLE,     /* in the pool; waits for the next exchange, or for its end */
	HTTP1_CLIENT_CLOSED,   /* waits for the end of the turn to be freed */
};

/* Serves one exchange after another; upstream.user is that exchange, NULL between two. */
struct http1_client {
	struct backend_conn connection; /* first */
	struct upstream upstream;
	enum http1_client_state state;
	struct receiver receiver;
	struct sender sender;
	struct timer timer;   /* IDLE: how long it may stay in the pool; else see TUNNEL_LOOK_MS */
	struct task carry_on; /* goes on with an answer whose share of this turn was used up */

	uint64_t keep_ms;	/* the backend keeps it idle for no longer */
	bool reused;		/* has served an exchange before this one */
	bool keep_alive;	/* the answer lets the connection live on */
	bool no_reuse;		/* no other request may follow this one */
	bool answer_begun;	/* bytes of an answer have come for this exchange */
	unsigned char interims; /* answers of 1xx that came before the final one */
	bool tunnel;
	bool tunnel_shut;	    /* our side of the tunnel is to end, after what is pending */
	bool tunnel_ended;	    /* the backend has ended its side of the tunnel */
	enum method_id method;	    /* of the request, which decides on the answer's framing */
	struct slice upgrade_asked; /* one of the configured protocols, or empty */
};

/*
 * Write a request's head (see upstream_ops.begin): request line, Host, the fields, and what says
 * how long the content is and what the connection is for. writer->full when it does not fit.
 */
void http1_write_request(struct writer *writer, const struct request *request, struct slice lines);

/* ---- between client.c and answer.c ---- */

/* Room in which one head is put together or taken apart. Each use is over before the next. */
struct http1_client_scratch {
	char wire[(PATH_ESCAPE_GROWTH + 2) * BUFFER_LARGE];
	struct response_head head;
	struct field trailers[HEAD_FIELDS_MAX];
};

static inline struct http1_client_scratch *
http1_client_scratch(const struct http1_client *client)
{
	return pool_scratch(client->connection.pool);
}

/* Go on with the answer (see upstream_ops.pump). */
void http1_client_pump(struct http1_client *client);

/* Close, as it cannot bring its answer to an end, and have the user know. */
void http1_client_fail(struct http1_client *client, enum upstream_failure failure);

#endif
