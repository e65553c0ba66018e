/* table.h - a hash table of directory entries, by kind and id. */
#ifndef JOBGATE_AUTH_TABLE_H
#define JOBGATE_AUTH_TABLE_H

#include <stdint.h>

#include "jobgate/slice.h"

/* What an element begins with. */
struct table_node {
	struct table_node *next; /* in its bucket */
	uint64_t hash;
};

/* Start with table_init; owns its buckets, not its elements. */
struct table {
	struct table_node **buckets;
	size_t mask; /* number of buckets, a power of two, less one */
	size_t count;
	struct table_node *
	    *old; /* being emptied into the new buckets, some at each change; or NULL */
	size_t old_mask, old_next;
	uint64_t key[2];
};

/* False when memory is short. key: secret, so that clients cannot choose the places of their ids.
 */
bool table_init(struct table *table, const unsigned char key[16]);
void table_free(struct table *table);

/* SipHash-2-4 of the text, with `kind` mixed in. */
uint64_t table_hash(const struct table *table, unsigned kind, struct slice text);

/* The first node with this hash, or the next one after `node`; NULL at the end. */
struct table_node *table_first(const struct table *table, uint64_t hash);
struct table_node *table_next(const struct table_node *node);

/* For a walk over all nodes: how many chains there are, and one of them; NULL: it is empty. */
size_t table_chains(const struct table *table);
const struct table_node *table_chain(const struct table *table, size_t index);

/* Put a node in under its hash, and take it out. */
void table_insert(struct table *table, struct table_node *node);
void table_remove(struct table *table, struct table_node *node);

#endif
