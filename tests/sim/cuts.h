/*
 * cuts.h - operators end sessions (jobgate session kill): each worker goes through its exchanges
 * as the control process orders it. The channel in between (server/channel.c) is not in it.
 */
#ifndef SIM_CUTS_H
#define SIM_CUTS_H

#include "random.h"
#include "schedule.h"

struct world;
struct gateway_worker;

struct cuts {
	struct world *world;
	struct random random;
	struct alarm next;
	bool by_token;	/* whose sessions end now: those of a token, or at a job */
	unsigned index; /* which one */
	uint64_t last_ns;
};

void cuts_start(struct cuts *cuts, struct world *world);
void cuts_stop(struct cuts *cuts);

/* The worker carries out the order, in its own turn. */
void cuts_carry_out(struct cuts *cuts, struct gateway_worker *worker);

#endif
