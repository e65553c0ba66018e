/* directory.c - a worker's cache of tokens and jobs, with the waiters and watches of its entries.
 */
#include <openssl/crypto.h>

#include "auth/entry.h"
#include "jobgate/container_of.h"

/* ---- asking ---- */

static const struct directory_answer unknown = {.known = RECORD_UNKNOWN};

/* Reads only the first cache line of the entry. */
static struct directory_answer
answer_of(struct directory_entry *entry)
{
	struct directory_answer answer = {
	    .known = (enum knowledge)entry->known, .broken = entry->broken, .entry = entry};

	if (entry->card)
		answer.card =
		    (struct token_card){entry->token_id, entry->token_hash, entry->labels};
	else if (entry->has_url)
		answer.labels = entry->labels;
	return answer;
}

struct directory_answer
jg_directory_lookup(struct directory *directory, enum record_kind kind, struct slice id,
    uint64_t now_ms, struct directory_waiter *waiter)
{
	uint64_t hash = table_hash(&directory->table, kind, id);
	struct directory_entry *entry = entry_find(directory, kind, id, hash);

	if (entry != NULL && entry->read_epoch == directory->epoch &&
	    entry_has_ended(entry, now_ms))
		entry_set_stale(entry);
	if (entry != NULL && entry->read_epoch == directory->epoch) {
		if (now_ms >= directory->until_ms)
			return unknown;
		directory->stats.hits++;
		entry_use(directory, entry, now_ms);
		return answer_of(entry);
	}
	directory->stats.misses++;
	/* No read while pushes may be lost: no push would report a change of the record. */
	if (!directory->linked || now_ms >= directory->until_ms)
		return unknown;
	if (entry == NULL)
		entry = entry_new(directory, kind, id, hash, now_ms);
	if (entry == NULL)
		return unknown;
	if (!entry->reading && (entry_failed_lately(entry, now_ms) || !entry_read(entry))) {
		entry_settle(entry);
		return unknown;
	}
	entry_use(directory, entry, now_ms);
	if (waiter != NULL) {
		CHECK(waiter->entry == NULL, entry_dump, entry);
		waiter->entry = entry;
		TAILQ_INSERT_TAIL(&entry->waiters, waiter, link);
	}
	return (struct directory_answer){.pending = true};
}

const struct mint *
jg_directory_mint(const struct directory *directory, uint64_t now_ms)
{
	static const struct mint unknown_mint = {.state = MINT_UNKNOWN};

	return now_ms < directory->until_ms ? &directory->mint : &unknown_mint;
}

void
jg_directory_forget(struct directory_waiter *waiter)
{
	if (waiter->entry == NULL)
		return;
	TAILQ_REMOVE(&waiter->entry->waiters, waiter, link);
	waiter->entry = NULL;
}

bool
jg_directory_ready(const struct directory *directory, uint64_t now_ms)
{
	return now_ms < directory->until_ms;
}

/* ---- watching ---- */

bool
jg_directory_use(struct directory_entry *entry, uint64_t minute, struct slice *id)
{
	if (entry->use_minute == (uint32_t)minute)
		return false;
	entry->use_minute = (uint32_t)minute;
	*id = entry_id(entry);
	return true;
}

void
jg_directory_watch(struct directory_entry *entry, struct directory_watch *watch)
{
	bool first = LIST_EMPTY(&entry->watches);

	CHECK(watch->entry == NULL && watch->changed != NULL, entry_dump, entry);
	if (first && (entry->reading || entry->busy)) /* idle ones are in no list */
		entry_leave(entry);
	watch->entry = entry;
	LIST_INSERT_HEAD(&entry->watches, watch, link);
	if (!first)
		return;
	entry_join(entry);
	entry_directory(entry)->stats.watched++;
}

void
jg_directory_unwatch(struct directory_watch *watch)
{
	struct directory_entry *entry = watch->entry;
	struct directory *directory;
	bool last;

	if (entry == NULL)
		return;
	last = LIST_FIRST(&entry->watches) == watch && LIST_NEXT(watch, link) == NULL;
	if (last)
		entry_leave(entry);
	if (entry->telling)
		entry_pass_watch(entry, watch);
	LIST_REMOVE(watch, link);
	watch->entry = NULL;
	if (!last)
		return;
	directory = entry_directory(entry);
	CHECK(directory->stats.watched > 0, entry_dump, entry);
	entry->stamp = directory->stamp & STAMP_MAX;
	directory->stats.watched--;
	if (!entry->reading && !entry->busy && entry_is_current(entry))
		return; /* it is idle now, in no list, and stays */
	entry_join(entry);
	entry_settle(entry);
}

struct directory_answer
jg_directory_watched(
    struct directory *directory, const struct directory_watch *watch, uint64_t now_ms)
{
	struct directory_answer answer;

	(void)directory;
	if (watch->entry == NULL || now_ms >= entry_until(watch->entry))
		return unknown;
	answer = answer_of(watch->entry);
	answer.changed_ms = watch->entry->changed_ms;
	return answer;
}

/* ---- callbacks, which may call any of the functions above, for any entry ---- */

/*
 * Call all waiters of a busy entry, which then look up again. A waiter that is added meanwhile
 * waits for another read.
 */
static void
tell_waiters(struct directory_entry *entry)
{
	struct directory_waiter end = {0}, *waiter;

	CHECK(entry->busy, entry_dump, entry);
	TAILQ_INSERT_TAIL(&entry->waiters, &end, link);
	while ((waiter = TAILQ_FIRST(&entry->waiters)) != &end) {
		jg_directory_forget(waiter);
		waiter->answered(waiter);
	}
	TAILQ_REMOVE(&entry->waiters, &end, link);
}

static void
entry_tell(struct directory_entry *entry)
{
	entry->busy = true;
	entry_tell_watches(entry);
	entry_release(entry);
}

/* Tell the watches of entries in this list that are past their bound. */
static void
tell_expired(struct directory *directory, struct entry_list *list, uint64_t now_ms)
{
	struct directory_entry *entry = TAILQ_FIRST(list);

	CHECK(directory->cursor == NULL, jg_directory_dump, directory);
	for (; entry != NULL; entry = directory->cursor) {
		uint64_t until_ms = entry_until(entry);

		directory->cursor = TAILQ_NEXT(entry, link);
		if (!entry_is_current(entry)) {
			if (until_ms > now_ms && until_ms < directory->stale_due_ms)
				directory->stale_due_ms = until_ms;
			if (until_ms > now_ms || (entry->read_epoch == 0 && entry->until_ms == 0))
				continue;
			/* It is no longer valid; its watches are told once. */
			entry->read_epoch = 0;
			entry->until_ms = 0;
		}
		entry_tell(entry);
	}
}

/* ---- reading again ---- */

/* Read watched stale entries again, as many as may be under way at once. */
static void
refresh_stale(struct directory *directory, uint64_t now_ms)
{
	struct directory_entry *entry;

	while (directory->refreshing_count < directory->options.tuning->refreshing_max &&
	       (entry = TAILQ_FIRST(&directory->stale)) != NULL)
		if (entry_failed_lately(entry, now_ms) || !entry_read(entry))
			return;
}

/*
 * Read watched records again whose time to live has ended, since the store may report that much
 * later. If the record was extended, its watchers continue. Otherwise they are told by the answer,
 * or soon after if there is none (entry_until).
 */
static void
read_ended(struct directory *directory, uint64_t now_ms)
{
	struct deadline *end;

	while ((end = directory->ends.first) != NULL && now_ms >= end->ms) {
		struct directory_entry *entry = container_of(end, struct entry_times, end)->entry;

		/* A record that is also stale for another reason waits for its turn to be read. */
		deadlines_remove(&directory->ends, end);
		if (!entry_is_current(entry)) {
			if (entry_until(entry) < directory->stale_due_ms)
				directory->stale_due_ms = entry_until(entry);
			continue;
		}
		entry->changed_ms = entry_ends_ms(entry);
		entry_set_stale(entry);
		entry_read(entry);
	}
}

/* Redis no longer tracks what was read until now. Watchers may rely on it until its bound. */
static void
begin_epoch(struct directory *directory)
{
	CHECK(directory->cursor == NULL, jg_directory_dump, directory);
	directory->ended_until_ms[directory->epoch % EPOCHS_MAX] = directory->until_ms;
	if (!TAILQ_EMPTY(&directory->fresh) && directory->until_ms < directory->stale_due_ms)
		directory->stale_due_ms = directory->until_ms;
	directory->epoch++;
	TAILQ_CONCAT(&directory->stale, &directory->fresh, link);
}

/* ---- calls by the tracker ---- */

void
jg_directory_feed(struct directory *directory, struct directory_entry *entry, enum feed feed,
    struct record *record, uint64_t now_ms)
{
	bool overtaken = entry->overtaken || entry->asked_epoch != directory->epoch;
	bool wanted = !TAILQ_EMPTY(&entry->waiters) || !LIST_EMPTY(&entry->watches);
	struct entry_content old = {.record = record};

	CHECK(entry->reading && !entry->busy, entry_dump, entry);
	CHECK((record != NULL) == (feed == FEED_RECORD), entry_dump, entry);
	CHECK(record == NULL || record->kind == entry->kind, entry_dump, entry);
	entry_leave(entry);
	entry->reading = false;
	entry->busy = true;
	if (feed != FEED_FAILED && !overtaken && !entry_keep(entry, record, &old))
		feed = FEED_FAILED;
	if (feed == FEED_FAILED) {
		entry->retry_ms = now_ms + directory->options.tuning->retry_ms;
	} else if (!overtaken) {
		entry->known = feed == FEED_RECORD ? RECORD_KNOWN : RECORD_ABSENT;
		entry->broken = feed == FEED_BROKEN;
		entry->read_epoch = (uint32_t)directory->epoch;
	}
	entry_join(entry);
	tell_begin(directory);
	if (feed != FEED_FAILED && !overtaken)
		entry_tell_watches(entry);
	tell_end(directory);
	/*
	 * An overtaken reply is not an answer: waiters keep waiting, if another read can be sent.
	 */
	if (feed == FEED_FAILED || !overtaken || (wanted && !entry_read(entry)))
		tell_waiters(entry);
	content_free(directory, &old);
	entry_release(entry);
	if (feed != FEED_FAILED)
		refresh_stale(directory, now_ms);
}

void
jg_directory_invalidate(
    struct directory *directory, enum record_kind kind, struct slice id, uint64_t now_ms)
{
	struct directory_entry *entry =
	    entry_find(directory, kind, id, table_hash(&directory->table, kind, id));

	directory->stats.invalidations++;
	if (entry == NULL)
		return;
	entry->changed_ms = now_ms;
	if (entry->reading) {
		entry->overtaken = true;
		return;
	}
	/*
	 * The record was right until now. entry_set_stale keeps the bound that this gives watchers.
	 */
	entry_set_stale(entry);
	if (!LIST_EMPTY(&entry->watches))
		entry_read(entry);
	entry_settle(entry);
}

void
jg_directory_invalidate_all(struct directory *directory, uint64_t now_ms)
{
	directory->stats.invalidations++;
	begin_epoch(directory);
	refresh_stale(directory, now_ms);
}

void
jg_directory_set_mint(struct directory *directory, enum mint_state state, const unsigned char *key)
{
	struct mint *mint = &directory->mint;

	CHECK(state != MINT_UNKNOWN && (key == NULL) == (state == MINT_NONE), jg_directory_dump,
	    directory);
	if (mint->state == state && (key == NULL || memcmp(mint->key, key, MINT_KEY_LEN) == 0))
		return;
	mint->state = state;
	mint->edition++;
	if (key != NULL)
		memcpy(mint->key, key, MINT_KEY_LEN);
	else
		OPENSSL_cleanse(mint->key, MINT_KEY_LEN);
}

void
jg_directory_set_public(struct directory *directory, struct public_jobs *jobs)
{
	public_jobs_free(directory->public_jobs);
	directory->public_jobs = jobs;
}

bool
jg_directory_lists_public(const struct directory *directory, struct slice id)
{
	return public_jobs_has(directory->public_jobs, id);
}

void
jg_directory_link_up(struct directory *directory, uint64_t now_ms)
{
	begin_epoch(directory);
	directory->linked = true;
	/* Nothing has been read in this epoch yet, so its bound starts afresh. */
	directory->until_ms = 0;
	jg_directory_good(directory, now_ms);
	refresh_stale(directory, now_ms);
}

void
jg_directory_link_down(struct directory *directory, uint64_t now_ms)
{
	(void)now_ms;
	directory->linked = false;
}

void
jg_directory_good(struct directory *directory, uint64_t good_ms)
{
	uint64_t until_ms = good_ms + directory->options.max_staleness_ms;

	if (good_ms > directory->stats.good_ms)
		directory->stats.good_ms = good_ms;
	if (until_ms <= directory->until_ms)
		return;
	directory->until_ms = until_ms;
	directory->expired = false;
}

uint64_t
jg_directory_due_ms(const struct directory *directory)
{
	uint64_t due_ms = directory->expired ? UINT64_MAX : directory->until_ms;

	if (directory->stale_due_ms < due_ms)
		due_ms = directory->stale_due_ms;
	if (directory->ends.first != NULL && directory->ends.first->ms < due_ms)
		due_ms = directory->ends.first->ms;
	return directory->turns.first != NULL && turns_due_ms(directory) < due_ms
		   ? turns_due_ms(directory)
		   : due_ms;
}

void
jg_directory_tick(struct directory *directory, uint64_t now_ms)
{
	struct directory_entry *entry;

	entries_free_dead(directory, directory->options.tuning->freed_max);
	read_ended(directory, now_ms);
	while ((entry = turns_take(directory, now_ms)) != NULL)
		entry_tell(entry);
	if (!directory->expired && now_ms >= directory->until_ms) {
		directory->expired = true;
		tell_expired(directory, &directory->fresh, now_ms);
	}
	if (now_ms >= directory->stale_due_ms) {
		directory->stale_due_ms = UINT64_MAX;
		tell_expired(directory, &directory->stale, now_ms);
		tell_expired(directory, &directory->refreshing, now_ms);
	}
	refresh_stale(directory, now_ms);
}

void
jg_directory_turn(struct directory *directory, uint64_t now_ms)
{
	tell_begin(directory);
	tell_more(directory);
	jg_directory_tick(directory, now_ms);
	tell_end(directory);
}

void
jg_directory_stats(const struct directory *directory, struct directory_stats *out)
{
	*out = directory->stats;
	out->entries = directory->table.count;
}
