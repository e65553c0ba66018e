/* rewrite_answer_test.c - what a backend must not tell clients, caches and proxies in front of the
 * gateway. */
#include "rewrite_world.h"

static void
jobs_set_no_session(void **state)
{
	(void)state;
	receive("Set-Cookie: __Host-jobgate=x; Path=/; Secure\r\n"
		"set-cookie: __HOST-Jobgate = x\r\n"
		"Set-Cookie: =__Host-jobgate=x\r\n"
		"Set-Cookie: \t=  = __host-jobgate=; Max-Age=0\r\n"
		"Set-Cookie: a=b; __Host-jobgate=x\r\n"
		"Set-Cookie: __Host-jobgate2=x\r\n"
		"Set-Cookie: __Host-other=__Host-jobgate=x\r\n"
		"Set-Cookie: __Host-jobgate\r\n"
		"Set-Cookie:\r\n"
		"Set-Cookie: ==\r\n"
		"Cookie: __Host-jobgate=x\r\n");
	rewrite_answer(&request.fields, &(struct answer_rules){0});
	for (size_t i = 1; i < request.fields.count; i++) /* behind Host */
		assert_int_equal(request.fields.items[i].dropped, i <= 4);
	assert_int_equal(request.fields.count, 12);
}

static void
jobs_set_no_cookies_for_other_jobs(void **state)
{
	(void)state;
	receive("Set-Cookie: a=b; Domain=jobs.test\r\n"
		"Set-Cookie: a=b; Path=/; domain = .JOBS.test ; Secure\r\n"
		"Set-Cookie: a=b; Domain=other.test; Domain=jobs.test.\r\n"
		"Set-Cookie: a=b;Domain=test\r\n"
		"Set-Cookie: Domain=jobs.test\r\n"
		"Set-Cookie: a=b; Domain=demo.jobs.test\r\n"
		"Set-Cookie: a=b; Domain=obs.test\r\n"
		"Set-Cookie: a=b; Domain=\r\n"
		"Set-Cookie: a=b; Domain\r\n"
		"Set-Cookie: a=b; Domain=.\r\n"
		"Set-Cookie: a=b; Domains=jobs.test\r\n");
	rewrite_answer(&request.fields, &(struct answer_rules){.domain = SLICE("jobs.test")});
	for (size_t i = 1; i < request.fields.count; i++) /* behind Host */
		assert_int_equal(request.fields.items[i].dropped, i <= 4);
	assert_int_equal(request.fields.count, 12);
}

/* What nginx, lighttpd, Apache and H2O in front of the gateway would obey. */
static void
jobs_order_no_proxy_about(void **state)
{
	(void)state;
	receive("X-Accel-Redirect: /secret\r\nx-accel-expires: 9\r\nX-Sendfile: /etc/passwd\r\n"
		"X-SENDFILE2: /a 0-1\r\nX-Lighttpd-Send-File: /a\r\nX-Reproxy-URL: http://a/\r\n"
		"X-Accelerated: 1\r\nX-Send: 1\r\nClear-Site-Data: \"cookies\"\r\n");
	rewrite_answer(&request.fields, &(struct answer_rules){0});
	for (size_t i = 1; i < request.fields.count; i++) /* behind Host */
		assert_int_equal(request.fields.items[i].dropped, i <= 6);
	assert_int_equal(request.fields.count, 10);
	rewrite_answer(&request.fields, &(struct answer_rules){.shares_site = true});
	assert_true(request.fields.items[9].dropped);
}

/* The values of a field that travels on, joined by '|'. */
static const char *
values_of(const char *name)
{
	static char text[4096];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < request.fields.count; i++) {
		const struct field *field = &request.fields.items[i];

		if (!field->dropped && slice_equal_nocase(field->name, slice_of(name)))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s",
			    len > 0 ? "|" : "", (int)field->value.len, field->value.at);
	}
	return text;
}

static void
expect_private(const char *fields, const char *cache_control, const char *vary)
{
	static char room[1024];
	struct writer writer = writer_of(room, sizeof(room));

	receive(fields);
	rewrite_private(&request.fields, SLICE("Cookie"), &writer);
	assert_string_equal(values_of("Cache-Control"), cache_control);
	assert_string_equal(values_of("Vary"), vary);
}

static void
answers_to_sessions_are_private(void **state)
{
	(void)state;
	expect_private("", "private", "Cookie");
	expect_private("Cache-Control: public, max-age=60\r\n", "private, max-age=60", "Cookie");
	expect_private(
	    "Cache-Control: PUBLIC\r\ncache-control: S-MaxAge = 9, no-cache=\"a, b\"\r\n",
	    "private, no-cache=\"a, b\"", "Cookie");
	expect_private(
	    "Cache-Control: private=\"set-cookie\", immutable\r\n", "private, immutable", "Cookie");
	expect_private("Cache-Control: max-age=1\r\nCache-Control: No-Store\r\n",
	    "max-age=1|No-Store", "Cookie");
	expect_private(
	    "Cache-Control: no-store, must-understand, public\r\n", "private, no-store", "Cookie");
	expect_private(
	    "Cache-Control: a=\"no-store\", public\r\n", "private, a=\"no-store\"", "Cookie");
	expect_private("Cache-Control:\r\n", "private", "Cookie");
	/* What the backend's Connection takes away is not there. */
	expect_private("Connection: cache-control, vary\r\nCache-Control: no-store\r\nVary: *\r\n",
	    "private", "Cookie");
}

static void
answers_to_sessions_vary(void **state)
{
	(void)state;
	expect_private("Vary: Accept-Encoding\r\n", "private", "Accept-Encoding, Cookie");
	expect_private("Vary: A\r\nVary: b\r\n", "private", "A, Cookie|b");
	expect_private("Vary: a, COOKIE\r\n", "private", "a, COOKIE");
	expect_private("Vary: a\r\nVary: *\r\n", "private", "a|*");
	expect_private("Vary: Cookies\r\n", "private", "Cookies, Cookie");
	expect_private("Vary:\r\n", "private", "Cookie"); /* behind an empty line */
}

static void
caches_that_believe_other_fields(void **state)
{
	(void)state;
	expect_private("CDN-Cache-Control: max-age=9\r\nSurrogate-Control: max-age=9\r\n"
		       "Cloudflare-CDN-Cache-Control: public\r\nEdge-Control: max-age=1\r\n"
		       "Expires: 0\r\n",
	    "private", "Cookie");
	for (size_t i = 1; i < 5; i++)
		assert_true(request.fields.items[i].dropped);
	assert_string_equal(values_of("Expires"), "0");
}

/* Then nothing is stored at all. */
static void
no_room_for_a_longer_value(void **state)
{
	char room[16];
	struct writer writer = writer_of(room, sizeof(room));

	(void)state;
	receive("Cache-Control: public, max-age=60\r\nVary: accept-encoding, accept\r\n");
	rewrite_private(&request.fields, SLICE("Cookie"), &writer);
	assert_string_equal(values_of("Cache-Control"), "no-store");
	assert_string_equal(values_of("Vary"), "*");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(jobs_set_no_session, reset),
	    cmocka_unit_test_setup(jobs_set_no_cookies_for_other_jobs, reset),
	    cmocka_unit_test_setup(jobs_order_no_proxy_about, reset),
	    cmocka_unit_test_setup(answers_to_sessions_are_private, reset),
	    cmocka_unit_test_setup(answers_to_sessions_vary, reset),
	    cmocka_unit_test_setup(caches_that_believe_other_fields, reset),
	    cmocka_unit_test_setup(no_room_for_a_longer_value, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
