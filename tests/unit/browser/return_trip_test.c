/* return_trip_test.c - a job's host: the way to the sign-in host, and the other paths. */
#include "handler_world.h"

#include "browser/return_trip.h"

#define WAY "https://" SIGN_IN_HOST "/sign-in?to="
#define NOT_SIGNED_IN OUR_PATHS "not-signed-in"

/* ---- there ---- */

static void
only_what_people_see_is_a_page_load(void **state)
{
	static const struct {
		enum method_id method;
		const char *dest, *mode, *upgrade;
		bool loads;
	} cases[] = {
	    {METHOD_GET, NULL, NULL, "", true},
	    {METHOD_HEAD, NULL, NULL, "", true},
	    {METHOD_GET, "document", "navigate", "", true},
	    {METHOD_POST, "document", "navigate", "", false},
	    {METHOD_OTHER, NULL, NULL, "", false},
	    {METHOD_GET, "iframe", "navigate", "", false},
	    {METHOD_GET, "document", "cors", "", false},
	    {METHOD_GET, "empty", "cors", "", false},
	    {METHOD_GET, "image", NULL, "", false},
	    {METHOD_GET, NULL, "no-cors", "", false},
	    {METHOD_GET, "Document", "navigate", "", false},
	    {METHOD_GET, NULL, NULL, "websocket", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request.fields.count = 0;
		request.method_id = cases[i].method;
		request.upgrade = slice_of(cases[i].upgrade);
		if (cases[i].dest != NULL)
			add_field(FIELD_SEC_FETCH_DEST, "Sec-Fetch-Dest", cases[i].dest);
		if (cases[i].mode != NULL)
			add_field(FIELD_SEC_FETCH_MODE, "Sec-Fetch-Mode", cases[i].mode);
		if (return_trip_is_page_load(&request) != cases[i].loads)
			fail_msg("case %zu", i);
	}
}

static bool
starts(struct slice to)
{
	answer = (struct local_answer){0};
	return return_trip_start(&call, to, &answer);
}

/* The nonce that the browser gets; its digest is in the address. */
static struct slice
nonce_given(void)
{
	struct slice cookie = value_of("Set-Cookie"), location = value_of("Location"), nonce;
	unsigned char digest[NONCE_DIGEST_LEN];
	char hex[2 * NONCE_DIGEST_LEN + 1];

	assert_true(slice_starts_with(cookie, SLICE(NONCE_COOKIE "=")));
	assert_non_null(memmem(cookie.at, cookie.len, COOKIE_ATTRIBUTES "; Max-Age=600",
	    sizeof(COOKIE_ATTRIBUTES) + 12));
	nonce = (struct slice){cookie.at + strlen(NONCE_COOKIE "="), NONCE_TEXT_LEN};
	assert_true(nonce_digest(nonce, digest));
	jg_token_hash_format(digest, hex);
	assert_memory_equal(location.at + location.len - strlen(hex), hex, strlen(hex));
	assert_null(memmem(location.at, location.len, nonce.at, nonce.len));
	return nonce;
}

static void
expect_way(const char *way)
{
	struct slice location = value_of("Location");

	assert_int_equal(answer.status, 303);
	assert_int_equal(answer.outcome, OUTCOME_REFUSED);
	if (!slice_starts_with(location, slice_of(way)) ||
	    !slice_starts_with(slice_after(location, strlen(way)), SLICE("&nonce=")))
		fail_msg("%.*s is not %s", (int)location.len, location.at, way);
	assert_int_equal(location.len, strlen(way) + strlen("&nonce=") + 64);
}

static void
the_way_has_the_address_and_a_nonce(void **state)
{
	(void)state;
	assert_true(starts(SLICE("/lab?a=b&nonce=x&to=y%20z")));
	expect_way(WAY "https%3A%2F%2F" JOB_HOST "%2Flab%3Fa%3Db%26nonce%3Dx%26to%3Dy%2520z");
	nonce_given();
	/* The same listener serves both hosts, so the port is the same. */
	request.authority = SLICE(JOB_HOST ":8443");
	assert_true(starts(SLICE("/")));
	expect_way("https://" SIGN_IN_HOST ":8443/sign-in?to=https%3A%2F%2F" JOB_HOST "%3A8443%2F");
	call.tls = false;
	assert_true(starts(SLICE("/")));
	expect_way("http://" SIGN_IN_HOST ":8443/sign-in?to=http%3A%2F%2F" JOB_HOST "%3A8443%2F");
}

/* Otherwise the code that another tab waits for would not open. */
static void
a_nonce_is_kept(void **state)
{
	(void)state;
	add_field(FIELD_COOKIE, "Cookie", "a=b; " NONCE_COOKIE "=" NONCE);
	assert_true(starts(SLICE("/")));
	assert_true(slice_equal(nonce_given(), SLICE(NONCE)));
}

static void
a_nonce_that_is_not_ours_is_replaced(void **state)
{
	static const char *const cookies[] = {NONCE_COOKIE "=", NONCE_COOKIE "=" NONCE "x",
	    NONCE_COOKIE "=abcdefghijklmnopqrstuvwxyz01234",
	    NONCE_COOKIE "=abcdefghijklmnopqrstuvwxyz01234\"",
	    NONCE_COOKIE "=abcdefghijklmnopqrstuvwxyz01234,",
	    NONCE_COOKIE "=" NONCE "; " NONCE_COOKIE "=" NONCE, "x" NONCE_COOKIE "=" NONCE};
	char last[NONCE_TEXT_LEN] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cookies) / sizeof(cookies[0]); i++) {
		struct slice given;

		request.fields.count = 0;
		add_field(FIELD_COOKIE, "Cookie", cookies[i]);
		assert_true(starts(SLICE("/")));
		given = nonce_given();
		assert_false(slice_equal(given, SLICE(NONCE)));
		assert_memory_not_equal(given.at, last, NONCE_TEXT_LEN);
		memcpy(last, given.at, NONCE_TEXT_LEN);
	}
}

/* The browser comes back to the job's first page instead. */
static void
an_address_that_cannot_be_written_leads_to_the_start(void **state)
{
	static char longest[PAGE_TO_MAX + 1];
	static const struct slice bad[] = {SLICE("//evil.test/"), SLICE("/\\evil.test"), SLICE(""),
	    SLICE("x"), SLICE("https://evil.test/"), SLICE(OUR_PATHS "sign-in"), SLICE("/a\nb"),
	    SLICE("/a/../b"), {longest, sizeof(longest)}};

	(void)state;
	memset(longest, ' ' + 1, sizeof(longest)); /* each becomes three bytes */
	longest[0] = '/';
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(starts(bad[i]));
		expect_way(WAY "https%3A%2F%2F" JOB_HOST "%2F");
	}
	assert_true(starts((struct slice){longest, PAGE_TO_MAX}));
	assert_true(value_of("Location").len > (size_t)3 * PAGE_TO_MAX);
	nonce_given();
}

static void
a_host_that_is_none_leads_nowhere(void **state)
{
	static const char *const hosts[] = {
	    "", "x@evil.test", "evil.test/", "a b", JOB_HOST ":99999", "[::1"};

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		request.authority = slice_of(hosts[i]);
		assert_false(starts(SLICE("/")));
	}
}

/* ---- the other paths ---- */

static enum local_action
serve(const char *path)
{
	answer = (struct local_answer){0};
	request.path = slice_of(path);
	return return_trip_serve(&call, &answer);
}

static void
each_path_has_a_page(void **state)
{
	(void)state;
	assert_int_equal(serve(NOT_SIGNED_IN), LOCAL_ANSWER);
	ASSERT_PAGE(400, "signs in once");
	assert_int_equal(serve(OUR_PATHS "try-again"), LOCAL_ANSWER);
	ASSERT_PAGE(503, "Wait a moment");
	assert_int_equal(serve(OUR_PATHS "sign-out"), LOCAL_ANSWER);
	ASSERT_PAGE(200, "action=\"" OUR_PATHS "sign-out\"");
	assert_int_equal(serve(OUR_PATHS "signed-out"), LOCAL_ANSWER);
	ASSERT_PAGE(200, "signed out of all jobs");
	for (size_t i = 0; i < 3; i++) {
		static const char *const none[] = {
		    OUR_PATHS, OUR_PATHS "sign-in/", OUR_PATHS "Signed-in"};

		assert_int_equal(serve(none[i]), LOCAL_ANSWER);
		ASSERT_REFUSED(404);
	}
}

/* nginx sends the browser here, with the path that was asked for. */
static void
another_proxy_sends_browsers_here(void **state)
{
	(void)state;
	request.query = SLICE("?to=/lab%3Fa");
	assert_int_equal(serve(OUR_PATHS "sign-in"), LOCAL_ANSWER);
	expect_way(WAY "https%3A%2F%2F" JOB_HOST "%2Flab%3Fa");
	for (size_t i = 0; i < 5; i++) {
		static const char *const bad[] = {"", "?to=//evil.test/", "?to=https://evil.test/",
		    "?to=" OUR_PATHS "sign-in", "?to=/a&to=/b"};

		request.query = slice_of(bad[i]);
		assert_int_equal(serve(OUR_PATHS "sign-in"), LOCAL_ANSWER);
		expect_way(WAY "https%3A%2F%2F" JOB_HOST "%2F");
	}
}

static void
a_form_signs_out_from_its_own_page(void **state)
{
	static const char *const foreign[] = {"https://other.jobs.test", "http://" JOB_HOST, "null",
	    "https://" SIGN_IN_HOST, "https://" JOB_HOST ":444", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		come_from(foreign[i]);
		assert_int_equal(serve(OUR_PATHS "sign-out"), LOCAL_ANSWER);
		ASSERT_REFUSED(403);
	}
	request.fields.count = 0;
	assert_int_equal(serve(OUR_PATHS "sign-out"), LOCAL_ANSWER);
	ASSERT_REFUSED(403);
	come_from("https://" JOB_HOST);
	request.method_id = METHOD_OTHER;
	assert_int_equal(serve(OUR_PATHS "sign-out"), LOCAL_ANSWER);
	ASSERT_REFUSED(403);
	come_from("https://" JOB_HOST);
	assert_int_equal(serve(OUR_PATHS "signed-in"), LOCAL_ANSWER);
	ASSERT_REFUSED(404);
	add_sign_in_cookie(SLICE("demo"), NOW_S + 1);
	assert_int_equal(serve(OUR_PATHS "sign-out"), LOCAL_ASK);
	assert_true(slice_equal(answer.ask_path, SLICE(CONTROL_SIGN_OUT_PATH)));
	ASSERT_GOES_TO(OUR_PATHS "signed-out");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(only_what_people_see_is_a_page_load),
	    TEST(the_way_has_the_address_and_a_nonce),
	    TEST(a_nonce_is_kept),
	    TEST(a_nonce_that_is_not_ours_is_replaced),
	    TEST(an_address_that_cannot_be_written_leads_to_the_start),
	    TEST(a_host_that_is_none_leads_nowhere),
	    TEST(each_path_has_a_page),
	    TEST(another_proxy_sends_browsers_here),
	    TEST(a_form_signs_out_from_its_own_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
