/* http2_content_test.c - content of requests: when it is late, and what becomes of it once the
 * answer is over. */
#include "http2_ready.h"

/* ---- late content ---- */

/* While the request is on its way to another backend, the client need not send: that takes nothing
 * from the time that it has. */
static void
time_without_a_backend_is_not_the_clients(void **state)
{
	const struct exchange_client_ops *ops = &http2_client_ops;

	(void)state;
	serve = allow_and_take;
	upload(1);
	world_pass(&world, 1000);
	ops->pause(exchanges[0].client);
	exchanges[0].takes = false;
	world_pass(&world, BODY_MS - 500);
	exchanges[0].takes = true;
	ops->resume(exchanges[0].client);
	world_pass(&world, BODY_MS - 2500);
	send_data(1, 0, 1);
	assert_int_equal(exchanges[0].failure, -1);
	world_pass(&world, 1000);
	assert_int_equal(exchanges[0].failure, -1);
	world_pass(&world, 2000); /* it owes what it did not send before and after that */
	assert_int_equal(exchanges[0].failure, CLIENT_BODY_TIMEOUT);
}

/* ---- behind the answer ---- */

/* The client knows why its request has ended: it is stopped at once. */
static void
a_stream_that_was_told_why_it_ends_does_not_linger(void **state)
{
	const struct exchange_client_ops *ops = &http2_client_ops;
	struct field status = {.name = SLICE("grpc-status"), .value = SLICE("16")};
	struct fields trailers = {&status, 1};

	(void)state;
	serve = allow_and_take;
	upload(1);
	answer(&exchanges[0], 200);
	ops->content_end(exchanges[0].client, &trailers);
	end(&exchanges[0], END_TOLD);
	assert_true(find_frame(H2_HEADERS));
	assert_true(find_frame(H2_HEADERS));
	assert_int_equal(frame.flags, END_BOTH);
	assert_int_equal(reset_error(), H2_NO_ERROR);
	assert_int_equal(session_now()->stream_count, 0);
	assert_int_equal(session_now()->resets.left, RESETS_MAX);
}

static void
a_stream_that_its_client_has_ended_is_not_reset(void **state)
{
	(void)state;
	serve = allow_and_take;
	request(1);
	answer(&exchanges[0], 200);
	http2_client_ops.content_end(exchanges[0].client, NULL);
	end(&exchanges[0], END_TOLD);
	assert_int_equal(reset_error(), -1);
	assert_int_equal(session_now()->stream_count, 0);
}

/* While a reply waits for its window, the request's content has no reader. */
static void
content_is_not_kept_behind_the_answer(void **state)
{
	(void)state;
	send_frame(H2_SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
	upload(1);
	send_data(1, 0, 10000);
	assert_non_null(TAILQ_FIRST(&session_now()->streams)->in);
	reply_with(&exchanges[0], 413, "too much");
	assert_int_equal(TAILQ_FIRST(&session_now()->streams)->state, HTTP2_STREAM_SENDING);
	assert_null(TAILQ_FIRST(&session_now()->streams)->in);
	send_data(1, 0, 1000);
	assert_null(TAILQ_FIRST(&session_now()->streams)->in);
	send_update(1, 100);
	assert_int_equal(content_of(1), 8);
}

/* Whatever the client does wrong then: what it has been sent is the answer. */
static void
a_mistake_does_not_damage_the_answer_before_it(void **state)
{
	size_t content = 0;
	bool ended = false;

	(void)state;
	serve = allow_and_take;
	fill_socket();
	upload(1);
	answer_with(&exchanges[0], 40000);
	assert_true(buffer_len(session_now()->output.out) > 0);
	send_update(1, 0);
	collect();
	while (next_frame() && frame.type != H2_RST_STREAM) {
		if (frame.type != H2_DATA)
			continue;
		for (size_t i = 0; i < frame.length; i++)
			assert_int_equal(payload[i], letter(content++));
		ended = h2_frame_has(&frame, H2_END_STREAM);
	}
	assert_int_equal(content, 40000);
	assert_true(ended);
	assert_int_equal(frame.type, H2_RST_STREAM);
	assert_int_equal(number_at(payload), H2_PROTOCOL_ERROR);
}

/* Frames that end a lingering stream are no reason to let the client send more of them: nothing of
 * its content can come any more. */
static void
a_stream_that_ends_after_its_answer_earns_nothing(void **state)
{
	uint64_t payload_before;

	(void)state;
	serve = answer_empty;
	upload(1);
	payload_before = session_now()->overhead.payload;
	send_data(1, H2_END_STREAM, 0);
	assert_int_equal(session_now()->overhead.payload, payload_before);
	upload(3);
	payload_before = session_now()->overhead.payload;
	send_frame(H2_HEADERS, END_BOTH, 3, BYTES("\0\1a\0"));
	assert_in_range(session_now()->overhead.payload - payload_before, 0, 16);
	assert_int_equal(session_now()->stream_count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(time_without_a_backend_is_not_the_clients),
	    TEST(a_stream_that_was_told_why_it_ends_does_not_linger),
	    TEST(a_stream_that_its_client_has_ended_is_not_reset),
	    TEST(content_is_not_kept_behind_the_answer),
	    TEST(a_mistake_does_not_damage_the_answer_before_it),
	    TEST(a_stream_that_ends_after_its_answer_earns_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
