/* changes.h - when records change, and which. */
#ifndef SIM_CHANGES_H
#define SIM_CHANGES_H

#include "random.h"
#include "schedule.h"

struct world;

struct changes {
	struct world *world;
	struct alarm next;
	bool again, changes_token; /* of the same record as before; of a token */
	unsigned token, job;
	/* Aimed at a worker that is stopped (scenario.aimed). */
	struct random random;
	struct alarm aim;
	uint64_t ends_ns;   /* when it runs on */
	bool takes_back;    /* the next one takes back the one before, */
	bool aims_at_token; /* which was of this token or job: */
	unsigned aimed;
};

void changes_start(struct changes *changes, struct world *world);
void changes_stop(struct changes *changes);

/*
 * A worker is stopped for that long. What it has just decided may not count any more when it runs
 * on: so a record of a request that has just come ends meanwhile, early enough for the bound.
 */
void changes_aim(struct changes *changes, uint64_t ns);

#endif
