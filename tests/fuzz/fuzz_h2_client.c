/*
 * fuzz_h2_client.c - the gateway as an HTTP/2 client of a backend that sends anything, in pieces of
 * any size, while exchanges come and go. The walk of the unit tests (http2_walk.h) checks the
 * frames that the backend gets and what exchanges are told: each ends exactly once. In addition
 * here, content keeps within the windows that were granted, in both directions, and memory within
 * the limits, and all of it is given back at the end.
 *
 * Input: choices, the bytes that are sent among them.
 */
#include "tests/unit/upstream/http2_walk.h"

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct slice input;

/* 0 when no input is left. */
static size_t
pick(size_t below)
{
	size_t number = 0, bytes = below <= 256 ? 1 : below <= 65536 ? 2 : 4;

	if (input.len < bytes)
		input.len = bytes = 0;
	for (size_t i = 0; i < bytes; i++)
		number = number << 8 | (unsigned char)input.at[i];
	input = slice_after(input, bytes);
	return number % below;
}

/* ---- what the backend grants ---- */

/* What has been sent of a frame. */
static char frame_bytes[H2_FRAME_HEAD_LEN + H2_FRAME_SIZE_DEFAULT];
static size_t frame_len;
static bool lost; /* a frame was too long: the gateway reads nothing behind its head */

/* At least as much content as the gateway may send in all: on the connection, on each stream. */
static int64_t granted, granted_on[IDS], granted_first;

static void
note_settings(struct slice payload)
{
	for (; payload.len >= 6; payload = slice_after(payload, 6)) {
		const unsigned char *at = (const unsigned char *)payload.at;
		int64_t value = ((int64_t)at[2] << 24) + (at[3] << 16) + (at[4] << 8) + at[5];

		if (at[0] == 0 && at[1] == H2_SETTINGS_INITIAL_WINDOW_SIZE && value > granted_first)
			granted_first = value;
	}
}

static void
note_frame(const struct h2_frame *frame, struct slice payload)
{
	const unsigned char *at = (const unsigned char *)payload.at;

	if (frame->type == H2_SETTINGS)
		note_settings(payload);
	if (frame->type != H2_WINDOW_UPDATE || payload.len != 4)
		return;
	if (frame->stream == 0 || frame->stream / 2 < IDS)
		*(frame->stream == 0 ? &granted : &granted_on[frame->stream / 2]) +=
		    ((int64_t)(at[0] & 0x7f) << 24) + (at[1] << 16) + (at[2] << 8) + at[3];
}

/* These bytes have been sent. */
static void
note(struct slice bytes)
{
	while (bytes.len > 0 && !lost) {
		struct h2_frame frame = {0};
		size_t needed = H2_FRAME_HEAD_LEN, n;

		if (frame_len >= needed) {
			frame = h2_frame_read(frame_bytes);
			needed += frame.length;
		}
		lost = needed > sizeof(frame_bytes);
		if (lost)
			return;
		n = needed - frame_len < bytes.len ? needed - frame_len : bytes.len;
		memcpy(frame_bytes + frame_len, bytes.at, n);
		frame_len += n;
		bytes = slice_after(bytes, n);
		if (frame_len == H2_FRAME_HEAD_LEN)
			frame = h2_frame_read(frame_bytes);
		if (frame_len < H2_FRAME_HEAD_LEN || frame_len < H2_FRAME_HEAD_LEN + frame.length)
			continue;
		note_frame(&frame, (struct slice){frame_bytes + H2_FRAME_HEAD_LEN, frame.length});
		frame_len = 0;
	}
}

/* ---- what must hold ---- */

static void
check_granted(void)
{
	int64_t content = 0;

	for (size_t i = 0; i < IDS && i <= last_id / 2; i++) {
		content += (int64_t)known[i].content;
		CHECK(known[i].content == 0 ||
		      (int64_t)known[i].content <= granted_first + granted_on[i]);
	}
	CHECK(content <= granted);
}

static void
check_stream(const struct backend_stream *stream)
{
	size_t kept = 0, capacity = 0;

	for (const struct buffer *block = stream->in; block != NULL; block = block->next) {
		kept += buffer_len(block);
		capacity += block->capacity;
	}
	CHECK(stream->window.left >= 0 && stream->window.size <= BACKEND_WINDOW_MAX);
	CHECK(stream->answer_ended ||
	      (size_t)stream->window.left + kept + stream->window.credit == stream->window.size);
	CHECK(capacity <= kept + 2 * (BUFFER_LARGE + BUFFER_MEDIUM));
	CHECK(stream->trailers == NULL || stream->trailers->capacity <= BUFFER_LARGE);
}

static void
check_memory(const struct backend_session *session)
{
	const struct backend_stream *stream;

	check_session(session);
	CHECK(session->in == NULL || session->in->capacity <= BUFFER_LARGE);
	CHECK(session->block.bytes == NULL || session->block.bytes->capacity <= BUFFER_LARGE);
	CHECK((size_t)session->window.left + session->window.credit == session->window.size);
	TAILQ_FOREACH(stream, &session->streams, link)
	check_stream(stream);
}

/* ---- what happens ---- */

/* Send what was written, in pieces. */
static void
deliver(void)
{
	size_t len = (size_t)(saying.at - said), at = 0, piece;
	bool in_pieces = pick(2) == 1;

	for (int tries = 0; at < len && tries < 100;) {
		piece = in_pieces && input.len > 0 ? 1 + pick(256) : len - at;
		if (piece > len - at)
			piece = len - at;
		ssize_t n = send(peer, said + at, piece, MSG_NOSIGNAL);

		if (n > 0) {
			note((struct slice){said + at, (size_t)n});
			at += (size_t)n;
			if (in_pieces)
				loop_turn(world.loop, false);
			continue;
		}
		if (errno != EAGAIN)
			break; /* the gateway has closed */
		tries++;
		world_settle(&world);
		backend_reads(SIZE_MAX);
	}
	begin_to_say();
}

/* Bytes of the input, and filler behind them. */
static void
say_bytes(size_t from_input, size_t filler)
{
	while (from_input-- > 0)
		say_byte((char)pick(256));
	while (filler-- > 0)
		say_byte('x');
}

/* A stream that runs, most of the time. */
static uint32_t
some_stream(void)
{
	size_t kind = pick(16), streams = (last_id + 1) / 2;

	if (kind == 15)
		return (uint32_t)pick(UINT64_C(1) << 31);
	if (kind > 11 || streams == 0)
		return (uint32_t)pick(2 * WALKERS);
	return last_id - 2 * (uint32_t)pick(streams < 8 ? streams : 8);
}

/* Any frame; its length is that of its payload most of the time. */
static void
say_frame(void)
{
	enum h2_frame_type type = (enum h2_frame_type)pick(12);
	unsigned flags = (unsigned)pick(256);
	uint32_t id = some_stream();
	size_t len = pick(64), filler = pick(8) == 7 ? pick(H2_FRAME_SIZE_DEFAULT - 63) : 0;
	size_t claimed = pick(16) == 15 ? pick(1 << 24) : len + filler;

	h2_write_frame_head(&saying, type, flags, id, (uint32_t)claimed);
	say_bytes(len, filler);
}

/* Content within the windows or beyond them. */
static void
say_much(void)
{
	uint32_t id = some_stream();

	for (size_t frames = 1 + pick(7); frames > 0; frames--) {
		size_t len = pick(2) == 0 ? pick(H2_FRAME_SIZE_DEFAULT + 1) : H2_FRAME_SIZE_DEFAULT;

		h2_write_frame_head(&saying, H2_DATA, 0, id, (uint32_t)len);
		say_bytes(0, len);
	}
}

/* More room for the gateway. */
static void
say_window(void)
{
	uint32_t id = pick(2) == 0 ? 0 : some_stream();

	h2_write_window_update(&saying, id, 1 + (uint32_t)pick(200000));
}

static void
some_exchange_acts(void)
{
	struct walker *walker = &walkers[pick(WALKERS)];

	if (walker->upstream != NULL)
		walker_acts(walker);
	else if (is_alive() && connection->protocol->takes(connection))
		walker_joins(walker);
}

static void
step(void)
{
	switch (pick(10)) {
	case 0:
	case 1:
		some_exchange_acts();
		break;
	case 2:
		backend_reads(1 + pick(65536));
		break;
	case 3:
		ahead_ms += pick(4) == 3 ? pick(65536) : 0;
		loop_turn(world.loop, false);
		break;
	case 4:
	case 5:
		backend_acts();
		break;
	case 6:
		say_frame();
		break;
	case 7:
		say_much();
		break;
	case 8:
		say_window();
		break;
	default:
		say_bytes(pick(32), 0);
	}
	if (saying.at - said > (ptrdiff_t)sizeof(said) / 2 || pick(4) > 0)
		deliver();
	check_granted();
	if (is_alive())
		check_memory(session());
	if (last_id / 2 >= IDS - WALKERS && is_alive())
		end_peer();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return setenv("CMOCKA_TEST_ABORT", "1", 1); /* what the walk asserts */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = (struct slice){(const char *)data, size};
	set_up(NULL);
	walk_begin();
	hostile = true; /* the walk keeps no books of what the backend sends */
	may_misbehave = lost = false;
	frame_len = 0;
	granted = granted_first = H2_WINDOW_DEFAULT;
	memset(granted_on, 0, sizeof(granted_on));
	while (input.len > 0 && is_alive())
		step();
	walk_end();
	check_granted();
	tear_down(NULL);
	return 0;
}
