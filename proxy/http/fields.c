/* fields.c - field lines, and lists in their values. */
#include <stdint.h>
#include <string.h>

#include "http/bytes.h"
#include "http/head.h"
#include "http/names.h"

/* Eight bytes at a time: is one of them below SP, or DEL? (A tab is, too; it is looked at again.)
 */
static bool
has_control(uint64_t bytes)
{
	const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
	uint64_t low = (bytes - 0x20 * ones) & ~bytes & highs;
	uint64_t del = bytes ^ 0x7f * ones;

	return (low | ((del - ones) & ~del & highs)) != 0;
}

static uint64_t
eight_at(const char *at)
{
	uint64_t bytes;

	memcpy(&bytes, at, sizeof(bytes));
	return bytes;
}

bool
is_field_value(struct slice text)
{
	const size_t eight = sizeof(uint64_t);
	size_t i = 0;

	if (text.len >= eight) {
		while (i + eight < text.len && !has_control(eight_at(text.at + i)))
			i += eight;
		/* The last eight overlap those before: no rest to go over byte by byte. */
		if (i + eight >= text.len && !has_control(eight_at(text.at + text.len - eight)))
			return true;
	}
	for (; i < text.len; i++)
		if (!byte_is((unsigned char)text.at[i], BYTE_VALUE))
			return false;
	return true;
}

bool
h2_value_is_good(struct slice text)
{
	return is_field_value(text) && slice_trim(text).len == text.len;
}

/* "name: value" without its line end. False when it breaks the rules; a folded line has no name. */
static bool
parse_line(struct slice line, struct field *out)
{
	unsigned char classes = BYTE_TOKEN | BYTE_NAME; /* those that all bytes so far belong to */
	size_t colon = 0;

	for (; colon < line.len; colon++) {
		unsigned char class = byte_classes[(unsigned char)line.at[colon]];

		if ((class & BYTE_TOKEN) == 0)
			break;
		classes &= class;
	}
	if (colon == 0 || colon == line.len || line.at[colon] != ':')
		return false;
	out->name = (struct slice){line.at, colon};
	out->value = slice_after(line, colon + 1);
	if (!is_field_value(out->value))
		return false;
	out->value = slice_trim(out->value);
	out->id = classes & BYTE_NAME ? name_identify_plain(out->name)
				      : name_identify_disguised(out->name);
	out->dropped = false;
	out->never_indexed = false;
	return true;
}

enum head_status
fields_parse(struct slice section, struct field *out, size_t cap, size_t *count)
{
	*count = 0;
	for (;;) {
		const char *lf = section.len > 0 ? memchr(section.at, '\n', section.len) : NULL;
		struct slice line;

		if (lf == NULL || lf == section.at || lf[-1] != '\r')
			return HEAD_BAD;
		line = (struct slice){section.at, (size_t)(lf - section.at) - 1};
		section = slice_after(section, line.len + 2);
		if (line.len == 0)
			return section.len == 0 ? HEAD_COMPLETE : HEAD_BAD;
		if (*count == cap)
			return HEAD_TOO_LARGE;
		if (!parse_line(line, &out[*count]))
			return HEAD_BAD;
		++*count;
	}
}

void
trailers_mark(struct fields *trailers, const char *const *listed)
{
	for (size_t i = 0; i < trailers->count; i++) {
		struct field *field = &trailers->items[i];

		field->dropped =
		    !field_has(field->id, TRAILERS_TOO) || name_is_listed(field->name, listed);
	}
}

bool
trailers_parse(struct slice section, size_t cap, const char *const *listed, struct fields *out)
{
	if (fields_parse(section, out->items, cap, &out->count) != HEAD_COMPLETE)
		return false;
	trailers_mark(out, listed);
	return true;
}

/* The length of the next member of a list, up to a comma outside quoted strings. */
static size_t
member_len(struct slice text)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < text.len && (quoted || text.at[i] != ','); i++) {
		if (text.at[i] == '"')
			quoted = !quoted;
		else if (quoted && text.at[i] == '\\' && i + 1 < text.len)
			i++;
	}
	return i;
}

bool
list_next(struct slice *rest, struct slice *member)
{
	while (rest->len > 0) {
		size_t len = member_len(*rest);

		*member = slice_trim((struct slice){rest->at, len});
		*rest = slice_after(*rest, len < rest->len ? len + 1 : len);
		if (member->len > 0)
			return true;
	}
	return false;
}
