/* deadlines_test.c - the soonest comes first, whatever was added and removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/deadlines.h"

#define COUNT 200
#define STEPS 20000

static unsigned
roll(uint32_t *random, unsigned sides)
{
	*random = *random * 1664525 + 1013904223;
	return (*random >> 8) % sides;
}

static uint64_t
soonest(const struct deadline *all)
{
	uint64_t ms = UINT64_MAX;

	for (size_t i = 0; i < COUNT; i++)
		if (all[i].ms != 0 && all[i].ms < ms)
			ms = all[i].ms;
	return ms;
}

static void
the_soonest_is_first_after_each_change(void **state)
{
	struct deadline all[COUNT] = {0};
	struct deadlines deadlines = {0};
	uint32_t random = 1;

	(void)state;
	for (size_t step = 0; step < STEPS; step++) {
		/* Few different times, so that many are equal; filled and emptied in turns. */
		struct deadline *one = &all[roll(&random, COUNT)];
		bool fills = step / 500 % 2 == 0;

		if (one->ms == 0 && (fills || roll(&random, 4) == 0))
			deadlines_add(&deadlines, one, 1 + roll(&random, 50));
		else if (roll(&random, 3) == 0 && deadlines.first != NULL)
			deadlines_remove(&deadlines, deadlines.first);
		else
			deadlines_remove(&deadlines, one);
		assert_int_equal(
		    deadlines.first != NULL ? deadlines.first->ms : UINT64_MAX, soonest(all));
	}
}

static void
all_come_out_in_order(void **state)
{
	struct deadline all[COUNT] = {0};
	struct deadlines deadlines = {0};
	uint64_t last = 0;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < COUNT; i++)
		deadlines_add(&deadlines, &all[i], 1 + i * 7919 % 1000);
	for (; deadlines.first != NULL; count++) {
		assert_true(deadlines.first->ms >= last);
		last = deadlines.first->ms;
		deadlines_remove(&deadlines, deadlines.first);
	}
	assert_int_equal(count, COUNT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_soonest_is_first_after_each_change),
	    cmocka_unit_test(all_come_out_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
