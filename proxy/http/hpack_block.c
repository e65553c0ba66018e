/* hpack_block.c - keeps the fields of a block, within its limits. */
#include "http/hpack_block.h"

void
/* The decoder writes to bytes. NOLINTNEXTLINE(readability-non-const-parameter) */
hpack_block_init(struct hpack_block *block, struct field *fields, size_t fields_max, char *bytes,
    size_t bytes_cap, size_t size_max)
{
	*block = (struct hpack_block){
	    .fields = fields,
	    .fields_max = fields_max,
	    .bytes = bytes,
	    .bytes_cap = bytes_cap,
	    .size_max = size_max,
	};
}

void
hpack_block_set_too_large(struct hpack_block *block)
{
	block->too_large = true;
	block->count = 0;
	block->used = 0;
}

/*
 * A place for one more field with this many bytes, of which `copied` bytes go into the storage.
 * NULL when the block is too large.
 */
static inline struct field *
claim_field(struct hpack_block *block, size_t len, size_t copied)
{
	if (block->too_large)
		return NULL;
	block->size += len + HPACK_FIELD_OVERHEAD;
	if (block->count == block->fields_max || block->size > block->size_max ||
	    copied > block->bytes_cap - block->used) {
		hpack_block_set_too_large(block);
		return NULL;
	}
	block->used += copied;
	return &block->fields[block->count++];
}

void
hpack_block_keep_static(struct hpack_block *block, const struct field *known)
{
	struct field *field = claim_field(block, known->name.len + known->value.len, 0);

	if (field != NULL)
		*field = *known;
}

void
hpack_block_keep_entry(
    struct hpack_block *block, const struct hpack_table *table, const struct hpack_entry *entry)
{
	unsigned stored = hpack_entry_stored(entry);
	char *bytes = block->bytes + block->used;
	struct field *field =
	    claim_field(block, entry->name_len + (size_t)entry->value_len, stored);

	if (field == NULL)
		return;
	hpack_table_copy(table, entry, bytes, stored);
	*field = (struct field){
	    .name = {bytes, entry->name_len},
	    .value = {bytes + stored - entry->value_len, entry->value_len},
	    .id = (enum field_id)entry->id,
	};
	if (entry->static_name != 0)
		field->name = hpack_static[entry->static_name].name;
	block->malformed |= entry->bad_name || entry->bad_value;
}

bool
hpack_block_keep_decoded(
    struct hpack_block *block, const struct hpack_decoded *decoded, bool never_indexed)
{
	size_t copied =
	    decoded->value.len + (decoded->entry.static_name != 0 ? 0 : decoded->name.len);
	struct field *field = claim_field(block, decoded->name.len + decoded->value.len, copied);

	if (field == NULL)
		return false;
	*field = (struct field){
	    .name = decoded->name,
	    .value = decoded->value,
	    .id = (enum field_id)decoded->entry.id,
	    .never_indexed = never_indexed,
	};
	block->malformed |= decoded->entry.bad_name || decoded->entry.bad_value;
	return true;
}
