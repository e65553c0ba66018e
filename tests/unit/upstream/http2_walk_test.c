/* http2_walk_test.c - walks of many seeds: see http2_walk.h. */
#include "http2_walk.h"

static uint64_t seed;

static size_t
pick(size_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (size_t)(seed >> 33) % below;
}

static void
whatever_happens_frames_are_valid(void **state)
{
	(void)state;
	for (size_t round = 0; round < 200; round++) {
		seed = 1000 + round;
		walk_begin();
		for (size_t i = 0; i < 2000 && is_alive(); i++)
			walk_step();
		walk_end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(whatever_happens_frames_are_valid, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
