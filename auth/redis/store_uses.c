/* store_uses.c - reads a record, with its last use; writes when tokens were last used. */
#include <stdlib.h>

#include "auth/redis/arguments.h"
#include "auth/redis/record_script.h"
#include "auth/redis/store_operation.h"
#include "auth/redis/store_state.h"

#define USES_LOOKS "4"

/*
 * KEYS[1]: the set of uses. ARGV: the prefix of token records, then ids and minutes. Workers never
 * read this key, so Redis tells no client of the change. The clock of a gateway may be wrong: no
 * use is later than the store's clock says. A few entries, drawn at random, are looked at each
 * time: those of tokens that have ended by themselves, or were deleted by another program, go.
 * Returns 1, or why the set cannot be written.
 */
static const char script_uses[] =
    "local set, records = KEYS[1], ARGV[1]\n"
    "local now = math.floor(tonumber(redis.call('TIME')[1]) / 60)\n"
    "local function exists(id) return redis.call('EXISTS', records .. id) == 1 end\n"
    "for i = 2, #ARGV, 2 do\n"
    "  local minute = math.min(tonumber(ARGV[i + 1]), now)\n"
    "  if exists(ARGV[i]) then\n"
    "    local reply = redis.pcall('ZADD', set, 'GT', minute, ARGV[i])\n"
    "    if type(reply) == 'table' then return reply.err end\n"
    "  end\n"
    "end\n"
    "local some = redis.pcall('ZRANDMEMBER', set, " USES_LOOKS ", 'WITHSCORES')\n"
    "for i = 1, #some, 2 do\n"
    "  if not exists(some[i]) then redis.pcall('ZREM', set, some[i])\n"
    "  elseif tonumber(some[i + 1]) > now then redis.pcall('ZADD', set, now, some[i]) end\n"
    "end\n"
    "return 1\n";

/*
 * Read one record. HGETALL alone would make Redis send all of a record of gigabytes for each
 * request that names it. KEYS: the record. ARGV: the id, the set of uses. Returns the record, and
 * the minute of its last use. The set is not among KEYS: an ACL that forbids it would refuse all of
 * the script, not only this call.
 */
static const char script_get[] =
    RECORD_SCRIPT_WHOLE "return {(whole(KEYS[1])), redis.pcall('ZSCORE', ARGV[2], ARGV[1])}\n";

static void
read_written(struct operation *operation, const redisReply *reply)
{
	struct store *store = operation->store;
	struct slice why = redis_text(reply);
	long long code;

	if (reply_is_integer(reply, &code)) {
		store->uses_refused = false;
		store_tell(operation, STORE_OK, NULL);
		return;
	}
	if (!store->uses_refused)
		log_warning(&store->log,
		    "the store does not take the last uses of tokens (%sused), so last_used_at "
		    "stays as it is: %.*s",
		    store->prefix, (int)why.len, why.at);
	store->uses_refused = true;
	store_tell(operation, STORE_BROKEN, NULL);
}

void
store_token_uses(struct store *store, const struct token_use *uses, size_t count,
    store_record_done *done, void *ctx)
{
	struct operation operation =
	    operation_read(RECORD_TOKEN, SLICE("uses"), read_written, done, ctx);
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_uses));
		arguments_add(arguments, SLICE("1"));
		arguments_add_uses_key(arguments, store);
		arguments_add_record_key(arguments, store, RECORD_TOKEN, SLICE(""));
		for (size_t i = 0; i < count && i < STORE_USES_MAX; i++) {
			arguments_add(arguments, (struct slice){uses[i].id, TOKEN_ID_LEN});
			arguments_add_text(arguments, "%llu", (unsigned long long)uses[i].minute);
		}
	}
	store_run(store, &operation, arguments);
	free(arguments);
}

static void
read_got(struct operation *operation, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
		operation_read_token(operation, reply->element[0], reply->element[1]);
	else if (reply->type == REDIS_REPLY_ERROR)
		operation_read_record(operation, reply);
}

void
store_get(
    struct store *store, enum record_kind kind, struct slice id, store_record_done *done, void *ctx)
{
	struct operation operation = operation_read(kind, id, read_got, done, ctx);
	struct arguments *arguments = arguments_new("EVAL_RO");

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_get));
		arguments_add(arguments, SLICE("1"));
		arguments_add_record_key(arguments, store, kind, id);
		arguments_add(arguments, id);
		arguments_add_uses_key(arguments, store);
	}
	store_run(store, &operation, arguments);
	free(arguments);
}
