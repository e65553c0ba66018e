/*
 * protocol.h - one connection to a backend, and what a protocol does on it; for the backend's end
 * alone.
 */
#ifndef JOBGATE_UPSTREAM_PROTOCOL_H
#define JOBGATE_UPSTREAM_PROTOCOL_H

#include <sys/queue.h>

#include "jobgate/check.h"
#include "net/conn.h"
#include "upstream/pool.h"

struct dial;
struct window_budget;
struct upstream_protocol;

/* One of a backend's addresses, as long as these have not changed. */
struct address_place {
	uint32_t version;
	unsigned char index;
};

/*
 * One connection to a backend, whatever it will speak, from the first address tried to its end. It
 * is the first member of its protocol's struct. A dial owns it until it is up, then its protocol.
 */
struct backend_conn {
	struct conn conn;
	struct pool *pool;
	const struct pool_options *options; /* the pool's */
	const struct upstream_protocol *protocol;
	struct backend *backend;
	struct dial *dial;		      /* NULL once it is up */
	struct address_place place;	      /* where `conn` leads */
	TAILQ_ENTRY(backend_conn) link;	      /* among the backend's idle ones */
	TAILQ_ENTRY(backend_conn) share_link; /* among its shared ones */
	LIST_ENTRY(backend_conn) member;      /* among all of the pool */
	struct task free_task;
};

TAILQ_HEAD(backend_conn_list, backend_conn);

/* What a protocol does on a connection. */
struct upstream_protocol {
	/*
	 * Bytes of the protocol's struct, whose first member is the struct backend_conn. A block of
	 * this size is taken when a dial begins, so keep it small.
	 */
	size_t size;

	/* Bytes of working memory that all connections of a pool share (pool_scratch). */
	size_t scratch_size;

	/* Bytes of the struct that each user gets, if a connection serves many at a time; else
	 * 0. */
	size_t stream_size;

	/*
	 * The connection is up, and the protocol's from now on; its part is zeroed. The user is
	 * told `connected` within the call.
	 */
	void (*opened)(struct backend_conn *connection, struct upstream_user *user);

	/* True when one more user can be served at the same time. NULL: never. */
	bool (*takes)(const struct backend_conn *connection);

	/*
	 * Serve the next user, on an idle connection, which leaves the pool's list, or on one that
	 * takes one more. NULL when memory is short.
	 */
	struct upstream *(*serve)(struct backend_conn *connection, struct upstream_user *user);

	/*
	 * Look at an idle connection once more: its end, or bytes that were not asked for, may have
	 * come without the loop having said so. False: it is closed.
	 */
	bool (*still_idle)(struct backend_conn *connection);

	/* Close a connection without users; one that has users closes after the last of them, and
	 * takes no others. */
	void (*close)(struct backend_conn *connection);

	/* Write the present state of a connection that is up. */
	void (*dump)(const struct backend_conn *connection, struct dump *dump);
};

/* ---- what the pool does for a protocol ---- */

/* scratch_size bytes, for use until control goes back to the loop or to a user. */
void *pool_scratch(struct pool *pool);

/* Keep a connection for the next exchange. False when the backend has enough of them. */
bool pool_keep(struct backend_conn *connection);

/* An idle connection closes: it is not kept any more. */
void pool_unkeep(struct backend_conn *connection);

/* A connection takes more users besides those it has; or it takes none any more. */
void pool_share(struct backend_conn *connection);
void pool_unshare(struct backend_conn *connection);

/*
 * A connection is known to take many users, and how many: those that waited for it are told
 * `connected`, as far as it takes them.
 */
void pool_opened(struct backend_conn *connection);

/*
 * The backend has said that it needs HTTP/1; or that it has no tunnels over HTTP/2. That is
 * remembered. False: its URL says HTTP/2, so there is no other way to it.
 */
bool pool_needs_http1(struct backend_conn *connection);
bool pool_lacks_tunnels(struct backend_conn *connection);

/* Structs of stream_size bytes. */
struct slab *pool_streams(struct pool *pool);

/* The worker's budget of the windows of streams. */
struct window_budget *pool_windows(struct pool *pool);

/* A new connection broke before its first answer: begin with another address next time. */
void pool_avoid(const struct backend_conn *connection);

/* Close it; the block is freed at the end of the turn. NULL is allowed. */
void backend_conn_close(struct backend_conn *connection);

void backend_conn_dump(const struct backend_conn *connection, struct dump *dump);

#endif
