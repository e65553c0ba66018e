/* seal_test.c - a sealed text opens with the same key, purpose and alphabet, and in no other way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/seal.h"

static const unsigned char key[SEAL_KEY_LEN] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static const struct seal plain_seal = {key, SLICE("job"), SEAL_BASE64};
static const struct seal url_seal = {key, SLICE("job"), SEAL_BASE64_URL};

/* Made by Python's cryptography package: nonce "defghijklmno", content "five5". */
#define KNOWN "ZGVmZ2hpamtsbW5vLnKoA0xP1Urwt3Sp8q+v/Od3+kg4"
#define KNOWN_URL "ZGVmZ2hpamtsbW5vLnKoA0xP1Urwt3Sp8q-v_Od3-kg4"

static bool
opens(const struct seal *seal, struct slice text)
{
	char out[5];
	bool opened = unseal_text(seal, text, out, sizeof(out));

	if (opened)
		assert_memory_equal(out, "five5", sizeof(out));
	return opened;
}

static void
it_is_the_standard_cipher(void **state)
{
	(void)state;
	assert_int_equal(SEAL_TEXT_LEN(5), strlen(KNOWN));
	assert_true(opens(&plain_seal, SLICE(KNOWN)));
	assert_true(opens(&url_seal, SLICE(KNOWN_URL)));
}

static void
each_length_comes_back(void **state)
{
	char content[SEAL_LEN_MAX], text[SEAL_TEXT_LEN(SEAL_LEN_MAX) + 1], out[SEAL_LEN_MAX];
	char again[SEAL_TEXT_LEN(SEAL_LEN_MAX)];

	(void)state;
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (char)(200 + i);
	for (size_t len = 2; len <= SEAL_LEN_MAX; len += 3) {
		text[SEAL_TEXT_LEN(len)] = '$';
		assert_true(seal_text(&url_seal, content, len, text));
		assert_int_equal(text[SEAL_TEXT_LEN(len)], '$');
		assert_true(
		    unseal_text(&url_seal, (struct slice){text, SEAL_TEXT_LEN(len)}, out, len));
		assert_memory_equal(out, content, len);
		assert_true(seal_text(&url_seal, content, len, again));
		assert_memory_not_equal(text, again, SEAL_TEXT_LEN(len)); /* a nonce of its own */
	}
}

static void
other_lengths_are_refused(void **state)
{
	char content[SEAL_LEN_MAX + 3] = {0}, text[SEAL_TEXT_LEN(SEAL_LEN_MAX + 3)];

	(void)state;
	for (size_t len = 0; len <= SEAL_LEN_MAX + 3; len++) {
		bool good = len % 3 == 2 && len <= SEAL_LEN_MAX;

		assert_int_equal(seal_text(&plain_seal, content, len, text), good);
		assert_false(unseal_text(&plain_seal, SLICE(KNOWN), content, len) != (len == 5));
	}
}

static void
another_seal_does_not_open_it(void **state)
{
	static const unsigned char other[SEAL_KEY_LEN] = "another";
	struct seal seal = plain_seal;

	(void)state;
	seal.key = other;
	assert_false(opens(&seal, SLICE(KNOWN)));
	seal = plain_seal;
	seal.purpose = SLICE("jo");
	assert_false(opens(&seal, SLICE(KNOWN)));
	seal.purpose = SLICE("");
	assert_false(opens(&seal, SLICE(KNOWN)));
	assert_false(opens(&url_seal, SLICE(KNOWN)));
	assert_false(opens(&plain_seal, SLICE(KNOWN_URL)));
}

/* OpenSSL's decoder skips white space at both ends, and takes '-' for an end. */
static void
one_content_has_one_text(void **state)
{
	char text[] = KNOWN;
	struct slice whole = {text, strlen(text)};

	(void)state;
	for (size_t i = 0; i < whole.len; i++) {
		char was = text[i];

		for (unsigned c = 0; c < 256; c++) {
			text[i] = (char)c;
			assert_int_equal(opens(&plain_seal, whole), text[i] == was);
		}
		text[i] = was;
		assert_false(opens(&plain_seal, (struct slice){text, i}));
	}
	assert_false(opens(&plain_seal, SLICE(KNOWN "=")));
	assert_false(opens(&plain_seal, SLICE(KNOWN "\n")));
	assert_false(opens(&plain_seal, SLICE(" " KNOWN)));
	assert_false(opens(&plain_seal, (struct slice){0}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_is_the_standard_cipher),
	    cmocka_unit_test(each_length_comes_back),
	    cmocka_unit_test(other_lengths_are_refused),
	    cmocka_unit_test(another_seal_does_not_open_it),
	    cmocka_unit_test(one_content_has_one_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
