/* http2_tunnel_test.c - WebSockets as streams (RFC 8441), and backends that want HTTP/1. */
#include "http2_client_world.h"

static struct request websocket;

static int
set_up_tunnel(void **state)
{
	websocket = get;
	websocket.upgrade = SLICE("websocket");
	return set_up(state);
}

static size_t
heads_sent(void)
{
	struct h2_frame frame = {0};
	struct slice payload = {0};
	size_t count = 0;

	while (find_frame(H2_HEADERS, &frame, &payload)) {
		count++;
		assert_false(h2_frame_has(&frame, H2_END_STREAM));
	}
	return count;
}

static void
a_head_waits_for_the_settings(void **state)
{
	struct fake_user *user = open_with(&websocket);

	(void)state;
	user->release_at_end = false; /* the other side goes on */
	assert_int_equal(heads_sent(), 0);
	assert_true(user->upstream->ops->unsent(user->upstream));
	say_setting(H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
	say();
	assert_int_equal(heads_sent(), 1);
	assert_false(user->upstream->ops->unsent(user->upstream));
	say_head(1, 200, "7", false);
	say_data(1, "hello", false);
	say();
	assert_int_equal(user->status, 101);
	BODY(user, "hello");
	/* With no limit: the length that the head has means nothing. */
	say_data(1, "0123456789", true);
	say();
	assert_int_equal(user->ends, 1);
	assert_int_equal(user->upstream->ops->content(user->upstream, SLICE("up")), 2);
	user->upstream->ops->content_end(user->upstream, NULL);
	user->upstream->ops->cancel(user->upstream);
	user->upstream = NULL;
	world_settle(&world);
	expect_none(H2_RST_STREAM); /* both sides have ended */
}

static void
the_second_one_leaves_at_once(void **state)
{
	struct fake_user *first = open_with(&get);

	(void)state;
	say_setting(H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
	say_head(1, 200, NULL, true);
	say();
	assert_int_equal(first->ends, 1);
	join_with(&websocket);
	came_at = H2_PREFACE_LEN;
	say_head(3, 200, NULL, false);
	say();
	assert_int_equal(users[1].status, 101);
}

static void
a_head_that_waits_is_cancelled(void **state)
{
	struct fake_user *user = open_with(&websocket);

	(void)state;
	user->upstream->ops->cancel(user->upstream);
	user->upstream = NULL;
	say_setting(H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
	say();
	assert_int_equal(heads_sent(), 0);
	expect_none(H2_RST_STREAM);
}

static void
a_connection_that_breaks_while_a_head_waits(void **state)
{
	struct fake_user *user = open_with(&websocket);

	(void)state;
	end_peer();
	expect_failed(user, UPSTREAM_BROKEN, REPEAT_BROKEN);
}

static void
goaway_while_a_head_waits(void **state)
{
	struct fake_user *user = open_with(&websocket);

	(void)state;
	say_setting(H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
	h2_write_goaway(&saying, 0, H2_NO_ERROR, (struct slice){0});
	say();
	expect_failed(user, UPSTREAM_BROKEN, REPEAT_UNPROCESSED);
	assert_int_equal(heads_sent(), 0);
}

static void
a_backend_without_tunnels(void **state)
{
	struct fake_user *user = open_with(&websocket);

	(void)state;
	say_settings();
	say();
	expect_failed(
	    user, UPSTREAM_NEEDS_HTTP1, backend_is_http2(backend) ? REPEAT_NOT : REPEAT_OVER_HTTP1);
	assert_true(backend->no_tunnels);
	assert_int_equal(heads_sent(), 0);
}

static void
refused(void **state)
{
	struct fake_user *user = open_with(&websocket);

	(void)state;
	say_setting(H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
	say();
	say_head(1, 403, "2", false);
	say_data(1, "no", true);
	say();
	assert_int_equal(user->status, 403);
	BODY(user, "no");
}

static void
trailers_in_a_tunnel(void **state)
{
	struct fake_user *user = open_with(&websocket);

	(void)state;
	say_setting(H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
	say();
	say_head(1, 200, NULL, false);
	say_trailers(1, true);
	say();
	expect_failed(user, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
	expect_reset(1, H2_PROTOCOL_ERROR);
}

/* ---- HTTP_1_1_REQUIRED ---- */

static void
http1_is_required(void (*say_so)(void))
{
	bool https = backend->scheme == JOB_URL_HTTPS;
	struct fake_user *user = open_settled(&get);

	say_so();
	say();
	if (https)
		expect_failed(user, UPSTREAM_BROKEN, REPEAT_OVER_HTTP1);
	else
		expect_failed(user, UPSTREAM_WANTS_HTTP1, REPEAT_NOT);
	assert_int_equal(backend->needs_http1, https);
	assert_int_equal(backend_may_share(backend), !https);
}

static void
say_reset(void)
{
	h2_write_rst_stream(&saying, 1, H2_HTTP_1_1_REQUIRED);
}

static void
say_goaway(void)
{
	h2_write_goaway(&saying, 0, H2_HTTP_1_1_REQUIRED, (struct slice){0});
}

static void
a_stream_requires_http1(void **state)
{
	(void)state;
	http1_is_required(say_reset);
}

static void
a_connection_requires_http1(void **state)
{
	(void)state;
	http1_is_required(say_goaway);
}

/* The last stream that the backend has seen is the one that it names. */
static void
a_connection_requires_http1_from_now_on(void **state)
{
	(void)state;
	open_settled(&get);
	h2_write_goaway(&saying, 1, H2_HTTP_1_1_REQUIRED, (struct slice){0});
	say();
	assert_int_equal(backend->needs_http1, backend->scheme == JOB_URL_HTTPS);
}

static int
set_up_https(void **state)
{
	set_up_tunnel(state);
	world.pool->options.settings.http2.https = true;
	backend->scheme = JOB_URL_HTTPS;
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_tunnel, tear_down)
#define HTTPS(name) cmocka_unit_test_setup_teardown(name, set_up_https, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_head_waits_for_the_settings),
	    TEST(the_second_one_leaves_at_once),
	    TEST(a_head_that_waits_is_cancelled),
	    TEST(a_connection_that_breaks_while_a_head_waits),
	    TEST(goaway_while_a_head_waits),
	    TEST(a_backend_without_tunnels),
	    HTTPS(a_backend_without_tunnels),
	    TEST(refused),
	    TEST(trailers_in_a_tunnel),
	    TEST(a_stream_requires_http1),
	    TEST(a_connection_requires_http1),
	    HTTPS(a_stream_requires_http1),
	    HTTPS(a_connection_requires_http1),
	    HTTPS(a_connection_requires_http1_from_now_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
