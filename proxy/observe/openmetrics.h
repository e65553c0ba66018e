/* openmetrics.h - the metrics as OpenMetrics 1.0 (its text format), with exemplars. */
#ifndef JOBGATE_OPENMETRICS_H
#define JOBGATE_OPENMETRICS_H

#include "observe/shared.h"

/*
 * Write what metrics_render has made in the form of OpenMetrics: counters' families are named
 * without _total, families have units, and buckets of the duration of requests have the trace of
 * the latest request that fell into them in any worker. Frees text; the caller frees the result.
 * NULL when memory is short, or text is NULL.
 */
char *openmetrics_render(char *text, const struct shared_stats *stats);

#endif
