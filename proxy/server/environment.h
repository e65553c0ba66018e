/* environment.h - numbers in the environment. */
#ifndef JOBGATE_SERVER_ENVIRONMENT_H
#define JOBGATE_SERVER_ENVIRONMENT_H

#include <stdlib.h>

#include "jobgate/slice.h"

/*
 * The number of 0 to max that the environment variable `name` holds. False, with *out unchanged,
 * when there is no such variable or it holds anything but digits.
 */
static inline bool
environment_number(const char *name, uint64_t max, uint64_t *out)
{
	const char *text = getenv(name);

	return text != NULL && slice_to_number(slice_of(text), max, out);
}

#endif
