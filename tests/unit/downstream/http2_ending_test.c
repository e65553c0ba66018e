/* http2_ending_test.c - how an HTTP/2 session ends: late frames and content, GOAWAY from either
 * side, drain, shutdown, a lost connection. */
#include "http2_ready.h"

/* ---- time ---- */

static void
an_upload_may_take_longer_than_a_head(void **state)
{
	static char text[3 * (H2_FRAME_HEAD_LEN + 4000)];
	static const char zeros[4000];
	size_t len = 0;

	(void)state;
	serve = allow_and_take;
	upload(1);
	for (size_t i = 0; i < 3; i++)
		len += make_frame(text + len, H2_DATA, 0, 1, zeros, 4000);
	/* Each turn ends within a frame. */
	send_bytes(text, 2000);
	for (size_t i = 0; i < 8; i++) {
		send_bytes(text + 2000, 4000 + H2_FRAME_HEAD_LEN);
		world_pass(&world, 2000);
		assert_int_equal(session_now()->state, HTTP2_OPEN);
	}
	assert_int_equal(goaway_error(), -1);
}

static void
a_frame_that_stays_incomplete_ends_the_session(void **state)
{
	(void)state;
	send_bytes("\0\0\10\6\0\0\0\0\0half", 13);
	world_pass(&world, HEAD_MS - 1500);
	assert_int_equal(goaway_error(), -1);
	world_pass(&world, 2000);
	assert_int_equal(goaway_error(), H2_NO_ERROR);
}

static void
a_block_that_stays_incomplete_ends_the_session(void **state)
{
	(void)state;
	send_frame(H2_HEADERS, H2_END_STREAM, 1, "\x82", 1);
	assert_in_range(session_now()->block.bytes->capacity, 1, 1024);
	for (size_t i = 0; i < 3; i++) { /* these do not buy time */
		world_pass(&world, 1500);
		send_frame(H2_CONTINUATION, 0, 1, "\x86", 1);
	}
	assert_int_equal(goaway_error(), -1);
	world_pass(&world, 2000);
	assert_int_equal(goaway_error(), H2_NO_ERROR);
}

static void
content_that_stops_coming_is_answered(void **state)
{
	(void)state;
	serve = allow_and_take;
	upload(1);
	world_pass(&world, BODY_MS + 3000);
	assert_int_equal(exchanges[0].failure, CLIENT_BODY_TIMEOUT);
	assert_int_equal(reset_error(), -1);
	world_pass(&world, LINGER_MS + 1000);
	assert_int_equal(reset_error(), H2_NO_ERROR);
}

/* A client that is answered early may end its request, and is not reset then. */
static void
a_request_may_end_behind_its_answer(void **state)
{
	(void)state;
	serve = answer_empty;
	upload(1);
	upload(3);
	assert_int_equal(session_now()->stream_count, 2);
	send_data(1, 0, 10000);
	send_data(1, H2_END_STREAM, 1);
	assert_int_equal(session_now()->stream_count, 1);
	world_pass(&world, LINGER_MS + 1000);
	assert_int_equal(reset_error(), H2_NO_ERROR);
	assert_int_equal(frame.stream, 3);
	assert_int_equal(session_now()->stream_count, 0);
}

/* Such streams do not take the place of others, and cost nothing of the budget of resets. */
static void
a_stream_that_lingers_makes_room(void **state)
{
	(void)state;
	serve = answer_empty;
	for (uint32_t id = 1; id < 1000; id += 2)
		upload(id);
	assert_int_equal(begun, 500);
	assert_int_equal(session_now()->stream_count, 100);
	assert_int_equal(session_now()->resets.left, RESETS_MAX);
	world_pass(&world, LINGER_MS + 1000);
	assert_int_equal(session_now()->stream_count, 0);
}

/* Nothing more comes from a client that has ended its side. */
static void
a_half_closed_connection_does_not_linger(void **state)
{
	(void)state;
	serve = answer_empty;
	upload(1);
	serve = NULL;
	request(3);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	world_turn(&world);
	world_turn(&world);
	assert_int_equal(session_now()->stream_count, 1);
}

/* The table of fields, which only reading needs, goes before the streams do. */
static void
nothing_is_kept_for_reading(void **state)
{
	(void)state;
	send_frame(H2_HEADERS, END_BOTH, 1, BYTES(GET "\x40\x01n\x01v"));
	assert_non_null(session_now()->decoder.table.entries);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	world_turn(&world);
	world_turn(&world);
	assert_int_equal(session_now()->stream_count, 1);
	assert_null(session_now()->decoder.table.entries);
}

/* Nor while a client may still read why its connection ends. */
static void
nor_while_the_connection_lingers(void **state)
{
	(void)state;
	send_frame(H2_HEADERS, END_BOTH, 1, BYTES(GET "\x40\x01n\x01v"));
	assert_non_null(session_now()->decoder.table.entries);
	send_frame(H2_PUSH_PROMISE, 0, 1, NULL, 0);
	assert_true(session_now()->finished_sending);
	assert_null(session_now()->decoder.table.entries);
}

/* The loop tells of bytes and of a reset behind them only once, and then not that it was the end.
 */
static void
a_reset_behind_bytes_ends_the_lingering(void **state)
{
	(void)state;
	send_frame(H2_PUSH_PROMISE, 0, 1, NULL, 0);
	assert_true(session_now()->finished_sending);
	assert_int_equal(send(client, "late", 4, 0), 4);
	close(client); /* what it has not read makes it a reset */
	world_turn(&world);
	world_turn(&world);
	assert_null(session_now());
	client = world_connect(&world, "192.0.2.1", &(struct listener_options){0});
}

/* Streams of gRPC may be silent. */
static void
content_that_may_pause_is_waited_for(void **state)
{
	(void)state;
	serve = allow_and_take;
	upload(1);
	exchanges[0].silent = true;
	world_pass(&world, BODY_MS + 3000);
	assert_int_equal(exchanges[0].failure, -1);
	exchanges[0].silent = false;
	world_pass(&world, BODY_MS + 3000);
	assert_int_equal(exchanges[0].failure, CLIENT_BODY_TIMEOUT);
}

/* Whatever else comes on the connection. */
static void
a_busy_connection_does_not_put_off_time_outs(void **state)
{
	(void)state;
	serve = allow_and_take;
	upload(1);
	for (uint64_t ms = 0; ms < BODY_MS + 3000; ms += 500) {
		world_pass(&world, 500);
		send_frame(H2_PING, 0, 0, "12345678", 8);
	}
	assert_int_equal(exchanges[0].failure, CLIENT_BODY_TIMEOUT);
}

static void
an_idle_session_ends(void **state)
{
	(void)state;
	world_pass(&world, KEEP_ALIVE_MS - 2000);
	send_frame(H2_PING, 0, 0, "12345678", 8); /* does not prolong it */
	assert_int_equal(goaway_error(), -1);
	world_pass(&world, 3000);
	assert_int_equal(goaway_error(), H2_NO_ERROR);
	assert_true(world_is_closed(client));
}

static void
settings_have_to_be_acknowledged(void **state)
{
	(void)state;
	reconnect();
	send_bytes(BYTES(H2_PREFACE));
	send_frame(H2_SETTINGS, 0, 0, NULL, 0);
	world_pass(&world, 11000);
	assert_int_equal(goaway_error(), H2_SETTINGS_TIMEOUT);
}

/* ---- the end ---- */

static void
frames_behind_the_last_goaway_are_ignored(void **state)
{
	(void)state;
	serve = allow;
	request(1);
	send_frame(H2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
	assert_int_equal(goaway_error(), H2_NO_ERROR);
	upload(3);
	send_data(3, 0, 100);
	send_update(3, 10);
	send_frame(H2_RST_STREAM, 0, 3, "\0\0\0\10", 4);
	assert_int_equal(begun, 1);
	assert_int_equal(goaway_error(), -1);
	answer_with(&exchanges[0], 5);
	assert_int_equal(content_of(1), 5);
	assert_true(world_is_closed(client));
}

/* The last stream ends while what it waited for is sent: nothing else happens then. */
static void
a_leaving_session_ends_with_its_last_stream(void **state)
{
	(void)state;
	serve = allow;
	request(1);
	answer_with(&exchanges[0], 70000);
	send_frame(H2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
	send_update(0, 10000);
	send_update(1, 10000);
	assert_int_equal(session_now()->state, HTTP2_CLOSING);
	assert_int_equal(content_of(1), 70000);
	assert_true(world_is_closed(client));
}

/* ... or at the latest after a while, when its client does not read. */
static void
a_leaving_session_does_not_wait_for_ever(void **state)
{
	(void)state;
	serve = allow;
	fill_socket();
	request(1);
	send_frame(H2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
	answer_with(&exchanges[0], 30000);
	world_turn(&world);
	world_turn(&world);
	assert_non_null(session_now());
	world_pass(&world, ANSWER_MS + 2000);
	assert_null(session_now());
}

static void
a_drain_tells_the_client_twice(void **state)
{
	(void)state;
	serve = allow;
	request(1);
	downstream_drain(world.downstream, true);
	assert_true(find_frame(H2_GOAWAY));
	assert_int_equal(number_at(payload), H2_STREAM_LIMIT);
	assert_true(find_frame(H2_PING));
	request(3); /* it was on its way */
	assert_int_equal(begun, 2);
	send_frame(H2_PING, H2_ACK, 0, payload, 8);
	assert_true(find_frame(H2_GOAWAY));
	assert_int_equal(number_at(payload), 3);
	answer_with(&exchanges[0], 1);
	answer_with(&exchanges[1], 1);
	assert_int_equal(content_of(3), 1);
	assert_true(world_is_closed(client));
}

static void
a_session_that_opens_during_a_drain_leaves(void **state)
{
	(void)state;
	reconnect();
	world.downstream->draining = true;
	send_preface();
	request(1);
	assert_true(find_frame(H2_GOAWAY));
	assert_int_equal(number_at(payload), H2_STREAM_LIMIT);
	world_pass(&world, 1500);
	assert_true(find_frame(H2_GOAWAY));
	assert_int_equal(number_at(payload), 1);
}

static void
a_shutdown_cuts_what_runs(void **state)
{
	(void)state;
	serve = allow;
	request(1);
	connection_shutdown(session_now()->connection);
	assert_int_equal(reset_error(), H2_INTERNAL_ERROR);
	assert_int_equal(goaway_error(), H2_NO_ERROR);
	assert_true(world_is_closed(client));
}

static void
a_lost_connection_ends_its_exchanges(void **state)
{
	(void)state;
	request(1);
	request(3);
	close(client);
	world_turn(&world);
	world_turn(&world);
	assert_int_equal(exchanges[0].failure, CLIENT_CLOSED);
	assert_int_equal(exchanges[1].failure, CLIENT_CLOSED);
	assert_null(session_now());
	client = world_connect(&world, "192.0.2.1", &(struct listener_options){0});
}

/* ---- what comes for streams that are over ---- */

enum { STREAMS = 90 };

/* Begin uploads, and end them all from this end. */
static void
begin_and_cut_uploads(void)
{
	serve = allow;
	for (uint32_t i = 0; i < STREAMS; i++)
		upload(2 * i + 1);
	for (size_t i = 0; i < STREAMS; i++)
		end(&exchanges[i], END_REVOKED);
	collect();
	received_len = 0;
}

/* Whatever was on its way for streams that were reset is ignored, however many those are. */
static void
what_was_on_its_way_is_ignored(void **state)
{
	uint32_t resets = 0;

	(void)state;
	begin_and_cut_uploads();
	for (uint32_t i = 0; i < STREAMS; i++) {
		send_data(2 * i + 1, 0, 100);
		send_frame(H2_HEADERS, END_BOTH, 2 * i + 1, BYTES("\0\1a\0"));
	}
	collect();
	while (next_frame()) {
		assert_int_not_equal(frame.type, H2_GOAWAY);
		resets += frame.type == H2_RST_STREAM;
	}
	assert_in_range(resets, 0, STREAMS - 64); /* those of which nothing is known any more */
	assert_int_equal(session_now()->resets.left, RESETS_MAX);
	request(2 * STREAMS + 1);
	assert_non_null(exchanges[STREAMS].client);
}

/* After its trailers there is nothing that may come. */
static void
a_reset_stream_that_the_client_has_ended(void **state)
{
	uint32_t last = 2 * STREAMS - 1;

	(void)state;
	begin_and_cut_uploads();
	send_data(last, H2_END_STREAM, 10);
	send_data(last, 0, 10);
	assert_int_equal(reset_error(), H2_STREAM_CLOSED);
	send_frame(H2_HEADERS, END_BOTH, last, BYTES("\0\1a\0"));
	assert_int_equal(goaway_error(), H2_STREAM_CLOSED);
}

static void
much_content_on_its_way_is_no_overhead(void **state)
{
	(void)state;
	begin_and_cut_uploads();
	session_now()->overhead.read = OVERHEAD_SHARE * OVERHEAD_ALLOWANCE;
	for (uint32_t i = 0; i < STREAMS / 2; i++)
		send_data(2 * i + 1, 0, HTTP2_WINDOW_FIRST);
	assert_int_equal(goaway_error(), -1);
}

/* ---- a client that has ended its side ---- */

static void
a_client_that_ends_its_side_gets_its_answers(void **state)
{
	(void)state;
	serve = allow_and_take;
	request(1);
	upload(3);
	send_data(3, H2_END_STREAM, 10);
	upload(5);
	send_data(5, 0, 10);
	shutdown(client, SHUT_WR);
	world_turn(&world);
	world_turn(&world);
	assert_int_equal(exchanges[2].failure, CLIENT_CLOSED);
	assert_int_equal(exchanges[0].failure, -1);
	answer_with(&exchanges[0], 100);
	answer_with(&exchanges[1], 200);
	collect();
	assert_true(find_frame(H2_GOAWAY));
	assert_int_equal(content_of(3), 200);
	assert_true(world_is_closed(client));
	assert_null(session_now());
}

/* Its acknowledgement of SETTINGS cannot come any more. */
static void
a_client_that_has_ended_its_side_may_wait_long(void **state)
{
	(void)state;
	reconnect();
	send_bytes(BYTES(H2_PREFACE));
	send_frame(H2_SETTINGS, 0, 0, NULL, 0);
	serve = allow;
	request(1);
	shutdown(client, SHUT_WR);
	world_pass(&world, 20000);
	answer_with(&exchanges[0], 100);
	assert_int_equal(content_of(1), 100);
}

static void
a_client_that_closes_ends_its_requests(void **state)
{
	(void)state;
	serve = allow;
	request(1);
	close(client);
	for (size_t i = 0; i < 4; i++)
		world_turn(&world);
	assert_int_equal(exchanges[0].failure, CLIENT_CLOSED);
	assert_null(session_now());
}

static void
an_idle_client_that_ends_its_side_is_gone(void **state)
{
	(void)state;
	collect();
	received_len = 0;
	shutdown(client, SHUT_WR);
	world_turn(&world);
	assert_null(session_now());
	assert_int_equal(recv(client, received, sizeof(received), 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_upload_may_take_longer_than_a_head),
	    TEST(a_frame_that_stays_incomplete_ends_the_session),
	    TEST(a_block_that_stays_incomplete_ends_the_session),
	    TEST(content_that_stops_coming_is_answered),
	    TEST(a_request_may_end_behind_its_answer),
	    TEST(a_stream_that_lingers_makes_room),
	    TEST(a_half_closed_connection_does_not_linger),
	    TEST(nothing_is_kept_for_reading),
	    TEST(nor_while_the_connection_lingers),
	    TEST(a_reset_behind_bytes_ends_the_lingering),
	    TEST(content_that_may_pause_is_waited_for),
	    TEST(a_busy_connection_does_not_put_off_time_outs),
	    TEST(an_idle_session_ends),
	    TEST(settings_have_to_be_acknowledged),
	    TEST(frames_behind_the_last_goaway_are_ignored),
	    TEST(a_leaving_session_ends_with_its_last_stream),
	    TEST(a_leaving_session_does_not_wait_for_ever),
	    TEST(a_drain_tells_the_client_twice),
	    TEST(a_session_that_opens_during_a_drain_leaves),
	    TEST(a_shutdown_cuts_what_runs),
	    TEST(a_lost_connection_ends_its_exchanges),
	    TEST(what_was_on_its_way_is_ignored),
	    TEST(a_reset_stream_that_the_client_has_ended),
	    TEST(much_content_on_its_way_is_no_overhead),
	    TEST(a_client_that_ends_its_side_gets_its_answers),
	    TEST(a_client_that_has_ended_its_side_may_wait_long),
	    TEST(a_client_that_closes_ends_its_requests),
	    TEST(an_idle_client_that_ends_its_side_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
