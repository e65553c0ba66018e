/* redis_scripts_jobs.c - scripts that create, change and delete jobs, as C. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis_script.h"

static void
reply_code(struct call *call, int code)
{
	redis_reply_array(call, 1);
	redis_reply_number(call, code);
}

static void
reply_record(struct call *call, int code, const char *record)
{
	redis_reply_array(call, 2);
	redis_reply_number(call, code);
	redis_reply_hash(call, redis_find(call->redis, record));
}

/* ---- port_script.h ---- */

/* What comes behind the last ':' of a record's name. */
static const char *
id_of(const char *record)
{
	return strrchr(record, ':') + 1;
}

/* The name of another job's record. */
static struct text
record_of(const char *record, const char *id, const char *rest)
{
	char keys[SCRIPT_TEXT_MAX];

	snprintf(keys, sizeof(keys), "%.*s", (int)(id_of(record) - record), record);
	return script_join(keys, id, rest);
}

/* A job has the host of one of the ports among these names and values. */
static bool
is_taken(struct call *call, const char *const *pairs, size_t count)
{
	const char *record = call->words[3], *index = call->words[4];

	for (size_t i = 0; i + 1 < count; i += 2) {
		struct text other, score;

		if (strncmp(pairs[i], "port:", 5) != 0)
			continue;
		other = script_join(id_of(record), "-", pairs[i] + 5);
		if (script_exists(call, record_of(record, other.at, "").at) ||
		    script_score(call, index, other.at, &score))
			return true;
	}
	return false;
}

/* Another job has the port whose host this record's id is. */
static bool
is_port_of_another(struct call *call)
{
	const char *record = call->words[3], *id = id_of(record), *dash = strrchr(id, '-');
	struct text owner, value;

	if (dash == NULL || dash == id || dash[1] < '1' || dash[1] > '9' ||
	    dash[1 + strspn(dash + 1, "0123456789")] != '\0' || dash[-1] == '-' ||
	    strtoul(dash + 1, NULL, 10) > 65535)
		return false;
	snprintf(owner.at, sizeof(owner.at), "%.*s", (int)(dash - id), id);
	return script_field(call, record_of(record, owner.at, "").at,
	    script_join("port:", dash + 1, "").at, &value);
}

/* ---- public.h ---- */

/* list(): brings the set of public jobs in line with the record. No run has so many that it is
 * full. */
static void
list_public(struct call *call)
{
	const char *record = call->words[3], *id = id_of(record);
	size_t len = (size_t)(id - record), job = strlen("job:");
	struct text set, access;

	if (len < job || strncmp(id - job, "job:", job) != 0)
		return;
	snprintf(set.at, sizeof(set.at), "%.*spublic", (int)(len - job), record);
	script_field(call, record, "access", &access);
	if (strcmp(access.at, "public") == 0)
		DO(call, "SADD", set.at, id);
	else
		DO(call, "SREM", set.at, id);
}

/* ---- uses_script.h ---- */

static void
reply_last_use(struct call *call)
{
	const char *record = call->words[3], *id = id_of(record);
	struct text set, score;
	bool is;

	snprintf(set.at, sizeof(set.at), "%.*sused", (int)(id - record - 4), record);
	is = script_score(call, set.at, script_join("job:", id, "").at, &score);
	script_reply_if(call, is, score.at);
}

/* ---- creating, deleting, leases ---- */

static void
start_lease(struct call *call, const char *record, const char *seconds)
{
	DO(call, "EXPIRE", record, seconds);
}

void
script_create_job_run(struct call *call)
{
	const char *record = call->words[3], *const *argv = &call->words[11];
	struct maker maker = script_maker(call, call->words[5], &call->words[6]);
	size_t count = call->count - 14;
	int refused;

	if (script_exists(call, record)) {
		redis_reply_number(call, 0);
		return;
	}
	refused = script_maker_refused(&maker);
	if (refused != 0) {
		redis_reply_number(call, refused);
		return;
	}
	if (is_port_of_another(call) || is_taken(call, argv + 3, count)) {
		redis_reply_number(call, -6);
		return;
	}
	DO(call, "ZADD", call->words[4], argv[1], argv[0]);
	script_do_list(call, "HSET", record, argv + 3, count);
	list_public(call);
	script_maker_counted(&maker, record, argv[0]);
	if (strcmp(argv[2], "0") != 0)
		start_lease(call, record, argv[2]);
	redis_reply_number(call, 1);
}

void
script_delete_job_run(struct call *call)
{
	const char *record = call->words[3], *index = call->words[4];
	const char *const *argv = &call->words[4 + script_scope_words(&call->words[5])];
	bool within = script_job_within(call, record, &call->words[5]);
	bool lives = within && script_exists(call, record);
	struct text quota;

	redis_reply_array(call, 2);
	redis_reply_number(call, lives);
	redis_reply_hash(call, within ? redis_find(call->redis, record) : NULL);
	if (within) {
		script_field(call, record, "quota", &quota);
		DO(call, "ZREM", argv[5], script_join("job:", argv[1], "").at);
		DO(call, "ZREM", index, argv[1]);
		DO(call, "DEL", record);
		if (quota.at[0] != '\0')
			DO(call, "SREM", script_join(argv[3], quota.at, "").at, argv[1]);
	}
	if (!lives && strcmp(argv[2], "1") == 0) {
		DO(call, "ZADD", index, "0", "-");
		DO(call, "ZREM", index, "-");
	}
	if (within)
		list_public(call);
}

void
script_renew_job_run(struct call *call)
{
	const char *record = call->words[3];
	struct text lease;

	if (!script_job_within(call, record, &call->words[4]) || !script_exists(call, record)) {
		reply_code(call, -1);
		return;
	}
	if (!script_field(call, record, "lease", &lease) || !script_is_lease(lease.at)) {
		reply_code(call, 0);
		return;
	}
	start_lease(call, record, lease.at);
	redis_reply_array(call, 3);
	redis_reply_number(call, 1);
	redis_reply_hash(call, redis_find(call->redis, record));
	reply_last_use(call);
}

/* ---- a patch ---- */

#define FIELDS_MAX 40

struct patch {
	struct call *call;
	const char *record;
	const char *const *pairs; /* names and values to set */
	size_t pair_words;
	struct text gone[FIELDS_MAX];
	size_t gone_count;
};

static bool
is_gone(const struct patch *patch, const char *name)
{
	for (size_t i = 0; i < patch->gone_count; i++)
		if (strcmp(patch->gone[i].at, name) == 0)
			return true;
	return false;
}

static bool
is_set(const struct patch *patch, const char *name)
{
	for (size_t i = 0; i < patch->pair_words; i += 2)
		if (strcmp(patch->pairs[i], name) == 0)
			return true;
	return false;
}

/* With the patch, the job has more fields of this kind than it may. */
static bool
too_many(struct patch *patch, const char *prefix, const char *most, const char *clears)
{
	const struct redis_key *key = redis_find(patch->call->redis, patch->record);
	const struct redis_field *field;
	size_t count = 0, len = strlen(prefix);

	if (strcmp(clears, "1") == 0)
		TAILQ_FOREACH(field, &key->fields, link)
	if (strncmp(field->name, prefix, len) == 0)
		patch->gone[patch->gone_count++] = script_join(field->name, "", "");
	TAILQ_FOREACH(field, &key->fields, link)
	count += strncmp(field->name, prefix, len) == 0 && !is_gone(patch, field->name) &&
		 !is_set(patch, field->name);
	for (size_t i = 0; i < patch->pair_words; i += 2)
		count += strncmp(patch->pairs[i], prefix, len) == 0;
	return count > strtoul(most, NULL, 10);
}

static void
write_patch(const struct patch *patch, const char *updated_at, const char *lease)
{
	struct call *call = patch->call;

	DO(call, "HSET", patch->record, "updated_at", updated_at);
	for (size_t i = 0; i < patch->gone_count; i++)
		DO(call, "HDEL", patch->record, patch->gone[i].at);
	for (size_t i = 0; i < patch->pair_words; i += 2)
		DO(call, "HSET", patch->record, patch->pairs[i], patch->pairs[i + 1]);
	list_public(call);
	if (lease[0] == '-')
		DO(call, "PERSIST", patch->record);
	else if (strcmp(lease, "0") != 0)
		start_lease(call, patch->record, lease);
}

void
script_patch_job_run(struct call *call)
{
	size_t at = 4 + script_scope_words(&call->words[5]);
	const char *const *argv = &call->words[at];
	static struct patch patch;
	struct redis_client before = {.redis = call->redis};
	struct call look = {.client = &before, .redis = call->redis};
	struct text access;

	patch = (struct patch){.call = call, .record = call->words[3], .pairs = argv + 9};
	patch.pair_words = 2 * strtoul(argv[8], NULL, 10);
	for (size_t i = at + 9 + patch.pair_words; i < call->count; i++)
		patch.gone[patch.gone_count++] = script_join(call->words[i], "", "");
	if (!script_job_within(call, patch.record, &call->words[5]) ||
	    !script_exists(call, patch.record))
		reply_code(call, -1);
	else if (strcmp(argv[1], "1") == 0)
		reply_code(call, -2);
	else if (strcmp(argv[1], "2") == 0 && script_field(call, patch.record, "access", &access))
		reply_code(call, -8);
	else if (too_many(&patch, "label:", argv[3], argv[4]))
		reply_code(call, 0);
	else if (too_many(&patch, "port:", argv[5], argv[6]))
		reply_code(call, -3);
	else if (is_taken(call, patch.pairs, patch.pair_words))
		reply_code(call, -6);
	else {
		redis_reply_hash(&look, redis_find(call->redis, patch.record));
		write_patch(&patch, argv[2], argv[7]);
		redis_reply_array(call, 4);
		redis_reply_number(call, 1);
		redis_reply_hash(call, redis_find(call->redis, patch.record));
		reply_last_use(call);
		bytes_append(&call->client->out, bytes_first(&before.out), before.out.len);
		bytes_free(&before.out);
	}
}

/* ---- register_script.h ---- */

/* The record is not what the arguments say. */
static bool
is_other(struct call *call, const char *record, const char *const *pairs, size_t count)
{
	const struct redis_key *key = redis_find(call->redis, record);
	const struct redis_field *field;
	struct patch given = {.pairs = pairs, .pair_words = count};
	struct text value;

	for (size_t i = 0; i + 1 < count; i += 2) {
		if (strcmp(pairs[i], "created_at") == 0 || strcmp(pairs[i], "updated_at") == 0)
			continue;
		if (!script_field(call, record, pairs[i], &value) ||
		    strcmp(value.at, pairs[i + 1]) != 0)
			return true;
	}
	TAILQ_FOREACH(field, &key->fields, link)
	if ((strcmp(field->name, "url") == 0 || strncmp(field->name, "label:", 6) == 0 ||
		strncmp(field->name, "port:", 5) == 0) &&
	    !is_set(&given, field->name))
		return true;
	return false;
}

static void
create_registered(struct call *call, const char *record, const char *const *argv, size_t count)
{
	if (is_port_of_another(call) || is_taken(call, argv + 4, count)) {
		reply_code(call, -6);
		return;
	}
	DO(call, "ZADD", call->words[4], argv[2], argv[1]);
	DO(call, "HSET", record, "registered_by", argv[0]);
	script_do_list(call, "HSET", record, argv + 4, count);
	list_public(call);
	start_lease(call, record, argv[3]);
	reply_record(call, 1, record);
}

void
script_register_run(struct call *call)
{
	const char *record = call->words[3], *const *argv = &call->words[5];
	size_t count = call->count - 9;
	struct redis_client before = {.redis = call->redis};
	struct call look = {.client = &before, .redis = call->redis};
	struct text lease, marks, mine;

	if (!script_exists(call, record)) {
		create_registered(call, record, argv, count);
		return;
	}
	script_field(call, record, "lease", &lease);
	script_field(call, record, "registered_by", &marks);
	if (!script_is_lease(lease.at)) {
		reply_code(call, 0);
		return;
	}
	redis_reply_hash(&look, redis_find(call->redis, record));
	redis_reply_array(call, 2);
	if (is_other(call, record, argv + 4, count) && strncmp(marks.at, argv[0], 16) != 0) {
		redis_reply_number(call, 2);
	} else {
		redis_reply_number(call, 1);
		mine = script_join(argv[0], " ", marks.at);
		mine.at[50] = '\0';
		DO(call, "HSET", record, "registered_by", mine.at);
		start_lease(call, record, lease.at);
	}
	bytes_append(&call->client->out, bytes_first(&before.out), before.out.len);
	bytes_free(&before.out);
}

void
script_unregister_run(struct call *call)
{
	const char *record = call->words[3], *const *argv = &call->words[5];
	struct text marks, others = {""};

	if (!script_exists(call, record)) {
		redis_reply_number(call, 0);
		return;
	}
	script_field(call, record, "registered_by", &marks);
	if (strstr(marks.at, argv[0]) == NULL) {
		redis_reply_number(call, 2);
		return;
	}
	for (char *rest = marks.at, *mark; (mark = strsep(&rest, " ")) != NULL;)
		if (mark[0] != '\0' && strcmp(mark, argv[0]) != 0)
			others = script_join(others.at, others.at[0] != '\0' ? " " : "", mark);
	if (others.at[0] != '\0') {
		DO(call, "HSET", record, "registered_by", others.at);
		redis_reply_number(call, 2);
		return;
	}
	DO(call, "ZREM", call->words[4], argv[1]);
	DO(call, "DEL", record);
	list_public(call);
	redis_reply_number(call, 1);
}
