/* judge_history.c - the table of access.md a second time, and whether it gave a decision in a
 * window. */
#include "judge_history.h"

#include "world.h"

static enum decision
decide(
    const struct exchange_plan *plan, const struct token_state *token, const struct job_state *job)
{
	bool scoped = token->label != NO_LABEL;

	if (plan->credential_kind == CREDENTIAL_GARBLED)
		return BAD_CREDENTIAL;
	if (plan->credential_kind >= CREDENTIAL_WRONG || !token->exists || token->broken ||
	    token->value != plan->value)
		return UNAUTHORIZED;
	if (job == NULL)
		return NOT_FOUND;
	if (!job->exists)
		return scoped ? FORBIDDEN : NOT_FOUND;
	if (scoped && token->label != job->label)
		return FORBIDDEN;
	return job->backend == NO_BACKEND ? NOT_READY : FORWARD;
}

/*
 * Some moment of the window is in the span. A history is looked at from its end: `*last` says that
 * all states before this one had ended when the window began.
 */
static bool
held(const struct span *span, uint64_t from_ns, uint64_t to_ns, bool *last)
{
	*last = !span->lost && span->from_ns <= from_ns;
	return span->from_ns <= to_ns && span->to_ns >= from_ns;
}

/* Some moment of the window gives this decision for the job, with this state of the token. */
static bool
holds_for_job(const struct world *world, const struct exchange_plan *plan,
    const struct token_state *token, uint64_t from_ns, uint64_t to_ns, enum decision wanted,
    int backend)
{
	const struct job_history *job;
	bool last = false;

	if (plan->job < 0)
		return decide(plan, token, NULL) == wanted;
	job = &world->records.job[plan->job];
	for (size_t i = job->state_count; i > 0 && !last; i--) {
		const struct job_state *state = &job->states[i - 1];

		if (held(&state->span, from_ns, to_ns, &last) &&
		    decide(plan, token, state) == wanted &&
		    (backend < 0 || state->backend == backend))
			return true;
	}
	return false;
}

bool
judge_holds(const struct world *world, const struct exchange_plan *plan, uint64_t from_ns,
    uint64_t to_ns, enum decision wanted, int backend)
{
	const struct token_history *token = &world->records.token[plan->token];
	bool last = false;

	for (size_t i = token->state_count; i > 0 && !last; i--) {
		const struct token_state *state = &token->states[i - 1];

		if (held(&state->span, from_ns, to_ns, &last) &&
		    holds_for_job(world, plan, state, from_ns, to_ns, wanted, backend))
			return true;
	}
	return false;
}

bool
judge_job_changed(const struct job_history *job, uint64_t from_ns, uint64_t to_ns)
{
	for (size_t i = job->state_count; i > 0; i--)
		if (job->states[i - 1].span.from_ns <= from_ns)
			return false;
		else if (job->states[i - 1].span.from_ns <= to_ns)
			return true;
	return false;
}

bool
judge_token_changed(const struct token_history *token, uint64_t from_ns)
{
	return token->states[token->state_count - 1].span.from_ns > from_ns;
}
