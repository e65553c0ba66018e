/* service_log_test.c - a reader of standard error that does not read costs lines, but no time. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/service_log.h"

#define TEXT_MAX (1 << 20)

/* A log into a pipe. */
struct world {
	struct log log;
	struct log_losses *losses;
	struct service_log *service;
	int from;
	char *text; /* what was read of it */
	size_t len;
};

/* What a thread that is stuck at the end keeps: no leak. */
static struct service_log *volatile left_behind;
static struct log_losses *volatile losses_left_behind;

static int
set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	world->from = ends[0];
	world->log = (struct log){ends[1], LOG_LEVEL_INFO, "worker 0", true, NULL, NULL};
	world->losses = aligned_alloc(64, sizeof(*world->losses));
	memset(world->losses, 0, sizeof(*world->losses));
	world->text = calloc(1, TEXT_MAX);
	world->service = service_log_start(&world->log, world->losses);
	assert_non_null(world->service);
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *world = *state;

	close(world->from);
	free(world->losses);
	free(world->text);
	free(world);
	return 0;
}

static void
read_more(struct world *world)
{
	ssize_t n = read(world->from, world->text + world->len, TEXT_MAX - world->len - 1);

	assert_true(n > 0);
	world->len += (size_t)n;
}

/* Read until what was read holds `wanted`. */
static void
read_until(struct world *world, const char *wanted)
{
	while (strstr(world->text, wanted) == NULL)
		read_more(world);
}

/* How many dropped lines have been reported in what was read. */
static uint64_t
reported(const struct world *world)
{
	static const char words[] = " lines of this log were dropped";
	uint64_t sum = 0;

	for (const char *at = world->text; (at = strstr(at, words)) != NULL; at++) {
		const char *digits = at;

		while (digits[-1] >= '0' && digits[-1] <= '9')
			digits--;
		sum += strtoull(digits, NULL, 10);
	}
	return sum;
}

static void
lines_come_out_in_order(void **state)
{
	struct world *world = *state;

	log_info(&world->log, "one");
	log_debug(&world->log, "not this");
	log_error(&world->log, "two");
	/* What was put before the end is written before the end. */
	service_log_stop(world->service, &world->log);
	read_until(world, "two\n");
	assert_string_equal(world->text, "<6>info [worker 0] one\n<3>error [worker 0] two\n");
	assert_int_equal(read(world->from, world->text, 1), 0); /* its descriptor is closed */
}

static void
a_full_pipe_drops_lines_and_says_so_later(void **state)
{
	struct world *world = *state;
	char wanted[64];
	int logged = 0;
	uint64_t dropped;

	/* Far more than the pipe and the ring hold: this would block for ever. */
	for (; logged < 10000; logged++)
		log_info(
		    &world->log, "line %d of many, which fill what is there to keep them", logged);
	dropped = counter_get(&world->losses->full);
	assert_true(dropped > 0 && dropped < 10000);
	/* In one report, or in several when the thread made room while lines were still coming. */
	while (reported(world) < dropped)
		read_more(world);
	assert_int_equal(reported(world), dropped);
	/* The first lines were kept, and they are whole. Some may stand behind the report. */
	for (int i = 0; i < 1000; i++) {
		snprintf(wanted, sizeof(wanted), "line %d of many, which fill what is there", i);
		read_until(world, wanted);
	}
	log_info(&world->log, "and on");
	read_until(world, "and on\n");
	service_log_stop(world->service, &world->log);
	assert_int_equal(counter_get(&world->losses->full), dropped);
}

static void
an_end_does_not_wait_for_a_reader(void **state)
{
	struct world *world = *state;

	for (int i = 0; i < 10000; i++)
		log_info(&world->log, "line %d of many, which fill what is there to keep them", i);
	service_log_stop(world->service, &world->log); /* returns */
	/* The thread stands in its write, and keeps what it uses. */
	left_behind = world->service;
	losses_left_behind = world->losses;
	world->losses = NULL;
	read_until(world, "line 1000 of");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(lines_come_out_in_order),
	    TEST(a_full_pipe_drops_lines_and_says_so_later),
	    TEST(an_end_does_not_wait_for_a_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
