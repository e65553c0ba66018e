/* job_stats.h - what is counted of each job, in shared memory, for a bounded number of jobs. */
#ifndef JOBGATE_JOB_STATS_H
#define JOBGATE_JOB_STATS_H

#include <stdbool.h>
#include <stdio.h>

#include "jobgate/job.h"
#include "observe/counter.h"

#define JOB_STATS_MAX 1000 /* jobs with samples of their own: the largest metrics.jobs_max */

/* Twice as many slots as jobs, so that a job is found after a few steps. */
#define JOB_SLOTS 2048
#define JOB_STEPS_MAX 16
#define JOB_OTHER JOB_SLOTS /* the counts of all jobs without a slot */

/* A job that was idle for so long gives its slot to another one. */
#define JOB_IDLE_MINUTES 60

/*
 * The jobs that have slots, shared by all workers, so that a job has the same slot in each. A slot
 * never becomes free, but may pass to another job. Start with a zeroed one.
 */
struct job_slot {
	/* 0: free; odd: being changed; else 2 more with each job that gets the slot. */
	_Atomic uint32_t sequence;
	_Atomic uint32_t minute; /* of the last request, since 1970 */
	char id[JOB_ID_MAX + 1]; /* valid while sequence is even and does not change */
};

struct job_slots {
	_Atomic uint32_t count; /* that are not free */
	struct job_slot slots[JOB_SLOTS];
};

/* The classes of statuses: index 1 to 5 are 1xx to 5xx; 0: the client got no status. */
#define STATUS_CLASSES 6

static inline unsigned
status_class(unsigned status)
{
	return status < 100 * STATUS_CLASSES ? status / 100 : 0;
}

/* "2xx" ..., "none"; static. */
const char *status_class_name(unsigned code);

/* What one worker counts of the job in a slot; it is the only writer. */
struct job_counts {
	counter sequence; /* of the slot's job; of another one: all counts are 0 */
	counter classes[STATUS_CLASSES];
	counter bytes_in, bytes_out;
	counter timed, sum_us; /* exchanges that are no tunnels, and their durations */
};

/* An exchange that has ended. */
struct job_use {
	struct slice job;
	unsigned status;
	bool tunnel;
	uint64_t us, bytes_in, bytes_out;
	uint32_t minute;
};

/*
 * Count an exchange. counts has JOB_SLOTS + 1 elements. At most `most` jobs have slots; of the
 * others, what they have in common is counted (JOB_OTHER).
 */
void job_stats_add(
    struct job_slots *slots, struct job_counts *counts, uint32_t most, const struct job_use *use);

/*
 * Render the sum over these workers as Prometheus reads it. each: the counts of worker i. False
 * when memory is short.
 */
bool job_stats_render(const struct job_slots *slots, size_t workers,
    const struct job_counts *(*each)(void *ctx, size_t i), void *ctx, FILE *out);

#endif
