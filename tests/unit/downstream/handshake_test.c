/*
 * handshake_test.c - TLS handshakes of client connections with a fake TLS: how many there may be,
 * how long each may take, how many steps each turn makes, and how each of them ends.
 */
#include "connection_world.h"
#include "net/tls.h"
#include "net/tls_server.h"

/* ---- in the place of tls.c and tls_server.c ---- */

struct tls {
	bool http2;
};

static enum io outcome; /* of the next steps */
static bool resumed, no_memory;
static size_t steps, sessions;

bool
tls_server_open(struct tls_server *server, struct conn *conn)
{
	(void)server;
	if (no_memory)
		return false;
	conn->tls = calloc(1, sizeof(*conn->tls));
	assert_non_null(conn->tls);
	sessions++;
	return true;
}

enum io
tls_handshake(struct tls *tls)
{
	(void)tls;
	steps++;
	return outcome;
}

bool
tls_is_http2(const struct tls *tls)
{
	return tls->http2;
}

bool
tls_is_resumed(const struct tls *tls)
{
	(void)tls;
	return resumed;
}

const char *
tls_error_text(const struct tls *tls)
{
	(void)tls;
	return "a reason";
}

void
tls_free(struct tls *tls)
{
	if (tls != NULL)
		sessions--;
	free(tls);
}

enum io
tls_read(struct tls *tls, char *into, size_t cap, size_t *n)
{
	(void)tls;
	(void)into;
	(void)cap;
	*n = 0;
	return IO_AGAIN;
}

enum io
tls_write(struct tls *tls, const struct iovec *pieces, int count, size_t *n)
{
	(void)tls;
	(void)pieces;
	(void)count;
	*n = 0;
	return IO_AGAIN;
}

size_t
tls_unsent_content(const struct tls *tls)
{
	(void)tls;
	return 0;
}

enum io
tls_flush(struct tls *tls)
{
	(void)tls;
	return IO_OK;
}

void
tls_end(struct tls *tls)
{
	(void)tls;
}

/* ---- a protocol that only counts ---- */

static size_t opened;

static void
on_opened(struct connection *connection, struct buffer *received)
{
	assert_null(received);
	assert_int_equal(connection->state, CONNECTION_OPEN);
	opened++;
}

static void
on_nothing(struct connection *connection)
{
	(void)connection;
}

static struct connection_load
on_load(const struct connection *connection)
{
	(void)connection;
	return (struct connection_load){0};
}

static const struct connection_protocol protocol = {
    .size = sizeof(struct connection),
    .opened = on_opened,
    .judge_if_changed = on_nothing,
    .ready = on_nothing,
    .work = on_nothing,
    .expired = on_nothing,
    .shutdown = on_nothing,
    .lost = on_nothing,
    .closed = on_nothing,
    .load = on_load,
};

/* ---- the test's own ---- */

#define HANDSHAKES 2

static struct world world;
static const struct listener_options over_tls = {.tls = true};

static struct places *
places(void)
{
	return &world.downstream->places[FOR_JOBS];
}

static int
setup(void **state)
{
	(void)state;
	outcome = IO_AGAIN;
	resumed = no_memory = false;
	steps = sessions = opened = 0;
	world_open(&world, &protocol);
	places()->max = 100;
	places()->handshakes_max = HANDSHAKES;
	return 0;
}

static int
teardown(void **state)
{
	struct connection *connection;

	(void)state;
	while ((connection = TAILQ_FIRST(&places()->handshaking)) != NULL)
		connection_shutdown(connection);
	world_close(&world);
	assert_int_equal(sessions, 0);
	return 0;
}

static int
connect_from(char last)
{
	char address[] = "192.0.2.1";

	address[8] = last;
	return world_connect(&world, address, &over_tls);
}

static uint64_t
counted(const counter *which)
{
	return counter_get(which);
}

static void
it_opens_once_it_is_complete(void **state)
{
	int client = connect_from('1');

	(void)state;
	assert_int_equal(places()->handshakes, 1);
	assert_int_equal(counted(&world.stats->handshakes), 1);
	assert_int_equal(opened, 0);
	assert_null(world_first(&world, FOR_JOBS));
	outcome = IO_OK;
	world_send(&world, client, "x");
	assert_int_equal(opened, 1);
	assert_int_equal(places()->handshakes, 0);
	assert_int_equal(places()->count, 1);
	assert_non_null(world_first(&world, FOR_JOBS));
	assert_true(world_first(&world, FOR_JOBS)->peer.tls);
	assert_int_equal(counted(&world.stats->handshakes), 0);
	assert_int_equal(counted(&world.stats->handshakes_full), 1);
	assert_int_equal(counted(&world.stats->handshakes_resumed), 0);
	close(client);
}

static void
a_resumed_one_is_counted_as_such(void **state)
{
	int client;

	(void)state;
	outcome = IO_OK;
	resumed = true;
	client = connect_from('1');
	assert_int_equal(opened, 1);
	assert_int_equal(counted(&world.stats->handshakes_resumed), 1);
	close(client);
}

static void
one_that_fails_closes(void **state)
{
	static const enum io failures[] = {IO_ERROR, IO_EOF};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int client;

		outcome = failures[i];
		client = connect_from('1');
		assert_true(world_is_closed(client));
		assert_int_equal(counted(&world.stats->handshakes_failed), i + 1);
		assert_int_equal(places()->handshakes, 0);
		assert_int_equal(places()->count, 0);
		close(client);
	}
	assert_int_equal(opened, 0);
}

static void
one_without_memory_closes(void **state)
{
	int client;

	(void)state;
	no_memory = true;
	client = connect_from('1');
	assert_true(world_is_closed(client));
	assert_int_equal(places()->handshakes, 0);
	assert_int_equal(steps, 0);
	close(client);
}

static void
one_that_takes_too_long_closes(void **state)
{
	int client = connect_from('1');

	(void)state;
	world_pass(&world, HEAD_MS - 1000);
	assert_false(world_is_closed(client));
	world_pass(&world, 1100);
	assert_true(world_is_closed(client));
	assert_int_equal(counted(&world.stats->handshakes_failed), 1);
	assert_int_equal(places()->handshakes, 0);
	close(client);
}

static void
the_oldest_gives_way_once_it_has_had_its_time(void **state)
{
	int clients[HANDSHAKES + 2];

	(void)state;
	for (size_t i = 0; i < HANDSHAKES + 1; i++)
		clients[i] = connect_from((char)('1' + i));
	assert_true(world_is_closed(clients[HANDSHAKES]));
	assert_int_equal(counted(&world.stats->connections_refused[CONNECTION_OVER_HANDSHAKES]), 1);
	world_pass(&world, 1100);
	clients[HANDSHAKES + 1] = connect_from('9');
	assert_true(world_is_closed(clients[0]));
	assert_false(world_is_closed(clients[1]));
	assert_false(world_is_closed(clients[HANDSHAKES + 1]));
	assert_int_equal(places()->handshakes, HANDSHAKES);
	assert_int_equal(counted(&world.stats->connections_evicted), 1);
	for (size_t i = 0; i < HANDSHAKES + 2; i++)
		close(clients[i]);
}

static void
an_address_has_its_own_limit(void **state)
{
	const struct quota_limits limits = {.handshakes = 1};
	int clients[3];

	(void)state;
	quotas_free(world.downstream->quotas);
	world.downstream->quotas = quotas_new(&limits, 100);
	assert_non_null(world.downstream->quotas);
	clients[0] = connect_from('1');
	clients[1] = connect_from('1');
	clients[2] = connect_from('2');
	assert_false(world_is_closed(clients[0]));
	assert_true(world_is_closed(clients[1]));
	assert_false(world_is_closed(clients[2]));
	assert_int_equal(
	    counted(&world.stats->connections_refused[CONNECTION_OVER_CLIENT_LIMIT]), 1);
	outcome = IO_OK;
	world_send(&world, clients[0], "x");
	outcome = IO_AGAIN;
	close(clients[1]);
	clients[1] = connect_from('1'); /* the first one has ended its handshake */
	assert_false(world_is_closed(clients[1]));
	for (size_t i = 0; i < 3; i++)
		close(clients[i]);
}

static void
a_turn_takes_a_few_steps_and_the_next_one_goes_on(void **state)
{
	enum { MANY = 20, TURN = 8 };
	struct sockaddr_in peer = {.sin_family = AF_INET};
	int ends[MANY][2];

	(void)state;
	places()->handshakes_max = MANY;
	outcome = IO_OK;
	world_turn(&world);
	for (size_t i = 0; i < MANY; i++) {
		peer.sin_addr.s_addr = htonl(0xc0000200u + (uint32_t)i);
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends[i]), 0);
		downstream_accept(
		    world.downstream, ends[i][0], (const struct sockaddr *)&peer, &over_tls);
	}
	assert_int_equal(steps, TURN);
	while (opened < MANY) {
		size_t before = steps;

		world_turn(&world);
		assert_in_range(steps - before, 0, TURN);
	}
	assert_int_equal(steps, MANY);
	for (size_t i = 0; i < MANY; i++)
		close(ends[i][1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(it_opens_once_it_is_complete, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_resumed_one_is_counted_as_such, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_that_fails_closes, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_without_memory_closes, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_that_takes_too_long_closes, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		the_oldest_gives_way_once_it_has_had_its_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_address_has_its_own_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_turn_takes_a_few_steps_and_the_next_one_goes_on, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
