/* grpc_test.c - gRPC's content types, deadlines, statuses, replies and messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/grpc.h"

static void
expect_text(struct slice found, const char *text)
{
	assert_int_equal(found.len, strlen(text));
	assert_memory_equal(found.at, text, found.len);
}

static void
content_types(void **state)
{
	static const struct {
		const char *text;
		enum grpc_kind kind;
	} cases[] = {
	    {"application/grpc", GRPC_PLAIN},
	    {"Application/gRPC", GRPC_PLAIN},
	    {"application/grpc+proto", GRPC_PLAIN},
	    {"application/grpc;charset=utf-8", GRPC_PLAIN},
	    {"application/grpc-web", GRPC_WEB},
	    {"application/grpc-web+proto", GRPC_WEB},
	    {"application/grpc-web-text", GRPC_WEB},
	    {"application/grpc-web-text+proto", GRPC_WEB},
	    {"application/grpc-other", GRPC_NONE},
	    {"application/grpcx", GRPC_NONE},
	    {"application/grp", GRPC_NONE},
	    {"application/json", GRPC_NONE},
	    {"x application/grpc", GRPC_NONE},
	    {"", GRPC_NONE},
	};
	struct field items[2] = {
	    {.id = FIELD_CONTENT_TYPE, .value = SLICE("application/grpc+proto")},
	    {.id = FIELD_CONTENT_TYPE, .value = SLICE("application/grpc")}};
	struct fields fields = {items, 1};
	struct slice type;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(grpc_kind_of(slice_of(cases[i].text)), cases[i].kind);
	assert_int_equal(grpc_kind_of_fields(&fields, &type), GRPC_PLAIN);
	expect_text(type, "application/grpc+proto");
	fields.count = 2; /* which one counts? */
	assert_int_equal(grpc_kind_of_fields(&fields, &type), GRPC_NONE);
	fields.count = 0;
	assert_int_equal(grpc_kind_of_fields(&fields, &type), GRPC_NONE);
}

static void
deadlines(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {
	    {"0n", 0},
	    {"1n", 1},
	    {"1000000n", 1},
	    {"1000001n", 2},
	    {"0u", 0},
	    {"999u", 1},
	    {"2500u", 3},
	    {"250m", 250},
	    {"00000001S", 1000},
	    {"2M", 120000},
	    {"3H", 10800000},
	    {"99999999n", 100},
	    {"99999999H", UINT64_C(359999996400000)},
	};
	static const char *const bad[] = {"", "1", "S", "1s", "1h", "-1S", "+1S", " 1S", "1S ",
	    "1 S", "123456789S", "1.5S", "1SS", "0x1S"};
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(grpc_timeout_parse(slice_of(good[i].text), &ms));
		assert_true(ms == good[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(grpc_timeout_parse(slice_of(bad[i]), &ms));
}

/* What is written is never less than what was meant, and reads back as what it says. */
static void
written_deadlines(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
		uint64_t again;
	} cases[] = {
	    {0, "0m", 0},
	    {1, "1m", 1},
	    {99999999, "99999999m", 99999999},
	    {100000000, "100000S", 100000000},
	    {100000001, "100001S", 100001000},
	    {UINT64_C(99999999) * 1000 + 1, "1666667M", UINT64_C(1666667) * 60000},
	    {UINT64_C(99999999) * 60000 + 1, "1666667H", UINT64_C(1666667) * 3600000},
	    {UINT64_MAX, "99999999H", UINT64_C(359999996400000)},
	};
	char text[GRPC_TIMEOUT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice out = {text, grpc_timeout_format(cases[i].ms, text)};
		uint64_t ms;

		expect_text(out, cases[i].text);
		assert_true(grpc_timeout_parse(out, &ms));
		assert_true(ms == cases[i].again);
	}
}

static void
statuses(void **state)
{
	static const struct {
		unsigned http;
		int grpc;
	} cases[] = {{400, 13}, {401, 16}, {403, 7}, {404, 12}, {429, 14}, {502, 14}, {503, 14},
	    {504, 14}, {200, 2}, {302, 2}, {408, 2}, {413, 2}, {431, 2}, {500, 2}, {501, 2}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(grpc_status_of(cases[i].http), cases[i].grpc);
}

static void
escaped_messages(void **state)
{
	static const struct {
		const char *text, *escaped;
	} cases[] = {
	    {"", ""},
	    {"not found: a/b", "not found: a/b"},
	    {"50%", "50%25"},
	    {"a\r\nb", "a%0D%0Ab"},
	    {"\xc3\xa4\x7f~", "%C3%A4%7F~"},
	    {" a b ", "%20a b%20"},
	    {" ", "%20"},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = grpc_message_escape(slice_of(cases[i].text), out);

		expect_text((struct slice){out, len}, cases[i].escaped);
	}
}

static void
ends(void **state)
{
	static struct grpc_end end;
	static char longest[GRPC_MESSAGE_MAX + 1];
	struct fields fields = grpc_end_fields(&end, GRPC_UNAUTHENTICATED, SLICE("50%"));

	(void)state;
	assert_int_equal(fields.count, 2);
	expect_text(fields.items[0].name, "grpc-status");
	expect_text(fields.items[0].value, "16");
	expect_text(fields.items[1].name, "grpc-message");
	expect_text(fields.items[1].value, "50%25");
	fields = grpc_end_fields(&end, GRPC_PERMISSION_DENIED, SLICE(""));
	assert_int_equal(fields.count, 1);
	expect_text(fields.items[0].value, "7");
	memset(longest, '%', sizeof(longest));
	fields = grpc_end_fields(&end, GRPC_UNAVAILABLE, (struct slice){longest, sizeof(longest)});
	assert_int_equal(fields.items[1].value.len, sizeof(end.message));
}

static void
statuses_that_are_read(void **state)
{
	static const struct {
		const char *text;
		unsigned status;
	} cases[] = {{"0", 0}, {"7", 7}, {"16", 16}, {"17", 2}, {"-1", 2}, {"", 2}, {"OK", 2},
	    {"1 ", 2}, {"99999999999999999999", 2}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(grpc_status_read(slice_of(cases[i].text)), cases[i].status);
}

/* In pieces of any size, the end of each message, and nothing else, is between two. */
static void
messages(void **state)
{
	static const char stream[] = "\0\0\0\0\3abc" /* 8 bytes */
				     "\1\0\0\0\0"    /* an empty message: 13 */
				     "\0\0\0\1\1"
				     "0123456789"; /* the beginning of one of 257 bytes: 28 */
	const size_t len = sizeof(stream) - 1;
	static const char rest[247];

	(void)state;
	for (size_t piece = 1; piece <= len; piece++) {
		struct grpc_messages at = {0};

		assert_true(grpc_between_messages(&at));
		for (size_t i = 0; i < len; i += piece) {
			size_t end = i + piece < len ? i + piece : len;

			grpc_messages_follow(&at, (struct slice){stream + i, end - i});
			assert_int_equal(grpc_between_messages(&at), end == 8 || end == 13);
		}
		grpc_messages_follow(&at, (struct slice){rest, sizeof(rest) - 1});
		assert_false(grpc_between_messages(&at));
		grpc_messages_follow(&at, (struct slice){rest, 1});
		assert_true(grpc_between_messages(&at));
	}
}

/* The longest message that its prefix can announce. */
static void
long_messages(void **state)
{
	struct grpc_messages at = {0};
	static const char piece[65536];
	uint64_t left = UINT32_MAX;

	(void)state;
	grpc_messages_follow(&at, SLICE("\0\xff\xff\xff\xff"));
	for (; left > sizeof(piece); left -= sizeof(piece))
		grpc_messages_follow(&at, (struct slice){piece, sizeof(piece)});
	assert_false(grpc_between_messages(&at));
	grpc_messages_follow(&at, (struct slice){piece, left});
	assert_true(grpc_between_messages(&at));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(content_types),
	    cmocka_unit_test(deadlines),
	    cmocka_unit_test(written_deadlines),
	    cmocka_unit_test(statuses),
	    cmocka_unit_test(escaped_messages),
	    cmocka_unit_test(ends),
	    cmocka_unit_test(statuses_that_are_read),
	    cmocka_unit_test(messages),
	    cmocka_unit_test(long_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
