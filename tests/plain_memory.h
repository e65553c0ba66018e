/* plain_memory.h - zeroed memory of the C library for the tables of HPACK decoders in tests; it can
 * be short. */
#ifndef JOBGATE_TESTS_PLAIN_MEMORY_H
#define JOBGATE_TESTS_PLAIN_MEMORY_H

#include <stdlib.h>

#include "http/hpack_table.h"

static inline void *
plain_take(void *from, size_t size)
{
	const bool *is_short = from;

	return is_short != NULL && *is_short ? NULL : calloc(1, size);
}

static inline void
plain_give(void *from, void *block)
{
	(void)from;
	free(block);
}

/* is_short: there is no more memory while it is true; NULL: there always is. */
static inline struct hpack_memory
plain_memory(bool *is_short)
{
	return (struct hpack_memory){.take = plain_take, .give = plain_give, .from = is_short};
}

#endif
