/* token_test.c - the form of a token's value, and what proves it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobgate/token.h"

#define ID "abcdefghij012345"

/* "jgt_abcdefghij012345_" and 43 times 'a'; the check was computed with zlib's crc32. */
#define KNOWN_VALUE "jgt_abcdefghij012345_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" KNOWN_CHECK
#define KNOWN_CHECK "2rl2ZS"

static void
a_known_value_is_read(void **state)
{
	struct slice id;

	(void)state;
	assert_int_equal(sizeof(KNOWN_VALUE) - 1, TOKEN_VALUE_LEN);
	assert_true(jg_token_value_parse(SLICE(KNOWN_VALUE), &id));
	assert_true(slice_equal(id, SLICE(ID)));
}

static void
any_changed_byte_makes_garbage(void **state)
{
	char text[] = KNOWN_VALUE;
	struct slice id;

	(void)state;
	for (size_t i = 0; i < TOKEN_VALUE_LEN; i++) {
		char right = text[i];

		for (int c = 0; c < 256; c++) {
			text[i] = (char)c;
			assert_int_equal(
			    jg_token_value_parse((struct slice){text, TOKEN_VALUE_LEN}, &id),
			    (char)c == right);
		}
		text[i] = right;
	}
	for (size_t len = 0; len < TOKEN_VALUE_LEN; len++)
		assert_false(jg_token_value_parse((struct slice){text, len}, &id));
	assert_false(jg_token_value_parse(SLICE(KNOWN_VALUE "0"), &id));
}

static void
made_values_are_read_and_differ(void **state)
{
	char made[64][TOKEN_VALUE_LEN], id[TOKEN_ID_LEN];
	struct slice found;

	(void)state;
	for (size_t i = 0; i < 64; i++) {
		assert_true(jg_token_id_make(id));
		assert_true(jg_token_id_valid((struct slice){id, sizeof(id)}));
		assert_true(jg_token_value_make((struct slice){id, sizeof(id)}, NULL, made[i]));
		assert_true(jg_token_value_parse((struct slice){made[i], TOKEN_VALUE_LEN}, &found));
		assert_true(slice_equal(found, (struct slice){id, sizeof(id)}));
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(made[i], made[j], TOKEN_VALUE_LEN);
	}
}

static void
the_hash_is_sha256_of_the_whole_value(void **state)
{
	/* Of "abc", FIPS 180-2. */
	const unsigned char expected[TOKEN_HASH_LEN] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf,
	    0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96,
	    0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
	unsigned char hash[TOKEN_HASH_LEN];

	(void)state;
	assert_true(jg_token_hash(SLICE("abc"), hash));
	assert_memory_equal(hash, expected, sizeof(hash));
}

static void
roles(void **state)
{
	enum token_role role;

	(void)state;
	assert_true(jg_role_parse(SLICE("read"), &role) && role == ROLE_READ);
	assert_true(jg_role_parse(SLICE("operator"), &role) && role == ROLE_OPERATOR);
	assert_true(jg_role_parse(SLICE("ai_training_read"), &role) && role == ROLE_READ);
	assert_true(jg_role_parse(SLICE("ai_training_operator"), &role) && role == ROLE_OPERATOR);
	assert_false(jg_role_parse(SLICE("Read"), &role));
	assert_false(jg_role_parse(SLICE(""), &role));
	assert_false(jg_role_parse(SLICE("read "), &role));
	assert_string_equal(jg_role_name(ROLE_READ), "read");
	assert_string_equal(jg_role_name(ROLE_OPERATOR), "operator");
	assert_string_equal(jg_role_name((enum token_role)9), "none");
}

static void
ids_and_names(void **state)
{
	char name[65];

	(void)state;
	assert_true(jg_token_id_valid(SLICE(ID)));
	assert_false(jg_token_id_valid(SLICE("abcdefghij01234")));
	assert_false(jg_token_id_valid(SLICE("abcdefghij0123456")));
	assert_false(jg_token_id_valid(SLICE("Abcdefghij012345")));
	assert_false(jg_token_id_valid(SLICE("abcdefghij01234-")));
	memset(name, 'a', sizeof(name));
	assert_false(jg_token_name_valid((struct slice){name, 0}));
	assert_true(jg_token_name_valid((struct slice){name, 1}));
	assert_true(jg_token_name_valid((struct slice){name, 63}));
	assert_false(jg_token_name_valid((struct slice){name, 64}));
	assert_true(jg_token_name_valid(SLICE("A.b_c-9")));
	assert_false(jg_token_name_valid(SLICE("-a")));
	assert_false(jg_token_name_valid(SLICE("a.")));
	assert_false(jg_token_name_valid(SLICE("a b")));
}

static void
a_hash_is_read_as_it_is_written(void **state)
{
	unsigned char hash[TOKEN_HASH_LEN], again[TOKEN_HASH_LEN];
	char text[2 * TOKEN_HASH_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(hash); i++)
		hash[i] = (unsigned char)(i * 8 + i);
	jg_token_hash_format(hash, text);
	assert_int_equal(strlen(text), 2 * TOKEN_HASH_LEN);
	assert_memory_equal(text, "000912", 6);
	assert_true(jg_token_hash_parse(slice_of(text), again));
	assert_memory_equal(hash, again, sizeof(hash));
	assert_false(jg_token_hash_parse((struct slice){text, sizeof(text) - 2}, again));
	memcpy(text, "aBCd", 4);
	assert_true(jg_token_hash_parse(slice_of(text), again));
	assert_memory_equal(again, "\xab\xcd", 2);
	for (const char *bad = "gG:/@`- \n"; *bad != '\0'; bad++) {
		text[7] = *bad;
		assert_false(jg_token_hash_parse(slice_of(text), again));
	}
}

static void
hashes_that_differ_in_one_bit_are_not_equal(void **state)
{
	unsigned char a[TOKEN_HASH_LEN], b[TOKEN_HASH_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(a); i++)
		a[i] = b[i] = (unsigned char)(i * 7 + 250);
	assert_true(jg_token_hash_equal(a, b));
	for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
		b[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_false(jg_token_hash_equal(a, b));
		b[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	/* Two differences do not make up for each other. */
	b[0] ^= 1;
	b[8] ^= 1;
	assert_false(jg_token_hash_equal(a, b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_known_value_is_read),
	    cmocka_unit_test(any_changed_byte_makes_garbage),
	    cmocka_unit_test(made_values_are_read_and_differ),
	    cmocka_unit_test(the_hash_is_sha256_of_the_whole_value),
	    cmocka_unit_test(roles),
	    cmocka_unit_test(ids_and_names),
	    cmocka_unit_test(a_hash_is_read_as_it_is_written),
	    cmocka_unit_test(hashes_that_differ_in_one_bit_are_not_equal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
