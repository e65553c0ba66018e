/* moment_test.c - times of records: each valid one is read exactly, every other one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/moment.h"

static void
valid_times(void **state)
{
	static const struct {
		const char *text, *written;
		uint64_t ms;
	} cases[] = {
	    {"2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z", 1769860800000},
	    {"2026-01-31T12:00:00+00:00", "2026-01-31T12:00:00Z", 1769860800000},
	    {"2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500Z", 1769860800500},
	    {"2026-01-31T12:00:00.0409Z", "2026-01-31T12:00:00.040Z", 1769860800040},
	    {"2024-02-29T23:59:59.999999Z", "2024-02-29T23:59:59.999Z", 1709251199999},
	    {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", 253402300799000},
	    /* 0 would mean that there is none. */
	    {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00.001Z", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char written[MOMENT_TEXT_MAX];
		uint64_t ms = 0;

		assert_true(moment_parse(slice_of(cases[i].text), &ms));
		assert_int_equal(ms, cases[i].ms);
		moment_format(ms, written);
		assert_string_equal(written, cases[i].written);
	}
}

static void
other_texts(void **state)
{
	static const char *const texts[] = {"", "tomorrow", "2026-01-31", "2026-01-31T12:00:00",
	    "2026-01-31 12:00:00Z", "2026-01-31T12:00:00+01:00", "2026-01-31T12:00:00z",
	    "2026-01-31T12:00:00.Z", "2026-13-01T12:00:00Z", "2026-00-01T12:00:00Z",
	    "2026-02-29T12:00:00Z", "2026-04-31T12:00:00Z", "2026-01-00T12:00:00Z",
	    "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T23:59:60Z",
	    "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2026-01-31T12:00:00ZZ",
	    "12026-01-31T12:00:00Z", "-026-01-31T12:00:00Z"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		uint64_t ms = 0;

		if (moment_parse(slice_of(texts[i]), &ms))
			fail_msg("%s was taken", texts[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(valid_times),
	    cmocka_unit_test(other_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
