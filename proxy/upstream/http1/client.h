/*
 * http1_client.h - the gateway as an HTTP/1 client of one backend connection: an implementation of
 * upstream.h, for the backend's end alone.
 */
#ifndef JOBGATE_UPSTREAM_HTTP1_CLIENT_H
#define JOBGATE_UPSTREAM_HTTP1_CLIENT_H

#include "http/write.h"
#include "http1/receiver.h"
#include "http1/sender.h"
#include "net/loop.h"
#include "upstream/upstream.h"

struct backend_conn;
struct gateway;

enum http1_client_state {
	HTTP1_CLIENT_WAITING,  /* serves an exchange; waits for the head of its answer */
	HTTP1_CLIENT_RELAYING, /* serves an exchange; the content of the answer is coming */
	HTTP1_CLIENT_IDLE,     /* in the pool; waits for the next exchange, or for its end */
	HTTP1_CLIENT_CLOSED,   /* waits for the end of the turn to be freed */
};

/* Serves one exchange after another; upstream.user is that exchange, NULL between two. */
struct http1_client {
	struct upstream upstream;
	struct gateway *gateway;
	struct backend_conn *made; /* the connection, which it owns */
	enum http1_client_state state;
	struct receiver receiver;
	struct sender sender;
	struct timer timer;   /* IDLE: how long it may stay in the pool; else see TUNNEL_LOOK_MS */
	struct task burial;   /* frees it */
	struct task carry_on; /* goes on with an answer whose share of this turn was used up */
	TAILQ_ENTRY(http1_client) link; /* among the backend's idle ones */

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
 * Take a connection that was just made over, and serve this user on it: `connected` is called
 * within, or `failed` when memory is short.
 */
void http1_client_open(struct backend_conn *made, struct upstream_user *user);

/* Serve the next user, on an idle connection. */
struct upstream *http1_client_reuse(struct http1_client *client, struct upstream_user *user);

/*
 * Look at an idle connection once more, in case its end, or what nobody asked for, has come
 * and the loop has not said so yet. False: it is closed.
 */
bool http1_client_still_idle(struct http1_client *client);

/* Close at once, in any state, without a word to the user; freed at the end of the turn. */
void http1_client_close(struct http1_client *client);

/*
 * Write a request's head (see upstream_ops.begin): request line, Host, the fields, and what says
 * how long the content is and what the connection is for. writer->full when it does not fit.
 */
void http1_write_request(struct writer *writer, const struct request *request, struct slice lines);

/* ---- between http1_client.c and http1_answer.c ---- */

/* Go on with the answer (see upstream_ops.pump). */
void http1_client_pump(struct http1_client *client);

/* Close, as it cannot bring its answer to an end, and have the user know. */
void http1_client_fail(struct http1_client *client, enum upstream_failure failure);

#endif
