/* return_trip_back_test.c - a job's host: browsers that come back with a one-time code. */
#include "handler_world.h"

#include "browser/return_trip.h"

#define NOT_SIGNED_IN OUR_PATHS "not-signed-in"

/* The text of a code for the browser with NONCE, at this site. */
static const char *
code_for(const char *host, bool tls, int64_t expires_s)
{
	static char text[CODE_TEXT_LEN + 1];
	const struct code_site site = {slice_of(host), tls};
	struct code code = {.expires_s = expires_s};

	memcpy(code.sign_in, sign_in_id, SIGN_IN_ID_LEN);
	assert_true(nonce_digest(SLICE(NONCE), code.nonce_digest));
	assert_true(code_seal(key, &site, &code, text));
	text[CODE_TEXT_LEN] = '\0';
	return text;
}

static enum local_action
serve(const char *path)
{
	answer = (struct local_answer){0};
	request.path = slice_of(path);
	return return_trip_serve(&call, &answer);
}

static enum local_action
bring(const char *its_query, const char *cookie)
{
	snprintf(query, sizeof(query), "?%s", its_query);
	request.query = slice_of(query);
	request.fields.count = 0;
	if (cookie != NULL)
		add_field(FIELD_COOKIE, "Cookie", cookie);
	return serve(OUR_PATHS "signed-in");
}

static enum local_action
bring_code(const char *code, const char *rest, const char *cookie)
{
	char text[2048];

	snprintf(text, sizeof(text), "code=%s%s", code, rest);
	return bring(text, cookie);
}

#define OURS NONCE_COOKIE "=" NONCE

static bool
asks_to_take(void)
{
	return slice_equal(answer.ask_path, SLICE(CONTROL_CODE_TAKE_PATH)) &&
	       slice_starts_with(answer.ask, SLICE("{\"id\":\"" SIGN_IN_ID_TEXT "\",\"code\":\""));
}

static void
a_good_code_signs_in_at_this_job(void **state)
{
	struct sign_in_cookie opened;
	struct slice cookie;

	(void)state;
	assert_int_equal(
	    bring_code(code_for(JOB_HOST, true, NOW_S + 1), "&to=%2Flab%3Fa%3Db", OURS), LOCAL_ASK);
	assert_true(asks_to_take());
	assert_int_equal(answer.status, 303);
	assert_int_equal(answer.outcome, OUTCOME_SIGNED_IN);
	ASSERT_GOES_TO("/lab?a=b");
	cookie = value_of("Set-Cookie");
	assert_true(slice_starts_with(cookie, SLICE(SESSION_COOKIE "=")));
	cookie = (struct slice){cookie.at + strlen(SESSION_COOKIE "="), SIGN_IN_COOKIE_LEN};
	assert_true(sign_in_open(key, SLICE("demo"), cookie, NOW_S, &opened));
	assert_memory_equal(opened.id, sign_in_id, SIGN_IN_ID_LEN);
	assert_int_equal(opened.expires_s, NOW_S + SESSION_S);
}

/* Each costs no question to the control process. */
static void
a_code_that_was_not_sealed_for_this_site_is_nothing(void **state)
{
	char cut[CODE_TEXT_LEN + 1], twice[2 * CODE_TEXT_LEN + 16], changed[CODE_TEXT_LEN + 1];
	const char *good = code_for(JOB_HOST, true, NOW_S + 1);
	const char *codes[] = {"", "x", cut, changed, twice, NULL, NULL, NULL, NULL, NULL};
	size_t n = 5;

	(void)state;
	snprintf(cut, sizeof(cut), "%.*s", CODE_TEXT_LEN - 1, good);
	snprintf(changed, sizeof(changed), "%s", good);
	changed[CODE_TEXT_LEN / 2] = changed[CODE_TEXT_LEN / 2] == 'A' ? 'B' : 'A';
	snprintf(twice, sizeof(twice), "%s&code=%s", good, good);
	codes[n++] = strdup(code_for("other.jobs.test", true, NOW_S + 1));
	codes[n++] = strdup(code_for(JOB_HOST ":8443", true, NOW_S + 1));
	codes[n++] = strdup(code_for(JOB_HOST, false, NOW_S + 1));
	codes[n++] = strdup(code_for(JOB_HOST, true, NOW_S));
	codes[n++] = strdup(code_for(JOB_HOST, true, -1));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(bring_code(codes[i], "&to=%2Flab", OURS), LOCAL_ANSWER);
		assert_int_equal(answer.status, 303);
		ASSERT_GOES_TO(NOT_SIGNED_IN);
		assert_int_equal(answer.field_count, 1);
		if (i >= 5)
			free((char *)codes[i]);
	}
	assert_int_equal(bring("to=%2Flab", OURS), LOCAL_ANSWER);
	ASSERT_GOES_TO(NOT_SIGNED_IN);
}

/* It is used up, so that a script of the job cannot bring it elsewhere; the browser gets nothing.
 */
static void
a_code_of_another_browser_is_wasted(void **state)
{
	static const char *const cookies[] = {NULL, "", NONCE_COOKIE "=",
	    NONCE_COOKIE "=Abcdefghijklmnopqrstuvwxyz012345", OURS "x", OURS "; " OURS};
	static const char *const places[] = {"", "&to=", "&to=//evil.test/",
	    "&to=https://evil.test/", "&to=%2F%5Cevil.test", "&to=lab", "&to=" OUR_PATHS "sign-out",
	    "&to=/&to=/", "&to=%2Fa%0D%0AX:y"};
	const char *code;

	(void)state;
	for (size_t i = 0; i < sizeof(cookies) / sizeof(cookies[0]); i++) {
		code = code_for(JOB_HOST, true, NOW_S + 1);
		assert_int_equal(bring_code(code, "&to=%2Flab", cookies[i]), LOCAL_ASK);
		assert_true(asks_to_take());
		ASSERT_GOES_TO(NOT_SIGNED_IN);
		assert_int_equal(answer.field_count, 1);
	}
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		code = code_for(JOB_HOST, true, NOW_S + 1);
		assert_int_equal(bring_code(code, places[i], OURS), LOCAL_ASK);
		assert_true(asks_to_take());
		ASSERT_GOES_TO(NOT_SIGNED_IN);
		assert_int_equal(answer.field_count, 1);
	}
}

static void
the_longest_page_is_come_back_to(void **state)
{
	char rest[PAGE_TO_MAX + 16] = "&to=/";
	size_t to = strlen("&to=");

	(void)state;
	memset(rest + to + 1, 'x', PAGE_TO_MAX);
	rest[to + PAGE_TO_MAX] = '\0';
	assert_int_equal(bring_code(code_for(JOB_HOST, true, NOW_S + 1), rest, OURS), LOCAL_ASK);
	assert_int_equal(value_of("Location").len, PAGE_TO_MAX);
	rest[to + PAGE_TO_MAX] = 'x';
	rest[to + PAGE_TO_MAX + 1] = '\0';
	assert_int_equal(bring_code(code_for(JOB_HOST, true, NOW_S + 1), rest, OURS), LOCAL_ASK);
	ASSERT_GOES_TO(NOT_SIGNED_IN);
}

static void
what_the_control_process_refuses(void **state)
{
	static const struct {
		unsigned status;
		const char *place;
	} cases[] = {
	    {404, NOT_SIGNED_IN},
	    {409, NOT_SIGNED_IN},
	    {0, OUR_PATHS "try-again"},
	    {400, OUR_PATHS "try-again"},
	    {429, OUR_PATHS "try-again"},
	    {503, OUR_PATHS "try-again"},
	};

	(void)state;
	call.request = NULL; /* it is gone */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		answer = (struct local_answer){0};
		assert_int_equal(return_trip_denied(&call, cases[i].status, &answer), LOCAL_ANSWER);
		assert_int_equal(answer.status, 303);
		ASSERT_GOES_TO(cases[i].place);
		assert_int_equal(answer.field_count, 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_good_code_signs_in_at_this_job),
	    TEST(a_code_that_was_not_sealed_for_this_site_is_nothing),
	    TEST(a_code_of_another_browser_is_wasted),
	    TEST(the_longest_page_is_come_back_to),
	    TEST(what_the_control_process_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
