/*
 * redis_script.c - server-side scripts are known by their text, and are C here. A script that is
 * not here fails the run: add a row to `scripts`. Who tracks and runs a script is told of changes
 * of its KEYS: so it is in Redis 7.0, and later where these are what the script reads.
 */
#include "redis_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/redis/caller_script.h"
#include "auth/redis/cascade_script.h"
#include "auth/redis/limit_script.h"
#include "auth/redis/register_script.h"
#include "auth/redis/store_scripts.h"
#include "auth/redis/token_script.h"
#include "auth/redis/uses_script.h"
#include "trace.h"

/* ---- for the files that have them ---- */

struct text
script_join(const char *before, const char *id, const char *after)
{
	struct text text;

	if (snprintf(text.at, sizeof(text.at), "%s%s%s", before, id, after) >= SCRIPT_TEXT_MAX)
		abort();
	return text;
}

void
script_do_list(
    struct call *call, const char *name, const char *key, const char *const *words, size_t count)
{
	const char *all[REDIS_WORDS_MAX + 1] = {name, key};

	if (count == 0)
		return;
	memcpy(all + 2, words, count * sizeof(*words));
	redis_call_inner(call, all);
}

bool
script_exists(struct call *call, const char *key)
{
	return redis_find(call->redis, key) != NULL;
}

static bool
get(struct call *call, enum redis_type type, const char *name, const char *field,
    struct text *value)
{
	struct redis_key *key = redis_find(call->redis, name);
	const struct redis_field *found =
	    key != NULL && key->type == type ? redis_field_find(key, field) : NULL;

	value->at[0] = '\0';
	if (found != NULL)
		snprintf(value->at, sizeof(value->at), "%s", found->value);
	return found != NULL;
}

bool
script_field(struct call *call, const char *name, const char *field, struct text *value)
{
	return get(call, REDIS_TYPE_HASH, name, field, value);
}

bool
script_score(struct call *call, const char *name, const char *member, struct text *value)
{
	return get(call, REDIS_TYPE_ZSET, name, member, value);
}

size_t
script_members(struct call *call, const char *name)
{
	const struct redis_key *key = redis_find(call->redis, name);

	return key != NULL ? key->field_count : 0;
}

void
script_reply_if(struct call *call, bool is, const char *text)
{
	if (is)
		redis_reply_text(call, text);
	else
		redis_reply(call, "$-1\r\n");
}

bool
script_is_lease(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits >= 1 && digits <= 5 && text[digits] == '\0' && text[0] != '0';
}

/* ---- all of them ---- */

static void
run_record(struct call *call)
{
	redis_reply_hash(call, redis_find(call->redis, call->words[3]));
}

/* words: EVAL, the text, how many keys, these, the arguments. */
static const struct script {
	const char *text;
	size_t words; /* at least, without those of CALLER_SCRIPT */
	void (*run)(struct call *call);
	bool of_caller; /* begins with CALLER_SCRIPT */
} scripts[] = {
    {RECORD_SCRIPT_GET, 4, run_record},
    {script_get, 6, script_get_run},
    {script_know, 5, script_know_run},
    {script_page, 11, script_page_run},
    {script_uses, 5, script_uses_run},
    {script_revoke, 12, script_revoke_run},
    {script_cascade, 12, script_cascade_run, true},
    {script_delete_token, 12, script_delete_token_run, true},
    {script_create_token, 19, script_create_token_run},
    {script_renew, 15, script_renew_token_run, true},
    {script_limit, 11, script_limit_run, true},
    {script_create, 16, script_create_job_run},
    {script_delete_job, 12, script_delete_job_run, true},
    {script_patch, 14, script_patch_job_run, true},
    {script_renew_job, 5, script_renew_job_run, true},
    {script_register, 11, script_register_run},
    {script_unregister, 7, script_unregister_run},
};

static const struct script *
script_of(const struct call *call)
{
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		if (strcmp(call->words[1], scripts[i].text) == 0 && call->count >= scripts[i].words)
			return &scripts[i];
	trace_say("redis", "unknown script: %s", call->words[1]);
	abort();
}

/*
 * CALLER_SCRIPT: its words are taken off, so that a script is written as if there were none. False
 * when the caller's token is revoked, which is answered.
 */
static bool
take_caller(struct call *call)
{
	size_t keys = strtoul(call->words[2], NULL, 10), at = 3 + keys, gone = 1;
	const char *hash = call->words[at];
	struct text now;

	if (hash[0] != '\0') {
		at--;
		gone = 2;
		script_field(call, call->words[at], "hash", &now);
		if (strcasecmp(now.at, hash) != 0) {
			redis_reply_number(call, STORE_SCRIPT_REVOKED);
			return false;
		}
	}
	call->count -= gone;
	memmove(
	    &call->words[at], &call->words[at + gone], (call->count - at) * sizeof(call->words[0]));
	return true;
}

/*
 * A script that the server refuses, or that fails, answers only that. It may fail when it has done
 * all: so it is when its answer takes too much memory.
 */
void
redis_do_eval(struct call *call)
{
	size_t before = call->client->out.len;
	const struct script *script;

	for (size_t i = 0; call->client->tracking && i < strtoul(call->words[2], NULL, 10); i++)
		redis_track(call->client, call->words[3 + i]);
	if (call->client->end != NULL && call->redis->watch != NULL)
		call->redis->watch->begins(call->redis->watch->ctx, call->redis);
	script = script_of(call);
	if (!script->of_caller || take_caller(call))
		script->run(call);
	if (call->client->end != NULL && call->error == NULL && call->redis->fails_scripts &&
	    call->redis->effects.count > 0)
		call->error = "-ERR it has failed";
	if (call->error == NULL)
		return;
	call->client->out.len = before;
	bytes_print(&call->client->out, "%s script: %040d, on @user_script:1.\r\n", call->error, 0);
}
