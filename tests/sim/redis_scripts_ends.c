/* redis_scripts_ends.c - scripts that delete tokens, as C. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "redis_script.h"

/* ---- made_script.h ---- */

struct made {
	struct call *call;
	const char *const *scope;
	const char *record, *index, *id;
	bool writes; /* in any case */
	const char *quotas, *made, *used, *records;
};

/* scope: where it begins; argv: from the id on. */
static struct made
read_made(struct call *call, const char *const *scope, const char *const *argv)
{
	return (struct made){call, scope, call->words[3], call->words[4], argv[0],
	    strcmp(argv[1], "1") == 0, argv[2], argv[3], argv[4], argv[5]};
}

/* The same with a scope before the id. */
static struct made
read_scoped(struct call *call)
{
	const char *const *scope = &call->words[5];

	return read_made(call, scope, scope + script_scope_words(scope));
}

static struct text
set_of(const struct made *made, const char *id)
{
	return script_join(made->made, id, "");
}

static struct text
note_of(const struct made *made, const char *id)
{
	return script_join(made->made, id, ":of");
}

static void
remember(const struct made *made, const char *id, const char *maker, const char *selector)
{
	DO(made->call, "HSET", note_of(made, id).at, "created_by", maker, "selector", selector);
}

static void
leave(const struct made *made, struct text maker, const char *left)
{
	struct text id = script_join(left, "", "");

	for (int i = 0; i < 100 && maker.at[0] != '\0'; i++) {
		bool has_set, lives;

		DO(made->call, "SREM", set_of(made, maker.at).at, id.at);
		has_set = script_exists(made->call, set_of(made, maker.at).at);
		lives = script_exists(made->call, script_join(made->records, maker.at, "").at);
		if (has_set || lives)
			return;
		id = maker;
		script_field(made->call, note_of(made, id.at).at, "created_by", &maker);
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
	bool has_quota = script_field(call, made->record, "quota", &quota);
	bool nested = script_exists(call, set_of(made, made->id).at);

	script_field(call, made->record, "created_by", &maker);
	if (!script_field(call, made->record, "selector", &selector))
		selector = script_join("?", "", "");
	DO(call, "ZREM", made->used, made->id);
	DO(call, "ZREM", made->index, made->id);
	DO(call, "DEL", made->record);
	if (has_quota)
		DO(call, "SREM", script_join(made->quotas, quota.at, "").at, made->id);
	if (nested)
		remember(made, made->id, maker.at, selector.at);
	else
		leave(made, maker, made->id);
}

void
script_revoke_run(struct call *call)
{
	static const char *const everything[] = {"0"};
	struct made made = read_made(call, everything, &call->words[6]);
	struct text hash;
	bool within = script_field(call, made.record, "hash", &hash) &&
		      strcasecmp(hash.at, call->words[5]) == 0;

	redis_reply_array(call, 2);
	redis_reply_number(call, within);
	redis_reply_hash(call, within ? redis_find(call->redis, made.record) : NULL);
	if (within)
		delete_record(&made);
	else if (made.writes)
		write_nothing(&made);
}

/* ---- made_script.h: what is left ---- */

#define NODES_MAX 100 /* tokens of a run, or of a comparison */

static bool
contains(const struct text *texts, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(texts[i].at, text) == 0)
			return true;
	return false;
}

/* A copy of the members: the set changes while they are looked at. */
static size_t
copy_members(struct call *call, const char *name, struct text *ids, size_t most)
{
	const struct redis_key *key = redis_find(call->redis, name);
	const struct redis_field *field;
	size_t count = 0;

	if (key == NULL)
		return 0;
	TAILQ_FOREACH(field, &key->fields, link)
	if (count < most)
		ids[count++] = script_join(field->name, "", "");
	return count;
}

static void
forget(const struct made *made, const char *node)
{
	struct text maker;

	if (script_exists(made->call, set_of(made, node).at) ||
	    script_exists(made->call, script_join(made->records, node, "").at))
		return;
	script_field(made->call, note_of(made, node).at, "created_by", &maker);
	DO(made->call, "DEL", note_of(made, node).at);
	leave(made, maker, node);
}

/* Of a token that is gone, what was kept. */
static bool
in_scope(const struct made *made, const char *id)
{
	struct text selector;

	if (script_scope_words(made->scope) == 1)
		return true;
	if (!script_field(
		made->call, script_join(made->records, id, "").at, "selector", &selector) &&
	    !script_field(made->call, note_of(made, id).at, "selector", &selector))
		return false;
	return script_selector_within(selector.at, made->scope);
}

/* Those that exist. The runs have too few for it to end early. */
static int64_t
count_remaining(const struct made *made)
{
	static struct text nodes[NODES_MAX], seen[NODES_MAX], ids[NODES_MAX];
	size_t left = 1, seen_count = 1;
	int64_t count = 0;

	nodes[0] = seen[0] = script_join(made->id, "", "");
	while (left > 0) {
		struct text node = nodes[--left];
		size_t members = copy_members(made->call, set_of(made, node.at).at, ids, NODES_MAX);

		for (size_t i = 0; i < members; i++) {
			bool lives =
			    script_exists(made->call, script_join(made->records, ids[i].at, "").at);
			bool nested = script_exists(made->call, set_of(made, ids[i].at).at);

			if (!lives && !nested) {
				DO(made->call, "SREM", set_of(made, node.at).at, ids[i].at);
				DO(made->call, "DEL", note_of(made, ids[i].at).at);
			} else if (!contains(seen, seen_count, ids[i].at)) {
				count += lives && in_scope(made, ids[i].at);
				if (nested)
					nodes[left++] = ids[i];
				seen[seen_count++] = ids[i];
			}
		}
		forget(made, node.at);
	}
	return count;
}

void
script_delete_token_run(struct call *call)
{
	struct made made = read_scoped(call);
	bool within = script_token_within(call, made.record, made.scope);
	bool lives = within && script_exists(call, made.record);

	redis_reply_array(call, 4);
	redis_reply_number(call, lives);
	redis_reply_hash(call, lives ? redis_find(call->redis, made.record) : NULL);
	if (lives)
		delete_record(&made);
	else if (within)
		DO(call, "ZREM", made.index, made.id), DO(call, "ZREM", made.used, made.id);
	if (!lives && made.writes)
		write_nothing(&made);
	redis_reply_number(call, lives ? count_remaining(&made) : 0);
	redis_reply_number(call, 0);
}

/* ---- cascade_script.h ---- */

#define STEPS 100 /* CASCADE_STEPS */

struct cascade {
	struct made made;
	struct text deleted[STEPS + 1], path[STEPS + 1], seen[STEPS + 1];
	size_t deleted_count, depth, seen_count;
	unsigned steps, moved, code;
};

/* False: it is there, but not in the scope. */
static bool
remove_token(struct cascade *cascade, const char *id)
{
	const struct made *made = &cascade->made;
	struct text key = script_join(made->records, id, ""), quota, maker, selector;
	bool has_quota;

	if (!script_exists(made->call, key.at))
		return true;
	if (!in_scope(made, id))
		return false;
	has_quota = script_field(made->call, key.at, "quota", &quota);
	script_field(made->call, key.at, "created_by", &maker);
	if (!script_field(made->call, key.at, "selector", &selector))
		selector = script_join("?", "", "");
	if (script_exists(made->call, set_of(made, id).at))
		remember(made, id, maker.at, selector.at);
	DO(made->call, "ZREM", made->used, id);
	DO(made->call, "ZREM", made->index, id);
	DO(made->call, "DEL", key.at);
	if (has_quota)
		DO(made->call, "SREM", script_join(made->quotas, quota.at, "").at, id);
	cascade->deleted[cascade->deleted_count++] = script_join(id, "", "");
	return true;
}

static void
unlink_from(struct cascade *cascade, const char *set, const char *id)
{
	const struct made *made = &cascade->made;

	DO(made->call, "SREM", set_of(made, set).at, id);
	if (!script_exists(made->call, set_of(made, id).at))
		DO(made->call, "DEL", note_of(made, id).at);
	cascade->moved++;
}

static void
go_down(struct cascade *cascade, const char *id)
{
	cascade->path[cascade->depth++] = script_join(id, "", "");
	cascade->seen[cascade->seen_count++] = script_join(id, "", "");
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
		if (!remove_token(cascade, ids[i].at))
			stay++;
		else if (!script_exists(made->call, set_of(made, ids[i].at).at))
			unlink_from(cascade, node.at, ids[i].at);
		else if (contains(cascade->seen, cascade->seen_count, ids[i].at))
			stay++;
		else
			nested = ids[i].at;
	}
	left = script_members(made->call, set_of(made, node.at).at);
	if (nested != NULL)
		go_down(cascade, nested);
	else if (left > stay)
		stop_at(cascade, node.at);
	else
		go_up(cascade, node.at, left);
}

/* What the answer has of the root. It is written behind the answers before it, and taken back. */
static struct bytes
read_root(struct call *call, const struct made *made)
{
	struct bytes *out = &call->client->out, root = {0};
	size_t before = out->len;

	redis_reply_hash(call, redis_find(call->redis, made->record));
	bytes_append(&root, bytes_first(out) + before, out->len - before);
	out->len = before;
	return root;
}

void
script_cascade_run(struct call *call)
{
	static struct cascade cascade;
	struct bytes root;
	struct text maker;

	cascade = (struct cascade){.made = read_scoped(call)};
	if (!in_scope(&cascade.made, cascade.made.id)) {
		redis_reply_array(call, 1);
		redis_reply_number(call, -1);
		return;
	}
	if (!script_field(call, cascade.made.record, "created_by", &maker))
		script_field(
		    call, note_of(&cascade.made, cascade.made.id).at, "created_by", &maker);
	root = read_root(call, &cascade.made);
	remove_token(&cascade, cascade.made.id);
	go_down(&cascade, cascade.made.id);
	while (cascade.depth > 0 && cascade.code == 0)
		visit(&cascade);
	if (!script_exists(call, set_of(&cascade.made, cascade.made.id).at)) {
		DO(call, "DEL", note_of(&cascade.made, cascade.made.id).at);
		leave(&cascade.made, maker, cascade.made.id);
	}
	if (cascade.deleted_count == 0 && cascade.made.writes)
		write_nothing(&cascade.made);
	redis_reply_array(call, 2 + cascade.deleted_count);
	redis_reply_number(call, cascade.code);
	bytes_append(&call->client->out, bytes_first(&root), root.len);
	bytes_free(&root);
	for (size_t i = 0; i < cascade.deleted_count; i++)
		redis_reply_text(call, cascade.deleted[i].at);
}
