/* ring.h - messages from one thread to one other, without a lock. */
#ifndef JOBGATE_RING_H
#define JOBGATE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/*
 * One thread puts, one takes. Neither ever waits for the other: ring_put fails when there is no
 * room, ring_take when there is no message.
 */
struct ring;

/* capacity: bytes, a power of two; its pages are touched only as they come into use. */
struct ring *ring_new(size_t capacity); /* NULL when memory is short */
void ring_free(struct ring *ring);

/* Put one message of at least 1 byte, made of pieces, as a whole. False when there is no room for
 * it. */
bool ring_put(struct ring *ring, const struct iovec *pieces, int count);

/* Bytes that have been put and not been taken, as far as the putting thread knows. */
size_t ring_used(struct ring *ring);

/*
 * Take the next message. Returns its length, 0 when there is none. cap must hold the
 * longest message put; what is longer is cut.
 */
size_t ring_take(struct ring *ring, void *into, size_t cap);

#endif
