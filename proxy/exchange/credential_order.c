/* credential_order.c - finds the credential that counts. */
#include "exchange/credential_order.h"

#include "http/bytes.h"
#include "jobgate/token.h"

#define OURS SLICE("jgt_")
#define BASIC SLICE("Basic")

static bool
is_ours(struct slice value)
{
	return slice_starts_with(value, OURS);
}

/*
 * True when a byte may stand before a token in a text of any form. The bytes of base64url and '.'
 * may not: a job's own JWT contains "jgt_" by chance.
 */
static bool
may_precede(char c)
{
	return !byte_is((unsigned char)c, BYTE_NAME) && c != '_' && c != '.';
}

/* True when the text begins like a token's value: "jgt_", an id and '_'. */
static bool
begins_with_value(struct slice text)
{
	const size_t len = OURS.len + TOKEN_ID_LEN;

	return text.len > len && text.at[len] == '_' &&
	       jg_token_id_valid((struct slice){text.at + OURS.len, TOKEN_ID_LEN});
}

/*
 * True when one of ours is somewhere in the text, in whatever form. What begins like a value is
 * ours whatever precedes: it is not there by chance.
 */
static bool
holds_ours(struct slice text)
{
	for (struct slice rest = text; rest.len >= OURS.len;) {
		const char *at = memmem(rest.at, rest.len, OURS.at, OURS.len);

		if (at == NULL)
			return false;
		rest = slice_after(rest, (size_t)(at - rest.at));
		if (at == text.at || may_precede(at[-1]) || begins_with_value(rest))
			return true;
		rest = slice_after(rest, OURS.len);
	}
	return false;
}

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

/* The value of a digit of base64 or base64url (RFC 4648 sections 4 and 5); -1 for other bytes. */
static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

/* What '=' does before the end of base64. Decoders differ. */
enum padding {
	PADDING_ENDS,
	PADDING_IS_SKIPPED,
	PADDING_BEGINS_ANEW, /* the next digit is the first of a group */
};

/*
 * Decode. Other bytes than digits and '=' are skipped, as lenient decoders do: what a job could
 * read as a token must look like one here, too.
 */
static struct slice
base64_decode(struct slice text, enum padding padding, char *out, size_t cap)
{
	uint32_t bits = 0;
	size_t len = 0;
	int held = 0;

	for (size_t i = 0; i < text.len && len < cap; i++) {
		int value = base64_value(text.at[i]);

		if (text.at[i] == '=' && padding == PADDING_ENDS)
			break;
		if (text.at[i] == '=' && padding == PADDING_BEGINS_ANEW)
			held = 0;
		if (value < 0)
			continue;
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		out[len++] = (char)(bits >> held & 0xff);
	}
	return (struct slice){out, len};
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
	for (int padding = PADDING_ENDS; padding <= PADDING_BEGINS_ANEW; padding++) {
		struct slice found = base64_decode(text, (enum padding)padding, room, cap);

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
	pair = base64_decode(text, PADDING_ENDS, room, cap);
	colon = pair.len > 0 ? memchr(pair.at, ':', pair.len) : NULL;
	user = (struct slice){pair.at, colon != NULL ? (size_t)(colon - pair.at) : pair.len};
	password = slice_after(pair, user.len + (colon != NULL));
	if (is_ours(password))
		present(out, CARRIER_AUTHORIZATION, password);
	else if (password.len == 0 && is_ours(user))
		present(out, CARRIER_AUTHORIZATION, user);
	out->basic = out->carrier != CARRIER_NONE;
}

static void
read_authorization(struct slice field, char *room, size_t cap, struct presented *out)
{
	struct slice rest;

	out->credential = CREDENTIAL_FOREIGN;
	if (slice_starts_with(field, SLICE("Bearer jgt_"))) /* nearly all, without a call */
		read_bearer(
		    field, slice_after(field, SLICE("Bearer ").len), CARRIER_AUTHORIZATION, out);
	else if (has_scheme(field, SLICE("Bearer"), &rest))
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

void
credential_order(const struct fields *fields, char *room, size_t cap, struct presented *out)
{
	const struct field *own = NULL, *authorization = NULL;

	*out = (struct presented){.credential = CREDENTIAL_NONE};
	for (size_t i = 0; i < fields->count; i++) {
		const struct field *field = &fields->items[i];
		const struct field **found = field->id == FIELD_AUTHORIZATION ? &authorization
					     : field->id == FIELD_X_JOBGATE_AUTHORIZATION ? &own
											  : NULL;

		if (found == NULL)
			continue;
		if (*found != NULL) {
			*out = (struct presented){
			    .credential = CREDENTIAL_MALFORMED, .ours_in_authorization = true};
			return;
		}
		*found = field;
	}
	if (authorization != NULL)
		read_authorization(authorization->value, room, cap, out);
	if (own != NULL)
		read_own(own->value, out);
}

struct slice
carrier_field(enum carrier carrier)
{
	switch (carrier) {
	case CARRIER_NONE:
	case CARRIER_AUTHORIZATION:
		break;
	case CARRIER_OWN_FIELD:
		return SLICE("X-Jobgate-Authorization");
	case CARRIER_SIGN_IN:
		return SLICE("Cookie");
	}
	return (struct slice){0};
}
