/*
 * fuzz_h2_request.c - lists of fields as requests of HTTP/2. An accepted list keeps all rules.
 * Written in HTTP/1 and read again, by us and by another parser, it is one request, and the same.
 * Bit 0 of the first byte: no content follows.
 */
#include <http_parser.h>

#include "h2_input.h"
#include "http/framing.h"
#include "http/h2_request.h"
#include "http/names.h"
#include "reading.h"
#include "upstream/http1/client.h"

static const struct head_limits limits = {4096, 2048, 64};

/* The rules for the list as a whole, written a second time. */
static void
check_list(const struct h2_input *input, bool end_stream)
{
	struct slice method, path, scheme, authority, host, protocol, length, value;
	size_t authorities = h2_input_find(input, SLICE(":authority"), &authority);
	size_t hosts = h2_input_find(input, SLICE("host"), &host);
	size_t lengths = h2_input_find(input, SLICE("content-length"), &length);
	size_t protocols = h2_input_find(input, SLICE(":protocol"), &protocol);

	h2_input_check_accepted(input);
	CHECK(h2_input_find(input, SLICE(":method"), &method) == 1);
	CHECK(h2_input_find(input, SLICE(":path"), &path) == 1 && path.len > 0);
	CHECK(h2_input_find(input, SLICE(":scheme"), &scheme) == 1);
	CHECK(h2_input_find(input, SLICE(":status"), &value) == 0);
	CHECK(path.at[0] == '/' ||
	      (slice_equal(path, SLICE("*")) && slice_equal(method, SLICE("OPTIONS"))));
	CHECK(authorities <= 1 && hosts <= 1 && authorities + hosts > 0);
	CHECK(authorities == 0 || authority.len > 0);
	CHECK(slice_equal(method, SLICE("CONNECT")) == (protocols > 0));
	CHECK(protocols == 0 ||
	      (authorities == 1 && slice_equal_nocase(protocol, SLICE("websocket"))));
	CHECK(!slice_equal(method, SLICE("TRACE")));
	CHECK(lengths <= 1 && (lengths == 0 || protocols == 0));
	for (size_t i = 0; lengths > 0 && i < length.len; i++)
		CHECK(length.at[i] >= '0' && length.at[i] <= (end_stream ? '0' : '9'));
}

/* Write the request as HTTP/1 does, with all fields that are not dropped. */
static struct slice
written(const struct request *request, struct slice lines)
{
	static char wire[32768];
	struct writer writer = writer_of(wire, sizeof(wire));

	http1_write_request(&writer, request, lines, (struct slice){0});
	CHECK(!writer.full);
	return (struct slice){wire, (size_t)(writer.at - wire)};
}

static struct slice
lines_of(const struct fields *fields)
{
	static char text[16384];
	struct writer writer = writer_of(text, sizeof(text));

	write_fields(&writer, fields);
	CHECK(!writer.full);
	return (struct slice){text, (size_t)(writer.at - text)};
}

/* The fields that travel on, in their order, and what HTTP/1 adds. */
static void
check_fields(const struct request *request, const struct request_head *head)
{
	size_t at = 1; /* behind Host */

	CHECK(head->fields[0].id == FIELD_HOST);
	for (size_t i = 0; i < request->fields.count; i++) {
		const struct field *field = &request->fields.items[i];

		CHECK(field->dropped || !field_has(field->id, HOP_BY_HOP));
		if (field->dropped)
			continue;
		CHECK(at < head->field_count);
		CHECK(slice_equal(field->name, head->fields[at].name));
		CHECK(slice_equal(field->value, head->fields[at].value));
		CHECK(field->id == head->fields[at].id);
		at++;
	}
	CHECK(head->field_count - at == (request->content != CONTENT_NONE) +
					    (size_t)request->expect_continue +
					    (request->upgrade.len > 0 ? 2 : 0));
}

/* Read by our own parser, it is the same request. */
static void
check_again(const struct request *request, struct slice wire)
{
	static struct request_head head;
	static char room[PATH_ESCAPE_GROWTH * 8192];
	const struct head_limits wide = {sizeof(room), 8192, HEAD_FIELDS_MAX};
	struct request_framing framing;
	struct request again = {0};
	struct target target;
	uint32_t scanned = 0;
	size_t start, end;

	CHECK(head_find(wire, true, &wide, &scanned, &start, &end) == HEAD_COMPLETE);
	CHECK(start == 0 && end == wire.len);
	CHECK(head_parse_request(wire, &wide, &head) == HEAD_COMPLETE);
	check_fields(request, &head);
	CHECK(request_framing(&head, &framing) == FRAMING_OK);
	again.method_id = head.method_id;
	target_parse(head.target, &target);
	CHECK(request_set_target(&again, &target, framing.host, room) == REQUEST_OK);
	CHECK(slice_equal(head.method, request->method) && again.method_id == request->method_id);
	CHECK(slice_equal(again.path, request->path) && !again.path_resolved);
	CHECK(slice_equal(again.query, request->query));
	CHECK(slice_equal(again.authority, request->authority));
	CHECK(slice_equal(framing.upgrade, request->upgrade));
	CHECK(framing.expect_continue == request->expect_continue);
	CHECK((framing.body == BODY_NONE) == (request->content == CONTENT_NONE));
	CHECK((framing.body == BODY_CHUNKED) == (request->content == CONTENT_UNKNOWN));
	CHECK(framing.length == request->length);
}

/* Read by another parser, it is what ours reads. */
static void
check_peer(const struct request *request, struct slice wire)
{
	static struct reading ours, peers;

	reading_of_request(wire, &ours);
	CHECK(ours.status == READING_WHOLE || ours.status == READING_BODY);
	peer_reading_of_request(wire, &peers);
	if (peers.status == READING_REFUSED && peers.error == HPE_INVALID_METHOD &&
	    request->method_id == METHOD_OTHER)
		return;
	if (!reading_has_longer_name(&ours, SLICE("transfer-encoding")) &&
	    !reading_has_longer_name(&ours, SLICE("content-length")))
		readings_compare(&ours, &peers);
}

/* The cookies of all crumbs, and no byte more. */
static void
check_cookies(const struct h2_input *input, const struct request *request)
{
	size_t crumbs = 0, bytes = 0, cookies = 0;

	for (size_t i = 0; i < input->count; i++) {
		size_t len = input->fields[i].value.len;

		if (!slice_equal(input->fields[i].name, SLICE("cookie")))
			continue;
		crumbs++;
		bytes += len + (bytes > 0 && len > 0 ? 2 : 0);
	}
	for (size_t i = 0; i < request->fields.count; i++) {
		if (request->fields.items[i].id != FIELD_COOKIE)
			continue;
		CHECK(request->fields.items[i].value.len == bytes);
		cookies++;
	}
	CHECK(cookies == (crumbs > 0));
}

static void
check_accepted(const struct h2_input *input, const struct request *request, bool end_stream)
{
	struct slice wire;

	check_list(input, end_stream);
	check_cookies(input, request);
	CHECK(request->version == HTTP_2 && request->fields.count <= limits.fields);
	CHECK(!end_stream || request->content != CONTENT_UNKNOWN);
	wire = written(request, lines_of(&request->fields));
	check_again(request, wire);
	check_peer(request, wire);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct h2_input input;
	static struct field fields[H2_FIELDS_MAX];
	static char room[H2_REQUEST_ROOM(4096)];
	struct writer writer = writer_of(room, sizeof(room));
	struct hpack_block block;
	struct request request;
	struct fields trailers;
	char *copy;

	if (size < 1)
		return 0;
	copy = exact_copy(data + 1, size - 1);
	h2_input_read((struct slice){copy, size - 1}, &input);
	block = h2_input_block(&input, fields);
	if (h2_request_read(&block, data[0] & 1, &limits, &writer, &request) == REQUEST_OK)
		check_accepted(&input, &request, data[0] & 1);
	block = h2_input_block(&input, fields);
	if (h2_trailers_read(&block, NULL, &trailers)) {
		h2_input_check_accepted(&input);
		for (size_t i = 0; i < trailers.count; i++)
			CHECK(trailers.items[i].dropped !=
			      field_has(trailers.items[i].id, TRAILERS_TOO));
	}
	free(copy);
	return 0;
}
