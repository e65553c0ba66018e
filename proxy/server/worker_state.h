/* worker_state.h - what the files that make up a worker share; nobody else includes it. */
#ifndef JOBGATE_WORKER_STATE_H
#define JOBGATE_WORKER_STATE_H

#include "auth/redis/link.h"
#include "gateway/gateway.h"
#include "server/worker.h"

/*
 * worker.c         its loop: listeners, signals, timers, its beginning and its end
 * worker_parts.c   its gateway and its store, as the configuration wants them
 */
#define SIGNALS 5

struct worker;

struct listener {
	struct worker *worker;
	struct event *event;
	int fd;
	struct entrance entrance;
};

struct worker {
	const struct worker_setup *setup;
	struct log log;
	struct loop *loop;
	struct resolver *resolver;
	struct redis_link *link;
	struct directory *directory;
	struct access_log *access_log;
	struct gateway *gateway;
	struct listener *listeners;
	struct event *signals[SIGNALS];
	struct guard_range *trusted, *allow, *deny;
	struct sockaddr_storage *own; /* where the gateway itself listens, and last the store */
	size_t own_count;
	struct timer stats_timer, flush_timer, pause_timer, drain_timer, accept_timer;
	uint64_t accept_at_ms; /* at the latest */
	bool accepting, paused, draining;
};

/* Each makes a part of it; false, with a line in the log where there is more to say than that
 * memory is short. What was made is freed with the worker. */
bool worker_store(struct worker *worker);
bool worker_gateway(struct worker *worker); /* after the store, loop, resolver and access log */

#endif
