/* h2_request_test.c - which lists of HTTP/2 are requests, and what they mean (RFC 9113 section 8).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "h2_list.h"
#include "http/h2_request.h"

static const struct head_limits limits = {1024, 64, 8};
static struct request request;

static enum request_error
read_list(bool end_stream, const char *const *texts)
{
	static char room[H2_REQUEST_ROOM(1024)];
	struct writer writer = writer_of(room, sizeof(room));
	struct hpack_block block = h2_block_of(texts);

	return h2_request_read(&block, end_stream, &limits, &writer, &request);
}

/* With content to follow, and without. */
#define READ(...) read_list(false, H2_TEXTS(__VA_ARGS__))
#define READ_END(...) read_list(true, H2_TEXTS(__VA_ARGS__))

#define GET ":method", "GET", ":scheme", "https", ":authority", "h", ":path", "/"
#define POST ":method", "POST", ":scheme", "http", ":authority", "h", ":path", "/"
#define WEBSOCKET                                                                              \
	":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "h", \
	    ":path", "/ws?x"

static void
expect_text(struct slice found, const char *text)
{
	assert_int_equal(found.len, strlen(text));
	assert_memory_equal(found.at, text, found.len);
}

/* The fields that travel on, each as "name: value;". */
static void
expect_passed(const char *expected)
{
	char text[1024] = "";
	size_t len = 0;

	for (size_t i = 0; i < request.fields.count; i++) {
		const struct field *field = &request.fields.items[i];

		if (!field->dropped)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s: %.*s;",
			    (int)field->name.len, field->name.at, (int)field->value.len,
			    field->value.at);
	}
	assert_string_equal(text, expected);
}

static void
plain_requests(void **state)
{
	(void)state;
	assert_int_equal(READ_END(":path", "/a/../b?q=1", ":authority", "h:8", ":scheme", "https",
			     ":method", "GET", "accept", "*/*"),
	    REQUEST_OK);
	expect_text(request.method, "GET");
	assert_int_equal(request.method_id, METHOD_GET);
	expect_text(request.authority, "h:8");
	expect_text(request.path, "/b");
	expect_text(request.query, "?q=1");
	assert_true(request.path_resolved);
	assert_int_equal(request.version, HTTP_2);
	assert_int_equal(request.content, CONTENT_NONE);
	assert_int_equal(request.upgrade.len, 0);
	expect_passed("accept: */*;");
	assert_int_equal(
	    READ(":method", "PURGE", ":scheme", "HTTP", ":authority", "[::1]:80", ":path", "/a\"b"),
	    REQUEST_OK);
	assert_int_equal(request.method_id, METHOD_OTHER);
	expect_text(request.path, "/a%22b");
	assert_int_equal(
	    READ(":method", "OPTIONS", ":scheme", "http", ":authority", "h", ":path", "*"),
	    REQUEST_OK);
	expect_text(request.path, "*");
}

static void
content(void **state)
{
	(void)state;
	assert_int_equal(READ(POST), REQUEST_OK);
	assert_int_equal(request.content, CONTENT_UNKNOWN);
	assert_int_equal(READ(POST, "content-length", "5"), REQUEST_OK);
	assert_int_equal(request.content, CONTENT_LENGTH);
	assert_int_equal(request.length, 5);
	expect_passed("");
	assert_int_equal(READ_END(POST, "content-length", "0"), REQUEST_OK);
	assert_int_equal(request.content, CONTENT_LENGTH);
	assert_int_equal(READ_END(POST, "content-length", "5"), REQUEST_MALFORMED);
	assert_int_equal(READ(POST, "content-length", ""), REQUEST_MALFORMED);
	assert_int_equal(READ(POST, "content-length", "+5"), REQUEST_MALFORMED);
	assert_int_equal(READ(POST, "content-length", "5,5"), REQUEST_MALFORMED);
	assert_int_equal(
	    READ(POST, "content-length", "5", "content-length", "5"), REQUEST_MALFORMED);
	assert_int_equal(READ(POST, "content-length", "9223372036854775808"), REQUEST_MALFORMED);
	assert_int_equal(READ(POST, "expect", "100-Continue"), REQUEST_OK);
	assert_true(request.expect_continue);
	expect_passed("");
	assert_int_equal(
	    READ(POST, "expect", "100-continue", "expect", "100-continue"), REQUEST_BAD_EXPECT);
	assert_int_equal(READ(POST, "expect", "x"), REQUEST_BAD_EXPECT);
}

/* RFC 9113 section 8.1.1: the sum of DATA. */
static void
content_against_its_length(void **state)
{
	struct h2_content five = h2_content_of(CONTENT_LENGTH, 5), none, unknown;

	(void)state;
	assert_false(h2_content_whole(&five));
	assert_true(h2_content_take(&five, 4));
	assert_false(h2_content_whole(&five));
	assert_false(h2_content_take(&five, 2));
	assert_true(h2_content_take(&five, 1));
	assert_true(h2_content_whole(&five));
	none = h2_content_of(CONTENT_NONE, 7);
	assert_true(h2_content_take(&none, 0) && h2_content_whole(&none));
	assert_false(h2_content_take(&none, 1));
	unknown = h2_content_of(CONTENT_UNKNOWN, 0);
	assert_true(h2_content_take(&unknown, UINT64_MAX) && h2_content_take(&unknown, 1));
	assert_true(h2_content_whole(&unknown));
}

static void
pseudo_fields(void **state)
{
	(void)state;
	assert_int_equal(READ_END("a", "b"), REQUEST_MALFORMED);
	assert_int_equal(
	    READ_END(":scheme", "https", ":authority", "h", ":path", "/"), REQUEST_MALFORMED);
	assert_int_equal(
	    READ_END(":method", "GET", ":authority", "h", ":path", "/"), REQUEST_MALFORMED);
	assert_int_equal(
	    READ_END(":method", "GET", ":scheme", "https", ":authority", "h"), REQUEST_MALFORMED);
	assert_int_equal(
	    READ_END(":method", "GET", ":scheme", "https", ":authority", "h", ":path", ""),
	    REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, ":method", "GET"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, ":scheme", "https"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, ":authority", "h"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, ":path", "/"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, ":status", "200"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, ":protocol", "websocket"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, ":other", "x"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, ":", "x"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, "a", "b", ":path", "/c"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(":method", "GET", ":scheme", "https", "a", "b", ":path", "/",
			     ":authority", "h"),
	    REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, "A", "b"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, "a", " b"), REQUEST_MALFORMED);
}

/* Fields that speak of one connection (RFC 9113 section 8.2.2). */
static void
connection_fields(void **state)
{
	static const char *const names[] = {
	    "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(READ_END(GET, names[i], "x"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, "te", "trailers", "te", "gzip"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, "te", "trailers, deflate"), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, "te", ""), REQUEST_MALFORMED);
	assert_int_equal(READ_END(GET, "te", "trailers", "http2-settings", "x", "a", "b",
			     "proxy-authorization", "c"),
	    REQUEST_OK);
	expect_passed("a: b;"); /* TE is written by us: see request.takes_trailers */
	assert_int_equal(READ_END(GET, "transfer_encoding", "chunked"), REQUEST_OK);
	assert_int_equal(request.fields.items[0].id, FIELD_DISGUISED); /* which never travels on */
}

static void
hosts(void **state)
{
	(void)state;
	assert_int_equal(READ_END(GET, "host", "H:443"), REQUEST_OK);
	expect_text(request.authority, "h");
	expect_passed("");
	assert_int_equal(READ_END(GET, "host", "g"), REQUEST_HOST_DIFFERS);
	assert_int_equal(READ_END(GET, "host", "h:80"), REQUEST_HOST_DIFFERS);
	assert_int_equal(READ_END(GET, "host", "h", "host", "h"), REQUEST_BAD_HOST);
	assert_int_equal(READ_END(GET, "host", ""), REQUEST_BAD_HOST);
	assert_int_equal(
	    READ_END(":method", "GET", ":scheme", "http", ":path", "/", "host", "h:9"), REQUEST_OK);
	expect_text(request.authority, "h:9");
	assert_int_equal(
	    READ_END(":method", "GET", ":scheme", "http", ":path", "/"), REQUEST_BAD_HOST);
	assert_int_equal(READ_END(":method", "GET", ":scheme", "http", ":authority", "", ":path",
			     "/", "host", "h"),
	    REQUEST_BAD_HOST);
	assert_int_equal(
	    READ_END(":method", "GET", ":scheme", "http", ":authority", "u@h", ":path", "/"),
	    REQUEST_BAD_HOST);
	assert_int_equal(
	    READ_END(":method", "GET", ":scheme", "http", ":authority", "h/x", ":path", "/"),
	    REQUEST_BAD_HOST);
}

static void
targets(void **state)
{
	static const char *const bad[] = {"*", "a", "http://h/", "h:80", "/%", "/a b", "/a#b",
	    "/\\", "/?a b", "/\xc3\xa4", "?a", "//h/../%zz"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(READ_END(":method", "GET", ":scheme", "http", ":authority", "h",
				     ":path", bad[i]),
		    REQUEST_BAD_TARGET);
	assert_int_equal(
	    READ_END(":method", "GET", ":scheme", "http", ":authority", "h", ":path", "/..%2fa"),
	    REQUEST_HIDES_DOTS);
	assert_int_equal(
	    READ_END(":method", "GET", ":scheme", "ftp", ":authority", "h", ":path", "/"),
	    REQUEST_BAD_SCHEME);
	assert_int_equal(READ_END(":method", "GET", ":scheme", "", ":authority", "h", ":path", "/"),
	    REQUEST_BAD_SCHEME);
}

static void
methods(void **state)
{
	(void)state;
	assert_int_equal(
	    READ_END(":method", "", ":scheme", "http", ":authority", "h", ":path", "/"),
	    REQUEST_MALFORMED);
	assert_int_equal(READ_END(":method", "GET / HTTP/1.1", ":scheme", "http", ":authority", "h",
			     ":path", "/"),
	    REQUEST_MALFORMED);
	assert_int_equal(
	    READ_END(":method", "TRACE", ":scheme", "http", ":authority", "h", ":path", "/"),
	    REQUEST_NOT_SERVED);
	assert_int_equal(READ(":method", "CONNECT", ":authority", "h:80"), REQUEST_NOT_SERVED);
	assert_int_equal(request.method_id, METHOD_CONNECT);
	assert_int_equal(READ(":method", "CONNECT", ":authority", "h"), REQUEST_BAD_TARGET);
	assert_int_equal(READ(":method", "CONNECT"), REQUEST_MALFORMED);
	assert_int_equal(
	    READ(":method", "CONNECT", ":authority", "h:80", ":path", "/"), REQUEST_MALFORMED);
	assert_int_equal(
	    READ(":method", "CONNECT", ":authority", "h:80", ":scheme", "http"), REQUEST_MALFORMED);
	assert_int_equal(
	    READ(":method", "CONNECT", ":authority", "h:80", ":scheme", "http", ":path", "/"),
	    REQUEST_MALFORMED);
}

/* RFC 8441: what is an upgrade in HTTP/1. */
static void
websockets(void **state)
{
	(void)state;
	assert_int_equal(
	    READ(WEBSOCKET, "sec-websocket-version", "13", "sec-websocket-key", "x"), REQUEST_OK);
	expect_text(request.method, "GET");
	assert_int_equal(request.method_id, METHOD_GET);
	expect_text(request.path, "/ws");
	expect_text(request.query, "?x");
	expect_text(request.upgrade, "websocket");
	assert_int_equal(request.content, CONTENT_NONE);
	expect_passed("sec-websocket-version: 13;");
	assert_int_equal(READ(WEBSOCKET, "content-length", "0"), REQUEST_MALFORMED);
	assert_int_equal(READ(WEBSOCKET, "upgrade", "websocket"), REQUEST_MALFORMED);
	assert_int_equal(READ(":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "https",
			     ":authority", "h", ":path", "/"),
	    REQUEST_BAD_PROTOCOL);
	assert_int_equal(READ(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https",
			     ":authority", "h"),
	    REQUEST_MALFORMED);
	assert_int_equal(
	    READ(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/"),
	    REQUEST_MALFORMED);
	assert_int_equal(READ(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https",
			     ":authority", "h", ":path", "*"),
	    REQUEST_BAD_TARGET);
}

static void
cookies(void **state)
{
	(void)state;
	assert_int_equal(READ_END(GET, "a", "1", "cookie", "x=1", "b", "2", "cookie", "y=2",
			     "cookie", "z=3", "c", "3"),
	    REQUEST_OK);
	expect_passed("a: 1;cookie: x=1; y=2; z=3;b: 2;c: 3;");
	assert_int_equal(READ_END(GET, "cookie", "", "cookie", "y=2"), REQUEST_OK);
	expect_passed("cookie: y=2;");
	assert_int_equal(
	    READ_END(GET, "cookie", "x=1", "cookie", "", "cookie", "y=2", "cookie", ""),
	    REQUEST_OK);
	expect_passed("cookie: x=1; y=2;");
	assert_int_equal(READ_END(GET, "cookie", "", "cookie", ""), REQUEST_OK);
	expect_passed("cookie: ;");
	assert_int_equal(READ_END(GET, "cookie", "x=1"), REQUEST_OK);
	expect_passed("cookie: x=1;");
	/* Together with a path that has to be rewritten. */
	assert_int_equal(READ_END(":method", "GET", ":scheme", "http", ":authority", "h", ":path",
			     "/./\"", "cookie", "x=1", "cookie", "y=2"),
	    REQUEST_OK);
	expect_text(request.path, "/%22");
	expect_passed("cookie: x=1; y=2;");
}

/* The limits of HTTP/1; crumbs are one field. */
static void
sizes(void **state)
{
	char path[80] = "/", value[1025] = "";
	struct hpack_block block = {.too_large = true};
	struct writer none = writer_of(value, 0);

	(void)state;
	memset(path + 1, 'a', 63);
	assert_int_equal(
	    READ_END(":method", "GET", ":scheme", "http", ":authority", "h", ":path", path),
	    REQUEST_OK);
	path[64] = 'a';
	assert_int_equal(
	    READ_END(":method", "GET", ":scheme", "http", ":authority", "h", ":path", path),
	    REQUEST_TARGET_TOO_LONG);
	assert_int_equal(READ_END(GET, "a", "", "b", "", "c", "", "d", "", "e", "", "f", "",
			     "cookie", "x", "cookie", "y", "cookie", "z", "g", ""),
	    REQUEST_OK);
	assert_int_equal(READ_END(GET, "a", "", "b", "", "c", "", "d", "", "e", "", "f", "", "g",
			     "", "h", "", "i", ""),
	    REQUEST_TOO_LARGE);
	memset(value, 'v', 1000);
	assert_int_equal(READ_END(GET, "a", value), REQUEST_TOO_LARGE);
	value[900] = '\0';
	assert_int_equal(READ_END(GET, "a", value), REQUEST_OK);
	assert_int_equal(
	    h2_request_read(&block, true, &limits, &none, &request), REQUEST_TOO_LARGE);
	block = h2_block_of(H2_TEXTS(GET));
	assert_int_equal(
	    h2_request_read(&block, true, &limits, &none, &request), REQUEST_TOO_LARGE);
}

/* Lists by which http2smugl and others hide a request of HTTP/1 in one of HTTP/2. None may pass. */
static void
smuggled_requests(void **state)
{
	static const char *const lists[][2] = {
	    {"transfer-encoding", "chunked"},
	    {"transfer-encoding", "identity"},
	    {"Transfer-Encoding", "chunked"},
	    {"transfer-encoding ", "chunked"},
	    {" transfer-encoding", "chunked"},
	    {"transfer-encoding\t", "chunked"},
	    {"transfer-encoding\r", "chunked"},
	    {"transfer-encoding\n", "chunked"},
	    {"\ttransfer-encoding", "chunked"},
	    {"\r\ntransfer-encoding", "chunked"},
	    {"\ntransfer-encoding", "chunked"},
	    {":transfer-encoding", "chunked"},
	    {"transfer-encoding:", "chunked"},
	    {"transfer-encoding: chunked\r\nfoo", "bar"},
	    {"foo: bar\r\ntransfer-encoding", "chunked"},
	    {"foo\r\ntransfer-encoding", "chunked"},
	    {"foo\ntransfer-encoding: chunked\nbar", "baz"},
	    {"transfer-encoding", "\tchunked"},
	    {"transfer-encoding", " chunked"},
	    {"transfer-encoding", "\vchunked"},
	    {"transfer-encoding", "chunked\r"},
	    {"transfer-encoding", "chunked, cow"},
	    {"transfer-encoding", "xchunked"},
	    {"transfer-\xc5\xbf", "chunked"},
	    {"tran\xc5\xbf"
	     "fer-encoding",
		"chunked"},
	    {"foo", "bar\r\nTransfer-Encoding: chunked"},
	    {"foo", "bar\ntransfer-encoding: chunked"},
	    {"foo", "bar\rtransfer-encoding: chunked"},
	    {"foo", "bar\r\n\r\nGET /admin HTTP/1.1\r\nHost: h"},
	    {"foo", "bar\xc4\x8d\x8a\nx: y"},
	    {"content-length", "5"},
	    {"content-length", "+0"},
	    {"content-length", "-0"},
	    {"content-length", "0x0"},
	    {"content-length", "0 "},
	    {"content-length", "0, 0"},
	    {"Content-Length", "0"},
	    {"content-length ", "0"},
	    {"content-length:", "0"},
	    {"content-length\r\nx", "0"},
	    {"upgrade", "h2c"},
	    {"connection", "content-length"},
	    {"host", "evil"},
	    {"host", "h\r\nx: y"},
	    {"host ", "h"},
	    {":authority", "evil"},
	    {":path", "/admin"},
	    {":method", "POST"},
	};
	static const char *const pseudo[][4] = {
	    {"GET", "http", "h", "/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nx: y"},
	    {"GET", "http", "h", "/\r\n\r\nGET /admin"},
	    {"GET", "http", "h", "/ HTTP/1.1"},
	    {"GET", "http", "h", "/\tHTTP/1.1"},
	    {"GET", "http", "h", " /"},
	    {"GET", "http", "h", "/ "},
	    {"GET", "http", "h", "/\n"},
	    {"GET /admin HTTP/1.1\r\nHost: h\r\n\r\nGET", "http", "h", "/"},
	    {"GET /admin HTTP/1.1\r\nx:", "http", "h", "/"},
	    {"GET\r\nx: y", "http", "h", "/"},
	    {"GET ", "http", "h", "/"},
	    {" GET", "http", "h", "/"},
	    {"GET", "http://h/admin?", "h", "/"},
	    {"GET", "http\r\nx: y", "h", "/"},
	    {"GET", "http ", "h", "/"},
	    {"GET", "http", "h\r\nTransfer-Encoding: chunked", "/"},
	    {"GET", "http", "h\r\n\r\nGET /admin HTTP/1.1", "/"},
	    {"GET", "http", "h:80@evil", "/"},
	    {"GET", "http", "h:80:90", "/"},
	    {"GET", "http", "h ", "/"},
	    {"GET", "http", "h, evil", "/"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		enum request_error error = READ_END(GET, lists[i][0], lists[i][1]);

		if (error == REQUEST_OK)
			fail_msg("%s: %s passes", lists[i][0], lists[i][1]);
		assert_true(READ_END(GET, lists[i][0], lists[i][1], "x", "y") != REQUEST_OK);
	}
	for (size_t i = 0; i < sizeof(pseudo) / sizeof(pseudo[0]); i++) {
		const char *const *p = pseudo[i];

		if (READ_END(":method", p[0], ":scheme", p[1], ":authority", p[2], ":path", p[3]) ==
		    REQUEST_OK)
			fail_msg("%s %s %s %s passes", p[0], p[1], p[2], p[3]);
	}
}

static void
trailers(void **state)
{
	static const char *const listed[] = {"x-user*", NULL};
	struct hpack_block block;
	struct fields fields;

	(void)state;
	block = h2_block_of(H2_TEXTS("a", "1", "content-length", "3", "host", "h", "authorization",
	    "x", "x-user-id", "1", "x_user_id", "1", "te", "trailers"));
	assert_true(h2_trailers_read(&block, listed, &fields));
	assert_int_equal(fields.count, 7);
	for (size_t i = 0; i < fields.count; i++)
		assert_int_equal(fields.items[i].dropped, i > 0);
	block = h2_block_of(H2_TEXTS("a", "1", ":path", "/"));
	assert_false(h2_trailers_read(&block, NULL, &fields));
	block = h2_block_of(H2_TEXTS(":path", "/"));
	assert_false(h2_trailers_read(&block, NULL, &fields));
	block = h2_block_of(H2_TEXTS("connection", "close"));
	assert_false(h2_trailers_read(&block, NULL, &fields));
	block = h2_block_of(H2_TEXTS("A", "1"));
	assert_false(h2_trailers_read(&block, NULL, &fields));
	block = (struct hpack_block){.too_large = true};
	assert_false(h2_trailers_read(&block, NULL, &fields));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_requests),
	    cmocka_unit_test(content),
	    cmocka_unit_test(content_against_its_length),
	    cmocka_unit_test(pseudo_fields),
	    cmocka_unit_test(connection_fields),
	    cmocka_unit_test(hosts),
	    cmocka_unit_test(targets),
	    cmocka_unit_test(methods),
	    cmocka_unit_test(websockets),
	    cmocka_unit_test(cookies),
	    cmocka_unit_test(sizes),
	    cmocka_unit_test(smuggled_requests),
	    cmocka_unit_test(trailers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
