/* hpack.h - field blocks of HTTP/2 (RFC 7541): a decoder with its table, and a stateless encoder.
 */
#ifndef JOBGATE_HTTP_HPACK_H
#define JOBGATE_HTTP_HPACK_H

#include "http/write.h"
#include "jobgate/message.h"

#define HPACK_TABLE_MAX 4096	/* bytes as RFC 7541 section 4.1 counts them; also the default */
#define HPACK_FIELD_OVERHEAD 32 /* bytes that each field counts besides name and value */

/* ---- decoding ---- */

/* A field of the dynamic table. */
struct hpack_entry;

/*
 * The decoder of one direction of a connection. A plain value: start with hpack_decoder_init. Its
 * table has no memory until a field enters it; then it doubles on demand, so that a connection with
 * a few short fields has 384 bytes and a full table 5 KiB.
 */
struct hpack_decoder {
	struct hpack_entry *entries; /* a ring, in one block with `bytes`; NULL: none yet */
	char *bytes;		     /* a ring of `capacity` bytes: names and values */
	uint16_t capacity;	     /* 0, or a power of two */
	uint16_t first, count;	     /* the newest entry, and how many there are */
	uint16_t next, used;	     /* where the next byte goes, and how many bytes are in use */
	uint16_t size;		     /* of the table, as section 4.1 counts it */
	uint16_t max;		     /* set by the encoder's size updates; at most `limit` */
	uint16_t limit;		     /* our SETTINGS_HEADER_TABLE_SIZE */
	uint16_t must_shrink_to;     /* a size update to at most this must come; else the limit */
};

/* limit: what our SETTINGS_HEADER_TABLE_SIZE says or leaves at its default, at most
 * HPACK_TABLE_MAX. */
void hpack_decoder_init(struct hpack_decoder *decoder, unsigned limit);

/* Frees the table. It may be called twice, and on a zeroed decoder. */
void hpack_decoder_free(struct hpack_decoder *decoder);

/*
 * Our SETTINGS with another SETTINGS_HEADER_TABLE_SIZE (at most HPACK_TABLE_MAX) were acknowledged.
 * When that is less than the table's maximum, the next block must begin with a size update (RFC
 * 7541 section 4.2), else it is HPACK_BAD.
 */
void hpack_decoder_set_limit(struct hpack_decoder *decoder, unsigned limit);

enum hpack_status {
	HPACK_OK,
	HPACK_CUT,	 /* only without `end`: the bytes end within a field */
	HPACK_BAD,	 /* COMPRESSION_ERROR: end the connection, the decoder is of no more use */
	HPACK_NO_MEMORY, /* INTERNAL_ERROR: the same */
};

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

/*
 * Decode a block, whole (end: true) or a piece of it. *consumed bytes are dealt with: all of them
 * with HPACK_OK, up to the field that is not whole with HPACK_CUT; the caller puts the next piece
 * behind the rest.
 *
 * What bounds memory: gather a block that is split over CONTINUATION in its short form, and decode
 * it with `end` once it is whole, so that connections with an unfinished block share one storage.
 * When a gathered block gets longer than the limits allow, set too_large and decode without `end`:
 * only a field that is cut remains to be kept. A field's rest that is too long even so is
 * ENHANCE_YOUR_CALM (there is no other way to keep the table in step).
 *
 * Strict: integers have at most four bytes after their prefix, size updates stand before the first
 * field and are at most two, index 0 does not exist.
 */
enum hpack_status hpack_decode(struct hpack_decoder *decoder, struct slice bytes, bool end,
    struct hpack_block *block, size_t *consumed);

/* ---- encoding, without a table ---- */

/* The static table (RFC 7541 appendix A): HPACK_AUTHORITY is 1. Several entries of one name have
 * their value in theirs (HPACK_METHOD_GET); the first of them stands for the name. */
enum hpack_index {
	HPACK_INDEX_NONE, /* no index: index 0 does not exist */
#define STATIC(index, id, name, value) HPACK_##index,
#include "http/hpack_static.def"
	HPACK_STATIC_COUNT, /* one more than the last index */
};

/*
 * These append to a writer (write.h): what does not fit is left out whole and sets `full`.
 *
 * The encoder uses no dynamic table, so a block is a byte string that does not depend on the
 * connection. The first block that is sent on a connection begins with hpack_write_start, which
 * sets the peer's table to 0 bytes: that is valid for each SETTINGS_HEADER_TABLE_SIZE, and the peer
 * may free its table.
 */
void hpack_write_start(struct writer *writer);

/* A whole field of the static table, such as HPACK_METHOD_GET: one byte. */
void hpack_write_indexed(struct writer *writer, enum hpack_index index);

/* A name of the static table with this value, as a literal that no table takes. */
void hpack_write_named(struct writer *writer, enum hpack_index name, struct slice value);

/* ":status": one byte for the codes of the static table. status is 100 to 999. */
void hpack_write_status(struct writer *writer, unsigned status);

/* name: its letters are written in lower case, whatever they are; not empty. The static table's
 * name is used where there is one. */
void hpack_write_field(struct writer *writer, struct slice name, struct slice value);

/* The same for a field that came with never_indexed, or whose value is a secret: no hop may put it
 * into a table (RFC 7541 section 6.2.3). */
void hpack_write_never_indexed(struct writer *writer, struct slice name, struct slice value);

/* All fields that are not dropped, each as its never_indexed says. */
void hpack_write_fields(struct writer *writer, const struct fields *fields);

#endif
