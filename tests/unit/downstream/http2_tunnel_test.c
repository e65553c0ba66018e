/* http2_tunnel_test.c - streams of HTTP/2 that become tunnels (RFC 8441). */
#include "http2_world.h"

static const char *const upgrades[] = {"websocket", NULL};

#define CONNECT    \
	"\x02\x07" \
	"CONNECT"  \
	"\x00\x09:protocol\x09websocket\x86\x84\x01\x01h"

static int
setup(void **state)
{
	(void)state;
	http2_world_open();
	world.downstream->options.upgrades = upgrades;
	reconnect();
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

/* What the SETTINGS say of extended CONNECT; 0: nothing. */
static uint32_t
offered(void)
{
	assert_true(find_frame(H2_SETTINGS));
	for (uint32_t at = 0; at < frame.length; at += 6)
		if (payload[at + 1] == H2_SETTINGS_ENABLE_CONNECT_PROTOCOL)
			return number_at(payload + at + 2);
	return 0;
}

static void
switch_protocol(struct exchange *exchange)
{
	struct response response = {.status = 101,
	    .content = CONTENT_UNKNOWN,
	    .tunnel = true,
	    .upgrade = SLICE("websocket")};

	exchange->client->ops->answer(exchange->client, &response);
	exchange->takes = true;
	exchange->client->ops->resume(exchange->client);
}

/* A tunnel on this stream, with nothing of it left to be read. */
static struct exchange *
open_tunnel(uint32_t stream)
{
	struct exchange *exchange = &exchanges[begun];

	send_frame(H2_HEADERS, H2_END_HEADERS, stream, BYTES(CONNECT));
	switch_protocol(exchange);
	assert_true(find_frame(H2_HEADERS));
	assert_int_equal(frame.flags & H2_END_STREAM, 0);
	collect();
	received_len = 0;
	return exchange;
}

static bool
say(struct exchange *exchange, const char *words)
{
	return exchange->client->ops->last_words(exchange->client, slice_of(words));
}

static void
expect_data(const char *text, unsigned flags)
{
	assert_true(find_frame(H2_DATA));
	assert_int_equal(frame.length, strlen(text));
	assert_memory_equal(payload, text, frame.length);
	assert_int_equal(frame.flags, flags);
}

static void
it_is_offered_where_it_is_allowed(void **state)
{
	static const char *const others[] = {"tcp", "websocket2", NULL};
	const struct listener_options forward_auth = {.forward_auth = true};

	(void)state;
	assert_int_equal(offered(), 1);
	close(client);
	client = world_connect(&world, "192.0.2.1", &forward_auth);
	received_len = 0;
	assert_int_equal(offered(), 0);
	world.downstream->options.upgrades = others;
	reconnect();
	assert_int_equal(offered(), 0);
	send_preface();
	send_frame(H2_HEADERS, H2_END_HEADERS, 1, BYTES(CONNECT));
	assert_int_equal(reset_error(), H2_PROTOCOL_ERROR);
	assert_int_equal(begun, 0);
}

static void
content_waits_for_the_answer(void **state)
{
	(void)state;
	send_frame(H2_HEADERS, H2_END_HEADERS, 1, BYTES(CONNECT));
	send_data(1, 0, 100);
	send_data(1, H2_END_STREAM, 23);
	assert_int_equal(exchanges[0].taken, 0);
	world_pass(&world, 10 * BODY_MS); /* it is not the client that is waited for */
	assert_int_equal(exchanges[0].failure, -1);
	switch_protocol(&exchanges[0]);
	assert_int_equal(exchanges[0].taken, 123);
	assert_true(exchanges[0].ended);
}

static void
content_both_ways(void **state)
{
	struct exchange *exchange = open_tunnel(1);

	(void)state;
	send_data(1, 0, 5);
	assert_int_equal(exchange->taken, 5);
	assert_false(exchange->ended);
	exchange->left = 3;
	push(exchange);
	expect_data("abc", 0);
	world_pass(&world, 10 * BODY_MS); /* a tunnel may be silent */
	assert_int_equal(exchange->failure, -1);
	send_data(1, H2_END_STREAM, 0);
	assert_true(exchange->ended);
	exchange->client->ops->content_end(exchange->client, NULL);
	end(exchange, END_COMPLETE);
	expect_data("", H2_END_STREAM);
	assert_int_equal(reset_error(), -1);
	assert_int_equal(session_now()->tunnels, 0);
}

static void
only_content_may_follow(void **state)
{
	struct exchange *exchange = open_tunnel(1);

	(void)state;
	exchange->ends = true; /* its answer has begun */
	send_frame(H2_HEADERS, END_BOTH, 1, BYTES("\x00\x01x\x01y"));
	assert_int_equal(reset_error(), H2_PROTOCOL_ERROR);
	assert_int_equal(exchange->failure, CLIENT_BAD_CONTENT);
	assert_false(exchange->ended);
}

static void
last_words_end_the_stream(void **state)
{
	struct exchange *exchange = open_tunnel(1);

	(void)state;
	exchange->left = 2;
	push(exchange);
	assert_true(say(exchange, "bye"));
	end(exchange, END_TOLD);
	expect_data("ab", 0);
	expect_data("bye", H2_END_STREAM);
	assert_int_equal(reset_error(), H2_NO_ERROR);
	assert_int_equal(session_now()->stream_count, 0);
	assert_int_equal(session_now()->resets.left, RESETS_MAX);
	send_data(1, H2_END_STREAM, 8); /* it was on its way */
	assert_int_equal(goaway_error(), -1);
}

/* Another stream has used up the connection's window: the words wait, the exchange does not. */
static void
last_words_wait_for_the_connection(void **state)
{
	struct exchange *exchange = open_tunnel(1), *other = &exchanges[1];

	(void)state;
	request(3);
	other->left = H2_WINDOW_DEFAULT + 1;
	answer(other, 200);
	push(other);
	assert_int_equal(content_of(3), H2_WINDOW_DEFAULT);
	assert_false(exchange->client->ops->waits(exchange->client));
	assert_true(say(exchange, "bye"));
	assert_true(exchange->client->ops->waits(exchange->client));
	end(exchange, END_TOLD);
	assert_int_equal(reset_error(), -1);
	send_update(0, 100);
	expect_data("bye", H2_END_STREAM);
	assert_int_equal(reset_error(), H2_NO_ERROR);
}

static void
a_client_that_does_not_read_gets_no_last_words(void **state)
{
	struct exchange *exchange = open_tunnel(1);

	(void)state;
	send_update(0, 100);
	exchange->left = H2_WINDOW_DEFAULT - 2;
	push(exchange);
	assert_int_equal(content_of(1), H2_WINDOW_DEFAULT - 2);
	assert_false(say(exchange, "bye"));
	end(exchange, END_REVOKED);
	assert_int_equal(content_of(1), 0);
}

static void
last_words_when_the_gateway_stops(void **state)
{
	struct exchange *exchange = open_tunnel(1);

	(void)state;
	session_now()->working = true; /* as in http2_shutdown */
	assert_true(say(exchange, "bye"));
	end(exchange, END_TOLD);
	session_now()->working = false;
	http2_fail(session_now(), H2_NO_ERROR, (struct slice){0});
	expect_data("bye", H2_END_STREAM);
	assert_int_equal(reset_error(), H2_NO_ERROR);
}

/* RFC 8441 section 5: as TCP's reset. What the client did not cause does not count. */
static void
a_cut_tunnel(void **state)
{
	static const enum exchange_end ends[] = {END_CUT, END_ABANDONED, END_REVOKED};

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct exchange *exchange = open_tunnel(2 * i + 1);

		assert_int_equal(session_now()->tunnels, 1);
		end(exchange, ends[i]);
		assert_int_equal(reset_error(), H2_CANCEL);
		assert_int_equal(session_now()->tunnels, 0);
		assert_int_equal(session_now()->resets.left, RESETS_MAX);
	}
}

/*
 * What has left of a frame when the tunnel is cut is followed by filler, which is nothing that
 * could go on in a WebSocket, and by the reset; also if the backend has ended its side.
 */
static void
a_cut_within_a_frame(void **state)
{
	struct exchange *exchange = open_tunnel(1);
	size_t content = 0, good = 0;

	(void)state;
	fill_socket();
	exchange->left = 40000;
	push(exchange);
	exchange->client->ops->content_end(exchange->client, NULL);
	world_turn(&world);
	assert_true(buffer_len(session_now()->output.out) > 0);
	assert_true(exchange->client->ops->waits(exchange->client));
	end(exchange, END_REVOKED);
	collect();
	while (next_frame() && frame.type != H2_RST_STREAM) {
		assert_int_equal(frame.type, H2_DATA);
		assert_int_equal(frame.flags, 0);
		for (size_t i = 0; i < frame.length; i++, content++)
			if (good == content && payload[i] == letter(content))
				good++;
			else
				assert_int_equal((unsigned char)payload[i], 0xff);
	}
	assert_int_equal(frame.type, H2_RST_STREAM);
	assert_int_equal(number_at(payload), H2_CANCEL);
	assert_in_range(good, 1, content - 1);
	assert_in_range(content, 1, 39999);
}

/* A reset of the connection may not be announced behind data: a silent tunnel has it looked at. */
static void
a_silent_tunnel_is_looked_at_again(void **state)
{
	struct exchange *exchange = open_tunnel(1);

	(void)state;
	send_data(1, 0, 5);
	assert_int_equal(exchange->taken, 5);
	assert_true(session_now()->tunnel_look_ms > 0);
	world_pass(&world, TUNNEL_LOOK_MS + 100);
	assert_int_equal(session_now()->tunnel_look_ms, 0);
	send_data(1, 0, 5);
	assert_true(session_now()->tunnel_look_ms > 0);
	assert_int_equal(exchange->failure, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(it_is_offered_where_it_is_allowed),
	    TEST(content_waits_for_the_answer),
	    TEST(content_both_ways),
	    TEST(only_content_may_follow),
	    TEST(last_words_end_the_stream),
	    TEST(last_words_wait_for_the_connection),
	    TEST(a_client_that_does_not_read_gets_no_last_words),
	    TEST(last_words_when_the_gateway_stops),
	    TEST(a_cut_tunnel),
	    TEST(a_cut_within_a_frame),
	    TEST(a_silent_tunnel_is_looked_at_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
