/* operators_made.c - tokens that calls of the API create: each once, in the scope and under the
 * quota of its maker. */
#include <stdio.h>
#include <string.h>

#include "operators.h"
#include "records_state.h"
#include "world.h"

#define TOKEN_KEYS "jobgate:token:"
#define JOB_KEYS "jobgate:job:"

/* NO_CALL: none runs, or may still be done. */
static int
cascade_that_runs(struct operators *operators)
{
	for (unsigned i = 0; i < operators->world->records.tokens; i++)
		if (!operators_is_free(operators, operators->token_owner[i]) &&
		    operators->calls[operators->token_owner[i]].act == ACT_CASCADE)
			return operators->token_owner[i];
	return NO_CALL;
}

/* ---- drawing ---- */

bool
operators_draw_creation(
    struct operators *operators, struct operator_call *call, struct operator_request *out)
{
	struct random *random = &operators->random;
	char label[16] = "";

	call->index = 0;
	if (operators->made_count == OPERATORS_MADE_MAX)
		return false;
	out->method = "POST";
	snprintf(out->path, sizeof(out->path), "/v1/tokens");
	if (random_chance(random, 500))
		snprintf(label, sizeof(label), "team=%u",
		    (unsigned)random_below(random, RECORDS_LABELS));
	snprintf(out->body, sizeof(out->body),
	    "{\"name\":\"made-%zu\",\"role\":\"%s\",\"label_selector\":\"%s\"}", operators->count,
	    random_chance(random, 300) ? "operator" : "read", label);
	return true;
}

/* One that a cascade may be about to delete is left alone. */
bool
operators_draw_deletion(
    struct operators *operators, struct operator_call *call, struct operator_request *out)
{
	struct random *random = &operators->random;

	if (operators->made_count == 0)
		return false;
	call->index = (unsigned)random_below(random, operators->made_count);
	if (operators->world->scenario.lists && random_chance(random, 400)) /* by its name */
		snprintf(out->path, sizeof(out->path), "/v1/tokens/made-%d",
		    operators->made[call->index].call);
	else
		snprintf(
		    out->path, sizeof(out->path), "/v1/tokens/%s", operators->made[call->index].id);
	return cascade_that_runs(operators) == NO_CALL &&
	       operators_is_free(operators, operators->made[call->index].owner);
}

/* ---- what scripts do ---- */

/* The id in the name of a token's key, if it is none of the run's own; else NULL. */
static const char *
made_id(const struct world *world, const char *name)
{
	const char *id = name + strlen(TOKEN_KEYS);

	if (strncmp(name, TOKEN_KEYS, strlen(TOKEN_KEYS)) != 0)
		return NULL;
	for (unsigned i = 0; i < world->records.tokens; i++)
		if (strcmp(world->records.token[i].id, id) == 0)
			return NULL;
	return id;
}

static struct made_token *
find_made(struct operators *operators, const char *id)
{
	for (size_t i = 0; i < operators->made_count; i++)
		if (strcmp(operators->made[i].id, id) == 0)
			return &operators->made[i];
	return NULL;
}

static bool
is_member(struct redis *redis, const char *set, const char *id)
{
	struct redis_key *key = redis_keys_find(&redis->keys, set);

	return key != NULL && redis_field_find(key, id) != NULL;
}

/* A cascade finds it through its maker's set, and a list through the index. */
static void
check_sets(struct world *world, const struct operator_call *call, struct redis *redis,
    struct redis_key *key, const char *id)
{
	const char *maker = records_field(key, "created_by");
	const char *expected =
	    call->has_token ? world->records.token[call->caller.token].id : "local";
	char set[64];

	if (strcmp(maker, expected) != 0)
		operators_wrong(world, call, "created_by does not name the maker");
	snprintf(set, sizeof(set), "jobgate:made:%s", maker);
	if (call->has_token && !is_member(redis, set, id))
		operators_wrong(world, call, "the new token is not in its maker's set");
	if (!is_member(redis, "jobgate:tokens", id))
		operators_wrong(world, call, "the new token is not in the index");
}

static void
note_created(
    struct operators *operators, struct redis *redis, struct redis_key *key, const char *id)
{
	struct world *world = operators->world;
	int number = -1;
	struct operator_call *call;

	sscanf(records_field(key, "name"), "made-%d", &number);
	if (number < 0 || (size_t)number >= operators->count ||
	    operators->calls[number].act != ACT_CREATE_TOKEN) {
		judge_violation(
		    world, "a script created token %s, which no call has asked for", id);
		return;
	}
	call = &operators->calls[number];
	if (call->stage == STAGE_KNOWN)
		operators_wrong(world, call, "it created a token after it had been answered");
	if (call->done > 0)
		operators_wrong(world, call, "it created two tokens");
	call->done++;
	snprintf(call->hash, sizeof(call->hash), "%s", records_field(key, "hash"));
	snprintf(call->made, sizeof(call->made), "%s", id);
	operators_judge_caller(
	    world, call, redis, "token", records_label_of(records_field(key, "selector")));
	operators_judge_maker(world, call, redis);
	check_sets(world, call, redis, key, id);
	if (operators->made_count == OPERATORS_MADE_MAX)
		return;
	operators->made[operators->made_count] = (struct made_token){.call = number,
	    .owner = NO_CALL,
	    .label = records_label_of(records_field(key, "selector"))};
	snprintf(
	    operators->made[operators->made_count++].id, sizeof(operators->made[0].id), "%s", id);
}

static void
note_deleted(struct operators *operators, const struct redis *redis, const char *id)
{
	struct made_token *made = find_made(operators, id);
	int owner = made != NULL ? made->owner : NO_CALL;

	if (made != NULL && redis == operators->world->records.redis)
		made->gone_ns = schedule_now_ns();
	if (operators_is_free(operators, owner))
		owner = cascade_that_runs(operators);
	if (owner == NO_CALL)
		judge_violation(
		    operators->world, "a script deleted token %s, which no call has asked for", id);
	else
		operators->calls[owner].done++;
}

/* Operators of one scope have not created more than they may. */
static void
check_quota(struct world *world, struct redis *redis, const char *keys, size_t most)
{
	size_t counts[RECORDS_LABELS] = {0};
	struct redis_key *key;

	LIST_FOREACH(key, &redis->keys.all, link)
	{
		int label;

		if (strncmp(key->name, keys, strlen(keys)) != 0 || records_key_has_ended(key))
			continue;
		label = records_label_of(records_field(key, "quota"));
		if (label >= 0 && label < RECORDS_LABELS)
			counts[label]++;
	}
	for (int i = 0; i < RECORDS_LABELS; i++)
		if (counts[i] > most)
			judge_violation(world,
			    "scope team=%d has %zu records under %s, and may have %zu", i,
			    counts[i], keys, most);
}

void
operators_made_changed(struct operators *operators, struct redis *redis)
{
	const struct redis_effects *effects = &redis->effects;
	const struct scope_quota *scope = &operators->world->scenario.scope;
	const char *done = "";

	for (size_t i = 1; i < effects->count; i++) {
		const char *name = effects->words[i], *word = effects->words[i - 1];
		const char *id = name != NULL ? made_id(operators->world, name) : NULL;
		struct redis_key *key;

		if (id == NULL || word == NULL || strcmp(done, name) == 0 ||
		    (i > 1 && effects->words[i - 2] != NULL))
			continue;
		done = name;
		key = redis_keys_find(&redis->keys, name);
		if (strcmp(word, "DEL") == 0)
			note_deleted(operators, redis, id);
		else if (key != NULL)
			note_created(operators, redis, key, id);
	}
	check_quota(operators->world, redis, TOKEN_KEYS, scope->most[RECORD_TOKEN]);
	check_quota(operators->world, redis, JOB_KEYS, scope->most[RECORD_JOB]);
}

/* ---- answers ---- */

void
operators_member(const char *content, const char *name, char *out, size_t size)
{
	char before[32];
	const char *at;

	snprintf(before, sizeof(before), "\"%s\":\"", name);
	at = strstr(content, before);
	if (at != NULL)
		at += strlen(before);
	snprintf(out, size, "%.*s", at != NULL ? (int)strcspn(at, "\"") : 0, at != NULL ? at : "");
}

void
operators_judge_created(struct world *world, struct operator_call *call, const char *content)
{
	char value[TOKEN_VALUE_LEN + 1], id[TOKEN_ID_LEN + 1], hash[65];

	operators_member(content, "id", id, sizeof(id));
	operators_member(content, "value", value, sizeof(value));
	records_hash_text(value, hash);
	if (strcmp(id, call->made) != 0)
		operators_wrong(world, call, "it has another id than the token that was created");
	if (strcmp(hash, call->hash) != 0)
		operators_wrong(
		    world, call, "the value that was answered is not the one in the store");
}

/* The token `of` is this one, or has it among its makers. */
static bool
descends(const struct records *records, int of, unsigned from)
{
	while (of != NO_MAKER && of != (int)from)
		of = records->token[of].maker;
	return of == (int)from;
}

void
operators_judge_cascade(struct world *world, const struct operator_call *call)
{
	struct operators *operators = &world->operators;
	char name[64];

	if (call->has_token || operators_is_troubled(world, call))
		return;
	for (size_t i = 0; i < operators->made_count; i++) {
		const struct operator_call *creation = &operators->calls[operators->made[i].call];
		const struct redis_key *key;

		snprintf(name, sizeof(name), TOKEN_KEYS "%s", operators->made[i].id);
		key = redis_keys_find(&world->records.redis->keys, name);
		if (key != NULL && creation->has_token && creation->stage == STAGE_KNOWN &&
		    creation->ended_ns < call->begun_ns &&
		    descends(&world->records, (int)creation->caller.token, call->index))
			operators_wrong(world, call, "a token that it should have deleted is left");
	}
}
