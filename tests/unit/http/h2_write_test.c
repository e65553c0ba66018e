/* h2_write_test.c - frames that we write, byte by byte, and without room for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/h2_frame.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static const struct h2_setting two_settings[] = {
    {H2_SETTINGS_MAX_CONCURRENT_STREAMS, 100},
    {H2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
};

static void
settings(struct writer *writer)
{
	h2_write_settings(writer, two_settings, 2);
}

static void
no_settings(struct writer *writer)
{
	h2_write_settings(writer, NULL, 0);
}

static void
ping(struct writer *writer)
{
	h2_write_ping(writer, false, "12345678");
}

static void
ping_ack(struct writer *writer)
{
	h2_write_ping(writer, true, "12345678");
}

static void
rst_stream(struct writer *writer)
{
	h2_write_rst_stream(writer, 0x7fffffff, H2_CANCEL);
}

static void
window_update(struct writer *writer)
{
	h2_write_window_update(writer, 3, 0x10203);
}

static void
goaway(struct writer *writer)
{
	h2_write_goaway(writer, H2_STREAM_LIMIT, H2_NO_ERROR, (struct slice){NULL, 0});
}

static void
goaway_with_debug(struct writer *writer)
{
	h2_write_goaway(writer, 5, H2_ENHANCE_YOUR_CALM, SLICE("calm"));
}

static void
headers(struct writer *writer)
{
	h2_write_block(writer, 1, H2_END_STREAM, SLICE("\x88"), H2_FRAME_SIZE_DEFAULT);
}

static void
headers_in_three(struct writer *writer)
{
	h2_write_block(writer, 1, H2_END_STREAM, SLICE("abcde"), 2);
}

static void
headers_in_two(struct writer *writer)
{
	h2_write_block(writer, 1, 0, SLICE("abcd"), 2);
}

static void
no_headers(struct writer *writer)
{
	h2_write_block(writer, 1, 0, SLICE(""), 2);
}

static void
data_head(struct writer *writer)
{
	h2_write_frame_head(writer, H2_DATA, H2_END_STREAM, 9, 70000);
}

static void
frames(void **state)
{
	static const struct {
		void (*write)(struct writer *writer);
		struct slice expected;
	} rows[] = {
	    {settings, SLICE("\0\0\x0c\4\0\0\0\0\0\0\3\0\0\0\x64\0\x9\0\0\0\1")},
	    {no_settings, SLICE("\0\0\0\4\0\0\0\0\0")},
	    {h2_write_settings_ack, SLICE("\0\0\0\4\1\0\0\0\0")},
	    {ping, SLICE("\0\0\x8\6\0\0\0\0\0"
			 "12345678")},
	    {ping_ack, SLICE("\0\0\x8\6\1\0\0\0\0"
			     "12345678")},
	    {rst_stream, SLICE("\0\0\4\3\0\x7f\xff\xff\xff\0\0\0\x8")},
	    {window_update, SLICE("\0\0\4\x8\0\0\0\0\3\0\1\2\3")},
	    {goaway, SLICE("\0\0\x8\7\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0")},
	    {goaway_with_debug, SLICE("\0\0\x0c\7\0\0\0\0\0\0\0\0\5\0\0\0\x0b"
				      "calm")},
	    {headers, SLICE("\0\0\1\1\5\0\0\0\1\x88")},
	    {headers_in_three, SLICE("\0\0\2\1\1\0\0\0\1"
				     "ab\0\0\2\x9\0\0\0\0\1"
				     "cd\0\0\1\x9\4\0\0\0\1"
				     "e")},
	    {headers_in_two, SLICE("\0\0\2\1\0\0\0\0\1"
				   "ab\0\0\2\x9\4\0\0\0\1"
				   "cd")},
	    {no_headers, SLICE("\0\0\0\1\4\0\0\0\1")},
	    {data_head, SLICE("\1\x11\x70\0\1\0\0\0\x9")},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		for (size_t cap = 0; cap <= rows[i].expected.len; cap++) {
			char *out = malloc(cap + 1);
			struct writer writer = writer_of(out, cap);

			assert_non_null(out);
			rows[i].write(&writer);
			assert_int_equal(writer.full, cap < rows[i].expected.len);
			assert_int_equal(writer.at - out, writer.full ? 0 : cap);
			assert_memory_equal(out, rows[i].expected.at, writer.at - out);
			free(out);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
