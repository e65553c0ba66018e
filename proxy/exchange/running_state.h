/* running_state.h - what the files about sessions share; only they include it. */
#ifndef JOBGATE_EXCHANGE_RUNNING_STATE_H
#define JOBGATE_EXCHANGE_RUNNING_STATE_H

#include "exchange/exchange_state.h"
#include "exchange/running.h"

/*
 * running.c           goes through the exchanges that run
 * running_jobs.c      counts them by job
 * running_session.c   what a session shows, and to whom
 * running_watch.c     tells of sessions that begin and end
 */

/*
 * True for exchanges that may pass to a job, with a token or because it is public: others neither
 * fill lists nor choose what is in them.
 */
static inline bool
running_passes(const struct exchange *exchange)
{
	return exchange->peer->purpose == FOR_JOBS && !exchange->control &&
	       exchange->route.names_job &&
	       (exchange->token_watch.entry != NULL ||
		   (exchange->is_public && exchange->job_watch.entry != NULL));
}

/* Counts for some jobs, whose ids may be any texts that end with NUL. NULL when memory is short;
 * free() ends it. */
struct running_jobs;
struct running_jobs *running_jobs_new(const struct session_jobs *from);

/* A session at this job: counted, if it is one of them. */
void running_jobs_add(struct running_jobs *jobs, struct slice job);

/* The counts in the order of the jobs, SESSION_JOBS_MAX of them. */
const uint32_t *running_jobs_counts(const struct running_jobs *jobs);

/* The records of a session that runs, as they are known now; NULL: not known. */
struct running_records {
	const struct token *token;
	const struct job *job;
	struct token room; /* token may point to it, so the struct must not be copied */
};

/* Who may learn of which sessions. */
struct running_scope {
	bool scoped;
	char text[SESSION_SCOPE_MAX];
	struct label labels[SELECTOR_LABELS_MAX];
	struct label_set set; /* of labels, which point into the text */
};

/* Read the scope of an order. If it is not valid, it sees nothing. */
void running_scope_read(struct running_scope *scope, const struct session_filter *filter);

/* True when the scope may learn of the session, or which token it has. */
bool running_sees(const struct running_scope *scope, const struct running_records *records);
bool running_names(const struct running_scope *scope, const struct running_records *records);

/* The state that the session of this exchange shows. */
enum session_state running_state_of(const struct exchange *exchange);

/*
 * Find the records of its token and its job. They may change or end with the next turn of the loop.
 */
void running_find_records(const struct exchange *exchange, struct running_records *out);

/* Write all that a session shows to *out; with_token: also which token it has. */
void running_describe(const struct exchange *exchange, const struct running_records *records,
    bool with_token, struct session *out);

#endif
