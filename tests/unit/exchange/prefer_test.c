/* prefer_test.c - how long a client is willing to wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exchange/prefer.h"

#define MAX 300
#define NONE UINT64_MAX

/* What two fields say, of which the second may be NULL. */
static uint64_t
wait_of(const char *first, const char *second)
{
	struct field items[] = {
	    {.name = SLICE("x"), .value = SLICE("wait=7"), .id = FIELD_OTHER},
	    {.name = SLICE("prefer"), .value = slice_of(first), .id = FIELD_PREFER},
	    {.name = SLICE("prefer"), .id = FIELD_PREFER},
	};
	uint64_t seconds = NONE;

	if (second != NULL)
		items[2].value = slice_of(second);
	if (!prefer_wait(&(struct fields){items, second != NULL ? 3 : 2}, MAX, &seconds))
		assert_int_equal(seconds, NONE);
	return seconds;
}

static void
a_wait_is_read(void **state)
{
	static const char *const ten[] = {"wait=10", "WAIT=10", "wait = 10", "wait=\"10\"",
	    "wait=0010", "wait=10;x=y", "wait=10 ; x", "respond-async, wait=10",
	    ", ,wait=10, wait=20", "handling=lenient,wait=10"};

	(void)state;
	for (size_t i = 0; i < sizeof(ten) / sizeof(ten[0]); i++)
		if (wait_of(ten[i], NULL) != 10)
			fail_msg("%s", ten[i]);
	assert_int_equal(wait_of("wait=0", NULL), 0);
	assert_int_equal(wait_of("respond-async", "wait=10"), 10);
	assert_int_equal(wait_of("wait=10", "wait=20"), 10);
}

static void
too_long_a_wait_is_the_longest(void **state)
{
	(void)state;
	assert_int_equal(wait_of("wait=300", NULL), 300);
	assert_int_equal(wait_of("wait=301", NULL), 300);
	assert_int_equal(wait_of("wait=99999999999999999999999999", NULL), 300);
}

static void
others_say_nothing(void **state)
{
	static const char *const cases[] = {"", "wait", "wait=", "wait=\"\"", "wait=\"", "wait=x",
	    "wait=-1", "wait=+1", "wait=1.5", "wait=1 0", "waiting=9", "=9", "return=minimal",
	    "await=9", ";wait=9", "x;wait=9"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (wait_of(cases[i], NULL) != NONE)
			fail_msg("%s", cases[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_wait_is_read),
	    cmocka_unit_test(too_long_a_wait_is_the_longest),
	    cmocka_unit_test(others_say_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
