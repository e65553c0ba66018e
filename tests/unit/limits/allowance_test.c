/* allowance_test.c - which limits apply, and the rate algorithm against a plain token bucket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "jobgate/limits.h"

#define SECOND_NS UINT64_C(1000000000)

static const struct token_limits none;

static void
without_limits(void **state)
{
	struct allowance allowance;

	(void)state;
	assert_false(jg_allowance(&none, &none, 1, &allowance));
	assert_false(jg_allowance(&(struct token_limits){.burst = 5}, &none, 1, &allowance));
}

static void
the_record_comes_before_the_defaults(void **state)
{
	const struct token_limits defaults = {.rate = 10, .burst = 20, .concurrency = 4};
	struct allowance allowance;

	(void)state;
	assert_true(jg_allowance(&none, &defaults, 1, &allowance));
	assert_int_equal(allowance.interval_ns, SECOND_NS / 10);
	assert_int_equal(allowance.burst, 20);
	assert_int_equal(allowance.concurrency, 4);
	assert_true(jg_allowance(
	    &(struct token_limits){.rate = 100, .burst = 7}, &defaults, 1, &allowance));
	assert_int_equal(allowance.interval_ns, SECOND_NS / 100);
	assert_int_equal(allowance.burst, 7);
	assert_int_equal(allowance.concurrency, 4);
}

static void
a_burst_is_the_rate_unless_given(void **state)
{
	struct allowance allowance;

	(void)state;
	assert_true(jg_allowance(&(struct token_limits){.rate = 10}, &none, 1, &allowance));
	assert_int_equal(allowance.burst, 10);
	assert_int_equal(allowance.concurrency, 0);
}

static void
several_gateways_share_the_limits(void **state)
{
	const struct token_limits record = {.rate = 10, .burst = 20, .concurrency = 4};
	struct allowance allowance;

	(void)state;
	assert_true(jg_allowance(&record, &none, 3, &allowance));
	assert_int_equal(allowance.interval_ns, 3 * SECOND_NS / 10);
	assert_int_equal(allowance.burst, 6);
	assert_int_equal(allowance.concurrency, 1);
	assert_true(jg_allowance(&record, &none, 100, &allowance));
	assert_int_equal(allowance.burst, 1);
	assert_int_equal(allowance.concurrency, 1);
}

/* A rate that does not divide a second: never more requests than it allows. */
static void
rates_are_never_exceeded(void **state)
{
	struct allowance allowance;

	(void)state;
	for (uint64_t rate = 1; rate <= TOKEN_RATE_MAX; rate = rate * 7 / 3 + 1) {
		jg_allowance(&(struct token_limits){.rate = rate}, &none, 1, &allowance);
		assert_true(allowance.interval_ns * rate >= SECOND_NS);
		assert_true((allowance.interval_ns - 1) * rate < SECOND_NS);
	}
}

static void
a_burst_then_the_rate(void **state)
{
	struct allowance allowance;
	uint64_t tat = 0, now = 5 * SECOND_NS, wait = 0;

	(void)state;
	jg_allowance(&(struct token_limits){.rate = 4, .burst = 3}, &none, 1, &allowance);
	for (unsigned i = 0; i < 3; i++)
		assert_true(jg_rate_allows(&allowance, tat, now, &tat, &wait));
	assert_false(jg_rate_allows(&allowance, tat, now, &tat, &wait));
	assert_int_equal(wait, SECOND_NS / 4);
	assert_false(jg_rate_allows(&allowance, tat, now + wait - 1, &tat, &wait));
	assert_int_equal(wait, 1);
	now += SECOND_NS / 4;
	assert_true(jg_rate_allows(&allowance, tat, now, &tat, &wait));
	assert_false(jg_rate_allows(&allowance, tat, now, &tat, &wait));
}

/* What a slow rate has used up must not hold back a faster one for minutes. */
static void
another_limit_counts_at_once(void **state)
{
	struct allowance slow, fast;
	uint64_t tat = 0, now = SECOND_NS, wait = 0;

	(void)state;
	jg_allowance(&(struct token_limits){.rate = 1, .burst = 100}, &none, 1, &slow);
	jg_allowance(&(struct token_limits){.rate = 100, .burst = 10}, &none, 1, &fast);
	for (unsigned i = 0; i < 100; i++)
		assert_true(jg_rate_allows(&slow, tat, now, &tat, &wait));
	tat = jg_rate_changed(&fast, tat, now);
	assert_false(jg_rate_allows(&fast, tat, now, &tat, &wait));
	assert_int_equal(wait, SECOND_NS / 100);
	assert_int_equal(jg_rate_changed(&slow, tat, now), tat);
	assert_true(jg_rate_allows(&fast, tat, now + wait, &tat, &wait));
}

/* A token bucket in its plain form: credit in billionths of a request. */
static void
it_is_a_token_bucket(void **state)
{
	static const uint64_t rates[] = {1, 4, 10, 1000, 1000000};

	(void)state;
	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++)
		for (uint64_t burst = 1; burst < 50; burst += 16) {
			struct allowance allowance;
			uint64_t tat = 0, now = SECOND_NS, next = 0, wait = 0;
			uint64_t full = burst * SECOND_NS, credit = full;

			jg_allowance(&(struct token_limits){.rate = rates[r], .burst = burst},
			    &none, 1, &allowance);
			for (unsigned i = 0; i < 5000; i++) {
				uint64_t step = (uint64_t)rand() % (2 * SECOND_NS / rates[r] + 1);
				bool allowed;

				now += step;
				credit += step * rates[r];
				credit = credit < full ? credit : full;
				allowed = jg_rate_allows(&allowance, tat, now, &next, &wait);
				assert_int_equal(allowed, credit >= SECOND_NS);
				if (allowed) {
					credit -= SECOND_NS;
					tat = next;
				} else {
					assert_true(credit + wait * rates[r] >= SECOND_NS);
					assert_true(credit + (wait - 1) * rates[r] < SECOND_NS);
				}
			}
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_limits),
	    cmocka_unit_test(the_record_comes_before_the_defaults),
	    cmocka_unit_test(a_burst_is_the_rate_unless_given),
	    cmocka_unit_test(several_gateways_share_the_limits),
	    cmocka_unit_test(rates_are_never_exceeded),
	    cmocka_unit_test(a_burst_then_the_rate),
	    cmocka_unit_test(another_limit_counts_at_once),
	    cmocka_unit_test(it_is_a_token_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
