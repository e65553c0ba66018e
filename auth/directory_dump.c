/* directory_dump.c - what dumps show of a directory and its entries. */
#include "auth/entry.h"
#include "auth/record.h"

static const char *
knowledge_name(enum knowledge known)
{
	switch (known) {
	case RECORD_UNKNOWN:
		return "unknown";
	case RECORD_ABSENT:
		return "absent";
	case RECORD_KNOWN:
		return "known";
	}
	return NULL;
}

static size_t
count_watches(const struct directory_entry *entry)
{
	const struct directory_watch *watch = LIST_FIRST(&entry->watches);
	size_t count = 0;

	for (; watch != NULL; watch = LIST_NEXT(watch, link))
		count++;
	return count;
}

void
entry_dump(const struct directory_entry *entry, struct dump *dump)
{
	jg_dump_begin(dump, "entry");
	jg_dump_word(dump, "kind",
	    entry->kind < RECORD_CACHED_KINDS ? record_types[entry->kind].noun : NULL);
	jg_dump_text(dump, "id", entry_id(entry));
	jg_dump_word(dump, "known", knowledge_name((enum knowledge)entry->known));
	jg_dump_flag(dump, "broken", entry->broken);
	jg_dump_number(dump, "read_epoch", entry->read_epoch);
	jg_dump_number(dump, "asked_epoch", entry->asked_epoch);
	jg_dump_number(dump, "watches", count_watches(entry));
	jg_dump_flag(dump, "waited_for", !TAILQ_EMPTY(&entry->waiters));
	jg_dump_flag(dump, "reading", entry->reading);
	jg_dump_flag(dump, "overtaken", entry->overtaken);
	jg_dump_flag(dump, "busy", entry->busy);
	jg_dump_flag(dump, "failed", entry->retry_ms != 0);
	jg_dump_end(dump);
}

void
jg_directory_dump(const struct directory *directory, struct dump *dump)
{
	jg_dump_begin(dump, "directory");
	jg_dump_flag(dump, "linked", directory->linked);
	jg_dump_number(dump, "epoch", directory->epoch);
	jg_dump_flag(dump, "expired", directory->expired);
	jg_dump_number(dump, "entries", directory->table.count);
	jg_dump_number(dump, "watched", directory->stats.watched);
	jg_dump_number(dump, "refreshing", directory->refreshing_count);
	jg_dump_flag(dump, "stale", !TAILQ_EMPTY(&directory->stale));
	jg_dump_flag(dump, "dead", !TAILQ_EMPTY(&directory->dead));
	jg_dump_number(dump, "hits", directory->stats.hits);
	jg_dump_number(dump, "misses", directory->stats.misses);
	jg_dump_number(dump, "evictions", directory->stats.evictions);
	jg_dump_flag(dump, "telling", directory->cursor != NULL || directory->unfinished > 0);
	jg_dump_end(dump);
}
