/* records_seen.c - changes that the control process makes, as the servers have them. */
#include <stdio.h>
#include <string.h>

#include "records_state.h"
#include "trace.h"

static struct redis_key *
find(struct redis *redis, const char *kind, const char *id)
{
	char name[64];

	snprintf(name, sizeof(name), "jobgate:%s:%s", kind, id);
	return redis_keys_find(&redis->keys, name);
}

/*
 * Nothing holds there by the history. Who goes by it has proved that this server is the primary
 * before it was not any more: so it may be for as long as on anything, from before now on.
 */
static struct span
stray_span(void)
{
	return (struct span){
	    .from_ns = schedule_now_ns(), .to_ns = schedule_now_ns(), .lost = true};
}

static void
note_value(struct token_history *token, struct redis_key *key)
{
	const char *hash = key != NULL ? records_field(key, "hash") : "";

	if (hash[0] == '\0' || records_value_of(token, hash) < RECORDS_VALUES_MAX ||
	    token->value_count == RECORDS_VALUES_MAX)
		return;
	snprintf(token->hashes[token->value_count], sizeof(token->hashes[0]), "%s", hash);
	token->values[token->value_count++][0] = '\0';
}

void
records_token_seen(struct records *records, unsigned index, struct redis *redis)
{
	struct token_history *token = &records->token[index];
	struct redis_key *key = find(redis, "token", token->id);
	struct token_state *state;
	unsigned version = token->version;

	note_value(token, key);
	trace_event("records", "token seen", index, redis == records->redis);
	if (redis != records->redis) {
		state = &token->strays[token->stray_count++ % RECORDS_STRAYS_MAX];
		if (token->stray_count > RECORDS_STRAYS_MAX)
			token->stray_count = RECORDS_STRAYS_MAX;
		*state = *records_token_at(token, schedule_now_ns());
		state->span = stray_span();
		records_read_token(token, key, state);
		token->version = version;
		return;
	}
	records_forget_token_end(token);
	state = records_next_token_state(records, token);
	state->span.offset = redis->offset - 1;
	records_read_token(token, key, state);
	if (state->exists && key->ends_ms != 0)
		records_end_token_at(records, token, key->ends_ms * NS_PER_MS);
}

void
records_job_seen(struct records *records, unsigned index, struct redis *redis)
{
	struct job_history *job = &records->job[index];
	struct redis_key *key = find(redis, "job", job->id);
	struct job_state *state;

	trace_event("records", "job seen", index, redis == records->redis);
	if (redis != records->redis) {
		state = &job->strays[job->stray_count++ % RECORDS_STRAYS_MAX];
		if (job->stray_count > RECORDS_STRAYS_MAX)
			job->stray_count = RECORDS_STRAYS_MAX;
		*state = job->states[job->state_count - 1];
		state->span = stray_span();
		records_read_job(records, key, state);
		records_read_public(redis, job->id, key, state);
		return;
	}
	records_forget_job_end(job);
	state = records_next_job_state(records, job);
	state->span.offset = redis->offset - 1;
	records_read_job(records, key, state);
	records_read_public(redis, job->id, key, state);
	if (state->exists && key->ends_ms != 0)
		records_end_job_at(records, job, key->ends_ms * NS_PER_MS);
}

bool
records_learn_value(struct records *records, unsigned index, const char *value)
{
	struct token_history *token = &records->token[index];
	char hash[65];
	unsigned i;

	records_hash_text(value, hash);
	i = records_value_of(token, hash);
	if (i < RECORDS_VALUES_MAX)
		snprintf(token->values[i], sizeof(token->values[i]), "%s", value);
	return i < RECORDS_VALUES_MAX;
}

unsigned
records_shown_value(const struct token_history *token, unsigned value)
{
	if (value >= token->value_count)
		value = token->value_count - 1;
	while (value > 0 && token->values[value][0] == '\0')
		value--;
	return value;
}

bool
records_confirm(struct records *records, uint32_t tokens, uint32_t jobs, uint64_t since_ns)
{
	bool all = true;

	for (unsigned i = 0; i < records->tokens; i++) {
		struct token_history *token = &records->token[i];
		size_t last = token->state_count - 1;

		if ((tokens & 1u << i) == 0)
			continue;
		while (last > 0 && token->states[last].span.from_ns > schedule_now_ns())
			last--;
		all = all && token->states[last].span.from_ns >= since_ns;
		token->states[last].confirmed = true;
	}
	for (unsigned i = 0; i < records->jobs; i++) {
		struct job_history *job = &records->job[i];
		size_t last = job->state_count - 1;

		if ((jobs & 1u << i) == 0)
			continue;
		while (last > 0 && job->states[last].span.from_ns > schedule_now_ns())
			last--;
		all = all && job->states[last].span.from_ns >= since_ns;
		job->states[last].confirmed = true;
	}
	return all;
}
