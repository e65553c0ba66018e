/* records.c - changes of records, written to the store as another program would do it. */
#include <stdio.h>
#include <string.h>

#include "jobgate/mint.h"
#include "records_state.h"
#include "trace.h"

/* ---- writing ---- */

void
records_hash_text(const char *value, char out[65])
{
	unsigned char hash[TOKEN_HASH_LEN];

	jg_token_hash(slice_of(value), hash);
	jg_token_hash_format(hash, out);
}

void
records_hash_of(const struct token_history *token, unsigned value, char out[65])
{
	if (value < RECORDS_VALUES_MAX && token->values[value][0] != '\0')
		records_hash_text(token->values[value], out);
	else
		snprintf(out, 65, "%s", value < RECORDS_VALUES_MAX ? token->hashes[value] : "");
}

struct redis_key *
records_key(const struct records *records, const char *kind, const char *id)
{
	char name[64];

	snprintf(name, sizeof(name), "jobgate:%s:%s", kind, id);
	return redis_keys_find(&records->redis->keys, name);
}

void
records_put_mint(struct records *records)
{
	char text[MINT_KEY_TEXT_LEN + 1];

	if (!records->minted)
		return;
	jg_mint_key_format(records->mint_key, text);
	redis_do(records->redis, (const char *[]){"SET", "jobgate:mint", text, NULL});
	redis_do(records->redis, (const char *[]){"SET", "jobgate:mint:enforced", "1", NULL});
}

static void
write_token(struct records *records, struct token_history *token, const struct token_state *state)
{
	char key[64], hash[65], version[16], selector[32] = "";
	bool of_staff = token - records->token >= records->tokens - records->staff;
	const char *role = of_staff ? "operator" : "read";
	const char *words[14 + 2 + RECORDS_TIMES_WORDS + 1] = {"HSET", key, "name", "sim", "role",
	    state->broken ? "none" : role, "selector", selector, "hash", hash, "version", version,
	    "minted", version};
	size_t count = 14;

	snprintf(key, sizeof(key), "jobgate:token:%s", token->id);
	if (!state->exists) {
		redis_do(records->redis, (const char *[]){"DEL", key, NULL});
		return;
	}
	/* A store that was emptied gets its key back before any token, as an import does it. */
	if (redis_keys_find(&records->redis->keys, "jobgate:mint") == NULL)
		records_put_mint(records);
	records_hash_of(token, state->value, hash);
	snprintf(version, sizeof(version), "%u", token->version);
	if (state->label != NO_LABEL)
		snprintf(selector, sizeof(selector), "team=%d", state->label);
	if (records->timed)
		count += records_put_times(records, token, state, words + count);
	if (state->ranges != NO_RANGES) {
		words[count++] = "from";
		words[count++] = records_ranges_text(state->ranges);
	} else if (records->limited) {
		redis_do(records->redis, (const char *[]){"HDEL", key, "from", NULL});
	}
	redis_do(records->redis, words);
	records_put_maker(records, token);
}

static void
write_job(struct records *records, struct job_history *job, const struct job_state *state)
{
	char key[64], label[16], urls[RECORDS_URL_MAX];

	snprintf(key, sizeof(key), "jobgate:job:%s", job->id);
	if (!state->exists) {
		redis_do(records->redis, (const char *[]){"DEL", key, NULL});
		records_put_public(records, job->id, state);
		return;
	}
	snprintf(label, sizeof(label), "%d", state->label);
	if (state->port != NO_BACKEND)
		redis_do(records->redis, (const char *[]){"HSET", key, "port:" RECORDS_PORT,
					     records->url_of(records->ctx, state->port), NULL});
	else if (records->ports)
		redis_do(records->redis, (const char *[]){"HDEL", key, "port:" RECORDS_PORT, NULL});
	records_write_urls(records, state, urls);
	redis_do(
	    records->redis, (const char *[]){"HSET", key, "url", urls, "label:team", label, NULL});
	records_put_replicas(records, key, state);
	records_put_public(records, job->id, state);
}

void
records_new_value(struct records *records, struct token_history *token)
{
	char *value = token->values[token->value_count % RECORDS_VALUES_MAX];

	if (token->value_count < RECORDS_VALUES_MAX)
		token->value_count++;
	jg_token_value_make(slice_of(token->id), records->minted ? records->mint_key : NULL, value);
	value[TOKEN_VALUE_LEN] = '\0';
	token->version++;
	token->versions[(token->value_count - 1) % RECORDS_VALUES_MAX] = token->version;
}

void
records_init(struct records *records, struct redis *redis, uint64_t seed)
{
	random_init(&records->random, seed, "records", 0);
	random_init(&records->from_random, seed, "addresses", 0);
	records->redis = redis;
	random_bytes(&records->random, records->mint_key, sizeof(records->mint_key));
	random_init(&records->ends_random, seed, "ends of tokens", 0);
	random_init(&records->port_random, seed, "ports", 1);
	random_init(&records->replica_random, seed, "replicas", 1);
	random_init(&records->public_random, seed, "public jobs", 1);
	records_put_mint(records);
	for (unsigned i = 0; i < records->tokens; i++)
		jg_token_id_make(records->token[i].id);
	records_draw_makers(records);
	for (unsigned i = 0; i < records->tokens; i++) {
		struct token_history *token = &records->token[i];
		struct token_state *state = records_next_token_state(records, token);

		records_new_value(records, token);
		state->exists = true;
		if (random_chance(&records->random, 400))
			state->label = (int)random_below(&records->random, RECORDS_LABELS);
		write_token(records, token, state);
	}
	for (unsigned i = 0; i < records->jobs; i++) {
		struct job_history *job = &records->job[i];
		struct job_state *state = records_next_job_state(records, job);

		if (records->collides && i == 1)
			snprintf(job->id, sizeof(job->id), "job-0-" RECORDS_PORT);
		else
			snprintf(job->id, sizeof(job->id), "job-%u", i);
		if (records->ports && random_chance(&records->port_random, 500))
			state->port = (int)random_below(&records->port_random, records->backends);
		state->exists = true;
		records_draw_public(records, state);
		state->label = (int)random_below(&records->random, RECORDS_LABELS);
		state->backend = (int)random_below(&records->random, records->backends);
		records_draw_replicas(records, state);
		write_job(records, job, state);
	}
}

/* ---- changes ---- */

/* Whether another program could change something now. */
static bool
takes_changes(const struct records *records)
{
	return records->redis->listener != NULL && !records->redis->writes_paused;
}

/* The record ends by itself after this time: a state that lies in the future says so. */
static uint64_t
draw_life_ms(struct records *records)
{
	return random_skewed(&records->random, 20, 4000);
}

static void
expire(struct records *records, const char *kind, const char *id, uint64_t ms)
{
	char key[64], text[16];

	snprintf(key, sizeof(key), "jobgate:%s:%s", kind, id);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)ms);
	redis_do(records->redis, (const char *[]){"PEXPIRE", key, text, NULL});
}

/* A change overrides the end that an earlier one has set. */
static void
drop_token_future(struct records *records, struct token_history *token)
{
	char key[64];

	if (!records_forget_token_end(token))
		return;
	snprintf(key, sizeof(key), "jobgate:token:%s", token->id);
	redis_do(records->redis, (const char *[]){"PERSIST", key, NULL});
}

static void
drop_job_future(struct records *records, struct job_history *job)
{
	char key[64];

	if (!records_forget_job_end(job))
		return;
	snprintf(key, sizeof(key), "jobgate:job:%s", job->id);
	redis_do(records->redis, (const char *[]){"PERSIST", key, NULL});
}

void
records_change_token(struct records *records, unsigned index)
{
	struct token_history *token = &records->token[index];
	struct token_state *state;
	uint64_t ms;

	if (!takes_changes(records))
		return;
	drop_token_future(records, token);
	state = records_next_token_state(records, token);
	records->changes++;
	/* What refuses is taken back by the next change, so that most records are good. */
	if (!state->exists || state->broken || records_has_expired(state)) {
		state->exists = true;
		state->broken = false;
		state->expires_ms = 0;
		write_token(records, token, state);
		return;
	}
	if (records->limited && random_chance(&records->from_random, 250)) {
		records_draw_ranges(records, state);
		write_token(records, token, state);
		return;
	}
	if (records->timed && random_chance(&records->random, 400)) {
		records_draw_times(records, token, state);
		write_token(records, token, state);
		return;
	}
	switch (random_below(&records->random, 8)) {
	case 0:
		if (records->scripted) {
			records_run_end(records, token);
			return;
		}
		state->exists = false;
		break;
	case 1:
		state->label = random_chance(&records->random, 600)
				   ? NO_LABEL
				   : (int)random_below(&records->random, RECORDS_LABELS);
		break;
	case 2:
		state->broken = true;
		break;
	case 3:
		if (!records->expires)
			break;
		write_token(records, token, state);
		ms = draw_life_ms(records);
		expire(records, "token", token->id, ms);
		records_end_token_at(records, token, (redis_now_ms() + ms) * NS_PER_MS);
		trace_event("records", "token ends", index, ms);
		return;
	case 4:
	case 5:
		if (token->value_count < RECORDS_VALUES_MAX) {
			records_new_value(records, token);
			state->value = token->value_count - 1;
			state->previous = NO_VALUE;
			state->leftover = NO_VALUE;
		}
		break;
	default:
		break; /* written as it is: that is a change, too */
	}
	write_token(records, token, state);
	trace_event("records", "token", index,
	    (uint64_t)state->exists | (uint64_t)state->broken << 1 | (uint64_t)state->value << 2 |
		(uint64_t)(state->label + 1) << 16);
}

static bool
leads_somewhere(const struct records *records, const struct job_state *state)
{
	return state->backend != NO_BACKEND && state->backend < (int)records->backends;
}

/* It gets the port, another URL for it, or loses it. */
static void
change_port(struct records *records, struct job_state *state)
{
	bool loses = state->port != NO_BACKEND && random_chance(&records->port_random, 700);
	uint64_t urls = records->backends + records->strange;

	state->port = loses ? NO_BACKEND : (int)random_below(&records->port_random, urls);
	trace_event("records", "port", (uint64_t)(state->port + 1), 0);
}

const struct job_history *
records_namesake(const struct records *records, int job)
{
	return records->collides && job == 0 ? &records->job[1] : NULL;
}

bool
records_namesake_owner(const struct records *records, int job)
{
	return records->collides && job == 1;
}

void
records_change_job(struct records *records, unsigned index)
{
	struct job_history *job = &records->job[index];
	struct job_state *state;
	uint64_t ms;

	if (!takes_changes(records))
		return;
	drop_job_future(records, job);
	state = records_next_job_state(records, job);
	records->changes++;
	if (!state->exists || !leads_somewhere(records, state)) {
		state->exists = true;
		state->listed = state->open;
		state->backend = (int)random_below(&records->random, records->backends);
		write_job(records, job, state);
		return;
	}
	if (records->ports && random_chance(&records->port_random, 450)) {
		change_port(records, state);
		write_job(records, job, state);
		return;
	}
	if (records->publics && random_chance(&records->public_random, 450)) {
		records_change_public(records, state);
		write_job(records, job, state);
		return;
	}
	if (records->replicas && random_chance(&records->replica_random, 400)) {
		records_draw_replicas(records, state);
		write_job(records, job, state);
		return;
	}
	switch (random_below(&records->random, 6)) {
	case 0:
		state->exists = state->listed = false;
		break;
	case 1:
		state->label = (int)random_below(&records->random, RECORDS_LABELS);
		break;
	case 2:
		state->backend =
		    (int)random_below(&records->random, records->backends + records->strange + 1) -
		    1;
		break;
	case 3:
		if (!records->expires)
			break;
		write_job(records, job, state);
		ms = draw_life_ms(records);
		expire(records, "job", job->id, ms);
		records_end_job_at(records, job, (redis_now_ms() + ms) * NS_PER_MS);
		trace_event("records", "job ends", index, ms);
		return;
	default:
		break;
	}
	write_job(records, job, state);
	trace_event("records", "job", index,
	    (uint64_t)state->exists | (uint64_t)(state->label + 1) << 1 |
		(uint64_t)(state->backend + 1) << 8);
}

void
records_end_token(struct records *records, unsigned index)
{
	struct token_history *token = &records->token[index];
	struct token_state *state;

	if (!takes_changes(records))
		return;
	records->changes++;
	trace_event("records", "token ended", index, 0);
	if (records->scripted) {
		records_run_end(records, token);
		return;
	}
	drop_token_future(records, token);
	state = records_next_token_state(records, token);
	state->exists = false;
	write_token(records, token, state);
}

void
records_end_job(struct records *records, unsigned index)
{
	struct job_history *job = &records->job[index];
	struct job_state *state;

	if (!takes_changes(records))
		return;
	drop_job_future(records, job);
	state = records_next_job_state(records, job);
	state->exists = state->listed = false;
	records->changes++;
	write_job(records, job, state);
	trace_event("records", "job ended", index, 0);
}

void
records_settle(struct records *records)
{
	if (!takes_changes(records))
		return;
	records_put_mint(records);
	for (unsigned i = 0; i < records->tokens; i++) {
		struct token_state *state;

		drop_token_future(records, &records->token[i]);
		state = records_next_token_state(records, &records->token[i]);
		state->exists = true;
		state->broken = false;
		state->expires_ms = 0;
		state->previous = NO_VALUE;
		state->leftover = NO_VALUE;
		state->ranges = NO_RANGES;
		write_token(records, &records->token[i], state);
	}
	for (unsigned i = 0; i < records->jobs; i++) {
		struct job_state *state;

		drop_job_future(records, &records->job[i]);
		state = records_next_job_state(records, &records->job[i]);
		state->exists = true;
		state->listed = state->open;
		state->checked = false; /* checks go on for minutes after the last request */
		if (!leads_somewhere(records, state))
			state->backend = 0;
		write_job(records, &records->job[i], state);
	}
}

void
records_lost(struct records *records)
{
	for (unsigned i = 0; i < records->tokens; i++) {
		records_forget_token_end(&records->token[i]);
		records_next_token_state(records, &records->token[i])->exists = false;
	}
	for (unsigned i = 0; i < records->jobs; i++) {
		struct job_state *state;

		records_forget_job_end(&records->job[i]);
		state = records_next_job_state(records, &records->job[i]);
		state->exists = state->listed = false;
	}
}
