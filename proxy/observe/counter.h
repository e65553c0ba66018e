/* counter.h - a number in shared memory that one process counts and others read. */
#ifndef JOBGATE_COUNTER_H
#define JOBGATE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Each counter has one writer, its worker, which stores with relaxed order and
 * never reads-modifies-writes atomically; readers (the control process) load
 * with relaxed order and add the workers up.
 */
typedef _Atomic uint64_t counter;

static inline void
counter_add(counter *counter_, uint64_t n)
{
	atomic_store_explicit(counter_, atomic_load_explicit(counter_, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

static inline void
counter_set(counter *counter_, uint64_t value)
{
	atomic_store_explicit(counter_, value, memory_order_relaxed);
}

static inline uint64_t
counter_get(const counter *counter_)
{
	return atomic_load_explicit((counter *)counter_, memory_order_relaxed);
}

#endif
