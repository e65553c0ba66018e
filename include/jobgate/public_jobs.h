/* public_jobs.h - the ids that the store lists as those of public jobs. */
#ifndef JOBGATE_PUBLIC_JOBS_H
#define JOBGATE_PUBLIC_JOBS_H

#include "jobgate/job.h"

/*
 * The ids say only which jobs may be looked up for a request without a token, so that strangers
 * cause no other reads. Whether such a job is public is what its record says.
 */
struct public_jobs;

/*
 * A set for at most `max` ids, which may be 0. The caller frees it, or gives it to
 * jg_directory_set_public. NULL when memory is short.
 */
struct public_jobs *public_jobs_new(size_t max);
void public_jobs_free(struct public_jobs *jobs); /* NULL is allowed */

/* Add an id, which is copied. False, with nothing added, when it is not valid or the set is full.
 */
bool public_jobs_add(struct public_jobs *jobs, struct slice id);

/* All ids have been added: public_jobs_has may be called from now on, and public_jobs_add not. */
void public_jobs_sort(struct public_jobs *jobs);

/* True when the set has the id; with jobs NULL it has none. The id is valid (jg_job_id_valid). */
bool public_jobs_has(const struct public_jobs *jobs, struct slice id);

#endif
