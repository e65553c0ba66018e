/*
 * slots.h - a slab allocator for the records of the cache: millions of blocks of one size, each at
 * the beginning of a cache line, in huge pages, so that a look-up misses fewer caches and no block
 * has the allocator's overhead. proxy/net/slab.h is for objects of connections, whose memory goes
 * back when there are fewer of them; here it stays.
 */
#ifndef JOBGATE_AUTH_SLOTS_H
#define JOBGATE_AUTH_SLOTS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Start with {.size = ..., .owner = ...}; size is a multiple of SLOT_ALIGNMENT. Memory is taken
 * from the system in large pieces, in huge pages where the system has them, and goes back only with
 * slots_free: so it is as much as the most blocks that were in use at a time need.
 */
#define SLOT_ALIGNMENT 64 /* a cache line */
struct slots {
	size_t size;
	void *owner;  /* what slots_owner says */
	void *idle;   /* a list of blocks that were given back */
	void *pieces; /* a list of all memory */
	char *next;   /* what was never taken, in the latest piece */
	size_t left;  /* its bytes */
};

/* A piece begins with this, at a multiple of SLOT_PIECE, which is also the most that it has. */
#define SLOT_PIECE ((size_t)2 * 1024 * 1024)
struct slot_piece {
	struct slot_piece *before;
	size_t bytes;
	void *owner;
};

/* The owner of the slots that a block is of, so that blocks need not say it. */
static inline void *
slots_owner(const void *block)
{
	const char *at = block;

	return ((const struct slot_piece *)(const void *)(at - ((uintptr_t)at & (SLOT_PIECE - 1))))
	    ->owner;
}

/* A zeroed block; NULL when memory is short. */
void *slots_take(struct slots *slots);

/* Give back a block of slots_take. */
void slots_give(struct slots *slots, void *block);

/* Free all memory, also that of blocks which are in use. */
void slots_free(struct slots *slots);

#endif
