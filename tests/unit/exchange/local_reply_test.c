/* local_reply_test.c - local replies: their fields, and content that parses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "check_catch.h"
#include "exchange/local_reply.h"
#include "http/head.h"
#include "jobgate/local_handler.h"

static struct local_reply reply;
static const struct slice id = SLICE("0123456789abcdef0123456789abcdef");

#define FORM(is_html, is_head)                                                                \
	&(struct reply_form)                                                                  \
	{                                                                                     \
		.request_id = id, .job = SLICE("<job>"), .html = (is_html), .head = (is_head) \
	}

/* The value of a field of the answer; it must not be there twice. */
static struct slice
field(const char *name)
{
	const struct fields *fields = &reply.response.fields;
	struct slice value = {0};

	assert_true(fields->count <= LOCAL_REPLY_FIELDS_MAX);
	for (size_t i = 0; i < fields->count; i++) {
		if (!slice_equal_nocase(fields->items[i].name, slice_of(name)))
			continue;
		assert_null(value.at);
		value = fields->items[i].value;
	}
	return value;
}

static void
expect_field(const char *name, const char *value)
{
	struct slice got = field(name);

	if (got.at == NULL || !slice_equal(got, slice_of(value)))
		fail_msg("%s: %.*s", name, (int)got.len, got.at != NULL ? got.at : "");
}

static bool
contains(struct slice text, const char *part)
{
	return memmem(text.at, text.len, part, strlen(part)) != NULL;
}

static void
problem_details(void **state)
{
	(void)state;
	local_reply_make(
	    &reply, 413, SLICE("Too large"), SLICE("It is too large."), FORM(false, false));
	assert_int_equal(reply.response.status, 413);
	assert_int_equal(reply.response.content, CONTENT_LENGTH);
	assert_int_equal(reply.response.length, reply.content.len);
	assert_true(slice_equal(
	    reply.content, SLICE("{\"type\":\"about:blank\",\"title\":\"Too large\",\"status\":413,"
				 "\"detail\":\"It is too large.\","
				 "\"request_id\":\"0123456789abcdef0123456789abcdef\","
				 "\"error\":{\"message\":\"It is too large.\","
				 "\"type\":\"invalid_request_error\",\"code\":\"too_large\"}}\n")));
	expect_field("Content-Type", "application/problem+json");
	expect_field("Cache-Control", "no-store");
	assert_null(field("Retry-After").at);
	assert_null(field("Allow").at);
	assert_null(field("WWW-Authenticate").at);
}

/* The value of the n-th WWW-Authenticate. */
static struct slice
challenge(size_t n)
{
	const struct fields *fields = &reply.response.fields;

	for (size_t i = 0; i < fields->count; i++)
		if (slice_equal(fields->items[i].name, SLICE("WWW-Authenticate")) && n-- == 0)
			return fields->items[i].value;
	return (struct slice){0};
}

static void
basic_is_offered_in_a_field_of_its_own(void **state)
{
	char realm[200];

	(void)state;
	local_reply_for_verdict(
	    &reply, VERDICT_INVALID_TOKEN, (struct slice){0}, SLICE("a \"b\""), FORM(false, false));
	local_reply_offer_basic(&reply, SLICE("a \"b\""));
	assert_true(slice_equal(
	    challenge(0), SLICE("Bearer realm=\"a \\\"b\\\"\", error=\"invalid_token\"")));
	assert_true(slice_equal(challenge(1), SLICE("Basic realm=\"a \\\"b\\\"\"")));
	memset(realm, 'x', sizeof(realm));
	local_reply_for_verdict(&reply, VERDICT_NO_CREDENTIAL, (struct slice){0},
	    (struct slice){realm, sizeof(realm)}, FORM(false, false));
	local_reply_offer_basic(&reply, (struct slice){realm, sizeof(realm)});
	assert_true(slice_equal(challenge(1), SLICE("Basic realm=\"\"")));
	assert_null(challenge(2).at);
}

static void
pages_for_people(void **state)
{
	(void)state;
	local_reply_make(&reply, 404, SLICE("Nothing"), SLICE("Send: <token>."), FORM(true, false));
	expect_field("Content-Type", "text/html; charset=utf-8");
	expect_field("Cache-Control", "no-store");
	assert_true(contains(reply.content, "<title>Nothing</title>"));
	assert_true(contains(reply.content, "Send: &lt;token&gt;."));
	assert_false(contains(reply.content, "<token>"));
	assert_true(contains(reply.content, "<p class=\"job\">&lt;job&gt;</p>"));
	assert_true(contains(reply.content, "role=\"alert\""));
	assert_true(contains(reply.content, "Check the address."));
	expect_field("X-Content-Type-Options", "nosniff");
	expect_field("Referrer-Policy", "same-origin");
	expect_field("Cross-Origin-Opener-Policy", "same-origin");
	assert_true(contains(field("Content-Security-Policy"), "default-src 'none'"));
	assert_true(contains(reply.content, "request 0123456789abcdef0123456789abcdef"));
	assert_true(contains(reply.content, "</html>\n"));
	assert_int_equal(reply.response.length, reply.content.len);
}

static void
pages_say_what_to_do(void **state)
{
	static const struct {
		const char *title, *next;
		unsigned status;
	} cases[] = {
	    {"Out of scope", "Ask the person who runs this job for a token that", 403},
	    {"Address not allowed", "or ask for a token without this limit.", 403},
	    {"Foreign origin", "Open the page at its own address", 403},
	    {"No such job", "The job may have ended.", 404},
	    {"Not found", "<p>Check the address.</p>", 404},
	    {"Store unavailable", "load the page again.", 503},
	    {"Bad gateway", "If it stays like this, ask", 502},
	};
	struct reply_form form = *FORM(true, false);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		local_reply_make(
		    &reply, cases[i].status, slice_of(cases[i].title), SLICE("Why."), &form);
		assert_true(contains(reply.content, cases[i].next));
		assert_true(contains(reply.content, "role=\"alert\""));
	}
	form.waits = true; /* it would be read aloud every few seconds */
	local_reply_make(&reply, 503, SLICE("Job is starting"), SLICE("Why."), &form);
	assert_true(contains(reply.content, "If it stays like this, ask"));
	assert_true(contains(reply.content, "role=\"status\""));
	assert_false(contains(reply.content, "load the page again"));
}

/* All of it is in the head: HTTP/2 sends it as trailers only. */
static void
replies_of_grpc(void **state)
{
	(void)state;
	local_reply_make(&reply, 429, SLICE("t"), SLICE("100% too many."), FORM(false, false));
	local_reply_retry_after(&reply, 9);
	local_reply_for_grpc(&reply, SLICE("application/grpc+proto"), GRPC_UNAVAILABLE);
	assert_int_equal(reply.response.status, 200);
	assert_int_equal(reply.response.content, CONTENT_LENGTH);
	assert_true(reply.response.length == 0 && !reply.response.length_known);
	assert_int_equal(reply.content.len, 0);
	expect_field("Content-Type", "application/grpc+proto");
	expect_field("grpc-status", "14");
	expect_field("grpc-message", "100%25 too many.");
	expect_field("Cache-Control", "no-store");
	expect_field("Retry-After", "9");
	local_reply_for_verdict(
	    &reply, VERDICT_INVALID_TOKEN, (struct slice){0}, SLICE("r"), FORM(false, false));
	local_reply_for_grpc(&reply, SLICE("application/grpc"), GRPC_UNAUTHENTICATED);
	expect_field("grpc-status", "16");
	expect_field("WWW-Authenticate", "Bearer realm=\"r\", error=\"invalid_token\"");
}

/* HEAD gets the head that GET would get (RFC 9110 section 9.3.2), and nothing behind it. */
static void
answers_to_head(void **state)
{
	uint64_t length;

	(void)state;
	for (int html = 0; html < 2; html++) {
		local_reply_make(&reply, 400, SLICE("t"), SLICE("d"), FORM(html, false));
		length = reply.response.length;
		assert_true(length > 0);
		local_reply_make(&reply, 400, SLICE("t"), SLICE("d"), FORM(html, true));
		assert_int_equal(reply.response.content, CONTENT_NONE);
		assert_true(reply.response.length_known);
		assert_int_equal(reply.response.length, length);
		assert_int_equal(reply.content.len, 0);
	}
}

static void
fields_that_a_status_needs(void **state)
{
	(void)state;
	local_reply_make(&reply, 503, SLICE("t"), SLICE("d"), FORM(false, false));
	expect_field("Retry-After", "1");
	local_reply_make(&reply, 405, SLICE("t"), SLICE("d"), FORM(false, false));
	expect_field("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
	local_reply_make(&reply, 200, SLICE("t"), SLICE("d"), FORM(true, false));
	assert_null(field("Allow").at);
}

/* Every verdict that refuses, against the table in auth/README.md. */
static void
verdicts(void **state)
{
	static const struct {
		enum verdict verdict;
		unsigned status;
		const char *authenticate; /* NULL: none */
	} cases[] = {
	    {VERDICT_BAD_CREDENTIAL, 400, "Bearer realm=\"r\", error=\"invalid_request\""},
	    {VERDICT_NO_CREDENTIAL, 401, "Bearer realm=\"r\""},
	    {VERDICT_INVALID_TOKEN, 401, "Bearer realm=\"r\", error=\"invalid_token\""},
	    {VERDICT_UNAVAILABLE, 503, NULL},
	    {VERDICT_NOT_A_JOB, 404, NULL},
	    {VERDICT_NO_SUCH_JOB, 404, NULL},
	    {VERDICT_OUT_OF_SCOPE, 403, "Bearer realm=\"r\", error=\"insufficient_scope\""},
	    {VERDICT_NO_URL, 503, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int html = 0; html < 2; html++) {
			local_reply_for_verdict(&reply, cases[i].verdict, (struct slice){0},
			    SLICE("r"), FORM(html, false));
			assert_int_equal(reply.response.status, cases[i].status);
			if (cases[i].authenticate != NULL)
				expect_field("WWW-Authenticate", cases[i].authenticate);
			else
				assert_null(field("WWW-Authenticate").at);
			assert_int_equal(field("Retry-After").at != NULL, cases[i].status == 503);
			/* Whole, with the longest id there may be. */
			assert_true(contains(reply.content, html ? "</html>\n" : "\"}}\n"));
			assert_false(contains(reply.content, "Refused"));
		}
	}
}

/* What OpenAI's clients read, with the same message. */
static void
errors_for_openais_clients(void **state)
{
	static const struct {
		unsigned status;
		const char *title, *error;
	} cases[] = {
	    {400, "Bad credential",
		"\"type\":\"invalid_request_error\",\"code\":\"bad_credential\"}}"},
	    {401, "Invalid token",
		"\"type\":\"authentication_error\",\"code\":\"invalid_token\"}}"},
	    {403, "Out of scope", "\"type\":\"permission_error\",\"code\":\"out_of_scope\"}}"},
	    {404, "No such job", "\"type\":\"not_found_error\",\"code\":\"no_such_job\"}}"},
	    {429, "Too many requests",
		"\"type\":\"rate_limit_error\",\"code\":\"too_many_requests\"}}"},
	    {502, "Bad gateway", "\"type\":\"server_error\",\"code\":\"bad_gateway\"}}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		local_reply_make(&reply, cases[i].status, slice_of(cases[i].title), SLICE("Why."),
		    FORM(false, false));
		assert_true(contains(reply.content, "\"error\":{\"message\":\"Why.\","));
		assert_true(contains(reply.content, cases[i].error));
	}
}

static void
a_mistake_takes_the_place_of_the_text(void **state)
{
	(void)state;
	local_reply_for_verdict(
	    &reply, VERDICT_INVALID_TOKEN, SLICE("It is empty."), SLICE("r"), FORM(false, false));
	assert_true(contains(reply.content, "\"detail\":\"It is empty.\""));
	expect_field("WWW-Authenticate", "Bearer realm=\"r\", error=\"invalid_token\"");
	local_reply_for_call(
	    &reply, VERDICT_NO_CREDENTIAL, SLICE("It is empty."), SLICE("r"), FORM(false, false));
	assert_true(contains(reply.content, "\"detail\":\"It is empty.\""));
}

/* At the control API a read token lacks a role: the refusal must not speak of labels and jobs. */
static void
calls_have_their_own_words(void **state)
{
	(void)state;
	local_reply_for_call(
	    &reply, VERDICT_OUT_OF_SCOPE, (struct slice){0}, SLICE("r"), FORM(false, false));
	assert_int_equal(reply.response.status, 403);
	expect_field("WWW-Authenticate", "Bearer realm=\"r\", error=\"insufficient_scope\"");
	assert_true(contains(reply.content, "operator"));
	assert_false(contains(reply.content, "label"));
	local_reply_for_call(
	    &reply, VERDICT_NO_CREDENTIAL, (struct slice){0}, SLICE("r"), FORM(false, false));
	expect_field("WWW-Authenticate", "Bearer realm=\"r\"");
	assert_true(contains(reply.content, "operator"));
	local_reply_for_call(
	    &reply, VERDICT_INVALID_TOKEN, (struct slice){0}, SLICE("r"), FORM(false, true));
	assert_int_equal(reply.content.len, 0);
}

static void
the_longest_request_id_fits(void **state)
{
	char longest[64];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (int verdict = VERDICT_BAD_CREDENTIAL; verdict < VERDICT_COUNT; verdict++) {
		local_reply_for_verdict(&reply, (enum verdict)verdict, (struct slice){0},
		    SLICE("jobgate"),
		    &(struct reply_form){.request_id = {longest, sizeof(longest)}, .html = true});
		assert_true(contains(reply.content, "</html>\n"));
		local_reply_for_verdict(&reply, (enum verdict)verdict, (struct slice){0},
		    SLICE("jobgate"),
		    &(struct reply_form){.request_id = {longest, sizeof(longest)}, .html = false});
		assert_true(contains(reply.content, "xxxx\",\"error\":{"));
	}
}

/* The realm is the operator's text: whatever it holds, the field stays one well-formed field. */
static void
realms_are_quoted(void **state)
{
	(void)state;
	local_reply_for_verdict(&reply, VERDICT_NO_CREDENTIAL, (struct slice){0},
	    SLICE("a \"b\" \\ c"), FORM(false, false));
	expect_field("WWW-Authenticate", "Bearer realm=\"a \\\"b\\\" \\\\ c\"");
	local_reply_for_verdict(&reply, VERDICT_NO_CREDENTIAL, (struct slice){0},
	    SLICE("a\r\nSet-Cookie: b\0\x7f"), FORM(false, false));
	expect_field("WWW-Authenticate", "Bearer realm=\"aSet-Cookie: b\"");
}

static void
realms_that_are_too_long_are_left_out(void **state)
{
	char realm[512];

	(void)state;
	memset(realm, 'r', sizeof(realm));
	for (size_t len = 0; len <= sizeof(realm); len++) {
		struct slice value;

		local_reply_for_verdict(&reply, VERDICT_OUT_OF_SCOPE, (struct slice){0},
		    (struct slice){realm, len}, FORM(false, false));
		value = field("WWW-Authenticate");
		assert_true(slice_starts_with(value, SLICE("Bearer realm=\"")));
		assert_true(contains(value, "\", error=\"insufficient_scope\""));
		assert_int_equal(value.at[value.len - 1], '"');
		if (len <= 100)
			assert_int_equal(value.len, 14 + len + 29);
	}
}

static void
texts_and_changed_fields(void **state)
{
	(void)state;
	local_reply_text(&reply, SLICE("ok\n"), false);
	assert_int_equal(reply.response.status, 200);
	assert_true(slice_equal(reply.content, SLICE("ok\n")));
	assert_int_equal(reply.response.length, 3);
	local_reply_add(&reply, SLICE("X-Request-Id"), id);
	assert_true(slice_equal(field("X-Request-Id"), id));
	local_reply_text(&reply, SLICE("ok\n"), true);
	assert_int_equal(reply.content.len, 0);
	assert_int_equal(reply.response.length, 3);
	local_reply_make(&reply, 405, SLICE("a"), SLICE("b"), FORM(false, false));
	local_reply_allow(&reply, SLICE("GET, HEAD"));
	assert_true(slice_equal(field("Allow"), SLICE("GET, HEAD")));
	/* Only what a status has: no other answer gets an Allow by this. */
	local_reply_make(&reply, 404, SLICE("a"), SLICE("b"), FORM(false, false));
	local_reply_allow(&reply, SLICE("GET, HEAD"));
	assert_null(field("Allow").at);
}

static void
who_wants_a_page(void **state)
{
	static const char *const pages[] = {"text/html", "TEXT/HTML", "text/html;q=0.9",
	    "text/html ; charset=utf-8", "application/json, text/html",
	    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"};
	static const char *const data[] = {"", "*/*", "text/*", "application/json", "text/htmlx",
	    "xtext/html", "text/plain; x=\"a, text/html\"", ";text/html", "text", ","};

	(void)state;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		assert_true(local_reply_wants_html(slice_of(pages[i])));
	for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		assert_false(local_reply_wants_html(slice_of(data[i])));
	assert_false(local_reply_wants_html((struct slice){0}));
}

/* One field more than there is room for is a bug of ours, and writes no memory. */
static void
too_many_fields(void **state)
{
	static struct local_answer answer;
	static const struct slice name = SLICE("A"), value = SLICE("b");

	(void)state;
	reply.response.fields.count = 0;
	for (size_t i = 0; i < LOCAL_REPLY_FIELDS_MAX; i++)
		local_reply_add(&reply, name, value);
	assert_check_fails(local_reply_add(&reply, name, value), "fields.count <");
	assert_int_equal(reply.response.fields.count, LOCAL_REPLY_FIELDS_MAX);
	for (size_t i = 0; i < LOCAL_FIELDS_MAX; i++)
		local_answer_add(&answer, name, value);
	assert_check_fails(local_answer_add(&answer, name, value), "field_count <");
	assert_int_equal(answer.field_count, LOCAL_FIELDS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(problem_details),
	    cmocka_unit_test(basic_is_offered_in_a_field_of_its_own),
	    cmocka_unit_test(pages_for_people),
	    cmocka_unit_test(pages_say_what_to_do),
	    cmocka_unit_test(replies_of_grpc),
	    cmocka_unit_test(answers_to_head),
	    cmocka_unit_test(fields_that_a_status_needs),
	    cmocka_unit_test(verdicts),
	    cmocka_unit_test(errors_for_openais_clients),
	    cmocka_unit_test(a_mistake_takes_the_place_of_the_text),
	    cmocka_unit_test(calls_have_their_own_words),
	    cmocka_unit_test(the_longest_request_id_fits),
	    cmocka_unit_test(realms_are_quoted),
	    cmocka_unit_test(realms_that_are_too_long_are_left_out),
	    cmocka_unit_test(texts_and_changed_fields),
	    cmocka_unit_test(who_wants_a_page),
	    cmocka_unit_test(too_many_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
