/* admit_test.c - which connections are admitted and which give way, and the PROXY header. */
#include "connection_life_world.h"

static uint64_t
refused(enum connection_refusal reason)
{
	return counter_get(&world.stats->connections_refused[reason]);
}

/* ---- which are taken, and which give way ---- */

static void
a_new_one_takes_the_place_of_one_that_waits(void **state)
{
	int clients[JOB_PLACES + 2];
	char address[] = "192.0.2.1";

	(void)state;
	for (size_t i = 0; i < JOB_PLACES; i++) {
		address[8] = (char)('1' + i);
		clients[i] = world_connect(&world, address, &plain);
	}
	/* None has waited for long enough. */
	clients[JOB_PLACES] = world_connect(&world, "192.0.2.8", &plain);
	assert_true(world_is_closed(clients[JOB_PLACES]));
	assert_int_equal(refused(CONNECTION_OVER_LIMIT), 1);
	world_pass(&world, 1100);
	clients[JOB_PLACES + 1] = world_connect(&world, "192.0.2.9", &plain);
	assert_true(world_is_closed(clients[0]));
	assert_false(world_is_closed(clients[1]));
	assert_false(world_is_closed(clients[JOB_PLACES + 1]));
	assert_int_equal(counter_get(&world.stats->connections_evicted), 1);
	assert_int_equal(world.downstream->places[FOR_JOBS].count, JOB_PLACES);
	for (size_t i = 0; i < JOB_PLACES + 2; i++)
		close(clients[i]);
}

/* True when a connection gives way to another one after this many milliseconds. */
static bool
makes_room_after(uint64_t ms)
{
	world_pass(&world, ms);
	return downstream_make_room(world.downstream);
}

static void
an_answer_that_is_being_read_buys_time(void **state)
{
	int clients[JOB_PLACES];

	(void)state;
	fill(clients, (struct connection_load){.unread = true});
	assert_false(makes_room_after(29000));
	assert_true(makes_room_after(2000));
	close_all(clients);
}

static void
a_running_exchange_gives_way_only_when_it_awaits_content(void **state)
{
	int clients[JOB_PLACES];

	(void)state;
	fill(clients, (struct connection_load){.serves = true, .age_ms = 60000});
	assert_false(makes_room_after(60000));
	latest(FOR_JOBS)->load.awaits_content = true;
	latest(FOR_JOBS)->load.age_ms = 900;
	assert_false(makes_room_after(0));
	latest(FOR_JOBS)->load.age_ms = 1000;
	assert_true(makes_room_after(0));
	close_all(clients);
}

static void
without_a_valid_token_no_place_for_control_is_kept(void **state)
{
	int clients[CONTROL_PLACES + 1];
	char address[] = "192.0.2.1";

	(void)state;
	for (size_t i = 0; i < CONTROL_PLACES; i++) {
		address[8] = (char)('1' + i);
		clients[i] = world_connect(&world, address, &control);
		if (i != 2)
			connection_exchange_over(&latest(FOR_CONTROL)->connection, true);
	}
	world_pass(&world, 1100); /* all may give way; the unauthenticated one goes first */
	clients[CONTROL_PLACES] = world_connect(&world, "192.0.2.9", &control);
	assert_true(world_is_closed(clients[2]));
	for (size_t i = 0; i < CONTROL_PLACES + 1; i++) {
		if (i != 2)
			assert_false(world_is_closed(clients[i]));
		close(clients[i]);
	}
}

static void
at_metrics_every_exchange_gives_way(void **state)
{
	int clients[CONTROL_PLACES + 1];

	(void)state;
	for (size_t i = 0; i < CONTROL_PLACES; i++) {
		clients[i] = world_connect(&world, "192.0.2.1", &metrics);
		latest(FOR_METRICS)->load = (struct connection_load){.serves = true};
	}
	assert_int_equal(counter_get(&world.stats->connections_total), 0);
	clients[CONTROL_PLACES] = world_connect(&world, "192.0.2.9", &metrics);
	assert_true(world_is_closed(clients[0]));
	assert_false(world_is_closed(clients[CONTROL_PLACES]));
	for (size_t i = 0; i < CONTROL_PLACES + 1; i++)
		close(clients[i]);
}

static void
an_address_has_its_quota(void **state)
{
	int clients[PER_CLIENT + 2];

	(void)state;
	for (size_t i = 0; i < PER_CLIENT + 1; i++)
		clients[i] = world_connect(&world, "192.0.2.1", &plain);
	assert_true(world_is_closed(clients[PER_CLIENT]));
	assert_int_equal(refused(CONNECTION_OVER_CLIENT_LIMIT), 1);
	clients[PER_CLIENT + 1] = world_connect(&world, "192.0.2.2", &plain);
	assert_false(world_is_closed(clients[PER_CLIENT + 1]));
	for (size_t i = 0; i < PER_CLIENT + 2; i++)
		close(clients[i]);
}

static void
a_trusted_proxy_has_none_and_counts_as_authenticated(void **state)
{
	int clients[PER_CLIENT + 1];

	(void)state;
	trust_proxy();
	for (size_t i = 0; i < PER_CLIENT + 1; i++) {
		clients[i] = world_connect(&world, "192.0.2.1", &plain);
		assert_false(world_is_closed(clients[i]));
		assert_true(latest(FOR_JOBS)->connection.peer.trusted);
		assert_true(latest(FOR_JOBS)->connection.authenticated);
		assert_null(latest(FOR_JOBS)->connection.quota);
	}
	for (size_t i = 0; i < PER_CLIENT + 1; i++)
		close(clients[i]);
}

/* ---- the PROXY header ---- */

static void
a_proxy_header_names_the_peer(void **state)
{
	unsigned char expected[16] = {[10] = 0xff, [11] = 0xff, 198, 51, 100, 7};
	const struct exchange_peer *peer;
	int client;

	(void)state;
	trust_proxy();
	client = world_connect(&world, "192.0.2.1", &proxied);
	assert_int_equal(opened, 0);
	world_send(&world, client, "PROXY TCP4 198.51.100.7 ");
	assert_int_equal(opened, 0);
	world_send(&world, client, "192.0.2.9 4000 443\r\nrest");
	assert_int_equal(opened, 1);
	peer = &latest(FOR_JOBS)->connection.peer;
	assert_memory_equal(peer->address, expected, sizeof(expected));
	assert_false(peer->trusted);
	assert_non_null(latest(FOR_JOBS)->connection.quota);
	assert_false(latest(FOR_JOBS)->connection.authenticated);
	assert_true(latest(FOR_JOBS)->connection.conn.readable); /* `rest` is still to come */
	close(client);
}

static void
a_peer_that_a_proxy_names_keeps_what_the_listener_is_for(void **state)
{
	const struct listener_options asked = {
	    .proxied = true, .forward_auth = true, .redirect = true, .purpose = FOR_CONTROL};
	int client;

	(void)state;
	trust_proxy();
	client = world_connect(&world, "192.0.2.1", &asked);
	world_send(&world, client, "PROXY TCP4 198.51.100.7 192.0.2.9 4000 443\r\n");
	assert_true(latest(FOR_CONTROL)->connection.peer.forward_auth);
	assert_true(latest(FOR_CONTROL)->connection.peer.redirect);
	assert_int_equal(latest(FOR_CONTROL)->connection.peer.purpose, FOR_CONTROL);
	close(client);
}

static void
a_proxy_that_names_no_peer_is_not_trusted(void **state)
{
	int client;

	(void)state;
	trust_proxy();
	client = world_connect(&world, "192.0.2.1", &proxied);
	world_send(&world, client, "PROXY UNKNOWN\r\n");
	assert_int_equal(opened, 1);
	assert_false(latest(FOR_JOBS)->connection.peer.trusted);
	close(client);
}

static void
a_proxy_header_is_believed_of_trusted_peers_only(void **state)
{
	int client = world_connect(&world, "192.0.2.1", &proxied);

	(void)state;
	assert_true(world_is_closed(client));
	assert_int_equal(refused(CONNECTION_NOT_TRUSTED), 1);
	close(client);
}

static void
a_bad_or_late_proxy_header_closes(void **state)
{
	int bad, late;

	(void)state;
	trust_proxy();
	bad = world_connect(&world, "192.0.2.1", &proxied);
	world_send(&world, bad, "GET / HTTP/1.1\r\n\r\n");
	assert_true(world_is_closed(bad));
	late = world_connect(&world, "192.0.2.1", &proxied);
	world_pass(&world, HEAD_MS - 1000);
	assert_false(world_is_closed(late));
	world_pass(&world, 1100);
	assert_true(world_is_closed(late));
	assert_int_equal(refused(CONNECTION_BAD_PROXY_HEADER), 2);
	assert_int_equal(opened + closed, 0);
	close(bad);
	close(late);
}

static void
a_named_peer_beyond_its_quota_closes(void **state)
{
	int clients[PER_CLIENT + 1];

	(void)state;
	trust_proxy();
	for (size_t i = 0; i < PER_CLIENT + 1; i++) {
		clients[i] = world_connect(&world, "192.0.2.1", &proxied);
		world_send(&world, clients[i], "PROXY TCP4 198.51.100.7 192.0.2.9 4000 443\r\n");
	}
	assert_int_equal(opened, PER_CLIENT);
	assert_true(world_is_closed(clients[PER_CLIENT]));
	assert_int_equal(refused(CONNECTION_OVER_CLIENT_LIMIT), 1);
	for (size_t i = 0; i < PER_CLIENT + 1; i++)
		close(clients[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		a_new_one_takes_the_place_of_one_that_waits, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		an_answer_that_is_being_read_buys_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_running_exchange_gives_way_only_when_it_awaits_content, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		without_a_valid_token_no_place_for_control_is_kept, setup, teardown),
	    cmocka_unit_test_setup_teardown(at_metrics_every_exchange_gives_way, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_address_has_its_quota, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_trusted_proxy_has_none_and_counts_as_authenticated, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_proxy_header_names_the_peer, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_peer_that_a_proxy_names_keeps_what_the_listener_is_for, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_proxy_that_names_no_peer_is_not_trusted, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_proxy_header_is_believed_of_trusted_peers_only, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_bad_or_late_proxy_header_closes, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_named_peer_beyond_its_quota_closes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
