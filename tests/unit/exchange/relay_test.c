/* relay_test.c - an allowed request between a fake client and a fake backend: the rows of the table
 * in jobgate/exchange.h, and what the backend's end learns in each of them. */
#include "exchange_world.h"

static struct world world;

static int
setup(void **state)
{
	(void)state;
	world_open(&world);
	world_know(&world);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

/* The backend's end of the last pool_acquire. */
static struct fake_upstream *
upstream(void)
{
	assert_true(fake_pool.acquires > 0);
	return &fake_pool.given[fake_pool.acquires - 1];
}

static const struct upstream_user_ops *
user_ops(void)
{
	return upstream()->upstream.user->ops;
}

#define TELL(what, ...) user_ops()->what(upstream()->upstream.user, ##__VA_ARGS__)

/* A request has gone to the backend. */
static void
send_get(void)
{
	world_get(&world);
	world_turn(&world);
	assert_int_equal(upstream()->begun, 1);
}

static void
send_post(uint64_t length)
{
	const struct question question = {
	    "POST", JOB ".jobs.test", "/path", NULL, world.bearer, CONTENT_LENGTH, length};

	world_ask(&world, &question);
	world_turn(&world);
	assert_int_equal(upstream()->begun, 1);
	assert_int_equal(world.client.resumes, 1);
}

/* The backend answers 200. */
static void
answer(enum content content)
{
	static struct field items[HEAD_FIELDS_MAX];
	struct response response = {.status = 200, .fields = {items, 0}, .content = content};

	TELL(head, &response);
	assert_int_equal(world.client.status, 200);
	assert_non_null(strstr(world.client.fields, "Via: 1.1 jobgate\n"));
}

static void
open_tunnel(const char *protocol)
{
	static struct field items[HEAD_FIELDS_MAX];
	struct response response = {.status = 101, .fields = {items, 0}, .tunnel = true};
	const struct question question = {
	    "GET", JOB ".jobs.test", "/path", NULL, world.bearer, CONTENT_NONE, 0, protocol};

	world_ask(&world, &question);
	world_turn(&world);
	assert_non_null(strstr(upstream()->head, protocol));
	TELL(head, &response);
	assert_true(world.client.tunnel && exchange_is_tunnel(world.exchange));
}

/* Let time pass, in which the store is seen to work. */
static void
pass(uint64_t ms)
{
	uint64_t until_ms = world_now(&world) + ms, now_ms;

	while ((now_ms = world_now(&world)) < until_ms) {
		uint64_t step = until_ms - now_ms;

		if (step > STALENESS / 2)
			step = STALENESS / 2;
		jg_directory_good(world.store.directory, now_ms + step);
		world_pass(&world, step);
	}
}

static void
push(const char *data)
{
	assert_int_equal(TELL(content, slice_of(data)), strlen(data));
}

/* It has ended in this way, after a head of this status; and so the upstream was dealt with. */
#define ASSERT_ENDED(how, with_status, upstream_was)                  \
	do {                                                          \
		assert_int_equal(world.client.ends, 1);               \
		assert_int_equal(world.client.end, (how));            \
		assert_int_equal(world.client.status, (with_status)); \
		assert_int_equal(upstream()->upstream_was, 1);        \
		world_turn(&world);                                   \
		assert_int_equal(fake_pool.entered, 0);               \
	} while (0)

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
a_silent_tunnel_is_abandoned(void **state)
{
	(void)state;
	world.context->options.timeouts.tunnel = 20000;
	open_tunnel("other");
	pass(19000);
	assert_int_equal(world.client.ends, 0);
	pass(2000);
	ASSERT_ENDED(END_ABANDONED, 101, cancelled);
}

/* ---- revoked ---- */

/* The store tells that the token has been deleted. */
static void
delete_token(void)
{
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, NULL);
}

static void
access_revoked_before_the_answer_is_refused(void **state)
{
	(void)state;
	send_get();
	delete_token();
	ASSERT_ENDED(END_COMPLETE, 401, cancelled);
}

/* Between the verdict and the end of the turn, when the request sets out. */
static void
access_revoked_before_the_request_has_left_keeps_it(void **state)
{
	(void)state;
	world_get(&world);
	delete_token();
	world_turn(&world);
	assert_int_equal(world.client.status, 401);
	assert_int_equal(fake_pool.acquires, 0);
}

static void
access_revoked_while_a_connection_is_made_keeps_the_request(void **state)
{
	(void)state;
	fake_pool.to_make[0] = true;
	world_get(&world);
	world_turn(&world);
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, NULL);
	assert_int_equal(upstream()->begun, 0);
	ASSERT_ENDED(END_COMPLETE, 404, cancelled);
}

/* Another job may have its old address by the time that the connection is up. */
static void
a_job_that_moves_while_a_connection_is_made_keeps_the_request(void **state)
{
	(void)state;
	fake_pool.to_make[0] = true;
	world_get(&world);
	world_turn(&world);
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, job_record(9000, NULL));
	assert_int_equal(upstream()->begun, 0);
	assert_non_null(strstr(world.client.fields, "Retry-After: 1\n"));
	ASSERT_ENDED(END_COMPLETE, 503, cancelled);
}

static void
a_job_that_moves_while_its_answer_is_awaited_is_not_sent_the_request_again(void **state)
{
	(void)state;
	send_get();
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, job_record(9000, NULL));
	assert_int_equal(world.client.ends, 0);
	TELL(failed, UPSTREAM_BROKEN, REPEAT_STALE);
	assert_int_equal(fake_pool.acquires, 1);
	assert_int_equal(world.client.status, 502);
}

/* Written again as it was, or with other labels. */
static void
a_job_that_stays_where_it_is_gets_the_request(void **state)
{
	(void)state;
	fake_pool.to_make[0] = true;
	world_get(&world);
	world_turn(&world);
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	assert_int_equal(world.client.ends, 0);
	TELL(connected, &upstream()->upstream);
	assert_int_equal(upstream()->begun, 1);
}

static void
access_revoked_in_an_answer_ends_it_at_once(void **state)
{
	(void)state;
	send_get();
	answer(CONTENT_UNKNOWN);
	push("abc");
	delete_token();
	assert_int_equal(world.client.content_ends, 0);
	ASSERT_ENDED(END_REVOKED, 200, cancelled);
}

static void
a_change_that_revokes_nothing_ends_nothing(void **state)
{
	(void)state;
	send_get();
	answer(CONTENT_UNKNOWN);
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, job_record(9000, NULL));
	assert_int_equal(world.client.ends, 0);
	push("abc");
	TELL(content_end, NULL);
	ASSERT_ENDED(END_COMPLETE, 200, released);
}

/* A close frame (RFC 6455 section 5.5.1) with this code stands at the end of what was sent. */
static bool
is_closed_with(unsigned code)
{
	const unsigned char *body = (const unsigned char *)world.client.body;

	for (size_t i = 0; i + 4 <= world.client.body_len; i++)
		if (body[i] == 0x88 && (unsigned)(body[i + 2] << 8 | body[i + 3]) == code)
			return true;
	return false;
}

static void
a_websocket_is_told_between_frames(void **state)
{
	(void)state;
	open_tunnel("websocket");
	push("\x81\x02hi");
	delete_token();
	assert_true(is_closed_with(1008));
	ASSERT_ENDED(END_COMPLETE, 101, cancelled);
}

static void
a_websocket_is_cut_within_a_frame(void **state)
{
	(void)state;
	open_tunnel("websocket");
	push("\x81\x05hi");
	delete_token();
	assert_false(is_closed_with(1008));
	ASSERT_ENDED(END_REVOKED, 101, cancelled);
}

static void
another_tunnel_is_cut(void **state)
{
	(void)state;
	open_tunnel("other");
	delete_token();
	assert_int_equal(world.client.body_len, 0);
	ASSERT_ENDED(END_REVOKED, 101, cancelled);
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

/* ---- drain time over ---- */

static void
an_answer_is_cut_when_the_drain_time_is_over(void **state)
{
	(void)state;
	send_get();
	answer(CONTENT_UNKNOWN);
	push("abc");
	exchange_shutdown(world.exchange);
	ASSERT_ENDED(END_CUT, 200, cancelled);
}

static void
a_websocket_is_told_that_the_gateway_stops(void **state)
{
	(void)state;
	open_tunnel("websocket");
	exchange_shutdown(world.exchange);
	assert_true(is_closed_with(1001));
	ASSERT_ENDED(END_COMPLETE, 101, cancelled);
}

static void
a_request_that_no_backend_has_seen_is_unprocessed(void **state)
{
	(void)state;
	fake_pool.to_make[0] = true;
	world_get(&world);
	world_turn(&world);
	exchange_shutdown(world.exchange);
	ASSERT_ENDED(END_UNPROCESSED, 0, cancelled);
}

static void
a_request_that_a_backend_has_seen_is_cut(void **state)
{
	(void)state;
	send_get();
	exchange_shutdown(world.exchange);
	ASSERT_ENDED(END_CUT, 0, cancelled);
	/* Even if it was to be sent again. */
	memset(&fake_pool, 0, sizeof(fake_pool));
	fake_pool.to_make[1] = true;
	send_get();
	TELL(failed, UPSTREAM_BROKEN, REPEAT_STALE);
	exchange_shutdown(world.exchange);
	ASSERT_ENDED(END_CUT, 0, cancelled);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
	    TEST(a_silent_tunnel_is_abandoned),
	    TEST(access_revoked_before_the_answer_is_refused),
	    TEST(access_revoked_before_the_request_has_left_keeps_it),
	    TEST(access_revoked_while_a_connection_is_made_keeps_the_request),
	    TEST(a_job_that_moves_while_a_connection_is_made_keeps_the_request),
	    TEST(a_job_that_moves_while_its_answer_is_awaited_is_not_sent_the_request_again),
	    TEST(a_job_that_stays_where_it_is_gets_the_request),
	    TEST(access_revoked_in_an_answer_ends_it_at_once),
	    TEST(a_change_that_revokes_nothing_ends_nothing),
	    TEST(a_websocket_is_told_between_frames),
	    TEST(a_websocket_is_cut_within_a_frame),
	    TEST(another_tunnel_is_cut),
	    TEST(a_client_that_has_gone_ends_the_request),
	    TEST(a_client_with_bad_content_is_told),
	    TEST(an_answer_is_cut_when_the_drain_time_is_over),
	    TEST(a_websocket_is_told_that_the_gateway_stops),
	    TEST(a_request_that_no_backend_has_seen_is_unprocessed),
	    TEST(a_request_that_a_backend_has_seen_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
