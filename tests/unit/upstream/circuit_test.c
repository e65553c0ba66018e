/* circuit_test.c - a circuit that opens, is half open, and closes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upstream/circuit.h"

static const struct circuit_rules three = {3, 1000, 5000};

/* Fails as often as it takes to open. */
static void
open_at(struct circuit *circuit, uint64_t now_ms)
{
	for (int i = 0; i < 2; i++)
		assert_false(circuit_failure(circuit, &three, &jg_tuning.backend, false, now_ms));
	assert_true(circuit_failure(circuit, &three, &jg_tuning.backend, false, now_ms));
}

static void
opens_after_failures_in_a_row(void **state)
{
	struct circuit circuit = {0};
	bool probe;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_false(circuit_failure(&circuit, &three, &jg_tuning.backend, false, 5));
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
		assert_true(circuit_failure(&circuit, &three, &jg_tuning.backend, true, now));
	}
	circuit_success(&circuit);
	open_at(&circuit, now);
	assert_true(circuit_admits(&circuit, now + 1000, &probe));
}

static void
keeps_a_long_pause_that_was_asked_for(void **state)
{
	const struct circuit_rules slow = {1, 60000, 5000};
	struct circuit circuit = {0};
	bool probe;

	(void)state;
	assert_true(circuit_failure(&circuit, &slow, &jg_tuning.backend, false, 0));
	assert_true(circuit_admits(&circuit, 60000, &probe));
	assert_true(circuit_failure(&circuit, &slow, &jg_tuning.backend, true, 60000));
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
	assert_false(circuit_failure(&circuit, &three, &jg_tuning.backend, false, 900));
	assert_true(circuit_admits(&circuit, 1000, &probe));
	assert_false(circuit_failure(&circuit, &three, &jg_tuning.backend, false, 1000));
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
	const struct circuit_rules never = {0, 1000, 5000};
	struct circuit circuit = {0};
	bool probe;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_false(circuit_failure(&circuit, &never, &jg_tuning.backend, false, 0));
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
	assert_true(circuit_failure(&circuit, &three, &jg_tuning.backend, true, 1000));
	assert_int_equal(circuit_retry_s(&circuit, 1000), 2);
	assert_int_equal(circuit_retry_s(&circuit, 1001), 2);
	assert_int_equal(circuit_retry_s(&circuit, 2000), 1);
	assert_int_equal(circuit_retry_s(&circuit, 9000), 1);
}

/* ---- refusals ---- */

static void
refusals_open_once_they_have_lasted(void **state)
{
	struct circuit circuit = {0};
	bool probe;

	(void)state;
	for (uint64_t now = 10000; now < 15000; now += 100)
		assert_false(
		    circuit_refusal(&circuit, &three, &jg_tuning.backend, false, 10000, now));
	assert_true(circuit_admits(&circuit, 14999, &probe));
	assert_true(circuit_refusal(&circuit, &three, &jg_tuning.backend, false, 14000, 15000));
	assert_false(circuit_admits(&circuit, 15999, &probe));
	assert_true(circuit_admits(&circuit, 16000, &probe));
	assert_true(probe);
	/* The probe does not wait: it opens the circuit again, for longer. */
	assert_true(circuit_refusal(&circuit, &three, &jg_tuning.backend, true, 16000, 16000));
	assert_false(circuit_admits(&circuit, 17999, &probe));
}

static void
refusals_never_open_what_is_turned_off(void **state)
{
	const struct circuit_rules never = {0, 1000, 5000};
	struct circuit circuit = {0};
	bool probe;

	(void)state;
	for (uint64_t now = 0; now < 60000; now += 500)
		assert_false(circuit_refusal(&circuit, &never, &jg_tuning.backend, false, 0, now));
	assert_true(circuit_admits(&circuit, 60000, &probe));
	assert_true(circuit_refuses(&circuit, &never, 60000));
}

static void
a_backend_that_refuses_is_dialled_now_and_then(void **state)
{
	const uint64_t pauses[] = {50, 100, 200, 400, 500, 500};
	struct circuit circuit = {0};
	uint64_t now = 1000;

	(void)state;
	assert_false(circuit_refuses(&circuit, &three, now));
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		assert_false(
		    circuit_refusal(&circuit, &three, &jg_tuning.backend, false, 1000, now));
		/* Another that was under way counts for nothing. */
		assert_false(
		    circuit_refusal(&circuit, &three, &jg_tuning.backend, false, 1000, now));
		assert_true(circuit_refuses(&circuit, &three, now));
		assert_int_equal(circuit.redial_at_ms, now + pauses[i]);
		now = circuit.redial_at_ms;
	}
	circuit_success(&circuit);
	assert_false(circuit_refuses(&circuit, &three, now));
	assert_false(circuit_refusal(&circuit, &three, &jg_tuning.backend, false, now, now));
	assert_int_equal(circuit.redial_at_ms, now + 50);
}

static void
refusals_of_long_ago_are_forgotten(void **state)
{
	struct circuit circuit = {0};

	(void)state;
	assert_false(circuit_refusal(&circuit, &three, &jg_tuning.backend, false, 1000, 1000));
	assert_true(circuit_refuses(&circuit, &three, 6000));
	assert_false(circuit_refuses(&circuit, &three, 6001));
	assert_false(circuit_refusal(&circuit, &three, &jg_tuning.backend, false, 9000, 9000));
	assert_false(circuit_refusal(&circuit, &three, &jg_tuning.backend, false, 9000, 13999));
	assert_true(circuit_refusal(&circuit, &three, &jg_tuning.backend, false, 9000, 14000));
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
	    cmocka_unit_test(refusals_open_once_they_have_lasted),
	    cmocka_unit_test(refusals_never_open_what_is_turned_off),
	    cmocka_unit_test(a_backend_that_refuses_is_dialled_now_and_then),
	    cmocka_unit_test(refusals_of_long_ago_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
