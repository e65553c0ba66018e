/* connection_test.c - the life of a client connection, and the walk over all of them. */
#include "connection_life_world.h"

/* ---- its life ---- */

static void
its_protocol_is_told_what_happens(void **state)
{
	int client = world_connect(&world, "192.0.2.1", &plain);
	struct spoken *spoken = latest(FOR_JOBS);

	(void)state;
	assert_int_equal(opened, 1);
	assert_int_equal(spoken->works, 1);
	world_send(&world, client, "x");
	assert_true(spoken->readies >= 1);
	assert_true(spoken->connection.conn.readable);
	connection_defer(&spoken->connection);
	world_turn(&world);
	assert_int_equal(spoken->works, 2);
	connection_wait(&spoken->connection, 5000);
	world_pass(&world, 4000);
	assert_int_equal(spoken->expiries, 0);
	world_pass(&world, 1100);
	assert_int_equal(spoken->expiries, 1);
	connection_drain(&spoken->connection, true);
	connection_drain(&spoken->connection, false);
	assert_int_equal(spoken->gentle_drains, 1);
	assert_int_equal(spoken->drains, 1);
	close(client);
}

static void
it_is_counted_until_it_closes(void **state)
{
	int client = world_connect(&world, "192.0.2.1", &plain);
	struct spoken *spoken = latest(FOR_JOBS);

	(void)state;
	assert_int_equal(world.downstream->places[FOR_JOBS].count, 1);
	assert_int_equal(counter_get(&world.stats->connections), 1);
	assert_int_equal(counter_get(&world.stats->connections_total), 1);
	assert_int_equal(quotas_count(world.downstream->quotas), 1);
	connection_close(&spoken->connection, false);
	connection_close(&spoken->connection, false);
	assert_int_equal(closed, 1);
	assert_int_equal(world.downstream->places[FOR_JOBS].count, 0);
	assert_int_equal(counter_get(&world.stats->connections), 0);
	assert_int_equal(quotas_count(world.downstream->quotas), 0);
	assert_true(world_is_closed(client));
	close(client);
}

static void
a_lost_one_ends_its_exchanges_first(void **state)
{
	int client = world_connect(&world, "192.0.2.1", &plain);
	struct spoken *spoken = latest(FOR_JOBS);

	(void)state;
	connection_lost(&spoken->connection);
	assert_int_equal(spoken->lost, 1); /* the object lives until the end of the turn */
	assert_int_equal(closed, 1);
	close(client);
}

static void
a_shutdown_reaches_the_protocol_and_closes(void **state)
{
	int client = world_connect(&world, "192.0.2.1", &plain);

	(void)state;
	connection_shutdown(world_first(&world, FOR_JOBS));
	assert_int_equal(shut_down, 1);
	assert_int_equal(closed, 1);
	assert_true(world_is_closed(client));
	close(client);
}

/* ---- the walk over all of them ---- */

static bool
walks_on(void)
{
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	jg_dump_init(&dump, text, sizeof(text));
	return downstream_walk_dump(world.downstream, &dump) &&
	       strstr(text, "client_connection{state=open") != NULL;
}

static void
a_walk_passes_each_once_and_none_that_has_closed(void **state)
{
	int clients[JOB_PLACES], monitor;

	(void)state;
	fill(clients, (struct connection_load){0});
	monitor = world_connect(&world, "192.0.2.1", &metrics);
	downstream_walk_begin(world.downstream);
	assert_true(walks_on());
	/* The walk stands in front of the second one, which closes and is freed. */
	connection_close(TAILQ_NEXT(world_first(&world, FOR_JOBS), link), false);
	world_turn(&world);
	assert_true(walks_on());
	assert_true(walks_on());
	assert_false(walks_on());
	downstream_walk_begin(world.downstream);
	connection_close(world_first(&world, FOR_JOBS), false);
	world_turn(&world);
	assert_true(walks_on());
	assert_true(walks_on());
	assert_false(walks_on());
	close_all(clients);
	close(monitor);
}

/* ---- the PROXY header ---- */

static void
a_drain_leaves_an_unfinished_handshake_alone(void **state)
{
	int client;

	(void)state;
	trust_proxy();
	client = world_connect(&world, "192.0.2.1", &proxied);
	connection_drain(world_first(&world, FOR_JOBS), false);
	assert_false(world_is_closed(client));
	connection_shutdown(world_first(&world, FOR_JOBS));
	assert_true(world_is_closed(client));
	assert_int_equal(opened + closed + shut_down, 0);
	close(client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(its_protocol_is_told_what_happens, setup, teardown),
	    cmocka_unit_test_setup_teardown(it_is_counted_until_it_closes, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_lost_one_ends_its_exchanges_first, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_shutdown_reaches_the_protocol_and_closes, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_walk_passes_each_once_and_none_that_has_closed, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_drain_leaves_an_unfinished_handshake_alone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
