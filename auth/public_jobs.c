/* public_jobs.c - the ids that the store lists as those of public jobs, in order. */
#include "jobgate/public_jobs.h"

#include <stdlib.h>
#include <string.h>

#include "jobgate/check.h"

/* An id with zeros after it, so that ids are compared as a whole. */
struct padded_id {
	char text[JOB_ID_ROOM];
};

struct public_jobs {
	size_t max, count;
	bool sorted;
	struct padded_id ids[];
};

static struct padded_id
pad(struct slice id)
{
	struct padded_id padded = {{0}};

	memcpy(padded.text, id.at, id.len);
	return padded;
}

static int
compare(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct padded_id));
}

struct public_jobs *
public_jobs_new(size_t max)
{
	struct public_jobs *jobs = malloc(sizeof(*jobs) + max * sizeof(jobs->ids[0]));

	if (jobs != NULL)
		*jobs = (struct public_jobs){.max = max};
	return jobs;
}

void
public_jobs_free(struct public_jobs *jobs)
{
	free(jobs);
}

bool
public_jobs_add(struct public_jobs *jobs, struct slice id)
{
	CHECK(!jobs->sorted);
	if (jobs->count == jobs->max || !jg_job_id_valid(id))
		return false;
	jobs->ids[jobs->count++] = pad(id);
	return true;
}

void
public_jobs_sort(struct public_jobs *jobs)
{
	qsort(jobs->ids, jobs->count, sizeof(jobs->ids[0]), compare);
	jobs->sorted = true;
}

bool
public_jobs_has(const struct public_jobs *jobs, struct slice id)
{
	struct padded_id wanted;

	if (jobs == NULL || jobs->count == 0)
		return false;
	CHECK(jobs->sorted && id.len < JOB_ID_ROOM);
	wanted = pad(id);
	return bsearch(&wanted, jobs->ids, jobs->count, sizeof(jobs->ids[0]), compare) != NULL;
}
