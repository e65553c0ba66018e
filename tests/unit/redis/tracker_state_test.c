/* tracker_state_test.c - the transitions that a tracker must not make, and its dump. */
#include "tracker_world.h"

#include "auth/redis/tracker_state.h"
#include "tests/unit/check_catch.h"

static const char *
dumped(const struct redis_tracker *tracker)
{
	static char text[DUMP_TEXT_MAX];
	struct dump dump;

	jg_dump_init(&dump, text, sizeof(text));
	redis_tracker_dump(tracker, &dump);
	return text;
}

static void
a_dump_shows_the_tracker_and_its_connections(void **state)
{
	struct world *world = *state;
	const char *text;

	tracker_up(world);
	text = dumped(world->tracker);
	assert_int_equal(strncmp(text, "redis_tracker{state=up ", 20), 0);
	assert_non_null(strstr(text, " redis_connection{state=up name=\"jobgate-data\""));
	assert_non_null(strstr(text, " redis_connection{state=up name=\"jobgate-push\""));
	stop_redis(world);
	RUN_UNTIL(&world->turner, !tracker_stats(world).up);
	text = dumped(world->tracker);
	assert_int_equal(strncmp(text, "redis_tracker{state=", 17), 0);
	assert_null(strstr(text, "redis_tracker{state=up"));
}

/* Each pair of states: set_state takes those that stand here, and fails for all others. */
static void
a_tracker_takes_the_steps_of_its_diagram_alone(void **state)
{
	static const unsigned steps[][2] = {{TRACKER_WAITING, TRACKER_FINDING},
	    {TRACKER_WAITING, TRACKER_CONNECTING}, {TRACKER_FINDING, TRACKER_CONNECTING},
	    {TRACKER_FINDING, TRACKER_WAITING}, {TRACKER_CONNECTING, TRACKER_IDENTIFYING},
	    {TRACKER_CONNECTING, TRACKER_WAITING}, {TRACKER_IDENTIFYING, TRACKER_ARMING},
	    {TRACKER_IDENTIFYING, TRACKER_WAITING}, {TRACKER_ARMING, TRACKER_PROVING},
	    {TRACKER_ARMING, TRACKER_WAITING}, {TRACKER_PROVING, TRACKER_UP},
	    {TRACKER_PROVING, TRACKER_WAITING}, {TRACKER_UP, TRACKER_WAITING}};
	struct world *world = *state;

	tracker_up(world);
	TRY_STATES(steps, TRACKER_UP, world->tracker->state, tracker_set_state(world->tracker, to));
	world->tracker->state = TRACKER_UP;
}

static void
a_step_that_the_table_lacks_fails(void **state)
{
	struct world *world = *state;

	tracker_up(world);
	assert_check_fails(
	    tracker_set_state(world->tracker, TRACKER_PROVING), "redis_tracker{state=up");
	assert_check_fails(tracker_set_state(world->tracker, TRACKER_UP), "tracker_set_state");
	assert_check_fails(
	    redis_tracker_start(world->tracker, world->directory), "tracker->directory == ");
	assert_true(tracker_stats(world).up);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_dump_shows_the_tracker_and_its_connections),
	    TEST(a_tracker_takes_the_steps_of_its_diagram_alone),
	    TEST(a_step_that_the_table_lacks_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
