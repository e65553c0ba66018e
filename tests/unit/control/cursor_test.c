/* cursor_test.c - cursors, readable and sealed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/control/cursor.h"

static const unsigned char key[CURSOR_KEY_LEN] = "one", other_key[CURSOR_KEY_LEN] = "another";
static const struct store_cursor place = {"1700000000000", "job-of-others"};

static void
sealed_comes_back(void **state)
{
	char text[CURSOR_TEXT_MAX], again[CURSOR_TEXT_MAX];
	struct store_cursor longest = {.score = "-1.7976931348623157000000e+308"}, out;

	(void)state;
	assert_int_equal(strlen(longest.score), STORE_SCORE_MAX - 2);
	strcat(longest.score, "0");
	memset(longest.id, 'a', JOB_ID_MAX);
	assert_true(cursor_seal(key, RECORD_JOB, &place, text));
	assert_true(cursor_parse(key, RECORD_JOB, slice_of(text), &out));
	assert_string_equal(out.score, place.score);
	assert_string_equal(out.id, place.id);
	/* Neither what it holds nor how much shows, and no two are alike. */
	assert_null(strstr(text, "job-of"));
	assert_int_equal(
	    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
	    strlen(text));
	assert_true(cursor_seal(key, RECORD_JOB, &place, again));
	assert_string_not_equal(text, again);
	assert_true(cursor_seal(key, RECORD_JOB, &longest, again));
	assert_int_equal(strlen(text), strlen(again));
	assert_true(cursor_parse(key, RECORD_JOB, slice_of(again), &out));
	assert_string_equal(out.score, longest.score);
	assert_string_equal(out.id, longest.id);
}

static void
nothing_else_passes(void **state)
{
	char text[CURSOR_TEXT_MAX];
	struct store_cursor out;
	size_t len;

	(void)state;
	assert_true(cursor_seal(key, RECORD_JOB, &place, text));
	len = strlen(text);
	assert_false(cursor_parse(other_key, RECORD_JOB, slice_of(text), &out));
	assert_false(cursor_parse(NULL, RECORD_JOB, slice_of(text), &out));
	assert_false(cursor_parse(key, RECORD_TOKEN, slice_of(text), &out));
	for (size_t i = 0; i < len; i++) {
		static const char changes[] = "Aa_=+/.~\n";
		char was = text[i];

		for (size_t c = 0; c < sizeof(changes); c++) {
			text[i] = changes[c];
			assert_true(text[i] == was || !cursor_parse(key, RECORD_JOB,
							  (struct slice){text, len}, &out));
		}
		text[i] = was;
		assert_false(cursor_parse(key, RECORD_JOB, (struct slice){text, i}, &out));
	}
	assert_false(cursor_parse(key, RECORD_JOB, (struct slice){0}, &out));
}

/* Gateways of one store read each other's cursors if the store has a key. */
static void
keys(void **state)
{
	struct mint mint = {.state = MINT_NONE, .key = "minted with"};
	unsigned char own[CURSOR_KEY_LEN] = "own", one[CURSOR_KEY_LEN], two[CURSOR_KEY_LEN];

	(void)state;
	assert_true(cursor_key(&mint, own, one));
	assert_memory_equal(one, own, CURSOR_KEY_LEN);
	mint.state = MINT_STARTED;
	assert_true(cursor_key(&mint, own, one));
	mint.state = MINT_ENFORCED;
	assert_true(cursor_key(&mint, other_key, two));
	assert_memory_equal(one, two, CURSOR_KEY_LEN);
	assert_memory_not_equal(one, mint.key, CURSOR_KEY_LEN);
	assert_memory_not_equal(one, own, CURSOR_KEY_LEN);
	mint.key[0] ^= 1;
	assert_true(cursor_key(&mint, own, one));
	assert_memory_not_equal(one, two, CURSOR_KEY_LEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sealed_comes_back),
	    cmocka_unit_test(nothing_else_passes),
	    cmocka_unit_test(keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
