/* base64_test.c - base64, as strict and as lenient as its readers are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/base64.h"

static char out[64];

static void
base64url_is_read(void **state)
{
	/* RFC 4648 section 10, without padding, and the two digits of base64url. */
	static const char *const good[][2] = {{"Zg", "f"}, {"Zm8", "fo"}, {"Zm9v", "foo"},
	    {"Zm9vYg", "foob"}, {"Zm9vYmE", "fooba"}, {"Zm9vYmFy", "foobar"},
	    {"Pj8-Pz8_", ">?>??\?"}};
	struct slice decoded;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(base64url_decode(slice_of(good[i][0]), out, sizeof(out), &decoded));
		assert_true(slice_equal(decoded, slice_of(good[i][1])));
		assert_true(base64url_decode(slice_of(good[i][0]), out, decoded.len, &decoded));
		assert_false(
		    base64url_decode(slice_of(good[i][0]), out, decoded.len - 1, &decoded));
	}
}

/* Bytes have one form only. */
static void
other_forms_are_refused(void **state)
{
	static const char *const bad[] = {"", "Z", "Zg==", "Zm8=", "Zm9vY", "Zh", "Zm9", "Pj8+",
	    "Pz8/", "Zm 9v", "Zm9v\n", "Zm9v.", "\xc3\xa4Zg"};
	struct slice decoded;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(base64url_decode(slice_of(bad[i]), out, sizeof(out), &decoded));
}

static void
lenient_readers_differ(void **state)
{
	static const struct {
		const char *text, *ends, *skipped, *anew;
	} cases[] = {
	    {"Zm9v", "foo", "foo", "foo"},
	    {"Z m\t9!v", "foo", "foo", "foo"},
	    {"Zg==Zg==", "f", "f\x06`", "ff"},
	    {"=Zm9v", "", "foo", "foo"},
	    {"Pj8-Pz8/", ">?>???", ">?>???", ">?>???"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const expected[] = {cases[i].ends, cases[i].skipped, cases[i].anew};

		for (int padding = 0; padding < 3; padding++) {
			struct slice found = base64_decode_leniently(slice_of(cases[i].text),
			    (enum base64_padding)padding, out, sizeof(out));

			assert_int_equal(found.len, strlen(expected[padding]));
			assert_memory_equal(found.at, expected[padding], found.len);
		}
	}
	assert_int_equal(
	    base64_decode_leniently(SLICE("Zm9v"), BASE64_PADDING_ENDS, out, 2).len, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(base64url_is_read),
	    cmocka_unit_test(other_forms_are_refused),
	    cmocka_unit_test(lenient_readers_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
