/* loop.c - turns of the event loop, tasks at the end of a turn, and the timer wheel. */
#include "net/loop.h"

#include <stdlib.h>
#include <time.h>

#include "jobgate/check.h"

/* 0 for the store, 1 for everything else; libevent's default is half of this number. */
#define PRIORITIES 2

LIST_HEAD(seat, timer);
TAILQ_HEAD(task_queue, task);

struct loop {
	struct event_base *base;
	struct event *tick;
	struct task_queue tasks;
	uint64_t now_us;   /* monotonic; 0: not read yet in this turn */
	uint64_t began_us; /* when it was first read in this turn; 0: not yet */
	uint64_t turns;
	int64_t wall_ahead_us; /* ahead of the monotonic clock, at the last tick */
	uint64_t turned_ms; /* the time up to which the wheel has turned, a multiple of the tick */
	/*
	 * The wheel has a seat for each of the next ticks. A timer that is due later than the wheel
	 * reaches, or was moved later after it was seated, is found in its seat too early and is
	 * seated again.
	 */
	uint64_t tick_ms;
	size_t seat_count;
	struct seat seats[];
};

static uint64_t
clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
read_clock(struct loop *loop)
{
	loop->now_us = clock_us(CLOCK_BOOTTIME);
	if (loop->began_us == 0)
		loop->began_us = loop->now_us;
}

uint64_t
loop_now_us(struct loop *loop)
{
	if (loop->now_us == 0)
		read_clock(loop);
	return loop->now_us;
}

uint64_t
loop_now_ms(struct loop *loop)
{
	return loop_now_us(loop) / 1000;
}

uint64_t
loop_read_ms(struct loop *loop)
{
	read_clock(loop);
	return loop->now_us / 1000;
}

uint64_t
loop_tick_ms(const struct loop *loop)
{
	return loop->tick_ms;
}

uint64_t
loop_turns(const struct loop *loop)
{
	return loop->turns;
}

int64_t
loop_wall_us(struct loop *loop)
{
	return (int64_t)loop_now_us(loop) + loop->wall_ahead_us;
}

/*
 * Once per tick is enough to notice that the clock was set, and saves a system call in each turn.
 */
static void
read_wall(struct loop *loop)
{
	loop->wall_ahead_us = (int64_t)clock_us(CLOCK_REALTIME) - (int64_t)clock_us(CLOCK_BOOTTIME);
}

static struct seat *
seat_of(struct loop *loop, uint64_t ms)
{
	return &loop->seats[ms / loop->tick_ms % loop->seat_count];
}

/* Seat a timer at its due time, or at the end of the wheel if that comes first. */
static void
timer_seat(struct loop *loop, struct timer *timer)
{
	/* Rounded up, so that no timer fires early; at least one tick after the wheel's time. */
	uint64_t tick_ms = loop->tick_ms, span_ms = (loop->seat_count - 1) * tick_ms;
	uint64_t ms = (timer->due_ms + tick_ms - 1) / tick_ms * tick_ms;

	if (ms <= loop->turned_ms)
		ms = loop->turned_ms + tick_ms;
	if (ms > loop->turned_ms + span_ms)
		ms = loop->turned_ms + span_ms;
	timer->seat_ms = ms;
	CHECK(timer->expired != NULL);
	LIST_INSERT_HEAD(seat_of(loop, ms), timer, link);
}

void
timer_start(struct loop *loop, struct timer *timer, uint64_t ms)
{
	timer->due_ms = loop_now_ms(loop) + (ms > 0 ? ms : 1);
	if (timer->seat_ms != 0 && timer->seat_ms <= timer->due_ms)
		return;
	timer_remove(timer);
	timer->due_ms = loop_now_ms(loop) + (ms > 0 ? ms : 1);
	timer_seat(loop, timer);
}

void
timer_remove(struct timer *timer)
{
	if (timer->seat_ms != 0)
		LIST_REMOVE(timer, link);
	timer->seat_ms = 0;
	timer->due_ms = 0;
}

/* Empty one seat: call the timers that are due, and seat the others again. */
static void
seat_empty(struct loop *loop, struct seat *seat)
{
	struct seat found;
	struct timer *timer;

	/*
	 * The timers move to another list first, because `expired` may start or remove timers of
	 * this seat.
	 */
	LIST_INIT(&found);
	while ((timer = LIST_FIRST(seat)) != NULL) {
		LIST_REMOVE(timer, link);
		LIST_INSERT_HEAD(&found, timer, link);
	}
	while ((timer = LIST_FIRST(&found)) != NULL) {
		uint64_t due_ms = timer->due_ms;

		LIST_REMOVE(timer, link);
		timer->seat_ms = 0;
		if (due_ms == 0)
			continue;
		if (due_ms > loop->turned_ms) {
			timer_seat(loop, timer);
			continue;
		}
		timer->due_ms = 0;
		timer->expired(timer);
	}
}

static void
loop_tick(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	uint64_t now_ms = loop_now_ms(loop);

	(void)fd;
	(void)what;
	read_wall(loop);
	while (loop->turned_ms + loop->tick_ms <= now_ms) {
		loop->turned_ms += loop->tick_ms;
		seat_empty(loop, seat_of(loop, loop->turned_ms));
	}
}

struct loop *
loop_new(void)
{
	return loop_new_tuned(&jg_tuning.loop);
}

struct loop *
loop_new_tuned(const struct loop_tuning *tuning)
{
	const struct timeval period = {0, (suseconds_t)tuning->tick_ms * 1000};
	struct event_config *config = event_config_new();
	struct loop *loop = calloc(1, sizeof(*loop) + tuning->wheel_seats * sizeof(loop->seats[0]));

	if (config == NULL || loop == NULL)
		goto fail;
	TAILQ_INIT(&loop->tasks);
	loop->tick_ms = tuning->tick_ms;
	loop->seat_count = tuning->wheel_seats;
	/*
	 * There is one thread, so no locks; conn.c relies on edge triggering and on the early
	 * report of a peer's close.
	 */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
	loop->base = event_base_new_with_config(config);
	if (loop->base == NULL || event_base_priority_init(loop->base, PRIORITIES) != 0)
		goto fail;
	read_wall(loop);
	loop->turned_ms = loop_now_ms(loop) / loop->tick_ms * loop->tick_ms;
	loop->tick = event_new(loop->base, -1, EV_PERSIST, loop_tick, loop);
	if (loop->tick == NULL || event_add(loop->tick, &period) != 0)
		goto fail;
	event_config_free(config);
	return loop;
fail:
	if (config != NULL)
		event_config_free(config);
	loop_free(loop);
	return NULL;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	if (loop->tick != NULL)
		event_free(loop->tick);
	if (loop->base != NULL)
		event_base_free(loop->base);
	free(loop);
}

struct event_base *
loop_base(struct loop *loop)
{
	return loop->base;
}

void
loop_defer(struct loop *loop, struct task *task)
{
	CHECK(task->run != NULL);
	if (task_is_queued(task))
		return;
	TAILQ_INSERT_TAIL(&loop->tasks, task, link);
}

static void
take_out(struct loop *loop, struct task *task)
{
	TAILQ_REMOVE(&loop->tasks, task, link);
	task->link.tqe_prev = NULL;
}

void
loop_cancel(struct loop *loop, struct task *task)
{
	if (task_is_queued(task))
		take_out(loop, task);
}

/*
 * A task that is queued by one of these waits for the next turn, so that tasks do not starve the
 * sockets.
 */
static void
loop_run_tasks(struct loop *loop)
{
	struct task last;
	struct task *task;

	if (TAILQ_EMPTY(&loop->tasks))
		return;
	TAILQ_INSERT_TAIL(&loop->tasks, &last, link);
	while ((task = TAILQ_FIRST(&loop->tasks)) != &last) {
		take_out(loop, task);
		task->run(task);
	}
	TAILQ_REMOVE(&loop->tasks, &last, link);
}

uint64_t
loop_turn(struct loop *loop, bool wait)
{
	int flags = EVLOOP_ONCE;
	uint64_t took_us = 0;

	if (!wait || !TAILQ_EMPTY(&loop->tasks))
		flags |= EVLOOP_NONBLOCK;
	loop->began_us = 0;
	event_base_loop(loop->base, flags);
	loop_run_tasks(loop);
	if (loop->began_us != 0)
		took_us = clock_us(CLOCK_BOOTTIME) - loop->began_us;
	loop->now_us = 0;
	loop->turns++;
	return took_us;
}
