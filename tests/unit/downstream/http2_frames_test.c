/*
 * http2_frames_test.c - wrong frames, and the error for each (RFC 9113), whole and split at each of
 * their bytes.
 */
#include "http2_world.h"

/* A frame of up to 127 bytes on a stream below 128. */
#define FRAME(length, type, flags, stream) "\0\0" length type flags "\0\0\0" stream
#define F_DATA "\0"
#define F_HEADERS "\1"
#define F_PRIORITY "\2"
#define F_RST_STREAM "\3"
#define F_SETTINGS "\4"
#define F_PUSH_PROMISE "\5"
#define F_PING "\6"
#define F_GOAWAY "\7"
#define F_WINDOW_UPDATE "\10"
#define F_CONTINUATION "\11"
#define NO_FLAGS "\0"

#define OPEN(stream) FRAME("\6", F_HEADERS, "\4", stream) POST
#define ENDED(stream) FRAME("\6", F_HEADERS, "\5", stream) GET
#define BEGIN(stream) FRAME("\6", F_HEADERS, "\1", stream) GET
#define CONTINUE(stream, flags) FRAME("\1", F_CONTINUATION, flags, stream) "\x82"
#define RST(stream) FRAME("\4", F_RST_STREAM, NO_FLAGS, stream) "\0\0\0\10"
#define UPDATE(stream) FRAME("\4", F_WINDOW_UPDATE, NO_FLAGS, stream) "\0\0\0\1"
#define CONTENT(stream, flags) FRAME("\2", F_DATA, flags, stream) "hi"
#define CONTENT_LENGTH_3 "\x0f\x0d\x01\x33"

enum wanted { FINE, RESET, GOAWAY };

static const struct {
	const char *what, *bytes;
	size_t len;
	enum wanted wanted;
	enum h2_error error;
	bool answered; /* the request on stream 1 */
} cases[] = {
#define CASE(what, bytes, wanted, error)                             \
	{                                                            \
		what, bytes, sizeof(bytes) - 1, wanted, error, false \
	}
#define ANSWERED(what, bytes, wanted, error)                        \
	{                                                           \
		what, bytes, sizeof(bytes) - 1, wanted, error, true \
	}
    CASE("a type that is not known", FRAME("\1", "\x77", "\xff", "\1") "x", FINE, 0),
    CASE("PRIORITY, idle", FRAME("\5", F_PRIORITY, NO_FLAGS, "\1") "\0\0\0\0\1", FINE, 0),
    CASE("PING with other flags", FRAME("\10", F_PING, "\xfe", "\0") "12345678", FINE, 0),
    CASE("SETTINGS that are not known", FRAME("\6", F_SETTINGS, NO_FLAGS, "\0") "\0\x77\0\0\0\1",
	FINE, 0),
    CASE("trailers", OPEN("\1") FRAME("\4", F_HEADERS, "\5", "\1") "\0\1a\0", FINE, 0),

    CASE("DATA, idle", CONTENT("\1", NO_FLAGS), GOAWAY, H2_PROTOCOL_ERROR),
    CASE("RST_STREAM, idle", RST("\1"), GOAWAY, H2_PROTOCOL_ERROR),
    CASE("WINDOW_UPDATE, idle", UPDATE("\1"), GOAWAY, H2_PROTOCOL_ERROR),
    CASE("CONTINUATION, idle", CONTINUE("\1", "\4"), GOAWAY, H2_PROTOCOL_ERROR),
    CASE("HEADERS, even", ENDED("\2"), GOAWAY, H2_PROTOCOL_ERROR),
    CASE("DATA, even", ENDED("\5") CONTENT("\2", NO_FLAGS), GOAWAY, H2_PROTOCOL_ERROR),
    CASE("a lower id", ENDED("\5") ENDED("\3"), GOAWAY, H2_PROTOCOL_ERROR),

    CASE("DATA, 0", CONTENT("\0", NO_FLAGS), GOAWAY, H2_PROTOCOL_ERROR),
    CASE("HEADERS, 0", ENDED("\0"), GOAWAY, H2_PROTOCOL_ERROR),
    CASE("PRIORITY, 0", FRAME("\5", F_PRIORITY, NO_FLAGS, "\0") "\0\0\0\3\1", GOAWAY,
	H2_PROTOCOL_ERROR),
    CASE("RST_STREAM, 0", RST("\0"), GOAWAY, H2_PROTOCOL_ERROR),
    CASE("SETTINGS, 1", FRAME("\0", F_SETTINGS, NO_FLAGS, "\1"), GOAWAY, H2_PROTOCOL_ERROR),
    CASE("PING, 1", FRAME("\10", F_PING, NO_FLAGS, "\1") "12345678", GOAWAY, H2_PROTOCOL_ERROR),
    CASE("GOAWAY, 1", FRAME("\10", F_GOAWAY, NO_FLAGS, "\1") "\0\0\0\0\0\0\0\0", GOAWAY,
	H2_PROTOCOL_ERROR),
    CASE("PUSH_PROMISE", ENDED("\1") FRAME("\5", F_PUSH_PROMISE, "\4", "\1") "\0\0\0\2\x82", GOAWAY,
	H2_PROTOCOL_ERROR),

    CASE("DATA, half closed", ENDED("\1") CONTENT("\1", NO_FLAGS), RESET, H2_STREAM_CLOSED),
    CASE("HEADERS, half closed", ENDED("\1") ENDED("\1"), RESET, H2_STREAM_CLOSED),
    CASE("WINDOW_UPDATE, half closed", ENDED("\1") UPDATE("\1"), FINE, 0),
    CASE("RST_STREAM, half closed", ENDED("\1") RST("\1"), FINE, 0),

    ANSWERED("DATA, closed", ENDED("\1") CONTENT("\1", NO_FLAGS), RESET, H2_STREAM_CLOSED),
    ANSWERED("HEADERS, closed", ENDED("\1") ENDED("\1"), GOAWAY, H2_STREAM_CLOSED),
    ANSWERED("WINDOW_UPDATE, closed", ENDED("\1") UPDATE("\1"), FINE, 0),
    ANSWERED("RST_STREAM, closed", ENDED("\1") RST("\1"), FINE, 0),
    ANSWERED("PRIORITY, closed", ENDED("\1") FRAME("\5", F_PRIORITY, NO_FLAGS, "\1") "\0\0\0\0\1",
	FINE, 0),

    CASE("DATA behind RST_STREAM", OPEN("\1") RST("\1") CONTENT("\1", NO_FLAGS), RESET,
	H2_STREAM_CLOSED),
    CASE("HEADERS behind RST_STREAM", OPEN("\1") RST("\1") ENDED("\1"), GOAWAY, H2_STREAM_CLOSED),

    CASE("trailers without END_STREAM", OPEN("\1") FRAME("\4", F_HEADERS, "\4", "\1") "\0\1a\0",
	RESET, H2_PROTOCOL_ERROR),
    CASE("trailers with a pseudo-field", OPEN("\1") ENDED("\1"), RESET, H2_PROTOCOL_ERROR),

    CASE("DATA, too much padding", OPEN("\1") FRAME("\2", F_DATA, "\10", "\1") "\2x", GOAWAY,
	H2_PROTOCOL_ERROR),
    CASE("DATA, no pad length", OPEN("\1") FRAME("\0", F_DATA, "\10", "\1"), GOAWAY,
	H2_FRAME_SIZE_ERROR),
    CASE("HEADERS, too much padding", FRAME("\7", F_HEADERS, "\15", "\1") "\7" GET, GOAWAY,
	H2_PROTOCOL_ERROR),
    CASE("DATA, padding alone", OPEN("\1") FRAME("\3", F_DATA, "\11", "\1") "\2\0\0", FINE, 0),

    CASE("PING, 7 bytes", FRAME("\7", F_PING, NO_FLAGS, "\0") "1234567", GOAWAY,
	H2_FRAME_SIZE_ERROR),
    CASE("SETTINGS, 5 bytes", FRAME("\5", F_SETTINGS, NO_FLAGS, "\0") "\0\3\0\0\0", GOAWAY,
	H2_FRAME_SIZE_ERROR),
    CASE("SETTINGS, ACK with a payload", FRAME("\6", F_SETTINGS, "\1", "\0") "\0\3\0\0\0\1", GOAWAY,
	H2_FRAME_SIZE_ERROR),
    CASE("RST_STREAM, 3 bytes", OPEN("\1") FRAME("\3", F_RST_STREAM, NO_FLAGS, "\1") "\0\0\0",
	GOAWAY, H2_FRAME_SIZE_ERROR),
    CASE("WINDOW_UPDATE, 3 bytes", FRAME("\3", F_WINDOW_UPDATE, NO_FLAGS, "\0") "\0\0\1", GOAWAY,
	H2_FRAME_SIZE_ERROR),
    CASE("GOAWAY, 7 bytes", FRAME("\7", F_GOAWAY, NO_FLAGS, "\0") "\0\0\0\0\0\0\0", GOAWAY,
	H2_FRAME_SIZE_ERROR),
    CASE("PRIORITY, 4 bytes", OPEN("\1") FRAME("\4", F_PRIORITY, NO_FLAGS, "\1") "\0\0\0\0", RESET,
	H2_FRAME_SIZE_ERROR),
    CASE("PRIORITY, 4 bytes, idle", FRAME("\4", F_PRIORITY, NO_FLAGS, "\1") "\0\0\0\0", GOAWAY,
	H2_FRAME_SIZE_ERROR),
    CASE("DATA, 16385 bytes", OPEN("\1") "\0\x40\1\0\0\0\0\0\1", GOAWAY, H2_FRAME_SIZE_ERROR),

    CASE("ENABLE_PUSH 2", FRAME("\6", F_SETTINGS, NO_FLAGS, "\0") "\0\2\0\0\0\2", GOAWAY,
	H2_PROTOCOL_ERROR),
    CASE("INITIAL_WINDOW_SIZE 2^31", FRAME("\6", F_SETTINGS, NO_FLAGS, "\0") "\0\4\x80\0\0\0",
	GOAWAY, H2_FLOW_CONTROL_ERROR),
    CASE("MAX_FRAME_SIZE 16383", FRAME("\6", F_SETTINGS, NO_FLAGS, "\0") "\0\5\0\0\x3f\xff", GOAWAY,
	H2_PROTOCOL_ERROR),

    CASE("WINDOW_UPDATE by 0", FRAME("\4", F_WINDOW_UPDATE, NO_FLAGS, "\0") "\0\0\0\0", GOAWAY,
	H2_PROTOCOL_ERROR),
    CASE("WINDOW_UPDATE by 0, stream",
	OPEN("\1") FRAME("\4", F_WINDOW_UPDATE, NO_FLAGS, "\1") "\0\0\0\0", RESET,
	H2_PROTOCOL_ERROR),
    CASE("WINDOW_UPDATE, too large",
	FRAME("\4", F_WINDOW_UPDATE, NO_FLAGS, "\0") "\x7f\xff\xff\xff", GOAWAY,
	H2_FLOW_CONTROL_ERROR),
    CASE("WINDOW_UPDATE, too large, stream",
	OPEN("\1") FRAME("\4", F_WINDOW_UPDATE, NO_FLAGS, "\1") "\x7f\xff\xff\xff", RESET,
	H2_FLOW_CONTROL_ERROR),
    CASE("SETTINGS that make a window too large",
	OPEN("\1") FRAME("\4", F_WINDOW_UPDATE, NO_FLAGS, "\1") "\x7f\xff\0\0" FRAME(
	    "\6", F_SETTINGS, NO_FLAGS, "\0") "\0\4\0\1\0\0",
	GOAWAY, H2_FLOW_CONTROL_ERROR),

    CASE("PING within a block", BEGIN("\1") FRAME("\10", F_PING, NO_FLAGS, "\0") "12345678", GOAWAY,
	H2_PROTOCOL_ERROR),
    CASE("a type that is not known within a block", BEGIN("\1") FRAME("\0", "\x77", NO_FLAGS, "\1"),
	GOAWAY, H2_PROTOCOL_ERROR),
    CASE("CONTINUATION of another stream", BEGIN("\1") CONTINUE("\3", "\4"), GOAWAY,
	H2_PROTOCOL_ERROR),
    CASE("CONTINUATION behind END_HEADERS", ENDED("\1") CONTINUE("\1", "\4"), GOAWAY,
	H2_PROTOCOL_ERROR),
    CASE("CONTINUATION, empty", BEGIN("\1") FRAME("\0", F_CONTINUATION, "\4", "\1"), GOAWAY,
	H2_ENHANCE_YOUR_CALM),
    CASE("CONTINUATION, nine times",
	BEGIN("\1") CONTINUE("\1", "\0") CONTINUE("\1", "\0") CONTINUE("\1", "\0")
	    CONTINUE("\1", "\0") CONTINUE("\1", "\0") CONTINUE("\1", "\0") CONTINUE("\1", "\0")
		CONTINUE("\1", "\0") CONTINUE("\1", "\4"),
	GOAWAY, H2_ENHANCE_YOUR_CALM),

    CASE("index 0", FRAME("\1", F_HEADERS, "\5", "\1") "\x80", GOAWAY, H2_COMPRESSION_ERROR),
    CASE("a block that is cut", FRAME("\5", F_HEADERS, "\5", "\1") "\x82\x86\x84\x01\x01", GOAWAY,
	H2_COMPRESSION_ERROR),

    CASE("HEADERS that depend on themselves", FRAME("\13", F_HEADERS, "\45", "\1") "\0\0\0\1\0" GET,
	RESET, H2_PROTOCOL_ERROR),
    CASE("PRIORITY that depends on itself",
	OPEN("\1") FRAME("\5", F_PRIORITY, NO_FLAGS, "\1") "\0\0\0\1\1", RESET, H2_PROTOCOL_ERROR),
    CASE("PRIORITY that depends on itself, idle",
	FRAME("\5", F_PRIORITY, NO_FLAGS, "\1") "\0\0\0\1\1", GOAWAY, H2_PROTOCOL_ERROR),

    CASE("no path", FRAME("\5", F_HEADERS, "\5", "\1") "\x82\x86\x01\x01h", RESET,
	H2_PROTOCOL_ERROR),
    CASE("less content than announced",
	FRAME("\12", F_HEADERS, "\4", "\1") POST CONTENT_LENGTH_3 CONTENT("\1", "\1"), RESET,
	H2_PROTOCOL_ERROR),
    CASE("more content than announced",
	FRAME("\12", F_HEADERS, "\4", "\1") POST CONTENT_LENGTH_3 CONTENT("\1", "\0")
	    CONTENT("\1", "\0"),
	RESET, H2_PROTOCOL_ERROR),
    CASE("no content, but announced", FRAME("\12", F_HEADERS, "\5", "\1") POST CONTENT_LENGTH_3,
	RESET, H2_PROTOCOL_ERROR),
    CASE("trailers in place of content",
	FRAME("\12", F_HEADERS, "\4", "\1")
	    POST CONTENT_LENGTH_3 FRAME("\4", F_HEADERS, "\5", "\1") "\0\1a\0",
	RESET, H2_PROTOCOL_ERROR),
};

static int
setup(void **state)
{
	(void)state;
	http2_world_open();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	http2_world_close();
	return 0;
}

/* What the server has said: the first RST_STREAM or GOAWAY. */
static enum wanted
verdict(enum h2_error *error)
{
	collect();
	while (next_frame()) {
		if (frame.type == H2_RST_STREAM && frame.stream == 1) {
			*error = number_at(payload);
			return RESET;
		}
		if (frame.type == H2_GOAWAY) {
			*error = number_at(payload + 4);
			return GOAWAY;
		}
	}
	*error = H2_NO_ERROR;
	return FINE;
}

/* One case on a connection of its own, split into pieces of this size at first, then the rest. */
static void
try_case(size_t i, size_t first, size_t step)
{
	enum h2_error error;
	enum wanted wanted;
	bool lives;

	reconnect();
	begun = 0;
	serve = cases[i].answered ? answer_empty : allow;
	send_preface();
	for (size_t at = 0; at < cases[i].len;) {
		size_t n = at == 0 ? first : step;

		n = n < cases[i].len - at ? n : cases[i].len - at;
		send_bytes(cases[i].bytes + at, n);
		at += n;
	}
	wanted = verdict(&error);
	if (wanted != cases[i].wanted || error != cases[i].error)
		fail_msg("%s, split at %zu: %d with error %d", cases[i].what, first, (int)wanted,
		    (int)error);
	lives = session_now() != NULL && session_now()->state == HTTP2_OPEN;
	assert_int_equal(lives, wanted != GOAWAY);
	assert_int_equal(world_is_closed(client), wanted == GOAWAY);
	for (size_t n = 0; n < begun && wanted == GOAWAY; n++)
		assert_null(exchanges[n].client);
}

static void
wrong_frames_get_their_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		try_case(i, cases[i].len, 1);
}

static void
and_so_they_do_when_they_are_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t first = 1; first < cases[i].len; first++)
			try_case(i, first, cases[i].len);
		try_case(i, 1, 1);
	}
}

/* What the block of a wrong frame adds to the table counts for the blocks behind it. */
static void
a_block_is_decoded_whatever_its_frame_says(void **state)
{
	static const char first[] = "\0\0\0\1\0"	   /* depends on stream 1, which it is */
				    "\x82\x86\x84\x41\1h"; /* :authority goes to the table */
	static const char second[] = "\x82\x86\x84\xbe";   /* and comes from there */

	(void)state;
	serve = answer_empty;
	send_preface();
	send_frame(H2_HEADERS, END_BOTH | H2_WITH_PRIORITY, 1, BYTES(first));
	assert_int_equal(reset_error(), H2_PROTOCOL_ERROR);
	assert_int_equal(begun, 0);
	send_frame(H2_HEADERS, END_BOTH, 3, BYTES(second));
	assert_int_equal(begun, 1);
	assert_int_equal(goaway_error(), -1);
}

static void
settings_come_first(void **state)
{
	(void)state;
	send_bytes(BYTES(H2_PREFACE));
	send_frame(H2_PING, 0, 0, "12345678", 8);
	assert_int_equal(goaway_error(), H2_PROTOCOL_ERROR);
	reconnect();
	send_bytes(BYTES(H2_PREFACE));
	send_frame(H2_SETTINGS, H2_ACK, 0, NULL, 0);
	assert_int_equal(goaway_error(), H2_PROTOCOL_ERROR);
	reconnect();
	send_bytes(BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\rx"));
	assert_int_equal(goaway_error(), H2_PROTOCOL_ERROR);
}

static void
content_beyond_a_window_is_an_error(void **state)
{
	static const char zeros[H2_FRAME_SIZE_DEFAULT];

	(void)state;
	serve = allow;
	send_preface();
	send_frame(H2_HEADERS, H2_END_HEADERS, 1, BYTES(POST));
	send_frame(H2_DATA, 0, 1, zeros, sizeof(zeros));
	assert_int_equal(reset_error(), -1);
	send_frame(H2_DATA, 0, 1, zeros, 1);
	assert_int_equal(reset_error(), H2_FLOW_CONTROL_ERROR);
}

static void
streams_beyond_the_limit_are_refused(void **state)
{
	(void)state;
	serve = allow;
	send_preface();
	for (uint32_t i = 0; i <= 100; i++)
		send_frame(H2_HEADERS, END_BOTH, 2 * i + 1, BYTES(GET));
	assert_int_equal(begun, 100);
	assert_int_equal(reset_error(), H2_REFUSED_STREAM);
	assert_int_equal(frame.stream, 201);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(wrong_frames_get_their_error),
	    TEST(and_so_they_do_when_they_are_split),
	    TEST(a_block_is_decoded_whatever_its_frame_says),
	    TEST(settings_come_first),
	    TEST(content_beyond_a_window_is_an_error),
	    TEST(streams_beyond_the_limit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
