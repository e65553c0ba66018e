/* batch.h - while many connections come, a worker wakes for several events at once. */
#ifndef JOBGATE_BATCH_H
#define JOBGATE_BATCH_H

#include "net/loop.h"

/*
 * To be woken for each event costs both the worker and the sender of the event more than the event
 * itself, and a worker that is nearly busy is woken thousands of times a second. So while many
 * connections are accepted, a worker with nothing to do sleeps for BATCH_PAUSE_US before it waits
 * for events: until then no sender has to wake it. What comes meanwhile is that much later, so it
 * is not done for other work.
 */
#define BATCH_PAUSE_US 50

struct batch {
	struct loop *loop;
	struct timer timer; /* runs while connections come */
	unsigned from;	    /* connections within one to two ticks from which it is on */
	unsigned accepted;  /* since the timer was started */
	bool on;
};

/* Zero-cost until connections come. `from` is jg_tuning's batch_from. */
void batch_init(struct batch *batch, struct loop *loop, unsigned from);

/* Before the loop is freed. Harmless without batch_init. */
void batch_end(struct batch *batch);

/* A connection has been accepted. */
void batch_count(struct batch *batch);

/* As loop_turn with wait. */
uint64_t batch_turn(struct batch *batch);

#endif
