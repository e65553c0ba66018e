/* credential_order.c - finds the credential that counts. */
#include "exchange/credential_order.h"

#include <openssl/crypto.h>

#include "exchange/ours.h"
#include "exchange/query_token.h"
#include "exchange/subprotocol.h"
#include "http/base64.h"

#define BASIC SLICE("Basic")

/*
 * The rest of a field with this scheme (RFC 9110 section 11.4), without the spaces before it. False
 * for another scheme.
 */
static bool
has_scheme(struct slice field, struct slice scheme, struct slice *rest)
{
	if (!slice_starts_with_nocase(field, scheme) ||
	    (field.len > scheme.len && field.at[scheme.len] != ' '))
		return false;
	*rest = slice_after(field, scheme.len);
	while (rest->len > 0 && rest->at[0] == ' ')
		*rest = slice_after(*rest, 1);
	return true;
}

static void
present(struct presented *out, enum carrier carrier, struct slice value)
{
	out->credential = CREDENTIAL_BEARER;
	out->carrier = carrier;
	out->value = value;
}

/* A field of the scheme Bearer. */
static void
read_bearer(struct slice field, struct slice value, enum carrier carrier, struct presented *out)
{
	struct slice unused;

	if (is_ours(value)) {
		present(out, carrier, value);
		out->bearer = field;
	} else {
		out->credential = jg_credential_parse(field, &unused) == CREDENTIAL_BEARER
				      ? CREDENTIAL_FOREIGN
				      : CREDENTIAL_MALFORMED;
	}
}

/* Look for ours in base64, in all the ways in which a job may decode it. */
static void
search_base64(struct slice text, char *room, size_t cap, struct presented *out)
{
	for (int padding = BASE64_PADDING_ENDS; padding <= BASE64_PADDING_BEGINS_ANEW; padding++) {
		struct slice found =
		    base64_decode_leniently(text, (enum base64_padding)padding, room, cap);

		if (found.len > out->used)
			out->used = found.len;
		if (holds_ours(found))
			out->ours_in_authorization = true;
	}
}

/*
 * user:password in base64 (RFC 7617 section 2). Some jobs take a tab after the scheme, too: that
 * does not count, but what it holds is ours.
 */
static void
read_basic(struct slice field, char *room, size_t cap, struct presented *out)
{
	struct slice text, pair, user, password;
	const char *colon;

	search_base64(slice_after(field, BASIC.len), room, cap, out);
	if (!has_scheme(field, BASIC, &text))
		return;
	pair = base64_decode_leniently(text, BASE64_PADDING_ENDS, room, cap);
	colon = pair.len > 0 ? memchr(pair.at, ':', pair.len) : NULL;
	user = (struct slice){pair.at, colon != NULL ? (size_t)(colon - pair.at) : pair.len};
	password = slice_after(pair, user.len + (colon != NULL));
	if (is_ours(password))
		present(out, CARRIER_AUTHORIZATION, password);
	else if (password.len == 0 && is_ours(user))
		present(out, CARRIER_AUTHORIZATION, user);
	out->basic = out->carrier != CARRIER_NONE;
}

bool
basic_holds_ours(struct slice field, char *room, size_t cap)
{
	struct presented found = {0};

	if (!slice_starts_with_nocase(field, BASIC))
		return false;
	search_base64(slice_after(field, BASIC.len), room, cap, &found);
	OPENSSL_cleanse(room, found.used);
	return found.ours_in_authorization;
}

static void
read_authorization(struct slice field, char *room, size_t cap, struct presented *out)
{
	struct slice rest;

	out->credential = CREDENTIAL_FOREIGN;
	if (slice_starts_with(field, SLICE("Bearer jgt_"))) { /* nearly all, without a call */
		present(out, CARRIER_AUTHORIZATION, slice_after(field, SLICE("Bearer ").len));
		out->bearer = field;
		out->ours_in_authorization = true;
		return;
	}
	if (has_scheme(field, SLICE("Bearer"), &rest))
		read_bearer(field, rest, CARRIER_AUTHORIZATION, out);
	else if (slice_starts_with_nocase(field, BASIC))
		read_basic(field, room, cap, out);
	else if (has_scheme(field, SLICE("token"), &rest) && is_ours(rest))
		present(out, CARRIER_AUTHORIZATION, rest);
	if (out->carrier != CARRIER_NONE || holds_ours(field))
		out->ours_in_authorization = true;
}

/* X-Jobgate-Authorization, after Authorization. If that is malformed, the request remains so. */
static void
read_own(struct slice field, struct presented *out)
{
	struct presented own = {.credential = CREDENTIAL_MALFORMED,
	    .ours_in_authorization = out->ours_in_authorization,
	    .used = out->used};
	struct slice rest;

	if (out->credential == CREDENTIAL_MALFORMED)
		return;
	if (has_scheme(field, SLICE("Bearer"), &rest))
		read_bearer(field, rest, CARRIER_OWN_FIELD, &own);
	/* One that is not ours is skipped, like any other. */
	if (own.credential != CREDENTIAL_FOREIGN || out->credential == CREDENTIAL_NONE)
		*out = own;
}

/* The request is malformed, whatever else it has. */
static void
refuse(struct presented *out)
{
	out->carrier = CARRIER_NONE;
	out->credential = CREDENTIAL_MALFORMED;
	out->value = out->bearer = (struct slice){0};
	out->basic = false;
}

/* One member of Sec-WebSocket-Protocol. */
static void
read_subprotocol(
    struct slice member, char *room, size_t cap, bool *presents_one, struct presented *out)
{
	struct slice value;
	size_t used;
	enum subprotocol kind =
	    subprotocol_read(member, room + out->used, cap - out->used, &value, &used);

	switch (kind) {
	case SUBPROTOCOL_JOB:
	case SUBPROTOCOL_GATEWAY:
	case SUBPROTOCOL_HIDDEN:
		OPENSSL_cleanse(room + out->used, used);
		return;
	case SUBPROTOCOL_TOKEN:
	case SUBPROTOCOL_FOREIGN:
	case SUBPROTOCOL_MALFORMED:
		break;
	}
	if (*presents_one || kind == SUBPROTOCOL_MALFORMED) {
		refuse(out);
	} else if (out->credential == CREDENTIAL_NONE || out->credential == CREDENTIAL_FOREIGN) {
		out->credential = CREDENTIAL_FOREIGN;
		if (kind == SUBPROTOCOL_TOKEN)
			present(out, CARRIER_SUBPROTOCOL, value);
	}
	*presents_one = true;
	out->used += used;
}

static void
read_subprotocols(const struct fields *fields, char *room, size_t cap, struct presented *out)
{
	bool presents_one = false;

	for (size_t i = 0; i < fields->count; i++) {
		struct slice list = fields->items[i].value, member;

		while (fields->items[i].id == FIELD_SEC_WEBSOCKET_PROTOCOL &&
		       subprotocol_next(&list, &member))
			read_subprotocol(member, room, cap, &presents_one, out);
	}
}

/* The parameters access_token. Those that are not ours are the job's. */
static void
read_query(struct slice query, char *room, size_t cap, struct presented *out)
{
	struct query_tokens tokens;

	query_tokens_find(query, room + out->used, cap - out->used, &tokens);
	out->used += tokens.used;
	if (tokens.ours == 0)
		return;
	if (tokens.count > 1)
		refuse(out);
	else if (out->credential == CREDENTIAL_NONE || out->credential == CREDENTIAL_FOREIGN)
		present(out, CARRIER_QUERY, tokens.value);
}

/* The ids of fields that may present a credential. */
#define MAY_PRESENT                                                                          \
	(UINT64_C(1) << FIELD_AUTHORIZATION | UINT64_C(1) << FIELD_X_JOBGATE_AUTHORIZATION | \
	    UINT64_C(1) << FIELD_SEC_WEBSOCKET_PROTOCOL)

/* Note the first field of a kind. False when it is the second one. */
static bool
note(const struct field **first, const struct field *field)
{
	if (*first != NULL)
		return false;
	*first = field;
	return true;
}

static inline __attribute__((always_inline)) void
find_credential(
    const struct credential_sources *sources, char *room, size_t cap, struct presented *out)
{
	const struct field *own = NULL, *authorization = NULL;
	const struct fields *fields = sources->fields;
	bool single = true, subprotocols = false;

	*out = (struct presented){.credential = CREDENTIAL_NONE};
	for (size_t i = 0; i < fields->count; i++) {
		const struct field *field = &fields->items[i];

		if ((MAY_PRESENT >> field->id & 1) == 0)
			continue;
		if (field->id == FIELD_AUTHORIZATION)
			single = note(&authorization, field) && single;
		else if (field->id == FIELD_X_JOBGATE_AUTHORIZATION)
			single = note(&own, field) && single;
		else
			subprotocols = sources->upgrade;
	}
	if (!single) {
		*out = (struct presented){
		    .credential = CREDENTIAL_MALFORMED, .ours_in_authorization = true};
		return;
	}
	if (authorization != NULL)
		read_authorization(authorization->value, room, cap, out);
	if (own != NULL)
		read_own(own->value, out);
	if (subprotocols)
		read_subprotocols(fields, room, cap, out);
	if (sources->query.len > 0)
		read_query(sources->query, room, cap, out);
}

void
credential_order(
    const struct credential_sources *sources, char *room, size_t cap, struct presented *out)
{
	find_credential(sources, room, cap, out);
}

void
credential_order_again(
    const struct credential_sources *sources, char *room, size_t cap, struct presented *out)
{
	find_credential(sources, room, cap, out);
}

bool
carrier_is_for_caches(enum carrier carrier)
{
	return carrier == CARRIER_NONE || carrier == CARRIER_AUTHORIZATION;
}

struct slice
carrier_field(enum carrier carrier)
{
	switch (carrier) {
	case CARRIER_NONE:
	case CARRIER_AUTHORIZATION:
	case CARRIER_QUERY:
		break;
	case CARRIER_OWN_FIELD:
		return SLICE("X-Jobgate-Authorization");
	case CARRIER_SUBPROTOCOL:
		return SLICE("Sec-WebSocket-Protocol");
	case CARRIER_SIGN_IN:
		return SLICE("Cookie");
	}
	return (struct slice){0};
}
