/* connection_test.c - a client connection under a fake protocol: which are taken, which give way,
 * whose they are, and what the protocol is told. Admission and the PROXY header included. */
#include "connection_world.h"
#include "jobgate/ip.h"

/* The fake protocol: it counts what it is told, and tells of the load that the test gives it. */
struct spoken {
	struct connection connection;
	struct connection_load load;
	size_t works, readies, expiries, gentle_drains, drains, lost;
};

static size_t opened, closed, shut_down;
static struct world world;

static void
on_opened(struct connection *connection, struct buffer *received)
{
	assert_null(received);
	assert_int_equal(connection->state, CONNECTION_OPEN);
	opened++;
}

static void
on_ready(struct connection *connection)
{
	((struct spoken *)connection)->readies++;
}

static void
on_work(struct connection *connection)
{
	((struct spoken *)connection)->works++;
}

static void
on_expired(struct connection *connection)
{
	((struct spoken *)connection)->expiries++;
}

static void
on_drain(struct connection *connection, bool gently)
{
	if (gently)
		((struct spoken *)connection)->gentle_drains++;
	else
		((struct spoken *)connection)->drains++;
}

static void
on_shutdown(struct connection *connection)
{
	assert_int_equal(connection->state, CONNECTION_OPEN);
	shut_down++;
}

static void
on_lost(struct connection *connection)
{
	assert_int_equal(connection->state, CONNECTION_OPEN);
	((struct spoken *)connection)->lost++;
}

static void
on_closed(struct connection *connection)
{
	assert_int_equal(connection->state, CONNECTION_CLOSED);
	closed++;
}

static struct connection_load
on_load(const struct connection *connection)
{
	return ((const struct spoken *)connection)->load;
}

static void
on_dump(const struct connection *connection, struct dump *dump)
{
	(void)connection;
	jg_dump_begin(dump, "spoken");
	jg_dump_end(dump);
}

static const struct connection_protocol fake = {
    .size = sizeof(struct spoken),
    .opened = on_opened,
    .ready = on_ready,
    .work = on_work,
    .expired = on_expired,
    .drain = on_drain,
    .shutdown = on_shutdown,
    .lost = on_lost,
    .closed = on_closed,
    .load = on_load,
    .dump = on_dump,
};

static const struct listener_options plain;
static const struct listener_options proxied = {.proxied = true};
static const struct listener_options control = {.purpose = FOR_CONTROL};
static const struct listener_options metrics = {.purpose = FOR_METRICS};

static int
setup(void **state)
{
	(void)state;
	opened = closed = shut_down = 0;
	world_open(&world, &fake);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

/* The connection that was accepted last. */
static struct spoken *
latest(enum purpose purpose)
{
	return (struct spoken *)TAILQ_LAST(
	    &world.downstream->places[purpose].connections, connection_list);
}

/* Believe what the peer at 192.0.2.1 says of its clients. */
static void
trust_proxy(void)
{
	static const struct ip_range range = {
	    .address.s6_addr = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}, .prefix = 128};

	world.downstream->options.trusted = &range;
	world.downstream->options.trusted_count = 1;
}

static uint64_t
refused(enum connection_refusal reason)
{
	return counter_get(&world.stats->connections_refused[reason]);
}

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

/* Fill all places for jobs with connections of this load; the last answer was allowed. */
static void
fill(int clients[JOB_PLACES], struct connection_load load)
{
	char address[] = "192.0.2.1";

	for (size_t i = 0; i < JOB_PLACES; i++) {
		address[8] = (char)('1' + i);
		clients[i] = world_connect(&world, address, &plain);
		latest(FOR_JOBS)->load = load;
		connection_exchange_over(&latest(FOR_JOBS)->connection, true);
	}
}

/* Does a connection give way to another one after so many milliseconds? */
static bool
makes_room_after(uint64_t ms)
{
	world_pass(&world, ms);
	return downstream_make_room(world.downstream);
}

static void
close_all(const int clients[JOB_PLACES])
{
	for (size_t i = 0; i < JOB_PLACES; i++)
		close(clients[i]);
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
	    cmocka_unit_test_setup_teardown(
		a_walk_passes_each_once_and_none_that_has_closed, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_proxy_header_names_the_peer, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_peer_that_a_proxy_names_keeps_what_the_listener_is_for, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_proxy_that_names_no_peer_is_not_trusted, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_proxy_header_is_believed_of_trusted_peers_only, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_bad_or_late_proxy_header_closes, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_named_peer_beyond_its_quota_closes, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_drain_leaves_an_unfinished_handshake_alone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
