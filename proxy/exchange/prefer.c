/* prefer.c - reads the preference `wait`. */
#include "exchange/prefer.h"

#include "http/head.h"
#include "http/names.h"

/* "wait=10", "wait = \"10\"; parameter": the value, in *value. False: another preference. */
static bool
is_wait(struct slice preference, struct slice *value)
{
	const char *semicolon = memchr(preference.at, ';', preference.len);
	const char *equals;

	if (semicolon != NULL)
		preference.len = (size_t)(semicolon - preference.at);
	equals = memchr(preference.at, '=', preference.len);
	*value = (struct slice){0};
	if (equals != NULL) {
		*value = slice_trim(slice_after(preference, (size_t)(equals - preference.at) + 1));
		preference.len = (size_t)(equals - preference.at);
	}
	if (value->len >= 2 && value->at[0] == '"' && value->at[value->len - 1] == '"')
		*value = (struct slice){value->at + 1, value->len - 2};
	return slice_equal_nocase(slice_trim(preference), SLICE("wait"));
}

bool
prefer_wait(const struct fields *fields, uint64_t max, uint64_t *seconds)
{
	for (size_t i = 0; i < fields->count; i++) {
		struct slice rest = fields->items[i].value, preference, value;

		if (fields->items[i].id != FIELD_PREFER)
			continue;
		while (list_next(&rest, &preference)) {
			if (!is_wait(preference, &value))
				continue;
			if (value.len == 0 || slice_digits(value).len != value.len)
				return false;
			*seconds = max;
			slice_to_number(value, max, seconds);
			return true;
		}
	}
	return false;
}
