/* reply_scan_test.c - replies measured in pieces of every size, against hiredis. */
#include "harness.h"

#include "auth/redis/reply_scan.h"
#include "jobgate/slice.h"

/* Where the first reply of a text ends, when it comes in pieces; its length when it does not. */
static size_t
scan_in_pieces(struct slice text, size_t piece, enum reply_scan_state *state)
{
	struct reply_scan scan = {0};
	size_t at = 0;

	*state = REPLY_UNFINISHED;
	while (at < text.len && *state == REPLY_UNFINISHED) {
		size_t len = text.len - at < piece ? text.len - at : piece;
		char *copy = malloc(len); /* of that size, for the sanitizer */
		size_t taken;

		memcpy(copy, text.at + at, len);
		taken = reply_scan(&scan, copy, len, state);
		free(copy);
		assert_true(taken == len || *state != REPLY_UNFINISHED);
		at += taken;
	}
	return at;
}

static void
expect(struct slice text, enum reply_scan_state wanted, size_t end)
{
	for (size_t piece = 1; piece <= text.len; piece++) {
		enum reply_scan_state state;

		assert_int_equal(scan_in_pieces(text, piece, &state), end);
		assert_int_equal(state, wanted);
	}
}

/* hiredis finds a reply in a text just when all of it is there. */
static void
expect_as_hiredis(struct slice text)
{
	for (size_t len = 0; len <= text.len; len++) {
		redisReader *reader = redisReaderCreate();
		void *reply = NULL;

		assert_int_equal(redisReaderFeed(reader, text.at, len), REDIS_OK);
		assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
		assert_int_equal(reply != NULL, len == text.len);
		freeReplyObject(reply);
		redisReaderFree(reader);
	}
}

static void
replies_end_where_they_do_for_hiredis(void **state)
{
	const struct slice replies[] = {
	    SLICE("+OK\r\n"),
	    SLICE("+\r\n"),
	    SLICE("-ERR it is so\r\n"),
	    SLICE(":-12\r\n"),
	    SLICE("$-1\r\n"),
	    SLICE("$0\r\n\r\n"),
	    SLICE("$4\r\n\r\n\0$\r\n"),
	    SLICE("*-1\r\n"),
	    SLICE("*0\r\n"),
	    SLICE("*2\r\n$1\r\na\r\n$-1\r\n"),
	    SLICE("*3\r\n*0\r\n*2\r\n:1\r\n*1\r\n+x\r\n*-1\r\n"),
	    SLICE("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		char more[128];

		expect_as_hiredis(replies[i]);
		expect(replies[i], REPLY_FINISHED, replies[i].len);
		memcpy(more, replies[i].at, replies[i].len);
		memcpy(more + replies[i].len, "+1\r\n", 4);
		expect((struct slice){more, replies[i].len + 4}, REPLY_FINISHED, replies[i].len);
	}
}

static void
what_has_not_ended_says_so(void **state)
{
	(void)state;
	expect(SLICE("+OK\r"), REPLY_UNFINISHED, 4);
	expect(SLICE("+a\rb\n"), REPLY_UNFINISHED, 5);
	expect(SLICE("$4\r\nabcd\r"), REPLY_UNFINISHED, 9);
	expect(SLICE("*1\r\n"), REPLY_UNFINISHED, 4);
	expect(SLICE("*1000000000000\r\n:1\r\n"), REPLY_UNFINISHED, 20);
}

static void
what_is_none_is_told(void **state)
{
	(void)state;
	expect(SLICE("HTTP/1.1 400 Bad Request\r\n"), REPLY_MALFORMED, 1);
	expect(SLICE("%1\r\n"), REPLY_MALFORMED, 1); /* RESP3 */
	expect(SLICE("$\r\n"), REPLY_MALFORMED, 3);
	expect(SLICE("$-\r\n"), REPLY_MALFORMED, 4);
	expect(SLICE("$--1\r\n"), REPLY_MALFORMED, 3);
	expect(SLICE("$1-\r\n"), REPLY_MALFORMED, 3);
	expect(SLICE("$-2\r\n"), REPLY_MALFORMED, 5);
	expect(SLICE("$1\rx"), REPLY_MALFORMED, 4);
	expect(SLICE("$ 1\r\n"), REPLY_MALFORMED, 2);
	expect(SLICE("*1234567890123456789\r\n"), REPLY_MALFORMED, 20);
	expect(
	    SLICE("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"), REPLY_MALFORMED, 36);
}

static void
what_is_announced_counts_at_once(void **state)
{
	struct reply_scan scan = {0};
	enum reply_scan_state scan_state;

	(void)state;
	reply_scan(&scan, "*2\r\n*300\r\n$5000\r\nabc", 20, &scan_state);
	assert_int_equal(scan.elements, 302);
	assert_int_equal(scan.bytes, 17 + 5002);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(replies_end_where_they_do_for_hiredis),
	    cmocka_unit_test(what_has_not_ended_says_so),
	    cmocka_unit_test(what_is_none_is_told),
	    cmocka_unit_test(what_is_announced_counts_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
