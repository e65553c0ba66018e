/* gateway.h - the gateway under test: real workers, each in a node, and what a supervisor gives
 * them. */
#ifndef SIM_GATEWAY_H
#define SIM_GATEWAY_H

#include "node.h"
#include "scenario.h"
#include "server/worker.h"
#include "supervisor.h"

struct world;

/* Workers of earlier generations drain. */
#define GATEWAY_SLOTS_MAX (4 * SCENARIO_WORKERS_MAX)

/* Where it listens: for jobs, for http where https is wanted, and for other proxies. */
#define GATEWAY_PORT 80
#define GATEWAY_PORT_REDIRECT 81
#define GATEWAY_PORT_AUTHORIZE 82
#define GATEWAY_PORTS 3

struct gateway_worker {
	struct gateway *gateway;
	struct node node;
	unsigned slot, index; /* among all, and in its generation */
	char process[24];     /* its name in logs */
	int fds[SCENARIO_WORKERS_MAX * GATEWAY_PORTS];
	struct worker_setup setup;
	struct worker *worker; /* NULL: it does not exist */
	bool exists;	       /* since it was spawned, until it is reaped */
	bool cuts;	       /* it is to end sessions (cuts.h) */
	unsigned orders;       /* a bit for each order that waits for its next turn */
	unsigned base_descriptors;
	uint64_t kills;
	uint64_t allocations; /* asked for until its end */
};

struct gateway {
	struct world *world;
	struct host host;
	struct config *config;
	struct shared_stats *shared;
	struct limit_table *limits;
	struct listener
	    *listeners[SCENARIO_WORKERS_MAX * GATEWAY_PORTS]; /* of a worker, then of the next */
	struct sockaddr_storage bound[GATEWAY_PORTS];
	uint64_t spawned; /* workers so far */
	unsigned slots;
	struct gateway_worker workers[GATEWAY_SLOTS_MAX]; /* the first `slots` */
	struct supervisor_model supervisor;
};

void gateway_start(struct gateway *gateway, struct world *world);

/* A worker begins: with this index in its generation; to_nowhere: its store does not exist. */
void gateway_spawn(
    struct gateway_worker *worker, unsigned index, bool without_store, bool to_nowhere);

/* SIGKILL. The supervisor finds it. */
void gateway_kill(struct gateway_worker *worker);

/* True once when it has ended, or was killed: what it held is given back. */
bool gateway_reap(struct gateway_worker *worker);

/* What it has published of itself does not hold any more. */
void gateway_clear(struct gateway_worker *worker);

/* One that runs; the draw says which. NULL: none does. */
struct gateway_worker *gateway_running(struct gateway *gateway, unsigned draw);

/* The worker gets an order with its next turn. */
void gateway_order(struct gateway_worker *worker, enum worker_order order);

/* All has been quiet for long: books balance, and nothing is held that should not be. */
void gateway_check_idle(struct gateway *gateway);

/* Its workers have ended: all memory is back. */
void gateway_check_ended(struct gateway *gateway);

#endif
