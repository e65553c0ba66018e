/* moment.h - moments as records hold them: RFC 3339 in UTC, and milliseconds since 1970. */
#ifndef JOBGATE_AUTH_MOMENT_H
#define JOBGATE_AUTH_MOMENT_H

#include <stdint.h>

#include "jobgate/slice.h"

#define MOMENT_TEXT_MAX sizeof("2026-01-31T12:00:00.000Z")

/*
 * Read a time such as 2026-01-31T12:00:00Z, of the years 1970 to 9999 (RFC 3339 section 5.6; "Z" or
 * "+00:00"). Digits beyond the milliseconds are cut off. False for any other text, also for a day
 * that does not exist and for a leap second. *ms is never 0, which would mean that there is none.
 */
bool moment_parse(struct slice text, uint64_t *ms);

/* Write it, with milliseconds only if there are any; ms is what moment_parse gave. */
void moment_format(uint64_t ms, char out[MOMENT_TEXT_MAX]);

#endif
