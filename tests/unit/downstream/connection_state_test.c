/*
 * connection_state_test.c - the states of a client connection: which transitions are allowed, and
 * in which list it is in each state.
 */
#include "check_catch.h"
#include "connection_world.h"
#include "downstream/connection_state.h"

static struct world world;
static const struct connection_protocol none = {.size = sizeof(struct connection)};

static const unsigned steps[][2] = {
    {CONNECTION_PROXY_HEADER, CONNECTION_TLS_HANDSHAKE},
    {CONNECTION_PROXY_HEADER, CONNECTION_OPEN},
    {CONNECTION_PROXY_HEADER, CONNECTION_CLOSED},
    {CONNECTION_TLS_HANDSHAKE, CONNECTION_OPEN},
    {CONNECTION_TLS_HANDSHAKE, CONNECTION_CLOSED},
    {CONNECTION_OPEN, CONNECTION_CLOSED},
};

static void
on_dump(const struct connection *connection, struct dump *dump)
{
	(void)connection;
	jg_dump_word(dump, "protocol", "none");
}

static int
setup(void **state)
{
	static struct connection_protocol protocol;

	(void)state;
	protocol = none;
	protocol.dump = on_dump;
	world_open(&world, &protocol);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

/* The list in which a connection of this state is to be; NULL: none. */
static struct connection_list *
expected_list(enum connection_state state)
{
	struct places *places = &world.downstream->places[FOR_JOBS];

	if (state == CONNECTION_CLOSED)
		return NULL;
	return state == CONNECTION_TLS_HANDSHAKE ? &places->handshaking : &places->connections;
}

static bool
is_in(const struct connection_list *list, const struct connection *connection)
{
	const struct connection *at;

	TAILQ_FOREACH(at, list, link)
	if (at == connection)
		return true;
	return false;
}

/* Whether it is in the list of its state, in no other one, and counted unless it is closed. */
static void
assert_listed(const struct connection *connection)
{
	struct places *places = &world.downstream->places[FOR_JOBS];
	const struct connection_list *list = expected_list(connection->state);

	assert_int_equal(is_in(&places->connections, connection), list == &places->connections);
	assert_int_equal(is_in(&places->handshaking, connection), list == &places->handshaking);
	assert_int_equal(places->count, list != NULL);
	assert_int_equal(counter_get(&world.stats->connections), list != NULL);
}

/* A connection that is in this state and in its list. */
static void
put(struct connection *connection, enum connection_state state)
{
	*connection = (struct connection){.downstream = world.downstream, .state = state};
	world.downstream->places[FOR_JOBS].count = 1;
	counter_set(&world.stats->connections, 1);
	if (expected_list(state) != NULL)
		TAILQ_INSERT_TAIL(expected_list(state), connection, link);
}

static void
take_away(struct connection *connection)
{
	if (expected_list(connection->state) != NULL)
		TAILQ_REMOVE(expected_list(connection->state), connection, link);
	world.downstream->places[FOR_JOBS].count = 0;
}

static void
it_goes_where_the_table_allows_and_to_that_list(void **unused)
{
	struct connection connection;

	(void)unused;
	for (unsigned from = 0; from <= CONNECTION_CLOSED; from++)
		for (unsigned to = 0; to <= CONNECTION_CLOSED; to++) {
			put(&connection, from);
			if (is_step(steps, sizeof(steps) / sizeof(steps[0]), from, to)) {
				client_connection_set_state(&connection, to);
				assert_int_equal(connection.state, to);
				assert_listed(&connection);
			} else {
				assert_check_fails(
				    client_connection_set_state(&connection, to), "state_allows");
				assert_int_equal(connection.state, from);
			}
			take_away(&connection);
		}
}

static void
what_waits_for_no_closed_connection(void **unused)
{
	struct connection connection;

	(void)unused;
	put(&connection, CONNECTION_CLOSED);
	assert_check_fails(connection_wait(&connection, 1000), "CONNECTION_CLOSED");
	take_away(&connection);
}

static void
a_dump_shows_the_peer_and_what_the_protocol_adds(void **unused)
{
	struct connection connection;
	struct dump dump;
	char text[DUMP_TEXT_MAX];

	(void)unused;
	put(&connection, CONNECTION_OPEN);
	connection.peer =
	    (struct exchange_peer){.address = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 7}};
	connection.conn.fd = 5;
	jg_dump_init(&dump, text, sizeof(text));
	client_connection_dump(&connection, &dump);
	assert_non_null(
	    strstr(text, "client_connection{state=open peer=\"192.0.2.7\" purpose=jobs"));
	assert_non_null(strstr(text, "conn{fd=5"));
	assert_non_null(strstr(text, "protocol=none"));
	assert_false(dump.cut);
	take_away(&connection);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		it_goes_where_the_table_allows_and_to_that_list, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_waits_for_no_closed_connection, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_dump_shows_the_peer_and_what_the_protocol_adds, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
