/* metrics.h - what the workers publish, as Prometheus reads it. */
#ifndef JOBGATE_METRICS_H
#define JOBGATE_METRICS_H

#include <stdbool.h>
#include <stdio.h>

#include "observe/shared.h"

/* Writes further metrics. False when memory is short. */
typedef bool metrics_more(void *ctx, FILE *out);

/* The text of /metrics (Prometheus exposition format 0.0.4), to be freed; NULL when memory is
 * short. more may be NULL. */
char *metrics_render(
    const struct shared_stats *stats, const char *version, metrics_more *more, void *ctx);

/* Write the metrics by job. False when memory is short. */
bool metrics_render_jobs(const struct shared_stats *stats, FILE *out);

/*
 * True when every worker accepts connections and can decide on requests; why is then empty or a
 * warning, which stays until its cause is removed. Else false, with the reason in why.
 */
bool metrics_ready(const struct shared_stats *stats, char *why, size_t cap);

#endif
