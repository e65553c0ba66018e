/* trace_test.c - which traceparent is valid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exchange/trace.h"

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static bool
reads(const char *text, struct trace *out)
{
	struct field items[] = {
	    {.name = SLICE("traceparent"), .value = slice_of(text), .id = FIELD_TRACEPARENT}};

	return trace_read(&(struct fields){items, 1}, out);
}

static void
a_valid_one_is_taken_apart(void **state)
{
	struct trace trace;

	(void)state;
	assert_true(reads("00-" ID "-" PARENT "-01", &trace));
	assert_memory_equal(trace.id, ID, TRACE_ID_LEN);
	assert_memory_equal(trace.parent, PARENT, TRACE_PARENT_LEN);
	assert_true(reads("00-" ID "-" PARENT "-ff", &trace));
	assert_true(reads("01-" ID "-" PARENT "-00", &trace));
	assert_true(reads("cc-" ID "-" PARENT "-00-what-comes-later", &trace));
}

static void
others_are_refused(void **state)
{
	static const char *const cases[] = {
	    "",
	    "00",
	    "00-" ID "-" PARENT "-0",
	    "00-" ID "-" PARENT "-001",
	    "00-" ID "-" PARENT "-01-more",
	    "ff-" ID "-" PARENT "-01",
	    "0-" ID "-" PARENT "-01",
	    "0x-" ID "-" PARENT "-01",
	    "01-" ID "-" PARENT "-01.more",
	    "00-" ID "-" PARENT "-0g",
	    "00-" ID "-" PARENT "_01",
	    "00_" ID "-" PARENT "-01",
	    "00-" ID "_" PARENT "-01",
	    "00-4BF92f3577b34da6a3ce929d0e0e4736-" PARENT "-01",
	    "00-00000000000000000000000000000000-" PARENT "-01",
	    "00-" ID "-0000000000000000-01",
	    "00-" ID "-" PARENT "-01, 00-" ID "-" PARENT "-01",
	};
	struct trace trace;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (reads(cases[i], &trace))
			fail_msg("taken: %s", cases[i]);
}

static void
two_are_none(void **state)
{
	struct field field = {.value = SLICE("00-" ID "-" PARENT "-01"), .id = FIELD_TRACEPARENT};
	struct field items[] = {field, field};
	struct trace trace;

	(void)state;
	assert_true(trace_read(&(struct fields){items, 1}, &trace));
	assert_false(trace_read(&(struct fields){items, 2}, &trace));
	assert_false(trace_read(&(struct fields){items, 0}, &trace));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_valid_one_is_taken_apart),
	    cmocka_unit_test(others_are_refused),
	    cmocka_unit_test(two_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
