/* bridge_test.c - who may use the console's bridge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/cli/bridge.h"

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CODE "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define HOST "Host: 127.0.0.1:4711\r\n"
#define ORIGIN "Origin: http://127.0.0.1:4711\r\n"
#define BEARER "Authorization: Bearer " KEY "\r\n"

#define NOW 1000

static const struct bridge bridge = {"127.0.0.1:4711", KEY, CODE, NOW + BRIDGE_LINK_MS};
static struct bridge_request request;

static enum bridge_verdict
judge(const char *line, const char *fields)
{
	static char head[8192];

	snprintf(head, sizeof(head), "%s\r\n%s\r\n", line, fields);
	return bridge_judge(&bridge, slice_of(head), &request);
}

static void
the_page_and_its_calls(void **state)
{
	(void)state;
	assert_int_equal(judge("GET /console HTTP/1.1", HOST), BRIDGE_PAGE);
	assert_int_equal(
	    judge("GET /console HTTP/1.1", HOST "Sec-Fetch-Site: cross-site\r\n"), BRIDGE_PAGE);
	assert_int_equal(judge("POST /link HTTP/1.1", HOST ORIGIN), BRIDGE_LINK);
	assert_int_equal(judge("GET /v1/tokens?limit=5&cursor=a%20b HTTP/1.1",
			     HOST BEARER "Sec-Fetch-Site: same-origin\r\n"),
	    BRIDGE_FORWARD);
	assert_true(slice_equal(request.target, SLICE("/v1/tokens?limit=5&cursor=a%20b")));
	assert_int_equal(
	    judge("PATCH /v1/jobs/x HTTP/1.1", HOST ORIGIN BEARER "content-length: 12\r\n"),
	    BRIDGE_FORWARD);
	assert_true(request.length == 12 && slice_equal(request.method, SLICE("PATCH")));
	assert_int_equal(judge("GET /readyz HTTP/1.1", HOST BEARER), BRIDGE_FORWARD);
}

static void
another_host(void **state)
{
	static const char *const hosts[] = {"", "Host: 127.0.0.1\r\n", "Host: 127.0.0.1:47110\r\n",
	    "Host: localhost:4711\r\n", "Host: evil.test:4711\r\n",
	    "Host: 127.0.0.1:4711.evil.test\r\n", "Host: x@127.0.0.1:4711\r\n",
	    "Host: 127.0.0.1:4711,x\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		char fields[1024];

		snprintf(fields, sizeof(fields), "%s" ORIGIN BEARER, hosts[i]);
		assert_int_equal(judge("GET /v1/tokens HTTP/1.1", fields), BRIDGE_WRONG_HOST);
		assert_int_equal(judge("GET /console HTTP/1.1", fields), BRIDGE_WRONG_HOST);
		assert_int_equal(judge("POST /link HTTP/1.1", fields), BRIDGE_WRONG_HOST);
	}
	assert_int_equal(judge("GET /console HTTP/1.1", HOST HOST), BRIDGE_MALFORMED);
}

static void
another_origin(void **state)
{
	static const char *const origins[] = {"Origin: null\r\n",
	    "Origin: https://127.0.0.1:4711\r\n", "Origin: http://127.0.0.1:4712\r\n",
	    "Origin: http://127.0.0.1\r\n", "Origin: http://evil.test\r\n", "Origin: \r\n",
	    "Origin: http://127.0.0.1:4711/\r\n", ORIGIN "Sec-Fetch-Site: same-site\r\n",
	    ORIGIN "Sec-Fetch-Site: cross-site\r\n", ORIGIN "Sec-Fetch-Site: none\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
		char fields[1024];

		snprintf(fields, sizeof(fields), HOST BEARER "%s", origins[i]);
		assert_int_equal(
		    judge("DELETE /v1/tokens/x HTTP/1.1", fields), BRIDGE_WRONG_ORIGIN);
		assert_int_equal(judge("GET /v1/tokens HTTP/1.1", fields), BRIDGE_WRONG_ORIGIN);
		assert_int_equal(judge("POST /link HTTP/1.1", fields), BRIDGE_WRONG_ORIGIN);
	}
	assert_int_equal(judge("POST /v1/tokens HTTP/1.1", HOST BEARER), BRIDGE_WRONG_ORIGIN);
	assert_int_equal(judge("POST /link HTTP/1.1", HOST), BRIDGE_WRONG_ORIGIN);
	assert_int_equal(judge("POST /link HTTP/1.1", HOST ORIGIN ORIGIN), BRIDGE_MALFORMED);
}

static void
without_the_key(void **state)
{
	static const char *const keys[] = {"", "Authorization: Bearer " CODE "\r\n",
	    "Authorization: Bearer " KEY "0\r\n", "Authorization: Bearer \r\n",
	    "Authorization: Basic " KEY "\r\n", "Cookie: key=" KEY "\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char fields[1024];

		snprintf(fields, sizeof(fields), HOST ORIGIN "%s", keys[i]);
		assert_int_equal(judge("GET /v1/tokens HTTP/1.1", fields), BRIDGE_NO_KEY);
		assert_int_equal(judge("POST /v1/tokens HTTP/1.1", fields), BRIDGE_NO_KEY);
	}
	assert_int_equal(judge("GET /v1/tokens HTTP/1.1", HOST BEARER BEARER), BRIDGE_MALFORMED);
}

static void
other_paths_and_methods(void **state)
{
	static const char *const lines[] = {"GET / HTTP/1.1", "GET /link HTTP/1.1",
	    "POST /console HTTP/1.1", "GET /metrics HTTP/1.1", "GET /gateway/sign-ins HTTP/1.1",
	    "GET /console?x HTTP/1.1", "PUT /v1/tokens HTTP/1.1", "OPTIONS /v1/tokens HTTP/1.1",
	    "HEAD /v1/tokens HTTP/1.1"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (judge(lines[i], HOST ORIGIN BEARER) != BRIDGE_NOT_FOUND)
			fail_msg("%s", lines[i]);
}

static void
what_is_not_well_formed(void **state)
{
	static const char *const lines[] = {"", "GET", "GET /v1/x", "GET /v1/x HTTP/1.0",
	    "GET  /v1/x HTTP/1.1", "GET /v1/x  HTTP/1.1", "GET /v1/x HTTP/1.1 ",
	    "GET http://127.0.0.1:4711/v1/x HTTP/1.1", "GET * HTTP/1.1", "GET /v1/\n HTTP/1.1",
	    "GET /v1/x#y HTTP/1.1", "GET /v1/\"x HTTP/1.1", "GET /v1/\x80 HTTP/1.1"};
	static const char *const fields[] = {" Folded: x\r\n", "Name : x\r\n", ": x\r\n", "x\r\n",
	    "A: b\nC: d\r\n", "A: b\rC\r\n", "Content-Length: x\r\n", "Content-Length: -1\r\n",
	    "Content-Length: 1\r\nContent-Length: 1\r\n", "Transfer-Encoding: chunked\r\n",
	    "Expect: 100-continue\r\n", "Upgrade: websocket\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (judge(lines[i], HOST ORIGIN BEARER) != BRIDGE_MALFORMED)
			fail_msg("%s", lines[i]);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		char all[1024];

		snprintf(all, sizeof(all), HOST ORIGIN BEARER "%s", fields[i]);
		if (judge("POST /v1/tokens HTTP/1.1", all) != BRIDGE_MALFORMED)
			fail_msg("%s", fields[i]);
	}
	assert_int_equal(
	    judge("POST /v1/tokens HTTP/1.1", HOST ORIGIN BEARER "Content-Length: 65537\r\n"),
	    BRIDGE_TOO_LARGE);
}

static void
a_link_works_once(void **state)
{
	struct bridge own = bridge;
	char first[BRIDGE_SECRET_TEXT + 1], second[BRIDGE_SECRET_TEXT + 1];

	(void)state;
	assert_false(bridge_use_code(&own, NULL, NOW));
	assert_false(bridge_use_code(&own, "", NOW));
	assert_false(bridge_use_code(&own, KEY, NOW));
	assert_true(bridge_use_code(&own, CODE, NOW)); /* a wrong guess spends nothing */
	assert_false(bridge_use_code(&own, CODE, NOW));
	assert_false(bridge_use_code(&own, "", NOW));
	assert_true(bridge_secret(first) && bridge_secret(second));
	assert_int_equal(strspn(first, "0123456789abcdef"), BRIDGE_SECRET_TEXT);
	assert_string_not_equal(first, second);
}

static void
a_link_expires(void **state)
{
	struct bridge own = bridge;

	(void)state;
	assert_false(bridge_expire(&own, NOW + BRIDGE_LINK_MS - 1));
	assert_true(bridge_use_code(&own, CODE, NOW + BRIDGE_LINK_MS - 1));
	assert_false(bridge_expire(&own, NOW + BRIDGE_LINK_MS)); /* it was used */

	own = bridge;
	assert_false(bridge_use_code(&own, CODE, NOW + BRIDGE_LINK_MS));
	own = bridge;
	assert_true(bridge_expire(&own, NOW + BRIDGE_LINK_MS));
	assert_int_equal(own.code[0], 0);
	assert_false(bridge_expire(&own, NOW + BRIDGE_LINK_MS)); /* said once */
	assert_false(bridge_use_code(&own, CODE, NOW));

	assert_true(bridge_renew(&own, 2 * NOW + BRIDGE_LINK_MS));
	assert_int_equal(strlen(own.code), BRIDGE_SECRET_TEXT);
	assert_true(bridge_use_code(&own, own.code, NOW + 2 * BRIDGE_LINK_MS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_page_and_its_calls),
	    cmocka_unit_test(another_host),
	    cmocka_unit_test(another_origin),
	    cmocka_unit_test(without_the_key),
	    cmocka_unit_test(other_paths_and_methods),
	    cmocka_unit_test(what_is_not_well_formed),
	    cmocka_unit_test(a_link_works_once),
	    cmocka_unit_test(a_link_expires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
