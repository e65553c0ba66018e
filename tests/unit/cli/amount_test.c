/* amount_test.c - durations and bytes as short texts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/cli/amount.h"

static void
durations(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {{0, "0.0s"}, {-1, "0.0s"}, {NAN, "0.0s"}, {1.25, "1.2s"}, {10, "10s"},
	    {59.9, "59s"}, {60, "1m00s"}, {3599, "59m59s"}, {3600, "1h00m"}, {86399, "23h59m"},
	    {86400, "1d00h"}, {1e300, "11574074d01h"}};
	char text[AMOUNT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		amount_duration(cases[i].seconds, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void
bytes(void **state)
{
	static const struct {
		double bytes;
		const char *text;
	} cases[] = {{0, "0"}, {-5, "0"}, {NAN, "0"}, {999, "999"}, {1000, "1.0K"}, {1024, "1.0K"},
	    {12 * 1024, "12K"}, {1023 * 1024, "1.0M"}, {3.4 * 1048576, "3.4M"}, {1.8e19, "16E"}};
	char text[AMOUNT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		amount_bytes(cases[i].bytes, text);
		assert_string_equal(text, cases[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(durations), cmocka_unit_test(bytes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
