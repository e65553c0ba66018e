/* fleet.h - many seeds, each in a process of its own, and the sums of what they did. */
#ifndef SIM_FLEET_H
#define SIM_FLEET_H

#include <stdint.h>

#include "coverage.h"
#include "observe/shared.h"
#include "scenario.h"

/* What a seed came to; in memory that the child shares with its parent. */
struct fleet_result {
	unsigned violations, ended; /* ended: it came to its end */
	uint64_t hash, simulated_ms, exchanges, answered, tunnels, changes, faults, events;
	uint64_t allocations, calls; /* of the first worker: those that may fail */
	uint64_t outcomes[OUTCOME_COUNT], verdicts[VERDICT_COUNT], kinds[FAULT_KINDS];
	struct coverage coverage;
};

struct fleet {
	unsigned seeds, failed, compared;
	struct fleet_result sum;
};

/* Run a seed in a child; scenario NULL: the one that the seed draws. */
struct fleet_result fleet_once(uint64_t seed, const struct scenario *scenario, unsigned shift);

/* Run a seed. One in ten runs a second time, at other addresses, and has to give the same trace. */
void fleet_run(struct fleet *fleet, uint64_t seed);

/* Print the figures, and what was not seen; full: also what was seen. Returns the exit status. */
int fleet_report(const struct fleet *fleet, bool full);

#endif
