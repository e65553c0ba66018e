/* h2_encode_test.c - messages as field blocks: what a peer decodes from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/h2_encode.h"
#include "http/h2_request.h"
#include "http/h2_response.h"
#include "tests/plain_memory.h"

static char wire[4096];
static struct writer writer;
static struct field decoded[H2_FIELDS_MAX];
static char bytes[16384];
static struct hpack_block block;

static int
reset(void **state)
{
	(void)state;
	writer = writer_of(wire, sizeof(wire));
	return 0;
}

/* Decode what was written. */
static void
decode(void)
{
	struct hpack_decoder decoder;
	size_t consumed;

	assert_false(writer.full);
	hpack_decoder_init(&decoder, 0, plain_memory(NULL)); /* a table of no bytes is enough */
	hpack_block_init(&block, decoded, H2_FIELDS_MAX, bytes, sizeof(bytes), sizeof(bytes));
	assert_int_equal(hpack_decode(&decoder, (struct slice){wire, (size_t)(writer.at - wire)},
			     true, &block, &consumed),
	    HPACK_OK);
	assert_false(block.malformed || block.too_large);
	hpack_decoder_free(&decoder);
}

/* The list that was written, each field as "name: value;". */
static void
expect_list(const char *expected)
{
	char text[4096] = "";
	size_t len = 0;

	decode();
	for (size_t i = 0; i < block.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s: %.*s;",
		    (int)block.fields[i].name.len, block.fields[i].name.at,
		    (int)block.fields[i].value.len, block.fields[i].value.at);
	assert_string_equal(text, expected);
}

static const struct request get = {
    .method = SLICE("GET"),
    .method_id = METHOD_GET,
    .authority = SLICE("h:80"),
    .path = SLICE("/a"),
};

static void
requests(void **state)
{
	struct request request = get;

	(void)state;
	h2_encode_request(
	    &writer, &request, SLICE("User-Agent: x\r\nX-Jobgate-Job: demo\r\nA_b^: \r\n"), true);
	expect_list(":method: GET;:scheme: https;:authority: h:80;:path: /a;user-agent: x;"
		    "x-jobgate-job: demo;a_b^: ;");
	for (size_t i = 4; i < block.count; i++) /* lines do not tell which may be indexed */
		assert_true(block.fields[i].never_indexed);
}

static void
requests_with_content(void **state)
{
	struct request request = get;

	(void)state;
	request.method = SLICE("PATCH");
	request.method_id = METHOD_PATCH;
	request.content = CONTENT_LENGTH;
	request.length = UINT64_C(9223372036854775807);
	request.expect_continue = request.takes_trailers = true;
	h2_encode_request(&writer, &request, SLICE(""), false);
	expect_list(":method: PATCH;:scheme: http;:authority: h:80;:path: /a;"
		    "content-length: 9223372036854775807;te: trailers;expect: 100-continue;");
	reset(NULL);
	request = get;
	request.method = SLICE("POST");
	request.method_id = METHOD_POST;
	request.content = CONTENT_UNKNOWN;
	request.authority = (struct slice){0}; /* of HTTP/1.0 */
	h2_encode_request(&writer, &request, SLICE(""), false);
	expect_list(":method: POST;:scheme: http;:path: /a;");
}

/* Path and query are one text, wherever they lie. */
static void
paths(void **state)
{
	static const char joined[] = "/a/b?c=d";
	struct request request = get;

	(void)state;
	request.path = (struct slice){joined, 4};
	request.query = (struct slice){joined + 4, 4};
	h2_encode_request(&writer, &request, SLICE(""), true);
	expect_list(":method: GET;:scheme: https;:authority: h:80;:path: /a/b?c=d;");
	reset(NULL);
	request.query = SLICE("?e");
	h2_encode_request(&writer, &request, SLICE(""), true);
	expect_list(":method: GET;:scheme: https;:authority: h:80;:path: /a/b?e;");
	for (size_t room = 0; room < 64; room++) { /* all of it, or full */
		char *exact = malloc(room + 1);

		assert_non_null(exact);
		writer = writer_of(exact, room);
		h2_encode_request(&writer, &request, SLICE(""), true);
		assert_true(writer.full || writer.at - exact == 16);
		assert_true(writer.full || room >= 16);
		free(exact);
	}
	assert_false(writer.full);
}

/* RFC 8441. */
static void
websockets(void **state)
{
	struct request request = get;
	struct field fields[] = {
	    {.name = SLICE("Sec-WebSocket-Accept"), .value = SLICE("x")},
	    {.name = SLICE("Sec-WebSocket-Protocol"), .value = SLICE("y")},
	    {.name = SLICE("Upgrade"), .value = SLICE("z"), .dropped = true},
	};
	const struct response response = {
	    .status = 101, .tunnel = true, .upgrade = SLICE("websocket"), .fields = {fields, 3}};

	(void)state;
	request.upgrade = SLICE("websocket");
	request.takes_trailers = true;
	h2_encode_request(&writer, &request,
	    SLICE("Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n"), true);
	expect_list(":method: CONNECT;:protocol: websocket;:scheme: https;:authority: h:80;"
		    ":path: /a;sec-websocket-version: 13;");
	reset(NULL);
	h2_encode_response(&writer, &response, NULL);
	expect_list(":status: 200;sec-websocket-protocol: y;");
}

static void
responses(void **state)
{
	struct field fields[] = {
	    {.name = SLICE("Content-TYPE"), .value = SLICE("a/b")},
	    {.name = SLICE("Connection"), .value = SLICE("close"), .dropped = true},
	    {.name = SLICE("Set-Cookie"), .value = SLICE("c"), .never_indexed = true},
	};
	struct field first = {.name = SLICE("Strict-Transport-Security"), .value = SLICE("m")};
	struct response response = {.status = 200,
	    .reason = SLICE("Fine"),
	    .fields = {fields, 3},
	    .content = CONTENT_UNKNOWN};

	(void)state;
	h2_encode_response(&writer, &response, &(struct fields){&first, 1});
	expect_list(":status: 200;strict-transport-security: m;content-type: a/b;set-cookie: c;");
	assert_false(block.fields[2].never_indexed);
	assert_true(block.fields[3].never_indexed);
	response.fields.count = 0;
	response.content = CONTENT_LENGTH;
	response.length = 12;
	reset(NULL);
	h2_encode_response(&writer, &response, NULL);
	expect_list(":status: 200;content-length: 12;");
	response = (struct response){.status = 304, .length = 7, .length_known = true};
	reset(NULL);
	h2_encode_response(&writer, &response, NULL);
	expect_list(":status: 304;content-length: 7;");
	response = (struct response){.status = 599, .content = CONTENT_LENGTH};
	reset(NULL);
	h2_encode_response(&writer, &response, NULL); /* as gRPC's trailers-only replies */
	expect_list(":status: 599;");
	response = (struct response){.status = 103};
	reset(NULL);
	h2_encode_response(&writer, &response, NULL);
	expect_list(":status: 103;");
}

/* What is encoded and read again is the same. */
static void
round_trips(void **state)
{
	const struct head_limits limits = {4096, 1024, 16};
	const struct h2_asked asked = {.method = METHOD_GET};
	char room[H2_REQUEST_ROOM(64)];
	struct writer space = writer_of(room, sizeof(room));
	struct request request = get, again;
	struct response response = {.status = 404, .content = CONTENT_LENGTH, .length = 3}, answer;

	(void)state;
	request.content = CONTENT_LENGTH;
	request.length = 7;
	h2_encode_request(&writer, &request, SLICE("A: b\r\n"), true);
	decode();
	assert_int_equal(h2_request_read(&block, false, &limits, &space, &again), REQUEST_OK);
	assert_true(slice_equal(again.path, request.path) &&
		    slice_equal(again.authority, request.authority) && again.length == 7);
	reset(NULL);
	h2_encode_response(&writer, &response, NULL);
	decode();
	assert_true(h2_response_read(&block, false, &asked, &limits, &answer));
	assert_true(answer.status == 404 && answer.content == CONTENT_LENGTH && answer.length == 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(requests, reset),
	    cmocka_unit_test_setup(requests_with_content, reset),
	    cmocka_unit_test_setup(paths, reset),
	    cmocka_unit_test_setup(websockets, reset),
	    cmocka_unit_test_setup(responses, reset),
	    cmocka_unit_test_setup(round_trips, reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
