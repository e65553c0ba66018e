/* large_sample.h - many measured values, and their distribution. */
#ifndef SIM_LARGE_SAMPLE_H
#define SIM_LARGE_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* All zero: empty. */
struct large_sample {
	uint64_t *ns;
	size_t count, room;
};

void large_sample_add(struct large_sample *sample, uint64_t ns);

/* Print "NAME_p50 1.234", and p90, p99, p99.9 and the longest: in milliseconds. Nothing of an empty
 * one. */
void large_sample_print(struct large_sample *sample, const char *name);

#endif
