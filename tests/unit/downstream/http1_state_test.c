/*
 * http1_state_test.c - the states of an HTTP/1 server: which transitions are allowed, and what a
 * dump shows.
 */
#include "check_catch.h"
#include "connection_world.h"
#include "downstream/http1/server_state.h"
#include "fake_exchange.h"

static struct world world;
static struct http1_server server;

static const unsigned steps[][2] = {
    {HTTP1_HEAD, HTTP1_EXCHANGE},
    {HTTP1_HEAD, HTTP1_CLOSING},
    {HTTP1_HEAD, HTTP1_CLOSED},
    {HTTP1_EXCHANGE, HTTP1_HEAD},
    {HTTP1_EXCHANGE, HTTP1_SKIPPING},
    {HTTP1_EXCHANGE, HTTP1_CLOSING},
    {HTTP1_EXCHANGE, HTTP1_CLOSED},
    {HTTP1_SKIPPING, HTTP1_HEAD},
    {HTTP1_SKIPPING, HTTP1_CLOSING},
    {HTTP1_SKIPPING, HTTP1_CLOSED},
    {HTTP1_CLOSING, HTTP1_CLOSED},
};

static int
setup(void **state)
{
	(void)state;
	fake_exchange_reset();
	world_open(&world, &http1_server_protocol);
	server = (struct http1_server){
	    .connection = {.downstream = world.downstream, .state = CONNECTION_OPEN}};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

static void
set_state(enum http1_state to)
{
	server.exchange = to == HTTP1_EXCHANGE ? &running : NULL;
	http1_server_set_state(&server, to);
}

static void
it_goes_where_the_table_allows(void **state)
{
	(void)state;
	TRY_STATES(steps, HTTP1_CLOSED, server.state, set_state(to));
}

static void
an_exchange_is_there_in_its_state_and_in_no_other(void **state)
{
	(void)state;
	server.state = HTTP1_HEAD;
	server.exchange = NULL;
	assert_check_fails(http1_server_set_state(&server, HTTP1_EXCHANGE), "server->exchange");
	server.state = HTTP1_EXCHANGE;
	server.exchange = &running;
	assert_check_fails(http1_server_set_state(&server, HTTP1_HEAD), "server->exchange");
}

static void
a_dump_shows_numbers_of_bytes_and_no_bytes(void **state)
{
	struct dump dump;
	char text[DUMP_TEXT_MAX];

	(void)state;
	server.receiver.buffers = world.downstream->buffers;
	server.receiver.in = buffer_take(world.downstream->buffers, 100);
	buffer_append(server.receiver.in, SLICE("Authorization: Bearer value"));
	server.sender.conn = &server.connection.conn;
	server.version = HTTP_1_1;
	server.keep_alive = true;
	jg_dump_init(&dump, text, sizeof(text));
	http1_server_dump(&server, &dump);
	assert_non_null(strstr(text, "http1_server{state=head minor=1 in=27 out=0"));
	assert_non_null(strstr(text, " keep_alive"));
	assert_null(strstr(text, "value"));
	assert_null(strstr(text, "Bearer"));
	buffer_give(world.downstream->buffers, server.receiver.in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(it_goes_where_the_table_allows, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		an_exchange_is_there_in_its_state_and_in_no_other, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_dump_shows_numbers_of_bytes_and_no_bytes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
