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

/* ---- how streams end ---- */

static void
a_cancelled_stream_is_reset(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	user->upstream->ops->cancel(user->upstream);
	user->upstream = NULL;
	world_settle(&world);
	expect_reset(1, H2_CANCEL);
	/* What was on its way is no error. */
	say_head(1, 200, NULL, false);
	say_data(1, "late", true);
	say();
	expect_none(H2_GOAWAY);
	assert_int_equal(session()->state, BACKEND_SESSION_IDLE);
}

static void
what_has_not_left_is_taken_back(void **state)
{
	struct fake_user *user = open_settled(&get);
	struct fake_user *other = new_user(&get);
	struct h2_frame frame = {0};
	struct slice payload = {0};
	bool up;

	(void)state;
	other->upstream = pool_acquire(backend, &other->user, POOL_ANY, POOL_SHARED, &up);
	assert_true(up);
	other->upstream->ops->begin(other->upstream, &get, SLICE(""));
	other->upstream->ops->cancel(other->upstream);
	other->upstream = NULL;
	world_settle(&world);
	expect_none(H2_RST_STREAM);
	came_at = H2_PREFACE_LEN;
	while (next_frame(&frame, &payload))
		assert_true(frame.stream != 3);
	say_head(1, 200, NULL, true);
	say();
	assert_int_equal(user->ends, 1);
}

/* The second request is revoked as soon as the answer to the first one has come. */
static void
revoke_second(void)
{
	struct fake_user *second = &users[1];

	if (users[0].heads == 0 || second->upstream == NULL)
		return;
	second->upstream->ops->cancel(second->upstream);
	second->upstream = NULL;
}

/* The worker may be stopped while it reads. */
static void
a_request_revoked_during_the_turn_does_not_leave(void **state)
{
	struct fake_user *user = open_settled(&get), *other = new_user(&get);
	struct h2_frame frame = {0};
	struct slice payload = {0};
	bool up;

	(void)state;
	world.on_catch_up = revoke_second;
	other->upstream = pool_acquire(backend, &other->user, POOL_ANY, POOL_SHARED, &up);
	assert_true(up);
	other->upstream->ops->begin(other->upstream, &get, SLICE(""));
	say_head(1, 200, NULL, true);
	say();
	assert_int_equal(user->ends, 1);
	came_at = H2_PREFACE_LEN;
	while (next_frame(&frame, &payload))
		assert_true(frame.stream != 3);
	assert_null(other->upstream);
	world.on_catch_up = NULL;
}

/* Nor does it leave in front of a GOAWAY. */
static void
a_request_revoked_before_goaway_does_not_leave(void **state)
{
	struct fake_user *user = open_settled(&get), *other = new_user(&get);
	struct h2_frame frame = {0};
	struct slice payload = {0};
	bool up, goaway = false;

	(void)state;
	world.on_catch_up = revoke_second;
	other->upstream = pool_acquire(backend, &other->user, POOL_ANY, POOL_SHARED, &up);
	assert_true(up);
	other->upstream->ops->begin(other->upstream, &get, SLICE(""));
	say_head(1, 200, NULL, true);
	h2_write_window_update(&saying, 0, UINT32_MAX >> 1);
	say();
	assert_int_equal(user->heads, 1);
	came_at = H2_PREFACE_LEN;
	while (next_frame(&frame, &payload)) {
		assert_true(frame.stream != 3);
		goaway = goaway || frame.type == H2_GOAWAY;
	}
	assert_true(goaway);
	assert_null(other->upstream);
	world.on_catch_up = NULL;
}

/* The second request is revoked as soon as the first one has got its turn to send content. */
static void
revoke_after_turn(void)
{
	struct fake_user *second = &users[1];

	if (users[0].writable == 0 || second->upstream == NULL)
		return;
	second->upstream->ops->cancel(second->upstream);
	second->upstream = NULL;
}

/* The worker may be stopped while a turn has the client's end read. */
static void
nor_does_one_revoked_while_others_take_turns(void **state)
{
	const struct request post = {.method = SLICE("POST"),
	    .method_id = METHOD_POST,
	    .authority = SLICE("job"),
	    .path = SLICE("/p"),
	    .content = CONTENT_UNKNOWN};
	struct fake_user *user = open_with(&post), *other = new_user(&get);
	struct h2_frame frame = {0};
	struct slice payload = {0};
	bool up;

	(void)state;
	say_settings();
	say_setting(H2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
	say();
	assert_int_equal(user->upstream->ops->content(user->upstream, SLICE("abc")), 0);
	world_settle(&world);
	world.on_catch_up = revoke_after_turn;
	other->upstream = pool_acquire(backend, &other->user, POOL_ANY, POOL_SHARED, &up);
	assert_true(up);
	other->upstream->ops->begin(other->upstream, &get, SLICE(""));
	h2_write_window_update(&saying, 1, 100);
	say();
	assert_int_equal(user->writable, 1);
	world.on_catch_up = NULL;
	came_at = H2_PREFACE_LEN;
	while (next_frame(&frame, &payload))
		assert_true(frame.stream != 3);
	assert_null(other->upstream);
}

static void
a_refused_stream_may_be_repeated(void **state)
{
	const struct request post = request_of("POST", METHOD_POST);
	struct fake_user *user = open_settled(&post);

	(void)state;
	h2_write_rst_stream(&saying, 1, H2_REFUSED_STREAM);
	say();
	expect_failed(user, UPSTREAM_BROKEN, REPEAT_UNPROCESSED);
	expect_none(H2_RST_STREAM);
	user = join_with(&get);
	h2_write_rst_stream(&saying, 3, H2_INTERNAL_ERROR);
	say();
	expect_failed(user, UPSTREAM_BROKEN, REPEAT_NOT);
}

static void
goaway_spares_what_it_names(void **state)
{
	struct fake_user *first = open_settled(&get), *second = join_with(&get);

	(void)state;
	h2_write_goaway(&saying, 1, H2_NO_ERROR, (struct slice){0});
	say();
	expect_failed(second, UPSTREAM_BROKEN, REPEAT_UNPROCESSED);
	assert_int_equal(session()->state, BACKEND_SESSION_LEAVING);
	assert_true(TAILQ_EMPTY(&backend->shared));
	say_head(1, 200, NULL, true);
	say();
	assert_int_equal(first->ends, 1);
	assert_int_equal(world.pool->connections, 0);
}

static void
a_broken_connection_fails_all(void **state)
{
	const struct request post = request_of("POST", METHOD_POST);
	struct fake_user *first = open_settled(&get), *second = join_with(&get),
			 *third = join_with(&post), *fourth = join_with(&get);

	(void)state;
	say_head(7, 200, NULL, false);
	say();
	end_peer();
	expect_failed(first, UPSTREAM_BROKEN, REPEAT_BROKEN);
	expect_failed(second, UPSTREAM_BROKEN, REPEAT_STALE);
	expect_failed(third, UPSTREAM_BROKEN, REPEAT_NOT);
	expect_failed(fourth, UPSTREAM_BROKEN, REPEAT_NOT);
}

/* The upload of a request that was answered early stops, and the answer is delivered. */
static void
a_stopped_upload_leaves_the_answer(void **state)
{
	struct request request = request_of("POST", METHOD_POST);
	struct fake_user *user;

	(void)state;
	request.content = CONTENT_UNKNOWN;
	user = open_settled(&request);
	user->room = 0;
	say_head(1, 413, NULL, false);
	say_data(1, "enough", true);
	h2_write_rst_stream(&saying, 1, H2_NO_ERROR);
	say();
	assert_int_equal(user->failed, 0);
	assert_int_equal(user->upstream->ops->content(user->upstream, SLICE("abc")), 3);
	user->room = 10;
	user->upstream->ops->pump(user->upstream);
	BODY(user, "enough");
	assert_int_equal(user->ends, 1);
	expect_none(H2_DATA);
}

/* ---- time ---- */

static void
an_idle_connection_closes(void **state)
{
	open_settled(&get);
	(void)state;
	say_head(1, 200, NULL, true);
	say();
	assert_int_equal(session()->state, BACKEND_SESSION_IDLE);
	ahead_ms += IDLE_MS + 2000;
	TURN_UNTIL(&world, world.pool->connections == 0);
	expect_goaway(H2_NO_ERROR);
}

static void
a_backend_without_settings_is_left(void **state)
{
	struct fake_user *user = open_with(&get);

	(void)state;
	ahead_ms += world.pool->options.tuning->settings_ms + 2000;
	TURN_UNTIL(&world, user->failed == 1);
	expect_failed(user, UPSTREAM_NOT_HTTP2, REPEAT_NOT);
}

/* Cancels a request on the connection that there is, when the backend has been silent this long. */
static void
cancel_after(uint64_t ms)
{
	struct fake_user *user = join_with(&get);

	ahead_ms += ms;
	world_settle(&world);
	user->upstream->ops->cancel(user->upstream);
	user->upstream = NULL;
	world_settle(&world);
}

/* A connection that leads nowhere must not swallow one request after the other. */
static void
a_silent_connection_is_left(void **state)
{
	struct fake_user *user = open_settled(&get);
	uint64_t silence_ms = world.pool->options.tuning->ping_ms + 2000;
	struct h2_frame frame = {0};
	struct slice payload = {0};

	(void)state;
	cancel_after(silence_ms);
	assert_true(find_frame(H2_PING, &frame, &payload));
	assert_false(h2_frame_has(&frame, H2_ACK));
	h2_write_ping(&saying, true, payload.at);
	say();
	cancel_after(silence_ms); /* servers of gRPC do not like to be asked again so soon */
	expect_none(H2_PING);
	assert_int_equal(user->failed, 0);
	ahead_ms += 300000;
	cancel_after(silence_ms);
	ahead_ms += silence_ms;
	TURN_UNTIL(&world, user->failed == 1);
	expect_failed(user, UPSTREAM_BROKEN, REPEAT_BROKEN);
}

static void
quick_cancels_raise_no_doubt(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	for (size_t i = 0; i < 10; i++)
		cancel_after(1);
	expect_none(H2_PING);
	assert_int_equal(user->failed, 0);
}

/* The exchange that asks must not end while it does. */
static void
a_look_at_an_idle_connection_ends_nothing(void **state)
{
	struct fake_user *user;
	unsigned before;
	bool up;

	(void)state;
	open_settled(&get);
	say_head(1, 200, NULL, true);
	say();
	assert_int_equal(session()->state, BACKEND_SESSION_IDLE);
	before = world.catch_ups;
	user = new_user(&get);
	user->upstream = pool_acquire(backend, &user->user, POOL_CHECKED, POOL_SHARED, &up);
	assert_true(up);
	assert_int_equal(world.catch_ups, before);
	user->upstream->ops->cancel(user->upstream);
	user->upstream = NULL;
}

static void
ids_run_out(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	session()->next_id = H2_STREAM_LIMIT - 100;
	cancel_after(1);
	assert_int_equal(session()->state, BACKEND_SESSION_LEAVING);
	say_head(1, 200, NULL, true);
	say();
	assert_int_equal(user->failed, 0);
	TURN_UNTIL(&world, world.pool->connections == 0);
}

static void
a_backend_that_takes_no_more_streams(void **state)
{
	static const struct h2_setting none = {H2_SETTINGS_MAX_CONCURRENT_STREAMS, 0};

	(void)state;
	open_settled(&get);
	say_head(1, 200, NULL, true);
	say();
	assert_int_equal(session()->state, BACKEND_SESSION_IDLE);
	h2_write_settings(&saying, &none, 1);
	say();
	TURN_UNTIL(&world, world.pool->connections == 0);
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
	    cmocka_unit_test_setup_teardown(a_cancelled_stream_is_reset, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_has_not_left_is_taken_back, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_request_revoked_during_the_turn_does_not_leave, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_request_revoked_before_goaway_does_not_leave, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		nor_does_one_revoked_while_others_take_turns, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_refused_stream_may_be_repeated, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(goaway_spares_what_it_names, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_broken_connection_fails_all, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_stopped_upload_leaves_the_answer, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(an_idle_connection_closes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_backend_without_settings_is_left, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_silent_connection_is_left, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(quick_cancels_raise_no_doubt, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_look_at_an_idle_connection_ends_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(ids_run_out, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_backend_that_takes_no_more_streams, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
