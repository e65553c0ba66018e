/* http1_answer_test.c - answers, tunnels and ends: the exact bytes that a client of HTTP/1 gets for
 * what the exchange says. */
#include "http1_server_world.h"

/* ---- the test's own ---- */

/* The server's connection. */
static struct connection *
served(void)
{
	return world_first(&world, FOR_JOBS);
}

/* ---- answers ---- */

static void
content_of_unknown_length_goes_in_chunks(void **state)
{
	(void)state;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	answer(200, CONTENT_UNKNOWN, 0);
	assert_int_equal(ops()->content(running.client, SLICE("abc")), 3);
	assert_true(ops()->waits(running.client));
	ops()->flush(running.client);
	assert_false(ops()->waits(running.client));
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

/* Answer in the middle of the turn in which the request came: the client has it before that ends.
 */
static void
reply_now(const struct request *request)
{
	char text[128];
	ssize_t n;

	(void)request;
	answer(200, CONTENT_LENGTH, 2);
	ops()->reply_content(running.client, SLICE("hi"));
	ops()->content_end(running.client, NULL);
	ops()->send_now(running.client);
	n = recv(client, text, sizeof(text), MSG_DONTWAIT);
	assert_int_equal(n, (ssize_t)strlen(OK_HI));
	assert_memory_equal(text, OK_HI, strlen(OK_HI));
	end(END_COMPLETE);
}

static void
an_answer_can_be_sent_in_the_middle_of_a_turn(void **state)
{
	(void)state;
	serve = reply_now;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(begun, 2);
	assert_string_equal(received(), "");
	assert_false(world_is_closed(client));
}

/* ---- tunnels ---- */

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

/* A client that is let in without a token has no identity. */
static void
a_public_job_proves_no_one(void **state)
{
	(void)state;
	send_text("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	running.allowed = running.is_public = true;
	answer(200, CONTENT_LENGTH, 0);
	end(END_COMPLETE);
	assert_false(served()->authenticated);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
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
	    TEST(an_answer_can_be_sent_in_the_middle_of_a_turn),
	    TEST(a_tunnel_carries_bytes_both_ways_and_ends_side_by_side),
	    TEST(a_silent_tunnel_is_read_once_more),
	    TEST(a_client_that_has_ended_its_side_gets_its_answer),
	    TEST(content_cut_off_by_the_client_fails_the_exchange),
	    TEST(a_drain_closes_idle_connections_and_announces_the_last_answer),
	    TEST(the_end_of_the_drain_time_cuts_what_runs),
	    TEST(its_load_tells_what_it_waits_for),
	    TEST(a_public_job_proves_no_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
