/* redis_commands.c - the table of commands, how one is run, and those that change keys. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "redis_call.h"
#include "trace.h"

#define WORD_MAX 8192 /* a script is the longest */

/* ---- keys ---- */

static bool
has_ended(const struct redis_key *key)
{
	return key->ends_ms != 0 && redis_now_ms() >= key->ends_ms;
}

struct redis_key *
redis_find(struct redis *redis, const char *name)
{
	struct redis_key *key = redis_keys_find(&redis->keys, name);

	if (key == NULL || !has_ended(key))
		return key;
	/* For its primary a replica has what the primary had. */
	if (redis->link.primary != NULL && redis->running->end == NULL)
		return key;
	redis_expire(redis, key);
	return NULL;
}

/* ---- changing ---- */

static void
do_set(struct call *call)
{
	struct redis_key *key = redis_find(call->redis, call->words[1]);

	if (key != NULL)
		redis_keys_remove(key);
	key = redis_keys_add(&call->redis->keys, call->words[1], REDIS_TYPE_STRING);
	redis_key_set_text(key, call->words[2]);
	redis_tell(call->redis, call->words[1]);
	redis_reply(call, "+OK\r\n");
}

static void
do_hset(struct call *call)
{
	struct redis_key *key = redis_find(call->redis, call->words[1]);
	int64_t added = 0;

	if (key != NULL && key->type != REDIS_TYPE_HASH) {
		redis_reply(call, REDIS_WRONG_TYPE);
		return;
	}
	if (key == NULL)
		key = redis_keys_add(&call->redis->keys, call->words[1], REDIS_TYPE_HASH);
	for (size_t i = 2; i + 1 < call->count; i += 2)
		added += redis_field_set(key, call->words[i], call->words[i + 1]);
	redis_tell(call->redis, call->words[1]);
	redis_reply_number(call, added);
}

/* ZADD: with a score before it; the model keeps no order. */
static void
add_members(struct call *call, enum redis_type type, size_t step)
{
	struct redis_key *key = redis_find(call->redis, call->words[1]);
	int64_t added = 0;

	if (key != NULL && key->type != type) {
		redis_reply(call, REDIS_WRONG_TYPE);
		return;
	}
	if (key == NULL)
		key = redis_keys_add(&call->redis->keys, call->words[1], type);
	for (size_t i = 1 + step; i < call->count; i += step)
		added += redis_field_set(key, call->words[i], step > 1 ? call->words[i - 1] : "");
	if (added > 0)
		redis_tell(call->redis, call->words[1]);
	redis_reply_number(call, added);
}

static void
do_sadd(struct call *call)
{
	add_members(call, REDIS_TYPE_SET, 1);
}

static void
do_zadd(struct call *call)
{
	add_members(call, REDIS_TYPE_ZSET, 2);
}

static void
remove_members(struct call *call, enum redis_type type)
{
	struct redis_key *key = redis_find(call->redis, call->words[1]);
	int64_t removed = 0;

	if (key != NULL && key->type != type) {
		redis_reply(call, REDIS_WRONG_TYPE);
		return;
	}
	for (size_t i = 2; key != NULL && i < call->count; i++)
		removed += redis_field_remove(key, call->words[i]);
	if (key != NULL && key->field_count == 0)
		redis_keys_remove(key);
	if (removed > 0)
		redis_tell(call->redis, call->words[1]);
	redis_reply_number(call, removed);
}

static void
do_hdel(struct call *call)
{
	remove_members(call, REDIS_TYPE_HASH);
}

static void
do_srem(struct call *call)
{
	remove_members(call, REDIS_TYPE_SET);
}

static void
do_zrem(struct call *call)
{
	remove_members(call, REDIS_TYPE_ZSET);
}

static void
do_del(struct call *call)
{
	int64_t removed = 0;

	for (size_t i = 1; i < call->count; i++) {
		struct redis_key *key = redis_find(call->redis, call->words[i]);

		if (key == NULL)
			continue;
		redis_keys_remove(key);
		redis_tell(call->redis, call->words[i]);
		removed++;
	}
	redis_reply_number(call, removed);
}

static void
expire_at(struct call *call, long long at_ms)
{
	struct redis_key *key = redis_find(call->redis, call->words[1]);

	/* A replica leaves it to its primary to delete keys. */
	if (key != NULL && at_ms <= (long long)redis_now_ms() &&
	    call->redis->link.primary == NULL) {
		redis_keys_remove(key);
		call->words[0] = "DEL"; /* for replicas */
		call->count = 2;
	} else if (key != NULL) {
		key->ends_ms = (uint64_t)at_ms;
		alarm_set(&call->redis->expire, schedule_now_ns());
	}
	if (key != NULL)
		redis_tell(call->redis, call->words[1]);
	redis_reply_number(call, key != NULL);
}

static void
do_pexpireat(struct call *call)
{
	expire_at(call, strtoll(call->words[2], NULL, 10));
}

/* Replicas get the moment, not the time that is left. */
static void
do_pexpire(struct call *call)
{
	static char at[24];
	long long at_ms = (long long)redis_now_ms() + strtoll(call->words[2], NULL, 10);

	snprintf(at, sizeof(at), "%lld", at_ms);
	call->words[0] = "PEXPIREAT";
	call->words[2] = at;
	expire_at(call, at_ms);
}

static void
do_expire(struct call *call)
{
	static char ms[24];

	snprintf(ms, sizeof(ms), "%s000", call->words[2]);
	call->words[2] = ms;
	do_pexpire(call);
}

static void
do_persist(struct call *call)
{
	struct redis_key *key = redis_find(call->redis, call->words[1]);
	bool had = key != NULL && key->ends_ms != 0;

	if (had) {
		key->ends_ms = 0;
		redis_tell(call->redis, call->words[1]);
	}
	redis_reply_number(call, had);
}

static void
do_flushall(struct call *call)
{
	struct redis_key *key;

	while ((key = LIST_FIRST(&call->redis->keys.all)) != NULL)
		redis_keys_remove(key);
	redis_tell_all(call->redis);
	redis_reply(call, "+OK\r\n");
}

/* ---- all of them ---- */

static const struct command {
	const char *name;
	size_t words; /* at least, with the name */
	bool keyed;   /* a cut node of a cluster refuses it */
	bool writes;  /* replicas get it; they refuse it from others */
	void (*run)(struct call *call);
	bool grows; /* a full server refuses it */
} commands[] = {
    {"hgetall", 2, true, false, redis_do_hgetall},
    {"pttl", 2, true, false, redis_do_pttl},
    {"exists", 2, true, false, redis_do_exists},
    {"ping", 1, false, false, redis_do_ping},
    {"role", 1, false, false, redis_do_role},
    {"get", 2, true, false, redis_do_get},
    {"mget", 2, true, false, redis_do_mget},
    {"eval_ro", 4, true, false, redis_do_eval},
    {"eval", 4, true, false, redis_do_eval},
    {"wait", 3, false, false, redis_do_wait},
    {"sadd", 3, true, true, do_sadd, true},
    {"srem", 3, true, true, do_srem},
    {"scard", 2, true, false, redis_do_scard},
    {"srandmember", 3, true, false, redis_do_srandmember},
    {"zadd", 4, true, true, do_zadd, true},
    {"zrem", 3, true, true, do_zrem},
    {"set", 3, true, true, do_set, true},
    {"hset", 4, true, true, do_hset, true},
    {"hdel", 3, true, true, do_hdel},
    {"del", 2, true, true, do_del},
    {"expire", 3, true, true, do_expire},
    {"pexpire", 3, true, true, do_pexpire},
    {"pexpireat", 3, true, true, do_pexpireat},
    {"persist", 2, true, true, do_persist},
    {"flushall", 1, false, true, do_flushall},
    {"hello", 2, false, false, redis_do_hello},
    {"client", 2, false, false, redis_do_client},
    {"subscribe", 2, false, false, redis_do_subscribe},
    {"sentinel", 3, false, false, redis_do_sentinel},
    {"info", 2, false, false, redis_do_info},
};

static const struct command *
command_of(const struct call *call)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcasecmp(call->words[0], commands[i].name) == 0 &&
		    call->count >= commands[i].words)
			return &commands[i];
	return NULL;
}

/* What replicas get of a script: its commands, all at once. */
static void
note_effect(struct redis_effects *effects, const struct call *call)
{
	if (effects->count + call->count + 1 > REDIS_EFFECTS_MAX)
		abort();
	if (effects->count > 0)
		effects->words[effects->count++] = NULL;
	for (size_t i = 0; i < call->count; i++)
		effects->words[effects->count++] = strdup(call->words[i]);
}

/* A full server refuses only the first change of a script. NULL: it takes the command. */
static const char *
refusal(const struct call *call, const struct command *command)
{
	if (call->client->end == NULL)
		return NULL;
	if (call->redis->link.primary != NULL)
		return "-READONLY You can't write against a read only replica.";
	if (call->redis->is_full && command->grows && call->redis->effects.count == 0)
		return "-OOM command not allowed when used memory > 'maxmemory'.";
	return NULL;
}

void
redis_call_inner(struct call *call, const char *const *words)
{
	struct redis_client nobody = {.redis = call->redis};
	struct call inner = {.client = &nobody, .redis = call->redis};
	const struct command *command;

	for (; words[inner.count] != NULL; inner.count++)
		inner.words[inner.count] = words[inner.count];
	command = command_of(&inner);
	if (call->error == NULL)
		call->error = refusal(call, command);
	if (call->error != NULL)
		return;
	command->run(&inner);
	note_effect(&call->redis->effects, &inner);
	bytes_free(&nobody.out);
}

/* The script has come to its end. */
static void
replicate_effects(struct call *call)
{
	struct redis_effects *effects = &call->redis->effects;

	if (effects->count == 0)
		return;
	redis_replicate(call->redis, (const char *const *)effects->words, effects->count);
	call->client->last_offset = call->redis->offset;
	if (call->client->end != NULL && call->redis->watch != NULL)
		call->redis->watch->changed(call->redis->watch->ctx, call->redis);
	for (size_t i = 0; i < effects->count; i++)
		free(effects->words[i]);
	effects->count = 0;
}

static void
run(struct call *call, const struct command *command)
{
	call->redis->running = call->client;
	command->run(call);
	redis_tell_delayed(call->redis);
	if (command->writes) {
		redis_replicate(call->redis, call->words, call->count);
		call->client->last_offset = call->redis->offset;
	}
	replicate_effects(call);
}

void
redis_command_run(struct redis_client *client, const struct slice *words, size_t count)
{
	struct call call = {.client = client, .redis = client->redis, .count = count};
	static char text[REDIS_WORDS_MAX][WORD_MAX];
	const struct command *command;

	for (size_t i = 0; i < count; i++) {
		if (words[i].len >= WORD_MAX)
			abort();
		memcpy(text[i], words[i].at, words[i].len);
		text[i][words[i].len] = '\0';
		call.words[i] = text[i];
	}
	command = command_of(&call);
	client->redis->commands++;
	if (client->end != NULL)
		trace_event("redis", text[0], (uint64_t)client->id, count);
	if (command == NULL) {
		trace_say("redis", "unknown command: %s", text[0]);
		abort();
	}
	if (command->keyed && client->redis->cut && client->end != NULL)
		redis_reply(&call, "-CLUSTERDOWN The cluster is down\r\n");
	else if (command->writes && client->redis->link.primary != NULL && client->end != NULL)
		redis_reply(&call, "-READONLY You can't write against a read only replica.\r\n");
	else
		run(&call, command);
}
