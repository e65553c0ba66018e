/* hpack_table.c - fields by index: a constant table, and two rings in one block of memory. */
#include "http/hpack_table.h"

#include <string.h>

#define CAPACITY_MIN 256 /* bytes */
#define ENTRY_BYTES 16	 /* bytes of fields for each entry; fewer would rarely help */
#define ENTRIES_MAX (HPACK_TABLE_MAX / HPACK_FIELD_OVERHEAD)

/* clang-format off */
const struct field hpack_static[HPACK_STATIC_COUNT] = {
#define STATIC(index, field_id, field_name, field_value) \
	[HPACK_##index] = {.name = {(field_name), sizeof(field_name) - 1}, \
	    .value = {(field_value), sizeof(field_value) - 1}, .id = FIELD_##field_id},
#include "http/hpack_static.def"
};
/* clang-format on */

_Static_assert(HPACK_STATIC_COUNT == 62, "RFC 7541 appendix A has 61 entries");
_Static_assert(HPACK_STATIC_COUNT <= 1 << 6, "hpack_entry.static_name");
_Static_assert(FIELD_COUNT <= 256, "hpack_entry.id");
_Static_assert(sizeof(struct hpack_entry) == 8, "hpack_entry has no gaps");

static unsigned
entries_max(unsigned capacity)
{
	unsigned entries = capacity / ENTRY_BYTES;

	return entries < ENTRIES_MAX ? entries : ENTRIES_MAX;
}

static size_t
block_size(unsigned capacity)
{
	return entries_max(capacity) * sizeof(struct hpack_entry) + capacity;
}

static char *
ring_of(const struct hpack_table *table)
{
	return (char *)(table->entries + entries_max(table->capacity));
}

/* The entry that came `age` entries before the newest one. */
static struct hpack_entry *
entry_at(const struct hpack_table *table, unsigned age)
{
	return &table->entries[(table->next_entry - 1 - age) & (entries_max(table->capacity) - 1u)];
}

static unsigned
entry_size(const struct hpack_entry *entry)
{
	return entry->name_len + (unsigned)entry->value_len + HPACK_FIELD_OVERHEAD;
}

/* Wipe bytes that the ring no longer needs: they may be a secret. */
static void
wipe(struct hpack_table *table, unsigned at, size_t len)
{
	char *ring = ring_of(table);
	size_t first = table->capacity - (size_t)at;

	if (len <= first) {
		explicit_bzero(ring + at, len);
	} else {
		explicit_bzero(ring + at, first);
		explicit_bzero(ring, len - first);
	}
}

static void
evict(struct hpack_table *table)
{
	const struct hpack_entry *oldest = entry_at(table, table->count - 1u);

	wipe(table, oldest->at, hpack_entry_stored(oldest));
	table->size = (uint16_t)(table->size - entry_size(oldest));
	table->used = (uint16_t)(table->used - hpack_entry_stored(oldest));
	table->count--;
}

static void
shrink_to(struct hpack_table *table, size_t size)
{
	while (table->size > size)
		evict(table);
}

void
hpack_table_resize(struct hpack_table *table, unsigned max)
{
	table->max = (uint16_t)max;
	shrink_to(table, max);
}

void
hpack_table_evict_all(struct hpack_table *table)
{
	shrink_to(table, 0);
}

void
hpack_table_free(struct hpack_table *table)
{
	if (table->entries != NULL) {
		explicit_bzero(table->entries, block_size(table->capacity));
		table->memory.give(table->memory.from, table->entries);
	}
	*table = (struct hpack_table){.max = table->max, .memory = table->memory};
}

const struct hpack_entry *
hpack_table_get(const struct hpack_table *table, unsigned index)
{
	unsigned age = index - HPACK_STATIC_COUNT;

	return age < table->count ? entry_at(table, age) : NULL;
}

void
hpack_table_copy(
    const struct hpack_table *table, const struct hpack_entry *entry, char *out, size_t len)
{
	const char *ring = ring_of(table);
	size_t first = table->capacity - (size_t)entry->at;

	if (len <= first) {
		memcpy(out, ring + entry->at, len);
	} else {
		memcpy(out, ring + entry->at, first);
		memcpy(out + first, ring, len - first);
	}
}

/* Write the bytes of the newest entry; there is room for them. */
static void
put_bytes(struct hpack_table *table, struct slice bytes)
{
	char *ring = ring_of(table);
	size_t room = table->capacity - (size_t)table->next_byte;
	size_t first = bytes.len < room ? bytes.len : room;

	memcpy(ring + table->next_byte, bytes.at, first);
	if (first < bytes.len)
		memcpy(ring, bytes.at + first, bytes.len - first);
	table->next_byte = (uint16_t)((table->next_byte + bytes.len) & (table->capacity - 1u));
	table->used = (uint16_t)(table->used + bytes.len);
}

static void
put_entry(struct hpack_table *table, struct hpack_entry entry)
{
	table->next_entry =
	    (uint16_t)((table->next_entry + 1) & (entries_max(table->capacity) - 1u));
	table->count++;
	*entry_at(table, 0) = entry;
	table->size = (uint16_t)(table->size + entry_size(&entry));
}

/* Move the oldest entries first, so that each keeps its index. */
static void
move_entries(const struct hpack_table *from, struct hpack_table *to)
{
	for (unsigned age = from->count; age-- > 0;) {
		struct hpack_entry entry = *entry_at(from, age);
		unsigned len = hpack_entry_stored(&entry);

		hpack_table_copy(from, &entry, ring_of(to) + to->used, len);
		entry.at = to->used;
		to->used = (uint16_t)(to->used + len);
		put_entry(to, entry);
	}
	to->next_byte = (uint16_t)(to->used & (to->capacity - 1u));
}

/* Make room for one more entry with this many bytes. */
static bool
make_room(struct hpack_table *table, size_t bytes)
{
	struct hpack_table larger = {
	    .capacity = table->capacity, .max = table->max, .memory = table->memory};

	if (table->used + bytes <= table->capacity && table->count < entries_max(table->capacity))
		return true;
	do
		larger.capacity =
		    larger.capacity > 0 ? (uint16_t)(larger.capacity * 2) : CAPACITY_MIN;
	while (
	    table->used + bytes > larger.capacity || table->count >= entries_max(larger.capacity));
	larger.entries = table->memory.take(table->memory.from, block_size(larger.capacity));
	if (larger.entries == NULL)
		return false;
	move_entries(table, &larger);
	hpack_table_free(table);
	*table = larger;
	return true;
}

bool
hpack_table_add(
    struct hpack_table *table, struct hpack_entry entry, struct slice name, struct slice value)
{
	size_t size = name.len + value.len + HPACK_FIELD_OVERHEAD;

	if (size > table->max) {
		shrink_to(table, 0);
		return true;
	}
	shrink_to(table, table->max - size);
	if (!make_room(table, (entry.static_name != 0 ? 0 : name.len) + value.len))
		return false;
	entry.at = table->next_byte;
	entry.name_len = (uint16_t)name.len;
	entry.value_len = (uint16_t)value.len;
	if (entry.static_name == 0)
		put_bytes(table, name);
	put_bytes(table, value);
	put_entry(table, entry);
	return true;
}
