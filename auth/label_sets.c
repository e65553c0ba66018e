/* label_sets.c - a table of sets of labels, with the number of their users. */
#include "auth/label_sets.h"

#include <stdlib.h>

#include "jobgate/check.h"
#include "jobgate/container_of.h"

struct kept_set {
	struct table_node node;
	size_t users;
	struct label_set set;
	struct label items[]; /* their text follows */
};

bool
label_sets_init(struct label_sets *sets, const unsigned char key[16])
{
	return table_init(&sets->table, key);
}

void
label_sets_free(struct label_sets *sets)
{
	CHECK(sets->table.count == 0);
	table_free(&sets->table);
}

/* Each text is hashed with a part of the hash so far. Where that is equal, sets are compared. */
static uint64_t
hash_of(const struct table *table, const struct label_set *labels)
{
	uint64_t hash = labels->count;

	for (size_t i = 0; i < labels->count; i++) {
		hash = table_hash(table, (unsigned)hash, labels->items[i].name);
		hash = table_hash(table, (unsigned)hash, labels->items[i].value);
	}
	return labels->count > 0 ? hash : table_hash(table, 0, (struct slice){"", 0});
}

static bool
equal(const struct label_set *a, const struct label_set *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!slice_equal(a->items[i].name, b->items[i].name) ||
		    !slice_equal(a->items[i].value, b->items[i].value))
			return false;
	return true;
}

static struct slice
copy_text(char **room, struct slice text)
{
	struct slice copy = {*room, text.len};

	if (text.len > 0)
		memcpy(*room, text.at, text.len);
	*room += text.len;
	return copy;
}

static struct kept_set *
kept_new(const struct label_set *labels, uint64_t hash)
{
	size_t text = 0;
	struct kept_set *kept;
	char *room;

	for (size_t i = 0; i < labels->count; i++)
		text += labels->items[i].name.len + labels->items[i].value.len;
	kept = malloc(sizeof(*kept) + labels->count * sizeof(struct label) + text);
	if (kept == NULL)
		return NULL;
	*kept = (struct kept_set){.node.hash = hash, .set = {labels->count, kept->items}};
	room = (char *)&kept->items[labels->count];
	for (size_t i = 0; i < labels->count; i++)
		kept->items[i] = (struct label){copy_text(&room, labels->items[i].name),
		    copy_text(&room, labels->items[i].value)};
	return kept;
}

const struct label_set *
label_sets_take(struct label_sets *sets, const struct label_set *labels)
{
	uint64_t hash = hash_of(&sets->table, labels);
	struct table_search search;
	struct table_node *node = table_first(&sets->table, hash, &search);
	struct kept_set *kept;

	for (; node != NULL; node = table_next(&search)) {
		kept = container_of(node, struct kept_set, node);
		if (equal(&kept->set, labels)) {
			kept->users++;
			return &kept->set;
		}
	}
	kept = kept_new(labels, hash);
	if (kept != NULL && !table_insert(&sets->table, &kept->node)) {
		free(kept);
		kept = NULL;
	}
	if (kept == NULL)
		return NULL;
	kept->users = 1;
	return &kept->set;
}

void
label_sets_give(struct label_sets *sets, const struct label_set *set)
{
	struct kept_set *kept;

	if (set == NULL)
		return;
	kept = container_of(set, struct kept_set, set);
	CHECK(kept->users > 0);
	if (--kept->users > 0)
		return;
	table_remove(&sets->table, &kept->node);
	free(kept);
}
