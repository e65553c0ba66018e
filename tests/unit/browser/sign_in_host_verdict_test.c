/* sign_in_host_verdict_test.c - the sign-in host, once the exchange has judged a pasted token or a
 * browser's sign-in. */
#include "handler_world.h"

#include "browser/return_address.h"
#include "browser/sign_in_host.h"

static char form[32 * 1024];

/* ---- the verdict on a pasted token ---- */

static const struct token token = {
    .id = SLICE("0123456789abcdef"), .version = 7, .hash = "first twelve and more"};

static enum local_action
decide(const char *old, const char *content, enum verdict verdict)
{
	visit_from(SITE_ENCODED "%2Flab%3Fa%3Db");
	snprintf(form, sizeof(form), "old=%s&%s&%s", old, query + 1, content);
	answer = (struct local_answer){0};
	call.request = NULL;
	return sign_in_host_handler.decided(&call, slice_of(form), verdict, &token, &answer);
}

/* The code with which the browser goes back. */
static struct code
code_given(void)
{
	static const char way[] = SITE "/.jobgate/signed-in?code=";
	const struct code_site site = {SLICE(JOB_HOST), true};
	struct slice location = value_of("Location"), text;
	struct code code;
	char digest[2 * TOKEN_HASH_LEN + 1];
	unsigned char hash[TOKEN_HASH_LEN];

	assert_true(slice_starts_with(location, slice_of(way)));
	text = (struct slice){location.at + strlen(way), CODE_TEXT_LEN};
	assert_true(slice_equal(
	    slice_after(location, strlen(way) + CODE_TEXT_LEN), SLICE("&to=%2Flab%3Fa%3Db")));
	assert_true(code_open(key, &site, text, NOW_S + SIGN_IN_CODE_SECONDS - 1, &code));
	assert_false(code_open(key, &site, text, NOW_S + SIGN_IN_CODE_SECONDS, &code));
	assert_true(code_open(key, &site, text, NOW_S, &code));
	assert_true(code_is_for(&code, SLICE(NONCE)));
	/* The control process learns its digest alone. */
	assert_true(jg_token_hash(text, hash));
	jg_token_hash_format(hash, digest);
	assert_non_null(memmem(answer.ask.at, answer.ask.len, digest, strlen(digest)));
	assert_null(memmem(answer.ask.at, answer.ask.len, text.at, text.len));
	return code;
}

static void
a_good_token_signs_in(void **state)
{
	static const enum verdict good[] = {VERDICT_ALLOW, VERDICT_NO_URL};
	struct sign_in_cookie first = {0}, opened;
	struct slice cookie;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(decide(SIGN_IN_ID_TEXT, "token=x", good[i]), LOCAL_ASK);
		assert_true(slice_equal(answer.ask_path, SLICE(CONTROL_SIGN_IN_PATH)));
		assert_non_null(memmem(answer.ask.at, answer.ask.len,
		    "\"replaces\":\"" SIGN_IN_ID_TEXT "\"", 13 + 32));
		assert_int_equal(answer.status, 303);
		assert_int_equal(answer.outcome, OUTCOME_SIGNED_IN);
		cookie = value_of("Set-Cookie");
		assert_true(slice_starts_with(cookie, SLICE(SESSION_COOKIE "=")));
		cookie = slice_after(cookie, strlen(SESSION_COOKIE "="));
		cookie.len = SIGN_IN_COOKIE_LEN;
		assert_true(sign_in_open(key, SIGN_IN_HOST_PURPOSE, cookie, NOW_S, &opened));
		assert_false(sign_in_open(key, SLICE("demo"), cookie, NOW_S, &opened));
		assert_memory_equal(code_given().sign_in, opened.id, SIGN_IN_ID_LEN);
		assert_memory_not_equal(opened.id, first.id, SIGN_IN_ID_LEN);
		first = opened;
	}
}

/* The query of a link cannot say what the form says, nor the other way round. */
static void
what_is_said_twice_does_not_count(void **state)
{
	char out[LOCAL_CREDENTIAL_MAX];
	char text[256];

	(void)state;
	assert_int_equal(
	    decide("", "token=x&to=https%3A%2F%2Fevil.test%2F", VERDICT_ALLOW), LOCAL_ANSWER);
	ASSERT_PAGE(400, "does not lead back to a job");
	snprintf(text, sizeof(text), "token=x&nonce=%s", nonce_hex());
	assert_int_equal(decide("", text, VERDICT_ALLOW), LOCAL_ANSWER);
	ASSERT_PAGE(400, "does not lead back to a job");
	assert_int_equal(
	    sign_in_host_handler.credential(SLICE("old=&to=x&token=a&token=b"), out), 0);
	assert_int_equal(
	    sign_in_host_handler.credential(SLICE("old=&to=x&token=a&token="), out), 0);
	assert_int_equal(decide("", "token=x&old=" SIGN_IN_ID_TEXT, VERDICT_ALLOW), LOCAL_ASK);
	assert_non_null(memmem(answer.ask.at, answer.ask.len, "\"replaces\":\"\"", 13));
}

static void
a_bad_token_gets_the_page_again(void **state)
{
	static const struct {
		enum verdict verdict;
		unsigned status;
		const char *text;
	} cases[] = {
	    {VERDICT_INVALID_TOKEN, 401, "may have been renewed"},
	    {VERDICT_EXPIRED, 401, "has expired"},
	    {VERDICT_BAD_CREDENTIAL, 400, "That is no token."},
	    {VERDICT_NO_CREDENTIAL, 401, "That is no token."},
	    {VERDICT_OTHER_ADDRESS, 403, "from your address"},
	    {VERDICT_OUT_OF_SCOPE, 403, "does not reach this job"},
	    {VERDICT_NO_SUCH_JOB, 404, "does not reach this job"},
	    {VERDICT_UNAVAILABLE, 503, "cannot be checked"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(decide("", "token=x", cases[i].verdict), LOCAL_ANSWER);
		ASSERT_PAGE(cases[i].status, cases[i].text);
		assert_true(page_has("name=\"token\""));
		assert_int_equal(answer.outcome, OUTCOME_REFUSED);
	}
	call.limited = true;
	assert_int_equal(decide("", "token=x", VERDICT_INVALID_TOKEN), LOCAL_ANSWER);
	ASSERT_PAGE(429, "Too many tokens");
	assert_int_equal(answer.outcome, OUTCOME_RATE_LIMITED);
}

/* ---- the verdict on a browser's sign-in ---- */

static enum local_action
judge(enum verdict verdict)
{
	answer = (struct local_answer){0};
	return sign_in_host_handler.decided(&call, SLICE(""), verdict, &token, &answer);
}

static void
who_is_signed_in_goes_back_at_once(void **state)
{
	(void)state;
	visit_from(SITE_ENCODED "%2Flab%3Fa%3Db");
	add_sign_in_cookie(SIGN_IN_HOST_PURPOSE, NOW_S + 1);
	assert_int_equal(judge(VERDICT_ALLOW), LOCAL_ASK);
	assert_true(slice_equal(answer.ask_path, SLICE(CONTROL_CODE_ADD_PATH)));
	assert_memory_equal(code_given().sign_in, sign_in_id, SIGN_IN_ID_LEN);
	assert_null(value_of("Set-Cookie").at);
	assert_int_equal(judge(VERDICT_NO_URL), LOCAL_ASK);
	assert_int_equal(judge(VERDICT_UNAVAILABLE), LOCAL_UNAVAILABLE);
	/* Whatever the verdict was about, it was not this browser's sign-in. */
	request.fields.count = 0;
	assert_int_equal(judge(VERDICT_ALLOW), LOCAL_ANSWER);
	ASSERT_PAGE(200, "has ended");
	add_sign_in_cookie(SLICE("demo"), NOW_S + 1);
	assert_int_equal(judge(VERDICT_ALLOW), LOCAL_ANSWER);
	ASSERT_PAGE(200, "has ended");
}

static void
others_are_asked_for_a_token(void **state)
{
	static const struct {
		enum verdict verdict;
		const char *text;
	} cases[] = {
	    {VERDICT_NO_CREDENTIAL, "signs you in to all jobs"},
	    {VERDICT_INVALID_TOKEN, "was renewed or deleted"},
	    {VERDICT_EXPIRED, "was renewed or deleted"},
	    {VERDICT_OTHER_ADDRESS, "from your address"},
	    {VERDICT_OUT_OF_SCOPE, "does not reach this job"},
	    {VERDICT_NO_SUCH_JOB, "does not reach this job"},
	};

	(void)state;
	visit_from(SITE_ENCODED "%2Flab");
	add_sign_in_cookie(SIGN_IN_HOST_PURPOSE, NOW_S + 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(judge(cases[i].verdict), LOCAL_ANSWER);
		ASSERT_PAGE(200, cases[i].text);
		assert_true(page_has("name=\"token\""));
	}
}

static void
its_first_page_says_whether_the_browser_is_signed_in(void **state)
{
	static const struct {
		enum verdict verdict;
		const char *text;
	} cases[] = {
	    {VERDICT_NO_CREDENTIAL, "Not signed in"},
	    {VERDICT_INVALID_TOKEN, "Not signed in"},
	    {VERDICT_EXPIRED, "Not signed in"},
	    {VERDICT_NO_SUCH_JOB, "This browser is signed in"},
	    {VERDICT_ALLOW, "This browser is signed in"},
	};

	(void)state;
	request.path = SLICE("/");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(judge(cases[i].verdict), LOCAL_ANSWER);
		ASSERT_PAGE(200, cases[i].text);
	}
	assert_int_equal(judge(VERDICT_UNAVAILABLE), LOCAL_UNAVAILABLE);
}

static void
what_the_control_process_refuses(void **state)
{
	static const struct {
		unsigned status, shown;
		const char *text;
	} cases[] = {
	    {404, 401, "Your sign-in has ended."},
	    {429, 429, "1000 sign-ins already"},
	    {0, 503, "does not answer"},
	    {409, 503, "does not answer"},
	    {500, 503, "does not answer"},
	};

	(void)state;
	call.request = NULL;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		answer = (struct local_answer){0};
		assert_int_equal(
		    sign_in_host_handler.denied(&call, cases[i].status, &answer), LOCAL_ANSWER);
		ASSERT_PAGE(cases[i].shown, cases[i].text);
	}
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_host, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_good_token_signs_in),
	    TEST(what_is_said_twice_does_not_count),
	    TEST(a_bad_token_gets_the_page_again),
	    TEST(who_is_signed_in_goes_back_at_once),
	    TEST(others_are_asked_for_a_token),
	    TEST(its_first_page_says_whether_the_browser_is_signed_in),
	    TEST(what_the_control_process_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
