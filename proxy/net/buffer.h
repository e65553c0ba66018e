/* buffer.h - bytes on their way, in blocks that a worker keeps for reuse. */
#ifndef JOBGATE_BUFFER_H
#define JOBGATE_BUFFER_H

#include <stdint.h>

#include "jobgate/check.h"
#include "jobgate/slice.h"

/*
 * The sizes of blocks. A connection holds a block only while there are bytes in
 * it; what must stay over a turn of the loop moves to the smallest that fits, so
 * that ten thousand slow heads cost what they sent, not ten thousand big blocks.
 */
#define BUFFER_LARGE (48 * 1024)
#define BUFFER_MEDIUM (16 * 1024)

struct buffer {
	struct buffer *next; /* in the pool */
	uint32_t capacity;   /* bytes in all */
	uint32_t start, end; /* bytes [start, end) are in use */
	char bytes[];
};

struct buffer_pool;

struct buffer_pool *buffer_pool_new(void);
void buffer_pool_free(struct buffer_pool *pool); /* all buffers were given back */

/* How many bytes of blocks are idle. */
void buffer_pool_dump(const struct buffer_pool *pool, struct dump *dump);

/*
 * An empty buffer with room for at least `size` bytes (more than BUFFER_LARGE too: such a block is
 * mapped by itself and not kept). No block gets into a core dump. NULL when memory is short.
 */
struct buffer *buffer_take(struct buffer_pool *pool, size_t size);

/* Give a buffer back; NULL is allowed. */
void buffer_give(struct buffer_pool *pool, struct buffer *buffer);

/*
 * The same bytes in the smallest buffer that holds them; the buffer itself when
 * there is none smaller, or no memory. NULL when there are no bytes.
 */
struct buffer *buffer_fit(struct buffer_pool *pool, struct buffer *buffer);

/* Move the bytes to the front, so that all free room lies behind them. */
void buffer_compact(struct buffer *buffer);

static inline struct slice
buffer_bytes(const struct buffer *buffer)
{
	return (struct slice){buffer->bytes + buffer->start, buffer->end - buffer->start};
}

static inline size_t
buffer_len(const struct buffer *buffer)
{
	return buffer == NULL ? 0 : buffer->end - buffer->start;
}

static inline size_t
buffer_room(const struct buffer *buffer)
{
	return buffer->capacity - buffer->end;
}

/* Blocks hold bytes: the first address in an empty one that suits an object with this alignment. */
static inline void *
buffer_place(struct buffer *buffer, size_t alignment)
{
	return buffer->bytes + (-(uintptr_t)buffer->bytes & (alignment - 1));
}

/* Append what is known to fit. */
static inline void
buffer_append(struct buffer *buffer, struct slice text)
{
	CHECK(text.len <= buffer_room(buffer));
	memcpy(buffer->bytes + buffer->end, text.at, text.len);
	buffer->end += (uint32_t)text.len;
}

/*
 * Working memory of `size` bytes for heads that are put together: like buffers, it is in no core
 * dump, as a head may have a token. NULL when memory is short.
 */
void *scratch_new(size_t size);

/* NULL is allowed. */
void scratch_free(void *scratch, size_t size);

#endif
