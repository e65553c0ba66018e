/* http2_server_test.c - the HTTP/2 server between a client's frames and fake exchanges: windows,
 * turns, what waits and what wakes it. */
#include "http2_ready.h"

/* ---- answers ---- */

static void
an_answer_waits_for_its_window(void **state)
{
	(void)state;
	request(1);
	answer_with(&exchanges[0], 100000);
	assert_int_equal(content_of(1), H2_WINDOW_DEFAULT);
	send_update(1, 10000);
	assert_int_equal(content_of(1), 0); /* the connection's window is used up, too */
	send_update(0, 100000);
	assert_int_equal(content_of(1), 10000);
	send_update(1, 100000);
	assert_int_equal(content_of(1), 100000 - H2_WINDOW_DEFAULT - 10000);
	assert_null(exchanges[0].client);
}

static void
streams_take_turns(void **state)
{
	size_t sent[3] = {0};

	(void)state;
	send_update(0, 1000000);
	fill_socket();
	for (uint32_t i = 0; i < 3; i++)
		request(2 * i + 1);
	for (size_t i = 0; i < 3; i++)
		answer_with(&exchanges[i], 60000);
	collect();
	/* The first one may fill the buffer; from then on it is one frame of each in turn. */
	while (next_frame()) {
		if (frame.type != H2_DATA)
			continue;
		sent[frame.stream / 2] += frame.length;
		if (frame.stream != 1)
			assert_true(sent[1] <= sent[2] + DATA_MAX && sent[2] <= sent[1] + DATA_MAX);
	}
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(sent[i], 60000);
}

/* As gRPC's health service: a short message, then trailers. */
static void
reply_with_trailers(struct exchange *exchange)
{
	struct field items[] = {{.name = SLICE("grpc-status"), .value = SLICE("0")}};
	struct fields trailers = {items, 1};

	answer(exchange, 200);
	exchange->client->ops->reply_content(exchange->client, SLICE("message"));
	exchange->client->ops->content_end(exchange->client, &trailers);
	end(exchange, END_COMPLETE);
}

/* All of its answer comes now, in this order. */
static void
expect_reply_with_trailers(uint32_t stream)
{
	bool content = false, ended = false;

	collect();
	while (next_frame()) {
		if (frame.stream != stream)
			continue;
		assert_false(ended);
		if (frame.type == H2_DATA) {
			assert_int_equal(frame.length, 7);
			assert_memory_equal(payload, "message", 7);
			assert_false(h2_frame_has(&frame, H2_END_STREAM));
			content = true;
		} else if (frame.type == H2_HEADERS && content) {
			ended = h2_frame_has(&frame, H2_END_STREAM);
			assert_non_null(memmem(payload, frame.length, "grpc-status", 11));
		}
	}
	assert_true(ended);
}

static void
a_reply_with_trailers(void **state)
{
	(void)state;
	request(1);
	reply_with_trailers(&exchanges[0]);
	expect_reply_with_trailers(1);
	assert_int_equal(session_now()->stream_count, 0);
}

static void
a_reply_with_trailers_waits_for_its_window(void **state)
{
	(void)state;
	send_frame(H2_SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
	request(1);
	reply_with_trailers(&exchanges[0]);
	assert_int_equal(content_of(1), 0);
	assert_int_equal(session_now()->stream_count, 1);
	send_update(1, 7);
	expect_reply_with_trailers(1);
	assert_int_equal(session_now()->stream_count, 0);
}

static void
a_reply_with_trailers_waits_for_its_turn(void **state)
{
	(void)state;
	send_update(0, 1000000);
	fill_socket();
	request(1);
	answer_with(&exchanges[0], 60000);
	request(3);
	reply_with_trailers(&exchanges[1]);
	assert_int_equal(session_now()->stream_count, 2);
	expect_reply_with_trailers(3);
	assert_int_equal(session_now()->stream_count, 0);
}

/* It is reset, or its connection ends, while its trailers wait: nothing of them is left. */
static void
a_reply_with_trailers_that_is_not_read(void **state)
{
	(void)state;
	send_frame(H2_SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
	request(1);
	reply_with_trailers(&exchanges[0]);
	request(3);
	reply_with_trailers(&exchanges[1]);
	send_frame(H2_RST_STREAM, 0, 1, "\0\0\0\10", 4);
	assert_int_equal(session_now()->stream_count, 1);
	world_pass(&world, world.downstream->options.timeouts.answer + 2000);
	assert_int_equal(reset_error(), H2_CANCEL);
	assert_int_equal(session_now()->stream_count, 0);
}

static void
a_smaller_initial_window_stops_what_runs(void **state)
{
	static const char none[6] = {0, 4, 0, 0, 0, 0}, some[6] = {0, 4, 0, 1, 0, 0};

	(void)state;
	send_update(0, 1000000);
	request(1);
	answer_with(&exchanges[0], 100000);
	assert_int_equal(content_of(1), 65535);
	send_frame(H2_SETTINGS, 0, 0, none, 6); /* the window is -65535 now */
	send_update(1, 65535);
	assert_int_equal(content_of(1), 0);
	send_update(1, 1);
	assert_int_equal(content_of(1), 1);
	send_frame(H2_SETTINGS, 0, 0, some, 6);
	assert_int_equal(content_of(1), 100000 - 65536);
}

static void
a_window_that_was_given_back_twice_does_not_overflow(void **state)
{
	(void)state;
	fill_socket();
	send_update(0, H2_WINDOW_LIMIT - H2_WINDOW_DEFAULT);
	request(1);
	answer_with(&exchanges[0], 60000);
	assert_true(exchanges[0].pushed > 0);
	world_turn(&world);
	send_update(0, (uint32_t)exchanges[0].pushed); /* of which it has not read a byte */
	send_frame(H2_RST_STREAM, 0, 1, "\0\0\0\10", 4);
	assert_true(session_now()->output.window > 0);
}

static void
the_rest_of_a_block_that_has_begun_to_leave_follows(void **state)
{
	static char value[30000];
	struct field field = {.name = SLICE("x"), .value = {value, sizeof(value)}};
	struct response response = {.status = 200, .fields = {&field, 1}};
	bool continued = false;

	(void)state;
	memset(value, 'v', sizeof(value));
	fill_socket();
	request(1);
	exchanges[0].client->ops->answer(exchanges[0].client, &response);
	world_turn(&world);
	world_turn(&world);
	assert_true(session_now()->output.sent > 0 && buffer_len(session_now()->output.out) > 0);
	end(&exchanges[0], END_REVOKED);
	assert_true(find_frame(H2_HEADERS));
	assert_false(h2_frame_has(&frame, H2_END_HEADERS));
	while (next_frame())
		if (frame.type == H2_CONTINUATION)
			continued = h2_frame_has(&frame, H2_END_HEADERS);
		else
			break;
	assert_true(continued && frame.type == H2_RST_STREAM);
}

/* ---- what waits, and what wakes it ---- */

static void
small_frames_beyond_what_may_wait_are_answered_later(void **state)
{
	enum { PINGS = 2000 };
	static char pings[PINGS * (H2_FRAME_HEAD_LEN + 8)];
	struct http2_session *session = session_now();
	size_t len = 0, answered = 0;

	(void)state;
	session->working = true; /* no event is left for later */
	for (size_t i = 0; i < PINGS; i++)
		len += make_frame(pings + len, H2_PING, 0, 0, "12345678", 8);
	send_bytes(pings, len);
	session->working = false;
	session->connection->conn.writable = false;
	for (size_t i = 0; i < 20; i++) {
		http2_work(session);
		world_turn(&world);
	}
	assert_false(session->connection->conn.writable);
	assert_in_range(
	    session->output.control_out, CONTROL_OUT_MAX, CONTROL_OUT_MAX + H2_FRAME_HEAD_LEN + 8);
	session->connection->conn.writable = true; /* for all of it */
	http2_work(session);
	for (size_t i = 0; i < 20; i++)
		world_turn(&world);
	assert_null(session->in);
	collect();
	while (next_frame())
		answered += frame.type == H2_PING;
	assert_int_equal(answered, PINGS);
	assert_int_equal(session_now()->output.control_out, 0);
}

static void
small_frames_that_have_left_do_not_count(void **state)
{
	char some[4096];

	(void)state;
	fill_socket();
	send_update(0, 100000000);
	request(1);
	send_update(1, 100000000);
	exchanges[0].left = 50000000; /* what waits is never all sent */
	answer(&exchanges[0], 200);
	push(&exchanges[0]);
	for (size_t i = 0; i < 3000; i++) {
		send_frame(H2_PING, 0, 0, "12345678", 8);
		for (size_t n = 0; n < 3; n++)
			if (recv(client, some, sizeof(some), 0) > 0)
				world_turn(&world);
		assert_non_null(session_now());
	}
	for (size_t i = 0; i < 200; i++) {
		assert_true(recv(client, some, sizeof(some), 0) > 0);
		world_turn(&world);
		world_turn(&world);
	}
	assert_true(session_now()->output.control_out < CONTROL_OUT_MAX);
}

static void
answer_with_a_head(struct exchange *exchange)
{
	static char value[500];
	struct field field = {.name = SLICE("x"), .value = {value, sizeof(value)}};
	struct response response = {.status = 204, .fields = {&field, 1}};

	memset(value, 'v', sizeof(value));
	exchange->client->ops->answer(exchange->client, &response);
	exchange->client->ops->content_end(exchange->client, NULL);
	end(exchange, END_COMPLETE);
}

/* Heads have no window, so it is reading that waits for a client that does not read. */
static void
answers_that_are_not_read_are_bounded(void **state)
{
	static char requests[100 * (H2_FRAME_HEAD_LEN + sizeof(HEAD))];
	size_t len = 0, unread = 0;

	(void)state;
	serve = answer_with_a_head;
	fill_socket();
	world_first(&world, FOR_JOBS)->authenticated = true;
	for (uint32_t i = 0; i < 3000; i++) {
		len = make_frame(requests, H2_HEADERS, END_BOTH, 2 * i + 1, BYTES(HEAD));
		if (send(client, requests, len, MSG_NOSIGNAL) != (ssize_t)len)
			break;
		unread = i + 1;
		if (i % 100 == 0)
			world_turn(&world);
	}
	for (size_t i = 0; i < 200; i++)
		world_turn(&world);
	assert_in_range(buffer_len(session_now()->output.out), 0, OUT_FULL + 1000);
	collect();
	assert_int_equal(begun, unread);
}

static void
streams_that_wait_for_a_window_do_not_stop_reading(void **state)
{
	static const char none[6] = {0, 4, 0, 0, 0, 0};

	(void)state;
	send_frame(H2_SETTINGS, 0, 0, none, 6);
	for (uint32_t i = 0; i < 10; i++) {
		request(2 * i + 1);
		assert_int_equal(begun, i + 1);
		reply_with(&exchanges[i], 401, "no");
	}
	send_update(1, 100);
	assert_int_equal(content_of(1), 2);
}

static void
reading_waits_for_streams_that_are_being_authorized(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 12; i++)
		request(2 * i + 1);
	assert_int_equal(begun, 8);
	reply_with(&exchanges[0], 401, "");
	collect();
	assert_int_equal(begun, 9);
	allow(&exchanges[1]);
	collect();
	assert_int_equal(begun, 12);
}

/* ---- content of requests ---- */

static void
the_window_grows_while_the_exchange_keeps_up(void **state)
{
	(void)state;
	serve = allow_and_take;
	upload(1);
	send_data(1, 0, 8192);
	assert_true(find_frame(H2_WINDOW_UPDATE));
	while (frame.stream != 1)
		assert_true(find_frame(H2_WINDOW_UPDATE));
	assert_int_equal(number_at(payload), 8192 + HTTP2_WINDOW_ALLOWED - HTTP2_WINDOW_FIRST);
	assert_int_equal(
	    world.downstream->http2_windows.counted, HTTP2_WINDOW_ALLOWED - HTTP2_WINDOW_FIRST);
	send_data(1, H2_END_STREAM, 10);
	assert_true(exchanges[0].ended);
	answer_with(&exchanges[0], 0);
	assert_int_equal(world.downstream->http2_windows.counted, 0);
}

static void
no_window_is_given_to_a_stream_that_has_ended(void **state)
{
	(void)state;
	serve = allow_and_take;
	upload(1);
	collect();
	received_len = 0;
	send_data(1, H2_END_STREAM, 16384);
	assert_false(find_frame(H2_WINDOW_UPDATE));
	assert_int_equal(exchanges[0].taken, 16384);
}

/* The client has the answer before the turn ends in which its request came. */
static void
reply_now(struct exchange *exchange)
{
	char text[512];
	ssize_t n;

	answer(exchange, 200);
	exchange->client->ops->reply_content(exchange->client, SLICE("hi"));
	exchange->client->ops->content_end(exchange->client, NULL);
	exchange->client->ops->send_now(exchange->client);
	n = recv(client, text, sizeof(text), MSG_DONTWAIT);
	assert_in_range(n, 2, sizeof(text));
	assert_memory_equal(text + n - 2, "hi", 2);
	end(exchange, END_COMPLETE);
}

static void
an_answer_can_be_sent_in_the_middle_of_a_turn(void **state)
{
	(void)state;
	collect();
	serve = reply_now;
	request(1);
	request(3);
	assert_int_equal(begun, 2);
	assert_int_equal(session_now()->stream_count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_answer_waits_for_its_window),
	    TEST(an_answer_can_be_sent_in_the_middle_of_a_turn),
	    TEST(streams_take_turns),
	    TEST(a_reply_with_trailers),
	    TEST(a_reply_with_trailers_waits_for_its_window),
	    TEST(a_reply_with_trailers_waits_for_its_turn),
	    TEST(a_reply_with_trailers_that_is_not_read),
	    TEST(a_smaller_initial_window_stops_what_runs),
	    TEST(a_window_that_was_given_back_twice_does_not_overflow),
	    TEST(the_rest_of_a_block_that_has_begun_to_leave_follows),
	    TEST(small_frames_beyond_what_may_wait_are_answered_later),
	    TEST(small_frames_that_have_left_do_not_count),
	    TEST(answers_that_are_not_read_are_bounded),
	    TEST(streams_that_wait_for_a_window_do_not_stop_reading),
	    TEST(reading_waits_for_streams_that_are_being_authorized),
	    TEST(the_window_grows_while_the_exchange_keeps_up),
	    TEST(no_window_is_given_to_a_stream_that_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
