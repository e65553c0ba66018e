/* token_limits_test.c - a token's own limits go before those of the configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/token_limits.h"

static void
in_force(void **state)
{
	static const struct {
		struct token_limits record, defaults, expected;
	} cases[] = {
	    {{0}, {0}, {0}},
	    {{0}, {1, 2, 3}, {1, 2, 3}},
	    {{4, 5, 6}, {1, 2, 3}, {4, 5, 6}},
	    {{.rate = 4}, {.burst = 9}, {4, 9, 0}},
	    {{.rate = 4}, {0}, {4, 4, 0}},
	    {{.burst = 5}, {.rate = 1}, {1, 5, 0}},
	    {{.burst = 5}, {.burst = 9}, {0}},
	    {{.concurrency = 7}, {.concurrency = 3}, {0, 0, 7}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct token_limits limits =
		    token_limits_in_force(&cases[i].record, &cases[i].defaults);

		assert_memory_equal(&limits, &cases[i].expected, sizeof(limits));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(in_force)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
