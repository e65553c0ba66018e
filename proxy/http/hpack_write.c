/* hpack_write.c - encodes field blocks, without a table and without Huffman codes. */
#include "http/hpack.h"

/*
 * The first bits of a field (RFC 7541 section 6), and how many bits of that byte belong to an
 * integer.
 */
#define INDEXED 0x80
#define WITHOUT_INDEXING 0x00
#define NEVER_INDEXED 0x10
#define NAME_BITS 4
#define STRING_BITS 7

#define NAME_LEN_MAX 27 /* the most bytes of a name in the static table */
#define NAME_ROOM 32	/* bytes */

#define STATIC(index, id, name, value) \
	_Static_assert(sizeof(name) - 1 <= NAME_LEN_MAX, name " needs a case in find_name");
#include "http/hpack_static.def"

/* Append an integer (section 5.1); there is room. */
static inline char *
put_integer(char *at, unsigned pattern, unsigned bits, size_t number)
{
	size_t prefix = (1u << bits) - 1;

	if (number < prefix) {
		*at++ = (char)(pattern | number);
		return at;
	}
	*at++ = (char)(pattern | prefix);
	for (number -= prefix; number >= 0x80; number >>= 7)
		*at++ = (char)(number | 0x80);
	*at++ = (char)number;
	return at;
}

/* Huffman codes would save a fifth of the bytes, but cost both ends more than that is worth. */
static inline char *
put_string(char *at, struct slice text)
{
	at = put_integer(at, 0, STRING_BITS, text.len);
	if (text.len > 0)
		memcpy(at, text.at, text.len);
	return at + text.len;
}

static bool
has_room(struct writer *writer, size_t len)
{
	if (len <= (size_t)(writer->end - writer->at))
		return true;
	writer->full = true;
	return false;
}

static void
write_byte(struct writer *writer, unsigned byte)
{
	if (has_room(writer, 1))
		*writer->at++ = (char)byte;
}

void
hpack_write_start(struct writer *writer)
{
	write_byte(writer, 0x20);
}

void
hpack_write_indexed(struct writer *writer, enum hpack_index index)
{
	write_byte(writer, INDEXED | (unsigned)index);
}

static void
write_named(struct writer *writer, unsigned pattern, enum hpack_index name, struct slice value)
{
	if (!has_room(writer, HPACK_WRITE_OVERHEAD + value.len))
		return;
	writer->at = put_integer(writer->at, pattern, NAME_BITS, name);
	writer->at = put_string(writer->at, value);
}

void
hpack_write_named(struct writer *writer, enum hpack_index name, struct slice value)
{
	write_named(writer, WITHOUT_INDEXING, name, value);
}

void
hpack_write_status(struct writer *writer, unsigned status)
{
	char digits[3] = {
	    (char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10)};

	for (unsigned i = HPACK_STATUS_200; i <= HPACK_STATUS_500; i++)
		if (memcmp(digits, hpack_static[i].value.at, sizeof(digits)) == 0) {
			hpack_write_indexed(writer, i);
			return;
		}
	hpack_write_named(writer, HPACK_STATUS_200, (struct slice){digits, sizeof(digits)});
}

/* Copy eight bytes; upper case letters become lower case. */
static uint64_t
lower_eight(uint64_t bytes)
{
	const uint64_t ones = 0x0101010101010101, highs = 0x80 * ones;
	uint64_t low_bits = bytes & ~highs;
	uint64_t from_a = low_bits + (0x80 - 'A') * ones;
	uint64_t above_z = low_bits + (0x7f - 'Z') * ones;

	return bytes | ((from_a & ~above_z & ~bytes & highs) >> 2);
}

static inline void
copy_lower_eight(char *out, const char *name)
{
	uint64_t bytes;

	memcpy(&bytes, name, sizeof(bytes));
	bytes = lower_eight(bytes);
	memcpy(out, &bytes, sizeof(bytes));
}

/* Copy a name in lower case. */
static void
put_lower(char *out, struct slice name)
{
	const size_t eight = sizeof(uint64_t);

	if (name.len >= eight) {
		for (size_t i = 0; i + eight < name.len; i += eight)
			copy_lower_eight(out + i, name.at + i);
		/* The last eight overlap the ones before. */
		copy_lower_eight(out + name.len - eight, name.at + name.len - eight);
		return;
	}
	for (size_t i = 0; i < name.len; i++)
		out[i] =
		    (char)(name.at[i] >= 'A' && name.at[i] <= 'Z' ? name.at[i] | 0x20 : name.at[i]);
}

/*
 * The first index of a name of this length. len is a constant wherever this is inlined, so only the
 * comparisons with names of this length remain, each with constants.
 */
static inline __attribute__((always_inline)) enum hpack_index
/* A branch for each row. NOLINTNEXTLINE(readability-function-cognitive-complexity) */
find_name_of(const char *lower, size_t len)
{
#define STATIC(index, id, name, value)                                             \
	if (len == sizeof(name) - 1 && memcmp(lower, name, sizeof(name) - 1) == 0) \
		return HPACK_##index;
#include "http/hpack_static.def"
	return HPACK_INDEX_NONE;
}

#define THREE_CASES(first) CASE(first) CASE((first) + 1) CASE((first) + 2)

static enum hpack_index
find_name(const char *lower, size_t len)
{
	switch (len) {
#define CASE(len) \
	case len: \
		return find_name_of(lower, len);
		/* clang-format off */
		THREE_CASES(3) THREE_CASES(6) THREE_CASES(9) THREE_CASES(12) THREE_CASES(15)
		THREE_CASES(18) THREE_CASES(21) THREE_CASES(24) CASE(27)
	default:
		return HPACK_INDEX_NONE;
		/* clang-format on */
#undef CASE
	}
}

static void
encode_field(struct writer *writer, unsigned pattern, struct slice name, struct slice value)
{
	char lower[NAME_ROOM];
	enum hpack_index index = HPACK_INDEX_NONE;

	if (name.len <= NAME_LEN_MAX) {
		put_lower(lower, name);
		index = find_name(lower, name.len);
	}
	if (index != HPACK_INDEX_NONE) {
		write_named(writer, pattern, index, value);
		return;
	}
	if (!has_room(writer, HPACK_WRITE_OVERHEAD + name.len + value.len))
		return;
	*writer->at++ = (char)pattern;
	writer->at = put_integer(writer->at, 0, STRING_BITS, name.len);
	if (name.len <= NAME_LEN_MAX)
		memcpy(writer->at, lower, name.len);
	else
		put_lower(writer->at, name);
	writer->at = put_string(writer->at + name.len, value);
}

void
hpack_write_field(struct writer *writer, struct slice name, struct slice value)
{
	encode_field(writer, WITHOUT_INDEXING, name, value);
}

void
hpack_write_never_indexed(struct writer *writer, struct slice name, struct slice value)
{
	encode_field(writer, NEVER_INDEXED, name, value);
}

void
hpack_write_fields(struct writer *writer, const struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++) {
		const struct field *field = &fields->items[i];

		if (!field->dropped)
			encode_field(writer,
			    field->never_indexed ? NEVER_INDEXED : WITHOUT_INDEXING, field->name,
			    field->value);
	}
}
