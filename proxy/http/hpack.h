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
	uint16_t update_max; /* the next block must begin with a size update to at most this */
	bool must_update;
	bool value_follows; /* behind what is skipped, which is a name */
	uint32_t skip;	    /* bytes of a string that still come and are not needed */
};

/* limit: what our SETTINGS_HEADER_TABLE_SIZE says or leaves at its default, at most
 * HPACK_TABLE_MAX. memory: of its table. */
void hpack_decoder_init(struct hpack_decoder *decoder, unsigned limit, struct hpack_memory memory);

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
 * Decode a block, whole (end: true) or a piece of it. *consumed bytes are dealt with: all of them
 * with HPACK_OK, up to the field that is not whole with HPACK_CUT; the caller puts the next piece
 * behind the rest.
 *
 * What bounds memory: gather a block that is split over CONTINUATION in its short form, and decode
 * it with `end` once it is whole, so that connections with an unfinished block share one storage.
 * When a gathered block gets longer than the limits allow, set too_large and decode without `end`:
 * only a field that is cut remains to be kept, which is less than HPACK_REST_MAX bytes: what is cut
 * within a longer string is skipped, since no table takes it. For the next piece, set too_large and
 * begun.
 *
 * Strict: integers have at most four bytes after their prefix, size updates stand before the first
 * field and are at most two, index 0 does not exist.
 */
#define HPACK_SKIP_MIN (15 * 1024) /* of 30 bits each, so many bytes are 4,096 letters */
#define HPACK_REST_MAX (2 * HPACK_SKIP_MIN + 16)

enum hpack_status hpack_decode(struct hpack_decoder *decoder, struct slice bytes, bool end,
    struct hpack_block *block, size_t *consumed);

/* ---- encoding, without a table ---- */

/* What a field needs at most besides the bytes of its name and value. */
#define HPACK_WRITE_OVERHEAD 16

/*
 * These append to a writer (write.h): what may not fit, with HPACK_WRITE_OVERHEAD, is left
 * out whole and sets `full`.
 *
 * The encoder uses no dynamic table, so a block is a byte string that does not depend on the
 * connection. The first block that is sent on a connection begins with hpack_write_start, which
 * sets the peer's table to 0 bytes: that is valid for each SETTINGS_HEADER_TABLE_SIZE, and the peer
 * may free its table.
 */
void hpack_write_start(struct writer *writer);

/* A whole field of the static table (hpack_table.h), such as HPACK_METHOD_GET: one byte. */
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
