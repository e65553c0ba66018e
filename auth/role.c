/* role.c - a token's role as the store has it. */
#include <stdio.h>

#include "auth/record_fields.h"

#define NEEDS SLICE(" needs ")
#define ROLE_NAME_MAX 9 /* "operator", with its NUL */

void
role_needs_format(const struct record *record, char out[ROLE_TEXT_MAX])
{
	const struct record_fields *fields = &record_fields[RECORD_TOKEN];
	const char *before = " needs ";
	int len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < fields->count; i++) {
		const struct record_field *field = &fields->rows[i];

		if ((field->uses & USE_BINDS) == 0 || field_is_none(field, record))
			continue;
		len +=
		    snprintf(out + len, ROLE_TEXT_MAX - (size_t)len, "%s%s", before, field->stored);
		before = " ";
	}
}

void
role_format(const struct record *record, char out[ROLE_TEXT_MAX])
{
	char needs[ROLE_TEXT_MAX];

	role_needs_format(record, needs);
	snprintf(out, ROLE_TEXT_MAX, "%s%.*s", jg_role_name(record->token.role),
	    ROLE_TEXT_MAX - ROLE_NAME_MAX, needs);
}

/* The field that limits a token and has this name; NULL: none is known here. */
static const struct record_field *
find_limit(struct slice name)
{
	const struct record_fields *fields = &record_fields[RECORD_TOKEN];

	for (size_t i = 0; i < fields->count; i++)
		if ((fields->rows[i].uses & USE_BINDS) != 0 &&
		    slice_equal(name, slice_of(fields->rows[i].stored)))
			return &fields->rows[i];
	return NULL;
}

/* The length of the text before the first space. */
static size_t
word_len(struct slice text)
{
	const char *blank = text.len > 0 ? memchr(text.at, ' ', text.len) : NULL;

	return blank != NULL ? (size_t)(blank - text.at) : text.len;
}

/*
 * True when all these names, separated by spaces, are known, and record, unless it is NULL, has
 * these fields.
 */
static bool
are_met(struct slice names, const struct record *record)
{
	for (;;) {
		size_t len = word_len(names);
		const struct record_field *limit = find_limit((struct slice){names.at, len});

		if (limit == NULL || (record != NULL && field_is_none(limit, record)))
			return false;
		if (len == names.len)
			return true;
		names = slice_after(names, len + 1);
	}
}

bool
role_parse_stored(struct slice text, enum token_role *out)
{
	struct slice role = {text.at, word_len(text)}, rest;

	if (!jg_role_parse(role, out)) /* a missing role is no text at all */
		return false;
	rest = slice_after(text, role.len);
	if (rest.len == 0)
		return true;
	return slice_starts_with(rest, NEEDS) && are_met(slice_after(rest, NEEDS.len), NULL);
}

bool
role_needs_are_met(struct slice text, const struct record *record)
{
	struct slice rest = slice_after(text, word_len(text));

	return rest.len == 0 || are_met(slice_after(rest, NEEDS.len), record);
}
