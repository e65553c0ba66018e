/* loop_test.c - tasks at the end of a turn, and timers that are never early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "net/loop.h"

/* For how long the machine has been suspended, as the test will have it. */
static time_t suspended_s;

/* In the place of libc's, for all of this program: only this clock goes on in a suspended machine.
 */
int
clock_gettime(clockid_t clock, struct timespec *out)
{
	int result = (int)syscall(SYS_clock_gettime, clock, out);

	if (clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME)
		out->tv_sec += suspended_s;
	return result;
}

struct counted_task {
	struct task task;
	struct loop *loop;
	int runs, again;
	struct task *cancels;
};

static void
count_run(struct task *task)
{
	struct counted_task *counted = (struct counted_task *)task;

	counted->runs++;
	if (counted->again-- > 0)
		loop_defer(counted->loop, task);
	if (counted->cancels != NULL)
		loop_cancel(counted->loop, counted->cancels);
}

static void
a_task_runs_once_a_turn(void **state)
{
	struct loop *loop = loop_new();
	struct counted_task task = {.task.run = count_run, .loop = loop, .again = 2};

	(void)state;
	loop_defer(loop, &task.task);
	loop_defer(loop, &task.task);
	loop_turn(loop, false);
	assert_int_equal(task.runs, 1);
	loop_turn(loop, true); /* does not sleep while a task waits */
	assert_int_equal(task.runs, 2);
	loop_turn(loop, false);
	loop_turn(loop, false);
	assert_int_equal(task.runs, 3);
	loop_free(loop);
}

static void
a_cancelled_task_does_not_run(void **state)
{
	struct loop *loop = loop_new();
	struct counted_task second = {.task.run = count_run, .loop = loop}, third = second;
	struct counted_task first = {.task.run = count_run, .loop = loop, .cancels = &second.task};

	(void)state;
	loop_defer(loop, &first.task);
	loop_defer(loop, &second.task);
	loop_turn(loop, false);
	assert_int_equal(first.runs, 1);
	assert_int_equal(second.runs, 0);
	loop_defer(loop, &second.task);
	loop_cancel(loop, &second.task);
	loop_turn(loop, false);
	assert_int_equal(second.runs, 0);
	/* From the middle and the end of the queue; what is queued later follows what is left. */
	loop_defer(loop, &third.task);
	loop_defer(loop, &second.task);
	loop_defer(loop, &first.task);
	loop_cancel(loop, &second.task);
	loop_cancel(loop, &first.task);
	assert_false(task_is_queued(&second.task) || task_is_queued(&first.task));
	assert_true(task_is_queued(&third.task));
	loop_defer(loop, &first.task);
	loop_turn(loop, false);
	assert_int_equal(first.runs, 2);
	assert_int_equal(second.runs, 0);
	assert_int_equal(third.runs, 1);
	assert_false(task_is_queued(&third.task));
	loop_free(loop);
}

struct watched_timer {
	struct timer timer;
	struct loop *loop;
	int calls;
	uint64_t called_ms;
	unsigned order; /* of its last call among those of all */
	struct timer *removes;
	uint64_t restart_ms;
};

static void
note_expiry(struct timer *timer)
{
	struct watched_timer *watched = (struct watched_timer *)timer;
	static unsigned calls;

	watched->calls++;
	watched->order = ++calls;
	watched->called_ms = loop_now_ms(watched->loop);
	if (watched->removes != NULL)
		timer_remove(watched->removes);
	if (watched->restart_ms > 0)
		timer_start(watched->loop, timer, watched->restart_ms);
}

/* Until a timer of this time has expired, and with it all that were due some ticks before. */
static void
run_for(struct loop *loop, uint64_t ms)
{
	struct watched_timer end = {.timer.expired = note_expiry, .loop = loop};

	timer_start(loop, &end.timer, ms);
	while (end.calls == 0)
		loop_turn(loop, true);
}

static void
a_timer_is_called_once_and_never_early(void **state)
{
	struct loop *loop = loop_new();
	struct watched_timer timers[40];
	uint64_t start = loop_now_ms(loop);

	(void)state;
	for (size_t i = 0; i < 40; i++) {
		timers[i] = (struct watched_timer){.timer.expired = note_expiry, .loop = loop};
		timer_start(loop, &timers[i].timer, i * 7);
	}
	run_for(loop, 40 * 7 + 3 * jg_tuning.loop.tick_ms);
	for (size_t i = 0; i < 40; i++) {
		assert_int_equal(timers[i].calls, 1);
		assert_true(timers[i].called_ms >= start + i * 7);
	}
	loop_free(loop);
}

static void
a_deadline_moves_both_ways(void **state)
{
	struct loop *loop = loop_new();
	struct watched_timer later = {.timer.expired = note_expiry, .loop = loop};
	struct watched_timer sooner = {.timer.expired = note_expiry, .loop = loop};
	struct watched_timer far = {.timer.expired = note_expiry, .loop = loop};
	uint64_t start = loop_now_ms(loop);

	(void)state;
	timer_start(loop, &later.timer, 60);
	timer_start(loop, &later.timer, 300);
	timer_start(loop, &sooner.timer, 100000000); /* beyond the wheel's reach */
	timer_start(loop, &sooner.timer, 100);
	timer_start(loop, &far.timer, 100000000);
	run_for(loop, 300 + 3 * jg_tuning.loop.tick_ms);
	assert_int_equal(later.calls, 1);
	assert_true(later.called_ms >= start + 300);
	assert_int_equal(sooner.calls, 1);
	assert_true(sooner.order < later.order);
	assert_int_equal(far.calls, 0);
	timer_remove(&far.timer);
	loop_free(loop);
}

/* Timers go round a wheel that reaches 15 ms until they are due. */
static void
a_small_wheel_keeps_deadlines(void **state)
{
	const struct loop_tuning small = {.tick_ms = 5, .wheel_seats = 4};
	struct loop *loop = loop_new_tuned(&small);
	struct watched_timer timers[30];
	uint64_t start = loop_now_ms(loop);

	(void)state;
	for (size_t i = 0; i < 30; i++) {
		timers[i] = (struct watched_timer){.timer.expired = note_expiry, .loop = loop};
		timer_start(loop, &timers[i].timer, i * 4);
	}
	run_for(loop, 30 * 4 + 3 * small.tick_ms);
	for (size_t i = 0; i < 30; i++) {
		assert_int_equal(timers[i].calls, 1);
		assert_true(timers[i].called_ms >= start + i * 4);
	}
	loop_free(loop);
}

static void
stopped_and_removed_timers_stay_silent(void **state)
{
	struct loop *loop = loop_new();
	struct watched_timer stopped = {.timer.expired = note_expiry, .loop = loop};
	struct watched_timer removed = {.timer.expired = note_expiry, .loop = loop};
	struct watched_timer one = {.timer.expired = note_expiry, .loop = loop};
	struct watched_timer other = {.timer.expired = note_expiry, .loop = loop};

	(void)state;
	one.removes = &other.timer; /* whichever comes first takes the other away */
	other.removes = &one.timer;
	timer_start(loop, &stopped.timer, 50);
	timer_start(loop, &removed.timer, 50);
	timer_start(loop, &one.timer, 50);
	timer_start(loop, &other.timer, 50);
	timer_stop(&stopped.timer);
	timer_remove(&removed.timer);
	timer_remove(&removed.timer);
	run_for(loop, 50 + 3 * jg_tuning.loop.tick_ms);
	assert_int_equal(stopped.calls, 0);
	assert_int_equal(removed.calls, 0);
	assert_int_equal(one.calls + other.calls, 1);
	loop_free(loop);
}

static void
a_timer_may_start_itself_again(void **state)
{
	struct loop *loop = loop_new();
	struct watched_timer timer = {.timer.expired = note_expiry, .loop = loop, .restart_ms = 1};

	(void)state;
	timer_start(loop, &timer.timer, 1);
	for (int i = 0; i < 100 && timer.calls < 2; i++)
		run_for(loop, 6 * jg_tuning.loop.tick_ms);
	assert_true(timer.calls >= 2);
	timer_remove(&timer.timer);
	loop_free(loop);
}

/* What was known before is old afterwards, and what was to end meanwhile ends at once. */
static void
time_goes_on_while_the_machine_is_suspended(void **state)
{
	struct loop *loop = loop_new();
	struct watched_timer timer = {.timer.expired = note_expiry, .loop = loop};
	uint64_t start = loop_now_ms(loop);
	int64_t wall_us = loop_wall_us(loop);

	(void)state;
	timer_start(loop, &timer.timer, 3600 * 1000);
	suspended_s = 3600;
	loop_turn(loop, true); /* its time was read before */
	loop_turn(loop, true);
	assert_in_range(loop_now_ms(loop) - start, 3600 * 1000, 3700 * 1000);
	assert_in_range(loop_wall_us(loop) - wall_us, 3600 * 1000000ll, 3700 * 1000000ll);
	assert_int_equal(timer.calls, 1);
	suspended_s = 0;
	loop_free(loop);
}

/* A turn keeps to one reading, until the clock is read again: then all go by that. */
static void
take_long(struct timer *timer)
{
	(void)timer;
	usleep(20000);
}

static void
a_turn_takes_as_long_as_its_work_without_its_waiting(void **state)
{
	struct loop *loop = loop_new();
	struct timer timer = {.expired = take_long};
	uint64_t us = 0, begun_us = loop_now_us(loop);

	(void)state;
	timer_start(loop, &timer, 100);
	while (timer.due_ms != 0)
		us = loop_turn(loop, true);
	assert_true(us >= 20000);
	/* This turn began when the timer was due, however long it took. */
	assert_true(us < loop_now_us(loop) - begun_us - 50000);
	loop_free(loop);
}

static void
the_clock_is_read_again_within_a_turn(void **state)
{
	struct loop *loop = loop_new();
	uint64_t start = loop_now_ms(loop), turns = loop_turns(loop);

	(void)state;
	suspended_s = 60;
	assert_int_equal(loop_now_ms(loop), start);
	assert_in_range(loop_read_ms(loop) - start, 60 * 1000, 160 * 1000);
	assert_in_range(loop_now_ms(loop) - start, 60 * 1000, 160 * 1000);
	assert_int_equal(loop_turns(loop), turns);
	loop_turn(loop, false);
	assert_int_equal(loop_turns(loop), turns + 1);
	suspended_s = 0;
	loop_free(loop);
}

struct order {
	unsigned count, first, second;
};

static void
note_first(evutil_socket_t fd, short what, void *ctx)
{
	struct order *order = ctx;

	(void)fd;
	(void)what;
	order->first = ++order->count;
}

static void
note_second(evutil_socket_t fd, short what, void *ctx)
{
	struct order *order = ctx;

	(void)fd;
	(void)what;
	order->second = ++order->count;
}

/* Whatever became ready first: the store is heard before the others, in the same turn. */
static void
events_of_priority_0_come_first_in_a_turn(void **state)
{
	struct loop *loop = loop_new();
	struct order order = {0};
	struct event *usual = event_new(loop_base(loop), -1, 0, note_second, &order);
	struct event *store = event_new(loop_base(loop), -1, 0, note_first, &order);

	(void)state;
	assert_int_equal(event_priority_set(store, 0), 0);
	event_active(usual, EV_READ, 1);
	event_active(store, EV_READ, 1);
	loop_turn(loop, false);
	assert_int_equal(order.first, 1);
	assert_int_equal(order.second, 2);
	event_free(usual);
	event_free(store);
	loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_task_runs_once_a_turn),
	    cmocka_unit_test(a_cancelled_task_does_not_run),
	    cmocka_unit_test(a_timer_is_called_once_and_never_early),
	    cmocka_unit_test(a_deadline_moves_both_ways),
	    cmocka_unit_test(a_small_wheel_keeps_deadlines),
	    cmocka_unit_test(stopped_and_removed_timers_stay_silent),
	    cmocka_unit_test(a_timer_may_start_itself_again),
	    cmocka_unit_test(time_goes_on_while_the_machine_is_suspended),
	    cmocka_unit_test(a_turn_takes_as_long_as_its_work_without_its_waiting),
	    cmocka_unit_test(the_clock_is_read_again_within_a_turn),
	    cmocka_unit_test(events_of_priority_0_come_first_in_a_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
