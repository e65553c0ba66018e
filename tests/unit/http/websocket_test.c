/* websocket_test.c - frames of every form, in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/websocket.h"

/* A frame of `len` bytes of content, whose length is written in the form that fits. */
static size_t
make_frame(char *out, uint64_t len, bool masked)
{
	size_t n = 0;

	out[n++] = (char)0x82;
	if (len < 126) {
		out[n++] = (char)len;
	} else if (len < 65536) {
		out[n++] = 126;
		out[n++] = (char)(len >> 8);
		out[n++] = (char)len;
	} else {
		out[n++] = 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			out[n++] = (char)(len >> shift);
	}
	if (masked) {
		out[1] = (char)(out[1] | 0x80);
		memset(out + n, 0x5a, 4);
		n += 4;
	}
	memset(out + n, 0x7f, len);
	return n + len;
}

/* Two frames of each length: only before, between and behind them is there a boundary. */
static void
test_boundaries(void **state)
{
	static const uint64_t lengths[] = {0, 1, 125, 126, 127, 128, 65535, 65536, 70000};
	char *bytes = malloc(2 * (70000 + 14));

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (int masked = 0; masked < 2; masked++) {
			struct websocket_frames frames = {0};
			size_t first = make_frame(bytes, lengths[i], masked);
			size_t all = first + make_frame(bytes + first, lengths[i], masked);

			for (size_t at = 0; at < all; at++) {
				assert_int_equal(
				    websocket_between_frames(&frames), at == 0 || at == first);
				websocket_follow(&frames, (struct slice){bytes + at, 1});
			}
			assert_true(websocket_between_frames(&frames));
		}
	free(bytes);
}

/* However the bytes are cut into pieces, the state behind them is the same. */
static void
test_every_split(void **state)
{
	char bytes[1024];
	size_t len = make_frame(bytes, 3, true);

	(void)state;
	len += make_frame(bytes + len, 200, false);
	len += make_frame(bytes + len, 0, false);
	for (size_t from = 0; from <= len; from++)
		for (size_t to = from; to <= len; to++) {
			struct websocket_frames pieces = {0}, whole = {0};

			websocket_follow(&pieces, (struct slice){bytes, from});
			websocket_follow(&pieces, (struct slice){bytes + from, to - from});
			websocket_follow(&whole, (struct slice){bytes, to});
			assert_int_equal(
			    websocket_between_frames(&pieces), websocket_between_frames(&whole));
			assert_int_equal(pieces.left, whole.left);
		}
}

/* The largest length there is: no overflow, and no boundary within a lifetime. */
static void
test_huge_length(void **state)
{
	struct websocket_frames frames = {0};

	(void)state;
	websocket_follow(&frames, SLICE("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"));
	assert_false(websocket_between_frames(&frames));
	assert_true(frames.left == UINT64_MAX);
	websocket_follow(&frames, SLICE("more"));
	assert_true(frames.left == UINT64_MAX - 4);
}

static void
test_close(void **state)
{
	char out[WEBSOCKET_CLOSE_MAX], reason[200];
	struct websocket_frames frames = {0};
	size_t len = websocket_close(WEBSOCKET_POLICY_VIOLATION, SLICE("no more"), out);

	(void)state;
	assert_int_equal(len, 11);
	assert_memory_equal(out, "\x88\x09\x03\xf0no more", 11);
	websocket_follow(&frames, (struct slice){out, len});
	assert_true(websocket_between_frames(&frames));

	memset(reason, 'r', sizeof(reason));
	len = websocket_close(WEBSOCKET_GOING_AWAY, (struct slice){reason, sizeof(reason)}, out);
	assert_int_equal(len, WEBSOCKET_CLOSE_MAX);
	assert_memory_equal(out, "\x88\x7d\x03\xe9r", 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_boundaries),
	    cmocka_unit_test(test_every_split),
	    cmocka_unit_test(test_huge_length),
	    cmocka_unit_test(test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
