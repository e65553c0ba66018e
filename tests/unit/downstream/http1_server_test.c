/* http1_server_test.c - requests and their content: what the HTTP/1 server tells the exchange. */
#include "http1_server_world.h"

/* ---- requests ---- */

static void
pipelined_requests_are_answered_in_turn(void **state)
{
	(void)state;
	serve = reply;
	send_text("GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b?c HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_string_equal(received(), OK_HI OK_HI);
	assert_int_equal(begun, 2);
	assert_string_equal(running.target, "GET /b?c");
}

static void
a_pipelined_request_waits_for_the_answer_before_it(void **state)
{
	(void)state;
	send_text("GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(begun, 1);
	assert_string_equal(running.target, "GET /a");
	reply_with(200, "hi");
	world_turn(&world);
	assert_int_equal(begun, 2);
	assert_string_equal(running.target, "GET /b");
	reply_with(200, "hi");
	assert_string_equal(received(), OK_HI OK_HI);
}

static void
many_pipelined_requests_share_the_turns_with_others(void **state)
{
	enum { COUNT = 70 }; /* up to 32 when they come, and up to 32 at the end of each turn */

	(void)state;
	serve = reply;
	for (size_t i = 0; i < COUNT; i++)
		assert_true(send(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27, 0) == 27);
	world_turn(&world);
	assert_in_range(begun, 1, 64);
	world_turn(&world);
	assert_int_equal(begun, COUNT);
}

static void
a_head_may_come_in_pieces(void **state)
{
	(void)state;
	serve = reply;
	send_text("GET /a HT");
	send_text("TP/1.1\r\nHost");
	assert_int_equal(begun, 0);
	send_text(": h\r\n\r\n");
	assert_string_equal(received(), OK_HI);
}

static void
a_slow_head_is_refused(void **state)
{
	(void)state;
	send_text("GET / HTTP/1.1\r\n");
	world_pass(&world, HEAD_MS - 1000);
	send_text("Host: h\r\n"); /* does not buy time */
	assert_int_equal(rejected, 0);
	world_pass(&world, 1100);
	assert_int_equal(rejected, 408);
	assert_string_equal(received(),
	    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	assert_true(world_is_closed(client));
}

static void
an_idle_connection_closes_without_a_word(void **state)
{
	(void)state;
	serve = reply;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_string_equal(received(), OK_HI);
	world_pass(&world, KEEP_ALIVE_MS - 1000);
	assert_false(world_is_closed(client));
	world_pass(&world, 1100);
	assert_string_equal(received(), "");
	assert_true(world_is_closed(client));
}

/* A request that is refused ends the connection: what follows it may not be a request. */
static void
bad_heads_are_refused(void **state)
{
	static const struct {
		const char *text;
		unsigned status;
	} cases[] = {
	    {"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\n\r\n", 400},
	    {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
	    {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		400},
	    {"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\nHost: h\r\nExpect: more\r\n\r\n", 417},
	    {"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", 400},
	    {"GET /..%2fx HTTP/1.1\r\nHost: h\r\n\r\n", 400},
	};

	(void)state;
	serve = reply;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t before = begun;

		rejected = 0;
		send_text(cases[i].text);
		send_text("GET /behind HTTP/1.1\r\nHost: h\r\n\r\n");
		if (rejected != cases[i].status)
			fail_msg("%s: %u in place of %u", cases[i].text, rejected, cases[i].status);
		assert_int_equal(begun, before + 1);
		assert_non_null(strstr(received(), "\r\nConnection: close\r\n\r\n"));
		assert_true(world_is_closed(client));
		close(client);
		world_turn(&world);
		client = world_connect(&world, "192.0.2.1", &(struct listener_options){0});
	}
}

static void
heads_beyond_the_limits_are_refused(void **state)
{
	static char text[6000];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "GET /", 5);
	send_text(text);
	assert_int_equal(rejected, 414);
	close(client);
	world_turn(&world);
	client = world_connect(&world, "192.0.2.1", &(struct listener_options){0});
	memcpy(text, "GET / HTTP/1.1\r\nHost: h\r\nX: ", 28);
	send_text(text);
	assert_int_equal(rejected, 431);
}

static void
an_answer_may_be_the_last_one(void **state)
{
	struct response response = {.status = 405, .content = CONTENT_LENGTH, .no_reuse = true};

	(void)state;
	send_text("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n");
	ops()->answer(running.client, &response);
	ops()->content_end(running.client, NULL);
	end(END_COMPLETE);
	assert_string_equal(received(),
	    "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	assert_true(world_is_closed(client));
}

static void
a_redirect_is_sent_before_content_that_waits_for_100(void **state)
{
	(void)state;
	close(client);
	world_turn(&world);
	client = world_connect(&world, "192.0.2.1", &(struct listener_options){.redirect = true});
	serve = reply;
	send_text(
	    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	assert_string_equal(
	    received(), OK_HI); /* the connection stays, so the content has to come */
	send_text("hiGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_string_equal(received(), OK_HI);
	assert_string_equal(running.target, "GET /b");
}

/* ---- content of requests ---- */

static void
content_is_taken_as_far_as_the_exchange_takes_it(void **state)
{
	(void)state;
	send_text("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
	assert_string_equal(running.content, "");
	running.takes = true;
	running.take_max = 1;
	ops()->resume(running.client);
	assert_string_equal(running.content, "a");
	running.take_max = SIZE_MAX;
	send_text("cde");
	ops()->resume(running.client);
	assert_string_equal(running.content, "abcde");
	assert_true(running.ended);
	assert_true(running.flushes > 0);
}

static void
chunks_are_decoded_and_trailers_judged(void **state)
{
	(void)state;
	send_text("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
	running.takes = true;
	send_text("3\r\nabc\r\n2;x=y\r\nde\r\n");
	assert_string_equal(running.content, "abcde");
	assert_false(running.ended);
	send_text("0\r\nHost: x\r\nX-Sum: 1\r\n\r\n");
	assert_true(running.ended);
	assert_string_equal(running.trailer, "X-Sum");
}

static void
broken_chunks_fail_the_exchange(void **state)
{
	(void)state;
	send_text("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
	running.takes = true;
	send_text("3\r\nabcX");
	assert_int_equal(failure, CLIENT_BAD_CONTENT);
	assert_string_equal(received(),
	    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

static void
content_that_stops_coming_fails_the_exchange(void **state)
{
	(void)state;
	send_text("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
	world_pass(&world, BODY_MS + 200); /* the exchange takes none: not the client's fault */
	assert_int_equal(failure, -1);
	running.takes = true;
	ops()->resume(running.client);
	world_pass(&world, BODY_MS + 200);
	assert_int_equal(failure, CLIENT_BODY_TIMEOUT);
}

/* While the request is on its way to another backend, the client need not send: that takes nothing
 * from the time that it has. */
static void
time_without_a_backend_is_not_the_clients(void **state)
{
	(void)state;
	send_text("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n");
	running.takes = true;
	ops()->resume(running.client);
	world_pass(&world, 1000);
	ops()->pause(running.client);
	running.takes = false;
	world_pass(&world, BODY_MS - 500);
	running.takes = true;
	ops()->resume(running.client);
	world_pass(&world, BODY_MS - 2000);
	send_text("a");
	assert_int_equal(failure, -1);
	world_pass(&world, 500);
	assert_int_equal(failure, -1);
	world_pass(&world, 1000); /* it owes what it did not send before and after that */
	assert_int_equal(failure, CLIENT_BODY_TIMEOUT);
}

static void
a_client_that_expects_100_gets_it(void **state)
{
	struct response interim = {.status = 100};

	(void)state;
	send_text(
	    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	ops()->interim(running.client, &interim);
	ops()->flush(running.client);
	assert_string_equal(received(), "HTTP/1.1 100 Continue\r\n\r\n");
	running.takes = true;
	send_text("ab");
	assert_string_equal(running.content, "ab");
	reply_with(200, "hi");
	assert_string_equal(received(), OK_HI);
}

/* The loop tells of bytes and of a reset behind them only once, and then not that it was the end.
 */
static void
a_reset_behind_bytes_ends_the_lingering(void **state)
{
	(void)state;
	send_text("GET / HTTP/1.1\r\n\r\n");
	assert_int_equal(downstream_connections(world.downstream), 1);
	assert_int_equal(send(client, "late", 4, 0), 4);
	close(client); /* what it has not read makes it a reset */
	world_turn(&world);
	world_turn(&world);
	assert_int_equal(downstream_connections(world.downstream), 0);
	client = world_connect(&world, "192.0.2.1", &(struct listener_options){0});
}

/* Very many exchanges lose access at once: this one has not been told yet. */
static void
an_untold_exchange_ends_before_bytes_move(void **state)
{
	(void)state;
	send_text("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
	assert_true(is_running);
	running.takes = running.revoked = world.exchanges.untold = true;
	send_text("abc");
	assert_false(is_running);
	assert_string_equal(running.content, "");
}

static void
an_untold_exchange_ends_before_its_connection_is_shut_down(void **state)
{
	(void)state;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	running.revoked = true;
	connection_shutdown(world_first(&world, FOR_JOBS));
	assert_false(is_running);
	assert_null(world_first(&world, FOR_JOBS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(pipelined_requests_are_answered_in_turn),
	    TEST(a_pipelined_request_waits_for_the_answer_before_it),
	    TEST(many_pipelined_requests_share_the_turns_with_others),
	    TEST(a_head_may_come_in_pieces),
	    TEST(a_slow_head_is_refused),
	    TEST(an_idle_connection_closes_without_a_word),
	    TEST(bad_heads_are_refused),
	    TEST(heads_beyond_the_limits_are_refused),
	    TEST(an_answer_may_be_the_last_one),
	    TEST(a_redirect_is_sent_before_content_that_waits_for_100),
	    TEST(content_is_taken_as_far_as_the_exchange_takes_it),
	    TEST(chunks_are_decoded_and_trailers_judged),
	    TEST(broken_chunks_fail_the_exchange),
	    TEST(content_that_stops_coming_fails_the_exchange),
	    TEST(time_without_a_backend_is_not_the_clients),
	    TEST(a_client_that_expects_100_gets_it),
	    TEST(a_reset_behind_bytes_ends_the_lingering),
	    TEST(an_untold_exchange_ends_before_bytes_move),
	    TEST(an_untold_exchange_ends_before_its_connection_is_shut_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
