/*
 * slots.h - a slab allocator for the records of the cache: millions of blocks of one size, each at
 * the beginning of a cache line, in huge pages, so that a look-up misses fewer caches and no block
 * has the allocator's overhead. proxy/net/slab.h is for objects of connections, whose memory goes
 * back when there are fewer of them; here it stays.
 */
#ifndef JOBGATE_AUTH_SLOTS_H
#define JOBGATE_AUTH_SLOTS_H

#include <stddef.h>

/*
 * Start with {.size = ...}, a multiple of SLOT_ALIGNMENT. Memory is taken from the system in large
 * pieces, in huge pages where the system has them, and goes back only with slots_free: so it is as
 * much as the most blocks that were in use at a time need.
 */
#define SLOT_ALIGNMENT 64 /* a cache line */
struct slots {
	size_t size;
	void *idle;   /* a list of blocks that were given back */
	void *pieces; /* a list of all memory */
	char *next;   /* what was never taken, in the latest piece */
	size_t left;  /* its bytes */
};

/* A zeroed block; NULL when memory is short. */
void *slots_take(struct slots *slots);

/* Give back a block of slots_take. */
void slots_give(struct slots *slots, void *block);

/* Free all memory, also that of blocks which are in use. */
void slots_free(struct slots *slots);

#endif
