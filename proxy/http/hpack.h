/* hpack.h - field blocks of HTTP/2 (RFC 7541): a decoder with its table, and a stateless encoder.
 */
#ifndef JOBGATE_HTTP_HPACK_H
#define JOBGATE_HTTP_HPACK_H

#include "http/hpack_block.h"
#include "http/hpack_table.h"
#include "http/write.h"
#include "jobgate/message.h"

/* ---- decoding ---- */

/* The decoder of one direction of a connection. A plain value: start with hpack_decoder_init. */
struct hpack_decoder {
	struct hpack_table table;
	uint16_t limit;	     /* our SETTINGS_HEADER_TABLE_SIZE */
	uint16_t update_max; /* the size update at the beginning of the next block must be at most
				this */
	bool must_update;
	bool value_follows; /* the skipped string is a name; its value comes next */
	uint32_t skip;	    /* bytes of an unneeded string that have not come yet */
};

/*
 * limit: our SETTINGS_HEADER_TABLE_SIZE (also if it is the default), at most HPACK_TABLE_MAX.
 * memory: where its table gets memory.
 */
void hpack_decoder_init(struct hpack_decoder *decoder, unsigned limit, struct hpack_memory memory);

/* Frees the table. It may be called twice, and on a zeroed decoder. */
void hpack_decoder_free(struct hpack_decoder *decoder);

/*
 * The peer has acknowledged another SETTINGS_HEADER_TABLE_SIZE of ours (at most HPACK_TABLE_MAX).
 * If it is less than the table's maximum, the next block must begin with a size update (RFC 7541
 * section 4.2), else the block is HPACK_BAD.
 */
void hpack_decoder_set_limit(struct hpack_decoder *decoder, unsigned limit);

enum hpack_status {
	HPACK_OK,
	HPACK_CUT, /* only without `end`: the bytes end inside a field */
	HPACK_BAD, /* COMPRESSION_ERROR: end the connection, and do not use the decoder again */
	HPACK_NO_MEMORY, /* INTERNAL_ERROR: the same */
};

/*
 * Decode a whole block (end: true), or a piece of it. *consumed is how many bytes were decoded: all
 * of them with HPACK_OK; with HPACK_CUT, those before the incomplete field. The caller appends the
 * next piece to the rest.
 *
 * To limit memory, gather a block that is split over CONTINUATION in its encoded form, and decode
 * it with `end` when it is complete. Then all connections with an unfinished block share one
 * storage. When a gathered block becomes longer than the limits allow, set too_large and decode
 * without `end`: then only a cut field must be kept, which has less than HPACK_REST_MAX bytes. If
 * it is cut inside or behind a longer string, that string is skipped, because no table would take
 * it. For the next piece, set too_large and begun.
 *
 * Strict: integers have at most four bytes after their prefix, a block has at most two size
 * updates, all of them before the first field, and index 0 does not exist.
 */
#define HPACK_SKIP_MIN (15 * 1024) /* at up to 30 bits for a letter: at least 4,096 letters */
#define HPACK_REST_MAX (2 * HPACK_SKIP_MIN + 16)

enum hpack_status hpack_decode(struct hpack_decoder *decoder, struct slice bytes, bool end,
    struct hpack_block *block, size_t *consumed);

/* ---- encoding, without a table ---- */

/* The most bytes that a field needs besides those of its name and value. */
#define HPACK_WRITE_OVERHEAD 16

/*
 * These append to a writer (write.h). A field that may not fit, with HPACK_WRITE_OVERHEAD, is left
 * out as a whole and sets `full`.
 *
 * The encoder uses no dynamic table, so a block does not depend on the connection. The first block
 * on a connection begins with hpack_write_start, which sets the peer's table to 0 bytes. This is
 * valid for each SETTINGS_HEADER_TABLE_SIZE, and lets the peer free its table.
 */
void hpack_write_start(struct writer *writer);

/* A whole field from the static table (hpack_table.h), such as HPACK_METHOD_GET: one byte. */
void hpack_write_indexed(struct writer *writer, enum hpack_index index);

/* A name from the static table with this value, as a literal that is not indexed. */
void hpack_write_named(struct writer *writer, enum hpack_index name, struct slice value);

/* ":status": one byte for the codes in the static table. status is 100 to 999. */
void hpack_write_status(struct writer *writer, unsigned status);

/*
 * The name must not be empty; it is written in lower case. If the static table has it, its index is
 * used.
 */
void hpack_write_field(struct writer *writer, struct slice name, struct slice value);

/*
 * The same for a field that came with never_indexed, or whose value is a secret: no proxy may put
 * it into a table (RFC 7541 section 6.2.3).
 */
void hpack_write_never_indexed(struct writer *writer, struct slice name, struct slice value);

/* All fields that are not dropped; each is written according to its never_indexed. */
void hpack_write_fields(struct writer *writer, const struct fields *fields);

#endif
