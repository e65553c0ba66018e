/* tracker_public_test.c - which jobs are public is known before a tracker is up, and stays current.
 */
#include "tracker_world.h"

static bool
lists(struct world *world, const char *id)
{
	return jg_directory_lists_public(world->directory, slice_of(id));
}

static void
they_are_known_when_the_tracker_is_up(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "SADD jobgate:public a b A.b");
	tracker_start(world, "unix:/nonexistent", TEST_TIMEOUT_MS);
	assert_false(lists(world, "a"));
	redis_tracker_free(world->tracker);
	jg_directory_free(world->directory);
	tracker_up(world);
	assert_true(lists(world, "a") && lists(world, "b") && !lists(world, "c"));
}

static void
each_change_is_noticed(void **state)
{
	struct world *world = *state;

	tracker_up(world);
	for (unsigned i = 0; i < 3; i++) {
		redis_do(world->admin, "SADD jobgate:public a");
		RUN_UNTIL(&world->turner, lists(world, "a"));
		redis_do(world->admin, "SADD jobgate:public b");
		RUN_UNTIL(&world->turner, lists(world, "b"));
		redis_do(world->admin, "SREM jobgate:public a");
		RUN_UNTIL(&world->turner, !lists(world, "a"));
		assert_true(lists(world, "b"));
		redis_do(world->admin, i == 0	? "FLUSHALL"
				       : i == 1 ? "DEL jobgate:public"
						: "RENAME jobgate:public other");
		RUN_UNTIL(&world->turner, !lists(world, "b"));
	}
	assert_int_equal(logged(world, "warning"), 0);
}

/* Each is read at once; answers that a later change has overtaken do not count. */
static void
the_last_of_many_changes_counts(void **state)
{
	struct world *world = *state;

	tracker_up(world);
	for (unsigned i = 0; i < 100; i++) {
		redis_do(world->admin, "SADD jobgate:public a");
		redis_do(world->admin, "SREM jobgate:public a");
	}
	redis_do(world->admin, "SADD jobgate:public b");
	RUN_UNTIL(&world->turner, lists(world, "b"));
	assert_false(lists(world, "a"));
}

/* Not one that cannot be read: no job is public then, the tracker stays up, and it is told once. */
static void
one_that_is_broken_is_none(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "SADD jobgate:public a");
	tracker_up(world);
	assert_true(lists(world, "a"));
	redis_do(world->admin, "SET jobgate:public text");
	RUN_UNTIL(&world->turner, !lists(world, "a"));
	redis_do(world->admin, "SET jobgate:public other");
	redis_do(world->admin, "DEL jobgate:public");
	redis_do(world->admin, "SADD jobgate:public a");
	RUN_UNTIL(&world->turner, lists(world, "a"));
	assert_int_equal(
	    logged(world, "is not a set, so no job is public until that is repaired"), 1);
	assert_int_equal(logged(world, "jobgate:public can be used again"), 1);
	assert_true(tracker_stats(world).up);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(they_are_known_when_the_tracker_is_up),
	    TEST(each_change_is_noticed),
	    TEST(the_last_of_many_changes_counts),
	    TEST(one_that_is_broken_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
