/* buffer.h - buffers for bytes in transit, in blocks that a worker reuses. */
#ifndef JOBGATE_BUFFER_H
#define JOBGATE_BUFFER_H

#include <stdint.h>

#include "jobgate/check.h"
#include "jobgate/slice.h"

/*
 * The sizes of blocks. A connection holds a block only while there are bytes in it. Bytes that must
 * stay after a turn of the loop move to the smallest block that fits, so that ten thousand slow
 * heads cost only what they sent, not ten thousand large blocks.
 */
#define BUFFER_LARGE (48 * 1024)
#define BUFFER_MEDIUM (16 * 1024)

struct buffer {
	struct buffer *next; /* in the pool's list */
	uint32_t capacity;   /* bytes in total */
	uint32_t start, end; /* bytes [start, end) are in use */
	char bytes[];
};

struct buffer_pool;

struct buffer_pool *buffer_pool_new(void);
void buffer_pool_free(struct buffer_pool *pool); /* call it after all buffers were given back */

/* Write how many bytes of blocks are idle. */
void buffer_pool_dump(const struct buffer_pool *pool, struct dump *dump);

/*
 * Take an empty buffer with room for at least `size` bytes. A block of more than BUFFER_LARGE has a
 * mapping of its own and is not kept. No block is in a core dump. NULL when memory is short.
 */
struct buffer *buffer_take(struct buffer_pool *pool, size_t size);

/*
 * The same for what stays as long as its connection does, such as a table of HPACK: from blocks of
 * 384 bytes, doubling up to 3,072, or 5,120, which waste less. Give it back as any other.
 */
struct buffer *buffer_take_tight(struct buffer_pool *pool, size_t size);

/* Give a buffer back; NULL is allowed. */
void buffer_give(struct buffer_pool *pool, struct buffer *buffer);

/*
 * Move the bytes to the smallest buffer that holds them, and return that. Returns the same buffer
 * when no size is smaller, or memory is short. Returns NULL when there are no bytes; the buffer
 * then was given back.
 */
struct buffer *buffer_fit(struct buffer_pool *pool, struct buffer *buffer);

/* Move the bytes to the front, so that all free room is after them. */
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

/* The first address in an empty buffer that has this alignment, to place an object there. */
static inline void *
buffer_place(struct buffer *buffer, size_t alignment)
{
	return buffer->bytes + (-(uintptr_t)buffer->bytes & (alignment - 1));
}

/* Append bytes that fit. */
static inline void
buffer_append(struct buffer *buffer, struct slice text)
{
	CHECK(text.len <= buffer_room(buffer));
	memcpy(buffer->bytes + buffer->end, text.at, text.len);
	buffer->end += (uint32_t)text.len;
}

/*
 * Working memory of `size` bytes in which heads are built. Like buffers, it is in no core dump,
 * because a head may contain a token. NULL when memory is short.
 */
void *scratch_new(size_t size);

/* NULL is allowed. */
void scratch_free(void *scratch, size_t size);

#endif
