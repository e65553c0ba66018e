/* table.c - a hash table with chained buckets and SipHash, which grows in small steps. */
#include "auth/table.h"

#include <stdlib.h>

#include "auth/siphash.h"
#include "jobgate/check.h"

#define BUCKETS_MIN 256

/*
 * How many old buckets each insertion moves: growing never stalls the event loop, and is done long
 * before the next doubling.
 */
#define MOVE_STEP 4

bool
table_init(struct table *table, const unsigned char key[16])
{
	*table = (struct table){.mask = BUCKETS_MIN - 1};
	memcpy(table->key, key, sizeof(table->key));
	/* The elements are pointers. NOLINTNEXTLINE(bugprone-sizeof-expression) */
	table->buckets = calloc(BUCKETS_MIN, sizeof(*table->buckets));
	return table->buckets != NULL;
}

void
table_free(struct table *table)
{
	free(table->buckets);
	free(table->old);
	*table = (struct table){0};
}

uint64_t
table_hash(const struct table *table, unsigned kind, struct slice text)
{
	const uint64_t key[2] = {table->key[0], table->key[1] ^ kind};

	return siphash_64(key, text);
}

static struct table_node **
bucket_of(const struct table *table, uint64_t hash)
{
	if (table->old != NULL && (hash & table->old_mask) >= table->old_next)
		return &table->old[hash & table->old_mask];
	return &table->buckets[hash & table->mask];
}

/* Move some old buckets into the new ones. */
static void
table_move(struct table *table)
{
	for (int i = 0; i < MOVE_STEP && table->old != NULL; i++) {
		struct table_node *node = table->old[table->old_next], *next;

		table->old[table->old_next++] = NULL;
		for (; node != NULL; node = next) {
			struct table_node **bucket = &table->buckets[node->hash & table->mask];

			next = node->next;
			node->next = *bucket;
			*bucket = node;
		}
		if (table->old_next > table->old_mask) {
			free(table->old);
			table->old = NULL;
		}
	}
}

/* Double the number of buckets. When memory is short, nothing changes; chains only get longer. */
static void
table_grow(struct table *table)
{
	size_t count = (table->mask + 1) * 2;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression) */
	struct table_node **buckets = calloc(count, sizeof(*buckets));

	if (buckets == NULL)
		return;
	table->old = table->buckets;
	table->old_mask = table->mask;
	table->old_next = 0;
	table->buckets = buckets;
	table->mask = count - 1;
}

struct table_node *
table_first(const struct table *table, uint64_t hash)
{
	struct table_node *node = *bucket_of(table, hash);

	while (node != NULL && node->hash != hash)
		node = node->next;
	return node;
}

struct table_node *
table_next(const struct table_node *node)
{
	struct table_node *next = node->next;

	while (next != NULL && next->hash != node->hash)
		next = next->next;
	return next;
}

size_t
table_chains(const struct table *table)
{
	return table->mask + 1 + (table->old != NULL ? table->old_mask + 1 : 0);
}

const struct table_node *
table_chain(const struct table *table, size_t index)
{
	CHECK(index < table_chains(table));
	return index <= table->mask ? table->buckets[index] : table->old[index - table->mask - 1];
}

void
table_insert(struct table *table, struct table_node *node)
{
	struct table_node **bucket;

	CHECK(table->buckets != NULL);
	if (table->old == NULL && table->count > table->mask)
		table_grow(table);
	table_move(table);
	bucket = bucket_of(table, node->hash);
	node->next = *bucket;
	*bucket = node;
	table->count++;
}

void
table_remove(struct table *table, struct table_node *node)
{
	struct table_node **at = bucket_of(table, node->hash);

	while (*at != node) {
		CHECK(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	table->count--;
}
