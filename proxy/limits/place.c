/* place.c - finds the place of a token, or takes a new one. */
#include <sched.h>

#include "auth/siphash.h"
#include "limits/place.h"

/* How often a worker lets others run while the supervisor frees places, which takes microseconds.
 */
#define CLAIM_TRIES 1000

/* 0 means that a place is free. */
static uint64_t
hash(const struct limit_table *table, const void *text, size_t len)
{
	uint64_t key = siphash_64(table->header->hash_key, (struct slice){text, len});

	return key > 0 ? key : 1;
}

uint64_t
place_first_key(const struct limit_table *table, struct slice id)
{
	return hash(table, id.at, id.len);
}

uint64_t
place_key(const struct limit_table *table, uint64_t first_key, uint32_t block)
{
	const uint64_t text[2] = {first_key, block};

	return block == 0 ? first_key : hash(table, text, sizeof(text));
}

bool
place_is_empty(const struct limit_place *place)
{
	for (unsigned i = 0; i < LIMIT_CELLS; i++)
		if (atomic_load((_Atomic uint16_t *)&place->owner[i]) != 0)
			return false;
	return true;
}

/* True when it may be used: a mark is taken off. */
static bool
place_revive(struct limit_place *place)
{
	uint16_t state = atomic_load(&place->state);

	while (state == PLACE_MARKED)
		if (atomic_compare_exchange_weak(&place->state, &state, PLACE_LIVE))
			return true;
	return state == PLACE_LIVE;
}

struct limit_place *
place_look(struct limit_table *table, uint64_t key)
{
	uint32_t mask = table->places - 1;

	for (uint32_t i = 0; i < table->window; i++) {
		uint32_t at = ((uint32_t)key + i) & mask;

		if (atomic_load(&table->keys[at]) == key)
			return &table->place[at];
	}
	return NULL;
}

struct limit_place *
place_find(struct limit_table *table, uint64_t key)
{
	struct limit_place *place = place_look(table, key);

	/* The key is read again: the place may have become free before its state was read. */
	if (place == NULL || !place_revive(place) ||
	    atomic_load(&table->keys[place - table->place]) != key)
		return NULL;
	return place;
}

/*
 * Take the first free place. While no place becomes free, each worker that looks for this key comes
 * to the same one: so a token never has two places.
 */
static struct limit_place *
claim_first(struct limit_table *table, uint64_t key)
{
	uint32_t mask = table->places - 1;
	uint64_t none;

	for (uint32_t i = 0; i < table->window; i++) {
		uint32_t at = ((uint32_t)key + i) & mask;

		none = atomic_load(&table->keys[at]);
		if (none == 0)
			atomic_compare_exchange_strong(&table->keys[at], &none, key);
		if (none == 0 || none == key)
			return &table->place[at];
	}
	return NULL;
}

/* From here to the end of claiming, no place becomes free. False: the supervisor takes too long. */
static bool
claim_begin(struct limit_header *header, uint16_t owner)
{
	uint32_t numbers = atomic_load(&header->numbers);

	while (numbers <= owner &&
	       !atomic_compare_exchange_weak(&header->numbers, &numbers, owner + 1u))
		;
	for (unsigned i = 0; i < CLAIM_TRIES; i++) {
		atomic_store(&header->claiming[owner], 1);
		if (atomic_load(&header->freeing) == 0)
			return true;
		atomic_store(&header->claiming[owner], 0);
		sched_yield();
	}
	return false;
}

struct limit_place *
place_claim(struct limit_table *table, uint16_t owner, uint64_t key, uint64_t first)
{
	struct limit_place *place = place_find(table, key);

	if (place == NULL && claim_begin(table->header, owner)) {
		place = place_find(table, key); /* it may be behind a free one */
		if (place == NULL)
			place = claim_first(table, key);
		atomic_store(&table->header->claiming[owner], 0);
	}
	/* The worker that took it may have been killed before it could write this. */
	if (place != NULL && atomic_load(&place->first) != first)
		atomic_store(&place->first, first);
	return place;
}
