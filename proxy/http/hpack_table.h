/*
 * hpack_table.h - the static table of HPACK, and the dynamic table of a decoder (RFC 7541 section
 * 2.3).
 */
#ifndef JOBGATE_HTTP_HPACK_TABLE_H
#define JOBGATE_HTTP_HPACK_TABLE_H

#include "jobgate/message.h"

#define HPACK_TABLE_MAX 4096	/* bytes, counted as RFC 7541 section 4.1 does; also the default */
#define HPACK_FIELD_OVERHEAD 32 /* bytes that each field counts besides its name and value */

/*
 * The static table (RFC 7541 appendix A): HPACK_AUTHORITY is 1. If several entries have the same
 * name, their ids end with the value (HPACK_METHOD_GET), and the first of them stands for the name.
 */
enum hpack_index {
	HPACK_INDEX_NONE, /* index 0 does not exist */
#define STATIC(index, id, name, value) HPACK_##index,
#include "http/hpack_static.def"
	HPACK_STATIC_COUNT, /* the first index of the dynamic table */
};

extern const struct field hpack_static[HPACK_STATIC_COUNT];

/* A field of the dynamic table. */
struct hpack_entry {
	uint16_t at; /* of its name in the ring of bytes; the value follows */
	uint16_t name_len, value_len;
	unsigned char id;	       /* enum field_id */
	unsigned char static_name : 6; /* enum hpack_index, so it has no name in the ring; or 0 */
	bool bad_name : 1;	       /* see hpack_block.malformed */
	bool bad_value : 1;
};

/*
 * Where tables get their memory. They keep what clients and backends send with each request, such
 * as Authorization and Cookie, so it has to be memory that is in no core dump.
 */
struct hpack_memory {
	void *(*take)(void *from, size_t size); /* aligned to 2 bytes; NULL: memory is short */
	void (*give)(void *from, void *block);
	void *from;
};

/*
 * A plain value: start with {.max = ..., .memory = ...}. It has no memory until a field enters it.
 * The memory doubles as needed: 384 bytes are enough for 16 short fields, and 5 KiB is the most.
 */
struct hpack_table {
	struct hpack_entry *entries; /* a ring; the ring of bytes follows it in the same block;
					NULL: no memory yet */
	struct hpack_memory memory;
	uint16_t capacity;   /* of the ring of bytes: 0 or a power of two */
	uint16_t used;	     /* bytes of it */
	uint16_t next_byte;  /* where the next field's bytes go */
	uint16_t next_entry; /* where the next entry goes */
	uint16_t count;	     /* of entries */
	uint16_t size;	     /* counted as section 4.1 does; at most max */
	uint16_t max;	     /* at most HPACK_TABLE_MAX */
};

/* Wipe and free the memory, because fields may hold secrets. It may be called twice. */
void hpack_table_free(struct hpack_table *table);

/*
 * Set another maximum, at most HPACK_TABLE_MAX. What no longer fits is evicted (section 4.3) and
 * wiped.
 */
void hpack_table_resize(struct hpack_table *table, unsigned max);

/* Remove all entries; the maximum stays. */
void hpack_table_evict_all(struct hpack_table *table);

/*
 * Add a field, after evicting as many as needed (section 4.4). name and value are copied, and must
 * not be those of an entry. entry: id, static_name and flags; the rest is set here. A field that is
 * larger than the table only empties the table. False: memory is short, and the table has the same
 * entries as before, or fewer.
 */
bool hpack_table_add(
    struct hpack_table *table, struct hpack_entry entry, struct slice name, struct slice value);

/*
 * The entry with this index (the newest one has HPACK_STATIC_COUNT), or NULL. Valid until the table
 * changes.
 */
const struct hpack_entry *hpack_table_get(const struct hpack_table *table, unsigned index);

/* How many bytes an entry has in the ring of bytes: its value, and its name if it is there. */
static inline unsigned
hpack_entry_stored(const struct hpack_entry *entry)
{
	return (entry->static_name != 0 ? 0u : entry->name_len) + entry->value_len;
}

/* Copy the first `len` of these bytes to out. */
void hpack_table_copy(
    const struct hpack_table *table, const struct hpack_entry *entry, char *out, size_t len);

#endif
