/* store_limits.c - changes what limits a token, and keeps its value. */
#include <stdlib.h>

#include "auth/redis/arguments.h"
#include "auth/redis/connection.h"
#include "auth/redis/record_script.h"
#include "auth/redis/role_script.h"
#include "auth/redis/scope_script.h"
#include "auth/redis/store_operation.h"

/*
 * KEYS: the record. ARGV: scope, version, the names of all fields that limit tokens, the set of
 * uses, the number of fields to remove, these, then fields and values to set. Returns {code}: 0 for
 * another version, -1 for no record; or {1, the record, its use}.
 */
static const char script_limit[] = TOKEN_WITHIN RECORD_SCRIPT_WHOLE ROLE_SCRIPT
    "local version = within and redis.pcall('HGET', KEYS[1], 'version')\n"
    "if type(version) ~= 'string' then return {-1} end\n"
    "if version ~= ARGV[at + 1] then return {0} end\n"
    "local gone = at + 4 + tonumber(ARGV[at + 4])\n"
    "redis.call('HSET', KEYS[1], unpack(ARGV, gone + 1))\n"
    "for i = at + 5, gone do redis.call('HDEL', KEYS[1], ARGV[i]) end\n"
    "write_needs(ARGV[at + 2])\n"
    "local id = string.sub(KEYS[1], -16)\n"
    "return {1, (whole(KEYS[1])), redis.pcall('ZSCORE', ARGV[at + 3], id)}\n";

static void
read_limited(struct operation *operation, const redisReply *reply)
{
	long long code;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1 ||
	    !reply_is_integer(reply->element[0], &code))
		return;
	if (code == 1 && reply->elements == 3)
		operation_read_token(operation, reply->element[1], reply->element[2]);
	else
		store_tell(operation, code == 0 ? STORE_CONFLICT : STORE_ABSENT, NULL);
}

void
store_token_limit(struct store *store, const struct label_set *scope, const struct record *record,
    uint32_t changed, store_record_done *done, void *ctx)
{
	const struct token *token = &record->token;
	struct operation operation =
	    operation_change(RECORD_TOKEN, token->id, read_limited, done, ctx);
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_limit));
		arguments_add(arguments, SLICE("1"));
		arguments_add_record_key(arguments, store, RECORD_TOKEN, token->id);
		arguments_add_scope(arguments, scope);
		arguments_add_text(arguments, "%llu", (unsigned long long)token->version);
		arguments_add_limit_names(arguments);
		arguments_add_uses_key(arguments, store);
		arguments_add_changes(
		    arguments, record, changed | FIELD_BIT(TOKEN_FIELD_UPDATED_AT));
	}
	store_run(store, &operation, arguments);
	free(arguments);
}
