/* relay_test.c - what an exchange does when its answer completes, and when one of its ends fails.
 */
#include "relay_world.h"

/* ---- answer complete ---- */

static void
a_complete_answer_gives_the_connection_back(void **state)
{
	(void)state;
	send_get();
	answer(CONTENT_LENGTH);
	push("abc");
	TELL(content_end, NULL);
	assert_memory_equal(world.client.body, "abc", 3);
	assert_int_equal(world.client.content_ends, 1);
	ASSERT_ENDED(END_COMPLETE, 200, released);
}

/* The backend must not take the rest of one request for the next one. */
static void
an_answer_before_the_end_of_the_request_does_not(void **state)
{
	(void)state;
	send_post(10);
	assert_int_equal(exchange_content(world.exchange, SLICE("abc")), 3);
	answer(CONTENT_LENGTH);
	TELL(content_end, NULL);
	ASSERT_ENDED(END_COMPLETE, 200, cancelled);
}

static void
content_goes_as_far_as_it_is_taken(void **state)
{
	(void)state;
	send_post(6);
	upstream()->room = 4;
	assert_int_equal(exchange_content(world.exchange, SLICE("abcdef")), 4);
	upstream()->room = 10;
	TELL(writable);
	assert_int_equal(world.client.resumes, 2);
	assert_int_equal(exchange_content(world.exchange, SLICE("ef")), 2);
	exchange_content_end(world.exchange, NULL);
	assert_memory_equal(upstream()->body, "abcdef", 6);
	assert_int_equal(upstream()->ends, 1);
	answer(CONTENT_LENGTH);
	world.client.room = 2;
	assert_int_equal(TELL(content, SLICE("xyz")), 2);
	exchange_client_ready(world.exchange);
	assert_int_equal(upstream()->pumps, 1);
	world.client.room = 10;
	push("z");
	TELL(content_end, NULL);
	assert_memory_equal(world.client.body, "xyz", 3);
	ASSERT_ENDED(END_COMPLETE, 200, released);
}

static void
a_tunnel_ends_when_both_sides_have(void **state)
{
	(void)state;
	open_tunnel("other");
	assert_int_equal(exchange_content(world.exchange, SLICE("in")), 2);
	push("out");
	exchange_content_end(world.exchange, NULL);
	assert_int_equal(world.client.ends, 0);
	upstream()->pending = true;
	TELL(content_end, NULL);
	assert_int_equal(world.client.ends, 0); /* the backend has not got all of it */
	upstream()->pending = false;
	TELL(writable);
	ASSERT_ENDED(END_COMPLETE, 101, cancelled);
}

/* ---- backend gone ---- */

static void
a_backend_that_fails_before_its_answer_gets_a_reply_of_ours(void **state)
{
	static const struct {
		enum upstream_failure failure;
		unsigned status;
	} cases[] = {
	    {UPSTREAM_NO_ADDRESS, 502},
	    {UPSTREAM_NOT_ALLOWED, 502},
	    {UPSTREAM_REFUSED, 502},
	    {UPSTREAM_CONNECT_FAILED, 502},
	    {UPSTREAM_CONNECT_TIMEOUT, 504},
	    {UPSTREAM_NOT_VERIFIED, 502},
	    {UPSTREAM_CIRCUIT_OPEN, 503},
	    {UPSTREAM_NO_SOCKET, 503},
	    {UPSTREAM_BROKEN, 502},
	    {UPSTREAM_BAD_ANSWER, 502},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&fake_pool, 0, sizeof(fake_pool));
		fake_pool.to_make[0] = true;
		world_get(&world);
		world_turn(&world);
		TELL(failed, cases[i].failure, REPEAT_NOT);
		assert_int_equal(world.client.ends, 1);
		assert_int_equal(world.client.end, END_COMPLETE);
		assert_int_equal(world.client.status, cases[i].status);
		assert_int_equal(upstream()->released + upstream()->cancelled, 0);
		if (cases[i].failure == UPSTREAM_CIRCUIT_OPEN)
			assert_non_null(strstr(world.client.fields, "Retry-After: 7\n"));
		world_turn(&world);
	}
}

static void
a_backend_that_breaks_its_answer_off_cuts_it(void **state)
{
	(void)state;
	send_get();
	answer(CONTENT_LENGTH);
	push("abc");
	TELL(failed, UPSTREAM_BROKEN, REPEAT_NOT);
	assert_int_equal(world.client.end, END_CUT);
	assert_int_equal(world.client.answers, 1);
	assert_int_equal(world.client.content_ends, 0);
}

/* A head alone that has not left can be replaced. */
static void
an_answer_whose_head_has_not_left_is_taken_back(void **state)
{
	(void)state;
	send_get();
	answer(CONTENT_LENGTH);
	world.client.head_stays = true;
	TELL(failed, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
	assert_int_equal(world.client.end, END_COMPLETE);
	assert_int_equal(world.client.status, 502);
}

static void
a_request_is_repeated_once_for_each_reason(void **state)
{
	(void)state;
	send_get();
	assert_int_equal(fake_pool.choices[0], POOL_ANY);
	fake_pool.to_make[1] = true;
	TELL(failed, UPSTREAM_BROKEN, REPEAT_STALE);
	assert_int_equal(fake_pool.acquires, 2);
	assert_int_equal(fake_pool.choices[1], POOL_FRESH);
	TELL(connected, &upstream()->upstream);
	assert_string_equal(upstream()->head, fake_pool.given[0].head);
	assert_string_equal(upstream()->lines, fake_pool.given[0].lines);
	TELL(failed, UPSTREAM_BROKEN, REPEAT_STALE);
	assert_int_equal(fake_pool.acquires, 2);
	assert_int_equal(world.client.status, 502);
}

static void
a_request_whose_content_has_gone_is_not_repeated(void **state)
{
	(void)state;
	send_post(3);
	assert_int_equal(fake_pool.choices[0], POOL_CHECKED);
	assert_int_equal(exchange_content(world.exchange, SLICE("a")), 1);
	TELL(failed, UPSTREAM_BROKEN, REPEAT_STALE);
	assert_int_equal(fake_pool.acquires, 1);
	assert_int_equal(world.client.status, 502);
}

static void
a_silent_backend_is_given_up(void **state)
{
	(void)state;
	send_get();
	pass(FIRST_BYTE_MS - 500);
	assert_int_equal(world.client.ends, 0);
	pass(1000);
	ASSERT_ENDED(END_COMPLETE, 504, cancelled);
}

static void
an_answer_that_stops_coming_is_cut(void **state)
{
	(void)state;
	send_get();
	answer(CONTENT_UNKNOWN);
	push("abc");
	pass(ANSWER_MS + 500);
	ASSERT_ENDED(END_CUT, 200, cancelled);
}

static void
a_client_that_stops_reading_is_abandoned(void **state)
{
	(void)state;
	send_get();
	answer(CONTENT_UNKNOWN);
	world.client.room = 0;
	assert_int_equal(TELL(content, SLICE("abc")), 0);
	world.client.read = 1; /* it reads slowly: its time starts again */
	pass(ANSWER_MS + 500);
	assert_int_equal(world.client.ends, 0);
	pass(ANSWER_MS + 500);
	ASSERT_ENDED(END_ABANDONED, 200, cancelled);
}

static void
a_silent_tunnel_is_cut(void **state)
{
	(void)state;
	world.context->options.timeouts.tunnel = 20000;
	open_tunnel("other");
	pass(19000);
	assert_int_equal(world.client.ends, 0);
	pass(2000);
	ASSERT_ENDED(END_CUT, 101, cancelled);
}

static void
a_silent_tunnel_whose_client_does_not_read_is_abandoned(void **state)
{
	(void)state;
	world.context->options.timeouts.tunnel = 20000;
	open_tunnel("other");
	world.client.room = 0;
	assert_int_equal(TELL(content, SLICE("abc")), 0);
	pass(21000);
	ASSERT_ENDED(END_ABANDONED, 101, cancelled);
}

/* ---- client gone ---- */

static void
a_client_that_has_gone_ends_the_request(void **state)
{
	(void)state;
	send_get();
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	assert_int_equal(world.client.answers, 0);
	ASSERT_ENDED(END_ABANDONED, 0, cancelled);
}

static void
a_client_with_bad_content_is_told(void **state)
{
	(void)state;
	send_post(10);
	exchange_client_failed(world.exchange, CLIENT_BAD_CONTENT);
	ASSERT_ENDED(END_COMPLETE, 400, cancelled);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_complete_answer_gives_the_connection_back),
	    TEST(an_answer_before_the_end_of_the_request_does_not),
	    TEST(content_goes_as_far_as_it_is_taken),
	    TEST(a_tunnel_ends_when_both_sides_have),
	    TEST(a_backend_that_fails_before_its_answer_gets_a_reply_of_ours),
	    TEST(a_backend_that_breaks_its_answer_off_cuts_it),
	    TEST(an_answer_whose_head_has_not_left_is_taken_back),
	    TEST(a_request_is_repeated_once_for_each_reason),
	    TEST(a_request_whose_content_has_gone_is_not_repeated),
	    TEST(a_silent_backend_is_given_up),
	    TEST(an_answer_that_stops_coming_is_cut),
	    TEST(a_client_that_stops_reading_is_abandoned),
	    TEST(a_silent_tunnel_is_cut),
	    TEST(a_silent_tunnel_whose_client_does_not_read_is_abandoned),
	    TEST(a_client_that_has_gone_ends_the_request),
	    TEST(a_client_with_bad_content_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
