/* peer.c - reads messages with Debian's libhttp-parser, which shares no code with our codec. */
#include <http_parser.h>

#include "fuzz.h"
#include "http/bytes.h"
#include "reading.h"

/* What the callbacks fill in. */
struct peer {
	struct reading *out;
	size_t lines; /* fields and trailers */
	bool in_value, has_no_content, head_complete, whole;
};

/* A text comes in one piece or in several that adjoin. */
static void
extend(struct slice *text, const char *at, size_t len)
{
	if (text->len == 0)
		text->at = at;
	CHECK(text->at + text->len == at);
	text->len += len;
}

static int
on_url(http_parser *parser, const char *at, size_t len)
{
	extend(&((struct peer *)parser->data)->out->target, at, len);
	return 0;
}

static int
on_status(http_parser *parser, const char *at, size_t len)
{
	extend(&((struct peer *)parser->data)->out->reason, at, len);
	return 0;
}

static int
on_field(http_parser *parser, const char *at, size_t len)
{
	struct peer *peer = parser->data;

	if (peer->lines == 0 || peer->in_value)
		peer->lines++;
	if (peer->lines > 2 * HEAD_FIELDS_MAX)
		return 1;
	peer->in_value = false;
	extend(&peer->out->fields[peer->lines - 1].name, at, len);
	return 0;
}

static int
on_value(http_parser *parser, const char *at, size_t len)
{
	struct peer *peer = parser->data;
	struct slice *value = &peer->out->fields[peer->lines - 1].value;

	peer->in_value = true;
	if (value->len > 0 && value->at + value->len != at)
		return 1; /* folded over two lines: what we refuse */
	extend(value, at, len);
	return 0;
}

static int
on_headers_complete(http_parser *parser)
{
	struct peer *peer = parser->data;

	peer->head_complete = true;
	peer->out->field_count = peer->lines;
	return peer->has_no_content ||
	       (parser->type == HTTP_RESPONSE && parser->status_code < 200) ||
	       parser->status_code == 204 || parser->status_code == 304;
}

static int
on_body(http_parser *parser, const char *at, size_t len)
{
	reading_add_content(((struct peer *)parser->data)->out, (struct slice){at, len});
	return 0;
}

static int
on_message_complete(http_parser *parser)
{
	((struct peer *)parser->data)->whole = true;
	http_parser_pause(parser, 1);
	return 0;
}

/* It leaves the white space behind a value where it is (RFC 9110 section 5.5: no part of it). */
static void
trim_values(struct reading *out, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct slice *value = &out->fields[i].value;

		while (value->len > 0 &&
		       (value->at[value->len - 1] == ' ' || value->at[value->len - 1] == '\t'))
			value->len--;
	}
}

static void
peer_read(struct slice bytes, enum http_parser_type type, bool has_no_content, bool closed,
    struct reading *out)
{
	static const http_parser_settings settings = {.on_url = on_url,
	    .on_status = on_status,
	    .on_header_field = on_field,
	    .on_header_value = on_value,
	    .on_headers_complete = on_headers_complete,
	    .on_body = on_body,
	    .on_message_complete = on_message_complete};
	struct peer peer = {.out = out, .has_no_content = has_no_content};
	http_parser parser;

	*out = (struct reading){.status = READING_HEAD};
	http_parser_init(&parser, type);
	parser.data = &peer;
	out->end = http_parser_execute(&parser, &settings, bytes.at, bytes.len);
	if (closed && HTTP_PARSER_ERRNO(&parser) == HPE_OK)
		http_parser_execute(&parser, &settings, NULL, 0);
	out->error = HTTP_PARSER_ERRNO(&parser);
	if (peer.whole)
		out->status = READING_WHOLE;
	else if (out->error != HPE_OK && out->error != HPE_INVALID_EOF_STATE)
		out->status = READING_REFUSED;
	else if (peer.head_complete)
		out->status = READING_BODY;
	if (out->status == READING_HEAD || out->status == READING_REFUSED)
		return;
	if (type == HTTP_REQUEST)
		out->method = slice_of(http_method_str((enum http_method)parser.method));
	else
		out->code = parser.status_code;
	out->minor = parser.http_minor;
	out->trailer_count = peer.lines - out->field_count;
	if (out->status == READING_BODY)
		out->trailer_count = 0; /* cut trailers */
	trim_values(out, peer.lines);
}

void
peer_reading_of_request(struct slice bytes, struct reading *out)
{
	peer_read(bytes, HTTP_REQUEST, false, false, out);
}

void
peer_reading_of_response(
    struct slice bytes, enum method_id method, bool closed, struct reading *out)
{
	peer_read(bytes, HTTP_RESPONSE, method == METHOD_HEAD, closed, out);
}

bool
reading_ends_with_tab(const struct reading *reading, enum field_id id)
{
	for (size_t i = 0; i < reading->field_count; i++)
		if (reading->fields[i].id == id)
			return memchr(reading->fields[i].value.at, '\t',
				   strcspn(reading->fields[i].value.at, "\r")) != NULL;
	return false;
}

bool
reading_has_longer_name(const struct reading *reading, struct slice name)
{
	for (size_t i = 0; i < reading->field_count; i++)
		if (reading->fields[i].name.len > name.len &&
		    strncasecmp(reading->fields[i].name.at, name.at, name.len) == 0)
			return true;
	return false;
}

bool
reading_has_framing_trailer(const struct reading *reading)
{
	for (size_t i = 0; i < reading->trailer_count; i++) {
		struct slice name = reading->fields[reading->field_count + i].name;

		/* Longer names as well: the peer is in doubt about them too. */
		if (strncasecmp(name.at, "content-length", strlen("content-length")) == 0 ||
		    strncasecmp(name.at, "transfer-encoding", strlen("transfer-encoding")) == 0)
			return true;
	}
	return false;
}

bool
bytes_have_tab_behind_size(struct slice bytes)
{
	for (size_t i = 1; i < bytes.len; i++)
		if (bytes.at[i] == '\t' && byte_is((unsigned char)bytes.at[i - 1], BYTE_HEX))
			return true;
	return false;
}
