/* slots.c - takes memory in large pieces, and divides them into blocks. */
#include "auth/slots.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "jobgate/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

/* The first piece is small, since most gateways have few records; the others are huge pages. */
#define FIRST_BYTES ((size_t)64 * 1024)
#define HUGE_BYTES ((size_t)2 * 1024 * 1024)

/* At the beginning of a piece. */
struct piece {
	struct piece *before;
	size_t bytes;
};

_Static_assert(sizeof(struct piece) <= SLOT_ALIGNMENT, "the first line of a piece");

static bool
more(struct slots *slots)
{
	size_t bytes = slots->pieces == NULL ? FIRST_BYTES : HUGE_BYTES;
	size_t alignment = slots->pieces == NULL ? SLOT_ALIGNMENT : HUGE_BYTES;
	struct piece *piece = aligned_alloc(alignment, bytes);

	if (piece == NULL)
		return false;
	if (bytes == HUGE_BYTES)
		madvise(piece, bytes, MADV_HUGEPAGE); /* faster if it succeeds */
	*piece = (struct piece){slots->pieces, bytes};
	slots->pieces = piece;
	slots->next = (char *)piece + SLOT_ALIGNMENT;
	slots->left = bytes - SLOT_ALIGNMENT;
	ASAN_POISON_MEMORY_REGION(slots->next, slots->left);
	return true;
}

void *
slots_take(struct slots *slots)
{
	void *block = slots->idle;

	CHECK(slots->size > 0 && slots->size % SLOT_ALIGNMENT == 0);
	if (block != NULL) {
		ASAN_UNPOISON_MEMORY_REGION(block, slots->size);
		memcpy(&slots->idle, block, sizeof(slots->idle));
	} else {
		if (slots->left < slots->size && !more(slots))
			return NULL;
		block = slots->next;
		slots->next += slots->size;
		slots->left -= slots->size;
		ASAN_UNPOISON_MEMORY_REGION(block, slots->size);
	}
	memset(block, 0, slots->size);
	return block;
}

void
slots_give(struct slots *slots, void *block)
{
	memcpy(block, &slots->idle, sizeof(slots->idle));
	slots->idle = block;
	ASAN_POISON_MEMORY_REGION(block, slots->size);
}

void
slots_free(struct slots *slots)
{
	struct piece *piece = slots->pieces, *before;

	for (; piece != NULL; piece = before) {
		before = piece->before;
		ASAN_UNPOISON_MEMORY_REGION(piece, piece->bytes);
		free(piece);
	}
	*slots = (struct slots){.size = slots->size};
}
