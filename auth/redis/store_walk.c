/* store_walk.c - walks through the keys of records in steps that are short for Redis. */
#include "auth/redis/store_walk.h"
#include "auth/record.h"

#include <stdlib.h>

#include "auth/redis/arguments.h"
#include "auth/redis/record_script.h"
#include "auth/redis/store_operation.h"

/*
 * About how many keys or entries a step looks at. A careful step has so few that a reply has room
 * for them even if each is as large as a record may be.
 */
#define STEP "250"
#define CAREFUL_STEP "10"

static const char script_get[] = RECORD_SCRIPT_GET;

/*
 * A step sends SCAN for the keys, then reads all of them in one transaction, so that a record and
 * its place in the index are from the same moment. In a transaction Redis copies records straight
 * to its answer; a script would make Lua tables of them first.
 */
struct keys_step {
	struct store *store;
	enum record_kind kind;
	bool careful;
	store_walk_begun *begun;
	store_walk_done *done;
	void *ctx;
	char next[STORE_WALK_CURSOR_MAX];
	size_t count;
	struct slice *ids; /* of the keys, in `text` */
	char *text;
};

static void
keys_step_free(struct keys_step *step)
{
	free(step->ids);
	free(step->text);
	free(step);
}

/* SCAN or the transaction got no answer. */
static void
keys_step_failed(void *ctx, enum store_result result, const struct store_walk_step *none)
{
	struct keys_step *step = ctx;
	store_walk_done *done = step->done;
	void *done_ctx = step->ctx;

	(void)none;
	keys_step_free(step);
	done(done_ctx, result, NULL);
}

/* False when the record was deleted after SCAN named its key. */
static bool
read_entry(
    enum record_kind kind, struct slice id, const redisReply *hash, struct store_walk_entry *out)
{
	struct record *record = NULL;

	*out = (struct store_walk_entry){.id = id, .why = "its id is not valid"};
	if (!record_types[kind].id_valid(id))
		return true;
	if (record_decode(kind, id, hash, &record, &out->why) == RECORD_MISSING)
		return false;
	out->record = record;
	return true;
}

/* The answer to EXEC: {how many are in the index, score of each, hash, hash, ...}. */
static void
read_records(struct operation *operation, const redisReply *reply)
{
	struct keys_step *keys = operation->ctx;
	struct store_walk_entry *entries = calloc(keys->count + 1, sizeof(*entries));
	struct store_walk_step step = {.entries = entries, .looked_at = keys->count};
	const redisReply *scores;

	if (entries == NULL || reply->type != REDIS_REPLY_ARRAY ||
	    reply->elements != 2 + keys->count) {
		free(entries);
		return;
	}
	if (reply->element[0]->type == REDIS_REPLY_INTEGER)
		step.total = (uint64_t)reply->element[0]->integer;
	scores = reply->element[1]; /* an error where the index has a wrong type */
	memcpy(step.next, keys->next, sizeof(step.next));
	for (size_t i = 0; i < keys->count; i++) {
		struct store_walk_entry *entry = &entries[step.count];

		if (!read_entry(operation->kind, keys->ids[i], reply->element[2 + i], entry))
			continue;
		if (scores->type == REDIS_REPLY_ARRAY && i < scores->elements)
			entry->score = redis_text(scores->element[i]);
		step.count++;
	}
	operation->walk_done = NULL;
	keys->done(keys->ctx, STORE_OK, &step);
	for (size_t i = 0; i < step.count; i++)
		free((struct record *)entries[i].record);
	free(entries);
	keys_step_free(keys);
}

/* Remember the ids of the keys. False when a key is shorter than the prefix, or memory is short. */
static bool
keep_ids(struct keys_step *step, const redisReply *keys, size_t prefix_len)
{
	size_t bytes = 0;
	char *at;

	for (size_t i = 0; i < keys->elements; i++) {
		if (redis_text(keys->element[i]).len < prefix_len)
			return false;
		bytes += (size_t)keys->element[i]->len - prefix_len;
	}
	step->ids = calloc(keys->elements + 1, sizeof(*step->ids));
	step->text = at = malloc(bytes + 1);
	if (step->ids == NULL || at == NULL)
		return false;
	for (size_t i = 0; i < keys->elements; i++) {
		struct slice id = slice_after(redis_text(keys->element[i]), prefix_len);

		if (id.len > 0)
			memcpy(at, id.at, id.len);
		step->ids[step->count++] = (struct slice){at, id.len};
		at += id.len;
	}
	return true;
}

static bool
send_read(const struct keys_step *step, const redisReply *key)
{
	if (step->careful)
		return store_send(step->store, 4,
		    (const char *[]){"EVAL_RO", script_get, "1", key->str},
		    (size_t[]){7, sizeof(script_get) - 1, 1, (size_t)key->len});
	return store_send(
	    step->store, 2, (const char *[]){"HGETALL", key->str}, (size_t[]){7, (size_t)key->len});
}

/* Send the transaction up to its EXEC. */
static bool
send_questions(const struct keys_step *step, const redisReply *keys, const char *index)
{
	const char **argv = calloc(step->count + 2, sizeof(*argv));
	size_t *len = calloc(step->count + 2, sizeof(*len));
	bool sent = false;

	if (argv == NULL || len == NULL)
		goto done;
	argv[0] = "ZMSCORE";
	argv[1] = index;
	len[0] = strlen(argv[0]);
	len[1] = strlen(index);
	for (size_t i = 0; i < step->count; i++) {
		argv[i + 2] = step->ids[i].at;
		len[i + 2] = step->ids[i].len;
	}
	sent = store_send(step->store, 1, (const char *[]){"MULTI"}, (size_t[]){5}) &&
	       store_send(step->store, 2, (const char *[]){"ZCARD", index}, (size_t[]){5, len[1]});
	/* ZMSCORE without members is an error; TIME takes its place in the answer. */
	if (step->count == 0)
		sent = sent && store_send(step->store, 1, (const char *[]){"TIME"}, (size_t[]){4});
	else
		sent = sent && store_send(step->store, (int)step->count + 2, argv, len);
	for (size_t i = 0; i < step->count && sent; i++)
		sent = send_read(step, keys->element[i]);
done:
	free(argv);
	free(len);
	return sent;
}

/* The answer to SCAN: {next cursor, {key, key, ...}}. */
static void
read_keys(struct operation *operation, const redisReply *reply)
{
	struct keys_step *step = operation->ctx;
	struct operation exec = {
	    .kind = step->kind, .read = read_records, .walk_done = keys_step_failed, .ctx = step};
	struct arguments *arguments = arguments_new("EXEC");
	struct arguments *names = arguments_new("");

	if (arguments == NULL || names == NULL || reply->type != REDIS_REPLY_ARRAY ||
	    reply->elements != 2 || !store_walk_cursor(reply->element[0], step->next) ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY)
		goto done;
	arguments_add_record_key(names, step->store, step->kind, SLICE(""));
	arguments_add_index_key(names, step->store, step->kind);
	if (!keep_ids(step, reply->element[1], names->len[1]))
		goto done;
	operation->walk_done = NULL;
	/*
	 * The next SCAN goes first, so that it is answered while this step's records are examined.
	 */
	step->begun(step->ctx, step->next);
	if (!send_questions(step, reply->element[1], names->at[2])) {
		free(arguments);
		arguments = NULL; /* store_run then tells the caller that it failed */
	}
	store_run(step->store, &exec, arguments);
done:
	free(arguments);
	free(names);
}

void
store_walk(struct store *store, enum record_kind kind, const char *cursor, bool careful,
    store_walk_begun *begun, store_walk_done *done, void *ctx)
{
	struct keys_step *step = malloc(sizeof(*step));
	struct operation operation = {
	    .kind = kind, .read = read_keys, .walk_done = keys_step_failed, .ctx = step};
	struct arguments *arguments = step != NULL ? arguments_new("SCAN") : NULL;

	if (step == NULL) {
		done(ctx, STORE_UNAVAILABLE, NULL);
		return;
	}
	*step = (struct keys_step){.store = store,
	    .kind = kind,
	    .careful = careful,
	    .begun = begun,
	    .done = done,
	    .ctx = ctx};
	if (arguments != NULL) {
		arguments_add(arguments, slice_of(cursor));
		arguments_add(arguments, SLICE("MATCH"));
		arguments_add_pattern(arguments, store, kind == RECORD_TOKEN ? "token:*" : "job:*");
		arguments_add(arguments, SLICE("COUNT"));
		arguments_add(arguments, careful ? SLICE(CAREFUL_STEP) : SLICE(STEP));
	}
	store_run(store, &operation, arguments);
	free(arguments);
}
