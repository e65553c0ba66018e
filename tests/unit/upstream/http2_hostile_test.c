/* http2_hostile_test.c - what a backend must not send over HTTP/2, and the gateway's reaction. */
#include "http2_client_world.h"

/* The stream ends with this error, and the connection serves on. */
static void
expect_stream_error(const struct fake_user *user, enum h2_error error)
{
	expect_failed(user, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
	expect_reset(1, error);
	assert_int_equal(session()->state, BACKEND_SESSION_IDLE);
}

/* The connection ends with this error. */
static void
expect_connection_error(const struct fake_user *user, enum h2_error error)
{
	assert_int_equal(user->failed, 1);
	assert_int_equal(user->failure, UPSTREAM_BAD_ANSWER);
	expect_goaway(error);
	assert_int_equal(world.pool->connections, 0);
}

static void
content_before_the_head(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	say_data(1, "x", false);
	say();
	expect_stream_error(user, H2_PROTOCOL_ERROR);
}

static void
content_of_another_length(void **state)
{
	static const struct {
		const char *length, *content;
	} cases[] = {{"3", "xxxx"}, {"3", "xx"}, {"0", "x"}, {"1, 2", ""}, {"x", ""}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_user *user = i == 0 ? open_settled(&get) : join_with(&get);
		uint32_t stream = 1 + 2 * (uint32_t)i;

		say_head(stream, 200, cases[i].length, false);
		say_data(stream, cases[i].content, true);
		say();
		expect_failed(user, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
		expect_reset(stream, H2_PROTOCOL_ERROR);
	}
}

static void
content_where_there_is_none(void **state)
{
	const struct request head = request_of("HEAD", METHOD_HEAD);
	struct fake_user *user = open_settled(&head);

	(void)state;
	say_head(1, 200, "1", false);
	say_data(1, "x", true);
	say();
	expect_failed(user, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
	expect_reset(1, H2_PROTOCOL_ERROR);
	for (uint32_t stream = 3; stream <= 5; stream += 2) {
		user = join_with(&get);
		say_head(stream, stream == 3 ? 204 : 304, NULL, false);
		say_data(stream, "x", true);
		say();
		expect_failed(user, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
		expect_reset(stream, H2_PROTOCOL_ERROR);
	}
}

static void
head_of_a_head_request(void **state)
{
	const struct request head = request_of("HEAD", METHOD_HEAD);
	struct fake_user *user = open_settled(&head);

	(void)state;
	say_head(1, 200, "10", true);
	say();
	assert_int_equal(user->ends, 1);
	assert_int_equal(user->length, 10);
}

static void
too_many_interim_answers(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	for (unsigned i = 0; i <= world.pool->options.tuning->interims_max; i++)
		say_head(1, 103, NULL, false);
	say();
	expect_stream_error(user, H2_ENHANCE_YOUR_CALM);
	assert_int_equal(user->interims, world.pool->options.tuning->interims_max);
}

static void
trailers_that_do_not_end(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	say_head(1, 200, NULL, false);
	say_trailers(1, false);
	say();
	expect_stream_error(user, H2_PROTOCOL_ERROR);
}

static void
statuses_that_are_none(void **state)
{
	static const unsigned statuses[] = {101, 600, 999};

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct fake_user *user = i == 0 ? open_settled(&get) : join_with(&get);

		say_head(1 + 2 * (uint32_t)i, statuses[i], NULL, true);
		say();
		expect_failed(user, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
	}
}

static void
a_push(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	h2_write_frame_head(&saying, H2_PUSH_PROMISE, H2_END_HEADERS, 1, 5);
	write_slice(&saying, SLICE("\0\0\0\2\210"));
	say();
	expect_connection_error(user, H2_PROTOCOL_ERROR);
}

static void
an_answer_that_was_not_asked_for(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	say_head(3, 200, NULL, true);
	say();
	expect_connection_error(user, H2_PROTOCOL_ERROR);
}

static void
a_block_that_cannot_be_decoded(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	h2_write_block(&saying, 1, 0, SLICE("\200"), H2_FRAME_SIZE_DEFAULT);
	say();
	expect_connection_error(user, H2_COMPRESSION_ERROR);
}

static void
too_many_continuations(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	h2_write_frame_head(&saying, H2_HEADERS, 0, 1, 1);
	write_slice(&saying, SLICE("\210"));
	for (unsigned i = 0; i <= CONTINUATIONS_MAX; i++) {
		h2_write_frame_head(&saying, H2_CONTINUATION, 0, 1, 1);
		write_slice(&saying, SLICE("\210"));
	}
	say();
	expect_connection_error(user, H2_ENHANCE_YOUR_CALM);
}

static void
a_window_that_overflows(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	h2_write_window_update(&saying, 1, H2_WINDOW_LIMIT);
	say();
	expect_stream_error(user, H2_FLOW_CONTROL_ERROR);
	user = join_with(&get);
	h2_write_window_update(&saying, 0, H2_WINDOW_LIMIT);
	say();
	expect_connection_error(user, H2_FLOW_CONTROL_ERROR);
}

/* "HTTP/1.1 400": it does not speak HTTP/2. */
static void
another_protocol(void **state)
{
	struct fake_user *user = open_with(&get);

	(void)state;
	write_literal(&saying, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
	say();
	expect_failed(user, UPSTREAM_NOT_HTTP2, REPEAT_NOT);
}

/* Each one has to be answered: the backend has to read the answers before it is read again. */
static void
a_flood_of_pings(void **state)
{
	size_t len, at = 0;

	(void)state;
	open_settled(&get);
	begin_to_say();
	while (!saying.full)
		h2_write_ping(&saying, false, "12345678");
	len = (size_t)(saying.at - said);
	while (session()->output.control_out < CONTROL_OUT_MAX) {
		ssize_t n = write(peer, said + at, len - at);

		at = n > 0 ? (at + (size_t)n) % len : at;
		world_settle(&world);
	}
	/* It fills its side, and nothing more happens. */
	while (write(peer, said + at, len - at) > 0)
		world_settle(&world);
	assert_true(buffer_len(session()->output.out) < CONTROL_OUT_MAX + H2_FRAME_HEAD_LEN + 8);
	assert_true(buffer_len(session()->in) <= BUFFER_LARGE);
}

/* Frames that carry nothing and need no answer. */
static void
a_flood_of_empty_frames(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	say_head(1, 200, NULL, false);
	say();
	for (int i = 0; i < 200 && user->failed == 0; i++) {
		while (saying.end - saying.at > 9)
			say_data(1, "", false);
		say();
	}
	expect_connection_error(user, H2_ENHANCE_YOUR_CALM);
}

/* Not the backend but clients are hostile: it must not take the gateway for one who attacks it. */
static size_t
cancel_requests(size_t count)
{
	struct fake_user *user;
	size_t cancelled = 0;

	while (cancelled < count && session()->state == BACKEND_SESSION_SHARED) {
		user_count = 1; /* the first one stays */
		user = join_with(&get);
		user->upstream->ops->cancel(user->upstream);
		user->upstream = NULL;
		world_settle(&world);
		read_peer(); /* else its socket is full after some hundreds */
		cancelled++;
	}
	return cancelled;
}

static void
too_many_cancelled_requests(void **state)
{
	struct fake_user *first = open_settled(&get);

	(void)state;
	assert_int_equal(cancel_requests(150), 150);
	ahead_ms += 60001;
	assert_int_equal(cancel_requests(1000), 200);
	assert_int_equal(session()->state, BACKEND_SESSION_LEAVING);
	say_head(1, 200, NULL, true);
	say();
	assert_int_equal(first->ends, 1);
	assert_int_equal(world.pool->connections, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(content_before_the_head, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(content_of_another_length, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(content_where_there_is_none, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(head_of_a_head_request, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(too_many_interim_answers, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(trailers_that_do_not_end, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(statuses_that_are_none, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_push, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(an_answer_that_was_not_asked_for, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_block_that_cannot_be_decoded, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(too_many_continuations, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_window_that_overflows, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(another_protocol, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_flood_of_pings, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_flood_of_empty_frames, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(too_many_cancelled_requests, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
