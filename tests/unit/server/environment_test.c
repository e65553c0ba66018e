/* environment_test.c - numbers in the environment. */
#include "server/environment.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NAME "JOBGATE_ENVIRONMENT_TEST"

static void
test_numbers(void **state)
{
	static const char *const bad[] = {"", " 1", "1 ", "-1", "+1", "0x1", "2147483648", "1\n"};
	uint64_t number = 7;

	(void)state;
	unsetenv(NAME);
	assert_false(environment_number(NAME, INT_MAX, &number));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv(NAME, bad[i], 1);
		assert_false(environment_number(NAME, INT_MAX, &number));
	}
	assert_true(number == 7);
	setenv(NAME, "2147483647", 1);
	assert_true(environment_number(NAME, INT_MAX, &number));
	assert_true(number == INT_MAX);
	unsetenv(NAME);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
