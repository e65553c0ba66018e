/*
 * redis_thread.h - what the one thread of a server spends: commands, messages and writes take time
 * and follow one another. Only large fleets have it; elsewhere a server answers at once.
 */
#ifndef SIM_REDIS_THREAD_H
#define SIM_REDIS_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "schedule.h"

struct redis;
struct redis_client;

/* CPU time of the server, as measured: reading, running and answering commands among others. */
struct redis_costs {
	unsigned alone_ns;   /* a command for which it wakes up */
	unsigned command_ns; /* any other command */
	unsigned push_ns;    /* telling one client of one change */
	unsigned accept_ns;  /* a new connection, and what it begins with */
};

struct redis_thread {
	struct redis *redis;
	struct redis_costs costs;
	struct alarm works;
	uint64_t free_ns;  /* when what it does now is done */
	uint64_t spent_ns; /* so far */
	uint64_t pushes;
	STAILQ_HEAD(redis_due, redis_client) reads, writes; /* clients that it has to look at */
};

/* From now on the server has this thread. */
void redis_thread_start(
    struct redis_thread *thread, struct redis *redis, const struct redis_costs *costs);

/* The client has sent something; it must be sent what waits for it. */
void redis_thread_read(struct redis_client *client);
void redis_thread_write(struct redis_client *client);

/* The client is gone. */
void redis_thread_forget(struct redis_client *client);

/* It has done something that takes this long. */
void redis_thread_spend(struct redis_thread *thread, uint64_t ns);

#endif
