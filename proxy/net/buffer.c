/* buffer.c - the worker's blocks; the block used last is reused first. */
#include "net/buffer.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

/* First the blocks of buffer_take, then those of buffer_take_tight. */
static const uint32_t sizes[] = {
    1024, 4096, BUFFER_MEDIUM, BUFFER_LARGE, 384, 768, 1536, 3072, 5120};
#define SIZES 4
#define ALL_SIZES (sizeof(sizes) / sizeof(sizes[0]))

/*
 * Bytes of idle blocks that are kept of each size. Beyond that, a chunk is unmapped when all of its
 * blocks are idle.
 */
#define KEEP_BYTES (4 * 1024 * 1024)

/*
 * Blocks come from chunks that are mapped only for them, so that the kernel can leave them out of
 * core dumps: they hold requests and so tokens. A chunk is aligned to its size, so that the address
 * of a block gives its chunk.
 */
#define CHUNK_BYTES ((size_t)256 * 1024)

/* Between blocks, so that a sanitizer reports a write past the end of one. */
#define GAP 32

struct chunk {
	LIST_ENTRY(chunk) link; /* in the list of chunks that have an idle block */
	struct buffer *idle;
	struct size_class *class;
	uint32_t idle_count, count; /* blocks */
	_Alignas(struct buffer) char blocks[];
};

LIST_HEAD(chunk_list, chunk);

/* The blocks of one size. */
struct size_class {
	struct chunk_list chunks; /* chunks that have an idle block; the one used last is first */
	uint64_t idle_bytes;
};

struct buffer_pool {
	struct size_class classes[ALL_SIZES];
};

struct buffer_pool *
buffer_pool_new(void)
{
	return calloc(1, sizeof(struct buffer_pool));
}

static void
chunk_unmap(struct chunk *chunk)
{
	ASAN_UNPOISON_MEMORY_REGION(chunk, CHUNK_BYTES);
	munmap(chunk, CHUNK_BYTES);
}

void
buffer_pool_free(struct buffer_pool *pool)
{
	if (pool == NULL)
		return;
	for (size_t i = 0; i < ALL_SIZES; i++) {
		struct chunk *chunk;

		while ((chunk = LIST_FIRST(&pool->classes[i].chunks)) != NULL) {
			CHECK(chunk->idle_count == chunk->count, buffer_pool_dump, pool);
			LIST_REMOVE(chunk, link);
			chunk_unmap(chunk);
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

/* Map twice as much as needed, and unmap the parts around the aligned one. */
static void *
map_aligned(void)
{
	char *at =
	    mmap(NULL, 2 * CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (at == MAP_FAILED)
		return NULL;
	before = (CHUNK_BYTES - ((uintptr_t)at & (CHUNK_BYTES - 1))) & (CHUNK_BYTES - 1);
	if (before > 0)
		munmap(at, before);
	munmap(at + before + CHUNK_BYTES, CHUNK_BYTES - before);
	madvise(at + before, CHUNK_BYTES, MADV_DONTDUMP);
	return at + before;
}

static struct chunk *
chunk_new(struct size_class *class, uint32_t capacity)
{
	struct chunk *chunk = map_aligned();
	size_t step = sizeof(struct buffer) + capacity + GAP;

	if (chunk == NULL)
		return NULL;
	chunk->class = class;
	chunk->count = chunk->idle_count = (uint32_t)((CHUNK_BYTES - sizeof(*chunk)) / step);
	for (size_t i = chunk->count; i-- > 0;) {
		struct buffer *buffer = (struct buffer *)(chunk->blocks + i * step);

		buffer->next = chunk->idle;
		buffer->capacity = capacity;
		chunk->idle = buffer;
	}
	for (struct buffer *at = chunk->idle; at != NULL; at = at->next)
		ASAN_POISON_MEMORY_REGION(at->bytes, capacity + GAP);
	class->idle_bytes += (uint64_t)chunk->count * capacity;
	LIST_INSERT_HEAD(&class->chunks, chunk, link);
	return chunk;
}

/*
 * A block larger than all sizes has a mapping of its own, also to be left out of core dumps; its
 * gap reaches to the end of its last page.
 */
static size_t
large_bytes(size_t size)
{
	const size_t page = 4096;

	return (sizeof(struct buffer) + size + GAP + page - 1) / page * page;
}

static struct buffer *
large_new(size_t size)
{
	size_t bytes = large_bytes(size);
	struct buffer *buffer;

	if (size > UINT32_MAX)
		return NULL;
	buffer = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		return NULL;
	madvise(buffer, bytes, MADV_DONTDUMP);
	buffer->capacity = (uint32_t)size;
	ASAN_POISON_MEMORY_REGION(buffer->bytes + size, bytes - sizeof(*buffer) - size);
	return buffer;
}

static void
large_free(struct buffer *buffer)
{
	size_t bytes = large_bytes(buffer->capacity);

	ASAN_UNPOISON_MEMORY_REGION(buffer, bytes);
	munmap(buffer, bytes);
}

/* A block of the size with this index. */
static struct buffer *
take_block(struct buffer_pool *pool, size_t i)
{
	struct size_class *class = &pool->classes[i];
	struct chunk *chunk;
	struct buffer *buffer;

	chunk = LIST_FIRST(&class->chunks);
	if (chunk == NULL && (chunk = chunk_new(class, sizes[i])) == NULL)
		return NULL;
	buffer = chunk->idle;
	CHECK(buffer != NULL && chunk->idle_count > 0, buffer_pool_dump, pool);
	chunk->idle = buffer->next;
	if (--chunk->idle_count == 0)
		LIST_REMOVE(chunk, link);
	class->idle_bytes -= sizes[i];
	ASAN_UNPOISON_MEMORY_REGION(buffer->bytes, buffer->capacity);
	buffer->start = buffer->end = 0;
	return buffer;
}

struct buffer *
buffer_take(struct buffer_pool *pool, size_t size)
{
	size_t i = size_index(size);

	return i < SIZES ? take_block(pool, i) : large_new(size);
}

struct buffer *
buffer_take_tight(struct buffer_pool *pool, size_t size)
{
	size_t i = SIZES;

	while (i < ALL_SIZES && sizes[i] < size)
		i++;
	return i < ALL_SIZES ? take_block(pool, i) : buffer_take(pool, size);
}

void
buffer_give(struct buffer_pool *pool, struct buffer *buffer)
{
	struct size_class *class;
	struct chunk *chunk;

	if (buffer == NULL)
		return;
	if (buffer->capacity > BUFFER_LARGE) {
		large_free(buffer);
		return;
	}
	chunk = (struct chunk *)((char *)buffer - ((uintptr_t)buffer & (CHUNK_BYTES - 1)));
	class = chunk->class;
	CHECK(chunk->idle_count < chunk->count && chunk->idle != buffer &&
		  buffer->start <= buffer->end && buffer->end <= buffer->capacity,
	    buffer_pool_dump, pool);
	ASAN_POISON_MEMORY_REGION(buffer->bytes, buffer->capacity);
	buffer->next = chunk->idle;
	chunk->idle = buffer;
	class->idle_bytes += buffer->capacity;
	if (chunk->idle_count++ == 0)
		LIST_INSERT_HEAD(&class->chunks, chunk, link);
	if (chunk->idle_count == chunk->count && class->idle_bytes > KEEP_BYTES) {
		class->idle_bytes -= (uint64_t)chunk->count * buffer->capacity;
		LIST_REMOVE(chunk, link);
		chunk_unmap(chunk);
	}
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

void
buffer_pool_dump(const struct buffer_pool *pool, struct dump *dump)
{
	uint64_t idle = 0;

	for (size_t i = 0; i < ALL_SIZES; i++)
		idle += pool->classes[i].idle_bytes;
	jg_dump_begin(dump, "buffer_pool");
	jg_dump_number(dump, "idle_bytes", idle);
	jg_dump_end(dump);
}

void *
scratch_new(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	madvise(at, size, MADV_DONTDUMP);
	return at;
}

void
scratch_free(void *scratch, size_t size)
{
	if (scratch != NULL)
		munmap(scratch, size);
}
