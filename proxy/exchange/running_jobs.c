/* running_jobs.c - counts sessions by job: a search among the sorted ids for each. */
#include <stdlib.h>

#include "exchange/running_state.h"

struct running_jobs {
	struct session_jobs jobs;
	uint8_t sorted[SESSION_JOBS_MAX]; /* the indexes of their ids, in the order of the ids */
	uint32_t counts[SESSION_JOBS_MAX];
};

_Static_assert(SESSION_JOBS_MAX <= UINT8_MAX + 1, "an index fits");

struct running_jobs *
running_jobs_new(const struct session_jobs *from)
{
	struct running_jobs *jobs = calloc(1, sizeof(*jobs));

	if (jobs == NULL)
		return NULL;
	jobs->jobs = *from;
	if (jobs->jobs.count > SESSION_JOBS_MAX)
		jobs->jobs.count = SESSION_JOBS_MAX;
	for (uint32_t i = 0; i < jobs->jobs.count; i++) {
		uint32_t at = i;

		jobs->jobs.ids[i][JOB_ID_MAX] = '\0';
		for (;
		     at > 0 && strcmp(jobs->jobs.ids[jobs->sorted[at - 1]], jobs->jobs.ids[i]) > 0;
		     at--)
			jobs->sorted[at] = jobs->sorted[at - 1];
		jobs->sorted[at] = (uint8_t)i;
	}
	return jobs;
}

/* As strcmp. */
static int
compare(struct slice job, const char *id)
{
	int order = strncmp(job.at, id, job.len);

	return order != 0 || id[job.len] == '\0' ? order : -1;
}

void
running_jobs_add(struct running_jobs *jobs, struct slice job)
{
	uint32_t low = 0, high = jobs->jobs.count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		int order = compare(job, jobs->jobs.ids[jobs->sorted[middle]]);

		if (order == 0) {
			jobs->counts[jobs->sorted[middle]]++;
			return;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
}

const uint32_t *
running_jobs_counts(const struct running_jobs *jobs)
{
	return jobs->counts;
}
