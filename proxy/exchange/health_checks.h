/* health_checks.h - the replicas of a worker's jobs are checked while the jobs get requests. */
#ifndef JOBGATE_EXCHANGE_HEALTH_CHECKS_H
#define JOBGATE_EXCHANGE_HEALTH_CHECKS_H

#include <stdint.h>

#include "jobgate/job.h"

struct exchange_context;
struct health_checks;

/*
 * The job, which has replicas and a health path, gets a request: its replicas are checked from now
 * on, and for HEALTH_LINGER_MS after its last request. A job for which there is no room, or no
 * memory, is not checked.
 */
#define HEALTH_LINGER_MS 300000
void health_checks_use(struct exchange_context *context, const struct job *job);

/* A bit for each replica of the job that is not healthy; 0 without a health path. */
uint16_t health_checks_unhealthy(const struct exchange_context *context, const struct job *job);

/* The worker ends: no check is begun any more. */
void health_checks_stop(struct exchange_context *context);

/* End all checks, and free what is kept for them. */
void health_checks_free(struct exchange_context *context);

#endif
