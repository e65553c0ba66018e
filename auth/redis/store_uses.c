/* store_uses.c - reads a record, with its last use; writes when tokens and jobs were last used. */
#include <stdlib.h>

#include "auth/redis/arguments.h"
#include "auth/redis/store_operation.h"
#include "auth/redis/store_state.h"
#include "auth/redis/uses_script.h"

/* True when the server takes no writes for now: uses wait in the workers' rings until it does. An
 * error of the set or of our rights would come again. */
static bool
takes_no_writes(struct slice why)
{
	return slice_starts_with(why, SLICE("OOM ")) || slice_starts_with(why, SLICE("MISCONF ")) ||
	       slice_starts_with(why, SLICE("NOREPLICAS "));
}

static void
read_written(struct operation *operation, const redisReply *reply)
{
	struct store *store = operation->store;
	struct slice why = {reply->str, reply->len};
	enum store_result result = STORE_BROKEN;
	long long code;

	if (reply_is_integer(reply, &code))
		result = STORE_OK;
	else if (takes_no_writes(why))
		result = STORE_UNAVAILABLE;
	if (result != store->uses_result && result != STORE_OK)
		log_warning(&store->log,
		    result == STORE_BROKEN
			? "the store does not take the last uses of tokens and jobs (%sused), so "
			  "last_used_at and last_request_at stay as they are: %.*s"
			: "the store takes no writes, so the last uses of tokens and jobs (%sused) "
			  "wait until it does: %.*s",
		    store->prefix, (int)why.len, why.at);
	store->uses_result = result;
	store_tell(operation, result, NULL);
}

void
store_record_uses(struct store *store, const struct record_use *uses, size_t count,
    store_record_done *done, void *ctx)
{
	struct operation operation =
	    operation_read(RECORD_TOKEN, SLICE("uses"), read_written, done, ctx);
	struct arguments *arguments = arguments_new("EVAL");

	operation.reads_noperm = true; /* an ACL that hides the set refuses all of the script */
	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_uses));
		arguments_add(arguments, SLICE("1"));
		arguments_add_uses_key(arguments, store);
		arguments_add(arguments, slice_of(store_prefix(store)));
		for (size_t i = 0; i < count && i < STORE_USES_MAX; i++) {
			arguments_add(arguments, record_use_member(&uses[i]));
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
		operation_read_used(operation, reply->element[0], reply->element[1]);
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
		if (kind == RECORD_JOB)
			arguments_add_text(arguments, RECORD_USE_JOB "%.*s", (int)id.len, id.at);
		else
			arguments_add(arguments, id);
		arguments_add_uses_key(arguments, store);
	}
	store_run(store, &operation, arguments);
	free(arguments);
}
