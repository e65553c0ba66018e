/* faults.h - what goes wrong in a run, and when; the seed decides. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "random.h"
#include "schedule.h"

struct world;

enum fault_kind {
	FAULT_PAUSE,	     /* a worker is stopped, in the middle of a call */
	FAULT_KILL_WORKER,   /* a worker is killed; another takes its place */
	FAULT_KILL_STORE,    /* the store is killed; it comes back with what it had */
	FAULT_EMPTY_STORE,   /* it comes back empty, and is filled again later */
	FAULT_FREEZE_STORE,  /* it answers nothing for a while */
	FAULT_CUT_STORE_IN,  /* no packet reaches it */
	FAULT_CUT_STORE_OUT, /* none leaves it */
	FAULT_CLUSTER,	     /* it is cut off from its cluster: it answers for no key */
	FAULT_LATE_EXPIRY,   /* it deletes keys only when they are read */
	FAULT_PAUSED_WRITES, /* it deletes none at all */
	FAULT_BREAK_STORE,   /* one connection to it is reset */
	FAULT_STOP_BACKEND,  /* it refuses connections */
	FAULT_FREEZE_BACKEND,
	FAULT_CUT_BACKEND,   /* one direction */
	FAULT_BREAK_BACKEND, /* one connection ends, or is reset */
	FAULT_BREAK_CLIENT,
	FAULT_FREEZE_CLIENT,
	FAULT_CUT_CLIENT,
	FAULT_DESCRIPTORS,    /* a worker is out of descriptors */
	FAULT_MEMORY,	      /* allocations fail */
	FAULT_CALLS,	      /* system calls fail */
	FAULT_STEP_CLOCK,     /* the wall clock is set */
	FAULT_RELOAD,	      /* no fault: the gateway is reloaded */
	FAULT_RELOAD_NOWHERE, /* with a store that cannot be reached */
	FAULT_FAILOVER,	      /* a replica becomes the primary; the old one may live on */
	FAULT_CUT_REPLICAS,   /* the primary is cut off from its replicas */
	FAULT_LAG,	      /* replicas are far behind */
	FAULT_CUT_SENTINELS,  /* some sentinels do not answer */
};
#define FAULT_KINDS (FAULT_CUT_SENTINELS + 1)

/* Something that ends a fault. */
struct fault_end {
	struct alarm alarm;
	struct faults *faults;
	enum fault_kind kind;
	unsigned which;
};

#define FAULTS_AT_ONCE 64

struct faults {
	struct world *world;
	struct random random;
	struct alarm next;
	struct fault_end ends[FAULTS_AT_ONCE];
	uint64_t count[FAULT_KINDS];
	uint64_t total;
};

void faults_start(struct faults *faults, struct world *world);

/* No new faults; those that are at work end now. */
void faults_stop(struct faults *faults);

/* It hits one worker alone. */
bool fault_hits_a_worker(enum fault_kind kind);

const char *fault_name(enum fault_kind kind);

#endif
