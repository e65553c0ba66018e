/* http1_client_test.c - requests, answers and tunnels on a backend connection that speaks HTTP/1.
 */
#include "http1_client_world.h"

/* ---- what it sends ---- */

static void
heads_in_wire_form(void **state)
{
	struct request request = request_of("POST", METHOD_POST);

	(void)state;
	request.content = CONTENT_LENGTH;
	request.length = 3;
	request.expect_continue = request.takes_trailers = true;
	open_client(&request, "A: 1\r\nB: 2\r\n", false);
	expect_wire("POST /p?q HTTP/1.1\r\nHost: job\r\nA: 1\r\nB: 2\r\nTE: trailers\r\n"
		    "Connection: TE\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	assert_int_equal(user.upstream->ops->content(user.upstream, SLICE("abc")), 3);
	user.upstream->ops->content_end(user.upstream, NULL);
	user.upstream->ops->flush(user.upstream);
	expect_wire("abc");
	assert_false(user.upstream->ops->pending(user.upstream));
}

static void
content_in_chunks(void **state)
{
	struct field items[] = {{.name = SLICE("T"), .value = SLICE("1")},
	    {.name = SLICE("Gone"), .value = SLICE("1"), .dropped = true}};
	const struct fields trailers = {items, 2};
	struct request request = request_of("PUT", METHOD_PUT);

	(void)state;
	request.content = CONTENT_UNKNOWN;
	open_client(&request, "", false);
	user.upstream->ops->content(user.upstream, SLICE("abc"));
	user.upstream->ops->content_end(user.upstream, &trailers);
	user.upstream->ops->flush(user.upstream);
	expect_wire("PUT /p?q HTTP/1.1\r\nHost: job\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "3\r\nabc\r\n0\r\nT: 1\r\n\r\n");
	/* Some servers add trailers to the next request: there is none. */
	answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(user.ends, 1);
	assert_int_equal(backend->idle_count, 0);
}

static void
upgrades_are_asked_for(void **state)
{
	struct request request = request_of("GET", METHOD_GET);

	(void)state;
	request.upgrade = SLICE("websocket");
	request.takes_trailers = true; /* one Connection field, which is the upgrade's */
	open_client(&request, "", false);
	expect_wire("GET /p?q HTTP/1.1\r\nHost: job\r\nConnection: Upgrade\r\n"
		    "Upgrade: websocket\r\n\r\n");
}

static void
what_the_backend_does_not_read_is_not_taken(void **state)
{
	static char block[65536];
	struct request request = request_of("PUT", METHOD_PUT);
	const struct slice data = {block, sizeof(block)};
	size_t sent = 0, got = 0, taken;
	ssize_t n;

	(void)state;
	request.content = CONTENT_LENGTH;
	request.length = UINT32_MAX;
	open_client(&request, "", false);
	while ((taken = user.upstream->ops->content(user.upstream, data)) > 0)
		sent += taken;
	assert_int_equal(user.writable, 0);
	while ((n = read(peer, block, sizeof(block))) > 0)
		got += (size_t)n;
	TURN_UNTIL(&world, user.writable > 0);
	assert_true(got <= sent + 256);
	assert_true(user.upstream->ops->content(user.upstream, data) > 0);
}

/* ---- what comes back ---- */

static void
an_answer_with_a_length(void **state)
{
	(void)state;
	open_and_get();
	answer("HTTP/1.1 200 OK\r\nA: 1\r\nConnection: B\r\nB: 2\r\nContent-Length: 3\r\n\r\nab");
	assert_int_equal(user.status, 200);
	assert_int_equal(user.content, CONTENT_LENGTH);
	assert_int_equal(user.length, 3);
	assert_string_equal(user.fields, "A: 1\n");
	assert_int_equal(user.ends, 0);
	BODY("ab");
	assert_true(user.flushes > 0);
	answer("c");
	BODY("abc");
	assert_int_equal(user.ends, 1);
}

static void
interim_answers(void **state)
{
	(void)state;
	open_and_get();
	answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
	       "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n");
	assert_int_equal(user.interims, 2);
	assert_int_equal(user.interim_status, 103);
	assert_int_equal(user.heads, 0);
	answer("HTTP/1.1 204 No Content\r\n\r\n");
	assert_int_equal(user.status, 204);
	assert_int_equal(user.content, CONTENT_NONE);
	assert_int_equal(user.ends, 1);
}

static void
too_many_interim_answers(void **state)
{
	(void)state;
	open_and_get();
	for (int i = 0; i < 64; i++)
		answer("HTTP/1.1 102 Processing\r\n\r\n");
	assert_int_equal(user.failed, 0);
	answer("HTTP/1.1 102 Processing\r\n\r\n");
	assert_int_equal(user.failed, 1);
	assert_int_equal(user.failure, UPSTREAM_BAD_ANSWER);
	assert_int_equal(user.repeat, REPEAT_NOT);
}

static void
chunks_and_trailers(void **state)
{
	(void)state;
	open_and_get();
	answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc");
	assert_int_equal(user.content, CONTENT_UNKNOWN);
	BODY("abc");
	answer("\r\n0\r\nT: 1\r\nContent-Length: 5\r\n\r\n");
	assert_int_equal(user.ends, 1);
	assert_string_equal(user.trailers, "T: 1\n");
	assert_int_equal(backend->idle_count, 1);
}

static void
an_answer_to_the_end_of_the_stream(void **state)
{
	(void)state;
	open_and_get();
	answer("HTTP/1.1 200 OK\r\n\r\nabc");
	assert_int_equal(user.content, CONTENT_UNKNOWN);
	assert_int_equal(user.ends, 0);
	end_peer();
	BODY("abc");
	assert_int_equal(user.ends, 1);
	assert_int_equal(backend->idle_count, 0);
}

/* Each of these breaks the rules, and no part of it reaches the client. */
static void
bad_answers(void **state)
{
	static const char *const bad[] = {"HTTP/2 200 OK\r\n\r\n", "nonsense\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nA : 1\r\n\r\n",
	    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
	    "Upgrade: websocket\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		open_and_get();
		answer(bad[i]);
		assert_int_equal(user.heads, 0);
		assert_int_equal(user.failed, 1);
		assert_int_equal(user.failure, UPSTREAM_BAD_ANSWER);
		assert_int_equal(user.repeat, REPEAT_NOT);
		end_peer();
	}
}

static void
an_answer_that_is_cut(void **state)
{
	(void)state;
	open_and_get();
	answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
	BODY("abc");
	end_peer();
	assert_int_equal(user.ends, 0);
	assert_int_equal(user.failed, 1);
	assert_int_equal(user.failure, UPSTREAM_BROKEN);
	assert_int_equal(user.repeat, REPEAT_NOT);
}

static void
what_is_not_taken_is_pushed_again(void **state)
{
	(void)state;
	open_and_get();
	user.room = 2;
	answer("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef");
	BODY("ab");
	answer(""); /* turns of the loop alone bring no more */
	BODY("ab");
	user.room = 3;
	user.upstream->ops->pump(user.upstream);
	BODY("abcde");
	user.room = 1;
	user.upstream->ops->pump(user.upstream);
	BODY("abcdef");
	assert_int_equal(user.ends, 1);
}

static void
an_exchange_may_end_in_a_callback(void **state)
{
	(void)state;
	open_and_get();
	user.cancel_at_head = true;
	user.flushes = 0;
	answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
	assert_int_equal(user.heads, 1);
	assert_int_equal(user.body_len + user.ends + user.failed + user.flushes, 0);
	assert_int_equal(recv(peer, &(char){0}, 1, 0), 0); /* closed */
}

static void
end_exchange(void)
{
	if (user.upstream != NULL)
		user.upstream->ops->cancel(user.upstream);
	user.upstream = NULL;
}

/* What was revoked while the worker was stopped gets no byte more. */
static void
an_exchange_may_end_before_bytes_move(void **state)
{
	(void)state;
	open_and_get();
	world.on_catch_up = end_exchange;
	user.flushes = 0;
	answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
	assert_true(world.catch_ups > 0);
	assert_null(user.upstream);
	assert_int_equal(user.heads + user.body_len + user.ends + user.failed + user.flushes, 0);
	/* Closed, with the answer unread. */
	assert_int_equal(recv(peer, &(char){0}, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void
an_answer_before_the_request_has_ended(void **state)
{
	struct request request = request_of("POST", METHOD_POST);

	(void)state;
	request.content = CONTENT_LENGTH;
	request.length = 9;
	open_client(&request, "", false);
	user.release_at_end = false;
	answer("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(user.status, 413);
	assert_int_equal(user.ends, 1);
	user.upstream->ops->cancel(user.upstream);
	assert_int_equal(backend->idle_count, 0);
}

/* ---- tunnels ---- */

static void
a_tunnel_ends_at_both_sides(void **state)
{
	(void)state;
	open_tunnel();
	user.upstream->ops->content(user.upstream, SLICE("xyz"));
	user.upstream->ops->flush(user.upstream);
	expect_wire("xyz");
	user.upstream->ops->content_end(user.upstream, NULL);
	user.upstream->ops->flush(user.upstream);
	expect_wire(""); /* the end of our side */
	answer("c");
	BODY("abc");
	assert_int_equal(user.ends, 0);
	end_peer();
	assert_int_equal(user.ends, 1);
	assert_int_equal(user.failed, 0);
	user.upstream->ops->cancel(user.upstream);
}

static void
another_protocol_than_was_asked_for(void **state)
{
	struct request request = request_of("GET", METHOD_GET);

	(void)state;
	request.upgrade = SLICE("websocket");
	open_client(&request, "", false);
	answer("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
	assert_int_equal(user.failure, UPSTREAM_BAD_ANSWER);
}

/* Very many exchanges lose access at once: this one has not been told yet. */
static void
an_untold_user_gets_no_bytes(void **state)
{
	(void)state;
	open_and_get();
	world.untold = user.revoked = true;
	user.flushes = 0;
	answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
	assert_int_equal(user.checks, 1);
	assert_null(user.upstream);
	assert_int_equal(user.heads + user.body_len + user.ends + user.failed + user.flushes, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(heads_in_wire_form),
	    TEST(content_in_chunks),
	    TEST(upgrades_are_asked_for),
	    TEST(what_the_backend_does_not_read_is_not_taken),
	    TEST(an_answer_with_a_length),
	    TEST(interim_answers),
	    TEST(too_many_interim_answers),
	    TEST(chunks_and_trailers),
	    TEST(an_answer_to_the_end_of_the_stream),
	    TEST(bad_answers),
	    TEST(an_answer_that_is_cut),
	    TEST(what_is_not_taken_is_pushed_again),
	    TEST(an_exchange_may_end_in_a_callback),
	    TEST(an_exchange_may_end_before_bytes_move),
	    TEST(an_answer_before_the_request_has_ended),
	    TEST(a_tunnel_ends_at_both_sides),
	    TEST(another_protocol_than_was_asked_for),
	    TEST(an_untold_user_gets_no_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
