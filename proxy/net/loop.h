/* loop.h - a worker's event loop: libevent's, with deferred tasks and coarse timers. */
#ifndef JOBGATE_LOOP_H
#define JOBGATE_LOOP_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "jobgate/tuning.h"

struct loop;

/* NULL when libevent cannot be set up. loop_new: with jg_tuning's wheel. */
struct loop *loop_new(void);
struct loop *loop_new_tuned(const struct loop_tuning *tuning);
void loop_free(struct loop *loop);

/* One turn; without wait it only takes what is ready. */
void loop_turn(struct loop *loop, bool wait);

/*
 * For code with its own events: listeners, signals, Redis, resolver. Events of priority 0 run
 * before all others in a turn; the default is priority 1.
 */
struct event_base *loop_base(struct loop *loop);

/*
 * Monotonic milliseconds, as last read in this turn. They go on while the machine is
 * suspended: what was known of a token before is old afterwards.
 */
uint64_t loop_now_ms(struct loop *loop);

/*
 * Read the clock again, for decisions that must notice a pause in the middle of the turn. The rest
 * of the turn uses this reading.
 */
uint64_t loop_read_ms(struct loop *loop);

/* The number of this turn. */
uint64_t loop_turns(const struct loop *loop);

/* Monotonic and wall-clock microseconds of this turn; the latter follows a set clock within a tick.
 */
uint64_t loop_now_us(struct loop *loop);
int64_t loop_wall_us(struct loop *loop);

/*
 * Work for the end of this turn of the loop, after all events that are ready now: to free an object
 * that a caller up the stack still uses, or to take a connection from a pool when all closes of
 * this turn are known. Zero it at first.
 */
struct task {
	STAILQ_ENTRY(task) link;
	bool queued;
	void (*run)(struct task *task);
};

/* Queue a task; one that is queued stays where it is. */
void loop_defer(struct loop *loop, struct task *task);

/* Take a task back that may be queued. */
void loop_cancel(struct loop *loop, struct task *task);

/*
 * A deadline. Timers are coarse (a tick, see tuning.h) and cheap: to move a deadline
 * later is one store, for the wheel looks again when the old one comes. Zero it at first.
 */
struct timer {
	LIST_ENTRY(timer) link;
	uint64_t due_ms;  /* when to call; 0: not at all */
	uint64_t seat_ms; /* the moment under which the wheel holds it; 0: it does not */
	void (*expired)(struct timer *timer);
};

/* (Re)start: `expired` is called once, ms from now, up to one tick later, never sooner. */
void timer_start(struct loop *loop, struct timer *timer, uint64_t ms);

/* Not called any more, but the wheel may still hold it: before freeing use timer_remove. */
static inline void
timer_stop(struct timer *timer)
{
	timer->due_ms = 0;
}
void timer_remove(struct timer *timer);

#endif
