/* pages_test.c - what the handlers share: the form's credential, cookies, sentences, redirects. */
#include "handler_world.h"

static void
a_page_names_job_and_request(void **state)
{
	struct page page = {.title = SLICE("A title"), .message = SLICE("A sentence.")};

	(void)state;
	call.job = SLICE("<b>\"demo\"");
	assert_int_equal(pages_show(&call, &answer, OUTCOME_REFUSED, 403, &page), LOCAL_ANSWER);
	ASSERT_PAGE(403, "A sentence.");
	assert_int_equal(answer.outcome, OUTCOME_REFUSED);
	assert_true(page_has("&lt;b&gt;&quot;demo&quot;") && !page_has("<b>"));
	assert_true(page_has("request id"));
	assert_true(slice_equal(answer.title, SLICE("A title")));
	assert_true(slice_equal(answer.detail, SLICE("A sentence.")));
	assert_ptr_equal(answer.page.at, room);
	assert_true(answer.page.len < PAGE_MAX);
}

static void
plain_refusals(void **state)
{
	(void)state;
	assert_int_equal(pages_not_found(&answer), LOCAL_ANSWER);
	ASSERT_REFUSED(404);
	assert_int_equal(pages_foreign(&answer), LOCAL_ANSWER);
	ASSERT_REFUSED(403);
	assert_int_equal(pages_refuse(&answer, 400, SLICE("title"), SLICE("detail")), LOCAL_ANSWER);
	ASSERT_REFUSED(400);
	assert_int_equal(answer.outcome, OUTCOME_BAD_REQUEST);
}

static void
a_redirect_has_one_location(void **state)
{
	(void)state;
	pages_redirect(&answer, OUTCOME_SIGNED_IN, SLICE("/there"));
	assert_int_equal(answer.status, 303);
	assert_int_equal(answer.outcome, OUTCOME_SIGNED_IN);
	assert_int_equal(answer.field_count, 1);
	ASSERT_GOES_TO("/there");
}

/* ---- the form ---- */

static struct slice
credential_of(struct slice form)
{
	static char out[LOCAL_CREDENTIAL_MAX];

	return (struct slice){out, pages_credential(form, out)};
}

static void
a_field_becomes_a_credential(void **state)
{
	static const struct {
		struct slice form, value;
	} cases[] = {
	    {SLICE("token=abc"), SLICE("Bearer abc")},
	    {SLICE("a=b&token=abc&c=d"), SLICE("Bearer abc")},
	    {SLICE("token=%0d%0a+abc%00"), SLICE("Bearer abc")},
	    {SLICE("token=a%0d%0aX-Jobgate-Role:+operator"),
		SLICE("Bearer a\r\nX-Jobgate-Role: operator")}, /* judged, never sent */
	    {SLICE("token=%C3%A4"), SLICE("Bearer \xc3\xa4")},
	    {SLICE("token=Bearer+abc"), SLICE("Bearer Bearer abc")},
	    {SLICE("token=%zz%4"), SLICE("Bearer %zz%4")}, /* as the WHATWG URL standard decodes */
	};
	static const struct slice none[] = {SLICE(""), SLICE("token"), SLICE("token="),
	    SLICE("token=%20%09"), SLICE("token=&token=abc"), SLICE("token=abc&token=abc"),
	    SLICE("Token=abc"), SLICE("xtoken=abc"), SLICE("token[]=abc"), SLICE("&&&"),
	    SLICE("\0token=abc")};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!slice_equal(credential_of(cases[i].form), cases[i].value))
			fail_msg("%.*s", (int)cases[i].form.len, cases[i].form.at);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (credential_of(none[i]).len > 0)
			fail_msg("%.*s", (int)none[i].len, none[i].at);
}

static void
a_credential_has_a_longest_form(void **state)
{
	char form[4 * TOKEN_TEXT_MAX + 16];
	size_t name = sizeof("token=") - 1;

	(void)state;
	memcpy(form, "token=", name);
	memset(form + name, 'x', sizeof(form) - name);
	assert_int_equal(
	    credential_of((struct slice){form, name + TOKEN_TEXT_MAX}).len, 7 + TOKEN_TEXT_MAX);
	assert_int_equal(credential_of((struct slice){form, name + TOKEN_TEXT_MAX + 1}).len, 0);
	assert_int_equal(credential_of((struct slice){form, sizeof(form)}).len, 0);
	/* Blanks around it do not count, as long as they fit. */
	memset(form + name + TOKEN_TEXT_MAX, '+', sizeof(form) - name - TOKEN_TEXT_MAX);
	assert_int_equal(
	    credential_of((struct slice){form, name + TOKEN_TEXT_MAX + 9}).len, 7 + TOKEN_TEXT_MAX);
	assert_int_equal(credential_of((struct slice){form, sizeof(form)}).len, 0);
}

/* ---- cookies ---- */

static void
cookies_need_tls_or_this_machine(void **state)
{
	static const struct {
		const char *host;
		bool kept;
	} cases[] = {
	    {JOB_HOST, false},
	    {"demo.localhost", true},
	    {"demo.localhost:8080", true},
	    {"DEMO.LocalHost", true},
	    {"localhost", false},
	    {".localhost", false},
	    {"demolocalhost", false},
	    {"demo.localhost.test", false},
	    {"demo.localhost.", false},
	    {"127.0.0.1:80", false},
	    {"[::1]", false},
	    {":80", false},
	    {"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request.authority = slice_of(cases[i].host);
		call.tls = true;
		assert_true(pages_cookie_can_be_kept(&call));
		call.tls = false;
		if (pages_cookie_can_be_kept(&call) != cases[i].kept)
			fail_msg("%s", cases[i].host);
	}
}

/* ---- sentences ---- */

static void
each_verdict_has_a_sentence(void **state)
{
	static const enum verdict verdicts[] = {VERDICT_INVALID_TOKEN, VERDICT_EXPIRED,
	    VERDICT_OTHER_ADDRESS, VERDICT_BAD_CREDENTIAL, VERDICT_UNAVAILABLE,
	    VERDICT_OUT_OF_SCOPE};
	struct slice reasons[sizeof(verdicts) / sizeof(verdicts[0])];
	size_t count = sizeof(verdicts) / sizeof(verdicts[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		reasons[i] = pages_reason(&call, verdicts[i]);
		assert_int_equal(reasons[i].at[reasons[i].len - 1], '.');
		for (size_t j = 0; j < i; j++)
			assert_false(slice_equal(reasons[i], reasons[j]));
	}
	/* Which of these it is would tell whether the job exists. */
	assert_true(slice_equal(
	    pages_reason(&call, VERDICT_OUT_OF_SCOPE), pages_reason(&call, VERDICT_NO_SUCH_JOB)));
	call.limited = true;
	assert_non_null(strstr(pages_reason(&call, VERDICT_INVALID_TOKEN).at, "Too many tokens"));
	assert_true(slice_equal(pages_reason(&call, VERDICT_EXPIRED), reasons[1]));
}

static void
only_get_and_head_ask(void **state)
{
	(void)state;
	assert_true(pages_is_get(&request));
	request.method_id = METHOD_HEAD;
	assert_true(pages_is_get(&request));
	request.method_id = METHOD_POST;
	assert_false(pages_is_get(&request));
	request.method_id = METHOD_OTHER;
	assert_false(pages_is_get(&request));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_page_names_job_and_request),
	    TEST(plain_refusals),
	    TEST(a_redirect_has_one_location),
	    TEST(a_field_becomes_a_credential),
	    TEST(a_credential_has_a_longest_form),
	    TEST(cookies_need_tls_or_this_machine),
	    TEST(each_verdict_has_a_sentence),
	    TEST(only_get_and_head_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
