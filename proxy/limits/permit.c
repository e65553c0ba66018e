/* permit.c - counts a request of a token, and gives back what it took. */
#include <string.h>

#include "limits/place.h"

/* How often a search is repeated because permits were given back meanwhile. */
#define SEARCHES_MAX 8

/* ---- cells ---- */

/* The search for a free cell of a token. */
struct search {
	struct limit_table *table;
	uint16_t owner;
	uint64_t first_key;
	struct limit_place *first; /* the token's first place */
};

static void
raise_high(struct limit_place *place, uint32_t high)
{
	uint16_t before = atomic_load(&place->high);

	while (
	    before < high && !atomic_compare_exchange_weak(&place->high, &before, (uint16_t)high))
		;
}

/* The place with the cells from 32 * block on. NULL: there is none, and with make none free. */
static struct limit_place *
block_place(const struct search *search, uint32_t block, bool make)
{
	uint64_t key = place_key(search->table, search->first_key, block);

	if (block == 0)
		return search->first;
	return make ? place_claim(search->table, search->owner, key, search->first_key)
		    : place_find(search->table, key);
}

/* Take one of the first `count` cells of a place. False: all are taken. */
static bool
take_in(const struct search *search, struct limit_place *place, uint32_t block, uint32_t count,
    struct permit *permit)
{
	for (uint32_t i = 0; i < count; i++) {
		uint16_t free = 0;

		if (atomic_load(&place->owner[i]) != 0)
			continue;
		/* Before the cell, so that all cells that are taken lie below it. */
		raise_high(search->first, LIMIT_CELLS * block + i + 1);
		if (!atomic_compare_exchange_strong(&place->owner[i], &free, search->owner))
			continue;
		*permit = (struct permit){
		    .place = (uint32_t)(place - search->table->place) + 1, .cell = i};
		return true;
	}
	return false;
}

/* Take one of the first `count` cells of the token, in one pass over them. */
static enum limit_verdict
take_cell(const struct search *search, uint64_t count, struct permit *permit)
{
	for (uint32_t block = 0; count > 0; block++) {
		uint32_t here = count < LIMIT_CELLS ? (uint32_t)count : LIMIT_CELLS;
		struct limit_place *place = block_place(search, block, true);

		if (place == NULL)
			return LIMIT_NO_PLACE;
		if (take_in(search, place, block, here, permit))
			return LIMIT_ALLOWED;
		count -= here;
	}
	return LIMIT_CONCURRENCY;
}

/* How many cells of the token are taken. */
static uint64_t
count_taken(const struct search *search)
{
	uint32_t high = atomic_load(&search->first->high);
	uint64_t taken = 0;

	for (uint32_t block = 0; block * LIMIT_CELLS < high; block++) {
		const struct limit_place *place = block_place(search, block, false);

		for (uint32_t i = 0; place != NULL && i < LIMIT_CELLS; i++)
			taken += atomic_load((_Atomic uint16_t *)&place->owner[i]) != 0;
	}
	return taken;
}

/*
 * Take a permit if fewer than `concurrency` are taken. While no cell beyond that number was ever
 * taken, which is so unless the limit was higher before, a free cell below it says all.
 */
static enum limit_verdict
take_permit(const struct search *search, uint64_t concurrency, struct permit *permit)
{
	enum limit_verdict verdict;
	uint32_t releases;
	unsigned searches = 0;

	do {
		releases = atomic_load(&search->first->releases);
		verdict = take_cell(search, concurrency, permit);
		/* Of cells that were all found taken, one may have been free at each moment if one
		 * was given back meanwhile. But a token that others use to the brim must not hold
		 * up the event loop. */
	} while (verdict == LIMIT_CONCURRENCY && ++searches < SEARCHES_MAX &&
		 releases != atomic_load(&search->first->releases));
	if (verdict == LIMIT_ALLOWED && atomic_load(&search->first->high) > concurrency &&
	    count_taken(search) > concurrency) {
		jg_limits_give(search->table, permit);
		verdict = LIMIT_CONCURRENCY;
	}
	return verdict;
}

void
jg_limits_give(struct limit_table *table, struct permit *permit)
{
	struct limit_place *place, *first;
	uint64_t first_key;

	if (permit->place == 0)
		return;
	place = &table->place[permit->place - 1];
	first_key = atomic_load(&place->first); /* while the cell keeps the place */
	first = first_key == atomic_load(&table->keys[permit->place - 1])
		    ? place
		    : place_find(table, first_key);
	atomic_store(&place->owner[permit->cell], 0);
	if (first != NULL)
		atomic_fetch_add(&first->releases, 1);
	*permit = (struct permit){0};
}

/* ---- a request ---- */

/* Note whose place it is. All workers write the same. */
static void
note_id(struct limit_place *place, struct slice id)
{
	uint64_t text[2] = {0};

	memcpy(text, id.at, id.len < sizeof(text) ? id.len : sizeof(text));
	for (unsigned i = 0; i < 2; i++)
		if (atomic_load_explicit(&place->id[i], memory_order_relaxed) != text[i])
			atomic_store_explicit(&place->id[i], text[i], memory_order_relaxed);
}

static void
count_verdict(struct limit_place *place, enum limit_verdict verdict, uint64_t now_us)
{
	uint32_t now_s = (uint32_t)(now_us / 1000000);

	if (atomic_load_explicit(&place->used_s, memory_order_relaxed) != now_s)
		atomic_store_explicit(&place->used_s, now_s, memory_order_relaxed);
	switch (verdict) {
	case LIMIT_ALLOWED:
		atomic_fetch_add_explicit(&place->allowed, 1, memory_order_relaxed);
		break;
	case LIMIT_RATE:
		atomic_fetch_add_explicit(&place->over_rate, 1, memory_order_relaxed);
		break;
	case LIMIT_CONCURRENCY:
		atomic_fetch_add_explicit(&place->over_concurrency, 1, memory_order_relaxed);
		break;
	case LIMIT_NO_PLACE:
		break;
	}
}

static bool
search_begin(struct search *search, struct limit_table *table, uint16_t owner, struct slice id)
{
	*search = (struct search){.table = table, .owner = owner};
	search->first_key = place_first_key(table, id);
	search->first = place_claim(table, owner, search->first_key, search->first_key);
	if (search->first == NULL)
		return false;
	note_id(search->first, id);
	return true;
}

/* Only when the allowance has changed: a reading of the clock may be older than the one that tat_ns
 * comes from. */
static void
follow_allowance(struct limit_place *place, const struct allowance *allowance, uint64_t now_ns)
{
	uint64_t full_ns = allowance->burst * allowance->interval_ns;
	uint64_t tat_ns = atomic_load(&place->tat_ns), changed_ns;

	if (atomic_load(&place->full_ns) == full_ns)
		return;
	do {
		changed_ns = jg_rate_changed(allowance, tat_ns, now_ns);
	} while (!atomic_compare_exchange_weak(&place->tat_ns, &tat_ns, changed_ns));
	atomic_store(&place->full_ns, full_ns);
}

/* Look at the rate, take a permit, then count in the rate: if that fails, another request was
 * counted meanwhile. */
static enum limit_verdict
count_request(const struct search *search, const struct allowance *allowance, uint64_t now_ns,
    struct permit *permit, uint64_t *wait_ns)
{
	struct limit_place *first = search->first;
	uint64_t tat_ns, next_ns = 0;
	enum limit_verdict verdict;

	if (allowance->interval_ns > 0)
		follow_allowance(first, allowance, now_ns);
	tat_ns = atomic_load(&first->tat_ns);
	for (;;) {
		if (allowance->interval_ns > 0 &&
		    !jg_rate_allows(allowance, tat_ns, now_ns, &next_ns, wait_ns))
			return LIMIT_RATE;
		if (allowance->concurrency > 0) {
			verdict = take_permit(search, allowance->concurrency, permit);
			if (verdict != LIMIT_ALLOWED)
				return verdict;
		}
		if (allowance->interval_ns == 0 ||
		    atomic_compare_exchange_strong(&first->tat_ns, &tat_ns, next_ns))
			return LIMIT_ALLOWED;
		jg_limits_give(search->table, permit);
	}
}

enum limit_verdict
jg_limits_take(struct limit_table *table, uint16_t owner, struct slice id,
    const struct allowance *allowance, uint64_t now_us, struct permit *permit, uint64_t *wait_us)
{
	struct search search;
	enum limit_verdict verdict = LIMIT_NO_PLACE;
	uint64_t wait_ns = 0;

	*permit = (struct permit){0};
	if (search_begin(&search, table, owner, id)) {
		verdict = count_request(&search, allowance, now_us * 1000, permit, &wait_ns);
		count_verdict(search.first, verdict, now_us);
	}
	if (verdict == LIMIT_NO_PLACE)
		atomic_fetch_add(&table->header->refused, 1);
	*wait_us = (wait_ns + 999) / 1000;
	return verdict;
}

void
jg_limits_count_running(
    struct limit_table *table, uint16_t owner, struct slice id, struct permit *permit)
{
	struct search search;

	*permit = (struct permit){0};
	if (search_begin(&search, table, owner, id))
		take_cell(&search, TOKEN_CONCURRENCY_MAX, permit);
}
