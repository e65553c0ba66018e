/* mint_test.c - the minted part of a token's value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "jobgate/decision.h"
#include "jobgate/mint.h"

#define ID "abcdefghij012345"
#define BEFORE "jgt_" ID "_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define COUNT "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define ONES "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

/*
 * Computed with Python's hmac, hashlib and zlib, as follows; the last two texts are shorter than
 * what stands before a minted part.
 *
 * digest = hmac.new(bytes.fromhex(key), before.encode(), hashlib.sha256).digest()
 * number = int.from_bytes(digest, "big") >> (256 - 65)
 */
static const struct {
	const char *key, *before, *part;
} known[] = {
    {ZEROS, BEFORE, "0Ig7qF3aA8B"},
    {COUNT, BEFORE, "70Cziy3ruVf"},
    {ONES, BEFORE, "Yi3Dp3SedL6"},
    {"6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b", BEFORE, "26EAy0cFDcl"},
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b000000000000000000000000", BEFORE, "SYf1HVWQKox"},
    /* RFC 4231, test case 1: the digest begins with b0344c61d8db3853 5. */
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b000000000000000000000000", "Hi There", "UFrTrUh2AWU"},
    {ZEROS, "", "VGMxssYVTzs"},
};

/* The same value under ZEROS and COUNT, checksum included. */
#define VALUE_ZEROS BEFORE "0Ig7qF3aA8B1bQKm9"
#define VALUE_COUNT BEFORE "70Cziy3ruVf0Z2uCd"

static struct mint
mint_of(enum mint_state state, const char *key)
{
	struct mint mint = {.state = state, .edition = 1};

	assert_true(jg_mint_key_parse(slice_of(key), mint.key));
	return mint;
}

static void
known_answers(void **state)
{
	char part[TOKEN_MINTED_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct mint mint = mint_of(MINT_STARTED, known[i].key);

		assert_true(jg_mint_part(mint.key, slice_of(known[i].before), part));
		assert_memory_equal(part, known[i].part, TOKEN_MINTED_LEN);
	}
	/* What stands behind the place of the minted part does not count. */
	assert_true(jg_mint_part(mint_of(MINT_STARTED, ZEROS).key, SLICE(VALUE_COUNT), part));
	assert_memory_equal(part, known[0].part, TOKEN_MINTED_LEN);
}

static void
made_values_are_accepted_under_their_key_alone(void **state)
{
	struct mint mine = mint_of(MINT_ENFORCED, COUNT), other = mint_of(MINT_ENFORCED, ZEROS);
	char value[TOKEN_VALUE_LEN];
	struct slice text = {value, sizeof(value)}, id;

	(void)state;
	assert_true(jg_mint_accepts(&mine, SLICE(VALUE_COUNT)));
	assert_false(jg_mint_accepts(&mine, SLICE(VALUE_ZEROS)));
	for (int i = 0; i < 200; i++) {
		assert_true(jg_token_value_make(SLICE(ID), mine.key, value));
		assert_true(jg_token_value_parse(text, &id));
		assert_true(jg_mint_accepts(&mine, text));
		assert_false(jg_mint_accepts(&other, text));
		assert_true(jg_token_value_make(SLICE(ID), NULL, value));
		assert_true(jg_token_value_parse(text, &id));
		assert_false(jg_mint_accepts(&mine, text));
	}
}

static void
each_character_before_and_of_the_part_counts(void **state)
{
	struct mint mint = mint_of(MINT_ENFORCED, COUNT);
	char text[] = VALUE_COUNT;

	(void)state;
	for (size_t i = 0; i < TOKEN_MINTED_AT + TOKEN_MINTED_LEN; i++) {
		for (int c = 1; c < 256; c++) {
			text[i] = (char)(text[i] ^ c);
			assert_false(jg_mint_accepts(&mint, slice_of(text)));
			text[i] = (char)(text[i] ^ c);
		}
	}
	for (size_t len = 0; len < TOKEN_MINTED_AT + TOKEN_MINTED_LEN; len++)
		assert_false(jg_mint_accepts(&mint, (struct slice){text, len}));
}

static void
it_counts_only_where_it_is_enforced(void **state)
{
	(void)state;
	for (int i = MINT_UNKNOWN; i <= MINT_ENFORCED; i++) {
		struct mint mint = mint_of((enum mint_state)i, COUNT);
		struct bearer bearer;

		jg_bearer_read(&mint, SLICE(VALUE_ZEROS), &bearer);
		assert_int_equal(bearer.formed, i != MINT_ENFORCED);
		jg_bearer_read(&mint, SLICE(VALUE_COUNT), &bearer);
		assert_true(bearer.formed);
		assert_memory_equal(bearer.id, ID, TOKEN_ID_LEN);
		jg_bearer_read(&mint, SLICE("x"), &bearer);
		assert_false(bearer.formed);
	}
}

/* What was read under another key, or none, is read again. */
static void
a_cached_digest_goes_with_the_edition(void **state)
{
	struct digest_cache *cache = calloc(1, sizeof(*cache));
	struct mint none = {.state = MINT_NONE, .edition = 1};
	struct mint mine = mint_of(MINT_ENFORCED, COUNT), other = mint_of(MINT_ENFORCED, ZEROS);
	const struct slice text = SLICE(VALUE_COUNT);

	(void)state;
	other.edition = 2;
	mine.edition = 3;
	for (int i = 0; i < 2; i++) {
		assert_true(jg_bearer_recall(cache, &none, text)->bearer.formed);
		assert_false(jg_bearer_recall(cache, &other, text)->bearer.formed);
		assert_true(jg_bearer_recall(cache, &mine, text)->bearer.formed);
	}
	/* Within an edition it is not: a key that is not looked at shows it. */
	memset(mine.key, 0, sizeof(mine.key));
	assert_true(jg_bearer_recall(cache, &mine, text)->bearer.formed);
	free(cache);
}

static void
a_key_is_read_as_it_is_written(void **state)
{
	unsigned char key[MINT_KEY_LEN], again[MINT_KEY_LEN];
	char text[MINT_KEY_TEXT_LEN + 1];

	(void)state;
	assert_true(jg_mint_key_make(key));
	jg_mint_key_format(key, text);
	assert_int_equal(strlen(text), MINT_KEY_TEXT_LEN);
	assert_true(jg_mint_key_parse(slice_of(text), again));
	assert_memory_equal(key, again, sizeof(key));
	assert_true(jg_mint_key_make(again));
	assert_memory_not_equal(key, again, sizeof(key));
	assert_false(jg_mint_key_parse((struct slice){text, 63}, again));
	assert_false(jg_mint_key_parse(SLICE(""), again));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_answers),
	    cmocka_unit_test(made_values_are_accepted_under_their_key_alone),
	    cmocka_unit_test(each_character_before_and_of_the_part_counts),
	    cmocka_unit_test(it_counts_only_where_it_is_enforced),
	    cmocka_unit_test(a_cached_digest_goes_with_the_edition),
	    cmocka_unit_test(a_key_is_read_as_it_is_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
