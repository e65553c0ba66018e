/* head_test.c - heads of requests and answers: which are accepted, and which are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/head.h"

static const struct head_limits limits = {1024, 256, 10};
static struct request_head request;
static struct response_head response;

/* Find and parse in one go; HEAD_INCOMPLETE when there is no end. */
static enum head_status
read_request(struct slice bytes)
{
	uint32_t scanned = 0;
	size_t start, end;
	enum head_status status = head_find(bytes, true, &limits, &scanned, &start, &end);

	if (status != HEAD_COMPLETE)
		return status;
	return head_parse_request((struct slice){bytes.at + start, end - start}, &limits, &request);
}

/* The same byte by byte: it must come to the same end. */
static enum head_status
read_request_slowly(struct slice bytes)
{
	uint32_t scanned = 0;
	size_t start, end;
	enum head_status status = HEAD_INCOMPLETE;

	for (size_t len = 0; len <= bytes.len && status == HEAD_INCOMPLETE; len++)
		status =
		    head_find((struct slice){bytes.at, len}, true, &limits, &scanned, &start, &end);
	if (status != HEAD_COMPLETE)
		return status;
	return head_parse_request((struct slice){bytes.at + start, end - start}, &limits, &request);
}

static void
expect(const char *text, size_t len, enum head_status status)
{
	assert_int_equal(read_request((struct slice){text, len}), status);
	assert_int_equal(read_request_slowly((struct slice){text, len}), status);
}
#define EXPECT(literal, status) expect(literal, sizeof(literal) - 1, status)

static void
a_request_is_read(void **state)
{
	(void)state;
	EXPECT("POST /a?b HTTP/1.1\r\nHost: h\r\nX-A:\t v w \t\r\nx-empty:\r\n\r\nrest",
	    HEAD_COMPLETE);
	assert_true(slice_equal(request.method, SLICE("POST")));
	assert_int_equal(request.method_id, METHOD_POST);
	assert_true(slice_equal(request.target, SLICE("/a?b")));
	assert_int_equal(request.minor, 1);
	assert_int_equal(request.field_count, 3);
	assert_int_equal(request.fields[0].id, FIELD_HOST);
	assert_true(slice_equal(request.fields[1].value, SLICE("v w")));
	assert_true(slice_equal(request.fields[2].value, SLICE("")));
	EXPECT("\r\nMKCOL / HTTP/1.0\r\n\r\n", HEAD_COMPLETE);
	assert_int_equal(request.method_id, METHOD_OTHER);
	assert_int_equal(request.minor, 0);
}

static void
requests_that_are_refused(void **state)
{
	(void)state;
	EXPECT("\r\n\r\nGET / HTTP/1.1\r\n\r\n", HEAD_BAD);
	EXPECT("GET  / HTTP/1.1\r\n\r\n", HEAD_BAD);
	EXPECT("GET /  HTTP/1.1\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1 \r\n\r\n", HEAD_BAD);
	EXPECT(" GET / HTTP/1.1\r\n\r\n", HEAD_BAD);
	EXPECT("GET\t/ HTTP/1.1\r\n\r\n", HEAD_BAD);
	EXPECT("GET /\r\n\r\n", HEAD_BAD);
	EXPECT("GET\r\n\r\n", HEAD_BAD);
	EXPECT("G(T / HTTP/1.1\r\n\r\n", HEAD_BAD);
	EXPECT("GET / http/1.1\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.10\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/11\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.2\r\n\r\n", HEAD_BAD_VERSION);
	EXPECT("GET / HTTP/2.0\r\n\r\n", HEAD_BAD_VERSION);
	EXPECT("GET / HTTP/0.9\r\n\r\n", HEAD_BAD_VERSION);
	EXPECT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HEAD_BAD_VERSION);
	EXPECT("GET / HTTP/1.1\n\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1\r\nHost: h\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1\r\nHost : h\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1\r\nHost\t: h\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1\r\n: h\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1\r\nHost\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1\r\n Host: h\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1\r\nA: \x01\r\n\r\n", HEAD_BAD);
	EXPECT("GET / HTTP/1.1\r\nA: \x7f\r\n\r\n", HEAD_BAD);
}

static void
bytes_of_names_and_values(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char name[] = "GET / HTTP/1.1\r\nAxB: v\r\n\r\n",
		     value[] = "GET / HTTP/1.1\r\nA: vxw\r\n\r\n";
		bool token = c > ' ' && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
		bool vchar = c == '\t' || (c >= ' ' && c != 0x7f);

		name[17] = (char)c;
		value[20] = (char)c;
		/* A colon ends the name: what follows it is the value. */
		assert_int_equal(read_request((struct slice){name, sizeof(name) - 1}),
		    token || c == ':' ? HEAD_COMPLETE : HEAD_BAD);
		assert_int_equal(read_request((struct slice){value, sizeof(value) - 1}),
		    vchar ? HEAD_COMPLETE : HEAD_BAD);
	}
}

static void
limits_are_kept(void **state)
{
	char text[4096];
	size_t len;

	(void)state;
	len = (size_t)snprintf(text, sizeof(text), "GET /%0255d HTTP/1.1\r\n\r\n", 0);
	expect(text, len, HEAD_COMPLETE);
	len = (size_t)snprintf(text, sizeof(text), "GET /%0256d HTTP/1.1\r\n\r\n", 0);
	expect(text, len, HEAD_TARGET_TOO_LONG);
	len = (size_t)snprintf(text, sizeof(text), "GET /%01000d", 0);
	expect(text, len, HEAD_TARGET_TOO_LONG);
	len = (size_t)snprintf(
	    text, sizeof(text), "GET / HTTP/1.1\r\nA: %0*d\r\n\r\n", 1024 - 16 - 3 - 4, 0);
	assert_int_equal(len, limits.head_bytes);
	expect(text, len, HEAD_COMPLETE);
	len = (size_t)snprintf(
	    text, sizeof(text), "GET / HTTP/1.1\r\nA: %0*d\r\n\r\n", 1026 - 16 - 3 - 4, 0);
	expect(text, len, HEAD_TOO_LARGE);
	len = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nA: %01100d", 0);
	expect(text, len, HEAD_TOO_LARGE);
	len = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");
	for (int i = 0; i < 10; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "A: b\r\n");
	snprintf(text + len, sizeof(text) - len, "\r\n");
	expect(text, len + 2, HEAD_COMPLETE);
	snprintf(text + len, sizeof(text) - len, "A: b\r\n\r\n");
	expect(text, len + 8, HEAD_TOO_LARGE);
}

static enum head_status
read_response(struct slice bytes)
{
	uint32_t scanned = 0;
	size_t start, end;
	enum head_status status = head_find(bytes, false, &limits, &scanned, &start, &end);

	if (status != HEAD_COMPLETE)
		return status;
	return head_parse_response((struct slice){bytes.at, end}, &limits, &response);
}

static void
answers(void **state)
{
	(void)state;
	assert_int_equal(
	    read_response(SLICE("HTTP/1.1 200 Very OK\r\nA: b\r\n\r\n")), HEAD_COMPLETE);
	assert_int_equal(response.status, 200);
	assert_true(slice_equal(response.reason, SLICE("Very OK")));
	assert_int_equal(read_response(SLICE("HTTP/1.0 599 \r\n\r\n")), HEAD_COMPLETE);
	assert_int_equal(response.minor, 0);
	assert_int_equal(read_response(SLICE("HTTP/1.1 200\r\n\r\n")), HEAD_COMPLETE);
	assert_int_equal(response.reason.len, 0);
	assert_int_equal(read_response(SLICE("\r\nHTTP/1.1 200 OK\r\n\r\n")), HEAD_BAD);
	assert_int_equal(read_response(SLICE("HTTP/1.1 099 OK\r\n\r\n")), HEAD_BAD);
	assert_int_equal(read_response(SLICE("HTTP/1.1 600 OK\r\n\r\n")), HEAD_BAD);
	assert_int_equal(read_response(SLICE("HTTP/1.1 20 OK\r\n\r\n")), HEAD_BAD);
	assert_int_equal(read_response(SLICE("HTTP/1.1 2000 OK\r\n\r\n")), HEAD_BAD);
	assert_int_equal(read_response(SLICE("HTTP/1.1  200 OK\r\n\r\n")), HEAD_BAD);
	assert_int_equal(read_response(SLICE("HTTP/1.1 200\tOK\r\n\r\n")), HEAD_BAD);
	assert_int_equal(read_response(SLICE("HTTP/1.1 200 \x01\r\n\r\n")), HEAD_BAD);
	assert_int_equal(read_response(SLICE("HTTP/2.0 200 OK\r\n\r\n")), HEAD_BAD);
	assert_int_equal(read_response(SLICE("ICY 200 OK\r\n\r\n")), HEAD_BAD);
	assert_int_equal(read_response(SLICE("HTTP/1.1 200 OK\r\n")), HEAD_INCOMPLETE);
}

/*
 * Parsing a head that head_find did not find complete gives no head, and does not read past its
 * end.
 */
static void
heads_without_an_end(void **state)
{
	static const struct slice broken[] = {SLICE(""), SLICE("\r\n"), SLICE("GET / HTTP/1.1\r\n"),
	    SLICE("GET / HTTP/1.1\r\nA: b\r\n"), SLICE("GET / HTTP/1.1\n\n")};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		assert_int_equal(head_parse_request(broken[i], &limits, &request), HEAD_BAD);
		assert_int_equal(head_parse_response(broken[i], &limits, &response), HEAD_BAD);
	}
}

static void
field_names(void **state)
{
	const struct {
		const char *name;
		enum field_id id;
	} cases[] = {
	    {"te", FIELD_TE},
	    {"Via", FIELD_VIA},
	    {"DATE", FIELD_DATE},
	    {"host", FIELD_HOST},
	    {"Accept", FIELD_ACCEPT},
	    {"Cookie", FIELD_COOKIE},
	    {"Expect", FIELD_EXPECT},
	    {"Origin", FIELD_ORIGIN},
	    {"Trailer", FIELD_TRAILER},
	    {"Upgrade", FIELD_UPGRADE},
	    {"Forwarded", FIELD_FORWARDED},
	    {"Connection", FIELD_CONNECTION},
	    {"Keep-Alive", FIELD_KEEP_ALIVE},
	    {"Set-Cookie", FIELD_SET_COOKIE},
	    {"tracestate", FIELD_TRACESTATE},
	    {"traceparent", FIELD_TRACEPARENT},
	    {"X-Request-Id", FIELD_X_REQUEST_ID},
	    {"Authorization", FIELD_AUTHORIZATION},
	    {"Content-Length", FIELD_CONTENT_LENGTH},
	    {"HTTP2-Settings", FIELD_HTTP2_SETTINGS},
	    {"X-Forwarded-For", FIELD_X_FORWARDED_FOR},
	    {"Proxy-Connection", FIELD_PROXY_CONNECTION},
	    {"X-Forwarded-Host", FIELD_X_FORWARDED_HOST},
	    {"Transfer-Encoding", FIELD_TRANSFER_ENCODING},
	    {"X-Forwarded-Proto", FIELD_X_FORWARDED_PROTO},
	    {"Proxy-Authenticate", FIELD_PROXY_AUTHENTICATE},
	    {"X-Forwarded-Prefix", FIELD_X_FORWARDED_PREFIX},
	    {"Proxy-Authorization", FIELD_PROXY_AUTHORIZATION},
	    {"X-Jobgate-Role", FIELD_X_JOBGATE},
	    {"x-jobgate-", FIELD_X_JOBGATE},
	    {"X-Jobgate", FIELD_OTHER},
	    {"X_Jobgate_Role", FIELD_DISGUISED},
	    {"X-Jobgate_Role", FIELD_X_JOBGATE},
	    {"Content_Length", FIELD_DISGUISED},
	    {"X-Forwarded_For", FIELD_DISGUISED},
	    {"keep_alive", FIELD_DISGUISED},
	    {"x_kept", FIELD_OTHER},
	    {"X-Other", FIELD_OTHER},
	    {"Hosts", FIELD_OTHER},
	    {"x", FIELD_OTHER},
	    {"a-name-that-is-longer-than-any-that-is-known", FIELD_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum field_id id = field_identify(slice_of(cases[i].name));

		/* Both are taken away; which of the two it is does not matter. */
		if (strcmp(cases[i].name, "X-Jobgate_Role") == 0)
			assert_true(id == FIELD_X_JOBGATE || id == FIELD_DISGUISED);
		else
			assert_int_equal(id, cases[i].id);
	}
}

static void
trailers_and_lists(void **state)
{
	struct slice list = SLICE(" a ,, \"b,c\\\",\" ;d\t,e,"), member;

	(void)state;
	assert_true(list_next(&list, &member) && slice_equal(member, SLICE("a")));
	assert_true(list_next(&list, &member) && slice_equal(member, SLICE("\"b,c\\\",\" ;d")));
	assert_true(list_next(&list, &member) && slice_equal(member, SLICE("e")));
	assert_false(list_next(&list, &member));
}

static void
trailers_that_may_not_travel_on_are_dropped(void **state)
{
	static const char *const listed[] = {"x-user", NULL};
	struct field items[4];
	struct fields trailers = {.items = items};
	struct slice section = SLICE("X-Checksum: 1\r\nHost: a\r\nX-User: b\r\n\r\n");

	(void)state;
	assert_true(trailers_parse(section, 4, listed, &trailers));
	assert_int_equal(trailers.count, 3);
	assert_false(items[0].dropped);
	assert_true(items[1].dropped && items[2].dropped);
	assert_true(trailers_parse(section, 4, NULL, &trailers));
	assert_false(items[2].dropped);
	assert_false(trailers_parse(section, 2, NULL, &trailers));
	assert_false(trailers_parse(SLICE("X Y: 1\r\n\r\n"), 4, NULL, &trailers));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_is_read),
	    cmocka_unit_test(requests_that_are_refused),
	    cmocka_unit_test(bytes_of_names_and_values),
	    cmocka_unit_test(limits_are_kept),
	    cmocka_unit_test(answers),
	    cmocka_unit_test(heads_without_an_end),
	    cmocka_unit_test(field_names),
	    cmocka_unit_test(trailers_and_lists),
	    cmocka_unit_test(trailers_that_may_not_travel_on_are_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
