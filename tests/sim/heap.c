/*
 * heap.c - the executable's malloc and its family, in front of those of the C library or of
 * AddressSanitizer. Memory that is allocated while no heap is in use is not counted.
 */
#include "heap.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *at, size_t size);
void *REAL(memalign)(size_t alignment, size_t size);
void REAL(free)(void *at);

static struct heap *current;

void
heap_use(struct heap *heap)
{
	current = heap;
}

struct heap *
heap_current(void)
{
	return current;
}

/* ---- the table ---- */

static size_t
hash(const void *at, size_t room)
{
	return (size_t)(((uintptr_t)at >> 4) * 0x9e3779b97f4a7c15u >> 20) & (room - 1);
}

static void
put(struct heap *heap, void *at, size_t size)
{
	size_t i = hash(at, heap->room);

	while (heap->slots[i].at != NULL)
		i = (i + 1) & (heap->room - 1);
	heap->slots[i] = (struct heap_slot){at, size};
}

static void
grow(struct heap *heap)
{
	struct heap_slot *old = heap->slots;
	size_t room = heap->room;

	heap->room = room == 0 ? 1024 : 2 * room;
	heap->slots = REAL(calloc)(heap->room, sizeof(*heap->slots));
	for (size_t i = 0; i < room; i++)
		if (old[i].at != NULL)
			put(heap, old[i].at, old[i].size);
	REAL(free)(old);
}

static void
add(struct heap *heap, void *at, size_t size)
{
	if (2 * (heap->count + 1) > heap->room)
		grow(heap);
	put(heap, at, size);
	heap->count++;
	heap->bytes += size;
}

/* Linear probing without tombstones: what follows moves up. */
static void
close_gap(struct heap *heap, size_t gap)
{
	size_t mask = heap->room - 1, i = gap;

	for (;;) {
		i = (i + 1) & mask;
		if (heap->slots[i].at == NULL)
			break;
		if (((i - hash(heap->slots[i].at, heap->room)) & mask) >= ((i - gap) & mask)) {
			heap->slots[gap] = heap->slots[i];
			gap = i;
		}
	}
	heap->slots[gap].at = NULL;
}

static void
drop(struct heap *heap, const void *at)
{
	size_t i;

	if (heap->room == 0)
		return;
	for (i = hash(at, heap->room); heap->slots[i].at != at; i = (i + 1) & (heap->room - 1))
		if (heap->slots[i].at == NULL)
			return; /* allocated while no heap was in use */
	heap->count--;
	heap->bytes -= heap->slots[i].size;
	close_gap(heap, i);
}

void
heap_free(struct heap *heap)
{
	for (size_t i = 0; i < heap->room; i++)
		if (heap->slots[i].at != NULL)
			REAL(free)(heap->slots[i].at);
	REAL(free)(heap->slots);
	heap->slots = NULL;
	heap->count = heap->bytes = heap->room = 0;
}

/* ---- the calls ---- */

static bool
fails(struct heap *heap)
{
	heap->attempts++;
	if (heap->attempts != heap->fail_at &&
	    (heap->fail_per_million == 0 ||
		random_below(&heap->random, 1000000) >= heap->fail_per_million))
		return false;
	heap->failed++;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	void *at;

	if (current == NULL)
		return REAL(malloc)(size);
	if (fails(current) || (at = REAL(malloc)(size)) == NULL)
		return NULL;
	add(current, at, size);
	return at;
}

void *
calloc(size_t count, size_t size)
{
	void *at;

	if (current == NULL)
		return REAL(calloc)(count, size);
	if (fails(current) || (at = REAL(calloc)(count, size)) == NULL)
		return NULL;
	add(current, at, count * size);
	return at;
}

void *
realloc(void *old, size_t size)
{
	void *at;

	if (current == NULL)
		return REAL(realloc)(old, size);
	if (fails(current))
		return NULL;
	if (old != NULL)
		drop(current, old);
	at = REAL(realloc)(old, size);
	if (at != NULL)
		add(current, at, size);
	return at;
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	void *at;

	if (current == NULL)
		return REAL(memalign)(alignment, size);
	if (fails(current) || (at = REAL(memalign)(alignment, size)) == NULL)
		return NULL;
	add(current, at, size);
	return at;
}

int
posix_memalign(void **at, size_t alignment, size_t size)
{
	void *made = aligned_alloc(alignment, size);

	if (made == NULL)
		return ENOMEM;
	*at = made;
	return 0;
}

void
free(void *at)
{
	if (current != NULL && at != NULL)
		drop(current, at);
	REAL(free)(at);
}

/* ---- as OpenSSL wants them ---- */

void *
heap_shared_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return current != NULL && fails(current) ? NULL : REAL(malloc)(size);
}

void *
heap_shared_realloc(void *at, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return current != NULL && fails(current) ? NULL : REAL(realloc)(at, size);
}

void
heap_shared_free(void *at, const char *file, int line)
{
	(void)file;
	(void)line;
	REAL(free)(at);
}
