/* store_limits.c - changes what limits a token, and keeps its value. */
#include <stdlib.h>

#include "auth/redis/arguments.h"
#include "auth/redis/connection.h"
#include "auth/redis/limit_script.h"
#include "auth/redis/store_operation.h"

static void
read_limited(struct operation *operation, const redisReply *reply)
{
	long long code;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1 ||
	    !reply_is_integer(reply->element[0], &code))
		return;
	if (code == 1 && reply->elements == 3)
		operation_read_used(operation, reply->element[1], reply->element[2]);
	else
		store_tell(operation, code == 0 ? STORE_CONFLICT : STORE_ABSENT, NULL);
}

void
store_token_limit(struct store *store, const struct store_caller *caller,
    const struct record *record, uint32_t changed, store_record_done *done, void *ctx)
{
	const struct token *token = &record->token;
	struct operation operation =
	    operation_change(RECORD_TOKEN, token->id, read_limited, done, ctx);
	struct arguments *arguments =
	    arguments_of_caller(store, script_limit, false, RECORD_TOKEN, token->id, caller);

	if (arguments != NULL) {
		arguments_add_text(arguments, "%llu", (unsigned long long)token->version);
		arguments_add_limit_names(arguments);
		arguments_add_uses_key(arguments, store);
		arguments_add_changes(
		    arguments, record, changed | FIELD_BIT(TOKEN_FIELD_UPDATED_AT));
	}
	store_run(store, &operation, arguments);
	free(arguments);
}
