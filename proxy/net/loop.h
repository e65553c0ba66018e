/* loop.h - a worker's event loop: libevent's, with deferred tasks and coarse timers. */
#ifndef JOBGATE_LOOP_H
#define JOBGATE_LOOP_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "jobgate/tuning.h"

struct loop;

/* Make a loop; loop_new uses jg_tuning. NULL when libevent cannot be set up. */
struct loop *loop_new(void);
struct loop *loop_new_tuned(const struct loop_tuning *tuning);
void loop_free(struct loop *loop);

/*
 * Run one turn; without wait it only handles events that are ready. Returns how long it took, in
 * microseconds: from its first reading of the clock to its end, so waiting for events does not
 * count. 0: nothing in it read the clock.
 */
uint64_t loop_turn(struct loop *loop, bool wait);

/*
 * The base for code with its own events: listeners, signals, Redis, the resolver. Events of
 * priority 0 run before all others in a turn; the default is priority 1.
 */
struct event_base *loop_base(struct loop *loop);

/*
 * Monotonic milliseconds, as last read in this turn. They also count while the machine is
 * suspended, so that knowledge from before is old afterwards.
 */
uint64_t loop_now_ms(struct loop *loop);

/*
 * Read the clock again, for decisions that must notice a pause within the turn. The rest of the
 * turn uses this reading.
 */
uint64_t loop_read_ms(struct loop *loop);

/* How coarse its timers are, in milliseconds. */
uint64_t loop_tick_ms(const struct loop *loop);

/* The number of this turn. */
uint64_t loop_turns(const struct loop *loop);

/*
 * Monotonic and wall-clock microseconds of this turn. When the wall clock is set, the latter
 * follows within a tick.
 */
uint64_t loop_now_us(struct loop *loop);
int64_t loop_wall_us(struct loop *loop);

/*
 * Work for the end of this turn, after all events that are ready: for example to free an object
 * that a caller up the stack still uses, or to take a connection from a pool when all closes of
 * this turn are known. Zero it first.
 */
struct task {
	TAILQ_ENTRY(task) link; /* tqe_prev is NULL while it is not queued */
	void (*run)(struct task *task);
};

static inline bool
task_is_queued(const struct task *task)
{
	return task->link.tqe_prev != NULL;
}

/* Queue a task; one that is queued already keeps its place. */
void loop_defer(struct loop *loop, struct task *task);

/* Remove a task from the queue, if it is queued; the length of the queue does not matter. */
void loop_cancel(struct loop *loop, struct task *task);

/*
 * A deadline. Timers are coarse (a tick, see tuning.h) and cheap: moving a deadline later is one
 * memory write, because the wheel checks it again at the old time. Zero it first.
 */
struct timer {
	LIST_ENTRY(timer) link;
	uint64_t due_ms;  /* when to call; 0: not at all */
	uint64_t seat_ms; /* the time of its seat in the wheel; 0: it is not in the wheel */
	void (*expired)(struct timer *timer);
};

/*
 * Start or restart: `expired` is called once, ms from now or up to one tick later, never earlier.
 */
void timer_start(struct loop *loop, struct timer *timer, uint64_t ms);

/*
 * Stop: `expired` is no longer called, but the wheel may still hold the timer; call timer_remove
 * before you free it.
 */
static inline void
timer_stop(struct timer *timer)
{
	timer->due_ms = 0;
}
void timer_remove(struct timer *timer);

#endif
