/* redis_scripts_scope.c - what scripts share that check a scope, or the maker of a record, as C. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "redis_script.h"

/* ---- scope_script.h ---- */

size_t
script_scope_words(const char *const *argv)
{
	return 1 + 2 * strtoul(argv[0], NULL, 10);
}

bool
script_job_within(struct call *call, const char *record, const char *const *argv)
{
	struct text label;
	bool within = true;

	for (size_t i = 1; i < script_scope_words(argv); i += 2)
		within =
		    script_field(call, record, script_join("label:", argv[i], "").at, &label) &&
		    strcmp(label.at, argv[i + 1]) == 0 && within;
	return within;
}

bool
script_selector_within(const char *selector, const char *const *argv)
{
	struct text all = script_join(",", selector, ",");

	for (size_t i = 1; i < script_scope_words(argv); i += 2) {
		struct text label = script_join(",", argv[i], "=");

		if (strstr(all.at, script_join(label.at, argv[i + 1], ",").at) == NULL)
			return false;
	}
	return true;
}

bool
script_token_within(struct call *call, const char *record, const char *const *argv)
{
	struct text selector;

	if (script_scope_words(argv) == 1)
		return true;
	return script_field(call, record, "selector", &selector) &&
	       script_selector_within(selector.at, argv);
}

/* ---- maker_script.h ---- */

#define LABELS_MAX 8

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(((const struct text *)a)->at, ((const struct text *)b)->at);
}

/* The labels of a selector in their order. */
static struct text
sort_labels(const char *selector)
{
	struct text labels[LABELS_MAX], list = script_join(selector, "", ""), all = {""};
	size_t count = 0;

	for (char *rest = list.at, *label; (label = strsep(&rest, ",")) != NULL;)
		if (label[0] != '\0' && count < LABELS_MAX)
			labels[count++] = script_join(label, "", "");
	qsort(labels, count, sizeof(labels[0]), compare_texts);
	for (size_t i = 0; i < count; i++)
		all = script_join(all.at, i > 0 ? "," : "", labels[i].at);
	return all;
}

struct maker
script_maker(struct call *call, const char *key, const char *const *argv)
{
	return (struct maker){
	    call, key, argv[0], strtoul(argv[1], NULL, 10), argv[2], argv[3], argv[4], {""}};
}

/* Records that count for another scope, or are gone, leave the set. */
static void
drop_others(const struct maker *maker, const char *set)
{
	struct redis_key *key = redis_find(maker->call->redis, set);
	static struct text ids[REDIS_EFFECTS_MAX / 4];
	const struct redis_field *field;
	size_t count = 0;

	if (key == NULL)
		return;
	TAILQ_FOREACH(field, &key->fields, link)
	if (count < sizeof(ids) / sizeof(ids[0]))
		ids[count++] = script_join(field->name, "", "");
	for (size_t i = 0; i < count; i++) {
		struct text quota;

		if (!script_field(maker->call, script_join(maker->records, ids[i].at, "").at,
			"quota", &quota) ||
		    strcmp(quota.at, maker->quota.at) != 0)
			DO(maker->call, "SREM", set, ids[i].at);
	}
}

int
script_maker_refused(struct maker *maker)
{
	struct text hash, selector, set;

	if (maker->hash[0] == '\0')
		return 0;
	script_field(maker->call, maker->key, "hash", &hash);
	if (strcasecmp(hash.at, maker->hash) != 0)
		return -4;
	if (!script_field(maker->call, maker->key, "quota", &selector))
		script_field(maker->call, maker->key, "selector", &selector);
	maker->quota = sort_labels(selector.at);
	set = script_join(maker->sets, maker->quota.at, "");
	if (maker->quota.at[0] == '\0' || script_members(maker->call, set.at) < maker->most)
		return 0;
	drop_others(maker, set.at);
	return script_members(maker->call, set.at) >= maker->most ? -5 : 0;
}

void
script_maker_counted(const struct maker *maker, const char *record, const char *id)
{
	if (maker->made[0] != '\0')
		DO(maker->call, "SADD", maker->made, id);
	if (maker->quota.at[0] == '\0')
		return;
	DO(maker->call, "SADD", script_join(maker->sets, maker->quota.at, "").at, id);
	DO(maker->call, "HSET", record, "quota", maker->quota.at);
}
