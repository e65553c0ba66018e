/* uses.h - a ring in shared memory: the tokens and jobs that a worker has seen in use. */
#ifndef JOBGATE_USES_H
#define JOBGATE_USES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "jobgate/record_use.h"

#define USES_MAX 2048 /* a power of two */

/*
 * One writer, the worker, and one reader, the control process. Neither waits for the other, and
 * what a worker that was killed has written is still read. Start with a zeroed one.
 */
struct uses {
	_Alignas(64) _Atomic uint64_t written; /* how many, since the start */
	_Alignas(64) _Atomic uint64_t read;
	struct record_use items[USES_MAX];
};

/*
 * Note a use: no system call, no lock, no allocation. When the ring is full it is not noted: more
 * than USES_MAX tokens and jobs were used by one worker since the reader last came.
 */
static inline void
uses_add(struct uses *uses, bool of_job, struct slice id, uint64_t minute)
{
	uint64_t at = atomic_load_explicit(&uses->written, memory_order_relaxed);
	struct record_use *use = &uses->items[at % USES_MAX];

	if (at - atomic_load_explicit(&uses->read, memory_order_acquire) >= USES_MAX ||
	    !record_use_set(use, of_job, id, minute))
		return;
	atomic_store_explicit(&uses->written, at + 1, memory_order_release);
}

/* Take up to `most` uses, oldest first, into out. Returns how many. */
static inline size_t
uses_take(struct uses *uses, struct record_use *out, size_t most)
{
	uint64_t at = atomic_load_explicit(&uses->read, memory_order_relaxed);
	uint64_t end = atomic_load_explicit(&uses->written, memory_order_acquire);
	size_t count = 0;

	for (; at != end && count < most; at++)
		out[count++] = uses->items[at % USES_MAX];
	atomic_store_explicit(&uses->read, at, memory_order_release);
	return count;
}

#endif
