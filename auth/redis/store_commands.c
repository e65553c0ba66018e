/* store_commands.c - what each operation sends, and what its reply means. */
#include <stdio.h>
#include <stdlib.h>

#include "auth/record.h"
#include "auth/redis/arguments.h"
#include "auth/redis/records.h"
#include "auth/redis/store_operation.h"
#include "auth/redis/store_scripts.h"
#include "jobgate/check.h"

struct operation
operation_read(enum record_kind kind, struct slice id,
    void (*read)(struct operation *, const redisReply *), store_record_done *done, void *ctx)
{
	struct operation operation = {.kind = kind, .read = read, .done = done, .ctx = ctx};

	CHECK(id.len < sizeof(operation.id) && read != NULL);
	memcpy(operation.id, id.at, id.len);
	return operation;
}

struct operation
operation_change(enum record_kind kind, struct slice id,
    void (*read)(struct operation *, const redisReply *), store_record_done *done, void *ctx)
{
	struct operation operation = operation_read(kind, id, read, done, ctx);

	operation.change = true;
	return operation;
}

bool
reply_is_integer(const redisReply *reply, long long *value)
{
	*value = reply->integer;
	return reply->type == REDIS_REPLY_INTEGER;
}

void
reply_to_use(const redisReply *use, struct record *record)
{
	uint64_t minute;

	bool unknown = use->type == REDIS_REPLY_ERROR;

	if (record == NULL)
		return;
	if (!slice_to_number(redis_text(use), UINT32_MAX, &minute))
		minute = 0;
	if (record->kind == RECORD_TOKEN) {
		record->token.use_unknown = unknown;
		record->token.last_used_ms = minute * RECORD_USE_MS;
	} else if (record->kind == RECORD_JOB) {
		record->job.use_unknown = unknown;
		record->job.last_request_ms = minute * RECORD_USE_MS;
	}
}

void
operation_read_record(struct operation *operation, const redisReply *reply)
{
	operation_read_used(operation, reply, NULL);
}

void
operation_read_used(struct operation *operation, const redisReply *reply, const redisReply *use)
{
	struct record *record = NULL;
	const char *why;

	switch (record_decode(operation->kind, slice_of(operation->id), reply, &record, &why)) {
	case RECORD_GOOD:
		if (use != NULL)
			reply_to_use(use, record);
		store_tell(operation, STORE_OK, record);
		return;
	case RECORD_MISSING:
		store_tell(operation, STORE_ABSENT, NULL);
		return;
	case RECORD_BROKEN:
		store_tell(operation, STORE_BROKEN, NULL);
		return;
	case RECORD_TOO_LARGE:
		store_tell(operation, STORE_TOO_LARGE, NULL);
		return;
	case RECORD_FAILED:
		return; /* unavailable */
	}
}

void
operation_read_before(struct operation *operation, const redisReply *reply)
{
	const char *why;

	record_decode(operation->kind, slice_of(operation->id), reply, &operation->before, &why);
}

static void
read_created(struct operation *operation, const redisReply *reply)
{
	long long made;

	if (!reply_is_integer(reply, &made))
		return;
	if (made == -6 || made == -7)
		store_tell(operation, made == -6 ? STORE_COLLIDES : STORE_TOO_MANY_PUBLIC, NULL);
	else if (made < 0)
		store_tell(operation, STORE_OVER_QUOTA, NULL);
	else
		store_tell(operation, made ? STORE_OK : STORE_CONFLICT, NULL);
}

static void
read_deleted(struct operation *operation, const redisReply *reply)
{
	long long gone;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    !reply_is_integer(reply->element[0], &gone))
		return;
	operation_read_before(operation, reply->element[1]);
	store_tell(operation, gone ? STORE_OK : STORE_ABSENT, NULL);
}

/*
 * {1, record, its last use, perhaps more}; {0} is `refused`; {-1}: no record; {-2}: the job would
 * leave the scope; {-3}: too many ports; {-6}: a port collides with another job; {-7}: too many
 * public jobs; {-8}: the job is public.
 */
static void
read_changed(struct operation *operation, const redisReply *reply, enum store_result refused)
{
	long long code;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1 ||
	    !reply_is_integer(reply->element[0], &code))
		return;
	if (code == 1 && reply->elements >= 3)
		operation_read_used(operation, reply->element[1], reply->element[2]);
	else if (code == 0)
		store_tell(operation, refused, NULL);
	else
		store_tell(operation,
		    code == -2	 ? STORE_OUT_OF_SCOPE
		    : code == -3 ? STORE_TOO_MANY_PORTS
		    : code == -6 ? STORE_COLLIDES
		    : code == -7 ? STORE_TOO_MANY_PUBLIC
		    : code == -8 ? STORE_IS_PUBLIC
				 : STORE_ABSENT,
		    NULL);
}

static void
read_renewed(struct operation *operation, const redisReply *reply)
{
	read_changed(operation, reply, STORE_CONFLICT);
}

static void
read_patched(struct operation *operation, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 4)
		operation_read_before(operation, reply->element[3]);
	read_changed(operation, reply, STORE_TOO_MANY);
}

void
store_create(struct store *store, const struct record *record, uint64_t created_ms,
    const struct store_maker *maker, store_record_done *done, void *ctx)
{
	struct slice id = record_id(record);
	struct operation operation = operation_change(record->kind, id, read_created, done, ctx);
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_create));
		arguments_add(arguments, SLICE("3"));
		arguments_add_record_key(arguments, store, record->kind, id);
		arguments_add_index_key(arguments, store, record->kind);
		arguments_add_maker_key(arguments, store, maker);
		arguments_add_maker(arguments, store, record, maker);
		arguments_add(arguments, id);
		arguments_add_text(arguments, "%llu", (unsigned long long)created_ms);
		arguments_add_text(arguments, "%llu", (unsigned long long)record_lease(record));
		arguments_add_fields(arguments, record);
	}
	store_run(store, &operation, arguments);
	free(arguments);
}

/* Add what DELETE_WITHIN takes. */
static void
add_deletion(
    struct arguments *arguments, const struct store *store, enum record_kind kind, struct slice id)
{
	arguments_add(arguments, id);
	arguments_add(arguments, store_waits(store) ? SLICE("1") : SLICE("0"));
	arguments_add_quota_key(arguments, store, kind);
	if (kind == RECORD_TOKEN)
		arguments_add_made_key(arguments, store, SLICE(""));
	else
		arguments_add(arguments, SLICE(""));
	arguments_add_uses_key(arguments, store);
	arguments_add_record_key(arguments, store, RECORD_TOKEN, SLICE(""));
}

void
store_job_delete(struct store *store, struct slice id, const struct store_caller *caller,
    store_record_done *done, void *ctx)
{
	struct operation operation = operation_change(RECORD_JOB, id, read_deleted, done, ctx);
	struct arguments *arguments =
	    arguments_of_caller(store, script_delete_job, true, RECORD_JOB, id, caller);

	if (arguments != NULL)
		add_deletion(arguments, store, RECORD_JOB, id);
	store_run(store, &operation, arguments);
	free(arguments);
}

void
store_token_revoke(struct store *store, struct slice id, const unsigned char hash[TOKEN_HASH_LEN],
    store_record_done *done, void *ctx)
{
	struct operation operation = operation_change(RECORD_TOKEN, id, read_deleted, done, ctx);
	struct arguments *arguments =
	    arguments_script(store, script_revoke, true, RECORD_TOKEN, id);

	if (arguments != NULL) {
		arguments_add_hash(arguments, hash);
		add_deletion(arguments, store, RECORD_TOKEN, id);
	}
	store_run(store, &operation, arguments);
	free(arguments);
}

void
store_job_renew(struct store *store, struct slice id, const struct store_caller *caller,
    store_record_done *done, void *ctx)
{
	struct operation operation = operation_change(RECORD_JOB, id, read_renewed, done, ctx);
	struct arguments *arguments =
	    arguments_of_caller(store, script_renew_job, false, RECORD_JOB, id, caller);

	store_run(store, &operation, arguments);
	free(arguments);
}

static bool
has(uint32_t fields, size_t index)
{
	return (fields & FIELD_BIT(index)) != 0;
}

/* How many pairs of name and value the patch sets. */
static size_t
count_pairs(const struct store_job_patch *patch)
{
	size_t count = 0;

	for (size_t i = 0; i < JOB_FIELDS; i++)
		if (has(patch->given, i))
			count += i == JOB_FIELD_LABELS	? patch->record->job.labels.count
				 : i == JOB_FIELD_PORTS ? patch->record->job.ports.count
							: 1;
	return count;
}

static void
add_patch(struct arguments *arguments, const struct store_job_patch *patch)
{
	const struct record_field *rows = record_fields[RECORD_JOB].rows;

	arguments_add_text(arguments, "%zu", count_pairs(patch));
	for (size_t i = 0; i < JOB_FIELDS; i++)
		if (has(patch->given, i))
			arguments_add_field(arguments, &rows[i], patch->record);
	for (size_t i = 0; i < JOB_FIELDS; i++)
		if (has(patch->removed, i) && i != JOB_FIELD_LABELS && i != JOB_FIELD_PORTS)
			arguments_add(arguments, slice_of(rows[i].stored));
	for (size_t i = 0; i < patch->labels_removed_count; i++)
		arguments_add_label_name(arguments, patch->labels_removed[i]);
	for (size_t i = 0; i < patch->ports_removed_count; i++)
		arguments_add_port_name(arguments, patch->ports_removed[i]);
}

void
store_job_patch(struct store *store, struct slice id, const struct store_caller *caller,
    const struct store_job_patch *patch, store_record_done *done, void *ctx)
{
	struct operation operation = operation_change(RECORD_JOB, id, read_patched, done, ctx);
	struct arguments *arguments =
	    arguments_of_caller(store, script_patch, true, RECORD_JOB, id, caller);
	bool stays = has(patch->removed, JOB_FIELD_LEASE);

	if (arguments != NULL) {
		arguments_add(arguments, patch->leaves_scope	? SLICE("1")
					 : patch->not_of_public ? SLICE("2")
								: SLICE("0"));
		arguments_add(arguments, patch->updated_at);
		arguments_add_text(arguments, "%d", JOB_LABELS_MAX);
		arguments_add(
		    arguments, has(patch->removed, JOB_FIELD_LABELS) ? SLICE("1") : SLICE("0"));
		arguments_add_text(arguments, "%d", JOB_PORTS_MAX);
		arguments_add(
		    arguments, has(patch->removed, JOB_FIELD_PORTS) ? SLICE("1") : SLICE("0"));
		arguments_add_text(arguments, "%d", stays ? -1 : (int)record_lease(patch->record));
		add_patch(arguments, patch);
	}
	store_run(store, &operation, arguments);
	free(arguments);
}

/* Read {id, score, record}, an entry of the page; false when the reply has another form. */
static bool
read_entry(enum record_kind kind, const redisReply *entry, struct store_cursor *place,
    struct record **record)
{
	const char *why;

	if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 4 ||
	    entry->element[0]->type != REDIS_REPLY_STRING || entry->element[0]->len > JOB_ID_MAX ||
	    entry->element[1]->type != REDIS_REPLY_STRING ||
	    entry->element[1]->len >= STORE_SCORE_MAX ||
	    entry->element[2]->type != REDIS_REPLY_ARRAY)
		return false;
	snprintf(place->id, sizeof(place->id), "%s", entry->element[0]->str);
	snprintf(place->score, sizeof(place->score), "%s", entry->element[1]->str);
	if (record_decode(kind, slice_of(place->id), entry->element[2], record, &why) !=
	    RECORD_GOOD)
		*record = NULL;
	reply_to_use(entry->element[3], *record);
	return true;
}

/* The answer of script_page. */
static void
read_page(struct operation *operation, const redisReply *reply)
{
	struct record *records[STORE_PAGE_MAX] = {0};
	struct store_cursor places[STORE_PAGE_MAX];
	struct store_page page = {.records = records, .places = places, .next = STORE_CURSOR_START};
	store_page_done *done = operation->page_done;
	const redisReply *entries;
	long long more;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    !reply_is_integer(reply->element[0], &more) ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY ||
	    reply->element[1]->elements > STORE_PAGE_MAX)
		return;
	entries = reply->element[1];
	page.more = more != 0;
	for (size_t i = 0; i < entries->elements; i++) {
		if (!read_entry(operation->kind, entries->element[i], &places[page.count],
			&records[page.count]))
			goto done;
		page.next = places[page.count];
		if (records[page.count] != NULL)
			page.count++;
	}
	operation->page_done = NULL;
	done(operation->ctx, STORE_OK, &page);
done:
	for (size_t i = 0; i < STORE_PAGE_MAX; i++)
		free(records[i]);
}

void
store_page(struct store *store, enum record_kind kind, const struct store_cursor *after,
    store_page_done *done, void *ctx)
{
	struct operation operation = {
	    .kind = kind, .read = read_page, .page_done = done, .ctx = ctx};
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_page));
		arguments_add(arguments, SLICE("1"));
		arguments_add_index_key(arguments, store, kind);
		arguments_add_record_key(arguments, store, kind, SLICE(""));
		arguments_add(arguments, slice_of(after->score));
		arguments_add(arguments, slice_of(after->id));
		arguments_add_text(arguments, "%d", STORE_PAGE_MAX);
		arguments_add(arguments, record_types[kind].lapses ? SLICE("1") : SLICE("0"));
		arguments_add_uses_key(arguments, store);
		arguments_add(arguments, kind == RECORD_JOB ? SLICE(RECORD_USE_JOB) : SLICE(""));
	}
	store_run(store, &operation, arguments);
	free(arguments);
}
