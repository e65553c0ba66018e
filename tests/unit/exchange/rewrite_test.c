/* rewrite_test.c - the fields of a request that a backend gets. */
#include "rewrite_world.h"

static void
facts_are_added(void **state)
{
	(void)state;
	assert_true(rewrite("Accept: */*\r\nCookie: a=b\r\nTraceparent: 00-1-2-01\r\n"));
	expect_added("X-Jobgate-Job", "demo");
	expect_added("X-Jobgate-Token-Id", "0123456789abcdef");
	expect_added("X-Jobgate-Token-Name", "tester");
	expect_added("X-Jobgate-Role", "read");
	expect_added("X-Request-Id", "id-1");
	expect_added("X-Forwarded-For", "192.0.2.7");
	expect_added("X-Forwarded-Proto", "http");
	expect_added("X-Forwarded-Host", "h:80");
	expect_added("Forwarded", "for=192.0.2.7;host=\"h:80\";proto=http");
	expect_added("Via", "1.1 jobgate");
	assert_int_equal(added("X-Forwarded-Prefix").len, 0);
	assert_int_equal(rewritten.extra.count, 10);
	assert_int_equal(passed("Accept") + passed("Cookie") + passed("Traceparent"), 3);
}

static void
the_prefix_and_the_scheme_are_told(void **state)
{
	(void)state;
	facts.prefix = SLICE("/jobs/demo");
	facts.tls = true;
	assert_true(rewrite(""));
	expect_added("X-Forwarded-Prefix", "/jobs/demo");
	expect_added("X-Forwarded-Proto", "https");
	expect_added("Forwarded", "for=192.0.2.7;host=\"h:80\";proto=https");
}

static void
peers_of_every_kind(void **state)
{
	(void)state;
	facts.peer = SLICE("2001:db8::1");
	assert_true(rewrite(""));
	expect_added("X-Forwarded-For", "2001:db8::1");
	expect_added("Forwarded", "for=\"[2001:db8::1]\";host=\"h:80\";proto=http");
	facts.peer = SLICE("unix");
	facts.peer_is_unix = true;
	assert_true(rewrite(""));
	expect_added("Forwarded", "for=_unix;host=\"h:80\";proto=http");
}

/* RFC 7239 section 4: a value is quoted only if it is no token. Some programs do not unquote it. */
static void
a_host_is_quoted_only_with_a_colon(void **state)
{
	static const struct {
		struct slice authority;
		const char *value;
	} cases[] = {
	    {SLICE("demo.jobs.test"), "for=192.0.2.7;host=demo.jobs.test;proto=http"},
	    {SLICE("a_b-1"), "for=192.0.2.7;host=a_b-1;proto=http"},
	    {SLICE("h:"), "for=192.0.2.7;host=\"h:\";proto=http"},
	    {SLICE("[::1]"), "for=192.0.2.7;host=\"[::1]\";proto=http"},
	    {SLICE("[::1]:80"), "for=192.0.2.7;host=\"[::1]:80\";proto=http"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		receive("");
		request.authority = cases[i].authority;
		assert_true(rewrite_request(&request, &facts, &rewritten));
		expect_added("Forwarded", cases[i].value);
	}
}

/* HTTP/1.0 may come without a host. */
static void
requests_without_a_host(void **state)
{
	(void)state;
	receive("");
	request.authority = (struct slice){0};
	request.version = HTTP_1_0;
	assert_true(rewrite_request(&request, &facts, &rewritten));
	assert_int_equal(added("X-Forwarded-Host").len, 0);
	expect_added("Forwarded", "for=192.0.2.7;proto=http");
	expect_added("Via", "1.0 jobgate");
}

/* A client that speaks HTTP/2 is named so, and can read trailers. */
static void
requests_of_http_2(void **state)
{
	(void)state;
	receive("TE: trailers\r\n");
	request.version = HTTP_2;
	assert_true(rewrite_request(&request, &facts, &rewritten));
	expect_added("Via", "2 jobgate");
	assert_true(request.takes_trailers);
}

/* RFC 9110 section 7.6.2: counted down for OPTIONS, of no meaning to other methods. */
static void
forwards_are_counted_down(void **state)
{
	(void)state;
	assert_true(rewrite("Max-Forwards: 3\r\n"));
	assert_int_equal(passed("Max-Forwards"), 1);
	assert_int_equal(added("Max-Forwards").len, 0);
	receive("Max-Forwards: 010\r\n");
	request.method_id = METHOD_OPTIONS;
	assert_int_equal(rewrite_hops_left(&request), 10);
	assert_true(rewrite_request(&request, &facts, &rewritten));
	assert_int_equal(passed("Max-Forwards"), 0);
	expect_added("Max-Forwards", "9");
	receive("Max-Forwards: 0\r\n");
	request.method_id = METHOD_OPTIONS;
	assert_int_equal(rewrite_hops_left(&request), 0);
	receive("Max-Forwards: 99999999999999999999999999999\r\n");
	request.method_id = METHOD_OPTIONS;
	assert_true(rewrite_hops_left(&request) > UINT32_MAX / 10);
	assert_true(rewrite_hops_left(&request) < UINT64_MAX);
	receive("Max-Forwards: -1\r\n");
	request.method_id = METHOD_OPTIONS;
	assert_true(rewrite_hops_left(&request) == UINT64_MAX);
	assert_true(rewrite_request(&request, &facts, &rewritten));
	assert_int_equal(passed("Max-Forwards"), 1);
}

static void
via_is_always_appended(void **state)
{
	(void)state;
	assert_true(rewrite("Via: 1.1 a\r\nVia: 2 b, 1.0 c\r\n"));
	expect_added("Via", "1.1 a, 2 b, 1.0 c, 1.1 jobgate");
	assert_int_equal(passed("Via"), 0);
}

static void
the_token_stays_with_us(void **state)
{
	(void)state;
	assert_true(rewrite("Authorization: Bearer x\r\nX: 1\r\n"));
	assert_int_equal(passed("Authorization"), 0);
	facts.keep_authorization = true;
	assert_true(rewrite("Authorization: Bearer x\r\nX: 1\r\n"));
	assert_int_equal(passed("Authorization"), 1);
	assert_int_equal(added("Authorization").len, 0);
}

/* Connection takes away what the client sent, and never what we add. */
static void
what_connection_lists(void **state)
{
	(void)state;
	facts.keep_authorization = true;
	assert_true(rewrite("Connection: x-jobgate-role, x-forwarded-for, via, x, authorization\r\n"
			    "X: 1\r\nAuthorization: Bearer x\r\nY: 2\r\n"));
	assert_int_equal(passed("X"), 0);
	assert_int_equal(passed("Y"), 1);
	assert_int_equal(passed("Authorization"), 0);
	expect_added("X-Jobgate-Role", "read");
	expect_added("X-Forwarded-For", "192.0.2.7");
	expect_added("Via", "1.1 jobgate");
}

static void
request_ids_of_trusted_proxies(void **state)
{
	(void)state;
	receive("X-Request-Id: Abc-1.2_3\r\nX-Request-Id: second\r\n");
	assert_true(slice_equal(rewrite_request_id(&request, true), SLICE("Abc-1.2_3")));
	assert_int_equal(rewrite_request_id(&request, false).len, 0);
	receive("X-Request-Id: not valid\r\n");
	assert_int_equal(rewrite_request_id(&request, true).len, 0);
	receive("");
	assert_int_equal(rewrite_request_id(&request, true).len, 0);
}

static void
values_of_fields(void **state)
{
	(void)state;
	receive("Accept: a\r\nAccept: b\r\nOrigin:\r\n");
	assert_true(slice_equal(field_value(&request.fields, FIELD_ACCEPT), SLICE("a")));
	assert_non_null(field_value(&request.fields, FIELD_ORIGIN).at);
	assert_int_equal(field_value(&request.fields, FIELD_ORIGIN).len, 0);
	assert_null(field_value(&request.fields, FIELD_COOKIE).at);
}

static void
trailers_are_asked_for(void **state)
{
	static const char *const asking[] = {"TE: trailers\r\n", "te: gzip;q=0.5, TRAILERS\r\n",
	    "TE: deflate\r\nTE: trailers\r\nConnection: TE\r\n"};
	static const char *const others[] = {
	    "TE: gzip\r\n", "TE:\r\n", "TE: trailers;q=0\r\n", "X-TE: trailers\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(asking) / sizeof(asking[0]); i++) {
		assert_true(rewrite(asking[i]));
		assert_true(request.takes_trailers);
		assert_null(added("TE").at);
		assert_int_equal(passed("TE") + passed("Connection"), 0);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_true(rewrite(others[i]));
		assert_false(request.takes_trailers);
	}
	receive("TE: trailers\r\n");
	request.version = HTTP_1_0;
	assert_true(rewrite_request(&request, &facts, &rewritten));
	assert_false(request.takes_trailers);
}

/* The control process gets nothing of the client's fields, whatever their names. */
static void
calls_of_the_control_api(void **state)
{
	(void)state;
	facts.token = &(const struct token){.id = SLICE("0123456789abcdef"),
	    .name = SLICE("tester"),
	    .hash = {0, 1, 0xab},
	    .version = 42};
	receive("Authorization: Bearer x\r\nX-Jobgate-Control-Secret: forged\r\n"
		"X-Jobgate-Control-Token: aaaaaaaaaaaaaaaa\r\nX-Forwarded-For: 9.9.9.9\r\n"
		"X-Request-Id: forged\r\nAccept: */*\r\nContent-Type: a/b\r\n");
	assert_true(rewrite_control(&request, &facts, "secret", &rewritten));
	for (size_t i = 0; i < request.fields.count; i++)
		assert_true(request.fields.items[i].dropped);
	assert_int_equal(request.authority.len, 0);
	assert_int_equal(rewritten.extra.count, 6);
	expect_added("X-Jobgate-Control-Secret", "secret");
	expect_added("X-Jobgate-Control-Token", "0123456789abcdef");
	expect_added("X-Jobgate-Control-Version", "42");
	expect_added("X-Jobgate-Control-Mark", "0001ab000000000000000000");
	expect_added("X-Request-Id", "id-1");
	expect_added("X-Forwarded-For", "192.0.2.7");
	facts.token = NULL;
	facts.peer_trusted = true;
	receive("X-Forwarded-For: 9.9.9.9\r\n");
	assert_true(rewrite_control(&request, &facts, "secret", &rewritten));
	assert_int_equal(rewritten.extra.count, 3);
	expect_added("X-Forwarded-For", "9.9.9.9, 192.0.2.7");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(facts_are_added, reset),
	    cmocka_unit_test_setup(the_prefix_and_the_scheme_are_told, reset),
	    cmocka_unit_test_setup(peers_of_every_kind, reset),
	    cmocka_unit_test_setup(a_host_is_quoted_only_with_a_colon, reset),
	    cmocka_unit_test_setup(requests_without_a_host, reset),
	    cmocka_unit_test_setup(requests_of_http_2, reset),
	    cmocka_unit_test_setup(forwards_are_counted_down, reset),
	    cmocka_unit_test_setup(via_is_always_appended, reset),
	    cmocka_unit_test_setup(the_token_stays_with_us, reset),
	    cmocka_unit_test_setup(what_connection_lists, reset),
	    cmocka_unit_test_setup(request_ids_of_trusted_proxies, reset),
	    cmocka_unit_test_setup(values_of_fields, reset),
	    cmocka_unit_test_setup(trailers_are_asked_for, reset),
	    cmocka_unit_test_setup(calls_of_the_control_api, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
