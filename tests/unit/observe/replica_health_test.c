/* replica_health_test.c - the places of replicas in shared memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "observe/replica_health.h"

#define KEY UINT64_C(0x123456789abcdef0)
#define NOW UINT64_C(1000000)

static struct replica_places places;

static int
clear(void **state)
{
	(void)state;
	memset(&places, 0, sizeof(places));
	return 0;
}

static void
one_worker_makes_each_check(void **state)
{
	(void)state;
	assert_true(replica_take_check(&places, KEY, NOW));
	assert_false(replica_take_check(&places, KEY, NOW));
	assert_false(replica_take_check(&places, KEY, NOW + REPLICA_CHECK_MS - 1));
	assert_true(replica_take_check(&places, KEY, NOW + REPLICA_CHECK_MS));
}

static void
note(bool good, uint64_t at_ms, enum replica_change expected)
{
	assert_int_equal(replica_note_check(&places, KEY, good, at_ms), expected);
}

static void
two_failures_in_a_row(void **state)
{
	(void)state;
	assert_true(replica_is_healthy(&places, KEY, NOW));
	assert_true(replica_take_check(&places, KEY, NOW));
	assert_true(replica_is_healthy(&places, KEY, NOW));
	note(false, NOW, REPLICA_SAME);
	assert_true(replica_is_healthy(&places, KEY, NOW));
	note(true, NOW, REPLICA_SAME);
	note(false, NOW, REPLICA_SAME);
	note(false, NOW, REPLICA_FAILED);
	assert_false(replica_is_healthy(&places, KEY, NOW));
	assert_int_equal(replicas_unhealthy(&places, NOW), 1);
	note(false, NOW + 1, REPLICA_SAME);
	note(true, NOW + 2, REPLICA_RECOVERED);
	assert_true(replica_is_healthy(&places, KEY, NOW + 2));
	assert_int_equal(replicas_unhealthy(&places, NOW + 2), 0);
	note(true, NOW + 3, REPLICA_SAME);
}

static void
an_old_result_is_forgotten(void **state)
{
	(void)state;
	assert_true(replica_take_check(&places, KEY, NOW));
	note(false, NOW, REPLICA_SAME);
	note(false, NOW, REPLICA_FAILED);
	assert_false(replica_is_healthy(&places, KEY, NOW + REPLICA_FORGET_MS - 1));
	assert_true(replica_is_healthy(&places, KEY, NOW + REPLICA_FORGET_MS));
}

/* Replicas whose first place is the same. */
static uint64_t
key_at_one_place(uint64_t i)
{
	return KEY + i * REPLICA_PLACES;
}

static void
places_are_few_and_given_on(void **state)
{
	uint64_t taken = 0, later;

	(void)state;
	while (replica_take_check(&places, key_at_one_place(taken), NOW))
		taken++;
	assert_in_range(taken, 2, 64);
	assert_true(replica_is_healthy(&places, key_at_one_place(taken), NOW));
	assert_int_equal(
	    replica_note_check(&places, key_at_one_place(taken), false, NOW), REPLICA_SAME);
	replica_note_check(&places, KEY, false, NOW);
	replica_note_check(&places, KEY, false, NOW);
	/* No worker checks these any more. What was known of one does not count for the next one.
	 */
	later = NOW + REPLICA_CHECK_MS + REPLICA_FORGET_MS;
	assert_true(replica_take_check(&places, key_at_one_place(taken), later));
	assert_true(replica_is_healthy(&places, key_at_one_place(taken), later));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, clear)
	const struct CMUnitTest tests[] = {
	    TEST(one_worker_makes_each_check),
	    TEST(two_failures_in_a_row),
	    TEST(an_old_result_is_forgotten),
	    TEST(places_are_few_and_given_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
