/* store_walk.c - steps through keys and indexes, each one script that Redis is through with soon.
 */
#include "auth/redis/store_walk.h"

#include <stdlib.h>

#include "auth/redis/arguments.h"
#include "auth/redis/records.h"
#include "auth/redis/store_operation.h"

#define STEP "500" /* keys or entries looked at, more or less */

/*
 * KEYS[1]: the index. ARGV: what record keys begin with, the same as a pattern, the
 * cursor, how many. {next cursor, looked at, total, {{id, score or nil, record}, ...}}.
 */
static const char script_walk[] =
    "local step = redis.call('SCAN', ARGV[3], 'MATCH', ARGV[2], 'COUNT', ARGV[4])\n"
    "local found = {}\n"
    "for i, key in ipairs(step[2]) do\n"
    "  local id = string.sub(key, #ARGV[1] + 1)\n"
    "  found[i] = {id, redis.pcall('ZSCORE', KEYS[1], id), redis.pcall('HGETALL', key)}\n"
    "end\n"
    "return {step[1], #found, redis.pcall('ZCARD', KEYS[1]), found}\n";

/* The same of the index: only entries without a record are in the answer. */
static const char script_walk_index[] =
    "local step = redis.call('ZSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[4])\n"
    "local found = {}\n"
    "for i = 1, #step[2], 2 do\n"
    "  local id = step[2][i]\n"
    "  if redis.call('EXISTS', ARGV[1] .. id) == 0 then\n"
    "    found[#found + 1] = {id, step[2][i + 1], {}}\n"
    "  end\n"
    "end\n"
    "return {step[1], #step[2] / 2, redis.call('ZCARD', KEYS[1]), found}\n";

/* {id, score or nil, record}; what is not of this form has neither score nor record. */
static void
read_entry(enum record_kind kind, const redisReply *reply, struct store_walk_entry *out)
{
	struct record *record = NULL;

	*out = (struct store_walk_entry){.id = SLICE(""), .why = "Redis answered nonsense"};
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
	    reply->element[0]->type != REDIS_REPLY_STRING)
		return;
	out->id = (struct slice){reply->element[0]->str, (size_t)reply->element[0]->len};
	if (reply->element[1]->type == REDIS_REPLY_STRING)
		out->score = (struct slice){reply->element[1]->str, (size_t)reply->element[1]->len};
	if (kind == RECORD_TOKEN ? !jg_token_id_valid(out->id) : !jg_job_id_valid(out->id)) {
		out->why = "its id is not one";
		return;
	}
	if (record_decode(kind, out->id, reply->element[2], &record, &out->why) == RECORD_MISSING)
		out->why = "there is no record";
	out->record = record;
}

static void
read_step(struct operation *operation, const redisReply *reply)
{
	store_walk_done *done = operation->walk_done;
	struct store_walk_entry *entries;
	struct store_walk_step step = {0};
	const redisReply *found;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[0]->len >= STORE_WALK_CURSOR_MAX ||
	    reply->element[1]->type != REDIS_REPLY_INTEGER ||
	    reply->element[3]->type != REDIS_REPLY_ARRAY)
		return;
	found = reply->element[3];
	entries = calloc(found->elements + 1, sizeof(*entries));
	if (entries == NULL)
		return;
	memcpy(step.next, reply->element[0]->str, (size_t)reply->element[0]->len + 1);
	step.looked_at = (uint64_t)reply->element[1]->integer;
	if (reply->element[2]->type == REDIS_REPLY_INTEGER)
		step.total = (uint64_t)reply->element[2]->integer;
	step.count = found->elements;
	step.entries = entries;
	for (size_t i = 0; i < step.count; i++)
		read_entry(operation->kind, found->element[i], &entries[i]);
	operation->walk_done = NULL;
	done(operation->ctx, STORE_OK, &step);
	for (size_t i = 0; i < step.count; i++)
		free((struct record *)entries[i].record);
	free(entries);
}

/* The keys' beginning as a pattern that means nothing else. */
static void
add_pattern(struct arguments *arguments, const struct store *store, enum record_kind kind)
{
	const char *prefix = store_prefix(store);
	char escaped[512];
	size_t len = 0;

	for (; *prefix != '\0' && len + 2 < sizeof(escaped); prefix++) {
		if (strchr("*?[]^\\", *prefix) != NULL)
			escaped[len++] = '\\';
		escaped[len++] = *prefix;
	}
	arguments_add_text(arguments, "%.*s%s:*", (int)len, escaped, store_noun(kind));
}

static void
walk(struct store *store, const char *script, enum record_kind kind, const char *cursor,
    store_walk_done *done, void *ctx)
{
	struct operation operation = {
	    .kind = kind, .read = read_step, .walk_done = done, .ctx = ctx};
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script));
		arguments_add(arguments, SLICE("1"));
		arguments_add_index_key(arguments, store, kind);
		arguments_add_record_key(arguments, store, kind, SLICE(""));
		add_pattern(arguments, store, kind);
		arguments_add(arguments, slice_of(cursor));
		arguments_add(arguments, SLICE(STEP));
	}
	store_run(store, &operation, arguments);
	free(arguments);
}

void
store_walk(struct store *store, enum record_kind kind, const char *cursor, store_walk_done *done,
    void *ctx)
{
	walk(store, script_walk, kind, cursor, done, ctx);
}

void
store_walk_index(struct store *store, enum record_kind kind, const char *cursor,
    store_walk_done *done, void *ctx)
{
	walk(store, script_walk_index, kind, cursor, done, ctx);
}
