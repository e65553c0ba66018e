/*
 * pool_state.h - what the files below and connect_address.c share; no other file includes it.
 *
 * pool.c        the backends, and which connection an exchange gets
 * connections.c the connections to them, and the idle ones among these
 * backend.c     one backend: its addresses, and whether it takes connections
 * dial.c        the making of a connection
 * dial_state.c  its states and their lists, and what a dump shows of it
 * race.c        which addresses a dial tries, and when; connect_address.c connects to one of them
 * redial.c      the wait for a backend that refuses connections, or for a descriptor
 * share.c       connections that serve many, and dials that wait for one of these
 * walk.c        from one backend or connection to the next, for dumps
 */
#ifndef JOBGATE_UPSTREAM_POOL_STATE_H
#define JOBGATE_UPSTREAM_POOL_STATE_H

#include "auth/table.h"
#include "jobgate/container_of.h"
#include "net/address.h"
#include "net/resolve.h"
#include "net/slab.h"
#include "net/tls_client.h"
#include "net/window_budget.h"
#include "observe/shared.h"
#include "upstream/circuit.h"
#include "upstream/protocol.h"

struct parallel_dial;

TAILQ_HEAD(dial_list, dial);

/* Longer names are few. */
#define SHORT_NAME 32

/*
 * One place that jobs' URLs lead to: a scheme with a host and port, or a socket. It lives as long
 * as it has connections, and a while longer. The first cache line has all that the look-up of a
 * backend reads, the second what a request that takes an idle connection needs, too.
 */
struct backend {
	uint16_t port;
	uint8_t scheme; /* enum job_url_scheme */
	uint8_t source; /* enum backend_source */
	bool http1;    /* https: its last connection agreed on HTTP/1, so each dial makes its own */
	bool nameless; /* the dial that was queued last found no address of its name */
	bool needs_http1;  /* https: it said over HTTP/2 that it needs HTTP/1 */
	bool no_tunnels;   /* over HTTP/2 it last said that it has no extended CONNECT (RFC 8441) */
	size_t users;	   /* connections in any state, and exchanges that have entered */
	struct slice name; /* host, or path of the socket; in `short_name` or `long_name` */
	char short_name[SHORT_NAME]; /* followed by zeros; or all of it is */

	struct pool *pool;
	struct backend_conn_list idle;	 /* last in, first out */
	struct backend_conn_list shared; /* those that take more users besides those they have */
	uint64_t fresh_until_ms;	 /* of the addresses; UINT64_MAX: no name */
	size_t idle_count;
	uint32_t version;  /* changes when an address goes, or gets another index */
	bool partial;	   /* the addresses of one family have come, those of the other not yet */
	bool failed;	   /* the last lookup failed: new connections have no address */
	bool counted_open; /* in the metrics */

	struct table_node node;
	TAILQ_ENTRY(backend) member;   /* of the pool's backends */
	size_t connections;	       /* those of `users` that are no exchanges */
	struct backend_conn *making;   /* the one that others wait for, until it is known to take
					  many users; NULL: none */
	struct dial_list waiting;      /* for that one; the one that waits longest first */
	struct dial_list resolving;    /* wait for the addresses */
	struct resolution *resolution; /* under way, or NULL */
	struct address *addresses;
	size_t address_count;
	size_t first;		 /* index of the address to try first: the last one that worked */
	struct dial_list queued; /* dials that it refused; the one that waits longest first */
	struct dial *dialler;	 /* the one of these that may try now; or NULL */
	struct timer redial;	 /* when the next one may try */
	struct circuit circuit;
	uint64_t warned_ms;   /* when a warning about it was last logged */
	SSL_SESSION *session; /* of TLS, to be resumed by the next connection; NULL: none */
	struct timer timer;
	char long_name[];
};

_Static_assert(offsetof(struct backend, pool) == 64, "the first cache line");
_Static_assert(offsetof(struct backend, node) == 128, "the second cache line");

/* Where a walk over all backends and connections stands (walk.c). */
struct pool_walk {
	const struct backend *backend;	       /* the next one; NULL: none is left */
	const struct backend_conn *connection; /* NULL: none is left */
};

struct pool {
	struct pool_options options;
	struct slab connection_slab, dial_slab, stream_slab;
	struct window_budget windows; /* of streams */
	void *scratch;
	bool draining;
	struct task deliver; /* tells exchanges of connections that failed at once */
	struct dial_list failed;
	LIST_HEAD(, backend_conn) all; /* connections in any state, the newest first */
	size_t connections;	       /* how many they are */
	size_t parallel_count;	       /* sockets of parallel dials, in addition to theirs */
	struct pool_walk walk;
	uint64_t hash_key[6];		/* random: of short names */
	struct table table;		/* the backends by name, port, scheme and source */
	TAILQ_HEAD(, backend) backends; /* the newest first */
	struct backend *hand;		/* where pool_make_room looks next; NULL: at the first */
};

enum dial_state {
	DIAL_NEW,	 /* has not begun */
	DIAL_QUEUED,	 /* the backend refuses connections; waits until it takes them, or for its
			    turn to try */
	DIAL_WAITING,	 /* waits for a connection that another dial makes, and that takes many */
	DIAL_RESOLVING,	 /* waits for the addresses of the backend's name */
	DIAL_CONNECTING, /* waits for connect(2) to some of them */
	DIAL_TLS_HANDSHAKE, /* waits for the TLS handshake */
	DIAL_FAILED,	    /* no address is left; waits for the end of the turn to say so */
	DIAL_CLOSED,	    /* waits for the end of the turn to be freed */
};

/*
 * The making of one connection. Until a client of a protocol takes its place, it is the upstream of
 * the exchange that wants the connection, and only its `cancel` may be called. Addresses are raced,
 * the first in `made`, others beside it. `made` is NULL while it waits for another dial's.
 */
struct dial {
	struct upstream upstream;
	struct pool *pool;
	struct backend *backend;
	struct backend_conn *made;
	enum dial_state state;
	struct timer timer;
	struct task free_task;	/* frees it */
	TAILQ_ENTRY(dial) link; /* in the list of queued, resolving or failed ones */
	LIST_HEAD(, parallel_dial) parallel;
	uint64_t connect_by_ms;	       /* the deadline of the whole dial */
	uint32_t tried;		       /* a bit for each address that was tried, in */
	uint32_t tried_version;	       /* this version of them */
	enum tls_protocols offered;    /* what ALPN offered; the backend's needs may change later */
	bool exclusive;		       /* the connection has to speak HTTP/1 */
	bool probe;		       /* the backend's circuit waits to hear how it ends */
	enum upstream_failure failure; /* why its addresses failed */
};

/* ---- connections.c ---- */

/* A connection that is still closed, for a dial; it counts. NULL when memory is short. */
struct backend_conn *backend_conn_new(struct backend *backend, struct dial *dial);

/* True when a connection leads to an address that the backend has now. */
bool pool_is_current(struct backend_conn *connection);

static inline struct backend_conn *
backend_conn_of(struct conn *conn)
{
	return container_of(conn, struct backend_conn, conn);
}

/* ---- backend.c ---- */

void backend_dump(const struct backend *backend, struct dump *dump);

/* Fill in the addresses that need no resolver. False when memory is short. */
bool backend_init_addresses(struct backend *backend);

/* True when the addresses may be used; false when they must be resolved first. */
bool backend_addresses_fresh(const struct backend *backend);

/*
 * Ask for the addresses, unless they are being asked for. dial_resolved follows, never from
 * within this call, as long as backend->resolution is not NULL.
 */
void backend_resolve(struct backend *backend);

/* True when a connection leads to one of the addresses that the name has now. */
bool backend_still_has(const struct backend *backend, const struct conn *conn);

/*
 * True when a warning about it may be logged: once a second, however many requests there are,
 * because a user of the job could flood the log otherwise.
 */
bool backend_may_warn(struct backend *backend);

/* Tell the circuit that a connection was made, or could not be made (dial->failure). */
void backend_connected(struct dial *dial);
void backend_not_connected(struct dial *dial);

/* The backend goes, and its circuit with it. */
void backend_forget_circuit(struct backend *backend);

/* ---- dial_state.c ---- */

/* The only place that assigns a state. It moves the dial to the list of the state, if it has one.
 */
void dial_set_state(struct dial *dial, enum dial_state to);

void dial_dump(const struct dial *dial, struct dump *dump);

/* ---- dial.c ---- */

/*
 * Begin to make a connection, to known addresses or by way of the resolver. `connected` or
 * `failed` of the user follows, never from within this call. NULL when memory is short.
 */
struct dial *dial_new(struct backend *backend, struct upstream_user *user, bool exclusive);

/* Begin, or begin once more: `made` is a new connection. */
void dial_begin(struct dial *dial);

/* The one place where a dial ends, whatever has become of it. */
void dial_close(struct dial *dial);

/* Connect: to addresses that are known, or once they are. */
void dial_start(struct dial *dial);

/* The TCP connection of dial->made is up; over https the handshake comes next. */
void dial_connected(struct dial *dial);

/* Nothing is left to try. The dial waits for the backend where it may (redial.c), or fails. */
void dial_exhausted(struct dial *dial);

/* It has failed (dial->failure); the user is told later. */
void dial_fail(struct dial *dial);

/* The addresses have come, or some of them, or none: the dials that wait for them go on. */
void dial_resolved(struct backend *backend);

/* Tell the users of dials that failed at once (task of a pool). */
void dial_deliver(struct task *task);

/* ---- share.c ---- */

/* True when the job's URL says that the backend speaks HTTP/2, and nothing else. */
static inline bool
backend_is_http2(const struct backend *backend)
{
	return backend->scheme == JOB_URL_H2C || backend->scheme == JOB_URL_GRPCS;
}

/* True when a connection to it is TLS. */
static inline bool
backend_is_tls(const struct backend *backend)
{
	return backend->scheme == JOB_URL_HTTPS || backend->scheme == JOB_URL_GRPCS;
}

/* True when connections to it may take many users. */
bool backend_may_share(const struct backend *backend);

/* True when the dial's connection may turn out to take many users. */
bool share_may(const struct dial *dial);

/* A connection that can take one more user besides those it has; NULL: there is none. */
struct backend_conn *share_take(struct backend *backend);

/* True when another dial makes the connection, and the dial waits for it. */
bool share_wait(struct dial *dial);

/* This dial makes the connection that others may wait for. */
void share_lead(struct dial *dial);

/* It is known to serve one user only: those that wait for it make their own. */
void share_none(struct backend_conn *connection);

/* It could not be made: those that wait for it fail for the same reason. */
void share_fail(struct dial *dial);

/* A connection closes: when others wait for it, the first of them makes another one. */
void share_closes(const struct backend_conn *connection);

/* ---- race.c ---- */

/*
 * Try one more address; dial_connected or another race_next follows. If none is left, wait
 * for those under way, or for the resolver; if there is nothing to wait for, dial_exhausted.
 */
void race_next(struct dial *dial);

/* Start the dial's timer: for the next address, or for the end of the dial's time. */
void race_schedule(struct dial *dial);

/* Close the connections other than dial->made. */
void race_end(struct dial *dial);

/* ---- walk.c ---- */

/* Call these before one of them leaves its list: a walk must not stand at it. */
void walk_removes_backend(struct pool *pool, const struct backend *backend);
void walk_removes_connection(struct pool *pool, const struct backend_conn *connection);

/* ---- redial.c ---- */

/* backend->redial has expired: the next queued dial may try. */
void redial_due(struct timer *timer);

/* True for failures to connect that end by themselves when a job has started. */
bool redial_may_pass(enum upstream_failure failure);

/* True while its request is held for a backend that takes no connections (hold_until_ms). */
bool redial_holds(const struct dial *dial);

/* When such a request goes to another backend (leave_ms); UINT64_MAX: it stays. */
uint64_t redial_leaves_ms(const struct dial *dial);

/* Queue the dial, until its own deadline at most, or that of its user; then it fails
 * (dial->failure). */
void redial_wait(struct dial *dial);

/*
 * True when a dial that was refused, or that got no descriptor, may wait; with a request that is
 * held, also one whose backend has no address yet or does not answer.
 */
bool redial_may_wait(const struct dial *dial);

/* The backend takes connections: all queued dials connect now. */
void redial_succeeded(struct backend *backend);

/* The circuit has opened: all queued dials fail, except those for held requests. */
void redial_failed(struct backend *backend);

/* This dial is over, with or without success: another one may be the dialler. */
void redial_left(struct dial *dial);

#endif
