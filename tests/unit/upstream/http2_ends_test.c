/* http2_ends_test.c - how streams and connections to a backend end over HTTP/2, and when. */
#include "http2_client_world.h"

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

	(void)state;
	begin_on_shared(other, &get);
	other->upstream->ops->cancel(other->upstream);
	other->upstream = NULL;
	world_settle(&world);
	expect_none(H2_RST_STREAM);
	expect_none_of(3);
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

	(void)state;
	world.on_catch_up = revoke_second;
	begin_on_shared(other, &get);
	say_head(1, 200, NULL, true);
	say();
	assert_int_equal(user->ends, 1);
	expect_none_of(3);
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

	(void)state;
	world.on_catch_up = revoke_second;
	begin_on_shared(other, &get);
	say_head(1, 200, NULL, true);
	h2_write_window_update(&saying, 0, UINT32_MAX >> 1);
	say();
	assert_int_equal(user->heads, 1);
	expect_none_of(3);
	came_at = H2_PREFACE_LEN;
	assert_true(find_frame(H2_GOAWAY, &frame, &payload));
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

	(void)state;
	say_settings();
	say_setting(H2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
	say();
	assert_int_equal(user->upstream->ops->content(user->upstream, SLICE("abc")), 0);
	world_settle(&world);
	world.on_catch_up = revoke_after_turn;
	begin_on_shared(other, &get);
	h2_write_window_update(&saying, 1, 100);
	say();
	assert_int_equal(user->writable, 1);
	world.on_catch_up = NULL;
	expect_none_of(3);
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

/* Very many exchanges lose access at once, and one of these has not been told yet. */
static void
a_request_of_an_untold_user_does_not_leave(void **state)
{
	struct fake_user *user = open_settled(&get), *other = new_user(&get);

	(void)state;
	world.untold = other->revoked = true;
	begin_on_shared(other, &get);
	say_head(1, 200, NULL, true);
	say();
	assert_int_equal(user->ends, 1);
	expect_none_of(3);
	assert_null(other->upstream);
	world.untold = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
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
	    cmocka_unit_test_setup_teardown(
		a_request_of_an_untold_user_does_not_leave, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
