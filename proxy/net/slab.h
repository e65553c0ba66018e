/*
 * slab.h - objects of one size, kept for reuse. Each comes from malloc, so that what a flood of
 * clients took can be freed when they are gone. The cache of records has its own slab allocator
 * (auth/slots.h), whose blocks lie side by side in huge pages and are never given back.
 */
#ifndef JOBGATE_SLAB_H
#define JOBGATE_SLAB_H

#include <stddef.h>

struct slab_item {
	struct slab_item *next;
};

/* Start with {.size = sizeof(struct ...)}. */
struct slab {
	size_t size;
	struct slab_item *idle;
	size_t idle_count;
};

/* Take a zeroed object; NULL when memory is short. */
void *slab_take(struct slab *slab);

/* Give an object back; up to `keep` idle ones are kept, more go back to the allocator. */
void slab_give(struct slab *slab, void *object, size_t keep);

/* Free the idle objects. */
void slab_clear(struct slab *slab);

#endif
