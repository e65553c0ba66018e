/* proxy_header_test.c - the client that a PROXY header names, and headers that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/proxy_header.h"

static struct proxy_header header;
static size_t len;

/* Parse, with nothing behind the bytes that a read too far could find. */
static enum proxy_status
parse(struct slice bytes)
{
	char *copy = test_malloc(bytes.len > 0 ? bytes.len : 1);
	enum proxy_status status;

	memcpy(copy, bytes.at, bytes.len);
	len = 0;
	status = proxy_header_parse((struct slice){copy, bytes.len}, &header, &len);
	test_free(copy);
	return status;
}

static void
expect_source(struct slice bytes, const char *source)
{
	char text[ADDRESS_TEXT_MAX];

	assert_int_equal(parse(bytes), PROXY_COMPLETE);
	assert_false(header.direct);
	address_format((const struct sockaddr *)&header.source.storage, text);
	assert_string_equal(text, source);
}

static void
lines(void **state)
{
	static const char longest[] = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
				      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";

	(void)state;
	expect_source(
	    SLICE("PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\r\nGET /"), "192.0.2.1:40000");
	assert_int_equal(len, 45);
	expect_source(SLICE("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), "[2001:db8::1]:0");
	assert_int_equal(sizeof(longest) - 1, 104);
	expect_source(SLICE(longest), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
	assert_int_equal(parse(SLICE("PROXY UNKNOWN\r\n")), PROXY_COMPLETE);
	assert_true(header.direct);
	assert_int_equal(parse(SLICE("PROXY UNKNOWN what ever\r\n")), PROXY_COMPLETE);
	assert_true(header.direct);
}

static void
bad_lines(void **state)
{
	static const char *const bad[] = {
	    "PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\n",
	    "PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\r\r\n",
	    "PROXY TCP4 192.0.2.1 198.51.100.1 40000 443 \r\n",
	    "PROXY TCP4 192.0.2.1 198.51.100.1  40000 443\r\n",
	    "PROXY  TCP4 192.0.2.1 198.51.100.1 40000 443\r\n",
	    "PROXY TCP4 192.0.2.1 198.51.100.1 40000\r\n",
	    "PROXY TCP4 192.0.2.1 40000 443\r\n",
	    "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n",
	    "PROXY TCP4 192.0.2.1 198.51.100.1 040 443\r\n",
	    "PROXY TCP4 192.0.2.1 198.51.100.1 +40 443\r\n",
	    "PROXY TCP4 192.0.2.1 198.51.100.1 40000 \r\n",
	    "PROXY TCP4 192.0.2.01 198.51.100.1 40000 443\r\n",
	    "PROXY TCP4 192.0.2 198.51.100.1 40000 443\r\n",
	    "PROXY TCP4 ::1 ::1 40000 443\r\n",
	    "PROXY TCP6 192.0.2.1 198.51.100.1 40000 443\r\n",
	    "PROXY TCP6 ::1 192.0.2.1 40000 443\r\n",
	    "PROXY TCP6 [::1] ::1 40000 443\r\n",
	    "PROXY UDP4 192.0.2.1 198.51.100.1 40000 443\r\n",
	    "PROXY tcp4 192.0.2.1 198.51.100.1 40000 443\r\n",
	    "PROXY UNKNOWNX\r\n",
	    "PROXY \r\n",
	    "PROXY\r\n",
	    "proxy UNKNOWN\r\n",
	    "GET / HTTP/1.1\r\n",
	    "\x16\x03\x01",
	};
	char endless[200] = "PROXY UNKNOWN ";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(slice_of(bad[i])) != PROXY_BAD)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(
	    parse(SLICE("PROXY TCP4 192.0.2.1\0 198.51.100.1 40000 443\r\n")), PROXY_BAD);
	memset(endless + 14, 'x', sizeof(endless) - 14);
	assert_int_equal(parse((struct slice){endless, 106}), PROXY_INCOMPLETE);
	assert_int_equal(parse((struct slice){endless, 107}), PROXY_BAD);
	memcpy(endless + 105, "\r\n", 2);
	assert_int_equal(parse((struct slice){endless, 107}), PROXY_COMPLETE);
}

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\x01\x02\x03\x04\x05\x06\x07\x08\x9c\x40\x01\xbb"
#define V6                                                                                         \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x9c\x40" \
	"\x01\xbb"

static void
binary(void **state)
{
	(void)state;
	expect_source(SLICE(V2 "\x21\x11\0\x0c" V4 "GET"), "1.2.3.4:40000");
	assert_int_equal(len, 28);
	expect_source(SLICE(V2 "\x21\x21\0\x24" V6), "[2001:db8::1]:40000");
	/* An extension behind the addresses: ALPN. */
	expect_source(SLICE(V2 "\x21\x11\0\x11" V4 "\x01\0\x02h2"), "1.2.3.4:40000");
	/* LOCAL, whatever follows; and what is unspecified. */
	assert_int_equal(parse(SLICE(V2 "\x20\0\0\0")), PROXY_COMPLETE);
	assert_true(header.direct);
	assert_int_equal(parse(SLICE(V2 "\x20\x11\0\x01x")), PROXY_COMPLETE);
	assert_true(header.direct);
	assert_int_equal(parse(SLICE(V2 "\x21\0\0\x02xx")), PROXY_COMPLETE);
	assert_true(header.direct);
	assert_int_equal(len, 18);
}

static void
bad_binary(void **state)
{
	(void)state;
	assert_int_equal(parse(SLICE(V2 "\x11\x11\0\x0c" V4)), PROXY_BAD); /* version 1 */
	assert_int_equal(parse(SLICE(V2 "\x22\x11\0\x0c" V4)), PROXY_BAD); /* no such command */
	assert_int_equal(parse(SLICE(V2 "\x21\x12\0\x0c" V4)), PROXY_BAD); /* UDP */
	assert_int_equal(parse(SLICE(V2 "\x21\x41\0\x0c" V4)), PROXY_BAD); /* no such family */
	assert_int_equal(parse(SLICE(V2 "\x21\x11\0\x0b" V4)), PROXY_BAD); /* too short */
	assert_int_equal(parse(SLICE(V2 "\x21\x21\0\x0c" V4)), PROXY_BAD);
	assert_int_equal(parse(SLICE(V2 "\x21\x31\0\x0c" V4)), PROXY_BAD);
	assert_int_equal(
	    parse(SLICE(V2 "\x21\x11\0\x0e" V4 "\1\0")), PROXY_BAD); /* cut extension */
	assert_int_equal(parse(SLICE(V2 "\x21\x11\0\x10" V4 "\1\0\2x")), PROXY_BAD);
	assert_int_equal(parse(SLICE(V2 "\x21\x11\x10\0" V4)), PROXY_BAD); /* far too long */
	assert_int_equal(parse(SLICE("\r\n\r\n\0\r\nQUIX")), PROXY_BAD);
}

static void
checksums(void **state)
{
	/* Worked out with another implementation of CRC32c. */
	static const char good[] = V2 "\x21\x11\0\x13" V4 "\x03\0\x04\x91\x5d\x79\x3c";
	char bad[sizeof(good)];

	(void)state;
	expect_source(SLICE(good), "1.2.3.4:40000");
	for (size_t i = 16; i < sizeof(good) - 1; i++) {
		memcpy(bad, good, sizeof(bad));
		bad[i] ^= 1;
		if (i == 28)
			continue; /* then it is no checksum, but an extension that we do not know */
		assert_int_equal(parse(SLICE(bad)), PROXY_BAD);
	}
	assert_int_equal(parse(SLICE(V2 "\x21\x11\0\x11" V4 "\x03\0\x02xx")), PROXY_BAD);
}

/* Any beginning of a good header may become one; no byte is looked at before it has come. */
static void
bit_by_bit(void **state)
{
	static const struct slice whole[] = {
	    SLICE("PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\r\n"), SLICE("PROXY UNKNOWN\r\n"),
	    SLICE(V2 "\x21\x11\0\x11" V4 "\x01\0\x02h2"), SLICE(V2 "\x20\0\0\0")};

	(void)state;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		for (size_t n = 0; n < whole[i].len; n++)
			assert_int_equal(parse((struct slice){whole[i].at, n}), PROXY_INCOMPLETE);
		assert_int_equal(parse(whole[i]), PROXY_COMPLETE);
		assert_int_equal(len, whole[i].len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines),
	    cmocka_unit_test(bad_lines),
	    cmocka_unit_test(binary),
	    cmocka_unit_test(bad_binary),
	    cmocka_unit_test(checksums),
	    cmocka_unit_test(bit_by_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
