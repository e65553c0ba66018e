/*
 * http2_output_test.c - bytes that wait to be sent, compared with a simple model: random frames,
 * partial sends, streams that take back what they have written.
 */
#include "http2_world.h"

#define STREAMS 5
#define FRAMES_MAX 40000

/* The model: all frames that were written and not taken back, in order, as bytes. */
static struct {
	unsigned char type;
	uint32_t stream;
	size_t at, len; /* in `bytes` */
} frames[FRAMES_MAX];
static size_t frame_count;
static char bytes[16 * 1024 * 1024];
static size_t bytes_len;

static struct http2_session *session;
static struct http2_stream *streams[STREAMS];
static size_t got; /* bytes that the client has read, all compared */
static uint64_t seed;

static size_t
pick(size_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (size_t)(seed >> 33) % below;
}

static int
setup(void **state)
{
	(void)state;
	http2_world_open();
	send_preface();
	collect();
	received_len = 0;
	session = session_now();
	session->working = true; /* this test sends by itself */
	frame_count = bytes_len = got = 0;
	for (uint32_t i = 0; i < STREAMS; i++)
		streams[i] = http2_stream_new(session, 2 * i + 1);
	/* The places in the model begin here. */
	session->output.sent = session->output.whole_at = 0;
	session->output.first_block_at = H2_NOWHERE;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	session->working = false;
	http2_world_close();
	return 0;
}

/* Write one frame, in the session and in the model. */
static void
write_one(unsigned type, unsigned flags, uint32_t stream, size_t len)
{
	size_t whole;
	struct writer writer;

	assert_in_range(frame_count, 0, FRAMES_MAX - 1);
	memset(bytes + bytes_len + H2_FRAME_HEAD_LEN, (int)('a' + pick(26)), len);
	whole = make_frame(bytes + bytes_len, type, flags, stream, NULL, 0) + len;
	bytes[bytes_len + 1] = (char)(len >> 8);
	bytes[bytes_len + 2] = (char)len;
	frames[frame_count].type = (unsigned char)type;
	frames[frame_count].stream = stream;
	frames[frame_count].at = bytes_len;
	frames[frame_count++].len = whole;
	assert_true(http2_write(session, whole, &writer));
	write_slice(&writer, (struct slice){bytes + bytes_len, whole});
	http2_written(session, &writer, type == H2_PING);
	if (type == H2_DATA)
		session->output.window -= (int32_t)len;
	bytes_len += whole;
}

static void
write_some(struct http2_stream *stream)
{
	uint64_t at = bytes_len;

	switch (pick(4)) {
	case 0:
		write_one(H2_PING, 0, 0, 8);
		return;
	case 1:
		stream->answer_at = stream->last_frame_at = at;
		write_one(H2_HEADERS, H2_END_HEADERS, stream->id, pick(200));
		return;
	case 2:
		stream->answer_at = stream->last_frame_at = at;
		write_one(H2_HEADERS, 0, stream->id, pick(3000));
		write_one(H2_CONTINUATION, 0, stream->id, pick(3000));
		write_one(H2_CONTINUATION, H2_END_HEADERS, stream->id, pick(3000));
		return;
	default:
		stream->last_frame_at = at;
		write_one(H2_DATA, 0, stream->id, pick(2) == 0 ? pick(20) : pick(5000));
	}
}

/* Does this frame stay, though its stream takes back all from `from` on? */
static bool
stays(size_t i, uint32_t stream, uint64_t from, bool *block_left)
{
	bool left = frames[i].at < session->output.sent;

	if (frames[i].type == H2_HEADERS)
		*block_left = left;
	if (frames[i].type == H2_PING || frames[i].stream != stream || frames[i].at < from)
		return true;
	return left || (frames[i].type == H2_CONTINUATION && *block_left);
}

/* What http2_take_out has to do, in the model. */
static void
model_take_out(uint32_t stream, uint64_t from)
{
	size_t kept = 0, to = 0, start;
	bool block_left = false;

	for (size_t i = 0; i < frame_count; i++) {
		if (!stays(i, stream, from, &block_left)) {
			if (frames[i].type == H2_DATA)
				session->output.window -=
				    (int32_t)(frames[i].len - H2_FRAME_HEAD_LEN);
			continue;
		}
		start = frames[i].at + H2_FRAME_HEAD_LEN;
		start = start < session->output.sent ? session->output.sent : start;
		if (frames[i].type == H2_DATA && frames[i].stream == stream &&
		    frames[i].at >= from && frames[i].at < session->output.sent &&
		    start < frames[i].at + frames[i].len)
			memset(bytes + start, H2_FILLER, frames[i].at + frames[i].len - start);
		memmove(bytes + to, bytes + frames[i].at, frames[i].len);
		frames[kept] = frames[i];
		frames[kept].at = to;
		to += frames[kept++].len;
	}
	frame_count = kept;
	bytes_len = to;
}

static void
take_out(struct http2_stream *stream)
{
	uint64_t from = 0;
	int32_t window = session->output.window;

	/* As client_take_back does: only a whole answer that has not begun to leave. */
	if (stream->answer_at != H2_NOWHERE && pick(2) == 0 &&
	    session->output.whole_at <= stream->answer_at)
		from = stream->answer_at;
	http2_take_out(stream, from);
	model_take_out(stream->id, from); /* takes the window back that it gives */
	assert_int_equal(session->output.window, window);
	session->output.window = H2_WINDOW_DEFAULT;
	stream->answer_at = H2_NOWHERE;
}

static void
mark_end(struct http2_stream *stream)
{
	size_t i = frame_count;
	bool marked = h2_output_mark_end(&session->output, stream->last_frame_at);

	while (
	    i > 0 && (frames[i - 1].stream != stream->id || frames[i - 1].type == H2_CONTINUATION))
		i--;
	if (marked) {
		assert_true(i > 0 && frames[i - 1].at >= session->output.sent);
		bytes[frames[i - 1].at + 4] |= H2_END_STREAM;
	}
}

/* The client reads up to this many bytes, which must be the model's. */
static void
read_some(size_t most)
{
	static char text[65536];
	ssize_t n = recv(client, text, most < sizeof(text) ? most : sizeof(text), 0);

	if (n <= 0)
		return;
	assert_in_range(got + (size_t)n, 0, bytes_len);
	assert_memory_equal(text, bytes + got, (size_t)n);
	got += (size_t)n;
}

/* In the model: content of the stream has not left, or a head has not begun to. */
static bool
waits(uint32_t stream)
{
	uint64_t sent = session->output.sent;

	for (size_t i = 0; i < frame_count; i++)
		if (frames[i].stream == stream &&
		    ((frames[i].type == H2_DATA && frames[i].at + frames[i].len > sent) ||
			(frames[i].type == H2_HEADERS && frames[i].at >= sent)))
			return true;
	return false;
}

static void
check_waits(const struct http2_stream *stream)
{
	if (stream->last_frame_at == H2_NOWHERE) /* taken back, perhaps not all of it */
		return;
	assert_int_equal(h2_output_holds(&session->output, stream->id, stream->last_frame_at),
	    waits(stream->id));
}

static void
check(void)
{
	size_t control = 0;

	assert_int_equal(h2_output_at(&session->output), bytes_len);
	assert_true(session->output.whole_at >= session->output.sent);
	for (size_t i = 0; i < frame_count; i++)
		if (frames[i].type == H2_PING && frames[i].at >= session->output.sent)
			control += frames[i].len;
	assert_int_equal(session->output.control_out, control);
	for (size_t i = 0; i < STREAMS; i++)
		check_waits(streams[i]);
}

static void
walk(size_t steps)
{
	for (size_t i = 0; i < steps; i++) {
		struct http2_stream *stream = streams[pick(STREAMS)];

		switch (pick(8)) {
		case 0:
			take_out(stream);
			break;
		case 1:
			mark_end(stream);
			break;
		case 2:
		case 3:
			h2_output_send(&session->output);
			break;
		case 4:
			read_some(1 + pick(6000));
			session->connection->conn.writable = true;
			break;
		default:
			if (bytes_len - session->output.sent < 60000)
				write_some(stream);
		}
		check();
	}
}

static void
it_agrees_with_a_simple_model(void **state)
{
	int size = 4096;

	(void)state;
	setsockopt(session->connection->conn.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	seed = 7;
	walk(15000);
	while (got < bytes_len) {
		session->connection->conn.writable = true;
		h2_output_send(&session->output);
		read_some(SIZE_MAX);
	}
	assert_null(session->output.out);
	assert_true(got > 500000);
}

/* A client that asks for content byte by byte must not make its reset costly. */
static void
many_small_frames_are_taken_out_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8000; i++)
		write_one(H2_DATA, 0, i % 2 == 0 ? 1 : 3, 1);
	http2_take_out(streams[0], 0);
	assert_int_equal(buffer_len(session->output.out), 4000 * (H2_FRAME_HEAD_LEN + 1));
	http2_take_out(streams[1], 0);
	assert_int_equal(buffer_len(session->output.out), 0);
	assert_int_equal(session->output.window, H2_WINDOW_DEFAULT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(it_agrees_with_a_simple_model),
	    TEST(many_small_frames_are_taken_out_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
