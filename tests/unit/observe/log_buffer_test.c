/* log_buffer_test.c - a process without threads does not wait for the reader of its log, either. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/log_buffer.h"

#define TEXT_MAX (1 << 20)

/* The linker puts this in place of poll (tests/unit/CMakeLists.txt). */
static bool poll_lies;

int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);

int
__wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	return poll_lies ? (int)count : __real_poll(fds, count, timeout);
}

/* A log into a pipe. */
struct world {
	struct log log;
	struct log_losses losses;
	struct log_buffer *buffer;
	int from;
	char *text; /* what was read of it */
	size_t len;
};

static int
set_up(void **state)
{
	struct world *world = aligned_alloc(64, sizeof(*world));
	int ends[2];

	memset(world, 0, sizeof(*world));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	world->from = ends[0];
	world->log = (struct log){ends[1], LOG_LEVEL_INFO, "supervisor", true, NULL, NULL};
	world->text = calloc(1, TEXT_MAX);
	world->buffer = log_buffer_start(&world->log, &world->losses);
	assert_non_null(world->buffer);
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *world = *state;

	close(world->from);
	close(world->log.fd);
	free(world->text);
	free(world);
	return 0;
}

/* All that was written so far. */
static const char *
read_all(struct world *world)
{
	ssize_t n;

	while ((n = read(world->from, world->text + world->len, TEXT_MAX - world->len - 1)) > 0)
		world->len += (size_t)n;
	return world->text;
}

static void
a_line_is_written_at_once(void **state)
{
	struct world *world = *state;

	log_info(&world->log, "one");
	log_debug(&world->log, "not this");
	assert_string_equal(read_all(world), "<6>info [supervisor] one\n");
	log_buffer_stop(world->buffer, &world->log);
	log_info(&world->log, "two"); /* by itself */
	assert_string_equal(
	    read_all(world), "<6>info [supervisor] one\n<6>info [supervisor] two\n");
}

static void
a_full_pipe_drops_lines_and_says_so_later(void **state)
{
	struct world *world = *state;
	char wanted[80];
	const char *at;
	uint64_t dropped;

	for (int i = 0; i < 10000; i++)
		log_info(&world->log, "line %d of many, which fill what is there", i);
	dropped = counter_get(&world->losses.full);
	assert_true(dropped > 0 && dropped < 10000);
	while (strstr(read_all(world), "were dropped") == NULL)
		log_buffer_flush(world->buffer);
	snprintf(wanted, sizeof(wanted), "%llu lines of this log were dropped",
	    (unsigned long long)dropped);
	assert_non_null(strstr(world->text, wanted));
	/* Those that were kept are whole, in order, and all of the first. */
	at = world->text;
	for (uint64_t i = 0; i < 10000 - dropped; i++) {
		int len = snprintf(wanted, sizeof(wanted),
		    "<6>info [supervisor] line %llu of many, which fill what is there\n",
		    (unsigned long long)i);

		assert_memory_equal(at, wanted, (size_t)len);
		at += len;
	}
	log_buffer_stop(world->buffer, &world->log);
	assert_int_equal(counter_get(&world->losses.full), dropped);
}

static void
an_end_does_not_wait_for_a_reader(void **state)
{
	struct world *world = *state;

	for (int i = 0; i < 10000; i++)
		log_info(&world->log, "line %d of many, which fill what is there", i);
	log_buffer_stop(world->buffer, &world->log); /* returns */
	assert_null(world->log.put);
}

static void
fill_pipe(struct world *world)
{
	char page[4096] = {0};

	fcntl(world->log.fd, F_SETFL, O_NONBLOCK);
	while (write(world->log.fd, page, sizeof(page)) > 0)
		continue;
	fcntl(world->log.fd, F_SETFL, 0);
}

/* The line "kept" is written once the pipe has room. */
static void
expect_kept(struct world *world)
{
	read_all(world);
	world->len = 0;
	memset(world->text, 0, TEXT_MAX);
	log_buffer_flush(world->buffer);
	assert_string_equal(read_all(world), "<6>info [supervisor] kept\n");
	log_buffer_stop(world->buffer, &world->log);
}

static void
a_line_that_would_wait_is_kept(void **state)
{
	struct world *world = *state;

	fill_pipe(world);
	log_info(&world->log, "kept");
	expect_kept(world);
}

/* As if another process had filled the pipe between poll and write. */
static void
a_write_that_waits_is_interrupted(void **state)
{
	struct world *world = *state;

	fill_pipe(world);
	poll_lies = true;
	log_info(&world->log, "kept"); /* returns */
	poll_lies = false;
	expect_kept(world);
}

static void
a_disk_that_is_full_is_counted(void **state)
{
	struct world *world = *state;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_int_equal(dup2(fd, world->log.fd), world->log.fd);
	close(fd);
	log_info(&world->log, "one");
	log_info(&world->log, "two");
	assert_int_equal(counter_get(&world->losses.failed), 2);
	log_buffer_stop(world->buffer, &world->log);
}

static void
a_child_leaves_to_the_parent_what_it_keeps(void **state)
{
	struct world *world = *state;
	const char *found;
	int status;
	pid_t pid;

	for (int i = 0; i < 1000; i++)
		log_info(&world->log, "line %d of many, which fill what is there to keep them", i);
	pid = fork();
	if (pid == 0) {
		log_buffer_forget(world->buffer, &world->log);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	read_all(world);
	log_buffer_flush(world->buffer);
	found = strstr(read_all(world), "line 999 of");
	assert_non_null(found);
	assert_null(strstr(found + 1, "line 999 of"));
	log_buffer_stop(world->buffer, &world->log);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_line_is_written_at_once),
	    TEST(a_full_pipe_drops_lines_and_says_so_later),
	    TEST(an_end_does_not_wait_for_a_reader),
	    TEST(a_line_that_would_wait_is_kept),
	    TEST(a_write_that_waits_is_interrupted),
	    TEST(a_disk_that_is_full_is_counted),
	    TEST(a_child_leaves_to_the_parent_what_it_keeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
