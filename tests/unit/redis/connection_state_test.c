/*
 * connection_state_test.c - the transitions of a connection: which are allowed, which are not, and
 * its dump.
 */
#include "connection_world.h"

#include "auth/redis/connection_state.h"
#include "tests/unit/check_catch.h"

static const char *
dumped(const struct redis_connection *connection)
{
	static char text[DUMP_TEXT_MAX];
	struct dump dump;

	jg_dump_init(&dump, text, sizeof(text));
	redis_connection_dump(connection, &dump);
	return text;
}

static bool
logs_in(struct world *world)
{
	return world->connection->state == CONNECTION_LOGIN;
}

static void
a_dump_shows_the_state_and_no_password(void **state)
{
	struct world *world = *state;

	dial(world, "?db=3");
	assert_non_null(
	    strstr(dumped(world->connection), "redis_connection{state=dialling name=\"tester\""));
	assert_non_null(strstr(dumped(world->connection), "redis_dial{addresses=0 next=0}"));
	RUN_UNTIL(&world->turner, accepted(world));
	RUN_UNTIL(&world->turner, logs_in(world));
	assert_non_null(strstr(dumped(world->connection), "state=login"));
	assert_non_null(strstr(dumped(world->connection), "waiting=4 logins=4"));
	assert_null(strstr(dumped(world->connection), "secret"));
	assert_null(strstr(dumped(world->connection), "ann"));
}

static void
a_connection_takes_the_steps_of_its_diagram_alone(void **state)
{
	static const unsigned steps[][2] = {{CONNECTION_DIALLING, CONNECTION_TLS_HANDSHAKE},
	    {CONNECTION_DIALLING, CONNECTION_LOGIN}, {CONNECTION_DIALLING, CONNECTION_DOWN},
	    {CONNECTION_TLS_HANDSHAKE, CONNECTION_LOGIN},
	    {CONNECTION_TLS_HANDSHAKE, CONNECTION_DOWN}, {CONNECTION_LOGIN, CONNECTION_UP},
	    {CONNECTION_LOGIN, CONNECTION_DOWN}, {CONNECTION_UP, CONNECTION_DOWN}};
	struct redis_connection connection = {0};

	(void)state;
	STAILQ_INIT(&connection.waiting);
	TRY_STATES(
	    steps, CONNECTION_DOWN, connection.state, redis_connection_set_state(&connection, to));
}

static void
a_step_that_the_table_lacks_fails(void **state)
{
	struct world *world = *state;

	come_up(world);
	assert_check_fails(redis_connection_set_state(world->connection, CONNECTION_LOGIN),
	    "redis_connection{state=up");
	assert_check_fails(redis_connection_set_state(world->connection, CONNECTION_UP),
	    "redis_connection_set_state");
	assert_true(redis_connection_is_up(world->connection));
}

static void
no_command_is_sent_by_a_connection_that_is_not_ready(void **state)
{
	struct world *world = *state;

	dial(world, "");
	assert_false(ask(world, on_reply)); /* what an owner may do: it is told */
	assert_check_fails(connection_send(world->connection, NULL, NULL, 1,
			       (const char *[]){"PING"}, (size_t[]){4}),
	    "redis_connection{state=dialling");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_dump_shows_the_state_and_no_password),
	    TEST(a_connection_takes_the_steps_of_its_diagram_alone),
	    TEST(a_step_that_the_table_lacks_fails),
	    TEST(no_command_is_sent_by_a_connection_that_is_not_ready),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
