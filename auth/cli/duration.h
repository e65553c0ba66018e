/* duration.h - reads durations such as 90s, 10m, 12h, 30d or 2w. */
#ifndef JOBGATE_CLI_DURATION_H
#define JOBGATE_CLI_DURATION_H

#include <stdint.h>

#include "jobgate/slice.h"

#define DURATION_MAX_S 3153600000 /* 100 years */

/* A whole number from 1 and a unit: s, m, h, d or w. False for any other text. */
bool duration_parse(struct slice text, uint64_t *seconds);

#endif
