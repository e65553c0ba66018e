/* client_state.h - what the files of an HTTP/1 client of one backend connection share. */
#ifndef JOBGATE_UPSTREAM_HTTP1_CLIENT_STATE_H
#define JOBGATE_UPSTREAM_HTTP1_CLIENT_STATE_H

#include "http/head.h"
#include "http/target.h"
#include "http1/receiver.h"
#include "http1/sender.h"
#include "http1/websocket_handshake.h"
#include "upstream/http1/client.h"

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
	struct timer timer; /* IDLE: how long it may stay in the pool; else see TUNNEL_LOOK_MS */
	struct task resume_task; /* goes on with an answer whose share of this turn was used up */

	uint64_t keep_ms;	/* how long the backend keeps it idle */
	bool reused;		/* has served an exchange before this one */
	bool keep_alive;	/* the answer lets the connection live on */
	bool no_reuse;		/* no other request may follow this one */
	bool request_ended;	/* all of its content has been taken */
	bool answer_begun;	/* bytes of an answer have come for this exchange */
	unsigned char interims; /* answers of 1xx that came before the final one */
	bool tunnel;
	bool tunnel_shut;	    /* our side of the tunnel is to end, after what is pending */
	bool tunnel_ended;	    /* the backend has ended its side of the tunnel */
	enum method_id method;	    /* of the request, which decides on the answer's framing */
	bool own_key;		    /* the client speaks a protocol in which WebSockets have no key:
				       websocket_key is the gateway's own */
	struct slice upgrade_asked; /* one of the configured protocols, or empty */
	char websocket_key[WEBSOCKET_KEY_LEN];
};

/* Room in which one head is put together or taken apart. Uses do not overlap. */
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

/* Close, because its answer cannot be completed, and tell the user. */
void http1_client_fail(struct http1_client *client, enum upstream_failure failure);

/* The only place that assigns a state. */
void http1_client_set_state(struct http1_client *client, enum http1_client_state to);

void http1_client_dump(const struct http1_client *client, struct dump *dump);

#endif
