/*
 * redis_scripts.c - server-side scripts, known by their text, as C. A script that is not here fails
 * the run: add a row to `scripts`. Who tracks and runs a script is told of changes of its KEYS: so
 * it is in Redis 7.0, and later where these are what the script reads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/redis/cascade_script.h"
#include "auth/redis/record_script.h"
#include "auth/redis/revoke_script.h"
#include "redis_call.h"
#include "trace.h"

#define NAME_MAX_LEN 160

/* A text of its own: what was read may be deleted next. */
struct text {
	char at[NAME_MAX_LEN];
};

static struct text
join(const char *before, const char *id, const char *after)
{
	struct text text;

	if (snprintf(text.at, sizeof(text.at), "%s%s%s", before, id, after) >= NAME_MAX_LEN)
		abort();
	return text;
}

/* ---- commands inside scripts ---- */

static bool
exists(struct call *call, const char *key)
{
	return redis_find(call->redis, key) != NULL;
}

/* False: there is no such field. */
static bool
get_field(struct call *call, const char *name, const char *field, struct text *value)
{
	struct redis_key *key = redis_find(call->redis, name);
	const struct redis_field *found =
	    key != NULL && key->type == REDIS_TYPE_HASH ? redis_field_find(key, field) : NULL;

	value->at[0] = '\0';
	if (found != NULL)
		snprintf(value->at, sizeof(value->at), "%s", found->value);
	return found != NULL;
}

static size_t
members(struct call *call, const char *name)
{
	const struct redis_key *key = redis_find(call->redis, name);

	return key != NULL ? key->field_count : 0;
}

#define DO(call, ...) redis_call_inner(call, (const char *const[]){__VA_ARGS__, NULL})

/* ---- made_script.h ---- */

/* The arguments behind a scope, of which there is none here. */
struct made {
	struct call *call;
	const char *record, *index, *id;
	bool writes; /* in any case */
	const char *quotas, *made, *used, *records;
};

/* argv: from the id on. */
static struct made
read_made(struct call *call, const char *const *argv)
{
	return (struct made){call, call->words[3], call->words[4], argv[0],
	    strcmp(argv[1], "1") == 0, argv[2], argv[3], argv[4], argv[5]};
}

static struct text
set_of(const struct made *made, const char *id)
{
	return join(made->made, id, "");
}

static struct text
note_of(const struct made *made, const char *id)
{
	return join(made->made, id, ":of");
}

static void
remember(const struct made *made, const char *id, const char *maker, const char *selector)
{
	DO(made->call, "HSET", note_of(made, id).at, "created_by", maker, "selector", selector);
}

static void
leave(const struct made *made, struct text maker, const char *left)
{
	struct text id = join(left, "", "");

	for (int i = 0; i < 100 && maker.at[0] != '\0'; i++) {
		bool has_set, lives;

		DO(made->call, "SREM", set_of(made, maker.at).at, id.at);
		has_set = exists(made->call, set_of(made, maker.at).at);
		lives = exists(made->call, join(made->records, maker.at, "").at);
		if (has_set || lives)
			return;
		id = maker;
		get_field(made->call, note_of(made, id.at).at, "created_by", &maker);
		DO(made->call, "DEL", note_of(made, id.at).at);
	}
}

static void
write_nothing(const struct made *made)
{
	DO(made->call, "ZADD", made->index, "0", "-");
	DO(made->call, "ZREM", made->index, "-");
}

/* ---- revoke_script.h ---- */

static void
delete_record(const struct made *made)
{
	struct call *call = made->call;
	struct text quota, maker, selector;
	bool has_quota = get_field(call, made->record, "quota", &quota);
	bool nested = exists(call, set_of(made, made->id).at);

	get_field(call, made->record, "created_by", &maker);
	if (!get_field(call, made->record, "selector", &selector))
		selector = join("?", "", "");
	DO(call, "ZREM", made->used, made->id);
	DO(call, "ZREM", made->index, made->id);
	DO(call, "DEL", made->record);
	if (has_quota)
		DO(call, "SREM", join(made->quotas, quota.at, "").at, made->id);
	if (nested)
		remember(made, made->id, maker.at, selector.at);
	else
		leave(made, maker, made->id);
}

static void
run_revoke(struct call *call)
{
	struct made made = read_made(call, &call->words[6]);
	struct text hash;
	bool within =
	    get_field(call, made.record, "hash", &hash) && strcasecmp(hash.at, call->words[5]) == 0;

	if (within)
		delete_record(&made);
	else if (made.writes)
		write_nothing(&made);
	redis_reply_number(call, within);
}

/* ---- cascade_script.h ---- */

#define STEPS 100 /* CASCADE_STEPS */

struct cascade {
	struct made made;
	struct text deleted[STEPS + 1], path[STEPS + 1], seen[STEPS + 1];
	size_t deleted_count, depth, seen_count;
	unsigned steps, moved, code;
};

static void
remove_token(struct cascade *cascade, const char *id)
{
	const struct made *made = &cascade->made;
	struct text key = join(made->records, id, ""), quota, maker, selector;
	bool has_quota;

	if (!exists(made->call, key.at))
		return;
	has_quota = get_field(made->call, key.at, "quota", &quota);
	get_field(made->call, key.at, "created_by", &maker);
	if (!get_field(made->call, key.at, "selector", &selector))
		selector = join("?", "", "");
	if (exists(made->call, set_of(made, id).at))
		remember(made, id, maker.at, selector.at);
	DO(made->call, "ZREM", made->used, id);
	DO(made->call, "ZREM", made->index, id);
	DO(made->call, "DEL", key.at);
	if (has_quota)
		DO(made->call, "SREM", join(made->quotas, quota.at, "").at, id);
	cascade->deleted[cascade->deleted_count++] = join(id, "", "");
}

static void
unlink_from(struct cascade *cascade, const char *set, const char *id)
{
	const struct made *made = &cascade->made;

	DO(made->call, "SREM", set_of(made, set).at, id);
	if (!exists(made->call, set_of(made, id).at))
		DO(made->call, "DEL", note_of(made, id).at);
	cascade->moved++;
}

static bool
was_seen(const struct cascade *cascade, const char *id)
{
	for (size_t i = 0; i < cascade->seen_count; i++)
		if (strcmp(cascade->seen[i].at, id) == 0)
			return true;
	return false;
}

/* A copy of the members: the set changes while they are looked at. */
static size_t
copy_members(struct call *call, const char *name, struct text ids[STEPS], size_t most)
{
	const struct redis_key *key = redis_find(call->redis, name);
	const struct redis_field *field;
	size_t count = 0;

	if (key == NULL)
		return 0;
	TAILQ_FOREACH(field, &key->fields, link)
	if (count < most)
		ids[count++] = join(field->name, "", "");
	return count;
}

static void
go_down(struct cascade *cascade, const char *id)
{
	cascade->path[cascade->depth++] = join(id, "", "");
	cascade->seen[cascade->seen_count++] = join(id, "", "");
}

/* Back to the node above: this one's set is empty, or only what stays is left in it. */
static void
go_up(struct cascade *cascade, const char *node, size_t left)
{
	cascade->depth--;
	if (cascade->depth == 0 || left > 0)
		return;
	unlink_from(cascade, cascade->path[cascade->depth - 1].at, node);
	DO(cascade->made.call, "DEL", note_of(&cascade->made, node).at);
}

/* The batch ends in this node. */
static void
stop_at(struct cascade *cascade, const char *node)
{
	const struct made *made = &cascade->made;
	const char *above = cascade->depth > 1 ? cascade->path[cascade->depth - 2].at : NULL;

	if (above != NULL && strcmp(above, made->id) != 0) {
		DO(made->call, "SADD", set_of(made, made->id).at, node);
		DO(made->call, "HSET", note_of(made, node).at, "created_by", made->id);
		unlink_from(cascade, above, node);
	}
	if (cascade->deleted_count > 0 || cascade->moved > 0)
		cascade->code = 1;
	else
		cascade->depth = 0;
}

static void
visit(struct cascade *cascade)
{
	const struct made *made = &cascade->made;
	struct text node = cascade->path[cascade->depth - 1], ids[STEPS];
	size_t count = copy_members(
	    made->call, set_of(made, node.at).at, ids, (size_t)(STEPS - cascade->steps));
	size_t stay = 0, left;
	const char *nested = NULL;

	for (size_t i = 0; i < count && nested == NULL; i++) {
		cascade->steps++;
		remove_token(cascade, ids[i].at);
		if (!exists(made->call, set_of(made, ids[i].at).at))
			unlink_from(cascade, node.at, ids[i].at);
		else if (was_seen(cascade, ids[i].at))
			stay++;
		else
			nested = ids[i].at;
	}
	left = members(made->call, set_of(made, node.at).at);
	if (nested != NULL)
		go_down(cascade, nested);
	else if (left > stay)
		stop_at(cascade, node.at);
	else
		go_up(cascade, node.at, left);
}

static void
run_cascade(struct call *call)
{
	static struct cascade cascade;
	struct text maker;

	if (strcmp(call->words[5], "0") != 0)
		abort(); /* nobody here has a scope */
	cascade = (struct cascade){.made = read_made(call, &call->words[6])};
	if (!get_field(call, cascade.made.record, "created_by", &maker))
		get_field(call, note_of(&cascade.made, cascade.made.id).at, "created_by", &maker);
	remove_token(&cascade, cascade.made.id);
	go_down(&cascade, cascade.made.id);
	while (cascade.depth > 0 && cascade.code == 0)
		visit(&cascade);
	if (!exists(call, set_of(&cascade.made, cascade.made.id).at)) {
		DO(call, "DEL", note_of(&cascade.made, cascade.made.id).at);
		leave(&cascade.made, maker, cascade.made.id);
	}
	if (cascade.deleted_count == 0 && cascade.made.writes)
		write_nothing(&cascade.made);
	redis_reply_array(call, 1 + cascade.deleted_count);
	redis_reply_number(call, cascade.code);
	for (size_t i = 0; i < cascade.deleted_count; i++)
		redis_reply_text(call, cascade.deleted[i].at);
}

/* ---- all of them ---- */

static void
run_record(struct call *call)
{
	redis_reply_hash(call, redis_find(call->redis, call->words[3]));
}

/* words: EVAL, the text, how many keys, these, the arguments. */
static const struct script {
	const char *text;
	size_t words;
	void (*run)(struct call *call);
} scripts[] = {
    {RECORD_SCRIPT_GET, 4, run_record},
    {script_revoke, 12, run_revoke},
    {script_cascade, 12, run_cascade},
};

void
redis_do_eval(struct call *call)
{
	for (size_t i = 0; call->client->tracking && i < strtoul(call->words[2], NULL, 10); i++)
		redis_track(call->client, call->words[3 + i]);
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		if (strcmp(call->words[1], scripts[i].text) == 0 &&
		    call->count == scripts[i].words) {
			scripts[i].run(call);
			return;
		}
	trace_say("redis", "unknown script: %s", call->words[1]);
	abort();
}
