/* log_writer_test.c - the end of a log's thread, and a log without a thread. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/log_writer.h"

/* What the linker puts in place of clock_gettime (tests/unit/CMakeLists.txt). */
static struct {
	bool on;     /* the time of day has just been set back by an hour */
	sem_t asked; /* posted when the main thread asks for the time */
} clock_step;

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	int result = __real_clock_gettime(clock, out);

	if (clock_step.on && clock == CLOCK_REALTIME)
		out->tv_sec -= 3600;
	if (clock_step.on)
		sem_post(&clock_step.asked);
	return result;
}

static struct log_losses losses;

static size_t
format(void *ctx, char *message, size_t len, char *line)
{
	(void)ctx;
	memcpy(line, message, len);
	return len;
}

/* A disk so slow that the end begins to wait before the line is written. */
static size_t
format_late(void *ctx, char *message, size_t len, char *line)
{
	while (sem_wait(&clock_step.asked) != 0)
		continue;
	return format(ctx, message, len, line);
}

static struct log_writer *
start(const struct log_runner *runner, const struct log_writer_ops *ops, int fd)
{
	struct log_writer *writer = log_writer_new(&(struct log_writer_options){.runner = runner,
	    .where = "-",
	    .fd = fd,
	    .room = 4096,
	    .message_max = 64,
	    .ops = ops,
	    .losses = &losses});

	assert_non_null(writer);
	return writer;
}

static void
say(struct log_writer *writer, const char *line)
{
	assert_true(log_writer_put(writer, &(struct iovec){(char *)line, strlen(line)}, 1));
	log_writer_wake(writer);
}

static void
the_time_of_day_does_not_matter_to_the_end(void **state)
{
	static const struct log_writer_ops ops = {.format = format_late};
	struct log_writer *writer;
	char got[8] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(sem_init(&clock_step.asked, 0, 0), 0);
	writer = start(&log_threads, &ops, ends[1]);
	say(writer, "last\n");
	clock_step.on = true;
	assert_true(log_writer_free(writer)); /* it has waited for the line */
	clock_step.on = false;
	assert_int_equal(read(ends[0], got, sizeof(got)), 5);
	assert_string_equal(got, "last\n");
	close(ends[0]);
}

/* ---- a runner without a thread, as a simulator has one ---- */

static struct {
	void (*turn)(void *writer);
	void *writer;
	int wakes;
	bool stuck;
} manual;

static void *
manual_start(void (*turn)(void *writer), void *writer)
{
	manual.turn = turn;
	manual.writer = writer;
	manual.wakes = 0;
	return &manual;
}

static void
manual_wake(void *running)
{
	assert_ptr_equal(running, &manual);
	manual.wakes++;
}

static bool
manual_stop(void *running)
{
	assert_ptr_equal(running, &manual);
	if (manual.stuck)
		return false;
	manual.turn(manual.writer);
	return true;
}

static const struct log_runner manual_runner = {
    .start = manual_start, .wake = manual_wake, .stop = manual_stop};
static const struct log_writer_ops plain = {.format = format};

static void
a_log_runs_without_a_thread(void **state)
{
	struct log_writer *writer;
	char got[16] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	writer = start(&manual_runner, &plain, ends[1]);
	log_writer_wake(writer); /* nothing to write */
	assert_int_equal(manual.wakes, 0);
	say(writer, "one\n");
	say(writer, "two\n");
	assert_int_equal(manual.wakes, 2);
	manual.turn(manual.writer);
	assert_int_equal(read(ends[0], got, sizeof(got)), 8);
	assert_memory_equal(got, "one\ntwo\n", 8);
	say(writer, "three\n");
	assert_true(log_writer_free(writer));
	assert_int_equal(read(ends[0], got, sizeof(got)), 6);
	assert_memory_equal(got, "three\n", 6);
	assert_int_equal(read(ends[0], got, 1), 0); /* closed */
	close(ends[0]);
}

static void
a_runner_that_does_not_stop_keeps_the_writer(void **state)
{
	struct log_writer *writer;
	char got[8] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	writer = start(&manual_runner, &plain, ends[1]);
	say(writer, "late\n");
	manual.stuck = true;
	assert_false(log_writer_free(writer));
	manual.turn(manual.writer); /* it may still write */
	assert_int_equal(read(ends[0], got, sizeof(got)), 5);
	manual.stuck = false;
	assert_true(log_writer_free(writer));
	close(ends[0]);
}

static void *
no_start(void (*turn)(void *writer), void *writer)
{
	(void)turn;
	(void)writer;
	return NULL;
}

static void
a_runner_that_does_not_start_leaves_nothing(void **state)
{
	static const struct log_runner none = {
	    .start = no_start, .wake = manual_wake, .stop = manual_stop};
	int ends[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_null(log_writer_new(&(struct log_writer_options){.runner = &none,
	    .where = "-",
	    .fd = ends[1],
	    .room = 4096,
	    .message_max = 64,
	    .ops = &plain,
	    .losses = &losses}));
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_time_of_day_does_not_matter_to_the_end),
	    cmocka_unit_test(a_log_runs_without_a_thread),
	    cmocka_unit_test(a_runner_that_does_not_stop_keeps_the_writer),
	    cmocka_unit_test(a_runner_that_does_not_start_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
