/* parse_memory.c - memory for a parser that does not survive a failed allocation. */
#include "auth/parse_memory.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <openssl/crypto.h>

#include "jobgate/check.h"

struct block {
	size_t size;
	LIST_ENTRY(block) link; /* le_prev is NULL unless it is in the list */
};

/* What a parser gets begins after the block, which is aligned as that must be. */
union head {
	struct block block;
	max_align_t aligned;
};

/* The parser that runs, and what it has allocated. */
static struct {
	bool runs;
	jmp_buf leave;
	LIST_HEAD(, block) blocks;
} guarded;

void *
parse_alloc(size_t size)
{
	union head *head = size <= SIZE_MAX - sizeof(*head) ? malloc(sizeof(*head) + size) : NULL;

	if (head == NULL && guarded.runs)
		longjmp(guarded.leave, 1);
	if (head == NULL)
		return NULL;
	head->block.size = size;
	head->block.link.le_prev = NULL;
	if (guarded.runs)
		LIST_INSERT_HEAD(&guarded.blocks, &head->block, link);
	return head + 1;
}

static void
wipe(union head *head)
{
	OPENSSL_cleanse(head + 1, head->block.size);
	free(head);
}

void
parse_free(void *memory)
{
	union head *head = memory;

	if (head == NULL)
		return;
	head--;
	if (head->block.link.le_prev != NULL)
		LIST_REMOVE(&head->block, link);
	wipe(head);
}

/* The parser has ended: its blocks are its caller's, or are freed. */
static void
end(bool frees)
{
	struct block *next;

	for (struct block *block = LIST_FIRST(&guarded.blocks); block != NULL; block = next) {
		next = LIST_NEXT(block, link);
		block->link.le_prev = NULL;
		if (frees)
			wipe((union head *)block);
	}
	LIST_INIT(&guarded.blocks);
	guarded.runs = false;
}

bool
parse_guarded(void (*parse)(void *ctx), void *ctx)
{
	CHECK(!guarded.runs);
	guarded.runs = true;
	if (setjmp(guarded.leave) != 0) {
		end(true);
		return false;
	}
	parse(ctx);
	end(false);
	return true;
}
