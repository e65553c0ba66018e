/* worker_state.h - what the files that make up a worker share; only they include it. */
#ifndef JOBGATE_WORKER_STATE_H
#define JOBGATE_WORKER_STATE_H

#include "auth/redis/tracker.h"
#include "downstream/downstream.h"
#include "exchange/context.h"
#include "server/batch.h"
#include "server/channel.h"
#include "server/worker.h"
#include "upstream/pool.h"

/*
 * worker.c         its loop: listeners, timers, orders, its beginning and its end
 * worker_run.c     the process around it: signals are its orders
 * orphans.c        accepting from the sockets of workers that are gone, or hang
 * live_dump.c      what each of its objects is at this moment, in its log
 * channel.c        its answers to the control process, about sessions
 * worker_parts.c   its data path and its store, as the configuration wants them
 */

struct listener {
	struct worker *worker;
	struct event *event;
	int fd;
	struct listener_options options;
};

/* A live dump, which takes many ticks of the loop. */
struct live_dump {
	struct timer timer;
	enum live_dump_part {
		DUMP_NONE,     /* none runs */
		DUMP_CLIENTS,  /* client connections */
		DUMP_BACKENDS, /* backends, and connections to them */
		DUMP_RECORDS,  /* the record cache, counted */
	} part;
	size_t lines; /* so far */
	struct directory_count records;
};

struct worker {
	const struct worker_setup *setup;
	const struct tuning *tuning;
	struct log log;
	struct loop *loop;
	struct resolver *resolver;
	struct redis_tracker *tracker;
	struct directory *directory;
	struct access_log *access_log;
	struct buffer_pool *buffers;
	struct pool *pool; /* the backends' end */
	struct exchange_context *exchanges;
	struct downstream *downstream;
	struct channel *channel; /* NULL: setup has none */
	struct listener *listeners;
	struct listener *orphans;     /* those of all workers, as setup->all_listeners */
	bool *orphaned;		      /* [worker]: it does not accept from its own sockets */
	uint64_t orphan_changes;      /* as last seen */
	struct sockaddr_storage *own; /* where the gateway itself listens, and last the store */
	size_t own_count;
	size_t clients_max; /* clients that the descriptors are enough for, with their backends */
	struct live_dump dump;
	struct batch batch;
	struct timer stats_timer, flush_timer, pause_timer, drain_timer, accept_timer;
	uint64_t longest_us[2];	   /* the longest turn: in this period, and in the one before */
	uint64_t longest_until_ms; /* when this period ends (TURNS_KEPT_MS) */
	uint64_t accept_at_ms;	   /* when it accepts at the latest */
	bool accepting, paused, draining, ended;
};

/* Each makes a part of the worker. False when that fails, with a line in the log unless memory is
 * short. What was made is freed with the worker. */
bool worker_store(struct worker *worker);
bool worker_data_path(struct worker *worker); /* after the store, loop, resolver and access log */

/* The process is short of descriptors: close an idle connection to a backend, else one of a client
 * that only waits. False when there is none. */
bool worker_make_room(struct worker *worker);

/* Cut the exchanges that run, and free the data path. */
void worker_data_path_free(struct worker *worker);

/* Take connections from the listener ctx. */
void worker_on_accept(evutil_socket_t fd, short what, void *ctx);

/* ---- live_dump.c ---- */

/*
 * Write a line for each object into the service log, some in each tick of the loop. While one dump
 * runs, another one does not begin.
 */
void live_dump_start(struct worker *worker);

/* ---- orphans.c ---- */

bool orphans_init(struct worker *worker); /* after the listeners; false when memory is short */
void orphans_free(struct worker *worker);

/* Update which workers' sockets are orphaned. True when that has changed. */
bool orphans_look(struct worker *worker);

/* Accept from those that are, or from none. False: one of them cannot be watched. */
bool orphans_accept(struct worker *worker, bool on);

/* Close the orphaned sockets that this worker accepts from. */
void orphans_close(struct worker *worker);

#endif
