/* exemplar.h - the trace of a recent request, for each bucket of a histogram and each worker. */
#ifndef JOBGATE_EXEMPLAR_H
#define JOBGATE_EXEMPLAR_H

#include <stdbool.h>

#include "observe/counter.h"

#define EXEMPLAR_TRACE_LEN 32 /* bytes of a trace's id, hex digits */

/*
 * In shared memory: one worker writes it, the control process reads it. `version` is odd while it
 * is written, so that no reader mixes two exemplars (a sequence lock).
 */
struct exemplar {
	counter version; /* 0: there is none */
	counter trace[EXEMPLAR_TRACE_LEN / sizeof(uint64_t)];
	counter us, at_us; /* as in struct exemplar_seen */
};

struct exemplar_seen {
	char trace[EXEMPLAR_TRACE_LEN];
	uint64_t us;	/* how long the request took, in microseconds */
	uint64_t at_us; /* when it ended, in microseconds since 1970 */
};

/* Note a request that belongs to a trace, in place of the one before. */
void exemplar_note(
    struct exemplar *exemplar, const char trace[EXEMPLAR_TRACE_LEN], uint64_t us, uint64_t at_us);

/* False when there is none, or while it is being written. */
bool exemplar_read(const struct exemplar *exemplar, struct exemplar_seen *out);

#endif
