/* table.c - chained buckets that double a little at a time, under SipHash. */
#include "auth/table.h"

#include <stdlib.h>

#define BUCKETS_MIN 256

/* Old buckets emptied at each insertion: growing never stalls the loop, and is done long before the
 * next doubling. */
#define MOVE_STEP 4

bool
table_init(struct table *table, const unsigned char key[16])
{
	*table = (struct table){.mask = BUCKETS_MIN - 1};
	memcpy(table->key, key, sizeof(table->key));
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

static uint64_t
rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void
sip_rounds(uint64_t v[4], int rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

uint64_t
table_hash(const struct table *table, unsigned kind, struct slice text)
{
	uint64_t v[4] = {
	    table->key[0] ^ 0x736f6d6570736575u,
	    table->key[1] ^ 0x646f72616e646f6du ^ kind,
	    table->key[0] ^ 0x6c7967656e657261u,
	    table->key[1] ^ 0x7465646279746573u,
	};
	uint64_t word;
	size_t i = 0;

	for (; i + 8 <= text.len; i += 8) {
		memcpy(&word, text.at + i, 8);
		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	word = (uint64_t)text.len << 56;
	if (i < text.len)
		memcpy(&word, text.at + i, text.len - i);
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct table_node **
bucket_of(const struct table *table, uint64_t hash)
{
	if (table->old != NULL && (hash & table->old_mask) >= table->old_next)
		return &table->old[hash & table->old_mask];
	return &table->buckets[hash & table->mask];
}

/* Empty some more of the old buckets. */
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

/* Double. Without memory it stays as it is: longer chains, nothing worse. */
static void
table_grow(struct table *table)
{
	size_t count = (table->mask + 1) * 2;
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

void
table_insert(struct table *table, struct table_node *node)
{
	struct table_node **bucket;

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

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	table->count--;
}
