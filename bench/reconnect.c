/*
 * reconnect.c - measures how long a reconnect blocks the loop of a worker that caches a million
 * records; see README.md.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jobgate/directory.h"

#define ENTRIES 1000000
#define WATCHED 100000 /* that requests rely on now: they are read again without a look-up */
#define ID_LEN 16

/* A store that takes reads and answers when told to. */
struct queue {
	struct directory_entry *entries[ENTRIES];
	size_t first, count, most;
};

static struct queue queue;
static struct directory_watch watches[WATCHED];
static unsigned told;

static uint64_t
cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* others share the core */
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool
queue_read(void *ctx, enum record_kind kind, struct slice id, struct directory_entry *entry)
{
	(void)ctx;
	(void)kind;
	(void)id;
	queue.entries[(queue.first + queue.count++) % ENTRIES] = entry;
	if (queue.count > queue.most)
		queue.most = queue.count;
	return true;
}

static void
on_changed(struct directory_watch *watch)
{
	(void)watch;
	told++;
}

static struct slice
id_of(unsigned number, char out[ID_LEN + 1])
{
	snprintf(out, ID_LEN + 1, "a%015u", number);
	return (struct slice){out, ID_LEN};
}

/* One callback of the link: the answer to the oldest read. */
static void
answer(struct directory *directory, uint64_t now_ms)
{
	struct directory_entry *entry = queue.entries[queue.first];
	struct record *record = calloc(1, sizeof(*record));

	queue.first = (queue.first + 1) % ENTRIES;
	queue.count--;
	record->kind = RECORD_TOKEN;
	jg_directory_feed(directory, entry, FEED_RECORD, record, now_ms);
}

static void
fill(struct directory *directory)
{
	char id[ID_LEN + 1];

	for (unsigned i = 0; i < ENTRIES; i++) {
		jg_directory_lookup(directory, RECORD_TOKEN, id_of(i, id), 1, NULL);
		answer(directory, 1);
	}
	for (unsigned i = 0; i < WATCHED; i++) {
		watches[i].changed = on_changed;
		jg_directory_watch(jg_directory_lookup(directory, RECORD_TOKEN,
				       id_of(i * (ENTRIES / WATCHED), id), 1, NULL)
				       .entry,
		    &watches[i]);
	}
}

#define TIMED(what, call)                                                               \
	do {                                                                            \
		uint64_t begun_us = cpu_us();                                           \
		call;                                                                   \
		printf("%-44s %8.3f ms\n", what, (double)(cpu_us() - begun_us) / 1000); \
	} while (0)

/* Every callback of a kind, and the longest of them. */
static void
read_again(struct directory *directory)
{
	uint64_t longest_us = 0, all_us = 0;
	unsigned callbacks = 0;

	queue.most = queue.count;
	for (; queue.count > 0; callbacks++) {
		uint64_t begun_us = cpu_us(), us;

		answer(directory, 2);
		us = cpu_us() - begun_us;
		all_us += us;
		if (us > longest_us)
			longest_us = us;
	}
	printf("%-44s %8.3f ms, the longest of %u; %.3f us on average\n", "one answer",
	    (double)longest_us / 1000, callbacks, (double)all_us / callbacks);
	printf("%-44s %8zu\n", "reads under way at most", queue.most);
}

int
main(void)
{
	const struct directory_options options = {
	    .max_staleness_ms = 5000, .entries_max = ENTRIES, .hash_key = "not so random"};
	const struct directory_store store = {.read = queue_read};
	struct directory *directory = jg_directory_new(&options, &store);

	if (directory == NULL)
		return 1;
	jg_directory_link_up(directory, 1);
	fill(directory);
	printf("%d records remembered, %d of them relied on\n", ENTRIES, WATCHED);
	TIMED("the link breaks", jg_directory_link_down(directory, 2));
	TIMED("it is up again", jg_directory_link_up(directory, 2));
	read_again(directory);
	TIMED("FLUSHALL", jg_directory_invalidate_all(directory, 2));
	read_again(directory);
	TIMED("a tick", jg_directory_tick(directory, 2));
	TIMED("the bound passes: all who rely on one are told", jg_directory_tick(directory, 6000));
	printf("%-44s %8u\n", "told", told);
	return 0;
}
