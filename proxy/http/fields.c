/* fields.c - field lines, and lists in their values. */
#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "http/bytes.h"
#include "http/head.h"
#include "http/names.h"

struct slice
field_value(const struct fields *fields, enum field_id id)
{
	for (size_t i = 0; i < fields->count; i++)
		if (fields->items[i].id == id)
			return fields->items[i].value;
	return (struct slice){0};
}

/*
 * Of eight bytes, set the high bit of those below SP, and of DEL. Bytes after the first such byte
 * may be marked wrongly. (A tab is below SP, too, so it is checked again.)
 */
static uint64_t
controls_in(uint64_t bytes)
{
	const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
	uint64_t low = (bytes - 0x20 * ones) & ~bytes & highs;
	uint64_t del = bytes ^ 0x7f * ones;

	return low | ((del - ones) & ~del & highs);
}

/* The first byte has the lowest bits. */
static uint64_t
eight_at(const char *at)
{
	uint64_t bytes;

	memcpy(&bytes, at, sizeof(bytes));
	return le64toh(bytes);
}

/*
 * The first byte that a value must not have (RFC 9110 section 5.5: visible characters, SP, HTAB and
 * obs-text are allowed); `end` when there is none.
 */
static const char *
value_end(const char *at, const char *end)
{
	while ((size_t)(end - at) >= sizeof(uint64_t)) {
		uint64_t controls = controls_in(eight_at(at));

		if (controls == 0) {
			at += sizeof(uint64_t);
			continue;
		}
		at += __builtin_ctzll(controls) / 8;
		if (*at != '\t')
			return at;
		at++;
	}
	while (at < end && byte_is((unsigned char)*at, BYTE_VALUE))
		at++;
	return at;
}

bool
h2_value_is_good(struct slice text)
{
	return value_end(text.at, text.at + text.len) == text.at + text.len &&
	       slice_trim(text).len == text.len;
}

/*
 * Take the line "name: value" CR LF from the beginning of the section. False when it breaks the
 * rules; a folded line has no name.
 */
static bool
parse_line(struct slice *section, struct field *out)
{
	const char *const line = section->at, *const end = line + section->len, *after;
	unsigned char classes =
	    BYTE_TOKEN | BYTE_NAME; /* the classes to which all bytes so far belong */
	size_t colon = 0;

	for (; colon < section->len; colon++) {
		unsigned char class = byte_classes[(unsigned char)line[colon]];

		if ((class & BYTE_TOKEN) == 0)
			break;
		classes &= class;
	}
	if (colon == 0 || colon == section->len || line[colon] != ':')
		return false;
	after = value_end(line + colon + 1, end);
	if (end - after < 2 || after[0] != '\r' || after[1] != '\n')
		return false;
	out->name = (struct slice){line, colon};
	out->value =
	    slice_trim((struct slice){line + colon + 1, (size_t)(after - line) - colon - 1});
	out->id = classes & BYTE_NAME ? name_identify_plain(out->name)
				      : name_identify_disguised(out->name);
	out->dropped = false;
	out->never_indexed = false;
	*section = slice_after(*section, (size_t)(after - line) + 2);
	return true;
}

/* True when the section has a complete line of any form. */
static bool
line_ends(struct slice section)
{
	const char *lf = memchr(section.at, '\n', section.len);

	return lf != NULL && lf != section.at && lf[-1] == '\r';
}

enum head_status
fields_parse(struct slice section, struct field *out, size_t cap, size_t *count)
{
	*count = 0;
	while (section.len > 0) {
		if (section.len >= 2 && section.at[0] == '\r' && section.at[1] == '\n')
			return section.len == 2 ? HEAD_COMPLETE : HEAD_BAD;
		if (*count == cap)
			return line_ends(section) ? HEAD_TOO_LARGE : HEAD_BAD;
		if (!parse_line(&section, &out[*count]))
			return HEAD_BAD;
		++*count;
	}
	return HEAD_BAD;
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
