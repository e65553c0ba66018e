/*
 * table.c - a hash table with SipHash and open addressing by cache lines, which grows in small
 * steps.
 */
#include "auth/table.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "auth/siphash.h"
#include "jobgate/check.h"

#define LINES_MIN 16

/* It grows when it has more nodes than this for each line, on average: few lines overflow then. */
#define NODES_PER_LINE 5

/* Beyond this many, when there is no memory to grow, it takes no more: each search needs an end. */
#define NODES_PER_LINE_MAX 6

/*
 * How many old lines each insertion moves: growing never stalls the event loop, and is done long
 * before the next doubling.
 */
#define MOVE_STEP 4

_Static_assert(sizeof(struct table_line) == 64, "a cache line");

#define HUGE_BYTES ((size_t)2 * 1024 * 1024)

/* A search in a large table takes less time in huge pages, since it misses the TLB less often. */
static void
use_huge_pages(char *at, size_t bytes)
{
	size_t before = (HUGE_BYTES - (uintptr_t)at % HUGE_BYTES) % HUGE_BYTES;

	if (bytes >= before + HUGE_BYTES)
		madvise(at + before, (bytes - before) / HUGE_BYTES * HUGE_BYTES, MADV_HUGEPAGE);
}

/* calloc gives pages that are zero without touching them, so that many lines cost no time here. */
static bool
lines_init(struct table_lines *lines, size_t count)
{
	size_t size = sizeof(struct table_line);
	char *at = calloc(count + 1, size);

	if (at == NULL)
		return false;
	use_huge_pages(at, (count + 1) * size);
	lines->memory = at;
	lines->at = (void *)(at + (size - (uintptr_t)at % size) % size);
	lines->mask = count - 1;
	return true;
}

static void
lines_free(struct table_lines *lines)
{
	free(lines->memory);
	*lines = (struct table_lines){0};
}

bool
table_init(struct table *table, const unsigned char key[16])
{
	*table = (struct table){0};
	memcpy(table->key, key, sizeof(table->key));
	return lines_init(&table->lines, LINES_MIN);
}

void
table_free(struct table *table)
{
	lines_free(&table->lines);
	lines_free(&table->old);
	*table = (struct table){0};
}

uint64_t
table_hash(const struct table *table, unsigned kind, struct slice text)
{
	const uint64_t key[2] = {table->key[0], table->key[1] ^ kind};

	return siphash13_64(key, text);
}

static uint64_t
slot_of(const struct table_node *node)
{
	CHECK(((uintptr_t)node & ~TABLE_ADDRESS_MASK) == 0);
	return (node->hash & ~TABLE_ADDRESS_MASK) | (uintptr_t)node;
}

static struct table_line *
line_after(const struct table_lines *lines, const struct table_line *line)
{
	return &lines->at[((size_t)(line - lines->at) + 1) & lines->mask];
}

struct table_node *
table_next(struct table_search *search)
{
	struct table_node *node;

	while ((node = table_next_in_line(search)) == NULL) {
		/* After many removals, nodes may have passed each line although there is room. */
		if (search->line->passed == 0 ||
		    line_after(search->lines, search->line) == search->first)
			return NULL;
		search->line = line_after(search->lines, search->line);
		search->slot = search->line->slots;
	}
	return node;
}

size_t
table_line_count(const struct table *table)
{
	return table->lines.mask + 1 + (table->old.at != NULL ? table->old.mask + 1 : 0);
}

size_t
table_line_nodes(
    const struct table *table, size_t index, struct table_node *nodes[TABLE_LINE_SLOTS])
{
	const struct table_line *line;
	size_t count = 0;

	CHECK(index < table_line_count(table));
	line = index <= table->lines.mask ? &table->lines.at[index]
					  : &table->old.at[index - table->lines.mask - 1];
	for (size_t i = 0; i < TABLE_LINE_SLOTS; i++)
		if (line->slots[i] != 0)
			nodes[count++] = table_node_of(line->slots[i]);
	return count;
}

/* The empty slot of a line; NULL when it is full. */
static uint64_t *
empty_slot(struct table_line *line)
{
	for (size_t i = 0; i < TABLE_LINE_SLOTS; i++)
		if (line->slots[i] == 0)
			return &line->slots[i];
	return NULL;
}

/* There is an empty slot somewhere: the table takes no node for which there may be none. */
static void
lines_insert(const struct table_lines *lines, struct table_node *node)
{
	struct table_line *line = &lines->at[node->hash & lines->mask];
	uint64_t *slot;

	while ((slot = empty_slot(line)) == NULL) {
		line->passed++;
		line = line_after(lines, line);
	}
	*slot = slot_of(node);
}

static void
lines_remove(const struct table_lines *lines, const struct table_node *node)
{
	struct table_line *line = &lines->at[node->hash & lines->mask];
	uint64_t slot = slot_of(node);

	for (;; line = line_after(lines, line)) {
		for (size_t i = 0; i < TABLE_LINE_SLOTS; i++)
			if (line->slots[i] == slot) {
				line->slots[i] = 0;
				return;
			}
		CHECK(line->passed > 0);
		line->passed--;
	}
}

/* Move all nodes whose search begins at this old line into the new lines. */
static void
move_line(struct table *table, size_t index)
{
	struct table_line *first = &table->old.at[index], *line = first;
	bool more;

	do {
		more = line->passed > 0;
		for (size_t i = 0; i < TABLE_LINE_SLOTS; i++) {
			struct table_node *node = table_node_of(line->slots[i]);

			if (node == NULL || (node->hash & table->old.mask) != index)
				continue;
			lines_remove(&table->old, node);
			lines_insert(&table->lines, node);
		}
		line = line_after(&table->old, line);
	} while (more && line != first);
}

static void
table_move(struct table *table)
{
	for (int i = 0; i < MOVE_STEP && table->old.at != NULL; i++) {
		move_line(table, table->old_next++);
		if (table->old_next > table->old.mask)
			lines_free(&table->old);
	}
}

/* Double the number of lines. When memory is short, nothing changes. */
static void
table_grow(struct table *table)
{
	struct table_lines lines;

	if (!lines_init(&lines, (table->lines.mask + 1) * 2))
		return;
	table->old = table->lines;
	table->old_next = 0;
	table->lines = lines;
}

bool
table_insert(struct table *table, struct table_node *node)
{
	CHECK(table->lines.at != NULL);
	if (table->old.at == NULL && table->count >= NODES_PER_LINE * (table->lines.mask + 1))
		table_grow(table);
	table_move(table);
	if (table->count >= NODES_PER_LINE_MAX * (table->lines.mask + 1))
		return false;
	lines_insert(table_lines_of(table, node->hash), node);
	table->count++;
	return true;
}

void
table_remove(struct table *table, struct table_node *node)
{
	lines_remove(table_lines_of(table, node->hash), node);
	table->count--;
}
