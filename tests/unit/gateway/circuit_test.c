/* circuit_test.c - open, half open, closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/circuit.h"

static const struct circuit_rules three = {3, 1000};

/* Fails as often as it takes to open. */
static void
open_at(struct circuit *circuit, uint64_t now_ms)
{
	for (int i = 0; i < 2; i++)
		assert_false(circuit_failure(circuit, &three, false, now_ms));
	assert_true(circuit_failure(circuit, &three, false, now_ms));
}

static void
opens_after_failures_in_a_row(void **state)
{
	struct circuit circuit = {0};
	bool probe;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_false(circuit_failure(&circuit, &three, false, 5));
	assert_false(circuit_success(&circuit));
	open_at(&circuit, 5);
	assert_false(circuit_admits(&circuit, 5, &probe));
	assert_false(circuit_admits(&circuit, 1004, &probe));
}

static void
lets_one_probe_through(void **state)
{
	struct circuit circuit = {0};
	bool probe;

	(void)state;
	assert_true(circuit_admits(&circuit, 0, &probe));
	assert_false(probe);
	open_at(&circuit, 0);
	assert_true(circuit_admits(&circuit, 1000, &probe));
	assert_true(probe);
	assert_false(circuit_admits(&circuit, 1000, &probe));
	assert_false(probe);
	assert_true(circuit_success(&circuit));
	for (int i = 0; i < 2; i++) {
		assert_true(circuit_admits(&circuit, 1000, &probe));
		assert_false(probe);
	}
	/* And it has forgotten: three more are needed. */
	open_at(&circuit, 1000);
}

static void
waits_longer_after_each_failed_probe(void **state)
{
	const uint64_t pauses[] = {1000, 2000, 4000, 8000, 10000, 10000};
	struct circuit circuit = {0};
	uint64_t now = 0;
	bool probe;

	(void)state;
	open_at(&circuit, now);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		assert_false(circuit_admits(&circuit, now + pauses[i] - 1, &probe));
		now += pauses[i];
		assert_true(circuit_admits(&circuit, now, &probe));
		assert_true(circuit_failure(&circuit, &three, true, now));
	}
	circuit_success(&circuit);
	open_at(&circuit, now);
	assert_true(circuit_admits(&circuit, now + 1000, &probe));
}

static void
keeps_a_long_pause_that_was_asked_for(void **state)
{
	const struct circuit_rules slow = {1, 60000};
	struct circuit circuit = {0};
	bool probe;

	(void)state;
	assert_true(circuit_failure(&circuit, &slow, false, 0));
	assert_true(circuit_admits(&circuit, 60000, &probe));
	assert_true(circuit_failure(&circuit, &slow, true, 60000));
	assert_false(circuit_admits(&circuit, 119999, &probe));
	assert_true(circuit_admits(&circuit, 120000, &probe));
}

static void
learns_nothing_from_what_began_before_it_opened(void **state)
{
	struct circuit circuit = {0};
	bool probe;

	(void)state;
	open_at(&circuit, 0);
	assert_false(circuit_failure(&circuit, &three, false, 900));
	assert_true(circuit_admits(&circuit, 1000, &probe));
	assert_false(circuit_failure(&circuit, &three, false, 1000));
	assert_false(circuit_admits(&circuit, 1000, &probe));
	/* But a success is one, whenever it was begun. */
	assert_true(circuit_success(&circuit));
	assert_true(circuit_admits(&circuit, 1000, &probe));
}

static void
probes_again_when_the_probe_is_abandoned(void **state)
{
	struct circuit circuit = {0};
	bool probe;

	(void)state;
	open_at(&circuit, 0);
	assert_true(circuit_admits(&circuit, 1000, &probe));
	circuit_abandon(&circuit);
	assert_true(circuit_admits(&circuit, 1000, &probe));
	assert_true(probe);
}

static void
never_opens_when_told_so(void **state)
{
	const struct circuit_rules never = {0, 1000};
	struct circuit circuit = {0};
	bool probe;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_false(circuit_failure(&circuit, &never, false, 0));
	assert_true(circuit_admits(&circuit, 0, &probe));
}

static void
tells_when_to_come_back(void **state)
{
	struct circuit circuit = {0};
	bool probe;

	(void)state;
	open_at(&circuit, 0);
	assert_int_equal(circuit_retry_s(&circuit, 0), 1);
	assert_true(circuit_admits(&circuit, 1000, &probe));
	assert_int_equal(circuit_retry_s(&circuit, 1000), 1);
	assert_true(circuit_failure(&circuit, &three, true, 1000));
	assert_int_equal(circuit_retry_s(&circuit, 1000), 2);
	assert_int_equal(circuit_retry_s(&circuit, 1001), 2);
	assert_int_equal(circuit_retry_s(&circuit, 2000), 1);
	assert_int_equal(circuit_retry_s(&circuit, 9000), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opens_after_failures_in_a_row),
	    cmocka_unit_test(lets_one_probe_through),
	    cmocka_unit_test(waits_longer_after_each_failed_probe),
	    cmocka_unit_test(keeps_a_long_pause_that_was_asked_for),
	    cmocka_unit_test(learns_nothing_from_what_began_before_it_opened),
	    cmocka_unit_test(probes_again_when_the_probe_is_abandoned),
	    cmocka_unit_test(never_opens_when_told_so),
	    cmocka_unit_test(tells_when_to_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
