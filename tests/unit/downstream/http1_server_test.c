/* http1_server_test.c - the HTTP/1 server between a client's bytes and a fake exchange: what the
 * exchange is told, and the exact bytes that the client gets for what the exchange says. */
#include "connection_world.h"
#include "downstream/http1/server.h"
#include "fake_exchange.h"

static struct world world;
static int client;

/* ---- the test's own ---- */

static int
setup(void **state)
{
	(void)state;
	fake_exchange_reset();
	world_open(&world, &http1_server_protocol);
	client = world_connect(&world, "192.0.2.1", &(struct listener_options){0});
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(client);
	world_turn(&world);
	world_close(&world);
	return 0;
}

/* All that has come for the client since the last call. */
static const char *
received(void)
{
	static char text[8192];
	size_t len = 0;
	ssize_t n;

	world_turn(&world);
	while ((n = recv(client, text + len, sizeof(text) - 1 - len, 0)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return text;
}

static void
send_text(const char *text)
{
	world_send(&world, client, text);
}

/* The server's connection. */
static struct connection *
served(void)
{
	return world_first(&world, FOR_JOBS);
}

#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

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
	struct response response = {.status = 405, .content = CONTENT_LENGTH, .last = true};

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

/* ---- answers ---- */

static void
content_of_unknown_length_goes_in_chunks(void **state)
{
	(void)state;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	answer(200, CONTENT_UNKNOWN, 0);
	assert_int_equal(ops()->content(running.client, SLICE("abc")), 3);
	ops()->flush(running.client);
	assert_string_equal(
	    received(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	ops()->content_end(running.client, NULL);
	end(END_COMPLETE);
	assert_string_equal(received(), "0\r\n\r\n");
	assert_false(world_is_closed(client));
}

static void
a_client_of_http_1_0_gets_neither_interim_answers_nor_chunks(void **state)
{
	struct response interim = {.status = 103};

	(void)state;
	send_text("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_int_equal(running.version, HTTP_1_0);
	ops()->interim(running.client, &interim);
	answer(200, CONTENT_UNKNOWN, 0);
	ops()->content(running.client, SLICE("abc"));
	ops()->content_end(running.client, NULL);
	end(END_COMPLETE);
	assert_string_equal(received(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
	assert_true(world_is_closed(client));
}

static void
an_answer_to_head_has_a_length_alone(void **state)
{
	struct response response = {.status = 200, .length = 7, .length_known = true};

	(void)state;
	send_text("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
	ops()->answer(running.client, &response);
	ops()->content_end(running.client, NULL);
	end(END_COMPLETE);
	assert_string_equal(received(), "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
	assert_false(world_is_closed(client));
}

static void
an_early_answer_keeps_the_connection_if_little_is_left(void **state)
{
	static const char rest[1000];

	(void)state;
	serve = reply;
	send_text("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
	assert_string_equal(received(), OK_HI);
	assert_int_equal(send(client, rest, sizeof(rest), 0), sizeof(rest));
	send_text("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_string_equal(received(), OK_HI);
	assert_string_equal(running.target, "GET /next");
}

static void
an_early_answer_closes_if_much_is_left(void **state)
{
	(void)state;
	serve = reply;
	send_text("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
	assert_string_equal(
	    received(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
	assert_true(world_is_closed(client)); /* its sending side */
	send_text("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(begun, 1);
	world_pass(&world, LINGER_MS + 200);
	assert_null(served());
}

static void
a_cut_answer_ends_without_its_end(void **state)
{
	(void)state;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	answer(200, CONTENT_UNKNOWN, 0);
	ops()->content(running.client, SLICE("abc"));
	end(END_CUT);
	assert_string_equal(
	    received(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	assert_true(world_is_closed(client));
}

static void
an_unprocessed_request_gets_a_close_alone(void **state)
{
	(void)state;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	end(END_UNPROCESSED);
	assert_string_equal(received(), "");
	assert_true(world_is_closed(client));
}

/* What waits to be sent is dropped, whether access was revoked or the client does not read. */
static void
a_revoked_answer_ends_at_once(void **state)
{
	(void)state;
	for (enum exchange_end how = END_REVOKED; how <= END_ABANDONED; how++) {
		send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
		answer(200, CONTENT_LENGTH, 3);
		ops()->content(running.client, SLICE("abc"));
		end(how);
		assert_null(served());
		assert_string_equal(received(), "");
		assert_true(world_is_closed(client));
		close(client);
		client = world_connect(&world, "192.0.2.1", &(struct listener_options){0});
	}
}

static void
an_answer_that_has_not_left_can_be_taken_back(void **state)
{
	(void)state;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	answer(200, CONTENT_LENGTH, 3);
	assert_true(ops()->take_back(running.client));
	answer(502, CONTENT_LENGTH, 0);
	ops()->flush(running.client);
	assert_string_equal(received(), "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
	assert_false(ops()->take_back(running.client));
}

static void
an_answer_of_426_names_what_can_become_a_tunnel(void **state)
{
	static const char *upgrades[] = {"websocket", "tcp", NULL};
	struct field named = {.name = SLICE("Upgrade"),
	    .value = SLICE("h2c, TCP"),
	    .id = FIELD_UPGRADE,
	    .dropped = true};
	struct response response = {.status = 426};

	(void)state;
	world.downstream->options.upgrades = upgrades;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	response.fields = (struct fields){&named, 1};
	ops()->answer(running.client, &response);
	end(END_COMPLETE);
	assert_string_equal(received(),
	    "HTTP/1.1 426 Upgrade Required\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n");
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	response.fields.count = 0;
	ops()->answer(running.client, &response);
	end(END_COMPLETE);
	assert_string_equal(received(),
	    "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nUpgrade: tcp\r\n"
	    "Connection: Upgrade\r\n\r\n");
}

/* ---- tunnels ---- */

static void
open_tunnel(void)
{
	struct response response = {.status = 101, .tunnel = true, .upgrade = SLICE("websocket")};

	send_text("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	ops()->answer(running.client, &response);
	running.tunnel = true;
	ops()->resume(running.client);
	ops()->flush(running.client);
	assert_string_equal(received(), "HTTP/1.1 101 Switching Protocols\r\nConnection: "
					"Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

static void
a_tunnel_carries_bytes_both_ways_and_ends_side_by_side(void **state)
{
	(void)state;
	open_tunnel();
	send_text("GET / HTTP/1.1\r\n\r\n"); /* any bytes */
	assert_string_equal(running.content, "GET / HTTP/1.1\r\n\r\n");
	assert_int_equal(ops()->content(running.client, SLICE("5\r\nabc")), 6);
	ops()->flush(running.client);
	assert_string_equal(received(), "5\r\nabc");
	ops()->content_end(running.client, NULL);
	assert_true(world_is_closed(client)); /* the backend's side */
	assert_false(running.ended);
	assert_true(is_running);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	world_turn(&world);
	assert_true(running.ended);
	end(END_COMPLETE);
	world_turn(&world);
	assert_null(served());
}

static void
a_silent_tunnel_is_read_once_more(void **state)
{
	(void)state;
	open_tunnel();
	send_text("abc");
	assert_true(served()->conn.read_short);
	world_pass(&world, 500);
	assert_true(served()->conn.read_short);
	world_pass(&world, 600);
	assert_false(served()->conn.read_short); /* the kernel was asked again */
	assert_false(served()->conn.readable);
	assert_true(is_running);
}

/* ---- ends ---- */

static void
a_client_that_has_ended_its_side_gets_its_answer(void **state)
{
	(void)state;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	world_turn(&world);
	assert_true(is_running);
	reply_with(200, "hi");
	assert_string_equal(received(), OK_HI);
	assert_true(world_is_closed(client));
}

static void
content_cut_off_by_the_client_fails_the_exchange(void **state)
{
	(void)state;
	send_text("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
	running.takes = true;
	ops()->resume(running.client);
	close(client);
	world_turn(&world);
	assert_int_equal(failure, CLIENT_CLOSED);
	assert_null(served());
	client = world_connect(&world, "192.0.2.1", &(struct listener_options){0});
}

static void
a_drain_closes_idle_connections_and_announces_the_last_answer(void **state)
{
	int idle = world_connect(&world, "192.0.2.2", &(struct listener_options){0});

	(void)state;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	connection_drain(TAILQ_NEXT(served(), link), true);
	assert_false(world_is_closed(idle));
	world.downstream->draining = true;
	connection_drain(TAILQ_NEXT(served(), link), false);
	connection_drain(served(), false);
	assert_true(world_is_closed(idle));
	reply_with(200, "hi");
	assert_string_equal(
	    received(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
	assert_true(world_is_closed(client));
	close(idle);
}

static void
the_end_of_the_drain_time_cuts_what_runs(void **state)
{
	(void)state;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	answer(200, CONTENT_LENGTH, 5);
	ops()->content(running.client, SLICE("abc"));
	connection_shutdown(served());
	assert_false(is_running);
	assert_string_equal(received(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
	assert_true(world_is_closed(client));
}

static void
its_load_tells_what_it_waits_for(void **state)
{
	struct connection_load load = http1_server_protocol.load(served());

	(void)state;
	assert_false(load.serves || load.awaits_content || load.unread);
	send_text("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
	running.takes = true;
	load = http1_server_protocol.load(served());
	assert_true(load.serves && load.awaits_content);
	assert_int_equal(load.age_ms, 5000);
	answer(200, CONTENT_LENGTH, 5);
	assert_true(http1_server_protocol.load(served()).unread);
	assert_false(served()->authenticated);
	running.allowed = true;
	end(END_COMPLETE);
	assert_true(served()->authenticated);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
	    TEST(a_client_that_expects_100_gets_it),
	    TEST(content_of_unknown_length_goes_in_chunks),
	    TEST(a_client_of_http_1_0_gets_neither_interim_answers_nor_chunks),
	    TEST(an_answer_to_head_has_a_length_alone),
	    TEST(an_early_answer_keeps_the_connection_if_little_is_left),
	    TEST(an_early_answer_closes_if_much_is_left),
	    TEST(a_cut_answer_ends_without_its_end),
	    TEST(an_unprocessed_request_gets_a_close_alone),
	    TEST(a_revoked_answer_ends_at_once),
	    TEST(an_answer_that_has_not_left_can_be_taken_back),
	    TEST(an_answer_of_426_names_what_can_become_a_tunnel),
	    TEST(a_tunnel_carries_bytes_both_ways_and_ends_side_by_side),
	    TEST(a_silent_tunnel_is_read_once_more),
	    TEST(a_client_that_has_ended_its_side_gets_its_answer),
	    TEST(content_cut_off_by_the_client_fails_the_exchange),
	    TEST(a_drain_closes_idle_connections_and_announces_the_last_answer),
	    TEST(the_end_of_the_drain_time_cuts_what_runs),
	    TEST(its_load_tells_what_it_waits_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
