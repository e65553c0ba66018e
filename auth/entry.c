/* entry.c - an entry's list, its bounds, and its creation, eviction and reads. */
#include "auth/entry.h"

#include <stdlib.h>

#include "jobgate/container_of.h"

bool
entry_is_current(const struct directory_entry *entry)
{
	return entry->read_epoch == entry_directory(entry)->epoch;
}

bool
entry_has_ended(const struct directory_entry *entry, uint64_t now_ms)
{
	return entry->ends && now_ms >= entry_ends_ms(entry);
}

/* The bound that the tracker's proofs give it. */
static uint64_t
proved_until(const struct directory_entry *entry)
{
	const struct directory *directory = entry_directory(entry);

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
	uint64_t until_ms = proved_until(entry), ends_ms = entry_ends_ms(entry), extension_ms;

	if (ends_ms == 0)
		return until_ms;
	/* The store's bound alone would be too late: it may be seconds after the record's end. */
	extension_ms = entry_directory(entry)->options.tuning->extension_ms;
	if (until_ms <= extension_ms || ends_ms >= until_ms - extension_ms)
		return until_ms;
	return ends_ms + extension_ms;
}

bool
entry_failed_lately(const struct directory_entry *entry, uint64_t now_ms)
{
	return entry->asked_epoch == entry_directory(entry)->epoch && now_ms < entry->retry_ms;
}

struct entry_list *
entry_home(const struct directory_entry *entry)
{
	struct directory *directory = entry_directory(entry);

	if (LIST_EMPTY(&entry->watches))
		return entry->reading || entry->busy ? &directory->pending : NULL;
	if (entry->reading)
		return &directory->refreshing;
	return entry->read_epoch == directory->epoch ? &directory->fresh : &directory->stale;
}

void
entry_leave(struct directory_entry *entry)
{
	struct directory *directory = entry_directory(entry);
	struct entry_list *home = entry_home(entry);

	if (home == NULL)
		return;
	if (directory->cursor == entry)
		directory->cursor = TAILQ_NEXT(entry, link);
	if (home == &directory->refreshing) {
		CHECK(directory->refreshing_count > 0, jg_directory_dump, directory);
		directory->refreshing_count--;
	}
	/* Few records have such a moment; all others are spared the call. */
	if (entry->ends)
		deadlines_remove(&directory->ends, &entry->times->end);
	if (entry->timed)
		entry_leave_turns(entry);
	TAILQ_REMOVE(home, entry, link);
}

void
entry_join(struct directory_entry *entry)
{
	struct directory *directory = entry_directory(entry);
	struct entry_list *home = entry_home(entry);
	uint64_t until_ms;

	if (home == NULL)
		return;
	TAILQ_INSERT_TAIL(home, entry, link);
	if (home == &directory->refreshing)
		directory->refreshing_count++;
	if (home == &directory->fresh && entry->ends)
		deadlines_add(&directory->ends, &entry->times->end, entry_ends_ms(entry));
	if (entry->timed)
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

/* Take an entry out of the table; it will be freed. */
static void
entry_bury(struct directory_entry *entry)
{
	struct directory *directory = entry_directory(entry);

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
	if (entry_home(entry) != NULL)
		return;
	/* A failed read is remembered, too: otherwise each look-up would send another one. */
	if (!entry_is_current(entry) && entry->retry_ms == 0)
		entry_bury(entry);
}

void
entry_free(struct directory_entry *entry)
{
	struct directory *directory = entry_directory(entry);
	struct entry_content content = entry_content(entry);

	CHECK(LIST_EMPTY(&entry->watches) && TAILQ_EMPTY(&entry->waiters), entry_dump, entry);
	content_free(directory, &content);
	free(entry->times);
	if (entry->id_len > entry_id_room(entry->kind))
		free(entry->long_id);
	slots_give(&directory->slots, entry);
}

void
entries_free_dead(struct directory *directory, size_t max)
{
	struct directory_entry *entry;

	for (size_t i = 0; i < max && (entry = TAILQ_FIRST(&directory->dead)) != NULL; i++) {
		TAILQ_REMOVE(&directory->dead, entry, link);
		entry_free(entry);
	}
}

/* How many lines of the table are looked at for an entry to evict; they have four entries each. */
#define LINES_MAX 1024

/*
 * True when an entry may be evicted. One that was returned at this very moment stays: a watch may
 * be added next, and a watched entry must be in the table. One that was used since the hand was
 * here gets another chance.
 */
static bool
may_evict(struct directory_entry *entry, size_t *chances)
{
	if (entry->stamp == entry_directory(entry)->stamp || entry_home(entry) != NULL)
		return false;
	if (entry->stamp == 0 || *chances == 0)
		return true;
	entry->stamp = 0;
	--*chances;
	return false;
}

/*
 * Evict an idle entry that was not used since the last round of the hand over the table (the clock
 * algorithm). The order of the table is random, so entries that have to stay are never many in a
 * row.
 */
static bool
make_room(struct directory *directory, uint64_t now_ms)
{
	size_t chances = directory->options.tuning->chances, lines, found;
	struct table_node *nodes[TABLE_LINE_SLOTS];

	if (directory->stats.watched >= directory->table.count)
		return false; /* all stay */
	stamp_begin(directory, now_ms);
	lines = table_line_count(&directory->table);
	for (size_t i = 0; i < 2 * lines && i < LINES_MAX; i++) {
		directory->hand = (directory->hand + 1) % lines;
		found = table_line_nodes(&directory->table, directory->hand, nodes);
		for (size_t n = 0; n < found; n++) {
			struct directory_entry *entry =
			    container_of(nodes[n], struct directory_entry, node);

			if (!may_evict(entry, &chances))
				continue;
			entry_bury(entry);
			directory->stats.evictions++;
			return true;
		}
	}
	return false;
}

/*
 * Copy as much of the id as fits into the first line; a longer one also as a whole to memory of its
 * own. False when memory is short.
 */
static bool
set_id(struct directory_entry *entry, struct slice id)
{
	size_t room = entry_id_room(entry->kind);

	entry->id_len = (uint8_t)id.len;
	memcpy(entry->id_begin, id.at, id.len < room ? id.len : room);
	if (id.len <= room)
		return true;
	entry->long_id = malloc(id.len);
	if (entry->long_id == NULL)
		return false;
	memcpy(entry->long_id, id.at, id.len);
	return true;
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
	entry = slots_take(&directory->slots);
	if (entry == NULL)
		return NULL;
	entry->kind = (uint8_t)kind;
	entry->node.hash = hash;
	TAILQ_INIT(&entry->waiters);
	LIST_INIT(&entry->watches);
	if (!set_id(entry, id) || !table_insert(&directory->table, &entry->node)) {
		entry_free(entry);
		return NULL;
	}
	entry_join(entry);
	return entry;
}

bool
entry_read(struct directory_entry *entry)
{
	struct directory *directory = entry_directory(entry);
	struct slice id = entry_id(entry);

	CHECK(!entry->reading, entry_dump, entry);
	if (!directory->linked ||
	    !directory->store.read(directory->store.ctx, (enum record_kind)entry->kind, id, entry))
		return false;
	entry_leave(entry);
	entry->reading = true;
	entry->overtaken = false;
	entry->asked_epoch = (uint32_t)directory->epoch;
	entry->retry_ms = 0;
	entry_join(entry);
	return true;
}
