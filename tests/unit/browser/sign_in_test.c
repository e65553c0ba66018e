/*
 * sign_in_test.c - what a browser that signs in and out gets; tests the handler without an
 * exchange.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "browser/session.h"
#include "browser/sign_in.h"

#define HOST "demo.jobs.test"

static const unsigned char key[SESSION_KEY_LEN] = "a key for tests, 32 bytes of it";
static char *room;
static struct request request;
static struct field fields[2];
static struct local_call call;
static struct local_answer answer;

static int
setup(void **state)
{
	(void)state;
	room = malloc(LOCAL_ROOM); /* so that a byte too many is found */
	assert_non_null(room);
	request = (struct request){.method_id = METHOD_GET,
	    .authority = SLICE(HOST),
	    .path = SLICE("/.jobgate/sign-in"),
	    .fields = {.items = fields}};
	call = (struct local_call){.request = &request,
	    .request_id = SLICE("id"),
	    .job = SLICE("demo"),
	    .tls = true,
	    .session_key = key,
	    .session_ms = 60000,
	    .now_s = 1000,
	    .room = room};
	answer = (struct local_answer){0};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(room);
	return 0;
}

static void
come_from(const char *origin)
{
	request.method_id = METHOD_POST;
	fields[0] =
	    (struct field){.name = SLICE("Origin"), .value = slice_of(origin), .id = FIELD_ORIGIN};
	request.fields.count = 1;
}

static enum local_action
begin(void)
{
	answer = (struct local_answer){0};
	return sign_in_handler.begin(&call, &answer);
}

static bool
page_has(const char *text)
{
	return answer.page.len > 0 &&
	       memmem(answer.page.at, answer.page.len, text, strlen(text)) != NULL;
}

/* The value of a field of the answer; at is NULL when it is missing. */
static struct slice
value_of(const char *name)
{
	for (size_t i = 0; i < answer.field_count; i++)
		if (slice_equal(answer.fields[i].name, slice_of(name)))
			return answer.fields[i].value;
	return (struct slice){0};
}

/* ---- paths ---- */

static void
its_requests_are_those_below_one_path(void **state)
{
	(void)state;
	assert_true(sign_in_handler.handles(NULL, &request));
	request.path = SLICE("/.jobgate/");
	assert_true(sign_in_handler.handles(NULL, &request));
	request.path = SLICE("/.jobgate");
	assert_false(sign_in_handler.handles(NULL, &request));
	request.path = SLICE("/a/.jobgate/sign-in");
	assert_false(sign_in_handler.handles(NULL, &request));
}

static void
a_page_has_the_form(void **state)
{
	(void)state;
	assert_int_equal(begin(), LOCAL_ANSWER);
	assert_int_equal(answer.status, 200);
	assert_true(page_has("name=\"token\""));
	assert_true(page_has("request id"));
	request.path = SLICE("/.jobgate/sign-out");
	assert_int_equal(begin(), LOCAL_ANSWER);
	assert_false(page_has("name=\"token\""));
	assert_true(page_has("action=\"/.jobgate/sign-out\""));
	request.path = SLICE("/.jobgate/other");
	assert_int_equal(begin(), LOCAL_ANSWER);
	assert_int_equal(answer.status, 404);
	assert_int_equal(answer.page.len, 0);
}

static void
a_form_comes_from_its_own_page(void **state)
{
	static const char *const foreign[] = {"https://other.jobs.test", "http://" HOST, "null",
	    "https://" HOST ":444", "https://" HOST ".test"};

	(void)state;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		come_from(foreign[i]);
		assert_int_equal(begin(), LOCAL_ANSWER);
		assert_int_equal(answer.status, 403);
	}
	come_from("https://" HOST);
	assert_int_equal(begin(), LOCAL_CONTENT);
	request.method_id = METHOD_PUT;
	assert_int_equal(begin(), LOCAL_ANSWER);
	assert_int_equal(answer.status, 403);
	come_from("https://" HOST);
	request.path = SLICE("/.jobgate/sign-out");
	assert_int_equal(begin(), LOCAL_ANSWER);
	assert_int_equal(answer.outcome, OUTCOME_SIGNED_OUT);
	assert_true(slice_starts_with(value_of("Set-Cookie"), SLICE(SESSION_COOKIE "=;")));
}

/* ---- the form ---- */

static void
the_pasted_token_is_what_is_judged(void **state)
{
	static const struct {
		const char *form, *value;
	} cases[] = {
	    {"token=abc", "Bearer abc"},
	    {"to=%2Fx&token=+%09abc%0A", "Bearer abc"},
	    {"token=a%20b", "Bearer a b"},
	    {"token=", NULL},
	    {"token=+", NULL},
	    {"tokens=abc", NULL},
	    {"token=a&token=b", NULL},
	    {"", NULL},
	};
	char out[LOCAL_CREDENTIAL_MAX], longest[sizeof("token=") + 257] = "token=";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = sign_in_handler.credential(slice_of(cases[i].form), out);

		assert_true(slice_equal((struct slice){out, len},
		    slice_of(cases[i].value != NULL ? cases[i].value : "")));
	}
	memset(longest + 6, 'x', 256);
	assert_int_equal(sign_in_handler.credential(slice_of(longest), out), 7 + 256);
	longest[6 + 256] = 'x';
	assert_int_equal(sign_in_handler.credential(slice_of(longest), out), 0);
}

static enum local_action
decide(const char *form, enum verdict verdict, const struct token *token)
{
	answer = (struct local_answer){0};
	call.request = NULL;
	return sign_in_handler.decided(&call, slice_of(form), verdict, token, &answer);
}

static void
a_good_token_becomes_a_session_of_this_job(void **state)
{
	struct label label = {.name = SLICE("team"), .value = SLICE("blue")};
	const struct token token = {.id = SLICE("0123456789abcdef"),
	    .version = 7,
	    .hash = "first twelve and more",
	    .selector = {.items = &label, .count = 1}};
	struct session session;
	struct slice cookie;

	(void)state;
	assert_int_equal(decide("token=x&to=%2Fthere%3Fx", VERDICT_ALLOW, &token), LOCAL_ANSWER);
	assert_int_equal(answer.status, 303);
	assert_int_equal(answer.outcome, OUTCOME_SIGNED_IN);
	assert_true(slice_equal(value_of("Location"), SLICE("/there?x")));
	cookie = value_of("Set-Cookie");
	assert_non_null(memmem(cookie.at, cookie.len, "; Max-Age=60", 12));
	assert_true(slice_starts_with(cookie, SLICE(SESSION_COOKIE "=")));
	cookie = (struct slice){cookie.at + strlen(SESSION_COOKIE "="), SESSION_TEXT_LEN};
	assert_true(session_open(key, SLICE("demo"), cookie, 1059, &session));
	assert_int_equal(session.version, 7);
	assert_int_equal(session.expires_s, 1060);
	assert_memory_equal(session.mark, "first twelve", TOKEN_MARK_LEN);
	assert_false(session_open(key, SLICE("other"), cookie, 1000, &session));
	/* A job without a URL yet is one to sign in to; a path that leads away is not followed. */
	assert_int_equal(decide("to=//evil", VERDICT_NO_URL, &token), LOCAL_ANSWER);
	assert_true(slice_equal(value_of("Location"), SLICE("/")));
}

/* The job's code can read what is pasted on the job's host. */
static void
a_token_that_reaches_much_does_not_sign_in(void **state)
{
	struct label label = {.name = SLICE("team"), .value = SLICE("blue")};
	struct token token = {.id = SLICE("0123456789abcdef"), .role = ROLE_OPERATOR};

	(void)state;
	for (int scoped = 0; scoped < 2; scoped++) {
		token.selector = (struct label_set){.items = &label, .count = (size_t)scoped};
		assert_int_equal(decide("token=x&to=%2Fa", VERDICT_ALLOW, &token), LOCAL_ANSWER);
		assert_int_equal(answer.status, 403);
		assert_true(page_has("An operator&#39;s token does not sign in here."));
		assert_true(page_has("role=\"alert\"") && page_has("value=\"/a\""));
		assert_null(value_of("Set-Cookie").at);
	}
	token.role = ROLE_READ;
	token.selector.count = 0;
	assert_int_equal(decide("token=x", VERDICT_NO_URL, &token), LOCAL_ANSWER);
	assert_int_equal(answer.status, 403);
	assert_true(page_has("A token that reaches all jobs does not sign in here."));
	assert_null(value_of("Set-Cookie").at);
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
	    {VERDICT_BAD_CREDENTIAL, 400, "That is no token."},
	    {VERDICT_OUT_OF_SCOPE, 403, "does not reach this job"},
	    {VERDICT_NO_SUCH_JOB, 404, "does not reach this job"},
	    {VERDICT_UNAVAILABLE, 503, "cannot be checked"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    decide("token=x&to=%2Fthere", cases[i].verdict, NULL), LOCAL_ANSWER);
		assert_int_equal(answer.status, cases[i].status);
		assert_int_equal(answer.outcome, OUTCOME_REFUSED);
		assert_true(page_has(cases[i].text));
		assert_true(page_has("value=\"/there\""));
		assert_null(value_of("Set-Cookie").at);
	}
	call.limited = true;
	assert_int_equal(decide("token=x", VERDICT_INVALID_TOKEN, NULL), LOCAL_ANSWER);
	assert_int_equal(answer.status, 429);
	assert_int_equal(answer.outcome, OUTCOME_RATE_LIMITED);
	assert_true(page_has("Too many tokens"));
}

/* ---- refused requests for jobs ---- */

static bool
refuse(enum verdict verdict)
{
	answer = (struct local_answer){0};
	return sign_in_handler.refused(&call, verdict, &answer);
}

static void
a_person_without_a_session_is_asked_to_sign_in(void **state)
{
	(void)state;
	request.path = SLICE("/work");
	request.query = SLICE("?a=\"b");
	assert_true(refuse(VERDICT_NO_CREDENTIAL));
	assert_true(page_has("value=\"/work?a=&quot;b\""));
	assert_false(refuse(VERDICT_OUT_OF_SCOPE));
	/* An Authorization that is not ours may be the job's own. */
	assert_true(refuse(VERDICT_INVALID_TOKEN));
	assert_true(page_has("Paste a token for this job."));
	assert_false(page_has("sign-in has ended"));
	call.presented = true;
	assert_false(refuse(VERDICT_INVALID_TOKEN));
	call.by_session = true;
	assert_true(refuse(VERDICT_INVALID_TOKEN));
	assert_true(page_has("Your sign-in has ended"));
}

static void
without_sign_in_the_page_says_why(void **state)
{
	(void)state;
	call.host = LOCAL_HOST_OF_MANY;
	assert_true(refuse(VERDICT_NO_CREDENTIAL));
	assert_true(page_has("a host name for each job"));
	call.host = LOCAL_HOST_FIXED;
	assert_true(refuse(VERDICT_NO_CREDENTIAL));
	assert_true(page_has("beside one job"));
	call.host = LOCAL_HOST_OF_ONE;
	call.tls = false;
	assert_true(refuse(VERDICT_NO_CREDENTIAL));
	assert_true(page_has("needs TLS"));
	assert_false(page_has("<form"));
	request.authority =
	    SLICE("demo.localhost:8080"); /* browsers keep the cookie all the same */
	assert_true(refuse(VERDICT_NO_CREDENTIAL));
	assert_true(page_has("<form"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(its_requests_are_those_below_one_path),
	    TEST(a_page_has_the_form),
	    TEST(a_form_comes_from_its_own_page),
	    TEST(the_pasted_token_is_what_is_judged),
	    TEST(a_good_token_becomes_a_session_of_this_job),
	    TEST(a_token_that_reaches_much_does_not_sign_in),
	    TEST(a_bad_token_gets_the_page_again),
	    TEST(a_person_without_a_session_is_asked_to_sign_in),
	    TEST(without_sign_in_the_page_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
