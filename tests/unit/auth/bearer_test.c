/* bearer_test.c - from a field to the digest of a token: forms of credentials, and digests that are
 * kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "jobgate/decision.h"

#define ID "abcdefghij012345"

static char value[TOKEN_VALUE_LEN], other_value[TOKEN_VALUE_LEN];
static const struct mint no_mint = {.state = MINT_NONE};

static void
credentials(void **state)
{
	const struct {
		const char *field;
		enum credential credential;
		const char *value;
	} cases[] = {
	    {"Bearer abc", CREDENTIAL_BEARER, "abc"},
	    {"bEARER abc", CREDENTIAL_BEARER, "abc"},
	    {"Bearer   abc", CREDENTIAL_BEARER, "abc"},
	    {"Bearer a-._~+/Z9==", CREDENTIAL_BEARER, "a-._~+/Z9=="},
	    {"Bearer", CREDENTIAL_MALFORMED, ""},
	    {"Bearer ", CREDENTIAL_MALFORMED, ""},
	    {"Bearer =", CREDENTIAL_MALFORMED, ""},
	    {"Bearer a=b", CREDENTIAL_MALFORMED, ""},
	    {"Bearer a b", CREDENTIAL_MALFORMED, ""},
	    {"Bearer a,b", CREDENTIAL_MALFORMED, ""},
	    {"Bearer \"a\"", CREDENTIAL_MALFORMED, ""},
	    {"Bearer\ta", CREDENTIAL_FOREIGN, ""},
	    {"Bearerabc", CREDENTIAL_FOREIGN, ""},
	    {"Basic YTpi", CREDENTIAL_FOREIGN, ""},
	    {"Bear", CREDENTIAL_FOREIGN, ""},
	    {"", CREDENTIAL_FOREIGN, ""},
	};
	struct slice found;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    jg_credential_parse(slice_of(cases[i].field), &found), cases[i].credential);
		assert_true(slice_equal(found, slice_of(cases[i].value)));
	}
	for (int c = 0; c < 256; c++) {
		char field[] = "Bearer aXa";
		bool legal = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			     (c >= 'A' && c <= 'Z') || (c != 0 && strchr("-._~+/", c) != NULL);

		field[8] = (char)c;
		assert_int_equal(jg_credential_parse((struct slice){field, 10}, &found),
		    legal ? CREDENTIAL_BEARER : CREDENTIAL_MALFORMED);
	}
}

/* What a digest gives is what reading in full gives, whatever was read before. */
static void
a_cached_digest_changes_nothing(void **state)
{
	struct digest_cache *cache = calloc(1, sizeof(*cache));
	struct cached_digest *digest;
	const struct slice values[] = {
	    {value, sizeof(value)},
	    {other_value, sizeof(other_value)},
	    {value, sizeof(value) - 1},
	    SLICE("garbage"),
	    SLICE("a b"),
	    SLICE(""),
	};
	const size_t count = sizeof(values) / sizeof(values[0]);

	(void)state;
	for (size_t first = 0; first < count; first++)
		for (size_t second = 0; second < count; second++)
			for (int forgotten = 0; forgotten < 2; forgotten++) {
				struct bearer expected_bearer;

				memset(cache, 0, sizeof(*cache));
				cache->key[0] = first + 1;
				digest = jg_bearer_recall(cache, &no_mint, values[first]);
				/* So a value that is no token takes the same time again. */
				assert_int_equal(digest->kept, digest->bearer.formed);
				if (forgotten)
					jg_bearer_forget(cache, digest);
				digest = jg_bearer_recall(cache, &no_mint, values[second]);
				jg_bearer_read(&no_mint, values[second], &expected_bearer);
				assert_int_equal(digest->bearer.formed, expected_bearer.formed);
				assert_memory_equal(
				    digest->bearer.id, expected_bearer.id, TOKEN_ID_LEN);
				assert_memory_equal(
				    digest->bearer.hash, expected_bearer.hash, TOKEN_HASH_LEN);
			}
	free(cache);
}

/* The digest holds nothing from which a token's value could be had. */
static void
a_cached_digest_holds_no_secret(void **state)
{
	struct digest_cache *cache = calloc(1, sizeof(*cache));

	(void)state;
	assert_true(jg_bearer_recall(cache, &no_mint, (struct slice){value, sizeof(value)})->kept);
	/* Behind "jgt_<id>_" lies the secret: no four bytes of it are there. */
	for (size_t i = 4 + TOKEN_ID_LEN + 1; i + 4 <= sizeof(value); i++)
		assert_null(memmem(cache, sizeof(*cache), value + i, 4));
	free(cache);
}

static int
make_values(void **state)
{
	(void)state;
	return jg_token_value_make(SLICE(ID), NULL, value) &&
		       jg_token_value_make(SLICE(ID), NULL, other_value)
		   ? 0
		   : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(credentials),
	    cmocka_unit_test(a_cached_digest_changes_nothing),
	    cmocka_unit_test(a_cached_digest_holds_no_secret),
	};
	return cmocka_run_group_tests(tests, make_values, NULL);
}
