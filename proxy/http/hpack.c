/* hpack.c - decodes field blocks. */
#include "http/hpack.h"

#include "http/head.h"
#include "http/huffman.h"
#include "http/names.h"

/*
 * The first bits of a field (RFC 7541 section 6), and how many bits of that byte belong to an
 * integer.
 */
#define INDEXED 0x80
#define INDEXED_BITS 7
#define WITH_INDEXING 0x40
#define WITH_INDEXING_BITS 6
#define SIZE_UPDATE 0x20
#define SIZE_UPDATE_BITS 5
#define NEVER_INDEXED 0x10
#define WITHOUT_INDEXING_BITS 4

#define HUFFMAN 0x80
#define STRING_BITS 7

#define INTEGER_BITS 28 /* in the bytes after the prefix: at most four */
#define UPDATES_MAX 2	/* in a block: the smallest size and the last one (section 4.2) */

struct input {
	const unsigned char *at, *end;
	uint32_t string; /* with HPACK_CUT inside a string: its length */
};

/* A string in the form that it has in the block. */
struct coded {
	struct slice bytes;
	bool huffman;
};

struct literal {
	uint32_t index; /* of the name; 0: the name is a string of its own */
	struct coded name, value;
	bool with_indexing, never_indexed;
};

void
hpack_decoder_init(struct hpack_decoder *decoder, unsigned limit, struct hpack_memory memory)
{
	*decoder = (struct hpack_decoder){
	    .table = {.max = (uint16_t)limit, .memory = memory},
	    .limit = (uint16_t)limit,
	};
}

void
hpack_decoder_free(struct hpack_decoder *decoder)
{
	hpack_table_free(&decoder->table);
}

void
hpack_decoder_set_limit(struct hpack_decoder *decoder, unsigned limit)
{
	if (limit < decoder->table.max && (!decoder->must_update || limit < decoder->update_max)) {
		decoder->must_update = true;
		decoder->update_max = (uint16_t)limit;
	}
	decoder->limit = (uint16_t)limit;
}

/* Read an integer with a prefix of this many bits (section 5.1). */
static inline enum hpack_status
read_integer(struct input *in, unsigned bits, uint32_t *number)
{
	uint32_t prefix = (1u << bits) - 1;

	if (in->at == in->end)
		return HPACK_CUT;
	*number = *in->at++ & prefix;
	if (*number < prefix)
		return HPACK_OK;
	for (unsigned shift = 0; shift < INTEGER_BITS; shift += 7) {
		unsigned char byte;

		if (in->at == in->end)
			return HPACK_CUT;
		byte = *in->at++;
		*number += (byte & 0x7fu) << shift;
		if ((byte & 0x80) == 0)
			return HPACK_OK;
	}
	return HPACK_BAD;
}

/* A string (section 5.2). */
static inline enum hpack_status
read_string(struct input *in, struct coded *out)
{
	enum hpack_status status;
	uint32_t len;

	if (in->at == in->end)
		return HPACK_CUT;
	out->huffman = (*in->at & HUFFMAN) != 0;
	status = read_integer(in, STRING_BITS, &len);
	if (status != HPACK_OK)
		return status;
	if (len > (size_t)(in->end - in->at)) {
		in->string = len;
		return HPACK_CUT;
	}
	out->bytes = (struct slice){(const char *)in->at, len};
	in->at += len;
	return HPACK_OK;
}

/* ---- literals ---- */

/* Decode a string into *room, and move *room past it. */
static enum huffman_status
decode_string(const struct coded *coded, char **room, const char *end, struct slice *out)
{
	size_t cap = (size_t)(end - *room);
	enum huffman_status status = HUFFMAN_OK;

	out->at = *room;
	out->len = coded->bytes.len;
	if (coded->huffman)
		status = huffman_decode(coded->bytes, *room, cap, &out->len);
	else if (out->len > cap)
		status = HUFFMAN_FULL;
	else
		memcpy(*room, coded->bytes.at, out->len);
	if (status == HUFFMAN_OK)
		*room += out->len;
	return status;
}

/* The name of another field, which is in one of the tables. */
static enum huffman_status
decode_indexed_name(const struct hpack_table *table, uint32_t index, char **room, const char *end,
    struct hpack_decoded *out)
{
	const struct hpack_entry *entry;

	if (index < HPACK_STATIC_COUNT) {
		out->entry = (struct hpack_entry){
		    .id = (unsigned char)hpack_static[index].id, .static_name = index & 0x3f};
		out->name = hpack_static[index].name;
		return HUFFMAN_OK;
	}
	entry = hpack_table_get(table, index);
	out->entry = (struct hpack_entry){
	    .id = entry->id, .static_name = entry->static_name, .bad_name = entry->bad_name};
	if (entry->static_name != 0) {
		out->name = hpack_static[entry->static_name].name;
		return HUFFMAN_OK;
	}
	if (entry->name_len > end - *room)
		return HUFFMAN_FULL;
	hpack_table_copy(table, entry, *room, entry->name_len);
	out->name = (struct slice){*room, entry->name_len};
	*room += entry->name_len;
	return HUFFMAN_OK;
}

static enum huffman_status
decode_name(const struct hpack_table *table, const struct literal *literal, char **room,
    const char *end, struct hpack_decoded *out)
{
	enum huffman_status status;
	enum field_id id;

	if (literal->index != 0)
		return decode_indexed_name(table, literal->index, room, end, out);
	status = decode_string(&literal->name, room, end, &out->name);
	if (status != HUFFMAN_OK)
		return status;
	out->entry = (struct hpack_entry){.bad_name = !h2_name_identify(out->name, &id)};
	out->entry.id = (unsigned char)id;
	return HUFFMAN_OK;
}

/* Decode a literal into the room from `at` on. */
static enum huffman_status
decode_literal(const struct hpack_table *table, const struct literal *literal, char *at,
    const char *end, struct hpack_decoded *out)
{
	enum huffman_status status = decode_name(table, literal, &at, end, out);

	if (status == HUFFMAN_OK)
		status = decode_string(&literal->value, &at, end, &out->value);
	if (status == HUFFMAN_OK)
		out->entry.bad_value = !h2_value_is_good(out->value);
	return status;
}

/*
 * Index a field that is not kept, because the table may still need it. The storage is free for it.
 */
static enum hpack_status
index_unkept(
    struct hpack_table *table, const struct hpack_block *block, const struct literal *literal)
{
	struct hpack_decoded decoded;

	switch (decode_literal(
	    table, literal, block->bytes, block->bytes + block->bytes_cap, &decoded)) {
	case HUFFMAN_OK:
		return hpack_table_add(table, decoded.entry, decoded.name, decoded.value)
			   ? HPACK_OK
			   : HPACK_NO_MEMORY;
	case HUFFMAN_FULL:
		/* Larger than any table. */
		hpack_table_evict_all(table);
		return HPACK_OK;
	case HUFFMAN_BAD:
		return HPACK_BAD;
	}
	return HPACK_BAD;
}

static enum hpack_status
take_literal(struct hpack_table *table, struct hpack_block *block, const struct literal *literal)
{
	struct hpack_decoded decoded;

	if (!block->too_large) {
		switch (decode_literal(table, literal, block->bytes + block->used,
		    block->bytes + block->bytes_cap, &decoded)) {
		case HUFFMAN_OK:
			if (!hpack_block_keep_decoded(block, &decoded, literal->never_indexed))
				break;
			return !literal->with_indexing || hpack_table_add(table, decoded.entry,
							      decoded.name, decoded.value)
				   ? HPACK_OK
				   : HPACK_NO_MEMORY;
		case HUFFMAN_FULL:
			hpack_block_set_too_large(block);
			break;
		case HUFFMAN_BAD:
			return HPACK_BAD;
		}
	}
	return literal->with_indexing ? index_unkept(table, block, literal) : HPACK_OK;
}

/* ---- strings that are too long for any table, in a block that is not kept ---- */

static inline bool
is_skipping(const struct hpack_decoder *decoder)
{
	return decoder->skip > 0 || decoder->value_follows;
}

/*
 * Drop what has come of a string that is cut; skip_rest will drop the rest, and the value behind it
 * if it is a name. False: the string is short.
 */
static bool
begin_skip(struct hpack_decoder *decoder, struct input *in, bool name)
{
	if (in->string < HPACK_SKIP_MIN)
		return false;
	decoder->skip = in->string - (uint32_t)(in->end - in->at);
	decoder->value_follows = name;
	in->at = in->end;
	return true;
}

/*
 * The same for a literal that is cut: the string that is cut, or else a name that has come whole.
 * False: neither is long.
 */
static bool
begin_skip_literal(struct hpack_decoder *decoder, struct input *in, const struct literal *literal)
{
	const struct slice *name = &literal->name.bytes;

	if (begin_skip(decoder, in, literal->index == 0 && name->at == NULL))
		return true;
	if (name->len < HPACK_SKIP_MIN)
		return false;
	in->at = (const unsigned char *)name->at + name->len;
	decoder->value_follows = true;
	return true;
}

/* Drop more of the string and, if it was a name, its value. */
static enum hpack_status
skip_rest(struct hpack_decoder *decoder, struct input *in)
{
	uint32_t there = (uint32_t)(in->end - in->at);
	uint32_t n = decoder->skip < there ? decoder->skip : there;
	enum hpack_status status;
	struct coded ignored;

	in->at += n;
	decoder->skip -= n;
	/*
	 * Return first, so that the caller frees what was dropped before a value begins that may be
	 * cut.
	 */
	if (n > 0 || decoder->skip > 0 || !decoder->value_follows)
		return HPACK_OK;
	status = read_string(in, &ignored);
	if (status == HPACK_OK)
		decoder->value_follows = false;
	else if (status == HPACK_CUT && begin_skip(decoder, in, false))
		return HPACK_OK;
	return status;
}

static enum hpack_status
read_literal(
    struct hpack_decoder *decoder, struct input *in, struct hpack_block *block, unsigned char first)
{
	struct literal literal = {
	    .with_indexing = (first & WITH_INDEXING) != 0,
	    .never_indexed = (first & (WITH_INDEXING | NEVER_INDEXED)) == NEVER_INDEXED,
	};
	enum hpack_status status = read_integer(
	    in, literal.with_indexing ? WITH_INDEXING_BITS : WITHOUT_INDEXING_BITS, &literal.index);

	if (status == HPACK_OK && literal.index >= HPACK_STATIC_COUNT &&
	    hpack_table_get(&decoder->table, literal.index) == NULL)
		return HPACK_BAD;
	if (status == HPACK_OK && literal.index == 0)
		status = read_string(in, &literal.name);
	if (status == HPACK_OK)
		status = read_string(in, &literal.value);
	if (status == HPACK_OK)
		return take_literal(&decoder->table, block, &literal);
	if (status == HPACK_CUT && block->too_large && begin_skip_literal(decoder, in, &literal)) {
		if (literal.with_indexing)
			hpack_table_evict_all(&decoder->table);
		return HPACK_OK;
	}
	return status;
}

/* ---- blocks ---- */

static inline enum hpack_status
read_indexed(struct hpack_decoder *decoder, struct input *in, struct hpack_block *block)
{
	uint32_t index;
	enum hpack_status status = read_integer(in, INDEXED_BITS, &index);
	const struct hpack_entry *entry;

	if (status != HPACK_OK)
		return status;
	if (index == HPACK_INDEX_NONE)
		return HPACK_BAD;
	if (index < HPACK_STATIC_COUNT) {
		hpack_block_keep_static(block, &hpack_static[index]);
		return HPACK_OK;
	}
	entry = hpack_table_get(&decoder->table, index);
	if (entry == NULL)
		return HPACK_BAD;
	hpack_block_keep_entry(block, &decoder->table, entry);
	return HPACK_OK;
}

/* Section 6.3. */
static enum hpack_status
read_size_update(struct hpack_decoder *decoder, struct input *in, struct hpack_block *block)
{
	uint32_t size;
	enum hpack_status status = read_integer(in, SIZE_UPDATE_BITS, &size);

	if (status != HPACK_OK)
		return status;
	if (block->begun || block->updates == UPDATES_MAX || size > decoder->limit ||
	    (decoder->must_update && size > decoder->update_max))
		return HPACK_BAD;
	block->updates++;
	decoder->must_update = false;
	hpack_table_resize(&decoder->table, size);
	return HPACK_OK;
}

static inline enum hpack_status
read_field(struct hpack_decoder *decoder, struct input *in, struct hpack_block *block)
{
	unsigned char first = *in->at;

	if ((first & (INDEXED | WITH_INDEXING | SIZE_UPDATE)) == SIZE_UPDATE)
		return read_size_update(decoder, in, block);
	if (decoder->must_update)
		return HPACK_BAD;
	block->begun = true;
	if (first & INDEXED)
		return read_indexed(decoder, in, block);
	return read_literal(decoder, in, block, first);
}

enum hpack_status
hpack_decode(struct hpack_decoder *decoder, struct slice bytes, bool end, struct hpack_block *block,
    size_t *consumed)
{
	const unsigned char *begin = (const unsigned char *)bytes.at;
	struct input in = {begin, begin + bytes.len, 0};

	*consumed = 0;
	while (in.at < in.end) {
		enum hpack_status status = is_skipping(decoder) ? skip_rest(decoder, &in)
								: read_field(decoder, &in, block);

		if (status == HPACK_CUT && end)
			return HPACK_BAD;
		if (status != HPACK_OK)
			return status;
		*consumed = (size_t)(in.at - begin);
	}
	return end && (decoder->must_update || is_skipping(decoder)) ? HPACK_BAD : HPACK_OK;
}
