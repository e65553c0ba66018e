/*
 * http2_blocks_test.c - field blocks in several frames: memory stays bounded, and the table stays
 * synchronized.
 */
#include "h2_long_block.h"
#include "http2_ready.h"

#define GET_METHOD '\x82'

/* n frames of CONTINUATION with 16 KiB of this block each; the last one ends it. */
static void
send_continuations(uint32_t stream, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		send_frame(H2_CONTINUATION, i + 1 == n ? H2_END_HEADERS : 0, stream,
		    bytes + i * H2_FRAME_SIZE_DEFAULT, H2_FRAME_SIZE_DEFAULT);
		if (session_now() == NULL || session_now()->block.bytes == NULL)
			continue;
		assert_in_range(session_now()->block.bytes->capacity, 0, BUFFER_LARGE);
	}
}

static void
the_longest_block_is_decoded_and_refused(void **state)
{
	static char bytes[8 * H2_FRAME_SIZE_DEFAULT];

	(void)state;
	fill_block(bytes, sizeof(bytes), GET_METHOD);
	send_frame(H2_HEADERS, H2_END_STREAM, 1, BYTES(GET));
	send_continuations(1, bytes, 8);
	assert_int_equal(rejected, 431);
	assert_int_equal(goaway_error(), -1);
	send_frame(H2_HEADERS, END_BOTH, 3, BYTES(GET "\xbe"));
	assert_int_equal(begun, 2);
	assert_non_null(exchanges[1].client);
}

static void
a_ninth_continuation_is_too_much(void **state)
{
	static char bytes[9 * H2_FRAME_SIZE_DEFAULT];

	(void)state;
	fill_block(bytes, sizeof(bytes), GET_METHOD);
	send_frame(H2_HEADERS, H2_END_STREAM, 1, BYTES(GET));
	send_continuations(1, bytes, 9);
	assert_int_equal(goaway_error(), H2_ENHANCE_YOUR_CALM);
	assert_int_equal(begun, 0);
}

static void
what_is_wrong_in_a_long_block_is_found(void **state)
{
	static char bytes[8 * H2_FRAME_SIZE_DEFAULT];

	(void)state;
	bytes[fill_block(bytes, sizeof(bytes), GET_METHOD)] = '\x80'; /* index 0 */
	send_frame(H2_HEADERS, H2_END_STREAM, 1, BYTES(GET));
	send_continuations(1, bytes, 8);
	assert_int_equal(goaway_error(), H2_COMPRESSION_ERROR);
	assert_int_equal(begun, 0);
}

/* Trailers that are too long end their stream, and it alone. */
static void
long_trailers(void **state)
{
	static char bytes[8 * H2_FRAME_SIZE_DEFAULT];

	(void)state;
	serve = allow_and_take;
	upload(1);
	fill_block(bytes, sizeof(bytes), GET_METHOD);
	send_frame(H2_HEADERS, H2_END_STREAM, 1, BYTES("\0\1a\0"));
	send_continuations(1, bytes, 8);
	assert_int_equal(reset_error(), H2_PROTOCOL_ERROR);
	assert_int_equal(exchanges[0].failure, CLIENT_BAD_CONTENT);
	assert_int_equal(session_now()->state, HTTP2_OPEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_longest_block_is_decoded_and_refused),
	    TEST(a_ninth_continuation_is_too_much),
	    TEST(what_is_wrong_in_a_long_block_is_found),
	    TEST(long_trailers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
