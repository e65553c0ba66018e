/* label.c - labels and selectors, by the rules of Kubernetes. */
#include "jobgate/label.h"

#include "auth/ascii.h"

/*
 * True for 1 to 63 characters [A-Za-z0-9._-], alphanumeric at both ends. Otherwise *bad is the
 * offset of the first wrong character.
 */
static bool
part_check(struct slice text, size_t *bad)
{
	for (size_t i = 0; i < text.len; i++) {
		bool inner = is_alnum(text.at[i]) || text.at[i] == '.' || text.at[i] == '_' ||
			     text.at[i] == '-';

		*bad = i;
		if (!inner || i == LABEL_VALUE_MAX || (i == 0 && !is_alnum(text.at[0])))
			return false;
	}
	*bad = text.len > 0 ? text.len - 1 : 0;
	return text.len > 0 && is_alnum(text.at[text.len - 1]);
}

/*
 * True for a DNS name in lower case: labels of 1 to 63 characters [a-z0-9-], alphanumeric at both
 * ends. Otherwise *bad is the offset of the first wrong character.
 */
static bool
prefix_check(struct slice text, size_t *bad)
{
	size_t label = 0; /* characters of the current label */

	for (size_t i = 0; i <= text.len; i++) {
		char c = (char)(i < text.len ? text.at[i] : '.');

		*bad = i;
		if (i >= 253 && i < text.len)
			return false;
		if (c == '.') {
			if (label == 0)
				return false;
			if (text.at[i - 1] == '-') {
				*bad = i - 1;
				return false;
			}
			label = 0;
		} else if (!(is_lower(c) || is_digit(c) || (c == '-' && label > 0)) ||
			   ++label > 63) {
			return false;
		}
	}
	return true;
}

enum label_error
jg_label_name_check(struct slice name, size_t *bad)
{
	const char *slash = name.len > 0 ? memchr(name.at, '/', name.len) : NULL;
	size_t part = 0;

	if (slash != NULL) {
		struct slice prefix = {name.at, (size_t)(slash - name.at)};

		if (!prefix_check(prefix, bad))
			return LABEL_BAD_NAME;
		part = prefix.len + 1;
	}
	if (part_check(slice_after(name, part), bad))
		return LABEL_OK;
	*bad += part;
	return LABEL_BAD_NAME;
}

enum label_error
jg_label_value_check(struct slice value, size_t *bad)
{
	*bad = 0;
	return value.len == 0 || part_check(value, bad) ? LABEL_OK : LABEL_BAD_VALUE;
}

enum label_error
jg_label_parse(struct slice text, struct label *out, size_t *bad)
{
	const char *equals = text.len > 0 ? memchr(text.at, '=', text.len) : NULL;
	enum label_error error;

	if (equals == NULL) {
		*bad = text.len;
		return LABEL_NO_EQUALS;
	}
	out->name = (struct slice){text.at, (size_t)(equals - text.at)};
	out->value = slice_after(text, out->name.len + 1);
	error = jg_label_name_check(out->name, bad);
	if (error != LABEL_OK)
		return error;
	error = jg_label_value_check(out->value, bad);
	*bad += out->name.len + 1;
	return error;
}

enum label_error
jg_selector_parse(
    struct slice text, struct label out[SELECTOR_LABELS_MAX], size_t *count, size_t *bad)
{
	size_t begin = 0;

	*count = 0;
	*bad = 0;
	while (text.len > 0) {
		struct slice rest = slice_after(text, begin);
		const char *comma = rest.len > 0 ? memchr(rest.at, ',', rest.len) : NULL;
		struct slice one = {rest.at, comma != NULL ? (size_t)(comma - rest.at) : rest.len};
		enum label_error error;

		*bad = begin;
		if (*count == SELECTOR_LABELS_MAX)
			return LABEL_TOO_MANY;
		error = jg_label_parse(one, &out[*count], bad);
		if (error != LABEL_OK) {
			*bad += begin;
			return error;
		}
		*bad = begin;
		for (size_t i = 0; i < *count; i++)
			if (slice_equal(out[i].name, out[*count].name))
				return LABEL_DUPLICATE;
		++*count;
		if (comma == NULL)
			break;
		begin += one.len + 1;
	}
	return LABEL_OK;
}

size_t
jg_selector_format(const struct label_set *selector, char *out, size_t cap)
{
	size_t len = 0;

	for (size_t i = 0; i < selector->count; i++) {
		const struct label *label = &selector->items[i];
		size_t more = (i > 0) + label->name.len + 1 + label->value.len;

		if (more >= cap - len) {
			out[0] = '\0';
			return cap;
		}
		if (i > 0)
			out[len++] = ',';
		memcpy(out + len, label->name.at, label->name.len);
		len += label->name.len;
		out[len++] = '=';
		if (label->value.len > 0)
			memcpy(out + len, label->value.at, label->value.len);
		len += label->value.len;
	}
	out[len] = '\0';
	return len;
}

static bool
set_has(const struct label_set *labels, const struct label *wanted)
{
	for (size_t i = 0; i < labels->count; i++)
		if (slice_equal(labels->items[i].name, wanted->name))
			return slice_equal(labels->items[i].value, wanted->value);
	return false;
}

bool
jg_selector_match(const struct label_set *selector, const struct label_set *labels)
{
	for (size_t i = 0; i < selector->count; i++)
		if (!set_has(labels, &selector->items[i]))
			return false;
	return true;
}

const char *
jg_label_error_text(enum label_error error)
{
	switch (error) {
	case LABEL_OK:
		return "well-formed";
	case LABEL_NO_EQUALS:
		return "a label needs name=value";
	case LABEL_BAD_NAME:
		return "a label's name is [prefix/]name of 1 to 63 characters A-Z a-z 0-9 . _ -, "
		       "alphanumeric at both ends";
	case LABEL_BAD_VALUE:
		return "a label's value has at most 63 characters A-Z a-z 0-9 . _ -, alphanumeric "
		       "at both ends";
	case LABEL_DUPLICATE:
		return "a label's name may occur only once";
	case LABEL_TOO_MANY:
		return "there are too many labels";
	}
	return "not a label";
}
