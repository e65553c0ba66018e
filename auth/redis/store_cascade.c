/* store_cascade.c - deletes a token, and counts its descendants or deletes them, too. */
#include <stdlib.h>

#include "auth/redis/arguments.h"
#include "auth/redis/cascade_script.h"
#include "auth/redis/connection.h"
#include "auth/redis/store_operation.h"

/* The answer of script_delete_token. */
static void
read_deleted(struct operation *operation, const redisReply *reply)
{
	long long gone, remaining, more;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4 ||
	    !reply_is_integer(reply->element[0], &gone) ||
	    !reply_is_integer(reply->element[2], &remaining) ||
	    !reply_is_integer(reply->element[3], &more))
		return;
	operation_read_before(operation, reply->element[1]);
	operation->deletion.remaining = (unsigned)remaining;
	operation->deletion.more = more != 0;
	store_tell(operation, gone ? STORE_OK : STORE_ABSENT, NULL);
}

/* The answer of script_cascade. */
static void
read_cascade(struct operation *operation, const redisReply *reply)
{
	struct store_deletion *deletion = &operation->deletion;
	long long code;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1 ||
	    !reply_is_integer(reply->element[0], &code))
		return;
	if (code < 0) {
		store_tell(operation, STORE_ABSENT, NULL);
		return;
	}
	if (reply->elements < 2)
		return;
	operation_read_before(operation, reply->element[1]);
	deletion->more = code == 1;
	for (size_t i = 2; i < reply->elements && deletion->count < STORE_CASCADE_MAX; i++) {
		struct slice id = redis_text(reply->element[i]);

		if (id.len == TOKEN_ID_LEN)
			memcpy(deletion->ids[deletion->count++], id.at, id.len);
	}
	store_tell(operation, code == 2 ? STORE_BROKEN : STORE_OK, NULL);
}

static void
run(struct store *store, const char *script, const struct operation *operation,
    const struct store_caller *caller)
{
	struct slice id = slice_of(operation->id);
	struct arguments *arguments =
	    arguments_of_caller(store, script, true, RECORD_TOKEN, id, caller);

	if (arguments != NULL) {
		arguments_add(arguments, id);
		arguments_add(arguments, store_waits(store) ? SLICE("1") : SLICE("0"));
		arguments_add_quota_key(arguments, store, RECORD_TOKEN);
		arguments_add_made_key(arguments, store, SLICE(""));
		arguments_add_uses_key(arguments, store);
		arguments_add_record_key(arguments, store, RECORD_TOKEN, SLICE(""));
	}
	store_run(store, operation, arguments);
	free(arguments);
}

void
store_token_delete(struct store *store, struct slice id, const struct store_caller *caller,
    store_record_done *done, void *ctx)
{
	struct operation operation = operation_change(RECORD_TOKEN, id, read_deleted, done, ctx);

	run(store, script_delete_token, &operation, caller);
}

void
store_token_cascade(struct store *store, struct slice id, const struct store_caller *caller,
    store_record_done *done, void *ctx)
{
	struct operation operation = operation_change(RECORD_TOKEN, id, read_cascade, done, ctx);

	run(store, script_cascade, &operation, caller);
}

static void
read_gone(struct operation *operation, const redisReply *reply)
{
	long long added;

	if (reply_is_integer(reply, &added))
		store_tell(operation,
		    added > 0	 ? STORE_OK
		    : added == 0 ? STORE_CONFLICT
				 : STORE_CIRCLE,
		    NULL);
}

void
store_token_gone(
    struct store *store, const struct store_gone *gone, store_record_done *done, void *ctx)
{
	struct operation operation = operation_change(RECORD_TOKEN, gone->id, read_gone, done, ctx);
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_gone));
		arguments_add(arguments, SLICE("1"));
		arguments_add_text(arguments, "%smade:%.*s:of", store_prefix(store),
		    (int)gone->id.len, gone->id.at);
		arguments_add(arguments, gone->id);
		arguments_add(arguments, gone->created_by);
		arguments_add(arguments, gone->selector);
		arguments_add_made_key(arguments, store, SLICE(""));
		arguments_add_record_key(arguments, store, RECORD_TOKEN, SLICE(""));
	}
	store_run(store, &operation, arguments);
	free(arguments);
}
