/* directory_count.c - counts the records of each kind in a directory, by what is known of them. */
#include "auth/entry.h"
#include "auth/record.h"
#include "jobgate/container_of.h"

/*
 * How many lines of the table a call counts: little work even if no node is in the CPU's caches.
 */
#define LINES_AT_ONCE 256

static void
count_home(const struct directory_entry *entry, struct directory_tally *tally)
{
	const struct directory *directory = entry_directory(entry);
	const struct entry_list *home = entry_home(entry);

	tally->idle += home == NULL;
	tally->pending += home == &directory->pending;
	tally->fresh += home == &directory->fresh;
	tally->stale += home == &directory->stale;
	tally->refreshing += home == &directory->refreshing;
}

static void
count_entry(const struct directory_entry *entry, struct directory_tally *tally, uint64_t now_ms)
{
	switch ((enum knowledge)entry->known) {
	case RECORD_UNKNOWN:
		tally->unknown++;
		break;
	case RECORD_ABSENT:
		tally->absent++;
		break;
	case RECORD_KNOWN:
		tally->known++;
		break;
	}
	count_home(entry, tally);
	tally->waited_for += !TAILQ_EMPTY(&entry->waiters);
	tally->ended += entry_has_ended(entry, now_ms);
}

bool
jg_directory_count(
    const struct directory *directory, struct directory_count *count, uint64_t now_ms)
{
	size_t lines = table_line_count(&directory->table);
	size_t end = count->next + LINES_AT_ONCE < lines ? count->next + LINES_AT_ONCE : lines;

	for (; count->next < end; count->next++) {
		struct table_node *nodes[TABLE_LINE_SLOTS];
		size_t found = table_line_nodes(&directory->table, count->next, nodes);

		for (size_t i = 0; i < found; i++) {
			const struct directory_entry *entry =
			    container_of(nodes[i], struct directory_entry, node);

			count_entry(entry, &count->kinds[entry->kind], now_ms);
		}
	}
	return count->next < lines;
}

void
jg_directory_count_dump(
    const struct directory_count *count, enum record_kind kind, struct dump *dump)
{
	const struct directory_tally *tally = &count->kinds[kind];

	jg_dump_begin(dump, "records");
	jg_dump_word(dump, "kind", record_types[kind].noun);
	jg_dump_number(dump, "known", tally->known);
	jg_dump_number(dump, "absent", tally->absent);
	jg_dump_number(dump, "unknown", tally->unknown);
	jg_dump_number(dump, "idle", tally->idle);
	jg_dump_number(dump, "pending", tally->pending);
	jg_dump_number(dump, "fresh", tally->fresh);
	jg_dump_number(dump, "stale", tally->stale);
	jg_dump_number(dump, "refreshing", tally->refreshing);
	jg_dump_number(dump, "waited_for", tally->waited_for);
	jg_dump_number(dump, "ended", tally->ended);
	jg_dump_end(dump);
}
