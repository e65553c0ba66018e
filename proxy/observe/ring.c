/* ring.c - a ring of bytes with one writer and one reader. */
#include "observe/ring.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "jobgate/check.h"

/*
 * Both ends only ever grow, and each has one writer. An end is released once the
 * bytes before it are in place (or have been copied out) and acquired before they are
 * touched. They lie on cache lines of their own, so that the threads do not take them
 * from each other more than they must.
 */
struct ring {
	_Alignas(64) _Atomic uint64_t put; /* bytes put; written by the putting thread */
	uint64_t taken_seen;		   /* `taken`, as the putting thread last saw it */
	_Alignas(64) _Atomic uint64_t taken;
	_Alignas(64) size_t capacity;
	char *bytes;
};

/* Before each message: its length. */
typedef uint32_t prefix;

struct ring *
ring_new(size_t capacity)
{
	struct ring *ring;

	CHECK(capacity > 0 && (capacity & (capacity - 1)) == 0);
	ring = aligned_alloc(64, sizeof(*ring));
	if (ring == NULL)
		return NULL;
	memset(ring, 0, sizeof(*ring));
	ring->capacity = capacity;
	ring->bytes =
	    mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ring->bytes == MAP_FAILED) {
		free(ring);
		return NULL;
	}
	return ring;
}

void
ring_free(struct ring *ring)
{
	if (ring == NULL)
		return;
	munmap(ring->bytes, ring->capacity);
	free(ring);
}

static void
copy_in(struct ring *ring, uint64_t at, const void *from, size_t len)
{
	size_t place = at & (ring->capacity - 1);
	size_t first = ring->capacity - place < len ? ring->capacity - place : len;

	memcpy(ring->bytes + place, from, first);
	memcpy(ring->bytes, (const char *)from + first, len - first);
}

static void
copy_out(const struct ring *ring, uint64_t at, void *into, size_t len)
{
	size_t place = at & (ring->capacity - 1);
	size_t first = ring->capacity - place < len ? ring->capacity - place : len;

	memcpy(into, ring->bytes + place, first);
	memcpy((char *)into + first, ring->bytes, len - first);
}

bool
ring_put(struct ring *ring, const struct iovec *pieces, int count)
{
	uint64_t at = atomic_load_explicit(&ring->put, memory_order_relaxed);
	prefix len = 0;

	for (int i = 0; i < count; i++)
		len += (prefix)pieces[i].iov_len;
	if (at + sizeof(len) + len - ring->taken_seen > ring->capacity)
		ring->taken_seen = atomic_load_explicit(&ring->taken, memory_order_acquire);
	CHECK(at - ring->taken_seen <= ring->capacity);
	if (at + sizeof(len) + len - ring->taken_seen > ring->capacity)
		return false;
	copy_in(ring, at, &len, sizeof(len));
	at += sizeof(len);
	for (int i = 0; i < count; i++) {
		if (pieces[i].iov_len == 0)
			continue;
		copy_in(ring, at, pieces[i].iov_base, pieces[i].iov_len);
		at += pieces[i].iov_len;
	}
	atomic_store_explicit(&ring->put, at, memory_order_release);
	return true;
}

size_t
ring_used(struct ring *ring)
{
	ring->taken_seen = atomic_load_explicit(&ring->taken, memory_order_acquire);
	return (size_t)(atomic_load_explicit(&ring->put, memory_order_relaxed) - ring->taken_seen);
}

size_t
ring_take(struct ring *ring, void *into, size_t cap)
{
	uint64_t at = atomic_load_explicit(&ring->taken, memory_order_relaxed);
	prefix len;

	if (at == atomic_load_explicit(&ring->put, memory_order_acquire))
		return 0;
	copy_out(ring, at, &len, sizeof(len));
	at += sizeof(len);
	CHECK(len <= ring->capacity);
	copy_out(ring, at, into, len < cap ? len : cap);
	atomic_store_explicit(&ring->taken, at + len, memory_order_release);
	return len < cap ? len : cap;
}
