/* connection.h - the interface between server.c, which accepts connections, and connection.c, which
 * serves them.
 */
#ifndef JOBGATE_CONTROL_CONNECTION_H
#define JOBGATE_CONTROL_CONNECTION_H

#include <sys/queue.h>

#include <evhtp/evhtp.h>

#include "auth/control/call.h"
#include "auth/control/head.h"
#include "auth/control/server.h"
#include "jobgate/dump.h"

/* The connections of a server, in the order in which they were accepted or last answered: the one
 * that has waited longest is first. */
struct connections {
	TAILQ_HEAD(, connection) list;
	size_t count;
};

enum connection_state {
	CONNECTION_IDLE,     /* between two requests */
	CONNECTION_READING,  /* libevhtp has begun the head of a request */
	CONNECTION_STARTING, /* the request is complete; its call starts in an event of its own */
	CONNECTION_CALLING,  /* the handler has the call */
};

/* A client's connection. It is freed together with libevhtp's own. */
struct connection {
	enum connection_state state;
	TAILQ_ENTRY(connection) link;
	struct connections *all; /* of its server */
	const struct server_setup *setup;
	evhtp_connection_t *evhtp;
	struct event *start;	/* starts the call */
	struct event *deadline; /* for the client to send its request or to read its answer */
	struct call *call;	/* STARTING (NULL when memory was short) and CALLING */
	bool no_reuse;		/* close after the answer */
	struct head head;
	char *body;
	size_t body_len;
	size_t answer_len; /* of the last answer's content */
	bool body_too_large;
	bool local;
	bool gateway; /* from our own workers, which vouch for the caller */
	char peer[CALL_PEER_MAX];
};

/*
 * Serve a connection that libevhtp has just accepted, and add it to *all. NULL when memory is
 * short: the caller then refuses the connection.
 */
struct connection *connection_new(
    evhtp_connection_t *evhtp, const struct server_setup *setup, struct connections *all);

/* The only place that assigns a state. */
void control_connection_set_state(struct connection *connection, enum connection_state to);

/* Write its state, its client and its call; no bytes of a message are shown. */
void control_connection_dump(const struct connection *connection, struct dump *dump);

/* Close it immediately, in any state. Its call, if it has one, stays valid. */
void connection_abort(struct connection *connection);

/* Bytes of answers that wait for the clients of one server. */
#define UNSENT_MAX (16u << 20)

/*
 * Before an answer of len bytes: while more than UNSENT_MAX bytes would wait for clients, the one
 * connection to close next. It is the one that has waited longest with a large answer unread, and
 * never `answered`, which gets the answer. NULL: none has to be closed.
 */
struct connection *connection_too_slow(
    const struct connections *all, const struct connection *answered, size_t len);

/* The end of an answer is being sent: the connection waits for the next request, or is closed. */
void connection_answered(struct connection *connection);

/*
 * Before it is freed: send what waits for the client, such as why its call has ended, as far as the
 * socket takes it.
 */
void connection_send_rest(const struct connection *connection);

/*
 * The connection is about to be freed. If that is because libevhtp could not parse its request, say
 * so to the client: 414 for a request line, 431 for a field line, of more than 8 KiB (libevhtp's
 * own limit), and 400 for anything else. The connection must not be used for more answers.
 */
void connection_tell_parse_error(struct connection *connection);

/* libevhtp's callback for each complete request. */
void connection_on_request(evhtp_request_t *request, void *ctx);

#endif
