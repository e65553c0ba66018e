/* hpack_table.h - the static table of HPACK and the dynamic one of a decoder (RFC 7541
 * section 2.3).
 */
#ifndef JOBGATE_HTTP_HPACK_TABLE_H
#define JOBGATE_HTTP_HPACK_TABLE_H

#include "jobgate/message.h"

#define HPACK_TABLE_MAX 4096	/* bytes as RFC 7541 section 4.1 counts them; also the default */
#define HPACK_FIELD_OVERHEAD 32 /* bytes that each field counts besides name and value */

/* The static table (RFC 7541 appendix A): HPACK_AUTHORITY is 1. Where several entries have one
 * name, theirs tell the value (HPACK_METHOD_GET); the first of them stands for the name. */
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
 * A plain value: start with {.max = ..., .memory = ...}. It has no memory until a field enters it;
 * then that doubles on demand: 384 bytes are enough for 16 short fields, and the most is 5 KiB.
 */
struct hpack_table {
	struct hpack_entry *entries; /* a ring, in one block with the ring of bytes behind it; NULL:
					no memory yet */
	struct hpack_memory memory;
	uint16_t capacity;   /* of the ring of bytes: 0 or a power of two */
	uint16_t used;	     /* bytes of it */
	uint16_t next_byte;  /* where the next field's bytes go */
	uint16_t next_entry; /* where the next entry goes */
	uint16_t count;	     /* of entries */
	uint16_t size;	     /* as section 4.1 counts it; at most max */
	uint16_t max;	     /* at most HPACK_TABLE_MAX */
};

/* Wipes and frees the memory: fields may hold secrets. It may be called twice. */
void hpack_table_free(struct hpack_table *table);

/* Another maximum, at most HPACK_TABLE_MAX: what does not fit any more is evicted (section 4.3),
 * and wiped. */
void hpack_table_resize(struct hpack_table *table, unsigned max);

/* Leave it empty, with the maximum as it is. */
void hpack_table_evict_all(struct hpack_table *table);

/*
 * Add a field, after as many as needed have been evicted (section 4.4). name and value are
 * copied, and must not be those of an entry. entry: id, static_name and flags, the rest is set
 * here. A field that is larger than the table only empties it. False: no memory, with the table as
 * it was or with less in it.
 */
bool hpack_table_add(
    struct hpack_table *table, struct hpack_entry entry, struct slice name, struct slice value);

/* The entry with this index, the newest one has HPACK_STATIC_COUNT; NULL when there is none. Good
 * until the next change of the table. */
const struct hpack_entry *hpack_table_get(const struct hpack_table *table, unsigned index);

/* How many bytes an entry has in the ring of bytes: its value and maybe its name. */
static inline unsigned
hpack_entry_stored(const struct hpack_entry *entry)
{
	return (entry->static_name != 0 ? 0u : entry->name_len) + entry->value_len;
}

/* Copy the first `len` of them to out. */
void hpack_table_copy(
    const struct hpack_table *table, const struct hpack_entry *entry, char *out, size_t len);

#endif
