/*
 * directory_fake.h - a store whose replies come when the test says so, and objects that wait and
 * watch.
 */
#ifndef JOBGATE_TEST_DIRECTORY_FAKE_H
#define JOBGATE_TEST_DIRECTORY_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/entry.h"

#define STALENESS 5000
#define START 1000 /* when the link comes up first */
#define READS_MAX 2048

/* Reads that were asked for; [first, count) have no reply yet. */
struct fake {
	struct directory *directory;
	bool out_of_reach; /* reads cannot be sent */
	size_t first, count;
	struct directory_entry *asked[READS_MAX];
	char ids[READS_MAX][64];
	enum record_kind kinds[READS_MAX];
};

static inline bool
fake_read(void *ctx, enum record_kind kind, struct slice id, struct directory_entry *entry)
{
	struct fake *fake = ctx;

	if (fake->out_of_reach)
		return false;
	assert_true(fake->count < READS_MAX);
	snprintf(fake->ids[fake->count], sizeof(fake->ids[0]), "%.*s", (int)id.len, id.at);
	fake->kinds[fake->count] = kind;
	fake->asked[fake->count++] = entry;
	return true;
}

static inline size_t
fake_pending(const struct fake *fake)
{
	return fake->count - fake->first;
}

static inline void
fake_init(struct fake *fake, size_t entries_max)
{
	const struct directory_options options = {
	    .max_staleness_ms = STALENESS, .entries_max = entries_max, .hash_key = {1, 2, 3}};
	const struct directory_store store = {.ctx = fake, .read = fake_read};

	*fake = (struct fake){.directory = jg_directory_new(&options, &store)};
	assert_non_null(fake->directory);
}

/* A token's record that is told by its version. */
static inline struct record *
fake_record(enum record_kind kind, uint64_t version)
{
	struct record *record = calloc(1, sizeof(*record));

	assert_non_null(record);
	record->kind = kind;
	if (kind == RECORD_TOKEN)
		record->token.version = version;
	else
		record->job.url.port = (uint16_t)version;
	return record;
}

/* Of the record in an answer; 0: there is none. */
static inline uint64_t
version_of(struct directory_answer answer)
{
	struct token room;

	if (answer.known != RECORD_KNOWN)
		return 0;
	return answer.entry->kind == RECORD_TOKEN ? jg_directory_token(answer.entry, &room)->version
						  : jg_directory_job(answer.entry)->url.port;
}

/* The reply to the oldest read; version is for FEED_RECORD. */
static inline void
fake_reply(struct fake *fake, enum feed feed, uint64_t version, uint64_t now_ms)
{
	size_t i = fake->first++;

	assert_true(i < fake->count);
	jg_directory_feed(fake->directory, fake->asked[i], feed,
	    feed == FEED_RECORD ? fake_record(fake->kinds[i], version) : NULL, now_ms);
}

/* The same, of a record that ends by itself. */
static inline void
fake_reply_until(struct fake *fake, uint64_t version, uint64_t ends_ms, uint64_t now_ms)
{
	size_t i = fake->first++;
	struct record *record = fake_record(fake->kinds[i], version);

	assert_true(i < fake->count);
	record->ends_ms = ends_ms;
	jg_directory_feed(fake->directory, fake->asked[i], FEED_RECORD, record, now_ms);
}

/* As the link does it: the reads under way fail, then it is down. */
static inline void
fake_break(struct fake *fake, uint64_t now_ms)
{
	fake->out_of_reach = true;
	for (size_t left = fake_pending(fake); left > 0; left--)
		fake_reply(fake, FEED_FAILED, 0, now_ms);
	jg_directory_link_down(fake->directory, now_ms);
}

static inline void
fake_up(struct fake *fake, uint64_t now_ms)
{
	fake->out_of_reach = false;
	jg_directory_link_up(fake->directory, now_ms);
}

/* ---- those who wait and those who watch ---- */

struct asker {
	struct directory_waiter waiter; /* first */
	unsigned answered;
	void (*then)(struct asker *asker);
	void *ctx;
};

static inline void
asker_answered(struct directory_waiter *waiter)
{
	struct asker *asker = (struct asker *)waiter;

	assert_null(waiter->entry);
	asker->answered++;
	if (asker->then != NULL)
		asker->then(asker);
}

#define ASKER ((struct asker){.waiter.answered = asker_answered})

struct observer {
	struct directory_watch watch; /* first */
	unsigned told;
	void (*then)(struct observer *observer);
	void *ctx;
};

static inline void
observer_changed(struct directory_watch *watch)
{
	struct observer *observer = (struct observer *)watch;

	observer->told++;
	if (observer->then != NULL)
		observer->then(observer);
}

#define OBSERVER ((struct observer){.watch.changed = observer_changed})

static inline struct directory_answer
look_up(
    struct fake *fake, enum record_kind kind, const char *id, uint64_t now_ms, struct asker *asker)
{
	return jg_directory_lookup(
	    fake->directory, kind, slice_of(id), now_ms, asker != NULL ? &asker->waiter : NULL);
}

/* Look a token up that is known and fresh; its version. */
static inline uint64_t
known_version(struct fake *fake, const char *id, uint64_t now_ms)
{
	struct directory_answer answer = look_up(fake, RECORD_TOKEN, id, now_ms, NULL);

	assert_false(answer.pending);
	assert_int_equal(answer.known, RECORD_KNOWN);
	return version_of(answer);
}

static inline void
expect_pending(struct fake *fake, const char *id, uint64_t now_ms, struct asker *asker)
{
	assert_true(look_up(fake, RECORD_TOKEN, id, now_ms, asker).pending);
}

static inline void
expect_unknown(struct fake *fake, const char *id, uint64_t now_ms)
{
	struct asker asker = ASKER;
	struct directory_answer answer = look_up(fake, RECORD_TOKEN, id, now_ms, &asker);

	assert_false(answer.pending);
	assert_int_equal(answer.known, RECORD_UNKNOWN);
	assert_null(answer.entry);
	assert_null(asker.waiter.entry);
}

/* Read a token into the cache. */
static inline void
make_known(struct fake *fake, const char *id, uint64_t version, uint64_t now_ms)
{
	expect_pending(fake, id, now_ms, NULL);
	assert_int_equal(fake_pending(fake), 1);
	fake_reply(fake, FEED_RECORD, version, now_ms);
}

static inline void
watch(struct fake *fake, const char *id, uint64_t now_ms, struct observer *observer)
{
	struct directory_answer answer = look_up(fake, RECORD_TOKEN, id, now_ms, NULL);

	assert_non_null(answer.entry);
	jg_directory_watch(answer.entry, &observer->watch);
}

static inline struct directory_answer
watched(struct fake *fake, const struct observer *observer, uint64_t now_ms)
{
	return jg_directory_watched(fake->directory, &observer->watch, now_ms);
}

static inline void
change(struct fake *fake, const char *id, uint64_t now_ms)
{
	jg_directory_invalidate(fake->directory, RECORD_TOKEN, slice_of(id), now_ms);
}

static inline struct directory_stats
stats_of(const struct fake *fake)
{
	struct directory_stats stats;

	jg_directory_stats(fake->directory, &stats);
	return stats;
}

/* A directory whose link came up at START. */
static inline int
fake_setup(void **state)
{
	struct fake *fake = malloc(sizeof(*fake));

	if (fake == NULL)
		return -1;
	fake_init(fake, 1000000);
	fake_up(fake, START);
	*state = fake;
	return 0;
}

static inline int
fake_teardown(void **state)
{
	struct fake *fake = *state;

	jg_directory_free(fake->directory);
	free(fake);
	return 0;
}

#endif
