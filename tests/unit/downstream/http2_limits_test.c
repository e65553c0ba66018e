/* http2_limits_test.c - the budgets of an HTTP/2 connection: resets, and bytes without content. */
#include "downstream/http2/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http2/overhead.h"

static void
resets_are_paid_by_streams_that_end_well(void **state)
{
	struct reset_budget budget;

	(void)state;
	resets_init(&budget);
	for (unsigned i = 0; i < RESETS_MAX; i++)
		assert_true(resets_spend(&budget));
	assert_false(resets_spend(&budget));
	resets_earn(&budget);
	assert_true(resets_spend(&budget));
	assert_false(resets_spend(&budget));
}

static void
the_budget_of_resets_has_an_upper_bound(void **state)
{
	struct reset_budget budget;
	unsigned spent = 0;

	(void)state;
	resets_init(&budget);
	for (unsigned i = 0; i < 10 * RESETS_MAX; i++)
		resets_earn(&budget);
	while (resets_spend(&budget))
		spent++;
	assert_int_equal(spent, RESETS_MAX);
}

static void
bytes_without_payload_have_an_allowance(void **state)
{
	struct overhead overhead = {0};
	const uint64_t most = OVERHEAD_SHARE * (OVERHEAD_ALLOWANCE + 1) - 1;

	(void)state;
	assert_true(overhead_read(&overhead, most, 1));
	assert_false(overhead_read(&overhead, 1, 1));
	overhead_payload(&overhead, 1);
	assert_true(overhead_read(&overhead, OVERHEAD_SHARE - 1, 1));
	assert_false(overhead_read(&overhead, 1, 1));
}

static void
each_minute_is_counted_by_itself(void **state)
{
	struct overhead overhead = {.began_ms = 1000};
	const uint64_t most = OVERHEAD_SHARE * (OVERHEAD_ALLOWANCE + 1) - 1;

	(void)state;
	overhead_payload(&overhead, most);
	assert_true(overhead_read(&overhead, most, 1000 + OVERHEAD_PERIOD_MS - 1));
	/* Neither the bytes nor the payload of the minute before count. */
	assert_true(overhead_read(&overhead, most, 1000 + OVERHEAD_PERIOD_MS));
	assert_false(overhead_read(&overhead, 1, 1000 + OVERHEAD_PERIOD_MS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(resets_are_paid_by_streams_that_end_well),
	    cmocka_unit_test(the_budget_of_resets_has_an_upper_bound),
	    cmocka_unit_test(bytes_without_payload_have_an_allowance),
	    cmocka_unit_test(each_minute_is_counted_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
