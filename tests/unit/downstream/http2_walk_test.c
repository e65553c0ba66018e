/* http2_walk_test.c - random events from both sides on an HTTP/2 session: whatever happens, the
 * client gets frames that are valid, within its windows, with each stream's content in order. */
#include "http2_world.h"
#include "tests/plain_memory.h"

#define IDS 4096 /* of streams */

/* What the client knows of each of its streams. */
static struct {
	int64_t window;	 /* bytes that the server may still send */
	size_t content;	 /* bytes that have come */
	int64_t to_send; /* bytes that the client may still send */
	bool opened, head, over, sent_end;
} known[IDS];
static int64_t window, to_send; /* the connection's */
static int64_t initial;		/* window of a new stream */
static uint32_t next_id, block; /* block: the stream whose field block is under way; 0: none */
static struct hpack_decoder decoder;
static bool first_block;
static uint64_t seed;

static size_t
pick(size_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (size_t)(seed >> 33) % below;
}

static uint32_t
slot(uint32_t id)
{
	assert_in_range(id / 2, 0, IDS - 1);
	return id / 2;
}

static void
start(void)
{
	memset(known, 0, sizeof(known));
	received_len = 0;
	window = initial = to_send = H2_WINDOW_DEFAULT;
	next_id = 1;
	block = 0;
	begun = 0;
	first_block = true;
	hpack_decoder_free(&decoder);
	hpack_decoder_init(&decoder, HPACK_TABLE_MAX, plain_memory(NULL));
	send_preface();
}

static int
setup(void **state)
{
	(void)state;
	http2_world_open();
	start();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	http2_world_close();
	hpack_decoder_free(&decoder);
	return 0;
}

/* ---- what the client gets ---- */

static void
on_data(void)
{
	uint32_t i = slot(frame.stream);

	assert_true(known[i].head && !known[i].over);
	window -= frame.length;
	known[i].window -= frame.length;
	assert_true(frame.length == 0 || (window >= 0 && known[i].window >= 0));
	for (size_t n = 0; n < frame.length; n++) {
		/* Filler: it was reset within this frame. */
		if (payload[n] != letter(known[i].content + n) && payload[n] != (char)H2_FILLER)
			fail_msg("stream %u: wrong content", frame.stream);
	}
	known[i].content += frame.length;
	known[i].over = h2_frame_has(&frame, H2_END_STREAM);
}

static void
on_headers(void)
{
	static struct field fields[64];
	static char text[8192];
	struct hpack_block decoded;
	size_t consumed;
	uint32_t i = slot(frame.stream);

	assert_true(known[i].opened && !known[i].over);
	hpack_block_init(&decoded, fields, 64, text, sizeof(text), sizeof(text));
	if (first_block)
		assert_int_equal(payload[0], 0x20);
	first_block = false;
	assert_int_equal(hpack_decode(&decoder, (struct slice){payload, frame.length}, true,
			     &decoded, &consumed),
	    HPACK_OK);
	assert_true(h2_frame_has(&frame, H2_END_HEADERS)); /* heads are short here */
	known[i].head = true;
	known[i].over = h2_frame_has(&frame, H2_END_STREAM);
}

static void
on_frame(void)
{
	switch (frame.type) {
	case H2_DATA:
		on_data();
		break;
	case H2_HEADERS:
		on_headers();
		break;
	case H2_RST_STREAM:
		assert_true(known[slot(frame.stream)].opened);
		known[slot(frame.stream)].over = true;
		break;
	case H2_WINDOW_UPDATE:
		assert_true(number_at(payload) > 0);
		if (frame.stream == 0)
			to_send += number_at(payload);
		else
			known[slot(frame.stream)].to_send += number_at(payload);
		break;
	case H2_SETTINGS:
	case H2_PING:
	case H2_GOAWAY:
		assert_int_equal(frame.stream, 0);
		break;
	default:
		fail_msg("a frame of type %u", frame.type);
	}
}

static void
read_some(size_t most)
{
	size_t room = sizeof(received) - received_len;
	ssize_t n = recv(client, received + received_len, most < room ? most : room, 0);

	if (n > 0)
		received_len += (size_t)n;
	while (next_frame())
		on_frame();
}

/* ---- what the client does ---- */

static void
client_asks(void)
{
	uint32_t i = slot(next_id);
	bool ends = pick(2) == 0;

	known[i].opened = true;
	known[i].sent_end = ends;
	known[i].window = initial;
	known[i].to_send = HTTP2_WINDOW_FIRST;
	send_frame(
	    H2_HEADERS, H2_END_HEADERS | (ends ? H2_END_STREAM : 0), next_id, ends ? GET : POST, 6);
	next_id += 2;
}

static void
client_sends(uint32_t id)
{
	static const char zeros[H2_FRAME_SIZE_DEFAULT];
	uint32_t i = slot(id);
	size_t len = pick(4) == 0 ? pick(sizeof(zeros)) : pick(100);

	if (known[i].sent_end || known[i].over || known[i].to_send < (int64_t)len ||
	    to_send < (int64_t)len)
		return;
	known[i].to_send -= (int64_t)len;
	to_send -= (int64_t)len;
	known[i].sent_end = pick(5) == 0;
	send_frame(H2_DATA, known[i].sent_end ? H2_END_STREAM : 0, id, zeros, len);
}

static void
client_resets(uint32_t id)
{
	if (known[slot(id)].over)
		return;
	send_frame(H2_RST_STREAM, 0, id, "\0\0\0\10", 4);
	known[slot(id)].sent_end = true;
}

static void
client_widens(uint32_t id)
{
	size_t by = 1 + pick(pick(2) == 0 ? 50 : 50000);

	if (pick(2) == 0) {
		window += (int64_t)by;
		send_update(0, (uint32_t)by);
	} else {
		known[slot(id)].window += (int64_t)by;
		send_update(id, (uint32_t)by);
	}
}

/* The server may have sent within the old window what it had not been told of. */
static void
client_sets_window(void)
{
	uint32_t to = (uint32_t)initial + (uint32_t)pick(20000);
	char setting[6] = {0, 4, (char)(to >> 24), (char)(to >> 16), (char)(to >> 8), (char)to};

	for (uint32_t i = 0; i < next_id / 2; i++)
		known[i].window += to - initial;
	initial = to;
	send_frame(H2_SETTINGS, 0, 0, setting, 6);
}

static void
client_acts(void)
{
	uint32_t id = next_id == 1 ? 1 : 2 * (uint32_t)pick(next_id / 2) + 1;

	/* Mostly the latest ones: they run. */
	if (next_id > 30 && pick(4) != 0)
		id = next_id - 2 - 2 * (uint32_t)pick(12);
	if (next_id == 1 || (pick(3) == 0 && next_id / 2 < IDS - 1)) {
		client_asks();
		return;
	}
	switch (pick(6)) {
	case 0:
		client_resets(id);
		break;
	case 1:
		send_frame(H2_PING, 0, 0, "12345678", 8);
		break;
	case 2:
		if (pick(10) == 0)
			client_sets_window();
		break;
	case 3:
		client_widens(id);
		break;
	default:
		client_sends(id);
	}
}

/* ---- what exchanges do ---- */

static void
exchange_acts(void)
{
	struct exchange *exchange =
	    begun == 0 ? NULL : &exchanges[begun - 1 - pick(begun < 30 ? begun : 30)];

	if (exchange == NULL || exchange->client == NULL)
		return;
	if (!exchange->allowed) {
		if (pick(6) == 0)
			reply_with(exchange, 401, "abcdefghijklmnopqrstuvwxyzabc");
		else if (pick(2) == 0)
			allow(exchange);
		else
			allow_and_take(exchange);
		return;
	}
	if (exchange->left == 0 && !exchange->ends && exchange->pushed == 0) {
		answer(exchange, 200);
		exchange->left = 1 + pick(pick(3) == 0 ? 100000 : 1000);
		push(exchange);
		return;
	}
	switch (pick(8)) {
	case 0:
		end(exchange, END_REVOKED);
		break;
	case 1:
		end(exchange, END_CUT);
		break;
	case 2:
		end(exchange, END_ABANDONED);
		break;
	case 3:
		exchange->takes = true;
		exchange->client->ops->resume(exchange->client);
		break;
	case 4:
		if (exchange->left == 0 && !exchange->ends) {
			exchange->left = pick(3000);
			push(exchange);
		}
		break;
	default:
		if (!exchange->ends) {
			exchange->ends = true;
			if (exchange->left == 0)
				push(exchange);
		}
	}
}

/* ---- what must hold in the server ---- */

static void
check(const struct http2_session *session)
{
	const struct http2_stream *stream;
	size_t count = 0, grown = 0;

	assert_true(buffer_len(session->output.out) <= OUT_FULL + 64 * 1024);
	assert_true(session->output.whole_at >= session->output.sent &&
		    session->output.control_out <= buffer_len(session->output.out));
	TAILQ_FOREACH(stream, &session->streams, link)
	{
		count++;
		assert_true(stream->share.bytes == stream->window.size - HTTP2_WINDOW_FIRST);
		grown += stream->share.counted ? stream->share.bytes : 0;
		assert_true(stream->state != HTTP2_STREAM_CLOSED);
		assert_true((stream->exchange != NULL) == (stream->state == HTTP2_STREAM_RUNNING));
		assert_ptr_equal(http2_find(session, stream->id), stream);
		assert_true(buffer_len(stream->in) <= stream->window.size);
		assert_true(stream->window.left + (int64_t)stream->window.credit +
				    (int64_t)buffer_len(stream->in) ==
				(int64_t)stream->window.size ||
			    stream->exchange == NULL || stream->client_ended);
		assert_true(!stream->has_turn || stream->blocked);
		/* What could go on has its turn. */
		assert_true(!stream->blocked || stream->has_turn || stream->send_window <= 0);
		assert_int_equal(stream->quota, 0);
	}
	assert_int_equal(count, session->stream_count);
	assert_true(count <= 100);
	assert_int_equal(grown, world.downstream->http2_windows.counted);
}

static void
walk(size_t steps)
{
	int size = 4096;

	setsockopt(session_now()->connection->conn.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (size_t i = 0; i < steps && session_now() != NULL; i++) {
		switch (pick(4)) {
		case 0:
			exchange_acts();
			break;
		case 1:
			read_some(1 + pick(30000));
			break;
		case 2:
			if (pick(200) == 0)
				world_pass(&world, 1 + pick(2000));
			world_turn(&world);
			break;
		default:
			client_acts();
		}
		if (session_now() != NULL && session_now()->state != HTTP2_CLOSED)
			check(session_now());
	}
}

/* Whatever waits for the client only goes on once it gives way. */
static void
everything_comes(void)
{
	window += 100000000;
	send_update(0, 100000000);
	for (uint32_t id = 1; id < next_id; id += 2) {
		known[slot(id)].window += 1000000;
		send_update(id, 1000000);
		read_some(SIZE_MAX);
	}
	for (size_t i = 0; i < begun; i++)
		if (exchanges[i].client != NULL && exchanges[i].allowed)
			exchanges[i].ends = true;
	for (size_t i = 0; i < 3000; i++) {
		read_some(SIZE_MAX);
		world_turn(&world);
	}
	if (session_now() == NULL || session_now()->state != HTTP2_OPEN)
		return;
	assert_true(TAILQ_EMPTY(&session_now()->turns));
	assert_null(session_now()->output.out);
	for (size_t i = 0; i < begun; i++)
		assert_true(exchanges[i].client == NULL || exchanges[i].left == 0);
}

static void
whatever_happens_frames_are_valid(void **state)
{
	(void)state;
	for (size_t round = 0; round < 40; round++) {
		seed = 1000 + round;
		walk(2000);
		if (session_now() != NULL)
			everything_comes();
		reconnect();
		for (size_t i = 0; i < begun; i++)
			assert_null(exchanges[i].client);
		start();
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(whatever_happens_frames_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
