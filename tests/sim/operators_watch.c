/* operators_watch.c - what scripts do to records, and whose calls these were. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operators.h"
#include "records_state.h"
#include "world.h"

static uint64_t
fold(uint64_t print, const char *text)
{
	for (; *text != '\0'; text++)
		print = (print ^ (unsigned char)*text) * 0x100000001b3u;
	return (print ^ 0xff) * 0x100000001b3u;
}

/* A number for what the record holds; 0: there is none. */
static uint64_t
print_of(struct redis *redis, const char *name)
{
	const struct redis_key *key = redis_keys_find(&redis->keys, name);
	const struct redis_field *field;
	uint64_t print = 0xcbf29ce484222325u;

	if (key == NULL || records_key_has_ended(key))
		return 0;
	TAILQ_FOREACH(field, &key->fields, link)
	print = fold(fold(print, field->name), field->value);
	return print ^ key->ends_ms;
}

static void
name_of(const struct world *world, unsigned record, char out[64])
{
	if (record < world->records.tokens)
		snprintf(out, 64, "jobgate:token:%s", world->records.token[record].id);
	else
		snprintf(out, 64, "jobgate:job:%s",
		    world->records.job[record - world->records.tokens].id);
}

/* Its label, or that of its selector; NO_LABEL: neither it nor the record is there. */
static int
label_of(const struct world *world, unsigned record, struct redis *redis)
{
	char name[64];
	struct redis_key *key;

	name_of(world, record, name);
	key = redis_keys_find(&redis->keys, name);
	if (key == NULL || records_key_has_ended(key))
		return NO_LABEL;
	return record < world->records.tokens
		   ? records_label_of(records_field(key, "selector"))
		   : (int)strtol(records_field(key, "label:team"), NULL, 10);
}

void
operators_script_begins(void *ctx, struct redis *redis)
{
	struct operators *operators = ctx;
	const struct world *world = operators->world;
	char name[64];

	for (unsigned i = 0; i < world->records.tokens + world->records.jobs; i++) {
		name_of(world, i, name);
		operators->record_hashes[i] = print_of(redis, name);
		operators->labels_before[i] = label_of(world, i, redis);
	}
}

/* Written again as it was: that is a change, too. */
static bool
was_written(const struct redis *redis, const char *name)
{
	const struct redis_effects *effects = &redis->effects;

	for (size_t i = 1; i < effects->count; i++)
		if (effects->words[i] != NULL && effects->words[i - 1] != NULL &&
		    (i == 1 || effects->words[i - 2] == NULL) &&
		    strcmp(effects->words[i], name) == 0 &&
		    strstr(effects->words[i - 1], "DEL") == NULL)
			return true;
	return false;
}

#define PACKETS_NS (200 * (uint64_t)NS_PER_MS)

bool
operators_knew_primary(const struct world *world, uint64_t at_ns)
{
	const struct store_tuning *tuning = &world->scenario.tuning.store;
	uint64_t asked_ns = (tuning->election_ms + tuning->election_deadline_ms) * NS_PER_MS;

	return at_ns > world->store.elected_ns + asked_ns + PACKETS_NS &&
	       node_last_stop_ns(&world->control.node) < world->store.elected_ns;
}

static void
note_change(struct operators *operators, unsigned record, struct redis *redis)
{
	struct world *world = operators->world;
	bool is_token = record < world->records.tokens;
	unsigned index = is_token ? record : record - world->records.tokens;
	int owner = is_token ? operators->token_owner[index] : operators->job_owner[index];
	const char *kind = is_token ? "token" : "job";
	struct operator_call *call;
	uint32_t *bits;

	if (owner == NO_CALL) {
		judge_violation(
		    world, "a script changed %s %u, which no call has asked for", kind, index);
		return;
	}
	call = &operators->calls[owner];
	bits = is_token ? &call->tokens_done : &call->jobs_done;
	if (call->stage == STAGE_KNOWN)
		judge_violation(
		    world, "call %d changed %s %u after it had been answered", owner, kind, index);
	if ((*bits & 1u << index) != 0)
		judge_violation(world, "call %d changed %s %u twice", owner, kind, index);
	if (redis != store_primary(&world->store) && operators_knew_primary(world, call->begun_ns))
		judge_violation(world,
		    "call %d changed %s %u at a server that was no longer the primary", owner, kind,
		    index);
	*bits |= 1u << index;
	call->done++;
	operators_judge_caller(world, call, redis, kind,
	    call->act == ACT_CREATE_JOB ? label_of(world, record, redis)
					: operators->labels_before[record]);
	if (call->act != ACT_REVOKE && call->act != ACT_CASCADE &&
	    !(is_token && index == call->caller.token))
		operators_judge_maker(world, call, redis);
	if (call->act == ACT_PATCH_JOB)
		operators_judge_caller(world, call, redis, kind, label_of(world, record, redis));
	if (call->act == ACT_RENEW_TOKEN) {
		struct redis_key *key;
		char name[64];

		name_of(world, record, name);
		key = redis_keys_find(&redis->keys, name);
		snprintf(call->hash, sizeof(call->hash), "%s",
		    key != NULL ? records_field(key, "hash") : "");
	}
}

void
operators_script_changed(void *ctx, struct redis *redis)
{
	struct operators *operators = ctx;
	struct world *world = operators->world;
	char name[64];

	for (unsigned i = 0; i < world->records.tokens + world->records.jobs; i++) {
		name_of(world, i, name);
		if (operators->record_hashes[i] == print_of(redis, name) &&
		    !was_written(redis, name))
			continue;
		note_change(operators, i, redis);
		if (i < world->records.tokens)
			records_token_seen(&world->records, i, redis);
		else
			records_job_seen(&world->records, i - world->records.tokens, redis);
	}
	operators_made_changed(operators, redis);
	operators_uses_changed(operators, redis);
}
