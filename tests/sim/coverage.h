/*
 * coverage.h - what the runs have seen: transitions of the tables of states, and faults in each
 * state of the Redis tracker.
 */
#ifndef SIM_COVERAGE_H
#define SIM_COVERAGE_H

#include "faults.h"
#include "gateway.h"

#define COVERAGE_TABLES_MAX 24
#define COVERAGE_STATES_MAX 16

/* Without pointers: a child hands it to its parent. */
struct coverage {
	uint16_t followed[COVERAGE_TABLES_MAX][COVERAGE_STATES_MAX]; /* a bit for each next state */
	uint16_t tracker[FAULT_KINDS]; /* a bit for each state of a tracker that met the fault */
};

/* Find the tables of states (include/jobgate/state.h) of this program by their symbols. Call it
 * once for each program. */
void coverage_begin(void);

/* Note from now on what happens in this run. */
void coverage_watch(struct world *world);

/* A worker has begun; its tracker is in its first state. */
void coverage_worker_begins(const struct gateway_worker *worker);

/* A fault has begun; which: the slot of the worker, if it hits only one. */
void coverage_fault_begins(enum fault_kind kind, unsigned which);

/* What the run has seen so far. */
const struct coverage *coverage_seen(void);

void coverage_add(struct coverage *sum, const struct coverage *more);

/* Print what was not seen; full: print all, with what was seen. */
void coverage_report(const struct coverage *seen, bool full);

#endif
