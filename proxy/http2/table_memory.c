/* table_memory.c - memory for the tables of HPACK decoders. */
#include "http2/table_memory.h"

#include "jobgate/container_of.h"

_Static_assert(offsetof(struct buffer, bytes) % _Alignof(struct hpack_entry) == 0,
    "a table may begin where a block's bytes do");

static void *
take(void *from, size_t size)
{
	struct buffer *buffer = buffer_take_tight(from, size);

	return buffer != NULL ? buffer->bytes : NULL;
}

static void
give(void *from, void *block)
{
	char(*bytes)[] = block;

	buffer_give(from, container_of(bytes, struct buffer, bytes));
}

struct hpack_memory
h2_table_memory(struct buffer_pool *buffers)
{
	return (struct hpack_memory){.take = take, .give = give, .from = buffers};
}
