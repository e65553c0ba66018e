/* replica_health.c - the places of replicas, which all workers share. */
#include "observe/replica_health.h"

#define STEPS_MAX 16 /* places in which a replica may be */

#define LOAD(member) atomic_load_explicit(&(member), memory_order_relaxed)
#define STORE(member, value) atomic_store_explicit(&(member), (value), memory_order_relaxed)

static size_t
index_at(uint64_t key, size_t step)
{
	return (size_t)(key + step) % REPLICA_PLACES;
}

/* The place of a replica; NULL when it has none. */
static struct replica_place *
find(struct replica_places *places, uint64_t key)
{
	for (size_t step = 0; step < STEPS_MAX; step++) {
		struct replica_place *place = &places->places[index_at(key, step)];

		if (LOAD(place->key) == key)
			return place;
	}
	return NULL;
}

static const struct replica_place *
find_const(const struct replica_places *places, uint64_t key)
{
	for (size_t step = 0; step < STEPS_MAX; step++) {
		const struct replica_place *place = &places->places[index_at(key, step)];

		if (LOAD(place->key) == key)
			return place;
	}
	return NULL;
}

/* True when no worker has checked the replica at this place for so long. */
static bool
is_forgotten(const struct replica_place *place, uint64_t now_ms)
{
	uint64_t due_ms = LOAD(place->due_ms);

	return due_ms < now_ms && now_ms - due_ms >= REPLICA_FORGET_MS;
}

/* A place for a replica that has none. NULL: none is left, or another worker took it just now. */
static struct replica_place *
claim(struct replica_places *places, uint64_t key, uint64_t now_ms)
{
	for (size_t step = 0; step < STEPS_MAX; step++) {
		struct replica_place *place = &places->places[index_at(key, step)];
		uint64_t before = LOAD(place->key);

		if (before != 0 && !is_forgotten(place, now_ms))
			continue;
		if (!atomic_compare_exchange_strong(&place->key, &before, key))
			continue;
		STORE(place->known_ms, 0);
		STORE(place->failures, 0);
		STORE(place->due_ms, now_ms);
		return place;
	}
	return NULL;
}

bool
replica_take_check(struct replica_places *places, uint64_t key, uint64_t now_ms)
{
	struct replica_place *place = find(places, key);
	uint64_t due_ms;

	if (place == NULL)
		place = claim(places, key, now_ms);
	if (place == NULL)
		return false;
	due_ms = LOAD(place->due_ms);
	return due_ms <= now_ms &&
	       atomic_compare_exchange_strong(&place->due_ms, &due_ms, now_ms + REPLICA_CHECK_MS);
}

enum replica_change
replica_note_check(struct replica_places *places, uint64_t key, bool good, uint64_t now_ms)
{
	struct replica_place *place = find(places, key);
	uint32_t failures;

	if (place == NULL)
		return REPLICA_SAME;
	failures = LOAD(place->failures);
	STORE(place->known_ms, now_ms);
	if (good) {
		STORE(place->failures, 0);
		return failures >= REPLICA_FAILURES ? REPLICA_RECOVERED : REPLICA_SAME;
	}
	if (failures < REPLICA_FAILURES)
		STORE(place->failures, failures + 1);
	return failures + 1 == REPLICA_FAILURES ? REPLICA_FAILED : REPLICA_SAME;
}

static bool
is_unhealthy(const struct replica_place *place, uint64_t now_ms)
{
	uint64_t known_ms = LOAD(place->known_ms);

	return LOAD(place->failures) >= REPLICA_FAILURES && known_ms != 0 &&
	       (known_ms >= now_ms || now_ms - known_ms < REPLICA_FORGET_MS);
}

bool
replica_is_healthy(const struct replica_places *places, uint64_t key, uint64_t now_ms)
{
	const struct replica_place *place = find_const(places, key);

	return place == NULL || !is_unhealthy(place, now_ms);
}

size_t
replicas_unhealthy(const struct replica_places *places, uint64_t now_ms)
{
	size_t count = 0;

	for (size_t i = 0; i < REPLICA_PLACES; i++)
		count +=
		    LOAD(places->places[i].key) != 0 && is_unhealthy(&places->places[i], now_ms);
	return count;
}
