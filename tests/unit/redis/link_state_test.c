/* link_state_test.c - the steps that a link must not take, and its dump. */
#include "link_world.h"

#include "auth/redis/link_state.h"
#include "tests/unit/check_catch.h"

static const char *
dumped(const struct redis_link *link)
{
	static char text[DUMP_TEXT_MAX];
	struct dump dump;

	jg_dump_init(&dump, text, sizeof(text));
	redis_link_dump(link, &dump);
	return text;
}

static void
a_dump_shows_the_link_and_its_connections(void **state)
{
	struct world *world = *state;
	const char *text;

	link_up(world);
	text = dumped(world->link);
	assert_int_equal(strncmp(text, "redis_link{state=up ", 20), 0);
	assert_non_null(strstr(text, " redis_connection{state=up name=\"jobgate-data\""));
	assert_non_null(strstr(text, " redis_connection{state=up name=\"jobgate-push\""));
	stop_redis(world);
	RUN_UNTIL(&world->turner, !link_stats(world).up);
	text = dumped(world->link);
	assert_int_equal(strncmp(text, "redis_link{state=", 17), 0);
	assert_null(strstr(text, "redis_link{state=up"));
}

/* Each pair of states: set_state takes those that stand here, and fails for all others. */
static void
a_link_takes_the_steps_of_its_diagram_alone(void **state)
{
	static const unsigned steps[][2] = {{LINK_WAITING, LINK_FINDING},
	    {LINK_WAITING, LINK_CONNECTING}, {LINK_FINDING, LINK_CONNECTING},
	    {LINK_FINDING, LINK_WAITING}, {LINK_CONNECTING, LINK_IDENTIFYING},
	    {LINK_CONNECTING, LINK_WAITING}, {LINK_IDENTIFYING, LINK_ARMING},
	    {LINK_IDENTIFYING, LINK_WAITING}, {LINK_ARMING, LINK_PROVING},
	    {LINK_ARMING, LINK_WAITING}, {LINK_PROVING, LINK_UP}, {LINK_PROVING, LINK_WAITING},
	    {LINK_UP, LINK_WAITING}};
	struct world *world = *state;

	link_up(world);
	TRY_STATES(steps, LINK_UP, world->link->state, link_set_state(world->link, to));
	world->link->state = LINK_UP;
}

static void
a_step_that_the_table_lacks_fails(void **state)
{
	struct world *world = *state;

	link_up(world);
	assert_check_fails(link_set_state(world->link, LINK_PROVING), "redis_link{state=up");
	assert_check_fails(link_set_state(world->link, LINK_UP), "link_set_state");
	assert_check_fails(redis_link_start(world->link, world->directory), "link->directory == ");
	assert_true(link_stats(world).up);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_dump_shows_the_link_and_its_connections),
	    TEST(a_link_takes_the_steps_of_its_diagram_alone),
	    TEST(a_step_that_the_table_lacks_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
