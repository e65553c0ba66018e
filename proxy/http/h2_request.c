/* h2_request.c - makes requests from field blocks. */
#include "http/h2_request.h"

#include "http/framing.h"

#define BIT(id) (1U << (id))

#define ALLOWED \
	(BIT(H2_METHOD) | BIT(H2_SCHEME) | BIT(H2_AUTHORITY) | BIT(H2_PATH) | BIT(H2_PROTOCOL))

/* Ordinary requests and extended CONNECT must have these; plain CONNECT must not. */
#define OF_ORDINARY (BIT(H2_SCHEME) | BIT(H2_PATH))

/*
 * True when the list has exactly the pseudo-fields that its method needs (RFC 9113 sections 8.3.1
 * and 8.5, RFC 8441 section 4).
 */
static bool
has_right_pseudo_fields(const struct h2_list *list, enum method_id method)
{
	if (method != METHOD_CONNECT)
		return (list->present & (OF_ORDINARY | BIT(H2_PROTOCOL))) == OF_ORDINARY &&
		       list->pseudo[H2_PATH].len > 0;
	if (!h2_has(list, H2_AUTHORITY))
		return false;
	if (!h2_has(list, H2_PROTOCOL))
		return (list->present & OF_ORDINARY) == 0;
	return (list->present & OF_ORDINARY) == OF_ORDINARY && list->pseudo[H2_PATH].len > 0;
}

/* Set the length of the content. False: the Content-Length is impossible. */
static bool
set_content(
    struct request *request, const struct request_framing *framing, bool end_stream, bool tunnel)
{
	bool has_length = framing->body == BODY_LENGTH;

	if (has_length && (tunnel || (end_stream && framing->length > 0)))
		return false;
	request->length = framing->length;
	if (has_length)
		request->content = CONTENT_LENGTH;
	else
		request->content = end_stream || tunnel ? CONTENT_NONE : CONTENT_UNKNOWN;
	return true;
}

/* Several fields that will be joined count as one. */
static enum request_error
check_limits(const struct h2_list *list, const struct head_limits *limits)
{
	size_t joined = list->cookies > 1 ? list->cookies - 1 : 0;

	if (list->pseudo[H2_PATH].len > limits->target_bytes)
		return REQUEST_TARGET_TOO_LONG;
	if (list->bytes > limits->head_bytes || list->fields.count - joined > limits->fields)
		return REQUEST_TOO_LARGE;
	return REQUEST_OK;
}

/*
 * Make the target that HTTP/1 would have. In HTTP/2 it comes as the parts of an absolute form, or
 * as the authority of CONNECT.
 */
static enum request_error
make_target(const struct h2_list *list, struct target *out)
{
	struct authority authority;

	if (h2_has(list, H2_AUTHORITY) && !authority_parse(list->pseudo[H2_AUTHORITY], &authority))
		return REQUEST_BAD_HOST;
	if (!h2_has(list, H2_PATH))
		return target_parse(list->pseudo[H2_AUTHORITY], out) == TARGET_AUTHORITY
			   ? REQUEST_OK
			   : REQUEST_BAD_TARGET;
	if (!slice_equal_nocase(list->pseudo[H2_SCHEME], SLICE("https")) &&
	    !slice_equal_nocase(list->pseudo[H2_SCHEME], SLICE("http")))
		return REQUEST_BAD_SCHEME;
	target_parse(list->pseudo[H2_PATH], out);
	if (out->form != TARGET_ORIGIN && out->form != TARGET_ASTERISK)
		return REQUEST_BAD_TARGET;
	out->scheme = list->pseudo[H2_SCHEME];
	out->authority = list->pseudo[H2_AUTHORITY];
	return REQUEST_OK;
}

static enum request_error
set_target(
    struct request *request, const struct h2_list *list, struct slice host, struct writer *room)
{
	struct target target;
	enum request_error error = make_target(list, &target);

	if (error != REQUEST_OK)
		return error;
	if (!h2_has(list, H2_AUTHORITY) && host.len == 0)
		return REQUEST_BAD_HOST;
	if (target.path.len > (size_t)(room->end - room->at) / PATH_ESCAPE_GROWTH)
		return REQUEST_TOO_LARGE;
	error = request_set_target(request, &target, host, room->at);
	if (request->path.at == room->at)
		room->at += request->path.len;
	return error;
}

/*
 * Append a crumb to those joined so far. An empty one adds nothing: after "; " it would leave white
 * space at the end of the value.
 */
static void
join_cookie(struct field *cookie, struct slice crumb, const char *begin, struct writer *room)
{
	if (crumb.len == 0)
		return;
	if (cookie->value.len == 0) {
		cookie->value = crumb;
		return;
	}
	if (room->at == begin)
		write_slice(room, cookie->value);
	write_literal(room, "; ");
	write_slice(room, crumb);
}

/*
 * Join the crumbs of Cookie in the place of the first one (RFC 9113 section 8.2.3), because a
 * backend that speaks HTTP/1 would get several Cookie fields otherwise. False: no room.
 */
static bool
join_cookies(struct fields *fields, struct writer *room)
{
	const char *begin = room->at;
	struct field *cookie = NULL;
	size_t kept = 0;

	for (size_t i = 0; i < fields->count; i++) {
		struct field *field = &fields->items[i];

		if (field->id == FIELD_COOKIE && cookie != NULL) {
			join_cookie(cookie, field->value, begin, room);
			continue;
		}
		if (field->id == FIELD_COOKIE)
			cookie = &fields->items[kept];
		fields->items[kept++] = *field;
	}
	fields->count = kept;
	if (room->at > begin)
		cookie->value = (struct slice){begin, (size_t)(room->at - begin)};
	return !room->full;
}

/* A WebSocket follows: make the request the same as in HTTP/1. */
static void
become_upgrade(struct request *request)
{
	request->upgrade = SLICE("websocket");
	for (size_t i = 0; i < request->fields.count; i++)
		if (slice_equal(request->fields.items[i].name, SLICE("sec-websocket-key")))
			request->fields.items[i].dropped = true;
}

/*
 * Apply the rules whose violation makes a list malformed. *refused: why its framing is refused
 * although it is well-formed.
 */
static bool
is_well_formed(struct request *request, struct h2_list *list, bool end_stream,
    struct request_framing *framing, enum request_error *refused)
{
	bool extended;

	if (!h2_has(list, H2_METHOD) ||
	    !method_parse(list->pseudo[H2_METHOD], &request->method_id) ||
	    !has_right_pseudo_fields(list, request->method_id))
		return false;
	extended = h2_has(list, H2_PROTOCOL);
	request->method = extended ? SLICE("GET") : list->pseudo[H2_METHOD];
	if (extended)
		request->method_id = METHOD_GET;
	*refused = REQUEST_OK;
	switch (request_fields_framing(list->fields, HTTP_2, framing)) {
	case FRAMING_OK:
		break;
	case FRAMING_BAD_HOST:
		*refused = REQUEST_BAD_HOST;
		break;
	case FRAMING_BAD_EXPECT:
		*refused = REQUEST_BAD_EXPECT;
		break;
	case FRAMING_BAD_LENGTH:
	case FRAMING_BAD_CODING:
	case FRAMING_CONFLICT:
	case FRAMING_BAD_CONNECTION:
	case FRAMING_BAD_UPGRADE:
		return false;
	}
	return set_content(request, framing, end_stream, extended);
}

enum request_error
h2_request_read(const struct hpack_block *block, bool end_stream, const struct head_limits *limits,
    struct writer *room, struct request *out)
{
	struct request_framing framing;
	struct h2_list parts;
	enum request_error error, refused;

	*out = (struct request){.version = HTTP_2};
	if (block->too_large && !block->malformed)
		return REQUEST_TOO_LARGE;
	if (!h2_list_read(block, ALLOWED, &parts) ||
	    !is_well_formed(out, &parts, end_stream, &framing, &refused))
		return REQUEST_MALFORMED;
	error = check_limits(&parts, limits);
	if (error == REQUEST_OK)
		error = refused;
	if (error == REQUEST_OK)
		error = set_target(out, &parts, framing.host, room);
	if (error != REQUEST_OK)
		return error;
	if (parts.cookies > 1 && !join_cookies(&parts.fields, room))
		return REQUEST_TOO_LARGE;
	out->fields = parts.fields;
	out->expect_continue = framing.expect_continue;
	if (out->method_id == METHOD_CONNECT || out->method_id == METHOD_TRACE)
		return REQUEST_NOT_SERVED;
	if (!h2_has(&parts, H2_PROTOCOL))
		return REQUEST_OK;
	if (!slice_equal_nocase(parts.pseudo[H2_PROTOCOL], SLICE("websocket")))
		return REQUEST_BAD_PROTOCOL;
	become_upgrade(out);
	return REQUEST_OK;
}
