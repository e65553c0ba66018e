/* framing.c - the fields that frame a message and control its connection. */
#include "http/framing.h"

#include "http/bytes.h"
#include "http/names.h"
#include "http/target.h"

/* What the framing fields of a head say, for requests and answers. */
struct framing_fields {
	const struct field *length, *coding, *host, *expect, *upgrade;
	unsigned length_count, coding_count, host_count, expect_count, upgrade_count;
	bool close, keep_alive, connection_upgrade; /* members of Connection */
	unsigned listed;			    /* other ones */
};

static void
note(const struct field *field, const struct field **first, unsigned *count)
{
	if ((*count)++ == 0)
		*first = field;
}

/* Mark the fields of this name as dropped, because Connection lists it. */
static void
drop_listed(struct fields fields, struct slice name)
{
	for (size_t i = 0; i < fields.count; i++)
		if (slice_equal_nocase(fields.items[i].name, name))
			fields.items[i].dropped = true;
}

static enum framing_error
read_connection(struct fields fields, struct slice value, struct framing_fields *out)
{
	struct slice member;

	while (list_next(&value, &member)) {
		if (!is_token(member))
			return FRAMING_BAD_CONNECTION;
		if (slice_equal_nocase(member, SLICE("close")))
			out->close = true;
		else if (slice_equal_nocase(member, SLICE("keep-alive")))
			out->keep_alive = true;
		else if (slice_equal_nocase(member, SLICE("upgrade")))
			out->connection_upgrade = true;
		else if (++out->listed > HEAD_FIELDS_MAX) /* more than there are fields */
			return FRAMING_BAD_CONNECTION;
		else
			drop_listed(fields, member);
	}
	return FRAMING_OK;
}

/* Go through all fields once: note what frames the message, and drop hop-by-hop fields. */
static enum framing_error
read_fields(struct fields fields, struct framing_fields *out)
{
	enum framing_error error = FRAMING_OK;

	*out = (struct framing_fields){0};
	for (size_t i = 0; i < fields.count && error == FRAMING_OK; i++) {
		struct field *field = &fields.items[i];

		field->dropped |= field_has(field->id, HOP_BY_HOP);
		switch (field->id) {
		case FIELD_CONNECTION:
			error = read_connection(fields, field->value, out);
			break;
		case FIELD_CONTENT_LENGTH:
			note(field, &out->length, &out->length_count);
			break;
		case FIELD_TRANSFER_ENCODING:
			note(field, &out->coding, &out->coding_count);
			break;
		case FIELD_HOST:
			note(field, &out->host, &out->host_count);
			break;
		case FIELD_EXPECT:
			note(field, &out->expect, &out->expect_count);
			break;
		case FIELD_UPGRADE:
			note(field, &out->upgrade, &out->upgrade_count);
			break;
		default:
			break; /* it frames nothing */
		}
	}
	return error;
}

/* Set the one framing of a message. If the fields do not say any, *body stays as it is. */
static enum framing_error
read_framing(const struct framing_fields *fields, enum http_version version, enum body_kind *body,
    uint64_t *length)
{
	if (fields->coding_count > 0 && fields->length_count > 0)
		return FRAMING_CONFLICT;
	if (fields->coding_count > 0) {
		if (fields->coding_count > 1 || version != HTTP_1_1 ||
		    !slice_equal_nocase(fields->coding->value, SLICE("chunked")))
			return FRAMING_BAD_CODING;
		*body = BODY_CHUNKED;
	} else if (fields->length_count > 0) {
		if (fields->length_count > 1 ||
		    !slice_to_number(fields->length->value, INT64_MAX, length))
			return FRAMING_BAD_LENGTH;
		*body = BODY_LENGTH;
	}
	return FRAMING_OK;
}

/* RFC 9112 section 9.3. */
static bool
stays_alive(const struct framing_fields *fields, enum http_version version)
{
	return !fields->close && (version != HTTP_1_0 || fields->keep_alive);
}

/* The first protocol in Upgrade, if Connection lists Upgrade. */
static struct slice
upgrade_of(const struct framing_fields *fields)
{
	struct slice rest, member;

	if (!fields->connection_upgrade || fields->upgrade_count != 1)
		return (struct slice){0};
	rest = fields->upgrade->value;
	return list_next(&rest, &member) ? member : (struct slice){0};
}

/* Host, Expect and Upgrade of a request. */
static enum framing_error
read_request(
    const struct framing_fields *fields, enum http_version version, struct request_framing *out)
{
	struct authority authority;

	if (fields->host_count > 1 || (fields->host_count == 0 && version == HTTP_1_1))
		return FRAMING_BAD_HOST;
	if (fields->host_count == 1) {
		if (!authority_parse(fields->host->value, &authority))
			return FRAMING_BAD_HOST;
		out->host = fields->host->value;
	}
	if (version == HTTP_1_0)
		return FRAMING_OK; /* HTTP/1.0 has neither Expect (RFC 9110 section 10.1.1) nor
				      Upgrade */
	if (fields->expect_count > 0) {
		if (fields->expect_count > 1 ||
		    !slice_equal_nocase(fields->expect->value, SLICE("100-continue")))
			return FRAMING_BAD_EXPECT;
		out->expect_continue = true;
	}
	out->upgrade = upgrade_of(fields);
	return FRAMING_OK;
}

enum framing_error
request_fields_framing(struct fields fields, enum http_version version, struct request_framing *out)
{
	struct framing_fields found;
	enum framing_error error = read_fields(fields, &found);

	*out = (struct request_framing){.body = BODY_NONE};
	if (error == FRAMING_OK)
		error = read_framing(&found, version, &out->body, &out->length);
	if (error == FRAMING_OK)
		error = read_request(&found, version, out);
	out->keep_alive = error == FRAMING_OK && stays_alive(&found, version);
	return error;
}

static enum http_version
version_of(unsigned minor)
{
	return minor > 0 ? HTTP_1_1 : HTTP_1_0;
}

enum framing_error
request_framing(struct request_head *head, struct request_framing *out)
{
	return request_fields_framing(
	    (struct fields){head->fields, head->field_count}, version_of(head->minor), out);
}

/* These never have content, whatever their fields say (RFC 9112 section 6.3). */
static bool
has_no_content(unsigned status, enum method_id method)
{
	return method == METHOD_HEAD || status < 200 || status == 204 || status == 304;
}

/*
 * 1xx and 204 must not announce content (RFC 9110 section 8.6, RFC 9112 section 6.1). A server that
 * does may send it, too, and it would be read as the next answer.
 */
static bool
announces_forbidden_content(unsigned status, const struct response_framing *framing)
{
	return (status < 200 || status == 204) &&
	       (framing->body == BODY_CHUNKED ||
		   (framing->body == BODY_LENGTH && framing->length > 0));
}

enum framing_error
response_fields_framing(struct fields fields, unsigned status, enum http_version version,
    enum method_id method, struct response_framing *out)
{
	struct framing_fields found;
	enum framing_error error = read_fields(fields, &found);

	*out = (struct response_framing){.body = BODY_UNTIL_CLOSE};
	if (error == FRAMING_OK)
		error = read_framing(&found, version, &out->body, &out->length);
	if (error != FRAMING_OK)
		return error;
	out->length_known = out->body == BODY_LENGTH && status >= 200 && status != 204;
	out->keep_alive = stays_alive(&found, version) && !announces_forbidden_content(status, out);
	if (has_no_content(status, method))
		out->body = BODY_NONE;
	else if (out->body == BODY_UNTIL_CLOSE)
		out->keep_alive = false;
	if (status == 101) {
		out->upgrade = upgrade_of(&found);
		if (out->upgrade.len == 0)
			return FRAMING_BAD_UPGRADE;
	}
	return FRAMING_OK;
}

enum framing_error
response_framing(struct response_head *head, enum method_id method, struct response_framing *out)
{
	return response_fields_framing((struct fields){head->fields, head->field_count},
	    head->status, version_of(head->minor), method, out);
}
