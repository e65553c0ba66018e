/* parse_memory_test.c - a parser whose memory is short is left, and nothing of it stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/parse_memory.h"
#include "failing_malloc.h"

struct work {
	char *kept[2];
	bool ended;
};

static void
parse(void *ctx)
{
	struct work *work = ctx;
	char *gone;

	work->kept[0] = parse_alloc(100);
	memset(work->kept[0], 'a', 100);
	gone = parse_alloc(1000);
	memset(gone, 'b', 1000);
	parse_free(gone);
	work->kept[1] = parse_alloc(3);
	memcpy(work->kept[1], "cc", 3);
	work->ended = true;
}

static void
results_outlive_the_parser(void **state)
{
	struct work work = {0};

	(void)state;
	assert_true(parse_guarded(parse, &work));
	assert_true(work.ended);
	assert_string_equal(work.kept[1], "cc");
	parse_free(work.kept[0]);
	parse_free(work.kept[1]);
	assert_true(parse_guarded(parse, &work));
	assert_string_equal(work.kept[1], "cc");
	parse_free(work.kept[0]);
	parse_free(work.kept[1]);
}

/* The sanitizer sees what is left, and what is used after it was freed. */
static void
a_parser_without_memory_is_left(void **state)
{
	(void)state;
	for (unsigned at = 1; at <= 3; at++) {
		char *other = parse_alloc(10);
		struct work work = {0};

		failing_malloc_at = at;
		assert_false(parse_guarded(parse, &work));
		assert_false(work.ended);
		memset(other, 'd', 10);
		parse_free(other);
	}
	failing_malloc_at = 0;
}

static void
other_callers_are_told(void **state)
{
	(void)state;
	assert_null(parse_alloc(SIZE_MAX));
	failing_malloc_at = 1;
	assert_null(parse_alloc(1));
	parse_free(NULL);
}

static void
take_too_much(void *ctx)
{
	bool *ended = ctx;

	*ended = parse_alloc(SIZE_MAX) == NULL;
}

static void
too_much_is_short(void **state)
{
	bool ended = false;

	(void)state;
	assert_false(parse_guarded(take_too_much, &ended));
	assert_false(ended);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(results_outlive_the_parser),
	    cmocka_unit_test(a_parser_without_memory_is_left),
	    cmocka_unit_test(other_callers_are_told),
	    cmocka_unit_test(too_much_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
