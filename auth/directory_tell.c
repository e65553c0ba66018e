/* directory_tell.c - tells the watches of an entry that its record has changed, in portions. */
#include "auth/entry.h"

/*
 * Very many exchanges may rely on one record. To tell all of them in one turn would keep everything
 * else waiting, so only the first ones are told at once. One that has not been told yet asks before
 * it moves a byte (jg_directory_untold), so the change counts for it from the beginning.
 */

static void
end_round(struct directory *directory, struct telling_round *round)
{
	CHECK(directory->unfinished > 0 && round->entry->telling, entry_dump, round->entry);
	round->entry->telling = false;
	*round = (struct telling_round){0};
	directory->unfinished--;
}

static struct telling_round *
round_of(struct directory_entry *entry)
{
	struct telling_round *round = entry_directory(entry)->rounds;

	while (round->entry != entry)
		round++;
	return round;
}

/* A round for an entry whose watches are to be told. The last place is always free for it. */
static struct telling_round *
begin_round(struct directory_entry *entry)
{
	struct directory *directory = entry_directory(entry);
	struct telling_round *round = directory->rounds;

	while (round->entry != NULL)
		round++;
	*round = (struct telling_round){.entry = entry, .next = LIST_FIRST(&entry->watches)};
	entry->telling = true;
	directory->unfinished++;
	return round;
}

/*
 * The round has told all watches. If the record has changed meanwhile, begin again at the first
 * one. False: the round is over.
 */
static bool
begin_again(struct telling_round *round)
{
	bool again = round->again;

	round->again = false;
	if (again)
		round->next = LIST_FIRST(&round->entry->watches);
	return again && round->next != NULL;
}

/* Tell watches of a busy entry: all, or as many as the portion has. */
static void
tell(struct directory *directory, struct telling_round *round, bool all)
{
	struct directory_entry *entry = round->entry;
	struct directory_watch *watch;

	CHECK(entry->busy && directory->telling == NULL, entry_dump, entry);
	directory->telling = round;
	while (round->next != NULL && (all || directory->portion > 0)) {
		watch = round->next;
		round->next = LIST_NEXT(watch, link);
		if (directory->portion > 0)
			directory->portion--;
		watch->changed(watch);
	}
	directory->telling = NULL;
	/* At most once around in a turn: the rest of the portion is for other entries. */
	if (round->next == NULL && !begin_again(round))
		end_round(directory, round);
}

void
entry_tell_watches(struct directory_entry *entry)
{
	struct directory *directory = entry_directory(entry);
	struct telling_round *round;
	bool is_new = !entry->telling, all;

	directory->changes++;
	if (LIST_EMPTY(&entry->watches))
		return;
	round = is_new ? begin_round(entry) : round_of(entry);
	all = !directory->in_portions || round == &directory->rounds[ROUNDS_MAX];
	/*
	 * A round that each change restarts would never come to its end. So it goes on, and all are
	 * told once more after it.
	 */
	round->again = !is_new && !all;
	if (all)
		round->next = LIST_FIRST(&entry->watches);
	tell(directory, round, all);
}

void
entry_pass_watch(struct directory_entry *entry, const struct directory_watch *watch)
{
	struct telling_round *round = round_of(entry);

	if (round->next != watch)
		return;
	round->next = LIST_NEXT(watch, link);
	if (round->next != NULL ||
	    round == entry_directory(entry)->telling) /* `tell` goes on or ends it */
		return;
	if (begin_again(round) && round->next == watch)
		round->next = LIST_NEXT(watch, link); /* NULL: it is the only one */
	if (round->next == NULL)
		end_round(entry_directory(entry), round);
}

void
entry_release(struct directory_entry *entry)
{
	bool watched = !LIST_EMPTY(&entry->watches);

	/* A watched entry keeps its place in its list: a walk over the list may be under way. */
	if (!watched)
		entry_leave(entry);
	entry->busy = false;
	if (!watched)
		entry_join(entry);
	entry_settle(entry);
}

bool
jg_directory_tells(const struct directory *directory)
{
	return directory->unfinished > 0;
}

bool
jg_directory_untold(const struct directory_watch *watch)
{
	return watch->entry != NULL && watch->entry->telling;
}

uint64_t
jg_directory_changes(const struct directory *directory)
{
	return directory->changes;
}

void
tell_begin(struct directory *directory)
{
	directory->in_portions = true;
	directory->portion = directory->options.tuning->told_max;
}

void
tell_end(struct directory *directory)
{
	directory->in_portions = false;
}

void
tell_more(struct directory *directory)
{
	/* Each turn begins with another round: one that does not end must not take all portions. */
	directory->first_round = (directory->first_round + 1) % ROUNDS_MAX;
	for (size_t i = 0; i < ROUNDS_MAX && directory->unfinished > 0; i++) {
		struct telling_round *round =
		    &directory->rounds[(directory->first_round + i) % ROUNDS_MAX];
		struct directory_entry *entry = round->entry;

		if (entry == NULL)
			continue;
		entry->busy = true;
		tell(directory, round, false);
		entry_release(entry);
	}
}
