/* exemplar.c - a sequence lock with one writer; a reader never waits. */
#include "observe/exemplar.h"

#include <string.h>

#define WORDS (EXEMPLAR_TRACE_LEN / sizeof(uint64_t))

void
exemplar_note(
    struct exemplar *exemplar, const char trace[EXEMPLAR_TRACE_LEN], uint64_t us, uint64_t at_us)
{
	/* It may be odd already: a worker may have been killed while it wrote. */
	uint64_t version = counter_get(&exemplar->version) | 1;
	uint64_t words[WORDS];

	memcpy(words, trace, sizeof(words));
	counter_set(&exemplar->version, version);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < WORDS; i++)
		counter_set(&exemplar->trace[i], words[i]);
	counter_set(&exemplar->us, us);
	counter_set(&exemplar->at_us, at_us);
	atomic_store_explicit(&exemplar->version, version + 1, memory_order_release);
}

bool
exemplar_read(const struct exemplar *exemplar, struct exemplar_seen *out)
{
	uint64_t version =
	    atomic_load_explicit((counter *)&exemplar->version, memory_order_acquire);
	uint64_t words[WORDS];

	for (size_t i = 0; i < WORDS; i++)
		words[i] = counter_get(&exemplar->trace[i]);
	memcpy(out->trace, words, sizeof(words));
	out->us = counter_get(&exemplar->us);
	out->at_us = counter_get(&exemplar->at_us);
	atomic_thread_fence(memory_order_acquire);
	return version != 0 && version % 2 == 0 && counter_get(&exemplar->version) == version;
}
