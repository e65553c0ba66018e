/* slab.c - a free list over the allocator, so that the hot path does not allocate. */
#include "net/slab.h"

#include <stdlib.h>
#include <string.h>

#include "jobgate/check.h"

void *
slab_take(struct slab *slab)
{
	struct slab_item *item = slab->idle;

	CHECK(slab->size >= sizeof(*item) && (item == NULL) == (slab->idle_count == 0));
	if (item == NULL)
		return calloc(1, slab->size);
	slab->idle = item->next;
	slab->idle_count--;
	memset(item, 0, slab->size);
	return item;
}

void
slab_give(struct slab *slab, void *object, size_t keep)
{
	struct slab_item *item = object;

	if (item == NULL)
		return;
	CHECK(item != slab->idle); /* given back twice */
	if (slab->idle_count >= keep) {
		free(item);
		return;
	}
	item->next = slab->idle;
	slab->idle = item;
	slab->idle_count++;
}

void
slab_clear(struct slab *slab)
{
	struct slab_item *item;

	while ((item = slab->idle) != NULL) {
		slab->idle = item->next;
		free(item);
	}
	slab->idle_count = 0;
}
