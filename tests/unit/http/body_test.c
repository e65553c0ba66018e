/* body_test.c - bodies, whole and split at every position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/body.h"

struct outcome {
	enum body_status end; /* BODY_MORE, BODY_END or BODY_BAD */
	size_t consumed;
	char content[4096];
	size_t len;
	char trailers[512];
	size_t trailers_len;
};

/* Feed input in two pieces that part at `split`, as a connection would: what was not consumed comes
 * again. */
static void
feed(struct body_decoder *decoder, struct slice input, size_t split, struct outcome *out)
{
	const size_t known[2] = {split, input.len};

	*out = (struct outcome){.end = BODY_MORE};
	for (int i = 0; i < 2 && out->end == BODY_MORE; i++) {
		for (;;) {
			struct slice rest = {input.at + out->consumed, known[i] - out->consumed},
				     data;
			size_t consumed;
			enum body_status status = body_next(decoder, rest, &consumed, &data);

			assert_true(consumed <= rest.len);
			out->consumed += consumed;
			if (status == BODY_DATA) {
				assert_true(data.len > 0 && data.len <= consumed);
				memcpy(out->content + out->len, data.at, data.len);
				out->len += data.len;
			} else if (status == BODY_TRAILERS) {
				memcpy(out->trailers, data.at, data.len);
				out->trailers_len = data.len;
			} else {
				out->end = status;
				break;
			}
		}
	}
}

/* Every split must come to the same. */
static void
expect(struct slice input, enum body_status end, const char *content, const char *trailers,
    size_t consumed)
{
	for (size_t split = 0; split <= input.len; split++) {
		struct body_decoder decoder;
		struct outcome out;

		body_decoder_init(&decoder, BODY_CHUNKED, 0, 256);
		feed(&decoder, input, split, &out);
		assert_int_equal(out.end, end);
		assert_int_equal(body_ended(&decoder), end == BODY_END);
		if (end == BODY_BAD)
			continue;
		assert_int_equal(out.len, strlen(content));
		assert_memory_equal(out.content, content, out.len);
		assert_int_equal(out.trailers_len, strlen(trailers));
		assert_memory_equal(out.trailers, trailers, out.trailers_len);
		if (end == BODY_END)
			assert_int_equal(out.consumed, consumed);
	}
}

static void
chunked_bodies_that_are_right(void **state)
{
	(void)state;
#define GOOD(text, content, trailers)                                       \
	expect(SLICE(text), BODY_END, content, trailers, sizeof(text) - 1); \
	expect(SLICE(text "GET / HTTP/1.1\r\n"), BODY_END, content, trailers, sizeof(text) - 1)
	GOOD("0\r\n\r\n", "", "");
	GOOD("5\r\nhello\r\n0\r\n\r\n", "hello", "");
	GOOD("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", "");
	GOOD("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", "");
	GOOD("a\r\n0123456789\r\n000\r\n\r\n", "0123456789", "");
	GOOD("0000000000000001\r\nx\r\n0\r\n\r\n", "x", "");
	GOOD("1;a\r\nx\r\n0;b=c\r\n\r\n", "x", "");
	GOOD("00000000000000000000000000000001\r\nx\r\n0000000000000000000\r\n\r\n", "x", "");
#undef GOOD
}

static void
extensions_and_trailers(void **state)
{
	(void)state;
	expect(SLICE("1;a=b;c=\"d;\\\"e\"\r\nx\r\n0\r\n\r\n"), BODY_END, "x", "", 25);
	/* Bad white space, RFC 9112 section 7.1.1. */
	expect(SLICE("1 ;a\r\nx\r\n0\r\n\r\n"), BODY_END, "x", "", 14);
	expect(SLICE("1\t; a\t = b \t;\tc;d= \"e\" ;f\r\nx\r\n0\r\n\r\n"), BODY_END, "x", "", 35);
	expect(SLICE("1\r\nx\r\n0\r\nA: b\r\n\r\n"), BODY_END, "x", "A: b\r\n\r\n", 17);
	expect(SLICE("0\r\nA: b\r\nC: d\r\n\r\n"), BODY_END, "", "A: b\r\nC: d\r\n\r\n", 17);
}

static void
chunked_bodies_that_are_broken(void **state)
{
	static const char *const broken[] = {
	    "\r\n",
	    "x\r\n",
	    "-1\r\n",
	    "+1\r\n",
	    " 1\r\n",
	    "1 \r\n",
	    "0x1\r\n",
	    "1_0\r\n",
	    "1\nx",
	    "1\r\rx",
	    "1\r\nxy\r\n",
	    "1\r\nx\n",
	    "1\r\nx\rx",
	    "1\r\nx0\r\n\r\n",
	    ";a\r\n",
	    "1;\r\nx",
	    "1; \r\n",
	    "1 a\r\n",
	    "1 2\r\n",
	    "1 =a\r\n",
	    "1;a \r\n",
	    "1;a b\r\n",
	    "1;a= \r\n",
	    "1;a= ;b\r\n",
	    "1;a=b \r\n",
	    "1;a=b c\r\n",
	    "1;a=b =c\r\n",
	    "1;a=\"b\" \r\n",
	    "1;a=\"b\" c\r\n",
	    "1;a= =b\r\n",
	    "1 \n",
	    "1;a \nb\r\n",
	    "1;a=\r\n",
	    "1;a=b=c\r\n",
	    "1;a\nb\r\n",
	    "1;a=\"b\r\n",
	    "1;a=\"b\"c\r\n",
	    "1;a=\"\x01\"\r\n",
	    "1;a=\"\\\r\"\r\n",
	    "000000000000000010000000000000000\r\n",
	    "00000000000000008000000000000000\r\n",
	    "ffffffffffffffff\r\n",
	    "8000000000000000\r\n",
	    "10000000000000000\r\n",
	    "0\r\nA: b\n\r\n",
	    "0\r\n\n",
	    "0\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		expect(slice_of(broken[i]), BODY_BAD, "", "", 0);
}

/* What one line may carry besides its digits: extensions, and zeros that count for nothing. */
#define LINE_MAX_BYTES 8192

static void
expect_line(size_t len, char fill, const char *begin, const char *end, enum body_status status)
{
	static char text[LINE_MAX_BYTES + 64];
	struct body_decoder decoder;
	struct outcome out;

	memset(text, fill, sizeof(text));
	memcpy(text, begin, strlen(begin));
	memcpy(text + len, end, strlen(end));
	body_decoder_init(&decoder, BODY_CHUNKED, 0, 256);
	feed(&decoder, (struct slice){text, len + strlen(end)}, len / 2, &out);
	assert_int_equal(out.end, status);
	assert_int_equal(out.len, status == BODY_END);
}

static void
bounds_of_lines_and_trailers(void **state)
{
	char text[512];
	size_t len;

	(void)state;
	expect_line(1 + LINE_MAX_BYTES, 'a', "1;", "\r\nx\r\n0\r\n\r\n", BODY_END);
	expect_line(2 + LINE_MAX_BYTES, 'a', "1;", "\r\nx\r\n0\r\n\r\n", BODY_BAD);
	expect_line(LINE_MAX_BYTES, ' ', "1;", "a\r\nx\r\n0\r\n\r\n", BODY_END);
	expect_line(1 + LINE_MAX_BYTES, ' ', "1;", "a\r\nx\r\n0\r\n\r\n", BODY_BAD);
	expect_line(LINE_MAX_BYTES, '0', "0", "1\r\nx\r\n0\r\n\r\n", BODY_END);
	expect_line(1 + LINE_MAX_BYTES, '0', "0", "1\r\nx\r\n0\r\n\r\n", BODY_BAD);
	len = (size_t)snprintf(text, sizeof(text), "0\r\nA: %0300d\r\n\r\n", 1);
	expect((struct slice){text, len}, BODY_BAD, "", "", 0);
}

static void
unfinished_bodies_wait(void **state)
{
	(void)state;
	expect(SLICE(""), BODY_MORE, "", "", 0);
	expect(SLICE("5"), BODY_MORE, "", "", 0);
	expect(SLICE("5\r\nhel"), BODY_MORE, "hel", "", 0);
	expect(SLICE("5\r\nhello\r\n0\r\n"), BODY_MORE, "hello", "", 0);
	expect(SLICE("0\r\nA: b\r\n"), BODY_MORE, "", "", 0);
	expect(SLICE("7fffffffffffffff\r\nx"), BODY_MORE, "x", "", 0);
}

static void
bodies_by_length_and_by_close(void **state)
{
	struct body_decoder decoder;
	struct slice data;
	size_t consumed;

	(void)state;
	body_decoder_init(&decoder, BODY_LENGTH, 5, 0);
	assert_int_equal(body_next(&decoder, SLICE("hel"), &consumed, &data), BODY_DATA);
	assert_int_equal(consumed, 3);
	assert_int_equal(body_next(&decoder, SLICE(""), &consumed, &data), BODY_MORE);
	assert_false(body_ended(&decoder));
	assert_int_equal(body_next(&decoder, SLICE("loGET"), &consumed, &data), BODY_DATA);
	assert_int_equal(consumed, 2);
	assert_true(slice_equal(data, SLICE("lo")));
	assert_true(body_ended(&decoder));
	assert_int_equal(body_next(&decoder, SLICE("GET"), &consumed, &data), BODY_END);
	assert_int_equal(consumed, 0);

	body_decoder_init(&decoder, BODY_LENGTH, 0, 0);
	assert_true(body_ended(&decoder));
	assert_int_equal(body_next(&decoder, SLICE("x"), &consumed, &data), BODY_END);
	body_decoder_init(&decoder, BODY_NONE, 0, 0);
	assert_true(body_ended(&decoder));
	assert_int_equal(body_next(&decoder, SLICE("x"), &consumed, &data), BODY_END);
	assert_int_equal(consumed, 0);

	body_decoder_init(&decoder, BODY_UNTIL_CLOSE, 0, 0);
	assert_int_equal(body_next(&decoder, SLICE("x"), &consumed, &data), BODY_DATA);
	assert_int_equal(body_next(&decoder, SLICE(""), &consumed, &data), BODY_MORE);
	assert_false(body_ended(&decoder));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(chunked_bodies_that_are_right),
	    cmocka_unit_test(extensions_and_trailers),
	    cmocka_unit_test(chunked_bodies_that_are_broken),
	    cmocka_unit_test(bounds_of_lines_and_trailers),
	    cmocka_unit_test(unfinished_bodies_wait),
	    cmocka_unit_test(bodies_by_length_and_by_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
