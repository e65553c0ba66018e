/* records_ends.c - scripts that delete tokens: by a value, and with all that they have created. */
#include <stdio.h>

#include "auth/redis/cascade_script.h"
#include "auth/redis/revoke_script.h"
#include "records_state.h"
#include "trace.h"

/* Those before it may have created a token: there are no circles. */
void
records_draw_makers(struct records *records)
{
	for (unsigned i = 0; i < records->tokens; i++) {
		bool made = records->scripted && i > 0 && random_chance(&records->ends_random, 700);

		records->token[i].maker =
		    made ? (int)random_below(&records->ends_random, i) : NO_MAKER;
	}
}

/* A token may come back although its makers are gone. All of them get their places again: in a real
 * store, one that is gone stays in its maker's set as long as it has descendants. */
static void
link_makers(const struct records *records, const struct token_history *token)
{
	while (token->maker != NO_MAKER) {
		const struct token_history *maker = &records->token[token->maker];
		char set[64];

		snprintf(set, sizeof(set), "jobgate:made:%s", maker->id);
		redis_do(records->redis, (const char *[]){"SADD", set, token->id, NULL});
		token = maker;
	}
}

void
records_put_maker(const struct records *records, const struct token_history *token)
{
	char key[64];

	if (token->maker == NO_MAKER)
		return;
	snprintf(key, sizeof(key), "jobgate:token:%s", token->id);
	redis_do(records->redis,
	    (const char *[]){"HSET", key, "created_by", records->token[token->maker].id, NULL});
	link_makers(records, token);
}

/* A token may be gone whose last state does not say so. offset: of the server, before the script.
 */
static void
note_if_gone(struct records *records, struct token_history *token, uint64_t offset)
{
	struct token_state *state;

	if (records_key(records, "token", token->id) != NULL)
		return;
	records_forget_token_end(token);
	state = records_next_token_state(records, token);
	state->exists = false;
	state->span.offset = offset;
}

#define END_WORDS                                                                 \
	token->id, "0", "jobgate:quota:tokens:", "jobgate:made:", "jobgate:used", \
	    "jobgate:token:", NULL

static void
run(struct records *records, const struct token_history *token, const char *text, const char *hash)
{
	char key[64];

	snprintf(key, sizeof(key), "jobgate:token:%s", token->id);
	if (text == script_cascade) /* no token is the caller's, and the scope has no labels */
		redis_do(records->redis,
		    (const char *[]){"EVAL", text, "2", key, "jobgate:tokens", "", "0", END_WORDS});
	else
		redis_do(records->redis,
		    (const char *[]){"EVAL", text, "2", key, "jobgate:tokens", hash, END_WORDS});
}

/* As POST /v1/tokens/revoke does it: with the hash of the record; now and then of an older one. */
static void
revoke(struct records *records, const struct token_history *token)
{
	unsigned value = records_token_at(token, schedule_now_ns())->value;
	char hash[65];

	if (value > 0 && random_chance(&records->ends_random, 100))
		value--;
	records_hash_of(token, value, hash);
	run(records, token, script_revoke, hash);
}

void
records_run_end(struct records *records, struct token_history *token)
{
	uint64_t offset = records->redis->offset;
	bool cascade = random_chance(&records->ends_random, 500);

	trace_event(
	    "records", cascade ? "cascade" : "revoked", (uint64_t)(token - records->token), 0);
	if (cascade)
		run(records, token, script_cascade, NULL);
	else
		revoke(records, token);
	for (unsigned i = 0; i < records->tokens; i++)
		note_if_gone(records, &records->token[i], offset);
}
