/* heap.h - what a node has allocated: counted, made to fail, and freed at once when it is killed.
 */
#ifndef SIM_HEAP_H
#define SIM_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

struct heap_slot {
	void *at;
	size_t size;
};

/* All zero: empty. */
struct heap {
	struct heap_slot *slots; /* a hash table */
	size_t count, bytes, room;
	uint64_t attempts;	   /* allocations asked for so far */
	uint64_t fail_at;	   /* this one fails; 0: none */
	unsigned fail_per_million; /* each of the others fails with this chance */
	struct random random;
	uint64_t failed;
};

/* Allocations belong to this heap from now on; NULL: to none. */
void heap_use(struct heap *heap);
struct heap *heap_current(void); /* NULL: none */

/* The same as malloc, realloc and free, for what a library keeps for the whole process: it may fail
 * in a node, but belongs to none. */
void *heap_shared_malloc(size_t size, const char *file, int line);
void *heap_shared_realloc(void *at, size_t size, const char *file, int line);
void heap_shared_free(void *at, const char *file, int line);

/* Free all that is left. */
void heap_free(struct heap *heap);

#endif
