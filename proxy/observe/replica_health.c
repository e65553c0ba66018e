/* replica_health.c - the places of replicas, which all workers share. */
#include "observe/replica_health.h"

#include <stdlib.h>
#include <string.h>

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

/* Copy a text, cut to what fits, with zeros behind it. */
static void
copy_text(char *to, size_t cap, struct slice from)
{
	size_t len = from.len < cap ? from.len : cap - 1;

	memset(to, 0, cap);
	memcpy(to, from.at, len);
}

/* A place for a replica that has none. NULL: none is left, or another worker took it just now. */
static struct replica_place *
claim(
    struct replica_places *places, uint64_t key, const struct replica_label *label, uint64_t now_ms)
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
		atomic_store_explicit(&place->named, 0, memory_order_release);
		copy_text(place->job, sizeof(place->job), label->job);
		copy_text(place->name, sizeof(place->name), label->name);
		atomic_store_explicit(&place->named, 1, memory_order_release);
		return place;
	}
	return NULL;
}

bool
replica_take_check(
    struct replica_places *places, uint64_t key, const struct replica_label *label, uint64_t now_ms)
{
	struct replica_place *place = find(places, key);
	uint64_t due_ms;

	if (place == NULL)
		place = claim(places, key, label, now_ms);
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

/* ---- what is shown ---- */

struct replica_row {
	bool up;
	char job[JOB_ID_MAX + 1], name[REPLICA_NAME_MAX];
};

/* Copy what a place says. False: it is free, no worker checks its replica now, or it has no name
 * yet. */
static bool
read_place(const struct replica_place *place, uint64_t now_ms, struct replica_row *row)
{
	uint64_t known_ms = LOAD(place->known_ms);

	if (LOAD(place->key) == 0 || known_ms == 0 ||
	    (known_ms < now_ms && now_ms - known_ms >= REPLICA_FORGET_MS) ||
	    atomic_load_explicit(&place->named, memory_order_acquire) == 0)
		return false;
	row->up = !is_unhealthy(place, now_ms);
	memcpy(row->job, place->job, sizeof(row->job));
	memcpy(row->name, place->name, sizeof(row->name));
	row->job[sizeof(row->job) - 1] = row->name[sizeof(row->name) - 1] = '\0';
	return row->job[0] != '\0';
}

/* By job and name; of the same, one that is not healthy is first. */
static int
compare_labels(const void *left, const void *right)
{
	const struct replica_row *a = left, *b = right;
	int order = strcmp(a->job, b->job);

	if (order == 0)
		order = strcmp(a->name, b->name);
	return order != 0 ? order : (int)a->up - (int)b->up;
}

/* Those that are not healthy come first. */
static int
compare_rows(const void *left, const void *right)
{
	const struct replica_row *a = left, *b = right;

	return a->up != b->up ? (int)a->up - (int)b->up : compare_labels(a, b);
}

/* Drop rows with the same labels: a scraper would refuse the whole answer. Returns how many stay.
 */
static size_t
merge(struct replica_row *rows, size_t count)
{
	size_t kept = 0;

	qsort(rows, count, sizeof(*rows), compare_labels);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || strcmp(rows[kept - 1].job, rows[i].job) != 0 ||
		    strcmp(rows[kept - 1].name, rows[i].name) != 0)
			rows[kept++] = rows[i];
	return kept;
}

/* A label's value: bytes that would need an escape do not occur in hosts and ports. */
static void
write_value(const char *text, FILE *out)
{
	for (; *text != '\0'; text++)
		fputc(*text > ' ' && *text <= '~' && *text != '"' && *text != '\\' ? *text : '?',
		    out);
}

bool
replicas_render(const struct replica_places *places, uint64_t now_ms, FILE *out)
{
	struct replica_row *rows = calloc(REPLICA_PLACES, sizeof(*rows));
	size_t count = 0;

	if (rows == NULL)
		return false;
	for (size_t i = 0; i < REPLICA_PLACES; i++)
		count += read_place(&places->places[i], now_ms, &rows[count]);
	count = merge(rows, count);
	qsort(rows, count, sizeof(*rows), compare_rows);
	fputs("# HELP jobgate_replica_up 1: the replica is healthy; 0: its last checks failed, and "
	      "it "
	      "gets requests only while no other is healthy. Of replicas that are checked.\n"
	      "# TYPE jobgate_replica_up gauge\n",
	    out);
	for (size_t i = 0; i < count && i < REPLICA_SAMPLES_MAX; i++) {
		fputs("jobgate_replica_up{job_id=\"", out);
		write_value(rows[i].job, out);
		fputs("\",replica=\"", out);
		write_value(rows[i].name, out);
		fprintf(out, "\"} %d\n", rows[i].up);
	}
	free(rows);
	return true;
}
