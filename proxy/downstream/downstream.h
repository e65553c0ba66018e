/* downstream.h - the client's end of one worker: its client connections, and what is common to
 * them. */
#ifndef JOBGATE_DOWNSTREAM_H
#define JOBGATE_DOWNSTREAM_H

#include <sys/socket.h>

#include "jobgate/dump.h"
#include "jobgate/purpose.h"
#include "jobgate/settings.h"
#include "net/buffer.h"
#include "net/loop.h"
#include "net/tls_server.h"
#include "observe/shared.h"

struct connection_protocol;
struct downstream;
struct exchange_context;

/* What a client connection may speak. */
enum protocol { PROTOCOL_HTTP1, PROTOCOL_HTTP2 };
#define PROTOCOL_COUNT (PROTOCOL_HTTP2 + 1)

/* Everything pointed to outlives the client's end. */
struct downstream_options {
	size_t trusted_count;
	const struct ip_range *trusted; /* proxies whose PROXY headers and X-Forwarded-* count */
	struct tls_server *tls;		/* for listeners with TLS; NULL: there are none */
	struct tls_server *control_tls; /* the same for those of FOR_CONTROL */
	const char *hsts; /* Strict-Transport-Security of all answers over TLS; NULL: none */
	const char *const *upgrades;	/* as in struct forwarding */
	const char *const *drop_fields; /* likewise */
	struct {
		size_t connections, handshakes; /* handshakes: unfinished ones at a time */
	} places[PURPOSE_COUNT];
	struct quota_limits quota_limits;
	struct limits limits; /* except those that are in `places` and `quota_limits` */
	struct timeouts timeouts;
	struct http2_limits http2;
	const struct connection_protocol *protocols[PROTOCOL_COUNT]; /* HTTP/2 may be NULL: not
									served */
};

/*
 * exchanges: where the connections' exchanges run. NULL when memory is short, or without random
 * bytes. The rest is used by other parts of the worker as well, and outlives it.
 */
struct downstream *downstream_new(const struct downstream_options *options, struct loop *loop,
    struct exchange_context *exchanges, struct buffer_pool *buffers, struct worker_stats *stats,
    const struct log *log);

/*
 * Close all connections, and cut what runs on them. Their memory is given back at the end of the
 * loop's turn: the loop has to turn once more before downstream_free.
 */
void downstream_shutdown(struct downstream *downstream);

/* After downstream_shutdown. NULL is allowed. */
void downstream_free(struct downstream *downstream);

/* What clients of a listener must speak; zeroed: plain HTTP, for jobs. */
struct listener_options {
	bool tls : 1;
	bool redirect : 1; /* every request is redirected to https */
	bool proxied : 1; /* connections begin with a PROXY header, and come from trusted proxies */
	bool forward_auth : 1; /* it serves /authorize to other proxies, and nothing else */
	enum purpose purpose : 8;
};

/*
 * Take over a connection just accepted (non-blocking, close-on-exec, over TCP with TCP_NODELAY);
 * closes it when there is no place for it. peer may be AF_UNIX.
 */
void downstream_accept(struct downstream *downstream, int fd, const struct sockaddr *peer,
    const struct listener_options *listener);

/*
 * Close a connection for jobs that only waits, to give its descriptor to a new one. False when none
 * has waited for long enough.
 */
bool downstream_make_room(struct downstream *downstream);

/*
 * Stop keeping connections alive: each closes after its exchange, idle ones at once; gently: after
 * the next request, or when they have been idle for too long.
 */
void downstream_drain(struct downstream *downstream, bool gently);

/* How many connections there are for each purpose. */
void downstream_dump(const struct downstream *downstream, struct dump *dump);

/*
 * Walk over all client connections, in steps between which the loop may turn: each call writes the
 * next one. False when all have been written that there were when the walk came to their list. Some
 * that move meanwhile may be written twice. There is one walk at a time.
 */
void downstream_walk_begin(struct downstream *downstream);
bool downstream_walk_dump(struct downstream *downstream, struct dump *dump);

/* Client connections that are open. */
size_t downstream_connections(const struct downstream *downstream);

#endif
