/* gateway.h - the gateway under test: real workers, each in a node, and what a supervisor gives
 * them. */
#ifndef SIM_GATEWAY_H
#define SIM_GATEWAY_H

#include "node.h"
#include "scenario.h"
#include "server/worker.h"

struct world;

struct gateway_worker {
	struct gateway *gateway;
	struct node node;
	unsigned index;
	char process[24]; /* its name in logs */
	int fds[SCENARIO_WORKERS_MAX];
	struct worker_setup setup;
	struct worker *worker; /* NULL: it does not exist */
	struct alarm restart;
	bool told_to_end;
	unsigned orders; /* a bit for each order that waits for its next turn */
	unsigned base_descriptors;
	uint64_t kills;
};

struct gateway {
	struct world *world;
	struct host host;
	struct config *config;
	struct shared_stats *shared;
	struct listener *listeners[SCENARIO_WORKERS_MAX];
	struct sockaddr_storage bound;
	struct gateway_worker workers[SCENARIO_WORKERS_MAX];
};

void gateway_start(struct gateway *gateway, struct world *world);

/* SIGKILL; another worker takes its place after a while. */
void gateway_kill(struct gateway_worker *worker, uint64_t restart_ns);

/* The worker gets an order with its next turn. */
void gateway_order(struct gateway_worker *worker, enum worker_order order);

/* All has been quiet for long: books balance, and nothing is held that should not be. */
void gateway_check_idle(struct gateway *gateway);

/* Its workers have ended: all memory is back. */
void gateway_check_ended(struct gateway *gateway);

#endif
