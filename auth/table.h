/* table.h - a hash table of directory entries, by kind and id. */
#ifndef JOBGATE_AUTH_TABLE_H
#define JOBGATE_AUTH_TABLE_H

#include <stdint.h>

#include "jobgate/slice.h"

/* The member of an element by which the table links it. */
struct table_node {
	struct table_node *next; /* in its bucket */
	uint64_t hash;
};

/* Initialize with table_init. It owns its buckets, not its elements. */
struct table {
	struct table_node **buckets;
	size_t mask; /* number of buckets, which is a power of two, minus one */
	size_t count;
	struct table_node *
	    *old; /* old buckets, which are moved into the new ones in steps; or NULL */
	size_t old_mask, old_next;
	uint64_t key[2];
};

/* False when memory is short. key is secret, so that clients cannot choose ids that collide. */
bool table_init(struct table *table, const unsigned char key[16]);
void table_free(struct table *table);

/* SipHash-2-4 of the text, with `kind` mixed in. */
uint64_t table_hash(const struct table *table, unsigned kind, struct slice text);

/* The first node with this hash, or the next one after `node`; NULL at the end. */
struct table_node *table_first(const struct table *table, uint64_t hash);
struct table_node *table_next(const struct table_node *node);

/* For a walk over all nodes: the number of chains, and one of them; NULL when it is empty. */
size_t table_chains(const struct table *table);
const struct table_node *table_chain(const struct table *table, size_t index);

/* Insert a node by its hash, and remove it. */
void table_insert(struct table *table, struct table_node *node);
void table_remove(struct table *table, struct table_node *node);

#endif
