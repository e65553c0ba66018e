/* http2_walk_backend.h - the backend of a walk (http2_walk.h): it keeps the rules most of the time,
 * and checks what it gets. */
#ifndef JOBGATE_TEST_HTTP2_WALK_BACKEND_H
#define JOBGATE_TEST_HTTP2_WALK_BACKEND_H

#include "http2_walk_exchanges.h"
#include "tests/plain_memory.h"

#define IDS 2048 /* of streams */

/* What the backend knows of each stream. */
static struct {
	int64_t window;			   /* bytes that the gateway may still send */
	int64_t to_send;		   /* bytes that the backend may still send */
	size_t content;			   /* bytes that have come */
	size_t sent;			   /* bytes of the answer's content */
	bool opened, tunnel, ended, reset; /* by the gateway */
	bool head, over;		   /* by the backend */
} known[IDS];
static int64_t window, to_send; /* the connection's */
static int64_t initial;		/* window of a new stream */
static uint32_t last_id;
static struct hpack_decoder decoder;
static bool first_block, settings_sent, ping_due;
static bool may_misbehave;

/* ---- what the backend gets ---- */

static inline uint32_t
slot(uint32_t id)
{
	assert_in_range(id / 2, 0, IDS - 1);
	return id / 2;
}

static inline void
got_data(const struct h2_frame *frame, const char *payload)
{
	uint32_t i = slot(frame->stream);

	assert_true(known[i].opened && !known[i].ended && !known[i].reset);
	window -= frame->length;
	known[i].window -= frame->length;
	assert_true(hostile || frame->length == 0 || (window >= 0 && known[i].window >= 0));
	for (size_t n = 0; n < frame->length; n++) /* filler: it was cancelled within this frame */
		assert_true(
		    payload[n] == letter(known[i].content + n) || payload[n] == (char)H2_FILLER);
	known[i].content += frame->length;
	known[i].ended = h2_frame_has(frame, H2_END_STREAM);
}

static inline void
got_headers(const struct h2_frame *frame, const char *payload)
{
	static struct field fields[64];
	static char text[8192];
	struct hpack_block block;
	size_t consumed;
	uint32_t i = slot(frame->stream);

	assert_true(frame->stream % 2 == 1 && !known[i].opened && frame->stream > last_id);
	assert_true(h2_frame_has(frame, H2_END_HEADERS)); /* heads are short here */
	hpack_block_init(&block, fields, 64, text, sizeof(text), sizeof(text));
	if (first_block)
		assert_int_equal(payload[0], 0x20);
	first_block = false;
	assert_int_equal(
	    hpack_decode(&decoder, (struct slice){payload, frame->length}, true, &block, &consumed),
	    HPACK_OK);
	assert_true(!block.malformed && !block.too_large && block.count >= 4);
	last_id = frame->stream;
	known[i].opened = true;
	known[i].tunnel = block.fields[0].value.len == strlen("CONNECT");
	known[i].ended = h2_frame_has(frame, H2_END_STREAM);
	known[i].window = initial;
	known[i].to_send = BACKEND_WINDOW_FIRST;
}

static inline void
got_frame(const struct h2_frame *frame, const char *payload)
{
	uint32_t increment = 0;

	switch (frame->type) {
	case H2_DATA:
		got_data(frame, payload);
		break;
	case H2_HEADERS:
		got_headers(frame, payload);
		break;
	case H2_RST_STREAM:
		assert_true(known[slot(frame->stream)].opened && !known[slot(frame->stream)].reset);
		known[slot(frame->stream)].reset = true;
		break;
	case H2_WINDOW_UPDATE:
		assert_int_equal(h2_window_update_read(frame, payload, &increment).scope, H2_FINE);
		*(frame->stream == 0 ? &to_send : &known[slot(frame->stream)].to_send) += increment;
		break;
	case H2_PING:
		ping_due = ping_due || !h2_frame_has(frame, H2_ACK);
		break;
	case H2_SETTINGS:
	case H2_GOAWAY:
		assert_int_equal(frame->stream, 0);
		break;
	default:
		fail_msg("a frame of type %u", frame->type);
	}
	assert_int_equal(h2_frame_check(frame, H2_FRAME_SIZE_DEFAULT).scope, H2_FINE);
}

/* The backend reads this many bytes at most. */
static inline void
backend_reads(size_t most)
{
	size_t room = sizeof(came) - came_len;
	ssize_t n = read(peer, came + came_len, most < room ? most : room);
	struct h2_frame frame;

	if (n > 0)
		came_len += (size_t)n;
	while (came_len - came_at >= H2_FRAME_HEAD_LEN) {
		frame = h2_frame_read(came + came_at);
		if (came_len - came_at < H2_FRAME_HEAD_LEN + frame.length)
			break;
		got_frame(&frame, came + came_at + H2_FRAME_HEAD_LEN);
		came_at += H2_FRAME_HEAD_LEN + frame.length;
	}
	memmove(came, came + came_at, came_len - came_at);
	came_len -= came_at;
	came_at = 0;
}

/* ---- what the backend does ---- */

/* Send what was written, which the gateway deals with later. */
static inline void
backend_sends(void)
{
	size_t len = (size_t)(saying.at - said), at = 0;

	for (int tries = 0; at < len && tries < 1000; tries++) {
		ssize_t n = send(peer, said + at, len - at, MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		else if (errno != EAGAIN)
			break; /* the gateway has closed */
		if (n > 0)
			continue;
		world_settle(&world);
		backend_reads(SIZE_MAX);
	}
	if (at < len)
		hostile = true; /* it does not take all, so the backend does not know what it has */
	begin_to_say();
}

static inline void
say_byte(char byte)
{
	write_slice(&saying, (struct slice){&byte, 1});
}

static inline void
backend_answers(uint32_t id)
{
	uint32_t i = slot(id);

	if (pick(6) == 0) {
		say_head(id, 103, NULL, false);
		return;
	}
	known[i].head = true;
	known[i].over = !known[i].tunnel && pick(4) == 0;
	say_head(id, pick(5) == 0 ? 404 : 200, NULL, known[i].over);
}

static inline void
backend_sends_content(uint32_t id)
{
	uint32_t i = slot(id);
	size_t len = pick(4) == 0 ? pick(H2_FRAME_SIZE_DEFAULT) : pick(100);

	if (known[i].to_send < (int64_t)len || to_send < (int64_t)len)
		return;
	known[i].over = pick(5) == 0;
	known[i].to_send -= (int64_t)len;
	to_send -= (int64_t)len;
	h2_write_frame_head(&saying, H2_DATA, known[i].over ? H2_END_STREAM : 0, id, (uint32_t)len);
	for (size_t n = 0; n < len; n++)
		say_byte(letter(known[i].sent + n));
	known[i].sent += len;
}

static inline void
backend_ends(uint32_t id)
{
	uint32_t i = slot(id);

	known[i].over = true;
	if (pick(2) == 0 && known[i].head && !known[i].tunnel)
		say_trailers(id, true);
	else
		h2_write_rst_stream(&saying, id, (enum h2_error)pick(14));
}

static inline void
backend_widens(uint32_t id)
{
	uint32_t by = (uint32_t)(1 + pick(pick(2) == 0 ? 50 : 50000));

	if (pick(2) == 0) {
		window += by;
		h2_write_window_update(&saying, 0, by);
	} else {
		known[slot(id)].window += by;
		h2_write_window_update(&saying, id, by);
	}
}

/* The gateway may have sent within the old window, so it only grows here. */
static inline void
backend_sets(void)
{
	struct h2_setting settings[] = {
	    {H2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)initial + (uint32_t)pick(20000)},
	    {H2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)pick(20)},
	    {H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
	};

	for (uint32_t i = 0; i <= last_id / 2; i++)
		known[i].window += settings[0].value - initial;
	initial = settings[0].value;
	h2_write_settings(&saying, settings, 1 + pick(3));
	if (!settings_sent)
		h2_write_settings_ack(&saying);
	settings_sent = true;
}

/* Any frame, or bytes that are none. */
static inline void
backend_misbehaves(uint32_t id)
{
	size_t len = pick(40);

	hostile = true;
	if (pick(4) > 0)
		h2_write_frame_head(&saying, (enum h2_frame_type)pick(11), (unsigned)pick(256),
		    pick(3) == 0 ? (uint32_t)pick(64) : id,
		    (uint32_t)(pick(8) == 0 ? pick(256) : len));
	for (size_t i = 0; i < len; i++)
		say_byte((char)pick(256));
}

static inline void
backend_acts(void)
{
	uint32_t streams = (last_id + 1) / 2;
	uint32_t id = streams == 0 ? 1 : 2 * (uint32_t)pick(streams < 12 ? streams : 12) + 1;

	if (streams > 12) /* the latest ones: they run */
		id += 2 * (streams - 12);
	if (!settings_sent) {
		backend_sets();
		return;
	}
	if (may_misbehave && pick(100) == 0) {
		backend_misbehaves(id);
		return;
	}
	if (!known[slot(id)].opened)
		return;
	switch (pick(8)) {
	case 0:
		backend_widens(id);
		return;
	case 1:
		if (ping_due || pick(4) == 0)
			h2_write_ping(&saying, ping_due, "12345678");
		ping_due = false;
		return;
	case 2:
		if (pick(10) == 0)
			backend_sets();
		else if (pick(40) == 0)
			h2_write_goaway(
			    &saying, (uint32_t)pick(last_id + 1), H2_NO_ERROR, (struct slice){0});
		return;
	default:
		break;
	}
	if (known[slot(id)].over || known[slot(id)].reset)
		return;
	if (pick(8) == 0)
		backend_ends(id);
	else if (known[slot(id)].head)
		backend_sends_content(id);
	else
		backend_answers(id);
}

#endif
