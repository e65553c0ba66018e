/* fuzz.h - what every target has. */
#ifndef JOBGATE_FUZZ_H
#define JOBGATE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "jobgate/check.h"
#include "jobgate/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold; unlike assert it is there in every build. It takes the place of the
 * CHECK of check.h: a target ends at once, with a core for libFuzzer. */
#undef CHECK
#define CHECK(condition)                                                                          \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* A copy without room behind it, so that AddressSanitizer sees every byte read too many. */
static inline char *
exact_copy(const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);

	CHECK(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* True when inner is empty or lies within outer. */
static inline bool
slice_within(struct slice inner, struct slice outer)
{
	return inner.len == 0 ||
	       (inner.at >= outer.at && inner.at + inner.len <= outer.at + outer.len);
}

#endif
