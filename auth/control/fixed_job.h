/* fixed_job.h - tells operators, before a user asks, what a sidecar's job lacks, and of a job whose
 * id it may not have. */
#ifndef JOBGATE_CONTROL_FIXED_JOB_H
#define JOBGATE_CONTROL_FIXED_JOB_H

#include <event2/event.h>

#include "auth/control/job_reach.h"
#include "auth/redis/store.h"

#define FIXED_JOB_TEXT_MAX 512

/*
 * The job to read: the fixed one, unless the configuration has its labels and asks for no record,
 * or the one that there may not be (taken_job). NULL: none.
 */
const char *fixed_job_id(const struct control_settings *settings);

/*
 * What an operator should know of that job, whose record was read with this result. Of the fixed
 * job: it has no record, no labels, or no URL, or its record is not the gateway's own
 * (register_ms). Of a job whose id is taken: it has a record, which counts as absent. An empty
 * text: all is well, or nothing is known. True when the job cannot be used. record: NULL unless
 * result is STORE_OK.
 */
bool fixed_job_problem(const struct control_settings *settings, enum store_result result,
    const struct record *record, char out[FIXED_JOB_TEXT_MAX]);

/*
 * Read that job's record periodically, and log what is wrong whenever that changes. reach learns of
 * the URLs in the record, if these count. settings, reach, log and store outlive the result. NULL
 * when memory is short, or when there is nothing to watch.
 */
struct fixed_job;
struct fixed_job *fixed_job_watch(struct event_base *base, struct store *store,
    const struct control_settings *settings, struct job_reach *reach, const struct log *log);

/* Call it after the store has been freed: then no read is under way. NULL is harmless. */
void fixed_job_free(struct fixed_job *fixed);

#endif
