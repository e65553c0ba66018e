/* redis_scripts_pages.c - the script that reads a page of an index, as C. */
#include <stdlib.h>
#include <string.h>

#include "auth/redis/public.h"
#include "redis_script.h"

#define ENTRIES_MAX 256 /* of an index of a run, or of a comparison */

struct entry {
	struct text id, score;
};

struct pages {
	struct call *call;
	struct entry entries[ENTRIES_MAX]; /* in their order */
	size_t count;
	struct text gone[ENTRIES_MAX];
	size_t gone_count;
};

static int
compare_entries(const void *a, const void *b)
{
	const struct entry *one = a, *other = b;
	double difference = strtod(one->score.at, NULL) - strtod(other->score.at, NULL);

	if (difference != 0)
		return difference < 0 ? -1 : 1;
	return strcmp(one->id.at, other->id.at);
}

static void
read_index(struct pages *pages, const char *index)
{
	const struct redis_key *key = redis_find(pages->call->redis, index);
	const struct redis_field *field;

	if (key == NULL)
		return;
	TAILQ_FOREACH(field, &key->fields, link)
	{
		if (pages->count == ENTRIES_MAX)
			abort();
		pages->entries[pages->count++] = (struct entry){
		    script_join(field->name, "", ""), script_join(field->value, "", "")};
	}
	qsort(pages->entries, pages->count, sizeof(pages->entries[0]), compare_entries);
}

/* The first entry behind the cursor, whose own entry may be gone. */
static size_t
place_of(const struct pages *pages, const char *score, const char *id)
{
	const struct entry cursor = {script_join(id, "", ""), script_join(score, "", "")};
	size_t at = 0;

	if (id[0] == '\0')
		return 0;
	for (size_t i = 0; i < pages->count; i++)
		if (strcmp(pages->entries[i].id.at, id) == 0 &&
		    strcmp(pages->entries[i].score.at, score) == 0)
			return i + 1;
	while (at < pages->count && compare_entries(&pages->entries[at], &cursor) < 0)
		at++;
	return at;
}

static bool
can_be_id(const char *id)
{
	size_t len = strlen(id);

	return len >= 1 && len <= 63 && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* Entries without a record leave the index, and the set of public jobs. */
static void
drop_gone(struct pages *pages, const char *index, const char *records)
{
	size_t len = strlen(records), job = strlen("job:");
	struct text publics = script_join(records, "", "");
	bool of_jobs = len >= job && strcmp(records + len - job, "job:") == 0;

	if (of_jobs)
		strcpy(publics.at + len - job, PUBLIC_KEY);
	for (size_t i = 0; i < pages->gone_count; i++)
		DO(pages->call, "ZREM", index, pages->gone[i].at);
	for (size_t i = 0; of_jobs && i < pages->gone_count; i++)
		DO(pages->call, "SREM", publics.at, pages->gone[i].at);
	pages->call->error = NULL; /* of pcall: a replica, or a full server, refuses it */
}

static void
reply_entry(struct pages *pages, const struct entry *entry, const char *const *argv)
{
	struct call *call = pages->call;
	const struct redis_key *key =
	    redis_find(call->redis, script_join(argv[0], entry->id.at, "").at);
	struct text use;
	bool is_used = script_score(call, argv[5], script_join(argv[6], entry->id.at, "").at, &use);

	redis_reply_array(call, 4);
	redis_reply_text(call, entry->id.at);
	redis_reply_text(call, entry->score.at);
	redis_reply_hash(call, key != NULL && key->type == REDIS_TYPE_HASH ? key : NULL);
	script_reply_if(call, is_used, use.at);
	if (key == NULL && strcmp(argv[4], "1") == 0)
		pages->gone[pages->gone_count++] = entry->id;
}

void
script_page_run(struct call *call)
{
	static struct pages pages;
	const char *index = call->words[3], *const *argv = &call->words[4];
	size_t limit = strtoul(argv[3], NULL, 10), count = 0, at, last;
	bool more = false;

	pages.call = call;
	pages.count = pages.gone_count = 0;
	read_index(&pages, index);
	at = last = place_of(&pages, argv[1], argv[2]);
	for (; last < pages.count && !more; last++)
		if (can_be_id(pages.entries[last].id.at))
			more = count++ == limit;
	if (more)
		last--, count--;
	redis_reply_array(call, 2);
	redis_reply_number(call, more);
	redis_reply_array(call, count);
	for (; at < last; at++)
		if (can_be_id(pages.entries[at].id.at))
			reply_entry(&pages, &pages.entries[at], argv);
	drop_gone(&pages, index, argv[0]);
}
