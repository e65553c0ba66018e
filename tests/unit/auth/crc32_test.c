/* crc32_test.c - against known values, and against the definition bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/crc32.h"

static void
known_values(void **state)
{
	(void)state;
	assert_int_equal(crc32_of(SLICE("")), 0);
	assert_int_equal(crc32_of((struct slice){0}), 0);
	/* The check value of every catalogue of CRCs, and two of zlib's crc32. */
	assert_int_equal(crc32_of(SLICE("123456789")), 0xcbf43926);
	assert_int_equal(crc32_of(SLICE("a")), 0xe8b7be43);
	assert_int_equal(
	    crc32_of(SLICE("The quick brown fox jumps over the lazy dog")), 0x414fa339);
}

/* Division by the polynomial, a bit at a time. */
static uint32_t
by_definition(const unsigned char *at, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
	}
	return ~crc;
}

/* All lengths around the four bytes of a step, at every alignment, and all values of a byte. */
static void
as_defined(void **state)
{
	unsigned char text[600];
	uint32_t random = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++) {
		random = random * 1664525 + 1013904223;
		text[i] = i < 256 ? (unsigned char)i : (unsigned char)(random >> 24);
	}
	for (size_t begin = 0; begin < 8; begin++)
		for (size_t len = 0; begin + len <= sizeof(text); len++)
			assert_int_equal(crc32_of((struct slice){(char *)text + begin, len}),
			    by_definition(text + begin, len));
	for (int c = 0; c < 256; c++)
		for (size_t at = 0; at < 4; at++) {
			unsigned char word[4] = {0};

			word[at] = (unsigned char)c;
			assert_int_equal(
			    crc32_of((struct slice){(char *)word, 4}), by_definition(word, 4));
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_values),
	    cmocka_unit_test(as_defined),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
