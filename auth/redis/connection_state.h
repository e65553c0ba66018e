/* connection_state.h - a connection as its own files see it: connection.c, connection_login.c and
 * connection_state.c. */
#ifndef JOBGATE_REDIS_CONNECTION_STATE_H
#define JOBGATE_REDIS_CONNECTION_STATE_H

#include <sys/queue.h>

#include "auth/redis/connection.h"
#include "auth/redis/reply_scan.h"

struct waiting {
	STAILQ_ENTRY(waiting) link;
	redis_reply_fn *done;
	void *ctx;
};

enum connection_state {
	CONNECTION_DIALLING,	  /* waits for the socket */
	CONNECTION_TLS_HANDSHAKE, /* waits for the TLS handshake */
	CONNECTION_LOGIN,	  /* waits for the answers to AUTH, SELECT, SETNAME and HELLO */
	CONNECTION_UP,		  /* takes commands */
	CONNECTION_DOWN,	  /* waits to be freed by its owner */
};

struct redis_connection {
	enum connection_state state;
	struct event_base *base;
	struct redis_handlers handlers;
	struct redis_url url;
	char *ca_file;
	char name[64];
	struct redis_dial *dial; /* DIALLING */
	struct bufferevent *bev; /* from TLS_HANDSHAKE on */
	redisReader *reader;
	struct reply_scan scan; /* of the reply that is being received */
	bool skipping;		/* that reply is too long; its callback has been told */
	struct event *timeout;	/* until UP */
	STAILQ_HEAD(, waiting) waiting;
	unsigned logins; /* answers that are still missing before it is up */
	long long id;	 /* its client id at the server */
	bool to_replica; /* the server says that it is a replica */
	bool entered;	 /* a callback runs: freeing waits until it returns */
	bool freed;
};

/* ---- connection_state.c ---- */

/* The only place that assigns a state. */
void redis_connection_set_state(struct redis_connection *connection, enum connection_state to);

/* ---- connection.c ---- */

/* The only place where a connection goes down without its owner. */
void connection_fail(struct redis_connection *connection, const char *reason);

/* Send a command, in LOGIN and UP; done (may be NULL) is called once. False when memory is short.
 */
bool connection_send(struct redis_connection *connection, redis_reply_fn *done, void *ctx, int argc,
    const char *const *argv, const size_t *argv_len);

/* ---- connection_login.c ---- */

/* The socket, or the TLS on it, is ready: log in, and ask what the server is. */
void connection_login(struct redis_connection *connection);

#endif
