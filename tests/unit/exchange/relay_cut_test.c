/* relay_cut_test.c - what an exchange does when access is revoked, when a tunnel is silent, and
 * when the drain time is over. */
#include "relay_world.h"

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
	world.client.limited = 5; /* the token was valid: its address has guessed nothing */
	delete_token();
	ASSERT_ENDED(END_COMPLETE, 401, cancelled);
	assert_int_equal(world.client.failures, 0);
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

/* The client is read again after its content has come, and the worker may be stopped there. */
static void
a_head_that_waits_for_content_does_not_leave_after_a_stop(void **state)
{
	(void)state;
	send_post(3);
	upstream()->unsent = true;
	assert_int_equal(exchange_content(world.exchange, SLICE("abc")), 3);
	exchange_content_end(world.exchange, NULL);
	upstream()->flushes = 0;
	ahead_ms += STALENESS;
	assert_true(exchange_content_flush(world.exchange));
	assert_int_equal(upstream()->flushes, 0);
	ASSERT_ENDED(END_COMPLETE, 503, cancelled);
}

static void
stop(void)
{
	ahead_ms += STALENESS;
}

/* The head of a WebSocket has a random key. */
static void
a_websocket_does_not_leave_after_a_stop_while_its_key_is_made(void **state)
{
	const struct question question = {.method = "GET",
	    .authority = JOB ".jobs.test",
	    .path = "/",
	    .fields = world.bearer,
	    .upgrade = "websocket"};

	(void)state;
	fake_upstream_begins = stop;
	world_ask(&world, &question);
	world_turn(&world);
	fake_upstream_begins = NULL;
	ASSERT_ENDED(END_COMPLETE, 503, cancelled);
	assert_int_equal(upstream()->flushes, 0);
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

/* The head waits for the backend's SETTINGS, or for a socket that takes nothing. */
static void
a_job_that_moves_before_the_head_has_left_does_not_get_it(void **state)
{
	(void)state;
	fake_pool.given[0].unsent = true;
	send_get();
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, job_record(9000, NULL));
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

static void
a_websocket_is_told_between_frames(void **state)
{
	(void)state;
	open_tunnel("websocket");
	push("\x81\x02hi");
	delete_token();
	assert_true(is_closed_with(1008));
	ASSERT_ENDED(END_TOLD, 101, cancelled);
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

/* What waits would be sent before the close frame, although access has been revoked. */
static void
a_websocket_is_not_told_behind_what_waits(void **state)
{
	(void)state;
	open_tunnel("websocket");
	push("\x81\x02hi");
	world.client.waits = true;
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

/* ---- silent for too long ---- */

/* The tunnel's time and a little more, in which the store is seen to work. */
static void
pass_silence(void)
{
	for (uint64_t ms = 0; ms < TUNNEL_MS + 500; ms += 500) {
		jg_directory_good(world.store.directory, world_now(&world) + 500);
		world_pass(&world, 500);
	}
}

/* What waits for its client is not lost, as long as the client reads some. */
static void
a_tunnel_whose_client_reads_slowly_goes_on(void **state)
{
	(void)state;
	open_tunnel("other");
	world.client.room = 0;
	assert_int_equal(TELL(content, SLICE("abc")), 0);
	for (unsigned i = 0; i < 3; i++) {
		world.client.read++;
		pass_silence();
		assert_int_equal(world.client.ends, 0);
	}
	pass_silence();
	ASSERT_ENDED(END_ABANDONED, 101, cancelled);
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
	ASSERT_ENDED(END_TOLD, 101, cancelled);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(access_revoked_before_the_answer_is_refused),
	    TEST(access_revoked_before_the_request_has_left_keeps_it),
	    TEST(access_revoked_while_a_connection_is_made_keeps_the_request),
	    TEST(a_head_that_waits_for_content_does_not_leave_after_a_stop),
	    TEST(a_websocket_does_not_leave_after_a_stop_while_its_key_is_made),
	    TEST(a_job_that_moves_while_a_connection_is_made_keeps_the_request),
	    TEST(a_job_that_moves_before_the_head_has_left_does_not_get_it),
	    TEST(a_job_that_moves_while_its_answer_is_awaited_is_not_sent_the_request_again),
	    TEST(a_job_that_stays_where_it_is_gets_the_request),
	    TEST(access_revoked_in_an_answer_ends_it_at_once),
	    TEST(a_change_that_revokes_nothing_ends_nothing),
	    TEST(a_websocket_is_told_between_frames),
	    TEST(a_websocket_is_not_told_behind_what_waits),
	    TEST(a_websocket_is_cut_within_a_frame),
	    TEST(another_tunnel_is_cut),
	    TEST(a_tunnel_whose_client_reads_slowly_goes_on),
	    TEST(an_answer_is_cut_when_the_drain_time_is_over),
	    TEST(a_websocket_is_told_that_the_gateway_stops),
	    TEST(a_request_that_no_backend_has_seen_is_unprocessed),
	    TEST(a_request_that_a_backend_has_seen_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
