/* role.c - a token's role as the store has it. */
#include <stdio.h>

#include "auth/record_fields.h"

#define NEEDS SLICE(" needs ")

void
role_format(const struct record *record, char out[ROLE_TEXT_MAX])
{
	const struct record_fields *fields = &record_fields[RECORD_TOKEN];
	const char *before = " needs ";
	int len = snprintf(out, ROLE_TEXT_MAX, "%s", jg_role_name(record->token.role));

	for (size_t i = 0; i < fields->count; i++) {
		const struct record_field *field = &fields->rows[i];

		if ((field->uses & USE_BINDS) == 0 || field_is_none(field, record))
			continue;
		len +=
		    snprintf(out + len, ROLE_TEXT_MAX - (size_t)len, "%s%s", before, field->stored);
		before = " ";
	}
}

static bool
is_known(struct slice name)
{
	const struct record_fields *fields = &record_fields[RECORD_TOKEN];

	for (size_t i = 0; i < fields->count; i++)
		if ((fields->rows[i].uses & USE_BINDS) != 0 &&
		    slice_equal(name, slice_of(fields->rows[i].stored)))
			return true;
	return false;
}

/* True when all these names, separated by spaces, are known. */
static bool
are_known(struct slice names)
{
	for (;;) {
		const char *blank = memchr(names.at, ' ', names.len);
		size_t len = blank != NULL ? (size_t)(blank - names.at) : names.len;

		if (!is_known((struct slice){names.at, len}))
			return false;
		if (blank == NULL)
			return true;
		names = slice_after(names, len + 1);
	}
}

bool
role_parse_stored(struct slice text, enum token_role *out)
{
	const char *blank = text.len > 0 ? memchr(text.at, ' ', text.len) : NULL;
	struct slice role = {text.at, blank != NULL ? (size_t)(blank - text.at) : text.len};
	struct slice rest = slice_after(text, role.len);

	if (!jg_role_parse(role, out))
		return false;
	if (rest.len == 0)
		return true;
	return slice_starts_with(rest, NEEDS) && are_known(slice_after(rest, NEEDS.len));
}
