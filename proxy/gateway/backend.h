/*
 * backend.h - what pool.c, backend.c, connect.c, redial.c and attempt.c share; no other file
 * includes it.
 *
 * pool.c      who is there: backends, and the idle connections to each
 * backend.c   what is known of one: its addresses, and whether it takes connections
 * connect.c   the making of a connection, attempt.c one address of it
 * redial.c    the wait for a backend that refuses connections
 */
#ifndef JOBGATE_GATEWAY_BACKEND_H
#define JOBGATE_GATEWAY_BACKEND_H

#include "gateway/circuit.h"
#include "gateway/pool.h"

TAILQ_HEAD(upstream_list, upstream);

/*
 * One place that jobs' URLs lead to: a scheme with a host and port, or a socket.
 * It lives as long as it has connections, and a while longer.
 */
struct backend {
	LIST_ENTRY(backend) link; /* in its bucket */
	struct pool *pool;
	enum job_url_scheme scheme;
	uint16_t port;
	bool trusted;	   /* named by the configuration, not by a record: the guard lets it pass */
	bool control;	   /* the control process: the one socket of our own that may be reached */
	struct slice name; /* host, or path of the socket; in `text` */
	struct upstream_list idle; /* last in, first out */
	size_t idle_count;
	size_t users; /* connections in any state, and exchanges that have entered */
	struct upstream_list resolving; /* wait for the addresses */
	struct resolution *resolution;	/* under way, or NULL */
	bool partial;			/* its first half has come, the other family is still out */
	bool failed; /* the last question had no answer: for new connections there is no address */
	struct address *addresses;
	size_t address_count;
	size_t first;		 /* of the addresses: the one to begin with, which did well last */
	uint32_t version;	 /* changes when an address goes, or its place */
	uint64_t fresh_until_ms; /* UINT64_MAX: no name */
	struct upstream_list queued; /* it refused them; the longest first */
	struct upstream *dialler;    /* of these, the one whose turn it is; or NULL */
	struct timer redial;	     /* when it is the next one's */
	struct circuit circuit;
	bool counted_open;    /* in the metrics */
	uint64_t warned_ms;   /* when the log last told what is wrong with it */
	SSL_SESSION *session; /* of TLS, which the next connection may take up; NULL: none */
	struct timer timer;
	char text[];
};

LIST_HEAD(bucket, backend);

#define BACKEND_BUCKETS 4096

struct pool {
	struct gateway *gateway;
	struct task deliver; /* tells exchanges of connections that failed at once */
	struct upstream_list failed;
	size_t connections; /* in any state, to all backends */
	size_t rival_count; /* sockets that race beside theirs */
	size_t hand;	    /* the bucket at which to look for an idle one next */
	struct bucket buckets[BACKEND_BUCKETS];
};

/* ---- backend.c ---- */

/* Fill in the addresses that need no resolver. False when memory is short. */
bool backend_init_addresses(struct backend *backend);

/* May the addresses be used, or have they to be asked for? */
bool backend_addresses_fresh(const struct backend *backend);

/*
 * Ask for the addresses, unless they are being asked for. connect_go_on follows, never from
 * within this call, as long as backend->resolution is not NULL.
 */
void backend_resolve(struct backend *backend);

/* Does a connection lead to one of the addresses that the name has now? */
bool backend_still_has(const struct backend *backend, const struct conn *conn);

/*
 * May the log be told what is wrong with it? Once a second, however many requests find it so:
 * whoever may use a job could keep a worker writing.
 */
bool backend_may_warn(struct backend *backend);

/* A connection was made, or could not be, for upstream->failure: its circuit is told. */
void backend_connected(struct upstream *upstream);
void backend_not_connected(struct upstream *upstream);

/* The backend goes, and its circuit with it. */
void backend_forget_circuit(struct backend *backend);

/* ---- connect.c ---- */

/*
 * Set out for a new connection: to known addresses, or by way of the resolver.
 * exchange_connected or exchange_upstream_failed follows, never from within this call.
 */
void connect_begin(struct upstream *upstream);

/* Connect: to addresses that are known, or once they are. */
void connect_dial(struct upstream *upstream);

/* It has failed, for upstream->failure; the exchange hears of it later. */
void connect_give_up(struct upstream *upstream);

/* The addresses have come, or some of them, or none: whoever waited for them goes on. */
void connect_go_on(struct backend *backend);

/* The connection closes: drop whatever else was under way for it. */
void connect_abandon(struct upstream *upstream);

/* Connecting has to go on elsewhere, or has taken, as lying idle has, too long (timer of an
 * upstream). */
void connect_timed_out(struct timer *timer);

/* Tell the exchanges of connections that failed at once (task of a pool). */
void connect_deliver(struct task *task);

/* ---- redial.c ---- */

/* Expects backend->redial. */
void redial_due(struct timer *timer);

/* Wait, but to the connection's own deadline at most; then it fails for upstream->failure. */
void redial_wait(struct upstream *upstream);

/* A connection was refused just now, or there was no descriptor for it: may it wait? */
bool redial_may_wait(const struct upstream *upstream);

/* The backend takes connections: those that wait set out for theirs. */
void redial_succeeded(struct backend *backend);

/* It is left alone from now on: nothing is left to wait for. */
void redial_failed(struct backend *backend);

/* Whatever became of this connection, it does not dial any more: it may be another's turn. */
void redial_left(struct upstream *upstream);

#endif
