/* http2_client_test.c - requests and answers on streams of one connection to a backend. */
#include "http2_client_world.h"

static void
a_request_and_its_answer(void **state)
{
	struct fake_user *user = open_settled(&get);
	struct h2_frame frame = {0};
	struct slice payload = {0};

	(void)state;
	assert_true(find_frame(H2_HEADERS, &frame, &payload));
	assert_int_equal(frame.stream, 1);
	assert_true(h2_frame_has(&frame, H2_END_STREAM));
	say_head(1, 200, "5", false);
	say_data(1, "hello", true);
	say();
	assert_int_equal(user->status, 200);
	assert_int_equal(user->content, CONTENT_LENGTH);
	BODY(user, "hello");
	assert_int_equal(user->ends, 1);
	assert_int_equal(session()->state, BACKEND_SESSION_IDLE);
	expect_none(H2_RST_STREAM);
	/* The next request takes the next id of the same connection. */
	user = join_with(&get);
	assert_true(find_frame(H2_HEADERS, &frame, &payload));
	assert_int_equal(frame.stream, 3);
	say_head(3, 204, NULL, true);
	say();
	assert_int_equal(user->ends, 1);
	assert_int_equal(user->content, CONTENT_NONE);
}

static void
content_and_trailers_go_out(void **state)
{
	struct request request = request_of("POST", METHOD_POST);
	struct fake_user *user;
	struct field sum = {.name = SLICE("X-Sum"), .value = SLICE("1")};
	struct fields trailers = {&sum, 1};
	struct h2_frame frame = {0};
	struct slice payload = {0};

	(void)state;
	request.content = CONTENT_UNKNOWN;
	user = open_settled(&request);
	assert_true(find_frame(H2_HEADERS, &frame, &payload));
	assert_false(h2_frame_has(&frame, H2_END_STREAM));
	assert_int_equal(user->upstream->ops->content(user->upstream, SLICE("abc")), 3);
	user->upstream->ops->content_end(user->upstream, &trailers);
	user->upstream->ops->flush(user->upstream);
	world_settle(&world);
	assert_true(next_frame(&frame, &payload)); /* the acknowledgement of SETTINGS */
	assert_true(next_frame(&frame, &payload));
	assert_int_equal(frame.type, H2_DATA);
	assert_true(slice_equal(payload, SLICE("abc")));
	assert_true(next_frame(&frame, &payload));
	assert_int_equal(frame.type, H2_HEADERS);
	assert_true(h2_frame_has(&frame, H2_END_STREAM));
}

/*
 * If a frame with content has left in part when the request is cancelled, filler replaces its rest:
 * it must not end the request as if that were whole.
 */
static void
a_frame_of_its_own_ends_the_request(void **state)
{
	struct request request = request_of("POST", METHOD_POST);
	struct fake_user *user;
	struct h2_frame frame = {0};
	struct slice payload = {0};

	(void)state;
	request.content = CONTENT_LENGTH;
	request.length = 3;
	user = open_settled(&request);
	assert_int_equal(user->upstream->ops->content(user->upstream, SLICE("abc")), 3);
	user->upstream->ops->content_end(user->upstream, NULL);
	world_settle(&world);
	assert_true(find_frame(H2_DATA, &frame, &payload));
	assert_true(slice_equal(payload, SLICE("abc")));
	assert_false(h2_frame_has(&frame, H2_END_STREAM));
	assert_true(find_frame(H2_DATA, &frame, &payload));
	assert_true(payload.len == 0 && h2_frame_has(&frame, H2_END_STREAM));
	expect_none(H2_DATA);
}

/* Content waits for the backend's windows; the user is told when it may push again. */
static void
content_waits_for_windows(void **state)
{
	struct request request = request_of("POST", METHOD_POST);
	static char text[100000];
	struct fake_user *user;
	struct slice data = {text, sizeof(text)};
	size_t taken, before;

	(void)state;
	request.content = CONTENT_UNKNOWN;
	user = open_settled(&request);
	taken = user->upstream->ops->content(user->upstream, data);
	assert_in_range(taken, 1, OUT_MAX);
	for (before = 0; taken != before; world_settle(&world)) {
		before = taken;
		world_settle(&world);
		read_peer();
		taken += user->upstream->ops->content(user->upstream, slice_after(data, taken));
	}
	assert_int_equal(taken, H2_WINDOW_DEFAULT);
	user->writable = 0;
	h2_write_window_update(&saying, 1, 1000);
	say();
	assert_int_equal(user->writable, 0); /* the connection's window is used up, too */
	h2_write_window_update(&saying, 0, 500);
	say();
	assert_int_equal(user->writable, 1);
	assert_int_equal(
	    user->upstream->ops->content(user->upstream, slice_after(data, taken)), 500);
}

/* What the user does not take waits, and the backend's window stays used up for as long. */
static void
content_of_an_answer_waits(void **state)
{
	struct fake_user *user = open_settled(&get);
	static char text[16001];
	struct h2_frame frame = {0};
	struct slice payload = {0};

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	user->room = 0;
	say_head(1, 200, NULL, false);
	for (int i = 0; i < 3; i++)
		say_data(1, text, false);
	say();
	while (next_frame(&frame, &payload))
		assert_false(frame.type == H2_WINDOW_UPDATE && frame.stream == 1);
	assert_int_equal(user->body_len, 0);
	user->room = 4000;
	user->upstream->ops->pump(user->upstream);
	assert_int_equal(user->body_len, 4000);
	user->body_len = 0;
	/* One byte more than the window. */
	text[1153] = '\0';
	say_data(1, text, false);
	say();
	expect_reset(1, H2_FLOW_CONTROL_ERROR);
	expect_failed(user, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
}

static void
windows_widen_as_content_is_taken(void **state)
{
	struct fake_user *user = open_settled(&get);
	uint64_t widened = 0;
	struct h2_frame frame = {0};
	struct slice payload = {0};
	static char text[4001];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	say_head(1, 200, NULL, false);
	for (int i = 0; i < 160; i++) {
		say_data(1, text, false);
		say();
		assert_int_equal(user->body_len, 4000);
		user->body_len = 0;
	}
	while (next_frame(&frame, &payload))
		if (frame.type == H2_WINDOW_UPDATE && frame.stream == 1) {
			uint32_t increment;

			h2_window_update_read(&frame, payload.at, &increment);
			widened += increment;
		}
	assert_true(widened > 160 * 4000 - BACKEND_WINDOW_MAX / 2);
	assert_true(world.pool->windows.counted > 0);
	say_data(1, "", true);
	say();
	assert_int_equal(user->ends, 1);
	assert_int_equal(world.pool->windows.counted, 0);
}

/* A stream that has been fast, and is silent now, does not keep its share for ever. */
static void
windows_of_silent_streams_are_lent(void **state)
{
	static char text[4001];
	struct fake_user *one = open_settled(&get), *two;
	const struct backend_stream *stream;
	bool lent = true;

	(void)state;
	world.pool->windows.max = 8 * 1024 * 1024;
	memset(text, 'a', sizeof(text) - 1);
	two = join_with(&get);
	for (uint32_t id = 1; id < 4; id += 2) {
		say_head(id, 200, NULL, false);
		for (int i = 0; i < 500; i++) {
			say_data(id, text, false);
			say();
			one->body_len = two->body_len = 0;
		}
		ahead_ms += 10000;
		world_settle(&world);
	}
	stream = backend_stream_find(session(), 1);
	assert_true(stream->share.lent && stream->window.size == BACKEND_WINDOW_MAX);
	assert_true(backend_stream_find(session(), 3)->share.counted);
	for (int i = 0; i < 500; i++) {
		say_data(1, text, false);
		say();
		one->body_len = 0;
		lent = lent && stream->share.lent;
	}
	assert_false(lent);
}

/* Neither half of a window comes within half a second, so a larger one would be of no use. */
static void
windows_of_slow_answers_stay_small(void **state)
{
	static char text[4001];
	struct fake_user *user = open_settled(&get);

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	say_head(1, 200, NULL, false);
	for (int i = 0; i < 200; i++) {
		say_data(1, text, false);
		say();
		user->body_len = 0;
		ahead_ms += 200;
	}
	assert_in_range(world.pool->windows.counted, 0, BACKEND_WINDOW_FIRST);
}

static void
trailers_of_an_answer(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	user->room = 0;
	say_head(1, 200, NULL, false);
	say_data(1, "ab", false);
	say_trailers(1, true);
	say();
	assert_int_equal(user->ends, 0);
	user->room = 10;
	user->upstream->ops->pump(user->upstream);
	assert_int_equal(user->ends, 1);
	assert_string_equal(user->trailers, "x-sum: 1\n");
}

static void
interim_answers_come_first(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	say_head(1, 103, NULL, false);
	say_head(1, 102, NULL, false);
	say_head(1, 200, NULL, true);
	say();
	assert_int_equal(user->interims, 1);
	assert_int_equal(user->ends, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_request_and_its_answer, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(content_and_trailers_go_out, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_frame_of_its_own_ends_the_request, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(content_waits_for_windows, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(content_of_an_answer_waits, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(windows_widen_as_content_is_taken, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(windows_of_silent_streams_are_lent, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(windows_of_slow_answers_stay_small, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(trailers_of_an_answer, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(interim_answers_come_first, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
