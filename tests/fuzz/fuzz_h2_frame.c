/*
 * fuzz_h2_frame.c - frames: heads, prefixes and SETTINGS are read as RFC 9113 draws them, and what
 * we write can be read again. libnghttp2 judges each frame alike: a connection error of ours is a
 * connection error there, with the same code, and a frame of the connection that is valid for us is
 * valid there.
 *
 * Input: a frame; after the flags, one byte says whether libnghttp2 is the server.
 *
 * Where libnghttp2 differs: see `judged_alike`.
 */
#include <nghttp2/nghttp2.h>

#include "fuzz.h"
#include "http/h2_frame.h"

#define ROOM 70000

struct verdict {
	struct h2_frame frame;
	struct h2_check check;
};

/* ---- our judgement of a whole frame ---- */

static struct h2_check
judge(const struct h2_frame *frame, struct slice payload, bool from_server)
{
	struct h2_check check = h2_frame_check(frame, H2_FRAME_SIZE_DEFAULT);
	struct h2_settings settings;
	int32_t window = H2_WINDOW_DEFAULT;
	uint32_t number;

	if (check.scope != H2_FINE)
		return check;
	switch (frame->type) {
	case H2_DATA:
	case H2_HEADERS:
		check = h2_prefix_read(frame, payload.at, &number);
		CHECK(h2_prefix_len(frame) + number <= frame->length);
		return check;
	case H2_PRIORITY:
		return h2_priority_check(frame, payload.at);
	case H2_RST_STREAM:
		CHECK(h2_rst_stream_read(payload.at) <= H2_HTTP_1_1_REQUIRED);
		return check;
	case H2_SETTINGS:
		h2_settings_init(&settings);
		settings.received = true; /* as peer_error has it */
		return h2_settings_read(&settings, payload, from_server);
	case H2_GOAWAY:
		CHECK(slice_within(h2_goaway_read(payload).debug, payload));
		return check;
	case H2_WINDOW_UPDATE:
		check = h2_window_update_read(frame, payload.at, &number);
		CHECK((number == 0) == (check.scope != H2_FINE) && number <= H2_WINDOW_LIMIT);
		if (!h2_window_add(&window, number))
			check = (struct h2_check){H2_CONNECTION_BAD, H2_FLOW_CONTROL_ERROR};
		return check;
	default:
		return check;
	}
}

/* ---- libnghttp2's ---- */

/* The error of the GOAWAY that a session has to send; H2_NO_ERROR: it sends none. */
static uint32_t
goaway_of(nghttp2_session *session)
{
	const uint8_t *bytes;
	ssize_t len;

	while ((len = nghttp2_session_mem_send(session, &bytes)) > 0)
		for (struct slice rest = {(const char *)bytes, (size_t)len};
		     rest.len >= H2_FRAME_HEAD_LEN;) {
			struct h2_frame frame = h2_frame_read(rest.at);

			if (rest.len >= H2_PREFACE_LEN && memcmp(rest.at, H2_PREFACE, 3) == 0) {
				rest = slice_after(rest, H2_PREFACE_LEN);
				continue;
			}
			CHECK(rest.len >= H2_FRAME_HEAD_LEN + frame.length);
			rest = slice_after(rest, H2_FRAME_HEAD_LEN);
			if (frame.type == H2_GOAWAY)
				return h2_goaway_read((struct slice){rest.at, frame.length}).error;
			rest = slice_after(rest, frame.length);
		}
	return H2_NO_ERROR;
}

static uint32_t
peer_error(struct slice frame, bool is_server)
{
	static const char settings[] = "\0\0\0\4\0\0\0\0\0";
	nghttp2_session_callbacks *callbacks;
	nghttp2_session *session;
	uint32_t error;

	CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
	if (is_server) {
		CHECK(nghttp2_session_server_new(&session, callbacks, NULL) == 0);
		CHECK(nghttp2_session_mem_recv(session, (const uint8_t *)H2_PREFACE,
			  H2_PREFACE_LEN) == (ssize_t)H2_PREFACE_LEN);
	} else {
		CHECK(nghttp2_session_client_new(&session, callbacks, NULL) == 0);
	}
	CHECK(nghttp2_submit_settings(session, 0, NULL, 0) == 0);
	CHECK(goaway_of(session) == H2_NO_ERROR);
	CHECK(nghttp2_session_mem_recv(session, (const uint8_t *)settings, 9) == 9);
	CHECK(goaway_of(session) == H2_NO_ERROR);
	nghttp2_session_mem_recv(session, (const uint8_t *)frame.at, frame.len);
	error = goaway_of(session);
	nghttp2_session_del(session);
	nghttp2_session_callbacks_del(callbacks);
	return error;
}

/* True when a SETTINGS frame has one id twice. */
static bool
has_id_twice(struct slice payload)
{
	for (size_t i = 6; i + 6 <= payload.len; i += 6)
		for (size_t j = 0; j < i; j += 6)
			if (memcmp(payload.at + i, payload.at + j, 2) == 0)
				return true;
	return false;
}

/*
 * What libnghttp2 sees otherwise, or what depends on more than one frame:
 * - all streams are idle, so it refuses their frames for another reason or ignores them: only that
 *   it ends the connection counts, when we do;
 * - GOAWAY may name only streams that its receiver began, which is for the session to know;
 * - of a SETTINGS frame it takes 32 entries at most, and of each id only the last value counts; for
 *   us all must be valid, as section 6.5.3 has them processed one after the other.
 */
static bool
judged_alike(
    const struct h2_frame *frame, struct slice payload, struct h2_check ours, uint32_t peer)
{
	bool of_connection =
	    frame->stream == 0 && (frame->type == H2_SETTINGS || frame->type == H2_PING ||
				      frame->type == H2_GOAWAY || frame->type == H2_WINDOW_UPDATE);

	if (frame->type == H2_SETTINGS && (frame->length > 32 * 6 || has_id_twice(payload)))
		return true;
	if (ours.scope == H2_CONNECTION_BAD)
		return of_connection ? peer == (uint32_t)ours.error : peer != H2_NO_ERROR;
	if (!of_connection || (frame->type == H2_GOAWAY && h2_goaway_read(payload).last != 0))
		return true;
	return peer == H2_NO_ERROR;
}

/* ---- pictures ---- */

static void
check_head(struct slice bytes, const struct h2_frame *frame)
{
	const unsigned char *at = (const unsigned char *)bytes.at;
	char again[H2_FRAME_HEAD_LEN];

	CHECK(frame->length == at[0] * 65536u + at[1] * 256u + at[2]);
	CHECK(frame->type == at[3] && frame->flags == at[4]);
	CHECK(frame->stream == (at[5] & 0x7f) * 16777216u + at[6] * 65536u + at[7] * 256u + at[8]);
	h2_frame_put(again, frame);
	again[5] = (char)(again[5] | (at[5] & 0x80));
	CHECK(memcmp(again, at, sizeof(again)) == 0);
}

/* A payload as a field block: the frames have its bytes, and no other. */
static void
check_block(struct slice block, uint32_t size_max)
{
	static char out[ROOM], joined[ROOM];
	struct writer writer = writer_of(out, sizeof(out));
	struct slice rest;
	size_t len = 0;
	bool ended = false;

	h2_write_block(&writer, 7, H2_END_STREAM, block, size_max);
	if (writer.full)
		return;
	rest = (struct slice){out, (size_t)(writer.at - out)};
	for (int i = 0; rest.len > 0; i++) {
		struct h2_frame frame = h2_frame_read(rest.at);

		CHECK(!ended && frame.stream == 7 && frame.length <= size_max);
		CHECK(frame.type == (i == 0 ? H2_HEADERS : H2_CONTINUATION));
		CHECK(h2_frame_check(&frame, size_max).scope == H2_FINE);
		CHECK((frame.flags & H2_END_STREAM) == (i == 0 ? H2_END_STREAM : 0));
		rest = slice_after(rest, H2_FRAME_HEAD_LEN);
		memcpy(joined + len, rest.at, frame.length);
		len += frame.length;
		rest = slice_after(rest, frame.length);
		ended = h2_frame_has(&frame, H2_END_HEADERS);
	}
	CHECK(ended && slice_equal(block, (struct slice){joined, len}));
}

static void
check_windows(struct slice payload)
{
	int32_t window, before;
	uint32_t numbers[3];

	if (payload.len < sizeof(numbers))
		return;
	memcpy(numbers, payload.at, sizeof(numbers));
	window = before = (int32_t)(numbers[0] % H2_WINDOW_LIMIT);
	numbers[1] &= H2_WINDOW_LIMIT;
	numbers[2] &= H2_WINDOW_LIMIT;
	if (h2_window_add(&window, numbers[1]))
		CHECK((int64_t)window - before == numbers[1]);
	else
		CHECK(window == before && (uint64_t)before + numbers[1] > H2_WINDOW_LIMIT);
	before = window;
	if (h2_window_shift(&window, numbers[1], numbers[2]))
		CHECK((int64_t)window - before == (int64_t)numbers[2] - numbers[1]);
	else
		CHECK(window == before);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct h2_frame frame;
	struct slice bytes, payload;
	struct h2_check check;
	bool is_server;
	char *copy;

	if (size < 1 + H2_FRAME_HEAD_LEN)
		return 0;
	is_server = data[0] & 1;
	copy = exact_copy(data + 1, size - 1);
	bytes = (struct slice){copy, size - 1};
	frame = h2_frame_read(copy);
	check_head(bytes, &frame);
	payload = slice_after(bytes, H2_FRAME_HEAD_LEN);
	check_block(payload, 1 + data[0]);
	check_windows(payload);
	check = h2_frame_check(&frame, H2_FRAME_SIZE_DEFAULT);
	CHECK((check.scope == H2_FINE) == (check.error == H2_NO_ERROR));
	if (frame.length <= payload.len) {
		payload.len = frame.length;
		check = judge(&frame, payload, !is_server);
		CHECK(judged_alike(&frame, payload, check,
		    peer_error((struct slice){copy, H2_FRAME_HEAD_LEN + frame.length}, is_server)));
	}
	free(copy);
	return 0;
}
