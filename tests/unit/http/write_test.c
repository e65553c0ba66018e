/* write_test.c - writes heads, chunk sizes and dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "http/body.h"
#include "http/head.h"
#include "http/write.h"

static char text[1024];
static struct writer writer;

static void
begin(size_t cap)
{
	memset(text, '~', sizeof(text));
	writer = writer_of(text, cap);
}

static void
expect_text(const char *expected)
{
	assert_int_equal(writer.at - text, strlen(expected));
	assert_memory_equal(text, expected, strlen(expected));
	assert_int_equal(*writer.at, '~');
}

static void
slices_and_numbers(void **state)
{
	(void)state;
	begin(sizeof(text) - 1);
	write_literal(&writer, "a");
	write_slice(&writer, (struct slice){0});
	write_number(&writer, 0);
	write_literal(&writer, " ");
	write_number(&writer, 1900);
	write_literal(&writer, " ");
	write_number(&writer, UINT64_MAX);
	assert_false(writer.full);
	expect_text("a0 1900 18446744073709551615");
}

static void
what_does_not_fit_is_left_out_whole(void **state)
{
	(void)state;
	begin(4);
	write_literal(&writer, "1234");
	assert_false(writer.full);
	write_literal(&writer, "");
	assert_false(writer.full);
	write_literal(&writer, "5");
	assert_true(writer.full);
	expect_text("1234");

	begin(2);
	write_number(&writer, 100);
	assert_true(writer.full);
	expect_text("");
	write_number(&writer, 10); /* full stays true, though this fits */
	assert_true(writer.full);
	expect_text("10");
}

static void
fields_fit_whole_or_not_at_all(void **state)
{
	const struct slice name = SLICE("Name"), value = SLICE("value");
	const size_t whole = strlen("Name: value\r\n");

	(void)state;
	for (size_t cap = 0; cap < whole; cap++) {
		begin(cap);
		write_field(&writer, name, value);
		assert_true(writer.full);
		expect_text("");
	}
	begin(whole);
	write_field(&writer, name, value);
	assert_false(writer.full);
	expect_text("Name: value\r\n");
}

static void
dropped_fields_are_left_out(void **state)
{
	struct field items[] = {
	    {.name = SLICE("A"), .value = SLICE("1")},
	    {.name = SLICE("B"), .value = SLICE("2"), .dropped = true},
	    {.name = SLICE("a"), .value = SLICE("")},
	};

	(void)state;
	begin(100);
	write_fields(&writer, &(struct fields){items, 3});
	expect_text("A: 1\r\na: \r\n");
	begin(100);
	write_fields(&writer, &(struct fields){items, 0});
	expect_text("");
}

static void
request_lines(void **state)
{
	(void)state;
	begin(100);
	write_request_line(&writer, SLICE("GET"), SLICE("/base"), SLICE("/a"), SLICE("?b"));
	expect_text("GET /base/a?b HTTP/1.1\r\n");
	begin(100);
	write_request_line(
	    &writer, SLICE("OPTIONS"), (struct slice){0}, SLICE("*"), (struct slice){0});
	expect_text("OPTIONS * HTTP/1.1\r\n");
	begin(10);
	write_request_line(&writer, SLICE("GET"), SLICE("/"), SLICE("/a"), SLICE(""));
	assert_true(writer.full);
}

static void
status_lines(void **state)
{
	(void)state;
	begin(100);
	write_status_line(&writer, 200, (struct slice){0});
	expect_text("HTTP/1.1 200 OK\r\n");
	begin(100);
	write_status_line(&writer, 200, SLICE("Very well"));
	expect_text("HTTP/1.1 200 Very well\r\n");
	begin(100);
	write_status_line(
	    &writer, 599, (struct slice){0}); /* the space stays: RFC 9112 section 4 */
	expect_text("HTTP/1.1 599 \r\n");
}

/* Every status whose phrase we know reads back as what it was, and so do those without one. */
static void
status_lines_read_back(void **state)
{
	static const struct head_limits limits = {1024, 256, 10};
	static struct response_head head;

	(void)state;
	for (unsigned status = 100; status < 600; status++) {
		begin(100);
		write_status_line(&writer, status, (struct slice){0});
		write_literal(&writer, "\r\n");
		assert_int_equal(
		    head_parse_response(
			(struct slice){text, (size_t)(writer.at - text)}, &limits, &head),
		    HEAD_COMPLETE);
		assert_int_equal(head.status, status);
		assert_true(slice_equal(head.reason, reason_phrase(status)));
	}
	/* Those that the gateway itself answers with. */
	assert_true(slice_equal(reason_phrase(401), SLICE("Unauthorized")));
	assert_true(slice_equal(reason_phrase(403), SLICE("Forbidden")));
	assert_true(slice_equal(reason_phrase(404), SLICE("Not Found")));
	assert_true(slice_equal(reason_phrase(413), SLICE("Content Too Large")));
	assert_true(slice_equal(reason_phrase(431), SLICE("Request Header Fields Too Large")));
	assert_true(slice_equal(reason_phrase(503), SLICE("Service Unavailable")));
	assert_int_equal(reason_phrase(0).len, 0);
	assert_int_equal(reason_phrase(306).len, 0);
}

/* What we write as a chunk our own decoder must take for one of that size. */
static void
chunk_heads(void **state)
{
	static const struct {
		uint64_t size;
		const char *text;
	} cases[] = {
	    {1, "1\r\n"},
	    {15, "f\r\n"},
	    {16, "10\r\n"},
	    {0x1a2b, "1a2b\r\n"},
	    {49152, "c000\r\n"},
	    {INT64_MAX, "7fffffffffffffff\r\n"},
	    {UINT64_MAX, "ffffffffffffffff\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *out = malloc(CHUNK_HEAD_MAX);

		assert_non_null(out);
		assert_int_equal(chunk_head(cases[i].size, out), strlen(cases[i].text));
		assert_memory_equal(out, cases[i].text, strlen(cases[i].text));
		free(out);
	}
	for (unsigned shift = 0; shift < 63; shift++) {
		struct body_decoder decoder;
		struct slice data;
		size_t consumed, len = chunk_head(1ull << shift, text);

		text[len] = 'x';
		body_decoder_init(&decoder, BODY_CHUNKED, 0, 0);
		assert_int_equal(
		    body_next(&decoder, (struct slice){text, len + 1}, &consumed, &data),
		    BODY_DATA);
		assert_true(decoder.left == (1ull << shift) - 1);
	}
}

static void
expect_date(int64_t seconds, const char *expected)
{
	char *out = malloc(HTTP_DATE_LEN);

	assert_non_null(out);
	http_date(seconds, out);
	assert_memory_equal(out, expected, HTTP_DATE_LEN);
	free(out);
}

static void
dates(void **state)
{
	(void)state;
	expect_date(784111777, "Sun, 06 Nov 1994 08:49:37 GMT");
	expect_date(0, "Thu, 01 Jan 1970 00:00:00 GMT");
	expect_date(951782399, "Mon, 28 Feb 2000 23:59:59 GMT");
	expect_date(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
	expect_date(4102444799, "Thu, 31 Dec 2099 23:59:59 GMT");
	expect_date(253402300799, "Fri, 31 Dec 9999 23:59:59 GMT");
}

/* Against the C library, a day and a bit at a time over two years. */
static void
dates_agree_with_the_c_library(void **state)
{
	char out[HTTP_DATE_LEN], expected[64];

	(void)state;
	for (time_t seconds = 1700000000; seconds < 1763072000; seconds += 90061) {
		struct tm tm;

		gmtime_r(&seconds, &tm);
		strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		http_date(seconds, out);
		assert_memory_equal(out, expected, HTTP_DATE_LEN);
	}
}

static void
fields_are_read_back(void **state)
{
	static const struct field written[] = {{.name = SLICE("A"), .value = SLICE("1")},
	    {.name = SLICE("Colons"), .value = SLICE("a: b:c")},
	    {.name = SLICE("Empty"), .value = SLICE("")}};
	static const char *const broken[] = {"", "A", "A:", "A: 1", "A 1\r\n", "A:\r\n"};
	char lines[64];
	struct writer line_writer = writer_of(lines, sizeof(lines));
	struct slice rest;
	struct field field;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		write_field(&line_writer, written[i].name, written[i].value);
	rest = (struct slice){lines, (size_t)(line_writer.at - lines)};
	for (size_t i = 0; i < 3; i++) {
		assert_true(field_line_next(&rest, &field));
		assert_true(slice_equal(field.name, written[i].name));
		assert_true(slice_equal(field.value, written[i].value));
	}
	assert_false(field_line_next(&rest, &field));
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		rest = slice_of(broken[i]);
		assert_false(field_line_next(&rest, &field));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(slices_and_numbers),
	    cmocka_unit_test(what_does_not_fit_is_left_out_whole),
	    cmocka_unit_test(fields_fit_whole_or_not_at_all),
	    cmocka_unit_test(dropped_fields_are_left_out),
	    cmocka_unit_test(request_lines),
	    cmocka_unit_test(status_lines),
	    cmocka_unit_test(status_lines_read_back),
	    cmocka_unit_test(chunk_heads),
	    cmocka_unit_test(fields_are_read_back),
	    cmocka_unit_test(dates),
	    cmocka_unit_test(dates_agree_with_the_c_library),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
