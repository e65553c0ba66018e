/* h2_response_test.c - which lists of HTTP/2 are answers, and what they mean (RFC 9113 section 8).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "h2_list.h"
#include "http/h2_response.h"

static const struct head_limits limits = {256, 64, 4};
static struct response response;

static bool
read_list(enum method_id method, const char *upgrade, bool end_stream, const char *const *texts)
{
	struct hpack_block block = h2_block_of(texts);
	struct h2_asked asked = {method, slice_of(upgrade)};

	return h2_response_read(&block, end_stream, &asked, &limits, &response);
}

#define READ(...) read_list(METHOD_GET, "", false, H2_TEXTS(__VA_ARGS__))
#define READ_END(...) read_list(METHOD_GET, "", true, H2_TEXTS(__VA_ARGS__))
#define READ_HEAD(...) read_list(METHOD_HEAD, "", true, H2_TEXTS(__VA_ARGS__))
#define READ_TUNNEL(...) read_list(METHOD_GET, "websocket", false, H2_TEXTS(__VA_ARGS__))

static void
answers(void **state)
{
	(void)state;
	assert_true(READ(":status", "200", "a", "b", "trailer", "x", "proxy-authenticate", "y"));
	assert_int_equal(response.status, 200);
	assert_int_equal(response.reason.len, 0);
	assert_int_equal(response.content, CONTENT_UNKNOWN);
	assert_false(response.length_known || response.tunnel);
	assert_int_equal(response.fields.count, 3);
	assert_false(response.fields.items[0].dropped);
	assert_true(response.fields.items[2].dropped);
	assert_true(READ(":status", "599", "content-length", "7"));
	assert_int_equal(response.content, CONTENT_LENGTH);
	assert_true(response.length_known && response.length == 7);
	assert_true(response.fields.items[0].dropped);
}

/* Where no content follows. */
static void
answers_that_end(void **state)
{
	(void)state;
	assert_true(READ_END(":status", "200"));
	assert_int_equal(response.content, CONTENT_LENGTH);
	assert_true(response.length == 0 && !response.length_known);
	assert_true(READ_END(":status", "200", "content-length", "0"));
	assert_true(response.length == 0 && response.length_known);
	assert_false(READ_END(":status", "200", "content-length", "7"));
	assert_true(READ_HEAD(":status", "200", "content-length", "7"));
	assert_int_equal(response.content, CONTENT_NONE);
	assert_true(response.length_known && response.length == 7);
	assert_true(READ_END(":status", "304", "content-length", "7"));
	assert_int_equal(response.content, CONTENT_NONE);
	assert_true(response.length_known && response.length == 7);
	assert_true(READ_END(":status", "204", "content-length", "0"));
	assert_int_equal(response.content, CONTENT_NONE);
	assert_false(response.length_known);
	assert_true(READ(":status", "204")); /* an empty DATA follows */
	assert_int_equal(response.content, CONTENT_NONE);
}

static void
interim_answers(void **state)
{
	(void)state;
	assert_true(READ(":status", "103", "link", "x"));
	assert_int_equal(response.status, 103);
	assert_int_equal(response.content, CONTENT_NONE);
	assert_false(READ_END(":status", "100"));
	assert_false(READ(":status", "101"));
	assert_false(READ_TUNNEL(":status", "101", "a", "b"));
}

static void
no_answers(void **state)
{
	static const char *const bad[] = {
	    "", "20", "2000", "099", "600", "2OO", "+20", " 20", "-1"};
	struct hpack_block block = {.too_large = true};
	struct h2_asked asked = {METHOD_GET, {0}};
	char value[256] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(READ(":status", bad[i]));
	assert_false(READ("a", "b"));
	assert_false(READ(":status", "200", ":status", "200"));
	assert_false(READ("a", "b", ":status", "200"));
	assert_false(READ(":status", "200", ":path", "/"));
	assert_false(READ(":path", "/", ":status", "200"));
	assert_false(READ(":status", "200", "connection", "close"));
	assert_false(READ(":status", "200", "transfer-encoding", "chunked"));
	assert_false(READ(":status", "200", "upgrade", "websocket"));
	assert_false(READ(":status", "200", "A", "b"));
	assert_false(READ(":status", "200", "a", "b\nc"));
	assert_false(READ(":status", "200", "content-length", "x"));
	assert_false(READ(":status", "200", "content-length", "1", "content-length", "1"));
	assert_true(READ(":status", "200", "a", "", "b", "", "c", "", "d", ""));
	assert_false(READ(":status", "200", "a", "", "b", "", "c", "", "d", "", "e", ""));
	memset(value, 'v', 250);
	assert_false(READ(":status", "200", "a", value));
	value[200] = '\0';
	assert_true(READ(":status", "200", "a", value));
	assert_false(h2_response_read(&block, false, &asked, &limits, &response));
}

/* RFC 8441 section 5: 2xx is what 101 is in HTTP/1. */
static void
tunnels(void **state)
{
	(void)state;
	assert_true(READ_TUNNEL(":status", "200", "sec-websocket-protocol", "x"));
	assert_true(response.tunnel);
	assert_int_equal(response.status, 101);
	assert_int_equal(response.content, CONTENT_UNKNOWN);
	assert_true(slice_equal(response.upgrade, SLICE("websocket")));
	assert_true(READ_TUNNEL(":status", "200", "content-length", "5"));
	assert_true(response.tunnel && !response.length_known);
	assert_true(READ_TUNNEL(":status", "403", "content-length", "5"));
	assert_false(response.tunnel);
	assert_int_equal(response.status, 403);
	assert_int_equal(response.content, CONTENT_LENGTH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers),
	    cmocka_unit_test(answers_that_end),
	    cmocka_unit_test(interim_answers),
	    cmocka_unit_test(no_answers),
	    cmocka_unit_test(tunnels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
