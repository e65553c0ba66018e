/* framing_test.c - one framing for each message, or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/framing.h"

static const struct head_limits limits = {4096, 1024, 50};
static struct request_head request;
static struct response_head response;
static struct request_framing framing;
static struct response_framing answer;

/* The framing of a request of HTTP/1.`minor` with these field lines. */
static enum framing_error
frame(unsigned minor, const char *fields)
{
	static char text[4096];
	int len = snprintf(text, sizeof(text), "POST / HTTP/1.%u\r\n%s\r\n", minor, fields);

	assert_int_equal(head_parse_request((struct slice){text, (size_t)len}, &limits, &request),
	    HEAD_COMPLETE);
	return request_framing(&request, &framing);
}

static enum framing_error
frame_answer(const char *status_line, const char *fields, enum method_id method)
{
	static char text[4096];
	int len = snprintf(text, sizeof(text), "%s\r\n%s\r\n", status_line, fields);

	assert_int_equal(head_parse_response((struct slice){text, (size_t)len}, &limits, &response),
	    HEAD_COMPLETE);
	return response_framing(&response, method, &answer);
}

#define HOST "Host: h\r\n"

static void
lengths_and_codings(void **state)
{
	static const char *const bad_lengths[] = {"+1", "-1", "1_0", "0x1", "1 0", "1,1", "1, 1",
	    "", "9223372036854775808", "99999999999999999999", "1.0", "one"};
	static const char *const bad_codings[] = {"gzip", "gzip, chunked", "chunked, chunked",
	    "chunked;a=b", "\"chunked\"", "identity", "", "xchunked", "chunked,"};
	char fields[256];

	(void)state;
	assert_int_equal(frame(1, HOST), FRAMING_OK);
	assert_int_equal(framing.body, BODY_NONE);
	assert_int_equal(frame(1, HOST "Content-Length: 0\r\n"), FRAMING_OK);
	assert_int_equal(framing.body, BODY_LENGTH);
	assert_int_equal(frame(1, HOST "Content-Length: 9223372036854775807\r\n"), FRAMING_OK);
	assert_true(framing.length == INT64_MAX);
	assert_int_equal(frame(1, HOST "Transfer-Encoding: CHUNKED\r\n"), FRAMING_OK);
	assert_int_equal(framing.body, BODY_CHUNKED);
	for (size_t i = 0; i < sizeof(bad_lengths) / sizeof(bad_lengths[0]); i++) {
		snprintf(fields, sizeof(fields), HOST "Content-Length: %s\r\n", bad_lengths[i]);
		assert_int_equal(frame(1, fields), FRAMING_BAD_LENGTH);
	}
	for (size_t i = 0; i < sizeof(bad_codings) / sizeof(bad_codings[0]); i++) {
		snprintf(fields, sizeof(fields), HOST "Transfer-Encoding: %s\r\n", bad_codings[i]);
		assert_int_equal(frame(1, fields), FRAMING_BAD_CODING);
	}
	assert_int_equal(
	    frame(1, HOST "Content-Length: 1\r\nContent-Length: 1\r\n"), FRAMING_BAD_LENGTH);
	assert_int_equal(
	    frame(1, HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), FRAMING_CONFLICT);
	assert_int_equal(
	    frame(1, HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
	    FRAMING_BAD_CODING);
	assert_int_equal(frame(0, "Transfer-Encoding: chunked\r\n"), FRAMING_BAD_CODING);
}

static void
hosts(void **state)
{
	(void)state;
	assert_int_equal(frame(1, ""), FRAMING_BAD_HOST);
	assert_int_equal(frame(0, ""), FRAMING_OK);
	assert_int_equal(frame(1, HOST HOST), FRAMING_BAD_HOST);
	assert_int_equal(frame(0, HOST HOST), FRAMING_BAD_HOST);
	assert_int_equal(frame(1, "Host:\r\n"), FRAMING_BAD_HOST);
	assert_int_equal(frame(1, "Host: a b\r\n"), FRAMING_BAD_HOST);
	assert_int_equal(frame(1, "Host: a:0\r\n"), FRAMING_BAD_HOST);
	assert_int_equal(frame(1, "Host: u@a\r\n"), FRAMING_BAD_HOST);
	assert_int_equal(frame(1, "Host: [::1]:80\r\n"), FRAMING_OK);
}

/* Each member is looked for among all fields: who lists more than there can be wants to keep us
 * busy. */
static void
members_without_end(void **state)
{
	char fields[2048] = HOST "Connection: ";
	size_t len = strlen(fields);

	(void)state;
	for (size_t i = 0; i < HEAD_FIELDS_MAX; i++, len += 2)
		memcpy(fields + len, "a,", 3);
	memcpy(fields + len, "close\r\n", sizeof("close\r\n"));
	assert_int_equal(frame(1, fields), FRAMING_OK);
	assert_false(framing.keep_alive);
	memcpy(fields + len, "b\r\n", sizeof("b\r\n"));
	assert_int_equal(frame(1, fields), FRAMING_BAD_CONNECTION);
}

static void
connections(void **state)
{
	(void)state;
	assert_int_equal(frame(1, HOST), FRAMING_OK);
	assert_true(framing.keep_alive);
	assert_int_equal(frame(1, HOST "Connection: CLOSE\r\n"), FRAMING_OK);
	assert_false(framing.keep_alive);
	assert_int_equal(frame(0, HOST), FRAMING_OK);
	assert_false(framing.keep_alive);
	assert_int_equal(frame(0, HOST "Connection: keep-alive\r\n"), FRAMING_OK);
	assert_true(framing.keep_alive);
	assert_int_equal(frame(0, HOST "Connection: keep-alive, close\r\n"), FRAMING_OK);
	assert_false(framing.keep_alive);
	assert_int_equal(frame(1, HOST "Connection: a b\r\n"), FRAMING_BAD_CONNECTION);
	assert_int_equal(
	    frame(1, HOST
		"X-A: 1\r\nConnection: close, x-a\r\nX-B: 2\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
		"Proxy-Connection: x\r\nProxy-Authorization: y\r\nUpgrade: z\r\nx-A: 3\r\n"
		"HTTP2-Settings: AAMAAABk\r\nProxy-Authenticate: z\r\n"),
	    FRAMING_OK);
	for (size_t i = 0; i < request.field_count; i++)
		assert_int_equal(request.fields[i].dropped,
		    !slice_equal_nocase(request.fields[i].name, SLICE("x-b")));
	assert_int_equal(framing.upgrade.len, 0);
}

static void
upgrades_and_expectations(void **state)
{
	(void)state;
	assert_int_equal(
	    frame(1, HOST "Connection: Upgrade\r\nUpgrade: websocket, x\r\n"), FRAMING_OK);
	assert_true(slice_equal(framing.upgrade, SLICE("websocket")));
	assert_int_equal(
	    frame(0, HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n"), FRAMING_OK);
	assert_int_equal(framing.upgrade.len, 0);
	assert_int_equal(frame(1, HOST "Expect: 100-Continue\r\n"), FRAMING_OK);
	assert_true(framing.expect_continue);
	assert_int_equal(frame(0, HOST "Expect: 100-continue\r\n"), FRAMING_OK);
	assert_false(framing.expect_continue);
	assert_int_equal(frame(1, HOST "Expect: tea\r\n"), FRAMING_BAD_EXPECT);
	assert_int_equal(
	    frame(1, HOST "Expect: 100-continue\r\nExpect: 100-continue\r\n"), FRAMING_BAD_EXPECT);
}

static void
answers(void **state)
{
	(void)state;
	assert_int_equal(
	    frame_answer("HTTP/1.1 200 OK", "Content-Length: 5\r\n", METHOD_GET), FRAMING_OK);
	assert_true(answer.body == BODY_LENGTH && answer.length == 5 && answer.keep_alive &&
		    answer.length_known);
	assert_int_equal(frame_answer("HTTP/1.1 200 OK", "", METHOD_GET), FRAMING_OK);
	assert_true(answer.body == BODY_UNTIL_CLOSE && !answer.keep_alive);
	assert_int_equal(
	    frame_answer("HTTP/1.1 200 OK", "Content-Length: 5\r\n", METHOD_HEAD), FRAMING_OK);
	assert_true(answer.body == BODY_NONE && answer.length_known && answer.length == 5 &&
		    answer.keep_alive);
	assert_int_equal(
	    frame_answer("HTTP/1.1 304 x", "Content-Length: 5\r\n", METHOD_GET), FRAMING_OK);
	assert_true(answer.body == BODY_NONE && answer.length_known);
	assert_int_equal(
	    frame_answer("HTTP/1.1 204 x", "Transfer-Encoding: chunked\r\n", METHOD_GET),
	    FRAMING_OK);
	assert_true(answer.body == BODY_NONE && !answer.keep_alive);
	assert_int_equal(
	    frame_answer("HTTP/1.1 204 x", "Content-Length: 5\r\n", METHOD_GET), FRAMING_OK);
	assert_true(answer.body == BODY_NONE && !answer.keep_alive && !answer.length_known);
	assert_int_equal(
	    frame_answer("HTTP/1.1 204 x", "Content-Length: 0\r\n", METHOD_GET), FRAMING_OK);
	assert_true(answer.body == BODY_NONE && answer.keep_alive);
	assert_int_equal(frame_answer("HTTP/1.1 204 x", "", METHOD_GET), FRAMING_OK);
	assert_true(answer.body == BODY_NONE && answer.keep_alive);
	assert_int_equal(frame_answer("HTTP/1.1 103 x", "", METHOD_GET), FRAMING_OK);
	assert_int_equal(answer.body, BODY_NONE);
	assert_true(answer.keep_alive);
	assert_int_equal(
	    frame_answer("HTTP/1.1 103 x", "Content-Length: 5\r\n", METHOD_GET), FRAMING_OK);
	assert_true(answer.body == BODY_NONE && !answer.keep_alive);
	assert_int_equal(frame_answer("HTTP/1.1 101 x", "", METHOD_GET), FRAMING_BAD_UPGRADE);
	assert_int_equal(frame_answer("HTTP/1.1 101 x",
			     "Connection: upgrade\r\nUpgrade: websocket\r\n", METHOD_GET),
	    FRAMING_OK);
	assert_true(slice_equal(answer.upgrade, SLICE("websocket")));
	assert_int_equal(
	    frame_answer("HTTP/1.0 200 x", "Transfer-Encoding: chunked\r\n", METHOD_GET),
	    FRAMING_BAD_CODING);
	assert_int_equal(frame_answer("HTTP/1.1 200 x",
			     "Content-Length: 1\r\nContent-Length: 1\r\n", METHOD_GET),
	    FRAMING_BAD_LENGTH);
	assert_int_equal(frame_answer("HTTP/1.1 200 x",
			     "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", METHOD_GET),
	    FRAMING_CONFLICT);
	assert_int_equal(
	    frame_answer("HTTP/1.0 200 x", "Content-Length: 1\r\n", METHOD_GET), FRAMING_OK);
	assert_false(answer.keep_alive);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lengths_and_codings),
	    cmocka_unit_test(hosts),
	    cmocka_unit_test(connections),
	    cmocka_unit_test(members_without_end),
	    cmocka_unit_test(upgrades_and_expectations),
	    cmocka_unit_test(answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
