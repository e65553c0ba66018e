/* job_sessions.h - counts what runs at jobs now, across all workers. */
#ifndef JOBGATE_CONTROL_JOB_SESSIONS_H
#define JOBGATE_CONTROL_JOB_SESSIONS_H

#include "auth/control/call.h"
#include "auth/control/workers.h"

/* A job whose sessions are counted. */
struct job_count {
	char id[JOB_ID_MAX + 1];
	uint64_t sessions;
};

enum job_sessions_result {
	JOB_SESSIONS_COUNTED, /* all of them */
	JOB_SESSIONS_SILENT,  /* some workers did not answer: all counts may be too low */
	JOB_SESSIONS_BUSY,    /* too many callers count now */
};

/*
 * A count for one call, in the call's state, so that it lives until the call is answered. It grows
 * with the jobs, not with their sessions.
 */
struct job_sessions {
	struct session_question question;
	struct session_jobs batch; /* the jobs that are asked for now */
	uint64_t counts[SESSION_JOBS_MAX];
	struct call *call;
	struct job_count *jobs;
	size_t count, done; /* of the jobs: all, and those before the batch */
	void (*counted)(struct call *call, enum job_sessions_result result);
};

/*
 * Answer the call with the view of a job and the number of its sessions (null if that is not
 * known). Takes the view; with NULL, memory is short.
 */
void job_sessions_answer(struct call *call, struct slice job, json_t *view);

/*
 * Count the sessions at these jobs, which are within the caller's scope, and call counted once,
 * perhaps before this returns. Counted may end the call. The jobs stay the caller's.
 */
void job_sessions_count(struct job_sessions *sessions, struct call *call, struct job_count *jobs,
    size_t count, void (*counted)(struct call *call, enum job_sessions_result result));

#endif
