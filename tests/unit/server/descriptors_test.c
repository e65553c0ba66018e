/* descriptors_test.c - room for a worker's descriptors. */
#include "server/descriptors.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

/* For how many descriptors the kernel has room. */
static unsigned long
room(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long size = 0;
	char line[256];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "FDSize: %lu", &size) != 1)
		;
	fclose(file);
	assert_true(size > 0);
	return size;
}

static int
lowest_free(void)
{
	int fd = dup(STDERR_FILENO);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

static void
limit_to(rlim_t count)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = count;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* The kernel makes no room beyond the limit. */
static void
test_limit(void **state)
{
	unsigned long before = room();

	(void)state;
	limit_to(64);
	descriptors_make_room(700);
	assert_int_equal(room(), before);
	limit_to(512);
	descriptors_make_room(700);
	assert_true(room() >= 512);
}

static void
test_room(void **state)
{
	int before = lowest_free();

	(void)state;
	limit_to(1024);
	assert_true(room() < 1000);
	descriptors_make_room(1000);
	assert_true(room() >= 1000);
	assert_int_equal(lowest_free(), before);
	assert_int_equal(fcntl(999, F_GETFD), -1);
	descriptors_make_room(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
