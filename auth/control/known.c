/* known.c - a bounded table of records, by kind and id. */
#include "auth/control/known.h"

#include <stdlib.h>
#include <string.h>

#include "auth/record.h"
#include "auth/record_fields.h"

#define BUCKETS 4096 /* a power of 2 */

struct known {
	LIST_HEAD(, known_record) buckets[BUCKETS];
	TAILQ_HEAD(, known_record) age, queue;
	size_t count, bytes, queued;
};

/* FNV-1a. Ids that are chosen to lie in one bucket make at most KNOWN_MAX of them. */
static size_t
bucket_of(enum record_kind kind, struct slice id)
{
	uint64_t hash = 14695981039346656037u ^ (uint64_t)kind;

	for (size_t i = 0; i < id.len; i++)
		hash = (hash ^ (unsigned char)id.at[i]) * 1099511628211u;
	return (size_t)(hash ^ hash >> 32) & (BUCKETS - 1);
}

struct known *
known_new(void)
{
	struct known *known = calloc(1, sizeof(*known));

	if (known == NULL)
		return NULL;
	TAILQ_INIT(&known->age);
	TAILQ_INIT(&known->queue);
	return known;
}

static bool
is_aging(const struct known_record *one)
{
	return !one->queued && !one->reading;
}

static void
set_last(struct known *known, struct known_record *one, struct record *last, size_t bytes)
{
	known->bytes = known->bytes - one->last_bytes + bytes;
	free(one->last);
	one->last = last;
	one->last_bytes = bytes;
}

static void
forget(struct known *known, struct known_record *one)
{
	if (is_aging(one))
		TAILQ_REMOVE(&known->age, one, age);
	if (one->queued)
		TAILQ_REMOVE(&known->queue, one, queue);
	LIST_REMOVE(one, chain);
	set_last(known, one, NULL, 0);
	known->count--;
	free(one);
}

void
known_free(struct known *known)
{
	if (known == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (!LIST_EMPTY(&known->buckets[i]))
			forget(known, LIST_FIRST(&known->buckets[i]));
	free(known);
}

/* Forget the oldest ones that are beyond the bounds, but not this one. */
static void
make_room(struct known *known, const struct known_record *kept)
{
	struct known_record *oldest = TAILQ_FIRST(&known->age), *next;

	while (oldest != NULL && (known->count > KNOWN_MAX || known->bytes > KNOWN_BYTES)) {
		next = TAILQ_NEXT(oldest, age);
		if (oldest != kept)
			forget(known, oldest);
		oldest = next;
	}
}

struct known_record *
known_find(const struct known *known, enum record_kind kind, struct slice id)
{
	struct known_record *one;

	LIST_FOREACH(one, &known->buckets[bucket_of(kind, id)], chain)
	if (one->kind == kind && slice_equal((struct slice){one->id, one->id_len}, id))
		return one;
	return NULL;
}

struct known_record *
known_get(struct known *known, enum record_kind kind, struct slice id)
{
	struct known_record *one = known_find(known, kind, id);

	if (one != NULL) {
		if (is_aging(one)) {
			TAILQ_REMOVE(&known->age, one, age);
			TAILQ_INSERT_TAIL(&known->age, one, age);
		}
		return one;
	}
	if (id.len > KNOWN_ID_MAX || (one = calloc(1, sizeof(*one))) == NULL)
		return NULL;
	one->kind = kind;
	one->id_len = id.len;
	memcpy(one->id, id.at, id.len);
	LIST_INSERT_HEAD(&known->buckets[bucket_of(kind, id)], one, chain);
	TAILQ_INSERT_TAIL(&known->age, one, age);
	known->count++;
	make_room(known, one);
	return one;
}

/* The record with nothing but its id and labels, in *out; returns their bytes, roughly. */
static size_t
strip(const struct record *record, struct record *out)
{
	const struct label_set *labels;
	size_t bytes = sizeof(*out);

	*out = (struct record){.kind = record->kind};
	if (record->kind == RECORD_TOKEN) {
		out->token.id = record->token.id;
		labels = &record->token.selector;
		out->token.selector = *labels;
	} else {
		out->job.id = record->job.id;
		labels = &record->job.labels;
		out->job.labels = *labels;
	}
	for (size_t i = 0; i < labels->count; i++)
		bytes += sizeof(labels->items[i]) + labels->items[i].name.len +
			 labels->items[i].value.len;
	return bytes;
}

void
known_set(struct known *known, struct known_record *one, const struct record *record)
{
	struct record small;
	size_t bytes;

	if (record == NULL) {
		set_last(known, one, NULL, 0);
		return;
	}
	bytes = strip(record, &small);
	set_last(known, one, record_copy(&small), bytes);
	if (one->last == NULL)
		one->last_bytes = 0, known->bytes -= bytes;
	make_room(known, one);
}

bool
known_queue(struct known *known, struct known_record *one)
{
	if (one->queued)
		return true;
	if (known->queued == KNOWN_QUEUE_MAX)
		return false;
	if (is_aging(one))
		TAILQ_REMOVE(&known->age, one, age);
	one->queued = true;
	TAILQ_INSERT_TAIL(&known->queue, one, queue);
	known->queued++;
	return true;
}

struct known_record *
known_next(struct known *known)
{
	struct known_record *one;

	/* One that is being read stays queued: it has changed since that read began. */
	TAILQ_FOREACH(one, &known->queue, queue)
	if (!one->reading)
		break;
	if (one == NULL)
		return NULL;
	TAILQ_REMOVE(&known->queue, one, queue);
	known->queued--;
	one->queued = false;
	one->reading = true;
	return one;
}

void
known_read(struct known *known, struct known_record *one)
{
	one->reading = false;
	if (!is_aging(one))
		return;
	TAILQ_INSERT_TAIL(&known->age, one, age);
	if (one->last == NULL)
		forget(known, one);
}
