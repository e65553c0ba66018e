/* batch_test.c - when a worker sleeps before it waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>
#include <unistd.h>

#include "server/batch.h"

#define FROM 3

static struct loop *loop;
static struct batch batch;
static unsigned sleeps;

int __wrap_nanosleep(const struct timespec *pause, struct timespec *left);

int
__wrap_nanosleep(const struct timespec *pause, struct timespec *left)
{
	(void)left;
	assert_int_equal(pause->tv_sec, 0);
	assert_int_equal(pause->tv_nsec, BATCH_PAUSE_US * 1000);
	sleeps++;
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	loop = loop_new();
	assert_non_null(loop);
	loop_turn(loop, false); /* a turn begins without a reading of the clock */
	batch_init(&batch, loop, FROM);
	sleeps = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	batch_end(&batch);
	loop_free(loop);
	return 0;
}

static void
come(unsigned connections)
{
	for (unsigned i = 0; i < connections; i++)
		batch_count(&batch);
}

/* Turns until connections are counted from 0 again. */
static void
next_count(void)
{
	while (batch.accepted > 0)
		batch_turn(&batch);
}

static void
few_connections_are_not_delayed(void **state)
{
	(void)state;
	come(FROM - 1);
	next_count();
	come(FROM - 1);
	next_count();
	assert_false(batch.on);
	assert_int_equal(sleeps, 0);
}

static void
it_sleeps_while_many_come(void **state)
{
	(void)state;
	come(FROM);
	next_count();
	assert_true(batch.on);
	assert_int_equal(sleeps, 0);
	come(FROM);
	batch_turn(&batch);
	assert_true(batch.on);
	assert_int_equal(sleeps, 1);
}

static void
it_stops_when_no_more_come(void **state)
{
	(void)state;
	come(FROM);
	next_count();
	assert_true(batch.on);
	while (batch.on)
		batch_turn(&batch);
	sleeps = 0;
	batch_turn(&batch);
	assert_int_equal(sleeps, 0);
}

/* A tick in which so many connections came, and the worker slept so often. */
static void
tick_with(unsigned connections, unsigned slept)
{
	come(connections);
	batch.sleeps = slept;
	batch.timer.expired(&batch.timer);
}

/* Few clients connect one after another. */
static void
it_rests_when_there_is_little_to_gather(void **state)
{
	(void)state;
	tick_with(FROM, 0);
	assert_true(batch.on);
	tick_with(FROM * BATCH_GAIN, FROM);
	assert_true(batch.on);
	tick_with(FROM * BATCH_GAIN - 1, FROM);
	for (unsigned tick = 1; tick < BATCH_REST_TICKS; tick++) {
		assert_false(batch.on);
		tick_with(FROM, 0);
	}
	assert_false(batch.on);
	tick_with(FROM, 0);
	assert_true(batch.on);
}

static void
a_rest_ends_without_connections(void **state)
{
	(void)state;
	tick_with(FROM, 0);
	tick_with(1, 1);
	assert_int_equal(batch.rest, BATCH_REST_TICKS);
	while (batch.timer.due_ms != 0)
		batch_turn(&batch);
	assert_int_equal(batch.rest, 0);
	assert_false(batch.on);
	assert_int_equal(sleeps, 0);
}

static void
it_does_not_rest_when_no_more_come(void **state)
{
	(void)state;
	tick_with(FROM, 0);
	tick_with(0, 1);
	assert_false(batch.on);
	tick_with(FROM, 0);
	assert_true(batch.on);
}

static void
sleeps_are_counted(void **state)
{
	(void)state;
	tick_with(FROM, 0);
	batch_turn(&batch);
	assert_int_equal(batch.sleeps, 1);
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
	loop_now_ms(loop);
	usleep(10);
}

/* An event that is there already is not delayed. */
static void
it_does_not_sleep_while_there_is_work(void **state)
{
	int fds[2];
	struct event *event;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	event = event_new(loop_base(loop), fds[0], EV_READ | EV_PERSIST, on_readable, NULL);
	assert_non_null(event);
	event_add(event, NULL);
	batch.on = true;
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_true(batch_turn(&batch) > 0);
	assert_int_equal(sleeps, 0);
	event_free(event);
	close(fds[0]);
	close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(few_connections_are_not_delayed),
	    TEST(it_sleeps_while_many_come),
	    TEST(it_stops_when_no_more_come),
	    TEST(it_does_not_sleep_while_there_is_work),
	    TEST(it_rests_when_there_is_little_to_gather),
	    TEST(a_rest_ends_without_connections),
	    TEST(it_does_not_rest_when_no_more_come),
	    TEST(sleeps_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
