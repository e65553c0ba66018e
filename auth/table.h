/* table.h - a hash table of nodes that lie in the caller's elements. */
#ifndef JOBGATE_AUTH_TABLE_H
#define JOBGATE_AUTH_TABLE_H

#include <stdint.h>

#include "jobgate/slice.h"

/* The member of an element by which the table links it. */
struct table_node {
	uint64_t hash;
};

/*
 * One cache line with the addresses of seven nodes, each with 16 bits of its hash above them. So a
 * search touches this line and, but for one in ten thousand others, only the node that it is for. A
 * node for which its line has no room lies in one of the lines that follow.
 */
#define TABLE_LINE_SLOTS 7
struct table_line {
	uint64_t slots[TABLE_LINE_SLOTS]; /* 0: empty */
	uint64_t passed; /* nodes that lie behind this line, though their search begins at it or
			    before */
};

/* Lines, as many as a power of two. */
struct table_lines {
	struct table_line *at;
	size_t mask;  /* their number, minus one */
	void *memory; /* what is freed */
};

/* Initialize with table_init. It owns its lines, not its elements. */
struct table {
	struct table_lines lines;
	size_t count;
	struct table_lines old; /* lines that are moved into the new ones in steps; or at is NULL */
	size_t old_next;
	uint64_t key[2];
};

/* Where a search stands. */
struct table_search {
	const struct table_lines *lines;
	const struct table_line *first, *line;
	const uint64_t *slot; /* of the line; the next one to look at */
	uint64_t tag;	      /* the hash's part of a slot */
};

/* False when memory is short. key is secret, so that clients cannot choose ids that collide. */
bool table_init(struct table *table, const unsigned char key[16]);
void table_free(struct table *table);

/* SipHash-1-3 of the text, with `kind` mixed in. */
uint64_t table_hash(const struct table *table, unsigned kind, struct slice text);

/*
 * The first node that may have this hash, or the next one; NULL at the end. Some have another hash,
 * so the caller compares what was hashed. The table must not change during the search.
 */
static inline struct table_node *table_first(
    const struct table *table, uint64_t hash, struct table_search *search);
struct table_node *table_next(struct table_search *search);

/*
 * For a walk over all nodes: the number of lines, and the nodes of one of them; returns how many
 * these are.
 */
size_t table_line_count(const struct table *table);
size_t table_line_nodes(
    const struct table *table, size_t index, struct table_node *nodes[TABLE_LINE_SLOTS]);

/* Insert a node by its hash. False when memory is short. */
bool table_insert(struct table *table, struct table_node *node);

/* Remove a node that is in the table. */
void table_remove(struct table *table, struct table_node *node);

/* ---- table_first, inline since each request needs it three times ---- */

/* Addresses of user space have 48 bits; above them there is room for a part of the hash. */
#define TABLE_ADDRESS_BITS 48
#define TABLE_ADDRESS_MASK ((1ull << TABLE_ADDRESS_BITS) - 1)

static inline struct table_node *
table_node_of(uint64_t slot)
{
	/* The slot has the address as a number. NOLINTNEXTLINE(performance-no-int-to-ptr) */
	return (struct table_node *)(uintptr_t)(slot & TABLE_ADDRESS_MASK);
}

/* The lines in which a node with this hash is. */
static inline const struct table_lines *
table_lines_of(const struct table *table, uint64_t hash)
{
	if (table->old.at != NULL && (hash & table->old.mask) >= table->old_next)
		return &table->old;
	return &table->lines;
}

/* The next node in the search's line, from its slot on, that may have the hash. */
static inline struct table_node *
table_next_in_line(struct table_search *search)
{
	for (const uint64_t *slot = search->slot; slot < search->line->slots + TABLE_LINE_SLOTS;
	     slot++) {
		uint64_t address = *slot ^ search->tag; /* if the tag is the same */

		/* An address is never 0, so an empty slot is one that is 0 as a whole. */
		if (address <= TABLE_ADDRESS_MASK && *slot != 0) {
			search->slot = slot + 1;
			return table_node_of(address);
		}
	}
	return NULL;
}

static inline struct table_node *
table_first(const struct table *table, uint64_t hash, struct table_search *search)
{
	const struct table_lines *lines = table_lines_of(table, hash);
	const struct table_line *line = &lines->at[hash & lines->mask];
	struct table_node *node;

	*search = (struct table_search){.lines = lines,
	    .first = line,
	    .line = line,
	    .slot = line->slots,
	    .tag = hash & ~TABLE_ADDRESS_MASK};
	node = table_next_in_line(search);
	return node != NULL || line->passed == 0 ? node : table_next(search);
}

#endif
