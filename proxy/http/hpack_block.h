/* hpack_block.h - the fields of one field block, in the caller's storage. */
#ifndef JOBGATE_HTTP_HPACK_BLOCK_H
#define JOBGATE_HTTP_HPACK_BLOCK_H

#include "http/hpack_table.h"
#include "jobgate/message.h"

/*
 * The fields of a block. All storage belongs to the caller, and one storage can serve all
 * connections of a worker, because a block is decoded when it is complete. The slices of the fields
 * point into `bytes` or to constants, never into the decoder's table. So they stay valid until the
 * storage is used again, whatever is decoded later.
 *
 * Each field has its id (field_identify; FIELD_PSEUDO_* for the pseudo-fields of RFC 9113 sections
 * 8.3.1 and 8.3.2 and RFC 8441; FIELD_OTHER with malformed for other names that begin with ':').
 * dropped is false, and never_indexed says how the field came. Names and values are as sent.
 */
struct hpack_block {
	/* Set by the caller. */
	struct field *fields;
	size_t fields_max;
	char *bytes;
	size_t bytes_cap; /* at least HPACK_TABLE_MAX; more than size_max is never needed */
	size_t size_max;  /* of all fields: name + value + HPACK_FIELD_OVERHEAD for each (RFC 9113
			     section 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE) */

	/* Results; hpack_block_init clears them. */
	size_t count; /* of fields */
	size_t size;  /* counted as size_max */
	size_t used;  /* of bytes */
	/*
	 * There are more than fields_max fields or size_max bytes: answer 431. Decoding continues,
	 * so that the table stays synchronized, but nothing more is kept, and count is 0. The
	 * caller may set this before a block that it does not need (of a refused or reset stream),
	 * which makes decoding cheaper.
	 */
	bool too_large;
	/*
	 * A name is not a token in lower case (names of pseudo-fields are allowed), or a value has
	 * a forbidden byte or white space around it (RFC 9113 section 8.2.1): a stream error of
	 * type PROTOCOL_ERROR. The check was made when the field entered the table, so the caller
	 * need not look at the bytes.
	 */
	bool malformed;
	unsigned char
	    updates; /* updates of the table's size, so far; they come before all fields */
	bool begun;  /* a field has been decoded */
};

/* Clear the results; call it before each block. */
void hpack_block_init(struct hpack_block *block, struct field *fields, size_t fields_max,
    char *bytes, size_t bytes_cap, size_t size_max);

/* ---- for hpack.c alone ---- */

/* A literal field with decoded strings. */
struct hpack_decoded {
	struct slice name, value;
	struct hpack_entry entry; /* without lengths and place */
};

/* Keep nothing of this block. */
void hpack_block_set_too_large(struct hpack_block *block);

/* Keep one more field; if there is no room, set too_large. */
void hpack_block_keep_static(struct hpack_block *block, const struct field *known);
void hpack_block_keep_entry(
    struct hpack_block *block, const struct hpack_table *table, const struct hpack_entry *entry);

/*
 * The same for a field whose bytes are already at the end of the storage. False: it was not kept.
 */
bool hpack_block_keep_decoded(
    struct hpack_block *block, const struct hpack_decoded *decoded, bool never_indexed);

#endif
