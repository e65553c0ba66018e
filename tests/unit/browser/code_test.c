/* code_test.c - a code opens for its site, its browser and its time only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "browser/code.h"

static const unsigned char key[SESSION_KEY_LEN] = "a key for tests, 32 bytes of it";
static const struct slice nonce = SLICE("the nonce of a browser, 32 bytes");
static const struct code_site site = {SLICE("demo.x"), true};
static struct code opened;

static struct slice
seal(const char *authority, bool tls, char out[CODE_TEXT_LEN])
{
	struct code code = {.sign_in = "a sign-in's id .", .expires_s = 1000};

	assert_true(nonce_digest(nonce, code.nonce_digest));
	assert_true(code_seal(key, &(struct code_site){slice_of(authority), tls}, &code, out));
	return (struct slice){out, CODE_TEXT_LEN};
}

static bool
opens(const char *authority, bool tls, struct slice text, int64_t now_s)
{
	const struct code_site at = {slice_of(authority), tls};

	return code_open(key, &at, text, now_s, &opened);
}

static void
a_code_opens(void **state)
{
	char text[CODE_TEXT_LEN], again[CODE_TEXT_LEN];

	(void)state;
	assert_true(opens("demo.x", true, seal("demo.x", true, text), 999));
	assert_memory_equal(opened.sign_in, "a sign-in's id .", SIGN_IN_ID_LEN);
	assert_int_equal(opened.expires_s, 1000);
	seal("demo.x", true, again);
	assert_memory_not_equal(text, again, sizeof(text)); /* each code is used once */
}

static void
it_opens_at_its_site_only(void **state)
{
	char text[CODE_TEXT_LEN];
	struct slice code = seal("demo.x", true, text);

	(void)state;
	assert_true(opens("DEMO.x:443", true, code, 0));
	assert_false(opens("demo.x:8443", true, code, 0));
	assert_false(opens("demo.x", false, code, 0));
	assert_false(opens("demo.x:443", false, code, 0));
	assert_false(opens("other.x", true, code, 0));
	assert_false(opens("demo.x.evil", true, code, 0));
	assert_false(opens("", true, code, 0));
	assert_true(opens("demo.localhost:80", false, seal("demo.localhost", false, text), 0));
}

static void
it_opens_for_its_browser_and_its_time_only(void **state)
{
	char text[CODE_TEXT_LEN];
	struct slice code = seal("demo.x", true, text);

	(void)state;
	assert_false(opens("demo.x", true, code, 1000));
	/* A code of another browser opens, to be used up. */
	assert_true(code_open(key, &site, code, 0, &opened));
	assert_false(code_is_for(&opened, SLICE("the nonce of another one, 32 by.")));
	assert_false(code_is_for(&opened, SLICE("short")));
	assert_false(code_is_for(&opened, (struct slice){0}));
	assert_true(code_is_for(&opened, nonce));
}

static void
no_other_text_opens(void **state)
{
	unsigned char other[SESSION_KEY_LEN] = "another key, 32 bytes of it, too";
	const struct session session = {"0123456789abcdef", 7, "first twelve", 1000};
	char text[CODE_TEXT_LEN], cookie[SESSION_TEXT_LEN];
	struct slice code = seal("demo.x", true, text);
	struct session as_session;

	(void)state;
	assert_false(code_open(other, &site, code, 0, &opened));
	assert_false(opens("demo.x", true, (struct slice){text, CODE_TEXT_LEN - 1}, 0));
	for (size_t i = 0; i < CODE_TEXT_LEN; i++) {
		char kept = text[i];

		text[i] = kept == 'A' ? 'B' : 'A';
		assert_false(opens("demo.x", true, code, 0));
		text[i] = '+';
		assert_false(opens("demo.x", true, code, 0));
		text[i] = kept;
	}
	assert_true(opens("demo.x", true, code, 0));
	/* Neither a cookie for a code, nor a code for a cookie. */
	assert_true(session_seal(key, SLICE("demo"), &session, cookie));
	assert_false(opens("demo.x", true, (struct slice){cookie, SESSION_TEXT_LEN}, 0));
	assert_false(session_open(key, SLICE("demo"), code, 0, &as_session));
}

static void
what_is_no_authority_gets_no_code(void **state)
{
	const struct code code = {.expires_s = 1000};
	char text[CODE_TEXT_LEN], host[257];

	(void)state;
	assert_false(code_seal(key, &(struct code_site){SLICE("a@b"), true}, &code, text));
	assert_false(code_seal(key, &(struct code_site){SLICE(""), true}, &code, text));
	memset(host, 'a', sizeof(host));
	assert_true(code_seal(key, &(struct code_site){{host, 255}, true}, &code, text));
	assert_false(code_seal(key, &(struct code_site){{host, 256}, true}, &code, text));
}

static void
nonces_differ(void **state)
{
	char one[NONCE_TEXT_LEN], two[NONCE_TEXT_LEN];
	unsigned char digest[NONCE_DIGEST_LEN];

	(void)state;
	assert_true(nonce_make(one));
	assert_true(nonce_make(two));
	assert_memory_not_equal(one, two, sizeof(one));
	assert_true(nonce_digest((struct slice){one, sizeof(one)}, digest));
	assert_false(nonce_digest((struct slice){one, sizeof(one) - 1}, digest));
	for (size_t i = 0; i < 64; i++) {
		assert_true(nonce_make(one));
		assert_null(memchr(one, '+', sizeof(one)));
		assert_null(memchr(one, '/', sizeof(one)));
		assert_null(memchr(one, '=', sizeof(one)));
	}
}

static void
nonces_have_one_form(void **state)
{
	char made[NONCE_TEXT_LEN];

	(void)state;
	assert_true(nonce_make(made));
	assert_true(nonce_is_formed((struct slice){made, sizeof(made)}));
	assert_false(nonce_is_formed((struct slice){made, sizeof(made) - 1}));
	made[3] = '=';
	assert_false(nonce_is_formed((struct slice){made, sizeof(made)}));
	made[3] = ';';
	assert_false(nonce_is_formed((struct slice){made, sizeof(made)}));
	assert_false(nonce_is_formed((struct slice){0}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_code_opens),
	    cmocka_unit_test(it_opens_at_its_site_only),
	    cmocka_unit_test(it_opens_for_its_browser_and_its_time_only),
	    cmocka_unit_test(no_other_text_opens),
	    cmocka_unit_test(what_is_no_authority_gets_no_code),
	    cmocka_unit_test(nonces_differ),
	    cmocka_unit_test(nonces_have_one_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
