/* http1_watch_test.c - when the loop watches a client: not while only the job's answer is awaited.
 */
#include "http1_server_world.h"

#define LAST "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
#define HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"

static struct connection *
served(void)
{
	return world_first(&world, FOR_JOBS);
}

static bool
is_watched(void)
{
	return served()->conn.watched;
}

/* Another client, whose first bytes come together with its connection. */
static void
connect_with(const char *text)
{
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xC0000201)};
	int ends[2];

	close(client);
	world_turn(&world);
	world_turn(&world);
	assert_null(served());
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	client = ends[1];
	assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	downstream_accept(world.downstream, ends[0], (const struct sockaddr *)&peer,
	    &(struct listener_options){0});
}

static void
pass_ticks(unsigned ticks)
{
	world_pass(&world, ticks * loop_tick_ms(world.downstream->loop));
	world_turn(&world);
	world_turn(&world);
}

/* The gateway has ended its side, without a reset: a reset would have destroyed the answer. */
static bool
has_ended(void)
{
	char byte;

	return recv(client, &byte, 1, 0) == 0;
}

static void
a_client_that_is_awaited_is_watched(void **state)
{
	static const char *const beginnings[] = {"", "GET / HT",
	    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab",
	    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"};

	(void)state;
	assert_true(is_watched());
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		connect_with(beginnings[i]);
		running.takes = true;
		if (!is_watched())
			fail_msg("not watched after '%s'", beginnings[i]);
	}
}

static void
a_single_request_needs_no_watch(void **state)
{
	(void)state;
	connect_with(LAST);
	assert_int_equal(begun, 1);
	assert_false(is_watched());
	world_turn(&world);
	assert_false(is_watched());
	reply_with(200, "hi");
	assert_string_equal(received(), HI);
	assert_true(has_ended());
	assert_null(served());
}

static void
a_connection_that_stays_is_watched_after_its_answer(void **state)
{
	(void)state;
	connect_with("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_false(is_watched());
	reply_with(200, "hi");
	assert_true(is_watched());
	assert_string_equal(received(), OK_HI);
	serve = reply;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_string_equal(received(), OK_HI);
}

/* To close with unread bytes would be a reset, which destroys what the client has not read yet. */
static void
bytes_behind_the_last_request_do_not_destroy_its_answer(void **state)
{
	(void)state;
	connect_with(LAST);
	assert_false(is_watched());
	assert_int_equal(send(client, "GET / HTTP/1.1\r\n", 16, 0), 16);
	reply_with(200, "hi");
	assert_string_equal(received(), HI);
	assert_true(has_ended());
	assert_non_null(served()); /* it lingers until the client has closed, too */
	assert_true(is_watched());
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	world_turn(&world);
	world_turn(&world);
	assert_null(served());
}

static void
a_client_that_has_ended_its_side_gets_its_answer(void **state)
{
	(void)state;
	connect_with(LAST);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	reply_with(200, "hi");
	assert_string_equal(received(), HI);
	assert_true(has_ended());
	assert_null(served());
}

static void
a_client_that_waits_for_longer_is_watched(void **state)
{
	(void)state;
	connect_with(LAST);
	assert_false(is_watched());
	assert_int_equal(send(client, "x", 1, 0), 1);
	pass_ticks(2);
	assert_true(is_watched());
	assert_int_equal(failure, -1);
	reply_with(200, "hi");
	assert_string_equal(received(), HI);
}

static void
an_answer_in_pieces_does_not_put_the_look_off(void **state)
{
	uint64_t tick_ms = loop_tick_ms(world.downstream->loop);

	(void)state;
	connect_with(LAST);
	answer(200, CONTENT_LENGTH, 100);
	for (unsigned i = 0; i < 6; i++) {
		ops()->content(running.client, SLICE("a"));
		ops()->flush(running.client);
		world_pass(&world, tick_ms / 2);
	}
	assert_true(is_watched());
	close(client);
	client = -1;
	ops()->content(running.client, SLICE("a"));
	ops()->flush(running.client);
	world_turn(&world);
	world_turn(&world);
	assert_null(served());
	assert_int_equal(failure, CLIENT_CLOSED);
}

/* What the socket does not take has to wait for the client. */
static void
a_client_that_reads_slowly_is_watched(void **state)
{
	static char much[4 * 1024 * 1024];

	(void)state;
	connect_with(LAST);
	answer(200, CONTENT_LENGTH, sizeof(much));
	assert_false(is_watched());
	assert_true(
	    ops()->content(running.client, (struct slice){much, sizeof(much)}) < sizeof(much));
	assert_true(is_watched());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_client_that_is_awaited_is_watched),
	    TEST(a_single_request_needs_no_watch),
	    TEST(a_connection_that_stays_is_watched_after_its_answer),
	    TEST(bytes_behind_the_last_request_do_not_destroy_its_answer),
	    TEST(a_client_that_has_ended_its_side_gets_its_answer),
	    TEST(a_client_that_waits_for_longer_is_watched),
	    TEST(an_answer_in_pieces_does_not_put_the_look_off),
	    TEST(a_client_that_reads_slowly_is_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
