/* batch.h - while many connections come, a worker wakes for several events at once. */
#ifndef JOBGATE_BATCH_H
#define JOBGATE_BATCH_H

#include "net/loop.h"

/*
 * Waking a worker for each event costs the worker and the sender of the event more than the event
 * itself, and a worker that is nearly busy is woken thousands of times a second. So while many
 * connections are accepted, a worker with nothing to do sleeps for BATCH_PAUSE_US before it waits
 * for events: during the sleep no sender has to wake it. Events of that time are handled that much
 * later, so a worker does not sleep for other work.
 *
 * When few clients connect one after another, there is little to gather: each sleep only delays
 * the next step of one or two of them. So after a tick with fewer than BATCH_GAIN connections for
 * each sleep, the worker does not sleep for BATCH_REST_TICKS ticks.
 */
#define BATCH_PAUSE_US 50
#define BATCH_GAIN 3
#define BATCH_REST_TICKS 20

struct batch {
	struct loop *loop;
	struct timer timer; /* runs while connections come */
	unsigned from;	    /* connections within one to two ticks from which it is on */
	unsigned accepted;  /* since the timer was started */
	unsigned sleeps;    /* since then */
	unsigned rest;	    /* ticks until it may be on again */
	bool on;
};

/*
 * Start with `from` of jg_tuning (batch_from). It costs nothing until connections come. Sets the
 * timer slack of the calling thread, so that its sleeps end on time.
 */
void batch_init(struct batch *batch, struct loop *loop, unsigned from);

/* Call it before the loop is freed; batch_init may be missing. */
void batch_end(struct batch *batch);

/* A connection has been accepted. */
void batch_count(struct batch *batch);

/* As loop_turn with wait, but may sleep for BATCH_PAUSE_US before the wait. */
uint64_t batch_turn(struct batch *batch);

#endif
