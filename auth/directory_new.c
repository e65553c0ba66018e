/* directory_new.c - makes a directory, and frees it with all that it knows. */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "auth/entry.h"
#include "jobgate/container_of.h"

struct directory *
jg_directory_new(const struct directory_options *options, const struct directory_store *store)
{
	struct directory *directory = calloc(1, sizeof(*directory));

	CHECK(store->read != NULL);
	if (directory == NULL)
		return NULL;
	directory->options = *options;
	if (options->tuning == NULL)
		directory->options.tuning = &jg_tuning.directory;
	directory->store = *store;
	directory->epoch = 1;
	directory->stale_due_ms = UINT64_MAX;
	turns_init(directory);
	TAILQ_INIT(&directory->pending);
	TAILQ_INIT(&directory->fresh);
	TAILQ_INIT(&directory->stale);
	TAILQ_INIT(&directory->refreshing);
	TAILQ_INIT(&directory->dead);
	directory->slots.size = sizeof(struct directory_entry);
	directory->slots.owner = directory;
	directory->stamp = 1;
	if (!table_init(&directory->table, options->hash_key) ||
	    !label_sets_init(&directory->sets, options->hash_key)) {
		table_free(&directory->table);
		free(directory);
		return NULL;
	}
	return directory;
}

/* Free an entry of a directory that goes. Its waiters and watches only leave their lists. */
static void
drop(struct directory_entry *entry)
{
	struct directory_waiter *waiter;
	struct directory_watch *watch;

	while ((waiter = TAILQ_FIRST(&entry->waiters)) != NULL)
		jg_directory_forget(waiter);
	while ((watch = LIST_FIRST(&entry->watches)) != NULL) {
		LIST_REMOVE(watch, link);
		watch->entry = NULL;
	}
	entry_free(entry);
}

void
jg_directory_free(struct directory *directory)
{
	struct table_node *nodes[TABLE_LINE_SLOTS];

	if (directory == NULL)
		return;
	for (size_t i = 0; i < table_line_count(&directory->table); i++)
		for (size_t n = table_line_nodes(&directory->table, i, nodes); n > 0; n--)
			drop(container_of(nodes[n - 1], struct directory_entry, node));
	entries_free_dead(directory, SIZE_MAX);
	table_free(&directory->table);
	label_sets_free(&directory->sets);
	slots_free(&directory->slots);
	public_jobs_free(directory->public_jobs);
	OPENSSL_cleanse(&directory->mint, sizeof(directory->mint));
	free(directory);
}
