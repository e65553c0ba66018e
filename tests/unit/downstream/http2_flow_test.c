/*
 * http2_flow_test.c - the windows in which clients may send content: how they grow, and how their
 * memory stays bounded.
 */
#include "http2_world.h"

#define MIB ((size_t)1024 * 1024)

/* What the client may still send: for each stream by its id, 0 for the connection. */
static int64_t may_send[256];

static int
setup(void **state)
{
	(void)state;
	http2_world_open();
	world.downstream->http2_windows.max = 64 * MIB;
	for (size_t i = 0; i < 256; i++)
		may_send[i] = HTTP2_WINDOW_FIRST;
	may_send[0] = H2_WINDOW_DEFAULT;
	send_preface();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	http2_world_close();
	return 0;
}

/* All that was sent has been dealt with already: nothing has to be waited for. */
static void
read_updates(void)
{
	ssize_t n;

	while ((n = recv(client, received + received_len, sizeof(received) - received_len, 0)) > 0)
		received_len += (size_t)n;
	while (next_frame())
		if (frame.type == H2_WINDOW_UPDATE)
			may_send[frame.stream] += number_at(payload);
}

/* Send as much of `left` as the windows allow; returns how much that was. */
static size_t
send_some(uint32_t stream, size_t left)
{
	size_t sent = 0;

	read_updates();
	while (sent < left) {
		int64_t room = may_send[stream] < may_send[0] ? may_send[stream] : may_send[0];
		size_t n = room > 16384 ? 16384 : (size_t)room;

		if (n > left - sent)
			n = left - sent;
		if (n == 0)
			break;
		send_data(stream, 0, n);
		may_send[stream] -= (int64_t)n;
		may_send[0] -= (int64_t)n;
		sent += n;
	}
	return sent;
}

/* Send this much, with a round trip of this many milliseconds for each window. Returns how many
 * milliseconds that took. */
static size_t
send_all_of(uint32_t stream, size_t left, uint64_t round_trip_ms)
{
	size_t trips = 0;

	for (; left > 0; trips++) {
		size_t sent = send_some(stream, left);

		assert_true(sent > 0);
		left -= sent;
		world_pass(&world, round_trip_ms);
	}
	return trips;
}

static struct http2_stream *
stream_now(uint32_t id)
{
	return http2_find(session_now(), id);
}

static void
a_fast_upload_gets_a_large_window(void **state)
{
	(void)state;
	serve = allow_and_take;
	upload(1);
	assert_in_range(send_all_of(1, 2 * MIB, 50), 1, 16);
	assert_int_equal(stream_now(1)->window.size, HTTP2_WINDOW_MAX);
	assert_int_equal(
	    world.downstream->http2_windows.counted, HTTP2_WINDOW_MAX - HTTP2_WINDOW_FIRST);
	send_frame(H2_RST_STREAM, 0, 1, "\0\0\0\10", 4);
	assert_int_equal(world.downstream->http2_windows.counted, 0);
	assert_int_equal(session_now()->stream_windows, 0);
}

static void
a_slow_upload_needs_no_large_window(void **state)
{
	(void)state;
	serve = allow_and_take;
	upload(1);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(send_some(1, 8192), 8192);
		world_pass(&world, 400);
	}
	assert_int_equal(stream_now(1)->window.size, HTTP2_WINDOW_ALLOWED);
}

static void
a_slow_backend_keeps_the_window_small(void **state)
{
	(void)state;
	serve = allow;
	upload(1);
	assert_int_equal(send_some(1, MIB), HTTP2_WINDOW_FIRST);
	assert_int_equal(buffer_len(stream_now(1)->in), HTTP2_WINDOW_FIRST);
	assert_int_equal(world.downstream->http2_windows.counted, 0);
}

static void
without_budget_the_window_stays_small(void **state)
{
	(void)state;
	world.downstream->http2_windows.max = 0;
	serve = allow_and_take;
	upload(1);
	send_all_of(1, MIB / 4, 1);
	assert_int_equal(stream_now(1)->window.size, HTTP2_WINDOW_FIRST);
	assert_int_equal(
	    stream_now(1)->window.left + (int64_t)stream_now(1)->window.credit, HTTP2_WINDOW_FIRST);
}

static void
one_upload_does_not_take_the_whole_budget(void **state)
{
	(void)state;
	world.downstream->http2_windows.max = 4 * MIB;
	serve = allow_and_take;
	for (uint32_t id = 1; id < 8; id += 2) {
		upload(id);
		send_all_of(id, MIB / 2, 1);
		assert_true(stream_now(id)->window.size > HTTP2_WINDOW_FIRST);
	}
	assert_in_range(world.downstream->http2_windows.counted, 0, MIB);
}

/* Otherwise one of them would have to wait for the others. */
static void
the_window_of_a_connection_is_that_of_its_streams(void **state)
{
	(void)state;
	serve = allow_and_take;
	for (uint32_t id = 1; id < 8; id += 2) {
		upload(id);
		send_all_of(id, 2 * MIB, 50);
	}
	assert_int_equal(session_now()->stream_windows, 4 * HTTP2_WINDOW_MAX);
	assert_int_equal(session_now()->window.size, 4 * HTTP2_WINDOW_MAX);
	read_updates();
	assert_in_range(may_send[0], 2 * MIB, 4 * MIB);
}

/* 100 uploads that no backend takes: a client cannot leave more than the windows here. */
static void
what_waits_is_bounded(void **state)
{
	size_t bytes = 0, held = 0;

	(void)state;
	serve = allow;
	for (uint32_t id = 1; id < 200; id += 2) {
		upload(id);
		send_some(id, MIB);
	}
	for (uint32_t id = 1; id < 200; id += 2) {
		bytes += buffer_len(stream_now(id)->in);
		held += stream_now(id)->in->capacity;
	}
	assert_int_equal(bytes, 100 * HTTP2_WINDOW_FIRST);
	assert_in_range(held, bytes, 100 * BUFFER_MEDIUM);
}

#define SILENCE_MS 10000

/* What a silent stream was given cannot be taken back, but it shrinks when it is used again, and
 * then it may grow again. */
static void
a_stream_that_lends_begins_anew(void **state)
{
	(void)state;
	world.downstream->http2_windows.max = 8 * MIB;
	serve = allow_and_take;
	upload(1);
	exchanges[begun - 1].silent = true;
	send_all_of(1, 4 * MIB, 1);
	assert_int_equal(stream_now(1)->window.size, HTTP2_WINDOW_MAX);
	world_pass(&world, SILENCE_MS);
	upload(3);
	send_all_of(3, 4 * MIB, 1);
	assert_int_equal(stream_now(3)->window.size, HTTP2_WINDOW_MAX);
	assert_true(stream_now(1)->share.lent);
	assert_int_equal(stream_now(1)->window.size, HTTP2_WINDOW_MAX);
	read_updates();
	assert_in_range(may_send[1], HTTP2_WINDOW_MAX / 2, HTTP2_WINDOW_MAX);
	while (stream_now(1)->share.lent)
		assert_true(send_some(1, 16384) > 0);
	assert_int_equal(stream_now(1)->window.size, HTTP2_WINDOW_FIRST);
	assert_int_equal(session_now()->stream_windows, HTTP2_WINDOW_MAX + HTTP2_WINDOW_FIRST);
	send_frame(H2_RST_STREAM, 0, 3, "\0\0\0\10", 4);
	send_all_of(1, MIB, 1);
	assert_true(stream_now(1)->share.counted);
	assert_true(stream_now(1)->window.size > HTTP2_WINDOW_ALLOWED);
}

/* The same stream is cut at any point of that: what it had goes back. */
static void
a_stream_that_lends_may_end(void **state)
{
	(void)state;
	world.downstream->http2_windows.max = 8 * MIB;
	serve = allow_and_take;
	upload(1);
	exchanges[begun - 1].silent = true;
	send_all_of(1, 4 * MIB, 1);
	world_pass(&world, SILENCE_MS);
	upload(3);
	send_all_of(3, 4 * MIB, 1);
	assert_true(stream_now(1)->share.lent);
	send_frame(H2_RST_STREAM, 0, 1, "\0\0\0\10", 4);
	assert_int_equal(session_now()->account.lent, 0);
	assert_int_equal(session_now()->stream_windows, HTTP2_WINDOW_MAX);
}

/* It waits for its answer, which may take hours. */
static void
an_upload_that_has_ended_gives_its_window_back(void **state)
{
	(void)state;
	serve = allow_and_take;
	upload(1);
	send_all_of(1, 2 * MIB, 1);
	assert_int_equal(stream_now(1)->window.size, HTTP2_WINDOW_MAX);
	send_data(1, H2_END_STREAM, 10);
	assert_non_null(stream_now(1)->exchange);
	assert_int_equal(stream_now(1)->window.size, HTTP2_WINDOW_FIRST);
	assert_int_equal(world.downstream->http2_windows.counted, 0);
	assert_int_equal(session_now()->stream_windows, HTTP2_WINDOW_FIRST);
}

/* What waits here still uses its share. */
static void
content_that_waits_keeps_its_window(void **state)
{
	(void)state;
	serve = allow_and_take;
	upload(1);
	send_all_of(1, 2 * MIB, 1);
	exchanges[0].takes = false;
	send_data(1, H2_END_STREAM, 1000);
	assert_int_equal(stream_now(1)->window.size, HTTP2_WINDOW_MAX);
	exchanges[0].takes = true;
	exchanges[0].client->ops->resume(exchanges[0].client);
	assert_int_equal(world.downstream->http2_windows.counted, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_fast_upload_gets_a_large_window),
	    TEST(a_slow_upload_needs_no_large_window),
	    TEST(a_slow_backend_keeps_the_window_small),
	    TEST(without_budget_the_window_stays_small),
	    TEST(one_upload_does_not_take_the_whole_budget),
	    TEST(the_window_of_a_connection_is_that_of_its_streams),
	    TEST(what_waits_is_bounded),
	    TEST(an_upload_that_has_ended_gives_its_window_back),
	    TEST(content_that_waits_keeps_its_window),
	    TEST(a_stream_that_lends_begins_anew),
	    TEST(a_stream_that_lends_may_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
