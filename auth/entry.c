/* entry.c - an entry's list, its bounds, and its creation, eviction and reads. */
#include "auth/entry.h"

#include <stdlib.h>

#include "jobgate/container_of.h"

bool
entry_is_current(const struct directory_entry *entry)
{
	return entry->read_epoch == entry->directory->epoch;
}

bool
entry_has_ended(const struct directory_entry *entry, uint64_t now_ms)
{
	return entry->record != NULL && entry->record->ends_ms != 0 &&
	       now_ms >= entry->record->ends_ms;
}

/* The bound that the tracker's proofs give it. */
static uint64_t
proved_until(const struct directory_entry *entry)
{
	const struct directory *directory = entry->directory;

	if (entry->read_epoch == directory->epoch)
		return directory->until_ms;
	if (entry->read_epoch == 0)
		return entry->until_ms;
	/* The bounds of earlier epochs are forgotten, so their records are no longer valid. */
	if (directory->epoch - entry->read_epoch < directory->options.tuning->epochs)
		return directory->ended_until_ms[entry->read_epoch % EPOCHS_MAX];
	return 0;
}

uint64_t
entry_until(const struct directory_entry *entry)
{
	uint64_t until_ms = proved_until(entry), extension_ms;

	if (entry->record == NULL || entry->record->ends_ms == 0)
		return until_ms;
	/* The store's bound alone would be too late: it may be seconds after the record's end. */
	extension_ms = entry->directory->options.tuning->extension_ms;
	if (until_ms <= extension_ms || entry->record->ends_ms >= until_ms - extension_ms)
		return until_ms;
	return entry->record->ends_ms + extension_ms;
}

bool
entry_failed_lately(const struct directory_entry *entry, uint64_t now_ms)
{
	return entry->asked_epoch == entry->directory->epoch && now_ms < entry->retry_ms;
}

struct entry_list *
entry_home(const struct directory_entry *entry)
{
	struct directory *directory = entry->directory;

	if (LIST_EMPTY(&entry->watches))
		return entry->reading || entry->busy ? &directory->pending : &directory->idle;
	if (entry->reading)
		return &directory->refreshing;
	return entry_is_current(entry) ? &directory->fresh : &directory->stale;
}

void
entry_leave(struct directory_entry *entry)
{
	struct directory *directory = entry->directory;
	struct entry_list *home = entry_home(entry);

	if (directory->cursor == entry)
		directory->cursor = TAILQ_NEXT(entry, link);
	if (home == &directory->refreshing) {
		CHECK(directory->refreshing_count > 0, jg_directory_dump, directory);
		directory->refreshing_count--;
	}
	/* Few records have such a moment; all others are spared the call. */
	if (entry->end.ms != 0)
		deadlines_remove(&directory->ends, &entry->end);
	if (entry->timed.le_prev != NULL)
		entry_leave_turns(entry);
	TAILQ_REMOVE(home, entry, link);
}

void
entry_join(struct directory_entry *entry)
{
	struct directory *directory = entry->directory;
	struct entry_list *home = entry_home(entry);
	uint64_t until_ms;

	TAILQ_INSERT_TAIL(home, entry, link);
	if (home == &directory->refreshing)
		directory->refreshing_count++;
	if (home == &directory->fresh && entry->record != NULL && entry->record->ends_ms != 0)
		deadlines_add(&directory->ends, &entry->end, entry->record->ends_ms);
	if (entry->kind == RECORD_TOKEN && entry->record != NULL && home != &directory->idle &&
	    jg_token_is_timed(&entry->record->token))
		entry_join_turns(entry);
	if (home != &directory->refreshing && home != &directory->stale)
		return;
	until_ms = entry_until(entry);
	if (until_ms > 0 && until_ms < directory->stale_due_ms)
		directory->stale_due_ms = until_ms;
}

void
entry_set_stale(struct directory_entry *entry)
{
	entry_leave(entry);
	entry->until_ms = entry_until(entry);
	entry->read_epoch = 0;
	entry->retry_ms = 0;
	entry_join(entry);
}

struct directory_entry *
entry_find(const struct directory *directory, enum record_kind kind, struct slice id, uint64_t hash)
{
	struct table_search search;
	struct table_node *node = table_first(&directory->table, hash, &search);

	for (; node != NULL; node = table_next(&search)) {
		struct directory_entry *entry = container_of(node, struct directory_entry, node);

		if (entry->kind == kind &&
		    slice_equal((struct slice){entry->id, entry->id_len}, id))
			return entry;
	}
	return NULL;
}

/* Take an entry out of the table; it will be freed. */
static void
entry_bury(struct directory_entry *entry)
{
	struct directory *directory = entry->directory;

	CHECK(!entry->reading && !entry->busy && LIST_EMPTY(&entry->watches) &&
		  TAILQ_EMPTY(&entry->waiters),
	    entry_dump, entry);
	entry_leave(entry);
	table_remove(&directory->table, &entry->node);
	TAILQ_INSERT_TAIL(&directory->dead, entry, link);
}

void
entry_settle(struct directory_entry *entry)
{
	if (entry_home(entry) != &entry->directory->idle)
		return;
	/* A failed read is remembered, too: otherwise each look-up would send another one. */
	if (!entry_is_current(entry) && entry->retry_ms == 0)
		entry_bury(entry);
}

void
entry_free(struct directory_entry *entry)
{
	CHECK(LIST_EMPTY(&entry->watches) && TAILQ_EMPTY(&entry->waiters), entry_dump, entry);
	free(entry->record);
	free(entry);
}

/*
 * Evict the first idle entry that was not used since the last round (the clock algorithm). An entry
 * that was returned at this very moment stays: a watch may be added next, and a watched entry must
 * be in the table.
 */
static bool
make_room(struct directory *directory, uint64_t now_ms)
{
	size_t chances = directory->options.tuning->chances;

	for (size_t chance = 0; chance <= chances; chance++) {
		struct directory_entry *entry = TAILQ_FIRST(&directory->idle);

		if (entry == NULL)
			return false;
		if (entry->used_ms != now_ms && (!entry->used || chance == chances)) {
			entry_bury(entry);
			directory->stats.evictions++;
			return true;
		}
		entry_leave(entry);
		entry->used = false;
		entry_join(entry);
	}
	return false;
}

struct directory_entry *
entry_new(struct directory *directory, enum record_kind kind, struct slice id, uint64_t hash,
    uint64_t now_ms)
{
	struct directory_entry *entry;

	if (id.len > UINT8_MAX)
		return NULL;
	if (directory->table.count >= directory->options.entries_max &&
	    !make_room(directory, now_ms))
		return NULL;
	entry = calloc(1, sizeof(*entry) + id.len);
	if (entry == NULL)
		return NULL;
	entry->directory = directory;
	entry->kind = (unsigned char)kind;
	entry->id_len = (unsigned char)id.len;
	memcpy(entry->id, id.at, id.len);
	entry->node.hash = hash;
	TAILQ_INIT(&entry->waiters);
	LIST_INIT(&entry->watches);
	if (!table_insert(&directory->table, &entry->node)) {
		free(entry);
		return NULL;
	}
	entry_join(entry);
	return entry;
}

bool
entry_read(struct directory_entry *entry)
{
	struct directory *directory = entry->directory;
	struct slice id = {entry->id, entry->id_len};

	CHECK(!entry->reading, entry_dump, entry);
	if (!directory->linked ||
	    !directory->store.read(directory->store.ctx, (enum record_kind)entry->kind, id, entry))
		return false;
	entry_leave(entry);
	entry->reading = true;
	entry->overtaken = false;
	entry->asked_epoch = directory->epoch;
	entry->retry_ms = 0;
	entry_join(entry);
	return true;
}
