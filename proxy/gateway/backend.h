/* backend.h - what the pool and the making of connections share; nobody else includes it. */
#ifndef JOBGATE_GATEWAY_BACKEND_H
#define JOBGATE_GATEWAY_BACKEND_H

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
	struct slice name; /* host, or path of the socket; in `text` */
	struct upstream_list idle; /* last in, first out */
	size_t idle_count;
	size_t users; /* connections in any state, and exchanges that have entered */
	struct upstream_list resolving; /* wait for the addresses */
	struct resolution *resolution;	/* under way, or NULL */
	struct address *addresses;
	size_t address_count;
	uint64_t fresh_until_ms; /* UINT64_MAX for numeric addresses */
	SSL_SESSION *session;	 /* of TLS, which the next connection may take up; NULL: none */
	struct timer timer;
	char text[];
};

LIST_HEAD(bucket, backend);

#define BACKEND_BUCKETS 4096

struct pool {
	struct gateway *gateway;
	struct task deliver; /* tells exchanges of connections that failed at once */
	struct upstream_list failed;
	struct bucket buckets[BACKEND_BUCKETS];
};

/*
 * Set out for a new connection: to known addresses, or by way of the resolver.
 * exchange_connected or exchange_upstream_failed follows, never from within this call.
 */
void connect_begin(struct upstream *upstream);

/* The time for connecting, or for lying idle, is over (timer of an upstream). */
void connect_timed_out(struct timer *timer);

/* Tell the exchanges of connections that failed at once (task of a pool). */
void connect_deliver(struct task *task);

#endif
