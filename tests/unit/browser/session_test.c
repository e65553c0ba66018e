/*
 * session_test.c - a sealed session opens for its job only, and cookies are read in the form in
 * which browsers send them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "browser/session.h"

static const unsigned char key[SESSION_KEY_LEN] = "a key for tests, 32 bytes of it";
static const struct session sample = {"0123456789abcdef", 7, "first twelve", 1000};

static struct slice
seal(char out[SESSION_TEXT_LEN])
{
	assert_true(session_seal(key, SLICE("demo"), &sample, out));
	return (struct slice){out, SESSION_TEXT_LEN};
}

static void
what_is_sealed_opens(void **state)
{
	char text[SESSION_TEXT_LEN], again[SESSION_TEXT_LEN];
	struct session session;

	(void)state;
	assert_true(session_open(key, SLICE("demo"), seal(text), 999, &session));
	assert_memory_equal(session.token_id, sample.token_id, TOKEN_ID_LEN);
	assert_int_equal(session.version, 7);
	assert_memory_equal(session.mark, sample.mark, TOKEN_MARK_LEN);
	assert_int_equal(session.expires_s, 1000);
	seal(again);
	assert_memory_not_equal(text, again, sizeof(text)); /* a nonce of its own */
}

static void
it_does_not_open_otherwise(void **state)
{
	unsigned char other[SESSION_KEY_LEN] = "another key, 32 bytes of it, too";
	char text[SESSION_TEXT_LEN];
	struct slice sealed = seal(text);
	struct session session;

	(void)state;
	assert_false(session_open(key, SLICE("demo"), sealed, 1000, &session));
	assert_false(session_open(key, SLICE("dem"), sealed, 0, &session));
	assert_false(session_open(key, SLICE("other"), sealed, 0, &session));
	assert_false(session_open(other, SLICE("demo"), sealed, 0, &session));
	sealed.len--;
	assert_false(session_open(key, SLICE("demo"), sealed, 0, &session));
	sealed.len++;
	for (size_t i = 0; i < SESSION_TEXT_LEN; i++) {
		char kept = text[i];

		text[i] = kept == 'A' ? 'B' : 'A';
		assert_false(session_open(key, SLICE("demo"), sealed, 0, &session));
		text[i] = '=';
		assert_false(session_open(key, SLICE("demo"), sealed, 0, &session));
		text[i] = kept;
	}
	assert_true(session_open(key, SLICE("demo"), sealed, 0, &session));
}

/* The cookie of a sign-in host's sign-in opens for one purpose, and no session opens as one. */
static void
a_sign_in_opens_for_its_purpose(void **state)
{
	const struct sign_in_cookie made = {.id = {1, 2, 0xff}, .expires_s = 100};
	struct sign_in_cookie opened;
	struct session session = {.expires_s = 100};
	char text[SIGN_IN_COOKIE_LEN], other[SESSION_TEXT_LEN];
	struct slice sealed = {text, sizeof(text)};

	(void)state;
	assert_true(sign_in_seal(key, SLICE("demo"), &made, text));
	assert_true(sign_in_open(key, SLICE("demo"), sealed, 99, &opened));
	assert_memory_equal(opened.id, made.id, SIGN_IN_ID_LEN);
	assert_int_equal(opened.expires_s, 100);
	assert_false(sign_in_open(key, SLICE("demo"), sealed, 100, &opened));
	assert_false(sign_in_open(key, SLICE("other"), sealed, 0, &opened));
	assert_false(sign_in_open(key, SIGN_IN_HOST_PURPOSE, sealed, 0, &opened));
	assert_false(session_open(key, SLICE("demo"), sealed, 0, &session));
	assert_true(session_seal(key, SLICE("demo"), &session, other));
	assert_false(
	    sign_in_open(key, SLICE("demo"), (struct slice){other, sizeof(other)}, 0, &opened));
	text[9] = text[9] == 'A' ? 'B' : 'A';
	assert_false(sign_in_open(key, SLICE("demo"), sealed, 0, &opened));
}

static struct slice
cookie_of(const char *first, const char *second)
{
	struct field items[] = {{SLICE("Cookie"), slice_of(first), FIELD_COOKIE, false},
	    {SLICE("Cookie"), slice_of(second), FIELD_COOKIE, false}};

	return session_cookie(&(struct fields){items, 2});
}

static void
the_cookie_is_found_once(void **state)
{
	(void)state;
	assert_true(slice_equal(cookie_of("__Host-jobgate=x", "a=b"), SLICE("x")));
	assert_true(slice_equal(cookie_of("a=b;  __Host-jobgate=x ;c", ""), SLICE("x")));
	assert_true(slice_equal(cookie_of("", "a=b; __Host-jobgate="), SLICE("")));
	assert_null(cookie_of("__Host-jobgate=x", "__Host-jobgate=x").at);
	assert_null(cookie_of("__Host-jobgate=x; __Host-jobgate=y", "").at);
	assert_null(cookie_of("__Host-jobgate", "x__Host-jobgate=y").at);
	assert_null(cookie_of("__host-jobgate=x", "").at);
	assert_null(cookie_of(";;", " ; ").at);
}

static void
whatever_could_pass_for_it_is_taken_away(void **state)
{
	(void)state;
	assert_true(cookie_is_ours(SLICE("__Host-jobgate=x")));
	assert_true(cookie_is_ours(SLICE("__HOST-JOBGATE = x")));
	assert_true(cookie_is_ours(SLICE("__Host-jobgate-nonce=x")));
	assert_true(cookie_is_ours(SLICE("__host-Jobgate-Nonce =x")));
	assert_false(cookie_is_ours(SLICE("__Host-jobgate-nonces=x")));
	assert_false(cookie_is_ours(SLICE("__Host-jobgate")));
	assert_false(cookie_is_ours(SLICE("__Host-jobgate2=x")));
	assert_false(cookie_is_ours(SLICE("a=__Host-jobgate=x")));
}

static bool
own(const char *origin, const char *authority, bool tls)
{
	struct field items[] = {{SLICE("Origin"), slice_of(origin), FIELD_ORIGIN, false}};
	struct request request = {.authority = slice_of(authority), .fields = {items, 1}};

	return origin_is_own(&request, tls);
}

static void
an_origin_is_own_or_not(void **state)
{
	(void)state;
	assert_true(own("https://demo.x", "demo.x", true));
	assert_true(own("https://demo.x:443", "demo.x", true));
	assert_true(own("https://demo.x", "DEMO.x:443", true));
	assert_true(own("https://demo.x:8443", "demo.x:8443", true));
	assert_true(own("http://demo.localhost:8080", "demo.localhost:8080", false));
	assert_false(own("http://demo.x", "demo.x", true));
	assert_false(own("https://demo.x", "demo.x", false));
	assert_false(own("https://demo.x:8443", "demo.x", true));
	assert_false(own("https://demo.x", "demo.x:8443", true));
	assert_false(own("https://demo.x.evil", "demo.x", true));
	assert_false(own("https://demo.x/", "demo.x", true));
	assert_false(own("https://a@demo.x", "demo.x", true));
	assert_false(own("null", "demo.x", true));
	assert_false(own("", "", true));
	assert_false(own("https://", "", true));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_sealed_opens),
	    cmocka_unit_test(it_does_not_open_otherwise),
	    cmocka_unit_test(a_sign_in_opens_for_its_purpose),
	    cmocka_unit_test(the_cookie_is_found_once),
	    cmocka_unit_test(whatever_could_pass_for_it_is_taken_away),
	    cmocka_unit_test(an_origin_is_own_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
