/* server.h - an HTTP server for the control API; libevhtp does not show in this interface. */
#ifndef JOBGATE_CONTROL_SERVER_H
#define JOBGATE_CONTROL_SERVER_H

#include <event2/event.h>

#include "auth/control/call.h"
#include "jobgate/dump.h"
#include "jobgate/log.h"

/* connection_stream.c */
extern const struct call_stream connection_stream;

/* A listening socket and its connections. */
struct server;

/* Which users may connect; `identify` then decides what each call may do. */
enum server_peers {
	PEERS_OURSELVES, /* a Unix socket: our own user and root need no token */
	PEERS_GATEWAY,	 /* a Unix socket: our own workers forward calls of others */
};

struct server_setup {
	struct event_base *base;
	struct endpoint_table endpoints;
	void *ctx; /* given to handlers in their calls */
	enum server_peers peers;
	/*
	 * Called with each complete call: answers it, or sets its caller and passes it to
	 * call_begin, at once or later.
	 */
	void (*identify)(struct call *call);
	const struct call_stream *stream; /* what calls have as `stream`; NULL: nothing */
	unsigned request_ms;		  /* for a request to arrive completely */
	unsigned idle_ms;	/* for an answer to be read and the next request to begin */
	size_t connections_max; /* fewer when there are few descriptors */
	struct log log;
};

/* Start to accept on fd, which it owns and closes. NULL when memory is short. */
struct server *server_new(const struct server_setup *setup, int fd);

/*
 * Accept on fd, which it owns, in place of the previous socket; connections stay. False when that
 * fails; then no socket accepts connections.
 */
bool server_listen_again(struct server *server, int fd);

/* Write how many connections it has, and the one that waits longest. */
void server_dump(const struct server *server, struct dump *dump);

/* Close all connections. Calls under way stay valid and must still be answered. */
void server_free(struct server *server);

#endif
