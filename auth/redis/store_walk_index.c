/* store_walk_index.c - walks by scripts: indexes, and the sets of created tokens. */
#include <stdlib.h>

#include "auth/redis/arguments.h"
#include "auth/redis/connection.h"
#include "auth/redis/made_script.h"
#include "auth/redis/public.h"
#include "auth/redis/store_operation.h"
#include "auth/redis/store_walk.h"

#define STEP "250" /* about how many entries or keys a step looks at */

/*
 * Finds the entries of an index that have no record. KEYS[1]: the index. ARGV: the prefix of record
 * keys, the cursor, how many. Returns {next cursor, looked at, total, {{id, score}, ...}}.
 */
static const char script_walk_index[] =
    "local step = redis.call('ZSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])\n"
    "local found = {}\n"
    "for i = 1, #step[2], 2 do\n"
    "  local id = step[2][i]\n"
    "  if redis.call('EXISTS', ARGV[1] .. id) == 0 then\n"
    "    found[#found + 1] = {id, step[2][i + 1]}\n"
    "  end\n"
    "end\n"
    "return {step[1], #step[2] / 2, redis.call('ZCARD', KEYS[1]), found}\n";

/*
 * Finds the tokens that are not among those which their creator has created. ARGV also has the
 * prefix of the sets' keys, and 1 to add them. Returns the same, with the creator's id as
 * score, and why it could not be added. A token whose creator is gone without a trace of who
 * created that one comes with a fourth element.
 */
static const char script_walk_made[] =
    "local step = redis.call('ZSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])\n"
    "local found = {}\n"
    "for i = 1, #step[2], 2 do\n"
    "  local id = step[2][i]\n"
    "  local maker = redis.pcall('HGET', ARGV[1] .. id, 'created_by')\n"
    "  if type(maker) == 'string' and #maker == 16 and not string.find(maker, '[^a-z0-9]') then\n"
    "    local set = ARGV[4] .. maker\n"
    "    if redis.pcall('SISMEMBER', set, id) ~= 1 then\n"
    "      local added = ARGV[5] == '1' and redis.pcall('SADD', set, id)\n"
    "      local why = type(added) == 'table' and added.err or ''\n"
    "      found[#found + 1] = {id, maker, why}\n"
    "    end\n"
    "    if redis.call('EXISTS', ARGV[1] .. maker, set .. ':of') == 0 then\n"
    "      found[#found + 1] = {id, maker, '', 1}\n"
    "    end\n"
    "  end\n"
    "end\n"
    "return {step[1], #step[2] / 2, redis.call('ZCARD', KEYS[1]), found}\n";

/*
 * Finds what is kept of tokens that are gone. ARGV as for script_walk_index, then the prefix of the
 * sets' keys and the pattern of the keys. Returns the same, with the creator's id as score, and the
 * selector. A token that is among those that created its creator comes with a fourth element.
 */
static const char script_walk_gone[] =
    MADE_CIRCULAR "local step = redis.call('SCAN', ARGV[2], 'MATCH', ARGV[5], 'COUNT', ARGV[3])\n"
		  "local found = {}\n"
		  "for _, key in ipairs(step[2]) do\n"
		  "  local id = string.sub(key, #ARGV[4] + 1, -4)\n"
		  "  local of = redis.pcall('HMGET', key, 'created_by', 'selector')\n"
		  "  if not of.err then\n"
		  "    local entry = {id, of[1] or '', of[2] or '?'}\n"
		  "    if circular(ARGV[4], ARGV[1], id, of[1]) then entry[4] = 1 end\n"
		  "    found[#found + 1] = entry\n"
		  "  end\n"
		  "end\n"
		  "return {step[1], #step[2], 0, found}\n";

/*
 * Finds jobs of the index whose record does not match the set of public jobs, and ports whose host
 * is that of another job. ARGV as for script_walk_index, then the key of the set. Returns the same:
 * with "unlisted" or "listed" as score, or with the number of the port. Records that break the
 * rules by their size are left out.
 */
static const char script_walk_jobs[] =
    "local step = redis.call('ZSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])\n"
    "local found = {}\n"
    "local function look(id)\n"
    "  local size = redis.pcall('HLEN', ARGV[1] .. id)\n"
    "  if type(size) == 'table' or size == 0 or size > 1024 then return end\n"
    "  local public = redis.call('HGET', ARGV[1] .. id, 'access') == 'public'\n"
    "  local listed = redis.pcall('SISMEMBER', ARGV[4], id) == 1\n"
    "  if public and not listed then found[#found + 1] = {id, 'unlisted'} end\n"
    "  if listed and not public then found[#found + 1] = {id, 'listed'} end\n"
    "  for _, field in ipairs(redis.call('HKEYS', ARGV[1] .. id)) do\n"
    "    local port = string.match(field, '^port:([1-9]%d?%d?%d?%d?)$')\n"
    "    if port and redis.call('EXISTS', ARGV[1] .. id .. '-' .. port) == 1 then\n"
    "      found[#found + 1] = {id, port}\n"
    "    end\n"
    "  end\n"
    "end\n"
    "for i = 1, #step[2], 2 do look(step[2][i]) end\n"
    "return {step[1], #step[2] / 2, redis.call('ZCARD', KEYS[1]), found}\n";

/*
 * Finds what is wrong with the set of public jobs itself. KEYS[1]: the set. ARGV: the cursor, how
 * many. Returns the same: with "id" as score, a member that is no job's id (its first 64 bytes);
 * with "many" or "type", that the set has too many members, or is none.
 */
static const char script_walk_public[] =
    "local step = redis.pcall('SSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])\n"
    "if step.err and string.find(step.err, '^WRONGTYPE') then\n"
    "  return {'0', 0, 0, {{'', 'type'}}}\n"
    "end\n"
    "if step.err then return step end\n"
    "local found, total = {}, redis.call('SCARD', KEYS[1])\n"
    "if ARGV[1] == '0' and total > 10000 then found[1] = {'', 'many'} end\n"
    "for _, id in ipairs(step[2]) do\n"
    "  if #id > 63 or not string.find(id, '^[a-z0-9-]+$') or string.find(id, '^%-') or\n"
    "      string.find(id, '%-$') then\n"
    "    found[#found + 1] = {string.sub(id, 1, 64), 'id'}\n"
    "  end\n"
    "end\n"
    "return {step[1], #step[2], total, found}\n";

bool
store_walk_cursor(const redisReply *reply, char out[STORE_WALK_CURSOR_MAX])
{
	struct slice cursor = redis_text(reply);

	if (cursor.at == NULL || cursor.len >= STORE_WALK_CURSOR_MAX)
		return false;
	memcpy(out, cursor.at, cursor.len + 1);
	return true;
}

static void
read_index(struct operation *operation, const redisReply *reply)
{
	store_walk_done *done = operation->walk_done;
	struct store_walk_entry *entries;
	struct store_walk_step step = {0};
	const redisReply *found;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4 ||
	    !store_walk_cursor(reply->element[0], step.next) ||
	    reply->element[1]->type != REDIS_REPLY_INTEGER ||
	    reply->element[2]->type != REDIS_REPLY_INTEGER ||
	    reply->element[3]->type != REDIS_REPLY_ARRAY)
		return;
	found = reply->element[3];
	entries = calloc(found->elements + 1, sizeof(*entries));
	if (entries == NULL)
		return;
	for (size_t i = 0; i < found->elements; i++) {
		const redisReply *pair = found->element[i];

		if (pair->type != REDIS_REPLY_ARRAY || pair->elements < 2)
			continue;
		entries[step.count] = (struct store_walk_entry){
		    .id = redis_text(pair->element[0]), .score = redis_text(pair->element[1])};
		if (pair->elements > 2 && redis_text(pair->element[2]).len > 0)
			entries[step.count].why = redis_text(pair->element[2]).at;
		entries[step.count].cut_off = pair->elements > 3;
		step.count++;
	}
	step.entries = entries;
	step.looked_at = (uint64_t)reply->element[1]->integer;
	step.total = (uint64_t)reply->element[2]->integer;
	operation->walk_done = NULL;
	done(operation->ctx, STORE_OK, &step);
	free(entries);
}

static struct arguments *
index_arguments(
    const struct store *store, const char *script, enum record_kind kind, const char *cursor)
{
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments == NULL)
		return NULL;
	arguments_add(arguments, slice_of(script));
	arguments_add(arguments, SLICE("1"));
	arguments_add_index_key(arguments, store, kind);
	arguments_add_record_key(arguments, store, kind, SLICE(""));
	arguments_add(arguments, slice_of(cursor));
	arguments_add(arguments, SLICE(STEP));
	return arguments;
}

void
store_walk_index(struct store *store, enum record_kind kind, const char *cursor,
    store_walk_done *done, void *ctx)
{
	struct operation operation = {
	    .kind = kind, .read = read_index, .walk_done = done, .ctx = ctx};
	struct arguments *arguments = index_arguments(store, script_walk_index, kind, cursor);

	store_run(store, &operation, arguments);
	free(arguments);
}

void
store_walk_made(
    struct store *store, const char *cursor, bool mend, store_walk_done *done, void *ctx)
{
	struct operation operation = {
	    .kind = RECORD_TOKEN, .read = read_index, .walk_done = done, .ctx = ctx};
	struct arguments *arguments =
	    index_arguments(store, script_walk_made, RECORD_TOKEN, cursor);

	if (arguments != NULL) {
		arguments_add_made_key(arguments, store, SLICE(""));
		arguments_add(arguments, mend ? SLICE("1") : SLICE("0"));
	}
	store_run(store, &operation, arguments);
	free(arguments);
}

void
store_walk_jobs(struct store *store, const char *cursor, store_walk_done *done, void *ctx)
{
	struct operation operation = {
	    .kind = RECORD_JOB, .read = read_index, .walk_done = done, .ctx = ctx};
	struct arguments *arguments = index_arguments(store, script_walk_jobs, RECORD_JOB, cursor);

	if (arguments != NULL)
		arguments_add_text(arguments, "%s" PUBLIC_KEY, store_prefix(store));
	store_run(store, &operation, arguments);
	free(arguments);
}

void
store_walk_public(struct store *store, const char *cursor, store_walk_done *done, void *ctx)
{
	struct operation operation = {
	    .kind = RECORD_JOB, .read = read_index, .walk_done = done, .ctx = ctx};
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_walk_public));
		arguments_add(arguments, SLICE("1"));
		arguments_add_text(arguments, "%s" PUBLIC_KEY, store_prefix(store));
		arguments_add(arguments, slice_of(cursor));
		arguments_add(arguments, SLICE(STEP));
	}
	store_run(store, &operation, arguments);
	free(arguments);
}

void
store_walk_gone(struct store *store, const char *cursor, store_walk_done *done, void *ctx)
{
	struct operation operation = {
	    .kind = RECORD_TOKEN, .read = read_index, .walk_done = done, .ctx = ctx};
	struct arguments *arguments =
	    index_arguments(store, script_walk_gone, RECORD_TOKEN, cursor);

	if (arguments != NULL) {
		arguments_add_made_key(arguments, store, SLICE(""));
		arguments_add_pattern(arguments, store, "made:*:of");
	}
	store_run(store, &operation, arguments);
	free(arguments);
}
