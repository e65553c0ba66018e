/* credential_mistake.c - what people often get wrong when they send a token. */
#include "exchange/credential_mistake.h"

#include <openssl/crypto.h>

#include "exchange/ours.h"
#include "exchange/query_token.h"
#include "jobgate/token.h"

/* The first field with this id, and how many there are. */
static size_t
find(const struct fields *fields, enum field_id id, struct slice *value)
{
	size_t n = 0;

	for (size_t i = 0; i < fields->count; i++)
		if (fields->items[i].id == id && n++ == 0)
			*value = fields->items[i].value;
	return n;
}

/* True when the text has white space or a control byte, also in an escaped form (\n, %0a). */
static bool
has_space(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] <= ' ' || text.at[i] == 0x7f || text.at[i] == '\\')
			return true;
	return memmem(text.at, text.len, "%0", 2) != NULL ||
	       memmem(text.at, text.len, "%20", 3) != NULL;
}

/* True for a quotation mark: also for those that word processors make of it (UTF-8). */
static bool
begins_quoted(struct slice text)
{
	return text.len > 0 &&
	       (strchr("\"'`", text.at[0]) != NULL || slice_starts_with(text, SLICE("\xe2\x80")));
}

/* The mistake in a value that looks like ours. */
static enum credential_mistake
mistake_in_ours(struct slice value)
{
	if (has_space(value))
		return MISTAKE_SPACE;
	if (value.len > 0 && strchr("\"'`>", value.at[value.len - 1]) != NULL)
		return MISTAKE_QUOTES;
	if (value.len < TOKEN_VALUE_LEN)
		return MISTAKE_SHORT;
	return value.len > TOKEN_VALUE_LEN ? MISTAKE_LONG : MISTAKE_NONE;
}

/* The mistake in a value that does not look like ours. */
static enum credential_mistake
mistake_in_other(struct slice value)
{
	value = slice_trim(value);
	if (value.len == 0)
		return MISTAKE_EMPTY;
	if (strchr("<$%{[", value.at[0]) != NULL)
		return MISTAKE_PLACEHOLDER;
	if (begins_quoted(value))
		return MISTAKE_QUOTES;
	if (slice_starts_with_nocase(value, SLICE("Bearer ")))
		return MISTAKE_SCHEME_TWICE;
	return is_ours(value) ? MISTAKE_SPACE : MISTAKE_NOT_OURS;
}

/* The mistake in a field that presents no credential of ours. */
static enum credential_mistake
mistake_in_field(struct slice field)
{
	const char *space = field.len > 0 ? memchr(field.at, ' ', field.len) : NULL;
	struct slice scheme = {field.at, space != NULL ? (size_t)(space - field.at) : field.len};

	if (is_ours(field))
		return MISTAKE_NO_SCHEME;
	if (slice_equal_nocase(scheme, SLICE("Bearer")) ||
	    slice_equal_nocase(scheme, SLICE("token")))
		return mistake_in_other(slice_after(field, scheme.len));
	if (slice_equal_nocase(scheme, SLICE("Basic")))
		return MISTAKE_NOT_OURS;
	return field.len == 0 ? MISTAKE_EMPTY : MISTAKE_NONE;
}

static enum credential_mistake
mistake_in_fields(const struct fields *fields)
{
	struct slice own = {0}, authorization = {0};
	size_t owns = find(fields, FIELD_X_JOBGATE_AUTHORIZATION, &own);
	size_t authorizations = find(fields, FIELD_AUTHORIZATION, &authorization);

	if (owns > 1 || authorizations > 1)
		return MISTAKE_SEVERAL;
	if (owns > 0)
		return mistake_in_field(own);
	return authorizations > 0 ? mistake_in_field(authorization) : MISTAKE_NONE;
}

enum credential_mistake
credential_mistake_find(
    const struct credential_sources *sources, bool query_counts, char *room, size_t cap)
{
	struct credential_sources counted = *sources;
	enum credential_mistake mistake;
	struct presented presented;

	if (!query_counts)
		counted.query = (struct slice){0};
	credential_order_again(&counted, room, cap, &presented);
	mistake = presented.credential == CREDENTIAL_BEARER ? mistake_in_ours(presented.value)
							    : mistake_in_fields(sources->fields);
	OPENSSL_cleanse(room, presented.used);
	if (mistake == MISTAKE_NONE && presented.credential == CREDENTIAL_NONE && !query_counts &&
	    query_holds_ours(sources->query, room, cap))
		return MISTAKE_QUERY_OFF;
	return mistake;
}

struct slice
credential_mistake_text(enum credential_mistake mistake)
{
	switch (mistake) {
	case MISTAKE_NONE:
		break;
	case MISTAKE_SEVERAL:
		return SLICE("There are two Authorization fields. Send one.");
	case MISTAKE_EMPTY:
		return SLICE("The token is empty; perhaps a variable is not set. Send: "
			     "Authorization: Bearer <token>.");
	case MISTAKE_PLACEHOLDER:
		return SLICE("The value stands for a token, or is a variable that was not "
			     "replaced. Send the token itself: it begins with jgt_.");
	case MISTAKE_QUOTES:
		return SLICE("The token is in quotation marks or brackets. Send it without them.");
	case MISTAKE_NO_SCHEME:
		return SLICE("The word Bearer is missing before the token. Send: Authorization: "
			     "Bearer <token>.");
	case MISTAKE_SCHEME_TWICE:
		return SLICE("The word Bearer is there twice. Send: Authorization: Bearer "
			     "<token>.");
	case MISTAKE_SPACE:
		return SLICE("There is a space or a line end in the token or behind it. Send only "
			     "the token; from a file, without its line end.");
	case MISTAKE_SHORT:
		return SLICE("The end of the token is missing: it has 70 characters. Copy it "
			     "again.");
	case MISTAKE_LONG:
		return SLICE("There is more than the token: it has 70 characters. Copy it again.");
	case MISTAKE_NOT_OURS:
		return SLICE("The credential is not a token of this gateway: they begin with "
			     "jgt_. With the scheme Basic the token is the password.");
	case MISTAKE_QUERY_OFF:
		return SLICE("A token in the query does not count here. Send it in a field: "
			     "Authorization: Bearer <token>.");
	}
	return (struct slice){0};
}
