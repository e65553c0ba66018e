/* buffer.c - the worker's blocks, kept for reuse last in, first out. */
#include "net/buffer.h"

#include <stdlib.h>

static const uint32_t sizes[] = {1024, 4096, BUFFER_MEDIUM, BUFFER_LARGE};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* Idle blocks kept of each size, in bytes; more go back to the allocator. */
#define KEEP_BYTES (4 * 1024 * 1024)

struct buffer_pool {
	struct buffer *idle[SIZES];
	uint32_t kept[SIZES];
};

struct buffer_pool *
buffer_pool_new(void)
{
	return calloc(1, sizeof(struct buffer_pool));
}

void
buffer_pool_free(struct buffer_pool *pool)
{
	if (pool == NULL)
		return;
	for (size_t i = 0; i < SIZES; i++) {
		struct buffer *buffer;

		while ((buffer = pool->idle[i]) != NULL) {
			pool->idle[i] = buffer->next;
			free(buffer);
		}
	}
	free(pool);
}

/* The index of the smallest size that holds this many bytes; SIZES when none does. */
static size_t
size_index(size_t bytes)
{
	size_t i = 0;

	while (i < SIZES && sizes[i] < bytes)
		i++;
	return i;
}

struct buffer *
buffer_take(struct buffer_pool *pool, size_t size)
{
	size_t i = size_index(size);
	struct buffer *buffer;

	if (i < SIZES && (buffer = pool->idle[i]) != NULL) {
		pool->idle[i] = buffer->next;
		pool->kept[i]--;
	} else {
		size_t capacity = i < SIZES ? sizes[i] : size;

		if (capacity > UINT32_MAX || (buffer = malloc(sizeof(*buffer) + capacity)) == NULL)
			return NULL;
		buffer->capacity = (uint32_t)capacity;
	}
	buffer->start = buffer->end = 0;
	return buffer;
}

void
buffer_give(struct buffer_pool *pool, struct buffer *buffer)
{
	size_t i;

	if (buffer == NULL)
		return;
	i = size_index(buffer->capacity);
	if (i == SIZES || sizes[i] != buffer->capacity ||
	    (uint64_t)pool->kept[i] * sizes[i] >= KEEP_BYTES) {
		free(buffer);
		return;
	}
	buffer->next = pool->idle[i];
	pool->idle[i] = buffer;
	pool->kept[i]++;
}

struct buffer *
buffer_fit(struct buffer_pool *pool, struct buffer *buffer)
{
	struct buffer *fitting;

	if (buffer == NULL)
		return NULL;
	if (buffer_len(buffer) == 0) {
		buffer_give(pool, buffer);
		return NULL;
	}
	if (size_index(buffer_len(buffer)) >= size_index(buffer->capacity))
		return buffer;
	fitting = buffer_take(pool, buffer_len(buffer));
	if (fitting == NULL)
		return buffer;
	buffer_append(fitting, buffer_bytes(buffer));
	buffer_give(pool, buffer);
	return fitting;
}

void
buffer_compact(struct buffer *buffer)
{
	if (buffer->start == 0)
		return;
	memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->end - buffer->start);
	buffer->end -= buffer->start;
	buffer->start = 0;
}
