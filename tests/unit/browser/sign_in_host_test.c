/* sign_in_host_test.c - the host where people sign in for all jobs: whom it answers, and how. */
#include "handler_world.h"

#include "browser/return_address.h"
#include "browser/sign_in_host.h"

static char form[32 * 1024];

static enum local_action
begin(void)
{
	answer = (struct local_answer){0};
	return sign_in_host_handler.begin(&call, &answer);
}

static enum local_action
get(const char *path)
{
	request.path = slice_of(path);
	return begin();
}

/* ---- pages ---- */

static void
each_path_has_a_page(void **state)
{
	static const char *const none[] = {
	    "/x", "/sign-in/", "/.jobgate/sign-in", "//", "", "/Sign-in"};

	(void)state;
	assert_true(sign_in_host_handler.handles(NULL, &request));
	assert_int_equal(get("/"), LOCAL_CLAIM);
	assert_int_equal(get("/sign-out"), LOCAL_ANSWER);
	ASSERT_PAGE(200, "action=\"/sign-out\"");
	assert_int_equal(get("/signed-out"), LOCAL_ANSWER);
	ASSERT_PAGE(200, "signed out of all jobs");
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_int_equal(get(none[i]), LOCAL_ANSWER);
		ASSERT_REFUSED(404);
	}
	request.method_id = METHOD_POST;
	assert_int_equal(get("/"), LOCAL_ANSWER);
	ASSERT_REFUSED(404);
}

/* A code is made for what people see alone: no other page can have the browser fetch one. */
static void
only_a_page_load_is_judged(void **state)
{
	(void)state;
	visit_from(SITE_ENCODED "%2Flab");
	assert_int_equal(begin(), LOCAL_CLAIM);
	add_field(FIELD_SEC_FETCH_DEST, "Sec-Fetch-Dest", "iframe");
	assert_int_equal(begin(), LOCAL_ANSWER);
	ASSERT_PAGE(200, "name=\"token\"");
	request.fields.count = 0;
	add_field(FIELD_SEC_FETCH_MODE, "Sec-Fetch-Mode", "no-cors");
	assert_int_equal(begin(), LOCAL_ANSWER);
	ASSERT_PAGE(200, "name=\"token\"");
	/* The form of this page may lead to that site alone. */
	assert_non_null(memmem(answer.policy.at, answer.policy.len, "form-action 'self' " SITE ";",
	    sizeof("form-action 'self' " SITE ";") - 1));
}

/* ---- addresses ---- */

static void
expect_bad_address(void)
{
	char origin[64];

	assert_int_equal(begin(), LOCAL_ANSWER);
	ASSERT_PAGE(400, "does not lead back to a job");
	snprintf(origin, sizeof(origin), "https://%.*s", (int)request.authority.len,
	    request.authority.at);
	come_from(origin);
	assert_int_equal(begin(), LOCAL_ANSWER);
	ASSERT_PAGE(400, "does not lead back to a job");
	request.method_id = METHOD_GET;
	request.fields.count = 0;
}

static void
it_leads_to_jobs_of_this_listener_only(void **state)
{
	static const char *const places[] = {"", "/", "%2Flab", "http%3A%2F%2F" JOB_HOST "%2F",
	    SITE_ENCODED, SITE_ENCODED "%3A8443%2F", SITE_ENCODED "%3A80%2F",
	    SITE_ENCODED "%40evil.test%2F", SITE_ENCODED "%2F%2Fevil.test%2F",
	    SITE_ENCODED "%2F%5Cevil.test", SITE_ENCODED "%5C%2F", SITE_ENCODED "%2Fa%2F..%2Fb",
	    SITE_ENCODED "%2Flab%23there", SITE_ENCODED "%2F.jobgate%2Fsign-out",
	    SITE_ENCODED "%2Fa%0D%0AX%3A+y", SITE_ENCODED "%2F%00", "javascript%3Aalert(1)",
	    "https%3A%2F%2F%2Flab", "https%3A%2F%2F%5B%3A%3A1%2F", "+" SITE_ENCODED "%2F"};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		visit_from(places[i]);
		expect_bad_address();
	}
	/* A site without a job: what the exchange has found out. */
	visit_from(SITE_ENCODED "%2F");
	call.job = SLICE("");
	expect_bad_address();
	call.job = SLICE("demo");
	call.tls = false; /* the cookie could not be kept */
	visit_from("http%3A%2F%2F" JOB_HOST "%2F");
	assert_int_equal(begin(), LOCAL_ANSWER);
	ASSERT_PAGE(400, "does not lead back to a job");
}

static void
ports_are_those_of_the_listener(void **state)
{
	(void)state;
	visit_from(SITE_ENCODED "%3A443%2F"); /* the same as none */
	assert_int_equal(begin(), LOCAL_CLAIM);
	request.authority = SLICE(SIGN_IN_HOST ":8443");
	visit_from(SITE_ENCODED "%3A8443%2F");
	assert_int_equal(begin(), LOCAL_CLAIM);
	visit_from(SITE_ENCODED "%2F");
	expect_bad_address();
}

static void
a_visit_has_one_address_and_one_nonce(void **state)
{
	static const struct {
		const char *before;
		int digits; /* of the nonce's digest */
		const char *behind;
	} cases[] = {
	    {"", 64, ""},
	    {"to=" SITE_ENCODED "%2F", 0, ""},
	    {"to=" SITE_ENCODED "%2F", 63, ""},
	    {"to=" SITE_ENCODED "%2F", 64, "0"},
	    {"to=" SITE_ENCODED "%2F", 63, "g"},
	    {"to=" SITE_ENCODED "%2F", 63, "%00"},
	    {"to=" SITE_ENCODED "%2F", 64, "&nonce="},
	    {"to=" SITE_ENCODED "%2F&to=" SITE_ENCODED "%2F", 64, ""},
	    {"to=" SITE_ENCODED "%2F&to=", 64, ""},
	};
	static const char *const without[] = {"", "?", "?to=" SITE_ENCODED "%2F", "&&&"};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		request.query = slice_of(without[i]);
		expect_bad_address();
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "?%s&nonce=%.*s%s", cases[i].before, cases[i].digits,
		    nonce_hex(), cases[i].behind);
		request.query = slice_of(text);
		expect_bad_address();
	}
}

/* ---- the form ---- */

static void
a_form_comes_from_its_own_page(void **state)
{
	static const char *const foreign[] = {"https://evil.test", SITE, "null", "",
	    "http://" SIGN_IN_HOST, "https://" SIGN_IN_HOST ":444"};

	(void)state;
	visit_from(SITE_ENCODED "%2F");
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		come_from(foreign[i]);
		assert_int_equal(get("/sign-in"), LOCAL_ANSWER);
		ASSERT_REFUSED(403);
		assert_int_equal(get("/sign-out"), LOCAL_ANSWER);
		ASSERT_REFUSED(403);
	}
	request.fields.count = 0;
	assert_int_equal(get("/sign-in"), LOCAL_ANSWER);
	ASSERT_REFUSED(403);
	come_from("https://" SIGN_IN_HOST);
	request.method_id = METHOD_PUT;
	assert_int_equal(get("/sign-in"), LOCAL_ANSWER);
	ASSERT_REFUSED(403);
	come_from("https://" SIGN_IN_HOST);
	assert_int_equal(get("/sign-in"), LOCAL_CONTENT);
	add_sign_in_cookie(SIGN_IN_HOST_PURPOSE, NOW_S + 1);
	assert_int_equal(get("/sign-out"), LOCAL_ASK);
	assert_true(slice_equal(answer.ask_path, SLICE(CONTROL_SIGN_OUT_PATH)));
	ASSERT_GOES_TO("/signed-out");
}

/* What counts as the beginning of the form: the earlier sign-in, then the query. */
static void
expect_before(const char *old)
{
	assert_int_equal(begin(), LOCAL_CONTENT);
	snprintf(form, sizeof(form), "old=%s&%s&", old, query + 1);
	if (!slice_equal(answer.before, slice_of(form)))
		fail_msg("%.*s is not %s", (int)answer.before.len, answer.before.at, form);
}

static void
the_earlier_sign_in_is_that_of_the_cookie(void **state)
{
	(void)state;
	visit_from(SITE_ENCODED "%2F");
	come_from("https://" SIGN_IN_HOST);
	expect_before("");
	add_sign_in_cookie(SIGN_IN_HOST_PURPOSE, NOW_S + 1);
	expect_before(SIGN_IN_ID_TEXT);
	request.fields.count = 1;
	add_sign_in_cookie(SIGN_IN_HOST_PURPOSE, NOW_S); /* over */
	expect_before("");
	request.fields.count = 1;
	add_sign_in_cookie(SLICE("demo"), NOW_S + 1); /* of a job's host */
	expect_before("");
	request.fields.count = 1;
	add_field(FIELD_COOKIE, "Cookie", SESSION_COOKIE "=" SIGN_IN_ID_TEXT);
	expect_before("");
}

static void
a_query_has_a_longest_form(void **state)
{
	size_t len;

	(void)state;
	come_from("https://" SIGN_IN_HOST);
	len = strlen(visit_from(SITE_ENCODED "%2F")) + 1;
	/* With "old=", two '&' and what is to be added, it may be as long as a form. */
	memset(query + len, 'x', sizeof(query) - len);
	query[len] = '&';
	request.query = (struct slice){query, 1 + sign_in_host_handler.content_max - 6};
	assert_int_equal(begin(), LOCAL_CONTENT);
	assert_int_equal(answer.before.len, sign_in_host_handler.content_max);
	request.query.len++;
	assert_int_equal(begin(), LOCAL_ANSWER);
	ASSERT_PAGE(400, "does not lead back to a job");
	request.query.len = sizeof(query);
	assert_int_equal(begin(), LOCAL_ANSWER);
	ASSERT_PAGE(400, "does not lead back to a job");
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_host, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(each_path_has_a_page),
	    TEST(only_a_page_load_is_judged),
	    TEST(it_leads_to_jobs_of_this_listener_only),
	    TEST(ports_are_those_of_the_listener),
	    TEST(a_visit_has_one_address_and_one_nonce),
	    TEST(a_form_comes_from_its_own_page),
	    TEST(the_earlier_sign_in_is_that_of_the_cookie),
	    TEST(a_query_has_a_longest_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
