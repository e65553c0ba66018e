/* h2_frame_test.c - the rules for frames of each type (RFC 9113 section 6), as data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/h2_frame.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define MAX H2_FRAME_SIZE_DEFAULT

static void
heads(void **state)
{
	static const struct {
		char bytes[10];
		struct h2_frame frame;
	} rows[] = {
	    {"\x00\x00\x00\x00\x00\x00\x00\x00\x00", {0, 0, H2_DATA, 0}},
	    {"\x12\x34\x56\x09\x04\x00\x00\x00\x01", {0x123456, 1, H2_CONTINUATION, 4}},
	    {"\xff\xff\xff\xff\xff\x7f\xff\xff\xff", {0xffffff, 0x7fffffff, 0xff, 0xff}},
	};
	char reserved[] = "\x00\x00\x04\x03\x00\x80\x00\x00\x05";

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct h2_frame frame = h2_frame_read(rows[i].bytes);
		char again[H2_FRAME_HEAD_LEN];

		assert_int_equal(frame.length, rows[i].frame.length);
		assert_int_equal(frame.stream, rows[i].frame.stream);
		assert_int_equal(frame.type, rows[i].frame.type);
		assert_int_equal(frame.flags, rows[i].frame.flags);
		h2_frame_put(again, &frame);
		assert_memory_equal(again, rows[i].bytes, H2_FRAME_HEAD_LEN);
	}
	assert_int_equal(h2_frame_read(reserved).stream, 5);
	assert_int_equal(H2_PREFACE_LEN, 24);
}

/* "FINE", "stream FRAME_SIZE_ERROR" … as short as the table below needs it. */
#define OK                           \
	{                            \
		H2_FINE, H2_NO_ERROR \
	}
#define STREAM_SIZE                                \
	{                                          \
		H2_STREAM_BAD, H2_FRAME_SIZE_ERROR \
	}
#define SIZE                                           \
	{                                              \
		H2_CONNECTION_BAD, H2_FRAME_SIZE_ERROR \
	}
#define PROTOCOL                                     \
	{                                            \
		H2_CONNECTION_BAD, H2_PROTOCOL_ERROR \
	}

static void
checks(void **state)
{
	static const struct {
		struct h2_frame frame;
		struct h2_check check;
	} rows[] = {
	    {{0, 1, H2_DATA, 0}, OK},
	    {{MAX, 1, H2_DATA, 0xff}, OK},
	    {{MAX + 1, 1, H2_DATA, 0}, SIZE},
	    {{0, 0, H2_DATA, 0}, PROTOCOL},
	    {{0, 1, H2_DATA, H2_PADDED}, SIZE},
	    {{1, 1, H2_DATA, H2_PADDED}, OK},
	    {{0, 1, H2_HEADERS, 0}, OK},
	    {{1, 0, H2_HEADERS, 0}, PROTOCOL},
	    {{0, 1, H2_HEADERS, H2_PADDED}, SIZE},
	    {{4, 1, H2_HEADERS, H2_WITH_PRIORITY}, SIZE},
	    {{5, 1, H2_HEADERS, H2_WITH_PRIORITY}, OK},
	    {{5, 1, H2_HEADERS, H2_WITH_PRIORITY | H2_PADDED}, SIZE},
	    {{6, 1, H2_HEADERS, H2_WITH_PRIORITY | H2_PADDED}, OK},
	    {{MAX + 1, 1, H2_HEADERS, 0}, SIZE},
	    {{5, 1, H2_PRIORITY, 0}, OK},
	    {{4, 1, H2_PRIORITY, 0}, STREAM_SIZE},
	    {{6, 1, H2_PRIORITY, 0}, STREAM_SIZE},
	    {{5, 0, H2_PRIORITY, 0}, PROTOCOL},
	    {{4, 1, H2_RST_STREAM, 0}, OK},
	    {{3, 1, H2_RST_STREAM, 0}, SIZE},
	    {{5, 1, H2_RST_STREAM, 0}, SIZE},
	    {{4, 0, H2_RST_STREAM, 0}, PROTOCOL},
	    {{0, 0, H2_SETTINGS, 0}, OK},
	    {{12, 0, H2_SETTINGS, 0}, OK},
	    {{7, 0, H2_SETTINGS, 0}, SIZE},
	    {{0, 0, H2_SETTINGS, H2_ACK}, OK},
	    {{6, 0, H2_SETTINGS, H2_ACK}, SIZE},
	    {{0, 1, H2_SETTINGS, 0}, PROTOCOL},
	    {{4, 1, H2_PUSH_PROMISE, H2_END_HEADERS}, PROTOCOL},
	    {{4, 0, H2_PUSH_PROMISE, 0}, PROTOCOL},
	    {{8, 0, H2_PING, 0}, OK},
	    {{8, 0, H2_PING, H2_ACK}, OK},
	    {{7, 0, H2_PING, 0}, SIZE},
	    {{9, 0, H2_PING, 0}, SIZE},
	    {{8, 1, H2_PING, 0}, PROTOCOL},
	    {{8, 0, H2_GOAWAY, 0}, OK},
	    {{100, 0, H2_GOAWAY, 0}, OK},
	    {{7, 0, H2_GOAWAY, 0}, SIZE},
	    {{8, 1, H2_GOAWAY, 0}, PROTOCOL},
	    {{4, 0, H2_WINDOW_UPDATE, 0}, OK},
	    {{4, 1, H2_WINDOW_UPDATE, 0}, OK},
	    {{3, 1, H2_WINDOW_UPDATE, 0}, SIZE},
	    {{5, 0, H2_WINDOW_UPDATE, 0}, SIZE},
	    {{0, 1, H2_CONTINUATION, 0}, OK},
	    {{1, 0, H2_CONTINUATION, H2_END_HEADERS}, PROTOCOL},
	    {{3, 7, 0x0a, 0}, OK},
	    {{0, 0, H2_PRIORITY_UPDATE, 0}, OK}, /* as a type that is not known */
	    {{MAX, 0, 0xff, 0xff}, OK},
	    {{MAX + 1, 0, 0xff, 0}, SIZE},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct h2_check check = h2_frame_check(&rows[i].frame, MAX);

		if (check.scope != rows[i].check.scope || check.error != rows[i].check.error)
			fail_msg("type %d, length %u, stream %u, flags %d: %d, %d",
			    rows[i].frame.type, rows[i].frame.length, rows[i].frame.stream,
			    rows[i].frame.flags, (int)check.scope, (int)check.error);
	}
}

static void
prefixes(void **state)
{
	static const struct {
		struct h2_frame frame;
		char prefix[7];
		uint32_t prefix_len, content;
		struct h2_check check;
	} rows[] = {
	    {{0, 1, H2_DATA, 0}, "", 0, 0, OK},
	    {{9, 1, H2_DATA, H2_WITH_PRIORITY}, "", 0, 9, OK},
	    {{9, 1, H2_DATA, H2_PADDED}, "\x00", 1, 8, OK},
	    {{9, 1, H2_DATA, H2_PADDED}, "\x03", 1, 5, OK},
	    {{9, 1, H2_DATA, H2_PADDED}, "\x08", 1, 0, OK},
	    {{9, 1, H2_DATA, H2_PADDED}, "\x09", 1, 0, PROTOCOL},
	    {{9, 1, H2_DATA, H2_PADDED}, "\xff", 1, 0, PROTOCOL},
	    {{1, 1, H2_DATA, H2_PADDED}, "\x00", 1, 0, OK},
	    {{1, 1, H2_DATA, H2_PADDED}, "\x01", 1, 0, PROTOCOL},
	    {{9, 1, H2_HEADERS, 0}, "", 0, 9, OK},
	    {{9, 1, H2_HEADERS, H2_PADDED}, "\x08", 1, 0, OK},
	    {{9, 1, H2_HEADERS, H2_PADDED}, "\x09", 1, 0, PROTOCOL},
	    {{9, 1, H2_HEADERS, H2_WITH_PRIORITY}, "\x00\x00\x00\x03\x10", 5, 4, OK},
	    {{9, 3, H2_HEADERS, H2_WITH_PRIORITY}, "\x80\x00\x00\x03\x10", 5, 4,
		{H2_STREAM_BAD, H2_PROTOCOL_ERROR}},
	    {{9, 3, H2_HEADERS, H2_WITH_PRIORITY | H2_PADDED}, "\x03\x80\x00\x00\x01\x10", 6, 0,
		OK},
	    {{9, 3, H2_HEADERS, H2_WITH_PRIORITY | H2_PADDED}, "\x04\x80\x00\x00\x01\x10", 6, 0,
		PROTOCOL},
	    {{9, 3, H2_HEADERS, H2_WITH_PRIORITY | H2_PADDED}, "\x01\x00\x00\x00\x03\x10", 6, 2,
		{H2_STREAM_BAD, H2_PROTOCOL_ERROR}},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		uint32_t content = 77;
		struct h2_check check;

		assert_int_equal(h2_prefix_len(&rows[i].frame), rows[i].prefix_len);
		check = h2_prefix_read(&rows[i].frame, rows[i].prefix, &content);
		if (check.scope != rows[i].check.scope || check.error != rows[i].check.error ||
		    content != rows[i].content)
			fail_msg(
			    "row %zu: %d, %d, %u", i, (int)check.scope, (int)check.error, content);
	}
}

static void
payloads(void **state)
{
	struct h2_frame frame = {5, 3, H2_PRIORITY, 0};
	struct h2_goaway goaway;
	uint32_t increment;

	(void)state;
	assert_int_equal(h2_priority_check(&frame, "\x00\x00\x00\x01\xff").scope, H2_FINE);
	assert_int_equal(h2_priority_check(&frame, "\x80\x00\x00\x03\xff").scope, H2_STREAM_BAD);
	assert_int_equal(
	    h2_priority_check(&frame, "\x80\x00\x00\x03\xff").error, H2_PROTOCOL_ERROR);

	assert_int_equal(h2_rst_stream_read("\x00\x00\x00\x08"), H2_CANCEL);
	assert_int_equal(h2_rst_stream_read("\x00\x00\x00\x0d"), H2_HTTP_1_1_REQUIRED);
	assert_int_equal(h2_rst_stream_read("\x00\x00\x00\x0e"), H2_INTERNAL_ERROR);
	assert_int_equal(h2_rst_stream_read("\xff\x00\x00\x00"), H2_INTERNAL_ERROR);

	frame = (struct h2_frame){4, 3, H2_WINDOW_UPDATE, 0};
	assert_int_equal(
	    h2_window_update_read(&frame, "\xff\xff\xff\xff", &increment).scope, H2_FINE);
	assert_int_equal(increment, 0x7fffffff);
	assert_int_equal(
	    h2_window_update_read(&frame, "\x80\x00\x00\x00", &increment).scope, H2_STREAM_BAD);
	frame.stream = 0;
	assert_int_equal(
	    h2_window_update_read(&frame, "\x00\x00\x00\x00", &increment).scope, H2_CONNECTION_BAD);
	assert_int_equal(
	    h2_window_update_read(&frame, "\x00\x00\x00\x00", &increment).error, H2_PROTOCOL_ERROR);

	goaway = h2_goaway_read(SLICE("\x80\x00\x00\x07\x00\x00\x00\x0b"
				      "calm"));
	assert_int_equal(goaway.last, 7);
	assert_int_equal(goaway.error, H2_ENHANCE_YOUR_CALM);
	assert_true(slice_equal(goaway.debug, SLICE("calm")));
	assert_int_equal(h2_goaway_read(SLICE("\0\0\0\0\0\0\0\0")).debug.len, 0);
}

/* RFC 9113 sections 6.9.1 and 6.9.2. */
static void
windows(void **state)
{
	int32_t window = H2_WINDOW_DEFAULT;

	(void)state;
	assert_true(h2_window_add(&window, H2_WINDOW_LIMIT - H2_WINDOW_DEFAULT));
	assert_int_equal(window, H2_WINDOW_LIMIT);
	assert_false(h2_window_add(&window, 1));
	assert_int_equal(window, H2_WINDOW_LIMIT);
	assert_false(h2_window_add(&window, 0x7fffffff));
	window = -5;
	assert_true(h2_window_add(&window, H2_WINDOW_LIMIT));
	assert_int_equal(window, H2_WINDOW_LIMIT - 5);

	window = 100;
	assert_true(h2_window_shift(&window, 65535, 0));
	assert_int_equal(window, 100 - 65535);
	assert_true(h2_window_shift(&window, 0, 65535));
	assert_int_equal(window, 100);
	window = 1;
	assert_false(h2_window_shift(&window, 0, H2_WINDOW_LIMIT));
	assert_int_equal(window, 1);
	window = 0;
	assert_true(h2_window_shift(&window, H2_WINDOW_LIMIT, 0));
	assert_int_equal(window, -H2_WINDOW_LIMIT);
}

/* ---- the next frame of a connection ---- */

static void
the_next_frame(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum h2_due due;
		bool found;
		struct h2_check check;
	} rows[] = {
	    {"", 0, H2_DUE_ANY, false, OK},
	    {"\x00\x00\x04\x08\x00\x00\x00\x00", 8, H2_DUE_ANY, false, OK},
	    {"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00", 12, H2_DUE_ANY, false, OK},
	    {"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01", 13, H2_DUE_ANY, true, OK},
	    {"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01more", 17, H2_DUE_ANY, true, OK},
	    /* Errors of the connection are found before the payload, those of a stream after it. */
	    {"\x00\x00\x05\x08\x00\x00\x00\x00\x00", 9, H2_DUE_ANY, true, SIZE},
	    {"\x00\x40\x01\x00\x00\x00\x00\x00\x01", 9, H2_DUE_ANY, true, SIZE},
	    {"\x00\x00\x01\x02\x00\x00\x00\x00\x01", 9, H2_DUE_ANY, false, OK},
	    {"\x00\x00\x01\x02\x00\x00\x00\x00\x01x", 10, H2_DUE_ANY, true, STREAM_SIZE},
	    /* The first frame. */
	    {"\x00\x00\x00\x04\x00\x00\x00\x00\x00", 9, H2_DUE_SETTINGS, true, OK},
	    {"\x00\x00\x00\x04\x01\x00\x00\x00\x00", 9, H2_DUE_SETTINGS, true, PROTOCOL},
	    {"\x00\x00\x08\x06\x00\x00\x00\x00\x00", 9, H2_DUE_SETTINGS, true, PROTOCOL},
	    {"\x00\x00\x00\x7f\x00\x00\x00\x00\x00", 9, H2_DUE_SETTINGS, true, PROTOCOL},
	    /* Within a block of fields: even a frame of an unknown type. */
	    {"\x00\x00\x00\x09\x04\x00\x00\x00\x01", 9, H2_DUE_CONTINUATION, true, OK},
	    {"\x00\x00\x00\x7f\x00\x00\x00\x00\x01", 9, H2_DUE_CONTINUATION, true, PROTOCOL},
	    {"\x00\x00\x00\x04\x00\x00\x00\x00\x00", 9, H2_DUE_CONTINUATION, true, PROTOCOL},
	    {"\x00\x00\x00\x09\x04\x00\x00\x00\x00", 9, H2_DUE_CONTINUATION, true, PROTOCOL},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char *exact = malloc(rows[i].len + 1); /* so that ASan sees a byte too many */
		struct h2_frame frame;
		struct slice payload;
		struct h2_check check;

		assert_non_null(exact);
		memcpy(exact, rows[i].bytes, rows[i].len);
		exact = realloc(exact, rows[i].len > 0 ? rows[i].len : 1);
		assert_non_null(exact);
		assert_int_equal(h2_frame_next((struct slice){exact, rows[i].len}, rows[i].due,
				     &frame, &payload, &check),
		    rows[i].found);
		if (rows[i].found) {
			assert_int_equal(check.scope, rows[i].check.scope);
			assert_int_equal(check.error, rows[i].check.error);
			assert_int_equal(
			    payload.len, check.scope == H2_CONNECTION_BAD ? 0 : frame.length);
		}
		free(exact);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(heads),
	    cmocka_unit_test(checks),
	    cmocka_unit_test(prefixes),
	    cmocka_unit_test(payloads),
	    cmocka_unit_test(windows),
	    cmocka_unit_test(the_next_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
