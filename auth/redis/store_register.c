/* store_register.c - keeps the record of a sidecar's job, which several gateways may share. */
#include <stdlib.h>

#include "auth/redis/arguments.h"
#include "auth/redis/records.h"
#include "auth/redis/register_script.h"
#include "auth/redis/store_operation.h"

/* The record is another one, which was not changed. */
static void
read_other(struct operation *operation, const redisReply *reply)
{
	struct record *record = NULL;
	const char *why;

	switch (record_decode(RECORD_JOB, slice_of(operation->id), reply, &record, &why)) {
	case RECORD_GOOD:
		store_tell(operation, STORE_CONFLICT, record);
		return;
	case RECORD_BROKEN:
		store_tell(operation, STORE_BROKEN, NULL);
		return;
	case RECORD_TOO_LARGE:
		store_tell(operation, STORE_TOO_LARGE, NULL);
		return;
	case RECORD_MISSING:
	case RECORD_FAILED:
		return; /* unavailable */
	}
}

static void
read_registered(struct operation *operation, const redisReply *reply)
{
	long long code;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1 ||
	    !reply_is_integer(reply->element[0], &code))
		return;
	if (code == 1 && reply->elements == 2)
		operation_read_record(operation, reply->element[1]);
	else if (code == 2 && reply->elements == 2)
		read_other(operation, reply->element[1]);
	else if (code == 0)
		store_tell(operation, STORE_CONFLICT, NULL);
	else if (code == -6)
		store_tell(operation, STORE_COLLIDES, NULL);
}

void
store_job_register(struct store *store, const struct record *record, uint64_t created_ms,
    const char mark[STORE_MARK_LEN + 1], store_record_done *done, void *ctx)
{
	struct slice id = record->job.id;
	struct operation operation = operation_change(RECORD_JOB, id, read_registered, done, ctx);
	struct arguments *arguments =
	    arguments_script(store, script_register, true, RECORD_JOB, id);

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(mark));
		arguments_add(arguments, id);
		arguments_add_text(arguments, "%llu", (unsigned long long)created_ms);
		arguments_add_text(arguments, "%llu", (unsigned long long)record->job.lease);
		arguments_add_fields(arguments, record);
	}
	store_run(store, &operation, arguments);
	free(arguments);
}

static void
read_unregistered(struct operation *operation, const redisReply *reply)
{
	long long gone;

	if (reply_is_integer(reply, &gone))
		store_tell(operation,
		    gone == 1	? STORE_OK
		    : gone == 2 ? STORE_CONFLICT
				: STORE_ABSENT,
		    NULL);
}

void
store_job_unregister(struct store *store, struct slice id, const char mark[STORE_MARK_LEN + 1],
    store_record_done *done, void *ctx)
{
	struct operation operation = operation_change(RECORD_JOB, id, read_unregistered, done, ctx);
	struct arguments *arguments =
	    arguments_script(store, script_unregister, true, RECORD_JOB, id);

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(mark));
		arguments_add(arguments, id);
	}
	store_run(store, &operation, arguments);
	free(arguments);
}
