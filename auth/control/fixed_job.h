/* fixed_job.h - tells operators what a sidecar's job lacks, before its first user asks. */
#ifndef JOBGATE_CONTROL_FIXED_JOB_H
#define JOBGATE_CONTROL_FIXED_JOB_H

#include <event2/event.h>

#include "auth/redis/store.h"

#define FIXED_JOB_TEXT_MAX 512

/*
 * What an operator should know of the fixed job, whose record was read with this result: it has no
 * record, no labels, or no URL. An empty text: all is well, or nothing is known. True when the job
 * cannot be used. record: NULL unless result is STORE_OK.
 */
bool fixed_job_problem(const struct control_settings *settings, enum store_result result,
    const struct record *record, char out[FIXED_JOB_TEXT_MAX]);

/*
 * Read the fixed job's record periodically, and log what it lacks whenever that changes.
 * settings, log and store outlive the result. NULL when memory is short, or when there is nothing
 * to watch: no fixed job, or one whose labels the configuration has.
 */
struct fixed_job;
struct fixed_job *fixed_job_watch(struct event_base *base, struct store *store,
    const struct control_settings *settings, const struct log *log);

/* Call it after the store has been freed: then no read is under way. NULL is harmless. */
void fixed_job_free(struct fixed_job *fixed);

#endif
