/*
 * directory_turn.c - moments at which decisions on tokens change: an expiry, or the end of a grace.
 */
#include "auth/entry.h"
#include "jobgate/container_of.h"

/*
 * A token that has turned is looked at again after this time if its watchers stayed: the clock may
 * have been set back between the tick and their decision.
 */
#define AGAIN_MS 100

/* Far in the future: until the wall clock is known, tokens with an expiry count as expired. */
#define WALL_UNKNOWN_MS (INT64_MAX / 2)

void
turns_init(struct directory *directory)
{
	directory->wall_ms = WALL_UNKNOWN_MS;
	directory->wall_ahead_ms = WALL_UNKNOWN_MS;
}

static void
add(struct directory_entry *entry, uint64_t ms)
{
	if (ms != 0)
		deadlines_add(&entry_directory(entry)->turns, &entry->times->turn, ms);
}

/* Moments after since_ms count, also if they have passed: the next tick tells the watches then. */
static void
join(struct directory_entry *entry, uint64_t since_ms)
{
	struct token room;
	const struct token *token = jg_directory_token(entry, &room);

	add(entry, jg_token_is_expired(token, since_ms) ? token->expires_ms
							: jg_token_turns_ms(token, since_ms));
}

void
entry_join_turns(struct directory_entry *entry)
{
	if (LIST_EMPTY(&entry->watches))
		return;
	LIST_INSERT_HEAD(&entry_directory(entry)->timed, entry->times, timed);
	entry->times->is_timed = true;
	join(entry, entry_directory(entry)->wall_ms);
}

void
entry_leave_turns(struct directory_entry *entry)
{
	if (!entry->times->is_timed)
		return;
	LIST_REMOVE(entry->times, timed);
	entry->times->is_timed = false;
	deadlines_remove(&entry_directory(entry)->turns, &entry->times->turn);
}

uint64_t
jg_directory_wall_ms(const struct directory *directory, uint64_t now_ms)
{
	return now_ms + (uint64_t)directory->wall_ahead_ms;
}

uint64_t
turns_due_ms(const struct directory *directory)
{
	int64_t due_ms;

	if (directory->turns.first == NULL)
		return UINT64_MAX;
	due_ms = (int64_t)directory->turns.first->ms - directory->wall_ahead_ms;
	return due_ms > 0 ? (uint64_t)due_ms : 0;
}

struct directory_entry *
turns_take(struct directory *directory, uint64_t now_ms)
{
	uint64_t wall_ms = jg_directory_wall_ms(directory, now_ms);
	struct deadline *turn = directory->turns.first;
	struct directory_entry *entry;
	const struct token *token;
	struct token room;

	if (turn == NULL || wall_ms < turn->ms)
		return NULL;
	entry = container_of(turn, struct entry_times, turn)->entry;
	token = jg_directory_token(entry, &room);
	deadlines_remove(&directory->turns, turn);
	add(entry, jg_token_is_expired(token, wall_ms) ? wall_ms + AGAIN_MS
						       : jg_token_turns_ms(token, wall_ms));
	return entry;
}

/*
 * The wall clock was set back: moments that had passed are in the future again, or have passed once
 * more since the time before, when decisions may have rested on the clock as it is now.
 */
static void
turns_again(struct directory *directory, uint64_t before_ms)
{
	uint64_t since_ms = jg_directory_wall_ms(directory, before_ms);
	struct entry_times *times;

	LIST_FOREACH(times, &directory->timed, timed)
	{
		deadlines_remove(&directory->turns, &times->turn);
		join(times->entry, since_ms);
	}
}

void
jg_directory_set_wall(struct directory *directory, uint64_t now_ms, uint64_t wall_ms)
{
	uint64_t before_ms = directory->wall_ms - (uint64_t)directory->wall_ahead_ms;
	int64_t ahead_ms = (int64_t)wall_ms - (int64_t)now_ms;
	/* Not the times are compared: after a small step back, time seems to go on. 1: rounding. */
	bool went_back = ahead_ms < directory->wall_ahead_ms - 1;

	directory->wall_ms = wall_ms;
	directory->wall_ahead_ms = ahead_ms;
	if (went_back)
		turns_again(directory, before_ms);
}
