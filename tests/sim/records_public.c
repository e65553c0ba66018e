/* records_public.c - jobs that are public: their records say so, and a set lists them. */
#include <stdio.h>
#include <string.h>

#include "records_state.h"
#include "trace.h"

#define PUBLIC_SET "jobgate:public"

void
records_draw_public(struct records *records, struct job_state *state)
{
	state->open = state->listed =
	    records->publics && random_chance(&records->public_random, 500);
}

void
records_change_public(struct records *records, struct job_state *state)
{
	bool agree = state->open == state->listed;

	if (agree)
		state->open = !state->open;
	/* Now and then another program forgets one of the two: the record decides. */
	if (!agree || random_chance(&records->public_random, 850))
		state->listed = state->open;
	trace_event("records", "public", state->open, state->listed);
}

void
records_put_public(const struct records *records, const char *id, const struct job_state *state)
{
	char key[64];

	if (!records->publics)
		return;
	snprintf(key, sizeof(key), "jobgate:job:%s", id);
	if (state->exists && state->open)
		redis_do(records->redis, (const char *[]){"HSET", key, "access", "public", NULL});
	else if (state->exists)
		redis_do(records->redis, (const char *[]){"HDEL", key, "access", NULL});
	redis_do(records->redis, (const char *[]){state->exists && state->listed ? "SADD" : "SREM",
				     PUBLIC_SET, id, NULL});
}

void
records_read_public(
    struct redis *redis, const char *id, struct redis_key *key, struct job_state *state)
{
	struct redis_key *set = redis_keys_find(&redis->keys, PUBLIC_SET);

	state->open = key != NULL && strcmp(records_field(key, "access"), "public") == 0;
	state->listed = set != NULL && redis_field_find(set, id) != NULL;
}
