/* job_sessions.c - asks all workers how many sessions jobs have, SESSION_JOBS_MAX at a time. */
#include "auth/control/job_sessions.h"

#include <stdlib.h>

#include "auth/control/caller.h"
#include "auth/control/handlers.h"
#include "jobgate/container_of.h"

static void ask(struct job_sessions *sessions);

static bool
is_abandoned(const struct session_question *question)
{
	const struct call *call = container_of(question, struct job_sessions, question)->call;

	return call->has_left != NULL && call->has_left(call);
}

static void
answered(struct session_question *question)
{
	struct job_sessions *sessions = container_of(question, struct job_sessions, question);

	if (question->silent > 0) {
		sessions->counted(sessions->call, JOB_SESSIONS_SILENT);
		return;
	}
	for (uint32_t i = 0; i < sessions->batch.count; i++)
		sessions->jobs[sessions->done + i].sessions = sessions->counts[i];
	sessions->done += sessions->batch.count;
	ask(sessions);
}

static void
fill(struct job_sessions *sessions)
{
	size_t left = sessions->count - sessions->done;

	memset(sessions->counts, 0, sizeof(sessions->counts));
	sessions->batch.count = left < SESSION_JOBS_MAX ? (uint32_t)left : SESSION_JOBS_MAX;
	for (uint32_t i = 0; i < sessions->batch.count; i++)
		memcpy(sessions->batch.ids[i], sessions->jobs[sessions->done + i].id,
		    sizeof(sessions->batch.ids[i]));
}

/* Ask for the next batch, or end: all are counted. */
static void
ask(struct job_sessions *sessions)
{
	const struct control *control = sessions->call->ctx;

	if (sessions->done == sessions->count) {
		sessions->counted(sessions->call, JOB_SESSIONS_COUNTED);
		return;
	}
	if (control->workers == NULL) { /* this process ends */
		sessions->counted(sessions->call, JOB_SESSIONS_SILENT);
		return;
	}
	if (!sessions->call->local &&
	    workers_count_too_much(control->workers, &sessions->question)) {
		sessions->counted(sessions->call, JOB_SESSIONS_BUSY);
		return;
	}
	fill(sessions);
	workers_ask(control->workers, &sessions->question);
}

void
job_sessions_count(struct job_sessions *sessions, struct call *call, struct job_count *jobs,
    size_t count, void (*counted)(struct call *call, enum job_sessions_result result))
{
	*sessions = (struct job_sessions){
	    .question = {.jobs = &sessions->batch,
		.counts = sessions->counts,
		.is_abandoned = is_abandoned,
		.answered = answered},
	    .call = call,
	    .jobs = jobs,
	    .count = count,
	    .counted = counted,
	};
	if (call->token != NULL) {
		sessions->question.by = call->token->token.id;
		sessions->question.scope = call->scope.count > 0 ? &call->scope : NULL;
	}
	ask(sessions);
}

/* ---- one job ---- */

struct one_job {
	struct job_sessions sessions;
	struct job_count job;
	json_t *view;
};

static void
one_job_free(void *state)
{
	struct one_job *one = state;

	json_decref(one->view);
	free(one);
}

static void
one_counted(struct call *call, enum job_sessions_result result)
{
	struct one_job *one = call->state;

	if (result == JOB_SESSIONS_COUNTED)
		json_object_set_new(
		    one->view, "sessions", json_integer((json_int_t)one->job.sessions));
	caller_answer(call, json_incref(one->view));
}

void
job_sessions_answer(struct call *call, struct slice job, json_t *view)
{
	struct one_job *one = view != NULL ? calloc(1, sizeof(*one)) : NULL;

	if (one == NULL) {
		json_decref(view);
		call_refuse_memory(call);
		return;
	}
	one->view = view;
	memcpy(one->job.id, job.at, job.len);
	call->state = one;
	call->state_free = one_job_free;
	job_sessions_count(&one->sessions, call, &one->job, 1, one_counted);
}
