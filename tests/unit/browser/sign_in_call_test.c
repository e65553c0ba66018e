/* sign_in_call_test.c - what is asked of the control process, to the byte, and the cookies. */
#include "handler_world.h"

#include "browser/sign_in_call.h"
#include "short_memory.h"

static char text[SIGN_IN_CALL_MAX];

static void
expect_ask(const char *path, const char *json)
{
	assert_true(slice_equal(answer.ask_path, slice_of(path)));
	if (!slice_equal(answer.ask, slice_of(json)))
		fail_msg("%.*s is not %s", (int)answer.ask.len, answer.ask.at, json);
	assert_ptr_equal(answer.ask.at, text);
}

/* Of a code, as the store has it. */
static const char *
digest_of(const char *code)
{
	static char hex[2 * TOKEN_HASH_LEN + 1];
	unsigned char digest[TOKEN_HASH_LEN];

	assert_true(jg_token_hash(slice_of(code), digest));
	jg_token_hash_format(digest, hex);
	return hex;
}

static void
a_sign_in_is_asked_for(void **state)
{
	const struct token token = {
	    .id = SLICE("0123456789abcdef"), .version = 7, .hash = "first twelve and more"};
	struct sign_in_new new = {
	    .id = sign_in_id, .token = &token, .seconds = 60, .code = SLICE("a code")};
	char expected[SIGN_IN_CALL_MAX];

	(void)state;
	assert_true(sign_in_call_make(&new, text, &answer));
	snprintf(expected, sizeof(expected),
	    "{\"id\":\"" SIGN_IN_ID_TEXT "\",\"token\":\"0123456789abcdef\",\"version\":\"7\","
	    "\"mark\":\"6669727374207477656c7665\",\"seconds\":\"60\",\"code\":\"%s\","
	    "\"replaces\":\"\"}",
	    digest_of("a code"));
	expect_ask(CONTROL_SIGN_IN_PATH, expected);
	assert_null(memmem(answer.ask.at, answer.ask.len, "a code", 6));
}

/* What a browser says of its earlier sign-in goes into JSON only as an id. */
static void
only_an_id_is_replaced(void **state)
{
	static const char *const other[] = {"", "ab", "\"", SIGN_IN_ID_TEXT "0",
	    "AB010200000000000000000000000000", "ab01020000000000000000000000000\"",
	    "ab0102000000000000000000000000 0", "\",\"x\":\"00000000000000000000000000"};
	const struct token token = {.id = SLICE("0123456789abcdef"), .version = 1};
	struct sign_in_new new = {
	    .id = sign_in_id, .token = &token, .seconds = 60, .code = SLICE("a code")};

	(void)state;
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		new.replaces = slice_of(other[i]);
		assert_true(sign_in_call_make(&new, text, &answer));
		assert_non_null(memmem(answer.ask.at, answer.ask.len, "\"replaces\":\"\"}", 14));
	}
	new.replaces = SLICE(SIGN_IN_ID_TEXT);
	assert_true(sign_in_call_make(&new, text, &answer));
	assert_non_null(memmem(
	    answer.ask.at, answer.ask.len, "\"replaces\":\"" SIGN_IN_ID_TEXT "\"}", 14 + 32));
}

static void
the_longest_call_fits(void **state)
{
	const struct token token = {.id = SLICE("0123456789abcdef"), .version = UINT64_MAX};
	struct sign_in_new new = {.id = sign_in_id,
	    .token = &token,
	    .replaces = SLICE(SIGN_IN_ID_TEXT),
	    .seconds = UINT64_MAX,
	    .code = SLICE("a code")};

	(void)state;
	assert_true(sign_in_call_make(&new, text, &answer));
	assert_int_equal(answer.ask.at[answer.ask.len - 1], '}');
	assert_non_null(memmem(answer.ask.at, answer.ask.len, "18446744073709551615", 20));
}

static void
a_code_is_named_by_its_digest(void **state)
{
	static const char *const codes[] = {"a code", "", "\"}\\\n"};
	char expected[SIGN_IN_CALL_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		assert_true(sign_in_call_code(
		    CONTROL_CODE_TAKE_PATH, sign_in_id, slice_of(codes[i]), text, &answer));
		snprintf(expected, sizeof(expected),
		    "{\"id\":\"" SIGN_IN_ID_TEXT "\",\"code\":\"%s\"}", digest_of(codes[i]));
		expect_ask(CONTROL_CODE_TAKE_PATH, expected);
	}
}

static void
a_cookie_is_bound_to_its_purpose(void **state)
{
	struct sign_in_cookie sign_in = {.expires_s = NOW_S + SESSION_S}, opened;
	char cookie[SET_COOKIE_MAX];
	struct slice value;

	(void)state;
	memcpy(sign_in.id, sign_in_id, SIGN_IN_ID_LEN);
	assert_true(sign_in_cookie_add(&call, SLICE("demo"), &sign_in, cookie, &answer));
	value = value_of("Set-Cookie");
	assert_true(slice_starts_with(value, SLICE(SESSION_COOKIE "=")));
	assert_non_null(memmem(
	    value.at, value.len, COOKIE_ATTRIBUTES "; Max-Age=60", sizeof(COOKIE_ATTRIBUTES) + 11));
	value = (struct slice){value.at + strlen(SESSION_COOKIE "="), SIGN_IN_COOKIE_LEN};
	assert_true(sign_in_open(key, SLICE("demo"), value, NOW_S, &opened));
	assert_memory_equal(opened.id, sign_in_id, SIGN_IN_ID_LEN);
	assert_false(sign_in_open(key, SLICE("other"), value, NOW_S, &opened));
	assert_false(sign_in_open(key, SIGN_IN_HOST_PURPOSE, value, NOW_S, &opened));
}

/* ---- sign out ---- */

static void
signs_out(enum local_action action)
{
	answer = (struct local_answer){0};
	assert_int_equal(
	    sign_in_call_sign_out(&call, SLICE("demo"), SLICE("/then"), &answer), action);
	assert_int_equal(answer.status, 303);
	assert_int_equal(answer.outcome, OUTCOME_SIGNED_OUT);
	ASSERT_GOES_TO("/then");
	assert_true(slice_equal(
	    value_of("Set-Cookie"), SLICE(SESSION_COOKIE "=" COOKIE_ATTRIBUTES "; Max-Age=0")));
	assert_true(slice_equal(value_of("Clear-Site-Data"), SLICE("\"cache\"")));
}

static void
signing_out_deletes_the_sign_in(void **state)
{
	(void)state;
	add_sign_in_cookie(SLICE("demo"), NOW_S + 1);
	signs_out(LOCAL_ASK);
	assert_true(slice_equal(answer.ask_path, SLICE(CONTROL_SIGN_OUT_PATH)));
	assert_true(slice_equal(answer.ask, SLICE("{\"id\":\"" SIGN_IN_ID_TEXT "\"}")));
}

/* The cookie goes all the same, and strangers cost the control process nothing. */
static void
without_a_sign_in_nothing_is_asked(void **state)
{
	static const char *const cookies[] = {"", SESSION_COOKIE "=", SESSION_COOKIE "=x; a=b",
	    SESSION_COOKIE
	    "=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};

	(void)state;
	signs_out(LOCAL_ANSWER);
	for (size_t i = 0; i < sizeof(cookies) / sizeof(cookies[0]); i++) {
		request.fields.count = 0;
		add_field(FIELD_COOKIE, "Cookie", cookies[i]);
		signs_out(LOCAL_ANSWER);
	}
	request.fields.count = 0;
	add_sign_in_cookie(SLICE("other"), NOW_S + 1);
	signs_out(LOCAL_ANSWER);
	request.fields.count = 0;
	add_sign_in_cookie(SIGN_IN_HOST_PURPOSE, NOW_S + 1);
	signs_out(LOCAL_ANSWER);
	request.fields.count = 0;
	add_sign_in_cookie(SLICE("demo"), NOW_S);
	signs_out(LOCAL_ANSWER);
	request.fields.count = 0;
	add_sign_in_cookie(SLICE("demo"), NOW_S + 1);
	add_sign_in_cookie(SLICE("demo"), NOW_S + 1); /* two are none */
	signs_out(LOCAL_ANSWER);
}

/* The browser must not be told that it is signed out while its sign-in goes on. */
static void
without_memory_no_browser_is_signed_out(void **state)
{
	(void)state;
	add_sign_in_cookie(SLICE("demo"), NOW_S + 1);
	is_short = true;
	answer = (struct local_answer){0};
	assert_int_equal(sign_in_call_sign_out(&call, SLICE("demo"), SLICE("/then"), &answer),
	    LOCAL_UNAVAILABLE);
	is_short = false;
	signs_out(LOCAL_ASK);
}

static void
pages_around_it(void **state)
{
	static const unsigned failed[] = {0, 400, 404, 500, 503};

	(void)state;
	assert_int_equal(sign_in_call_signed_out(&call, &answer), LOCAL_ANSWER);
	ASSERT_PAGE(200, "signed out of all jobs");
	assert_int_equal(sign_in_call_failed(&call, 429, &answer), LOCAL_ANSWER);
	ASSERT_PAGE(429, "1000 sign-ins already");
	assert_int_equal(answer.outcome, OUTCOME_RATE_LIMITED);
	for (size_t i = 0; i < sizeof(failed) / sizeof(failed[0]); i++) {
		assert_int_equal(sign_in_call_failed(&call, failed[i], &answer), LOCAL_ANSWER);
		ASSERT_PAGE(503, "does not answer, or takes no changes");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_sign_in_is_asked_for),
	    TEST(only_an_id_is_replaced),
	    TEST(the_longest_call_fits),
	    TEST(a_code_is_named_by_its_digest),
	    TEST(a_cookie_is_bound_to_its_purpose),
	    TEST(signing_out_deletes_the_sign_in),
	    TEST(without_a_sign_in_nothing_is_asked),
	    TEST(without_memory_no_browser_is_signed_out),
	    TEST(pages_around_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
