/* pool.h - backends, their addresses, and the idle connections kept to each. */
#ifndef JOBGATE_UPSTREAM_POOL_H
#define JOBGATE_UPSTREAM_POOL_H

#include "jobgate/dump.h"
#include "jobgate/job.h"
#include "jobgate/log.h"
#include "jobgate/settings.h"
#include "jobgate/tuning.h"
#include "net/guard.h"
#include "upstream/upstream.h"

struct backend;
struct buffer_pool;
struct loop;
struct pool;
struct resolver;
struct tls_client;
struct upstream_protocol;
struct worker_stats;

/*
 * What a pool gets from its worker. It knows neither the exchanges nor the clients' end. What the
 * pointers lead to outlives the pool; times are milliseconds.
 */
struct pool_options {
	struct loop *loop;
	struct resolver *resolver;
	struct buffer_pool *buffers;
	struct tls_client *tls;	    /* of connections to https */
	struct worker_stats *stats; /* it counts backend_* and circuit* */
	const struct log *log;
	const struct upstream_protocol *http1; /* what backends speak: HTTP/1, or */
	const struct upstream_protocol *http2; /* HTTP/2; NULL: none does */

	struct guard_rules guard;	/* which addresses the URL of a record may lead to */
	const char *const *own_sockets; /* paths of the gateway's own Unix sockets, NULL at the end;
					   never a backend. NULL: there are none */
	struct pool_settings settings;
	struct head_limits head; /* of each answer */
	size_t connections_max;	 /* to all backends, in all states; beyond it idle ones close */
	const struct backend_tuning *tuning; /* NULL: the part of jg_tuning */

	void *ctx; /* of these two functions */
	/*
	 * Called before the pool moves bytes of an exchange. The worker may have been stopped since
	 * the turn began: it reads the clock again, and lets the directory tell the exchanges what
	 * was revoked in the meantime. Any exchange may end within the call. True:
	 * `judge_if_changed` is to be called for each user whose bytes may move.
	 */
	bool (*catch_up)(void *ctx);
	/* The process is short of descriptors: close an idle connection, of a backend or of a
	 * client. False when there is none. */
	bool (*make_room)(void *ctx);
};

/* Takes a copy of the options. NULL when memory is short. */
struct pool *pool_new(const struct pool_options *options);

/* Closes every idle connection. No exchange may be left; the loop turns once. NULL is allowed. */
void pool_free(struct pool *pool);

/* How many connections it has of each kind. */
void pool_dump(const struct pool *pool, struct dump *dump);

/*
 * Walk over all backends, then over all connections to them: those that are being made, those that
 * serve and idle ones. Each call writes the next one; the loop may turn between two. False when all
 * have been written that there were when the walk began. There is one walk at a time.
 */
void pool_walk_begin(struct pool *pool);
bool pool_walk_dump(struct pool *pool, struct dump *dump);

/* The worker ends: keep no more connections for later exchanges. */
void pool_drain(struct pool *pool);

/* The source of a backend's URL decides which addresses the URL may lead to. */
enum backend_source {
	BACKEND_OF_RECORD,	  /* the guard judges each address */
	BACKEND_OF_CONFIGURATION, /* any address but a socket of our own */
	BACKEND_OF_CONTROL,	  /* the control process, which listens on a socket of our own */
};

/*
 * The backend that a URL leads to, made when it is not known. It stays until pool_leave. NULL when
 * memory is short.
 */
struct backend *pool_enter(
    struct pool *pool, const struct job_url *target, enum backend_source source);
void pool_leave(struct backend *backend);

/*
 * True if `a` is the better backend for a request: its circuit takes connections and b's does not;
 * if both are equal in this, at most as many exchanges of this worker are in a as in b. Both have
 * been entered.
 */
bool pool_prefers(const struct backend *a, const struct backend *b);

/* Write host:port, or the path of the socket, for logs. The result may lie in the backend. */
#define POOL_NAME_MAX 264
struct slice pool_name(const struct backend *backend, char out[POOL_NAME_MAX]);

enum pool_choice {
	POOL_ANY,     /* an idle connection if there is one: the request can be sent again */
	POOL_CHECKED, /* the same, but looked at once more: the request cannot be sent again */
	POOL_FRESH,   /* a new one */
};

/* Whether a request may share its connection. */
enum pool_sharing {
	POOL_SHARED,	/* other requests may share its connection, if the backend speaks HTTP/2 */
	POOL_EXCLUSIVE, /* no other request may share its connection (NTLM, an upgrade to any
			   protocol but WebSocket): it gets one of HTTP/1 */
	POOL_TUNNEL, /* it opens a WebSocket: it gets a stream of HTTP/2 if the backend offers that
			(RFC 8441), else a connection of HTTP/1 */
};

/*
 * Get a connection to a backend, or a stream of one. *up: there is one, and `begin` may follow at
 * once. Else it is still to be made, and `connected` or `failed` of the user follows, never from
 * within this call; until then only `cancel` may be called. NULL when memory is short.
 *
 * Where the backend may speak HTTP/2, one connection is made at a time: all users that ask
 * meanwhile wait for it, and share it if it speaks HTTP/2.
 */
struct upstream *pool_acquire(struct backend *backend, struct upstream_user *user,
    enum pool_choice choice, enum pool_sharing sharing, bool *up);

/*
 * The user of an upstream that is not up yet is not held any more (upstream_user.hold_until_ms is 0
 * now): it waits as others do. `failed` may follow, not from within this call.
 */
void pool_stop_holding(struct upstream *upstream);

/* Seconds after which a backend whose circuit is open may be tried again, at least 1. */
unsigned pool_retry_s(const struct backend *backend);

/* Close an idle connection of some backend, each in turn. False when there is none. */
bool pool_make_room(struct pool *pool);

#endif
