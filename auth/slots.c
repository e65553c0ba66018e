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

_Static_assert(sizeof(struct slot_piece) <= SLOT_ALIGNMENT, "the first line of a piece");

static bool
more(struct slots *slots)
{
	size_t bytes = slots->pieces == NULL ? FIRST_BYTES : SLOT_PIECE;
	struct slot_piece *piece;
	void *memory;

	if (posix_memalign(&memory, SLOT_PIECE, bytes) != 0)
		return false;
	piece = memory;
	/* Huge pages are faster; the small piece must not become one. Both may fail. */
	madvise(piece, bytes, bytes == SLOT_PIECE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	*piece = (struct slot_piece){slots->pieces, bytes, slots->owner};
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
	struct slot_piece *piece = slots->pieces, *before;

	for (; piece != NULL; piece = before) {
		before = piece->before;
		ASAN_UNPOISON_MEMORY_REGION(piece, piece->bytes);
		free(piece);
	}
	*slots = (struct slots){.size = slots->size, .owner = slots->owner};
}
