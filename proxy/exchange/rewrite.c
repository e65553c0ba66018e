/* rewrite.c - fields removed and added on the way to a backend. */
#include "exchange/rewrite.h"

#include "browser/session.h"
#include "exchange/query_token.h"
#include "exchange/request_id.h"
#include "exchange/subprotocol.h"
#include "http/head.h"
#include "http/names.h"
#include "http/write.h"
#include "jobgate/accept.h"
#include "net/address.h"

struct slice
rewrite_request_id(const struct request *request, bool peer_trusted)
{
	struct slice id = {0};

	if (peer_trusted)
		id = field_value(&request->fields, FIELD_X_REQUEST_ID);
	return request_id_valid(id) ? id : (struct slice){0};
}

static bool
has_session(struct slice cookies)
{
	struct slice pair;

	while (cookie_next(&cookies, &pair))
		if (cookie_is_ours(pair))
			return true;
	return false;
}

/* Whether a field must not reach the backend as the client sent it. */
static bool
must_drop(const struct field *field, const struct rewrite *rewrite)
{
	switch ((enum field_to_backend)field_rules[field->id].to_backend) {
	case TO_BACKEND_PASS:
		break; /* those that are hop-by-hop have been dropped with the framing */
	case TO_BACKEND_REPLACE:
		return true;
	case TO_BACKEND_PROXIES:
		return field->dropped || !rewrite->peer_trusted;
	case TO_BACKEND_TOKEN:
		return field->dropped || !rewrite->keep_authorization;
	case TO_BACKEND_COOKIES:
		return field->dropped || has_session(field->value);
	case TO_BACKEND_TRACE:
		return field->dropped || !rewrite->traced;
	}
	return field->dropped;
}

_Static_assert(FIELD_COUNT <= 64, "rewritten.present has a bit for each id");

/* True when the request has a field with this id. */
static bool
has(const struct rewritten *out, enum field_id id)
{
	return (out->present >> id & 1) != 0;
}

static void
add(struct rewritten *out, struct slice name, struct slice value)
{
	out->items[out->extra.count++] = (struct field){.name = name, .value = value};
}

/* Mark the fields to be dropped, and note which ids there are. */
static void
drop_fields(struct fields *fields, const struct rewrite *rewrite, struct rewritten *out)
{
	const char *const *listed = rewrite->peer_trusted ? NULL : rewrite->drop_fields;

	out->present = 0;
	for (size_t i = 0; i < fields->count; i++) {
		struct field *field = &fields->items[i];

		out->present |= UINT64_C(1) << field->id;
		field->dropped = must_drop(field, rewrite) ||
				 (listed != NULL && name_is_listed(field->name, listed));
	}
}

/* All values of a list field that came in, joined by commas (RFC 9110 section 5.3). */
static void
write_list(struct writer *writer, const struct fields *fields, enum field_id id)
{
	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].id != id || fields->items[i].value.len == 0)
			continue;
		write_slice(writer, fields->items[i].value);
		write_literal(writer, ", ");
	}
}

/* Start a value in the room for text; end it with value_end. */
static struct writer
value_begin(struct rewritten *out)
{
	return writer_of(out->text + out->used, sizeof(out->text) - out->used);
}

static bool
value_end(struct rewritten *out, struct slice name, const struct writer *writer)
{
	struct slice value = {
	    out->text + out->used, (size_t)(writer->at - (out->text + out->used))};

	if (writer->full)
		return false;
	out->used += value.len;
	add(out, name, value);
	return true;
}

static bool
add_forwarded_for(
    struct rewritten *out, const struct request *request, const struct rewrite *rewrite)
{
	struct writer writer = value_begin(out);

	if (rewrite->peer_trusted)
		write_list(&writer, &request->fields, FIELD_X_FORWARDED_FOR);
	write_slice(&writer, rewrite->peer);
	return value_end(out, SLICE("X-Forwarded-For"), &writer);
}

/*
 * RFC 7239 section 4: what is no token is quoted. Of the bytes that a host may have, only those of
 * a port and of an IPv6 address are none. Some programs read a quoted host with its quotation
 * marks.
 */
static __attribute__((cold, noinline)) void
write_quoted_host(struct writer *writer, struct slice authority)
{
	bool quoted = memchr(authority.at, ':', authority.len) != NULL;

	if (quoted)
		write_literal(writer, "\"");
	write_slice(writer, authority);
	if (quoted)
		write_literal(writer, "\"");
}

/* A port ends with a digit or its colon, an address with a bracket: other hosts need no search. */
static inline void
write_host(struct writer *writer, struct slice authority)
{
	if (authority.at[authority.len - 1] >= 'a')
		write_slice(writer, authority);
	else
		write_quoted_host(writer, authority);
}

/* RFC 7239: for=, host= and proto=; an IPv6 address is bracketed and quoted. */
static bool
add_forwarded(struct rewritten *out, const struct request *request, const struct rewrite *rewrite)
{
	struct writer writer = value_begin(out);

	if (rewrite->peer_trusted)
		write_list(&writer, &request->fields, FIELD_FORWARDED);
	if (rewrite->peer_is_unix) {
		write_literal(&writer, "for=_unix");
	} else if (memchr(rewrite->peer.at, ':', rewrite->peer.len) != NULL) {
		write_literal(&writer, "for=\"[");
		write_slice(&writer, rewrite->peer);
		write_literal(&writer, "]\"");
	} else {
		write_literal(&writer, "for=");
		write_slice(&writer, rewrite->peer);
	}
	if (request->authority.len > 0) {
		write_literal(&writer, ";host=");
		write_host(&writer, request->authority);
	}
	if (rewrite->tls)
		write_literal(&writer, ";proto=https");
	else
		write_literal(&writer, ";proto=http");
	return value_end(out, SLICE("Forwarded"), &writer);
}

/* All cookies except the session's, which only the gateway gets. */
static bool
add_cookies(struct rewritten *out, const struct request *request)
{
	struct writer writer = value_begin(out);
	const char *begin = writer.at;
	struct slice rest, pair;

	if (!has(out, FIELD_COOKIE))
		return true;
	for (size_t i = 0; i < request->fields.count; i++) {
		if (request->fields.items[i].id != FIELD_COOKIE ||
		    !has_session(request->fields.items[i].value))
			continue;
		rest = request->fields.items[i].value;
		while (cookie_next(&rest, &pair)) {
			if (cookie_is_ours(pair))
				continue;
			if (writer.at > begin)
				write_literal(&writer, "; ");
			write_slice(&writer, pair);
		}
	}
	return writer.at == begin || value_end(out, SLICE("Cookie"), &writer);
}

/* All subprotocols of a WebSocket except our own and those that hold a token. */
static bool
add_subprotocols(struct rewritten *out, struct request *request)
{
	struct writer writer = value_begin(out);
	struct subprotocols_found found;

	if (!has(out, FIELD_SEC_WEBSOCKET_PROTOCOL))
		return true;
	found = subprotocols_write(&writer, &request->fields);
	if (!found.others)
		return true;
	out->offers_subprotocol =
	    found.for_gateway && !found.for_job && request_asks_websocket(request);
	for (size_t i = 0; i < request->fields.count; i++)
		if (request->fields.items[i].id == FIELD_SEC_WEBSOCKET_PROTOCOL)
			request->fields.items[i].dropped = true;
	return !found.for_job || value_end(out, SLICE("Sec-WebSocket-Protocol"), &writer);
}

/* Fields with the URL of this request, or of the page that caused it. */
#define URL_FIELDS                                                             \
	(UINT64_C(1) << FIELD_REFERER | UINT64_C(1) << FIELD_X_FORWARDED_URI | \
	    UINT64_C(1) << FIELD_X_ORIGINAL_URI | UINT64_C(1) << FIELD_X_ORIGINAL_URL)

/*
 * A token in a URL is in these, too. Where it may be in a query, other proxies and scripts of pages
 * have more such fields: then all that hold one are dropped.
 */
static void
drop_urls(struct rewritten *out, struct request *request, const struct rewrite *rewrite)
{
	const uint64_t others = UINT64_C(1) << FIELD_AUTHORIZATION | UINT64_C(1) << FIELD_COOKIE |
				UINT64_C(1) << FIELD_SEC_WEBSOCKET_PROTOCOL;
	uint64_t ids = rewrite->query_token ? ~others : URL_FIELDS;

	if ((out->present & ids) == 0)
		return;
	for (size_t i = 0; i < request->fields.count; i++) {
		struct field *field = &request->fields.items[i];

		if ((ids >> field->id & 1) != 0 && !field->dropped)
			field->dropped = url_holds_ours(field->value, out->text, sizeof(out->text));
	}
}

/* The version as Via names it (RFC 9110 section 7.6.3). */
static struct slice
version_number(enum http_version version)
{
	switch (version) {
	case HTTP_1_0:
		return SLICE("1.0");
	case HTTP_1_1:
		break;
	case HTTP_2:
		return SLICE("2");
	}
	return SLICE("1.1");
}

static bool
add_via(struct rewritten *out, const struct request *request)
{
	struct writer writer = value_begin(out);

	if (has(out, FIELD_VIA))
		write_list(&writer, &request->fields, FIELD_VIA);
	write_slice(&writer, version_number(request->version));
	write_literal(&writer, " jobgate");
	return value_end(out, SLICE("Via"), &writer);
}

/* What a trusted proxy says of the client's own request; else what the gateway sees itself. */
static struct slice
forwarded_or(const struct request *request, const struct rewrite *rewrite, enum field_id id,
    struct slice own)
{
	struct slice told = {0};

	if (rewrite->peer_trusted)
		told = field_value(&request->fields, id);
	return told.len > 0 ? told : own;
}

uint64_t
rewrite_hops_left(const struct request *request)
{
	uint64_t hops;

	if (request->method_id != METHOD_OPTIONS ||
	    !slice_to_capped_number(
		field_value(&request->fields, FIELD_MAX_FORWARDS), UINT64_MAX - 1, &hops))
		return UINT64_MAX;
	return hops;
}

/* For OPTIONS: one less than the request has. A value that is not a number is passed on as it is.
 */
static bool
add_max_forwards(struct rewritten *out, struct request *request)
{
	uint64_t hops = rewrite_hops_left(request);
	struct writer writer = value_begin(out);

	if (hops == UINT64_MAX || hops == 0)
		return true;
	for (size_t i = 0; i < request->fields.count; i++)
		if (request->fields.items[i].id == FIELD_MAX_FORWARDS)
			request->fields.items[i].dropped = true;
	write_number(&writer, hops - 1);
	return value_end(out, SLICE("Max-Forwards"), &writer);
}

/*
 * TE speaks of one connection, so the backend's end makes a new one (RFC 9110 section 10.1.4).
 * Trailers of an answer pass through the gateway, so the backend is told when the client takes
 * them. Codings are not passed on.
 */
static bool
takes_trailers(const struct rewritten *out, const struct request *request)
{
	struct slice list, member;

	if (!has(out, FIELD_TE) || request->version == HTTP_1_0)
		return false;
	for (size_t i = 0; i < request->fields.count; i++) {
		if (request->fields.items[i].id != FIELD_TE)
			continue;
		list = request->fields.items[i].value;
		while (list_next(&list, &member))
			if (slice_equal_nocase(member, SLICE("trailers")))
				return true;
	}
	return false;
}

/*
 * The prefixes that were removed from the path: by a trusted proxy in front, then by the gateway.
 */
static bool
add_prefix(struct rewritten *out, const struct request *request, const struct rewrite *rewrite)
{
	struct slice before = forwarded_or(request, rewrite, FIELD_X_FORWARDED_PREFIX, SLICE(""));
	struct writer writer = value_begin(out);

	while (before.len > 0 && before.at[before.len - 1] == '/')
		before.len--;
	if (before.len + rewrite->prefix.len == 0)
		return true;
	write_slice(&writer, before);
	write_slice(&writer, rewrite->prefix);
	return value_end(out, SLICE("X-Forwarded-Prefix"), &writer);
}

bool
rewrite_request(struct request *request, const struct rewrite *rewrite, struct rewritten *out)
{
	struct slice host;
	bool fits;

	out->extra = (struct fields){out->items, 0};
	out->used = 0;
	out->offers_subprotocol = false;
	drop_fields(&request->fields, rewrite, out);
	if (rewrite->job.len > 0)
		add(out, SLICE("X-Jobgate-Job"), rewrite->job);
	if (rewrite->token != NULL) {
		add(out, SLICE("X-Jobgate-Token-Id"), rewrite->token->id);
		add(out, SLICE("X-Jobgate-Token-Name"), rewrite->token->name);
		add(out, SLICE("X-Jobgate-Role"), slice_of(jg_role_name(rewrite->token->role)));
	}
	add(out, SLICE("X-Request-Id"), rewrite->request_id);
	add(out, SLICE("X-Forwarded-Proto"),
	    forwarded_or(request, rewrite, FIELD_X_FORWARDED_PROTO,
		rewrite->tls ? SLICE("https") : SLICE("http")));
	host = forwarded_or(request, rewrite, FIELD_X_FORWARDED_HOST, request->authority);
	if (host.len > 0)
		add(out, SLICE("X-Forwarded-Host"), host);
	drop_urls(out, request, rewrite);
	fits = add_prefix(out, request, rewrite);
	fits = add_forwarded_for(out, request, rewrite) && fits;
	fits = add_forwarded(out, request, rewrite) && fits;
	fits = add_via(out, request) && fits;
	fits = add_max_forwards(out, request) && fits;
	fits = add_cookies(out, request) && fits;
	fits = add_subprotocols(out, request) && fits;
	request->takes_trailers = takes_trailers(out, request);
	return fits;
}

static struct slice
hex(const unsigned char *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	return (struct slice){out, 2 * len};
}

/* The token as the worker knows it; the control process compares it with its record. */
static bool
add_token(struct rewritten *out, const struct token *token)
{
	struct writer writer = value_begin(out);
	bool fits;

	add(out, SLICE(CONTROL_FIELD_TOKEN), token->id);
	write_number(&writer, token->version);
	fits = value_end(out, SLICE(CONTROL_FIELD_VERSION), &writer) &&
	       out->used + CONTROL_MARK_TEXT <= sizeof(out->text);
	if (!fits)
		return false;
	add(out, SLICE(CONTROL_FIELD_MARK),
	    hex(token->hash, TOKEN_MARK_LEN, out->text + out->used));
	out->used += CONTROL_MARK_TEXT;
	return true;
}

/* The client's address: the control process, too, checks that the token may be used from there. */
static bool
add_address(struct rewritten *out, const struct in6_addr *address)
{
	struct writer writer = value_begin(out);
	char text[ADDRESS_TEXT_MAX];
	size_t len = address_bytes_format(address->s6_addr, text);

	write_slice(&writer, (struct slice){text, len});
	return value_end(out, SLICE(CONTROL_FIELD_ADDRESS), &writer);
}

bool
rewrite_control(struct request *request, const struct rewrite *rewrite, const char *secret,
    struct rewritten *out)
{
	struct accepted accepted = {0};

	out->extra = (struct fields){out->items, 0};
	out->used = 0;
	request->authority = (struct slice){0};
	request->upgrade = (struct slice){0};
	for (size_t i = 0; i < request->fields.count; i++) {
		request->fields.items[i].dropped = true;
		if (request->fields.items[i].id == FIELD_ACCEPT)
			jg_accepted_add(&accepted, request->fields.items[i].value);
	}
	add(out, SLICE(CONTROL_FIELD_SECRET), slice_of(secret));
	if (jg_accepted_openmetrics(&accepted))
		add(out, SLICE("Accept"), SLICE(OPENMETRICS_TYPE));
	add(out, SLICE("X-Request-Id"), rewrite->request_id);
	if (rewrite->address != NULL && !add_address(out, rewrite->address))
		return false;
	return (rewrite->token == NULL || add_token(out, rewrite->token)) &&
	       add_forwarded_for(out, request, rewrite);
}
