/* h2_input.h - a list of fields of HTTP/2 from bytes: 0xfe ends a name, 0xff ends a value. */
#ifndef JOBGATE_FUZZ_H2_INPUT_H
#define JOBGATE_FUZZ_H2_INPUT_H

#include "fuzz.h"
#include "http/h2_fields.h"
#include "http/names.h"

struct h2_input {
	struct field fields[H2_FIELDS_MAX]; /* as they are sent */
	size_t count;
};

/* The bytes up to one with this value, which is taken off with them. */
static inline struct slice
h2_input_part(struct slice *rest, int end)
{
	const char *found = rest->len > 0 ? memchr(rest->at, end, rest->len) : NULL;
	struct slice part = {rest->at, found != NULL ? (size_t)(found - rest->at) : rest->len};

	*rest = slice_after(*rest, part.len + (found != NULL));
	return part;
}

static inline void
h2_input_read(struct slice bytes, struct h2_input *out)
{
	out->count = 0;
	while (bytes.len > 0 && out->count < H2_FIELDS_MAX) {
		struct field *field = &out->fields[out->count++];

		*field = (struct field){0};
		field->name = h2_input_part(&bytes, 0xfe);
		field->value = h2_input_part(&bytes, 0xff);
	}
}

/* What the decoder would give of it; fields has room for H2_FIELDS_MAX. */
static inline struct hpack_block
h2_input_block(const struct h2_input *input, struct field *fields)
{
	struct hpack_block block = {.fields = fields, .count = input->count};

	memcpy(fields, input->fields, input->count * sizeof(fields[0]));
	for (size_t i = 0; i < block.count; i++)
		if (!h2_name_identify(fields[i].name, &fields[i].id) ||
		    !h2_value_is_good(fields[i].value))
			block.malformed = true;
	return block;
}

/* How many fields have this name, exactly; *value becomes that of the last one. */
static inline size_t
h2_input_find(const struct h2_input *input, struct slice name, struct slice *value)
{
	size_t count = 0;

	for (size_t i = 0; i < input->count; i++) {
		if (!slice_equal(input->fields[i].name, name))
			continue;
		*value = input->fields[i].value;
		count++;
	}
	return count;
}

/*
 * The rules for each field of an accepted list, written a second time (RFC 9113 sections 8.2 and
 * 8.3): names, values, pseudo-fields first, nothing that speaks of the connection.
 */
static inline void
h2_input_check_accepted(const struct h2_input *input)
{
	static const char *const forbidden[] = {
	    "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"};
	bool regular = false;

	for (size_t i = 0; i < input->count; i++) {
		struct slice name = input->fields[i].name, value = input->fields[i].value;
		bool pseudo = name.len > 0 && name.at[0] == ':';

		CHECK(name.len > 0 && !(pseudo && regular));
		regular |= !pseudo;
		for (size_t at = pseudo; at < name.len; at++)
			CHECK(name.at[at] > ' ' && name.at[at] < 0x7f &&
			      strchr("\"(),/:;<=>?@[\\]{}ABCDEFGHIJKLMNOPQRSTUVWXYZ",
				  name.at[at]) == NULL);
		for (size_t at = 0; at < value.len; at++)
			CHECK((unsigned char)value.at[at] >= ' ' ? value.at[at] != 0x7f
								 : value.at[at] == '\t');
		CHECK(value.len == 0 || strchr(" \t", value.at[0]) == NULL);
		CHECK(value.len == 0 || strchr(" \t", value.at[value.len - 1]) == NULL);
		for (size_t f = 0; f < sizeof(forbidden) / sizeof(forbidden[0]); f++)
			CHECK(!slice_equal(name, slice_of(forbidden[f])));
		CHECK(!slice_equal(name, SLICE("te")) ||
		      slice_equal_nocase(value, SLICE("trailers")));
	}
}

#endif
