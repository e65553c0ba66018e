/*
 * huffman_test.c - every symbol at every position, padding, and the tables computed in another way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/huffman.h"
#include "http/huffman_tables.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* Decode into room that is exactly as large as the text. */
static void
expect_text(struct slice code, struct slice text)
{
	char *out = malloc(text.len > 0 ? text.len : 1);
	size_t len;

	assert_non_null(out);
	assert_int_equal(huffman_decode(code, out, text.len, &len), HUFFMAN_OK);
	assert_int_equal(len, text.len);
	assert_memory_equal(out, text.at, text.len);
	if (text.len > 0)
		assert_int_equal(huffman_decode(code, out, text.len - 1, &len), HUFFMAN_FULL);
	free(out);
}

/* Encoded and decoded again, in memory without a byte to spare. */
static void
expect_round_trip(struct slice text)
{
	size_t len = huffman_len(text);
	char *code = malloc(len > 0 ? len : 1);

	assert_non_null(code);
	assert_int_equal(huffman_encode(text, code), len);
	expect_text((struct slice){code, len}, text);
	free(code);
}

/* Appendix C's strings with their codes. */
static void
known_codes(void **state)
{
	static const struct {
		struct slice text, code;
	} known[] = {
	    {SLICE("www.example.com"), SLICE("\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff")},
	    {SLICE("no-cache"), SLICE("\xa8\xeb\x10\x64\x9c\xbf")},
	    {SLICE("custom-key"), SLICE("\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f")},
	    {SLICE("302"), SLICE("\x64\x02")},
	    {SLICE("a"), SLICE("\x1f")},
	    {SLICE(""), SLICE("")},
	};
	char out[16];

	(void)state;
	for (size_t i = 0; i < ROWS(known); i++) {
		assert_int_equal(huffman_len(known[i].text), known[i].code.len);
		assert_int_equal(huffman_encode(known[i].text, out), known[i].code.len);
		assert_memory_equal(out, known[i].code.at, known[i].code.len);
		expect_text(known[i].code, known[i].text);
	}
}

/* Each byte, behind 0 to 24 others of short or long codes, and before as many. */
static void
each_byte_at_each_place(void **state)
{
	char text[64];

	(void)state;
	for (int byte = 0; byte < 256; byte++)
		for (size_t before = 0; before <= 24; before++)
			for (int around = 0; around < 3; around++) {
				memset(text, "0~\n"[around], sizeof(text));
				text[before] = (char)byte;
				expect_round_trip((struct slice){text, before + 1});
				expect_round_trip((struct slice){text, 2 * before + 1});
			}
}

/* The rows of the tables follow from the lengths of the codes, counted here without a shift of
 * anything but ones. */
static void
tables(void **state)
{
	uint64_t next = 0; /* the code that comes next, in units of 2^-30 */
	size_t symbol = 0, row = 0;

	(void)state;
	for (unsigned bits = 5; bits <= 30; bits++) {
		size_t first = symbol;

		for (unsigned byte = 0; byte < 256; byte++) {
			if (huffman_codes[byte].bits != bits)
				continue;
			assert_int_equal(huffman_codes[byte].code, next >> (30 - bits));
			assert_int_equal(huffman_symbols[symbol], byte);
			for (uint64_t at = next >> 22;
			     bits <= 8 && at < (next >> 22) + (1u << (8 - bits)); at++) {
				assert_int_equal(huffman_short[at].symbol, byte);
				assert_int_equal(huffman_short[at].bits, bits);
			}
			next += 1u << (30 - bits);
			symbol++;
		}
		if (bits <= 8 || symbol == first)
			continue;
		assert_int_equal(huffman_long[row].bits, bits);
		assert_int_equal(huffman_long[row].symbol, first);
		assert_int_equal(
		    huffman_long[row].first, huffman_codes[huffman_symbols[first]].code);
		if (bits < 30)
			assert_int_equal(huffman_long[row].last, next * 4 - 1);
		row++;
	}
	assert_int_equal(symbol, 256);
	assert_int_equal(row, ROWS(huffman_long));
	assert_int_equal(huffman_long[row - 1].last, UINT32_MAX);
	assert_int_equal(next, (1u << 30) - 1); /* EOS is what is left */
	assert_int_equal(huffman_short[0xfe].bits, 0);
	assert_int_equal(huffman_short[0xff].bits, 0);
}

/* RFC 7541 section 5.2. */
static void
bad_codes(void **state)
{
	static const struct {
		const char *what;
		struct slice code;
	} bad[] = {
	    {"padding of zeros", SLICE("\x18")}, /* 00011 000 */
	    {"padding of zeros and ones", SLICE("\x1b")},
	    {"padding of 8 bits", SLICE("\xff")},
	    {"padding of 11 bits", SLICE("\x1f\xff")},
	    {"padding of 8 bits behind 8 symbols",
		SLICE("\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff\xff")},
	    {"EOS", SLICE("\xff\xff\xff\xff")},
	    {"EOS behind a symbol", SLICE("\x1f\xff\xff\xff\xff")},
	    {"EOS and more", SLICE("\xff\xff\xff\xfc\x1f\x1f\x1f\x1f\x1f\x1f\x1f\x1f\x1f\x1f")},
	    {"half a code", SLICE("\xfe")},
	    {"half a long code", SLICE("\xff\xff\xfe")},
	};
	char out[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < ROWS(bad); i++)
		if (huffman_decode(bad[i].code, out, sizeof(out), &len) != HUFFMAN_BAD)
			fail_msg("%s was accepted", bad[i].what);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_codes),
	    cmocka_unit_test(each_byte_at_each_place),
	    cmocka_unit_test(tables),
	    cmocka_unit_test(bad_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
