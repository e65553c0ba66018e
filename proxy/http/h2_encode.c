/* h2_encode.c - writes messages as field blocks. */
#include "http/h2_encode.h"

#include "http/hpack.h"

/* How many more bytes than its text a literal may need, if its name is in the static table. */
#define LITERAL_EXTRA 16

static void
write_length(struct writer *writer, uint64_t length)
{
	char digits[20];
	struct writer number = writer_of(digits, sizeof(digits));

	write_number(&number, length);
	hpack_write_named(
	    writer, HPACK_CONTENT_LENGTH, (struct slice){digits, (size_t)(number.at - digits)});
}

/*
 * Path and query as one text. In a kept request they are adjacent. If they are not, they are joined
 * at the end of the writer's room, which the field does not reach.
 */
static void
write_path(struct writer *writer, struct slice path, struct slice query)
{
	size_t len = path.len + query.len;
	char *text;

	if (query.len > 0 && path.at + path.len != query.at) {
		if ((size_t)(writer->end - writer->at) < 2 * len + LITERAL_EXTRA) {
			writer->full = true;
			return;
		}
		text = writer->end - len;
		memcpy(text, path.at, path.len);
		memcpy(text + path.len, query.at, query.len);
		path.at = text;
	}
	hpack_write_named(writer, HPACK_PATH_SLASH, (struct slice){path.at, len});
}

static void
write_method(struct writer *writer, const struct request *request)
{
	if (request->upgrade.len > 0) {
		hpack_write_named(writer, HPACK_METHOD_GET, SLICE("CONNECT"));
		hpack_write_field(writer, SLICE(":protocol"), request->upgrade);
	} else if (request->method_id == METHOD_GET) {
		hpack_write_indexed(writer, HPACK_METHOD_GET);
	} else if (request->method_id == METHOD_POST) {
		hpack_write_indexed(writer, HPACK_METHOD_POST);
	} else {
		hpack_write_named(writer, HPACK_METHOD_GET, request->method);
	}
}

void
h2_encode_request(
    struct writer *writer, const struct request *request, struct slice lines, bool secure)
{
	bool upgrade = request->upgrade.len > 0;
	struct field field;

	write_method(writer, request);
	hpack_write_indexed(writer, secure ? HPACK_SCHEME_HTTPS : HPACK_SCHEME_HTTP);
	if (request->authority.len > 0)
		hpack_write_named(writer, HPACK_AUTHORITY, request->authority);
	write_path(writer, request->path, request->query);
	/* Lines do not say which fields came as never indexed, so all of them are written so. */
	while (field_line_next(&lines, &field))
		if (!upgrade || !slice_equal_nocase(field.name, SLICE("sec-websocket-key")))
			hpack_write_never_indexed(writer, field.name, field.value);
	if (request->content == CONTENT_LENGTH && !upgrade)
		write_length(writer, request->length);
	if (request->takes_trailers && !upgrade)
		hpack_write_field(writer, SLICE("te"), SLICE("trailers"));
	if (request->expect_continue && !upgrade)
		hpack_write_named(writer, HPACK_EXPECT, SLICE("100-continue"));
}

/* Sec-WebSocket-Accept belongs to HTTP/1's handshake. */
static bool
is_of_handshake(const struct field *field)
{
	return slice_equal_nocase(field->name, SLICE("sec-websocket-accept"));
}

static void
write_tunnel_fields(struct writer *writer, const struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++)
		if (!is_of_handshake(&fields->items[i]))
			hpack_write_fields(writer, &(struct fields){&fields->items[i], 1});
}

void
h2_encode_response(
    struct writer *writer, const struct response *response, const struct fields *first)
{
	hpack_write_status(writer, response->tunnel ? 200 : response->status);
	if (first != NULL)
		hpack_write_fields(writer, first);
	if (response->tunnel) {
		write_tunnel_fields(writer, &response->fields);
		return;
	}
	hpack_write_fields(writer, &response->fields);
	/* An answer that ends with its head needs no length, and an answer of gRPC has none. */
	if (response->length_known || (response->content == CONTENT_LENGTH && response->length > 0))
		write_length(writer, response->length);
}
