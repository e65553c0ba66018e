/* hpack_block.h - the fields of one field block, in storage of the caller. */
#ifndef JOBGATE_HTTP_HPACK_BLOCK_H
#define JOBGATE_HTTP_HPACK_BLOCK_H

#include "http/hpack_table.h"
#include "jobgate/message.h"

/*
 * The fields of a block. All storage belongs to the caller, and one storage can serve all
 * connections of a worker, because a block is decoded when it is whole. The slices of the fields
 * point into `bytes` or at constants, never into the decoder's table: they are good until the
 * storage is used again, whatever is decoded later.
 *
 * Each field has its id (field_identify; FIELD_PSEUDO_* for the pseudo-fields of RFC 9113 sections
 * 8.3.1 and 8.3.2 and RFC 8441; FIELD_OTHER with malformed for other names that begin with ':'),
 * dropped is false, never_indexed says how it came. Names and values are as sent.
 */
struct hpack_block {
	/* Set by the caller. */
	struct field *fields;
	size_t fields_max;
	char *bytes;
	size_t bytes_cap; /* at least HPACK_TABLE_MAX; size_max is always enough besides */
	size_t size_max;  /* of all fields: name + value + HPACK_FIELD_OVERHEAD for each (RFC 9113
			     section 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE) */

	/* Results; hpack_block_init clears them. */
	size_t count; /* of fields */
	size_t size;  /* counted as size_max */
	size_t used;  /* of bytes */
	/*
	 * More than fields_max or size_max: answer 431. Decoding goes on, so that the table stays
	 * in step, but nothing more is kept: count is 0. The caller may set it before a block that
	 * it does not want (of a stream that is refused or reset), which costs less.
	 */
	bool too_large;
	/*
	 * A name is no token in lower case (the pseudo-fields' names are good ones), or a value has
	 * a byte that it must not have or white space around it (RFC 9113 section 8.2.1): a stream
	 * error, PROTOCOL_ERROR. This was checked when a field entered the table, so the caller
	 * need not look at bytes.
	 */
	bool malformed;
	unsigned char updates; /* of the table's size, so far: they come first */
	bool begun;	       /* a field has been decoded */
};

/* Clear the results, before each block. */
void hpack_block_init(struct hpack_block *block, struct field *fields, size_t fields_max,
    char *bytes, size_t bytes_cap, size_t size_max);

/* ---- for hpack.c alone ---- */

/* A literal field whose strings have been decoded. */
struct hpack_decoded {
	struct slice name, value;
	struct hpack_entry entry; /* without lengths and place */
};

/* Keep nothing of this block. */
void hpack_block_set_too_large(struct hpack_block *block);

/* Keep one more field, or set too_large. */
void hpack_block_keep_static(struct hpack_block *block, const struct field *known);
void hpack_block_keep_entry(
    struct hpack_block *block, const struct hpack_table *table, const struct hpack_entry *entry);

/* The same for one whose bytes stand at the end of the storage already. False: not kept. */
bool hpack_block_keep_decoded(
    struct hpack_block *block, const struct hpack_decoded *decoded, bool never_indexed);

#endif
