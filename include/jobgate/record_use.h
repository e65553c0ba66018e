/* record_use.h - a use of a token or a job, as workers report it to the control process. */
#ifndef JOBGATE_RECORD_USE_H
#define JOBGATE_RECORD_USE_H

#include <stdint.h>
#include <string.h>

#include "jobgate/job.h"
#include "jobgate/token.h"

#define RECORD_USE_MS 60000 /* uses are noted once in a minute */

/* A member of the store's set of uses: the id of a token, or "job:" and the id of a job. */
#define RECORD_USE_JOB "job:"
#define RECORD_USE_MEMBER_MAX (sizeof(RECORD_USE_JOB) - 1 + JOB_ID_MAX)

struct record_use {
	unsigned char len;
	char member[RECORD_USE_MEMBER_MAX];
	uint64_t minute; /* since 1970 */
};

static inline struct slice
record_use_member(const struct record_use *use)
{
	return (struct slice){use->member, use->len};
}

/* False when the id is too long to be one. */
static inline bool
record_use_set(struct record_use *use, bool of_job, struct slice id, uint64_t minute)
{
	size_t before = of_job ? sizeof(RECORD_USE_JOB) - 1 : 0;

	if (id.len > JOB_ID_MAX)
		return false;
	memcpy(use->member, RECORD_USE_JOB, before);
	memcpy(use->member + before, id.at, id.len);
	use->len = (unsigned char)(before + id.len);
	use->minute = minute;
	return true;
}

#endif
