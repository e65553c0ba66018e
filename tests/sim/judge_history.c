/* judge_history.c - the table of access.md a second time, and whether it gave a decision in a
 * window. */
#include "judge_history.h"

#include "clocks.h"

static bool
is_valid(const struct exchange_plan *plan, const struct token_state *token, uint64_t wall_ms)
{
	if (plan->credential_kind >= CREDENTIAL_WRONG || !token->exists || token->broken)
		return false;
	return token->value == plan->value ||
	       (token->previous == (int)plan->value && wall_ms < token->previous_until_ms);
}

/* Without a token that counts. */
static enum decision
decide_open(const struct job_state *job)
{
	return job->backend == NO_BACKEND ? NOT_READY : OPEN;
}

static enum decision
decide_for_stranger(const struct job_state *job)
{
	if (job == NULL || !job->exists || !job->open)
		return UNAUTHORIZED;
	return job->listed ? decide_open(job) : UNLISTED;
}

static enum decision
decide(const struct exchange_plan *plan, const struct token_state *token,
    const struct job_state *job, uint64_t wall_ms)
{
	bool scoped = token->label != NO_LABEL;

	if (plan->credential_kind == CREDENTIAL_GARBLED)
		return BAD_CREDENTIAL;
	if (judge_shows_no_token(plan))
		return decide_for_stranger(job);
	if (!is_valid(plan, token, wall_ms))
		return UNAUTHORIZED;
	if (token->expires_ms != 0 && wall_ms >= token->expires_ms)
		return EXPIRED;
	if (!records_admits(token, plan->address))
		return OTHER_ADDRESS;
	if (job == NULL)
		return NOT_FOUND;
	if (!job->exists)
		return scoped ? FORBIDDEN : NOT_FOUND;
	if (scoped && token->label != job->label)
		return job->open && !plan->signs_in ? decide_open(job) : FORBIDDEN;
	if (plan->signs_in && !scoped)
		return TOO_WIDE;
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

static bool
is_timed(const struct token_state *token)
{
	return token->expires_ms != 0 || token->previous != NO_VALUE;
}

/* The wall clock, between these two, makes this decision of the states. */
static bool
decides_between(const struct exchange_plan *plan, const struct token_state *token,
    const struct job_state *job, const uint64_t wall_ms[2], enum decision wanted)
{
	/* What is decided changes at these moments only. */
	const uint64_t moments[] = {
	    wall_ms[0], wall_ms[1], token->expires_ms, token->previous_until_ms};

	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++)
		if (moments[i] >= wall_ms[0] && moments[i] <= wall_ms[1] &&
		    decide(plan, token, job, moments[i]) == wanted)
			return true;
	return false;
}

static bool
decides(const struct exchange_plan *plan, const struct token_state *token,
    const struct job_state *job, const struct judge_window *window, enum decision wanted)
{
	int64_t aheads[CLOCKS_STEPS_MAX];
	size_t count;

	if (!is_timed(token))
		return decide(plan, token, job, 0) == wanted;
	count = clocks_wall_aheads(window->set_ns, window->to_ns, aheads);
	for (size_t i = 0; i < count; i++) {
		const uint64_t wall_ms[] = {(window->clock_ns + (uint64_t)aheads[i]) / NS_PER_MS,
		    (window->to_ns + (uint64_t)aheads[i]) / NS_PER_MS};

		if (decides_between(plan, token, job, wall_ms, wanted))
			return true;
	}
	return false;
}

/*
 * What the request reaches where its job is in this state. A job whose id is the label of a port's
 * host has that host; then nothing is served at the port's path. other NULL: there is none.
 */
static struct job_state
reached(
    const struct exchange_plan *plan, const struct job_state *job, const struct job_state *other)
{
	struct job_state state = *job;

	if (plan->port == NO_PORT)
		return state;
	state.exists = job->exists && job->port != NO_BACKEND;
	state.backend = job->port;
	state.others = 0;
	if (other == NULL || !other->exists)
		return state;
	if (plan->port == PORT_IN_HOST)
		return *other;
	state.exists = false;
	return state;
}

/*
 * A question about one state of the token. A job's record and the set of public jobs are two keys:
 * what a worker knows of them may be from different moments of the window. `listed`: its states in
 * the window had the job in the set (true), or not (false).
 */
struct question {
	const struct exchange_plan *plan;
	const struct token_state *token;
	const struct judge_window *window;
	enum decision wanted;
	int backend;
	bool listed[2];
};

static bool
is_answered(
    const struct question *question, const struct job_state *job, const struct job_state *other)
{
	struct job_state state = reached(question->plan, job, other);

	if (question->backend >= 0 && !records_leads_to(&state, question->backend))
		return false;
	for (int listed = 0; listed < 2; listed++) {
		state.listed = listed;
		if (question->listed[listed] && decides(question->plan, question->token, &state,
						    question->window, question->wanted))
			return true;
	}
	return false;
}

/* The same for each state of the other job that held in the window. */
static bool
is_answered_beside(
    const struct question *question, const struct job_state *job, const struct job_history *other)
{
	const struct judge_window *window = question->window;
	bool last = false;

	if (other == NULL || question->plan->port == NO_PORT)
		return is_answered(question, job, NULL);
	for (size_t i = other->state_count; i > 0 && !last; i--)
		if (held(&other->states[i - 1].span, window->from_ns, window->to_ns, &last) &&
		    is_answered(question, job, &other->states[i - 1]))
			return true;
	for (size_t i = 0; i < other->stray_count; i++)
		if (held(&other->strays[i].span, window->from_ns, window->to_ns, &last) &&
		    is_answered(question, job, &other->strays[i]))
			return true;
	return false;
}

static void
note_listings(struct question *question, const struct job_history *job)
{
	const struct judge_window *window = question->window;
	bool last = false;

	for (size_t i = job->state_count; i > 0 && !last; i--)
		if (held(&job->states[i - 1].span, window->from_ns, window->to_ns, &last))
			question->listed[job->states[i - 1].listed] = true;
	for (size_t i = 0; i < job->stray_count; i++)
		if (held(&job->strays[i].span, window->from_ns, window->to_ns, &last))
			question->listed[job->strays[i].listed] = true;
}

/* Some moment of the window gives this decision for the job, with this state of the token. */
static bool
holds_for_job(const struct world *world, const struct exchange_plan *plan,
    const struct token_state *token, const struct judge_window *window, enum decision wanted,
    int backend)
{
	struct question question = {plan, token, window, wanted, backend, {false, false}};
	const struct job_history *other = records_namesake(&world->records, plan->job), *job;
	bool last = false;

	if (plan->job < 0)
		return decides(plan, token, NULL, window, wanted);
	job = &world->records.job[plan->job];
	note_listings(&question, job);
	if (other != NULL)
		note_listings(&question, other);
	for (size_t i = job->state_count; i > 0 && !last; i--) {
		const struct job_state *state = &job->states[i - 1];

		if (held(&state->span, window->from_ns, window->to_ns, &last) &&
		    is_answered_beside(&question, state, other))
			return true;
	}
	for (size_t i = 0; i < job->stray_count; i++) {
		const struct job_state *state = &job->strays[i];

		if (held(&state->span, window->from_ns, window->to_ns, &last) &&
		    is_answered_beside(&question, state, other))
			return true;
	}
	return false;
}

bool
judge_gives(const struct world *world, const struct exchange_plan *plan,
    const struct judge_window *window, enum decision wanted, int backend)
{
	const struct token_history *token = &world->records.token[plan->token];
	bool last = false;

	for (size_t i = token->state_count; i > 0 && !last; i--) {
		const struct token_state *state = &token->states[i - 1];

		if (held(&state->span, window->from_ns, window->to_ns, &last) &&
		    holds_for_job(world, plan, state, window, wanted, backend))
			return true;
	}
	for (size_t i = 0; i < token->stray_count; i++)
		if (held(&token->strays[i].span, window->from_ns, window->to_ns, &last) &&
		    holds_for_job(world, plan, &token->strays[i], window, wanted, backend))
			return true;
	return false;
}

bool
judge_holds(const struct world *world, const struct exchange_plan *plan, uint64_t from_ns,
    uint64_t to_ns, enum decision wanted, int backend)
{
	const struct judge_window window = {from_ns, to_ns, from_ns, from_ns};

	return judge_gives(world, plan, &window, wanted, backend);
}

bool
judge_reaches(const struct world *world, const struct exchange_plan *plan, uint64_t from_ns,
    uint64_t to_ns, int backend)
{
	return judge_holds(world, plan, from_ns, to_ns, FORWARD, backend) ||
	       judge_holds(world, plan, from_ns, to_ns, OPEN, backend);
}

struct exchange_plan
judge_without_token(const struct exchange_plan *plan)
{
	struct exchange_plan without = *plan;

	without.credential_kind = CREDENTIAL_NOTHING;
	return without;
}

static bool
has_changed(const struct job_history *job, uint64_t from_ns, uint64_t to_ns)
{
	for (size_t i = job->state_count; i > 0; i--)
		if (job->states[i - 1].span.from_ns <= from_ns)
			return false;
		else if (job->states[i - 1].span.from_ns <= to_ns)
			return true;
	return false;
}

bool
judge_had(const struct job_history *job, uint64_t from_ns, uint64_t to_ns, int backend)
{
	bool last = false;

	for (size_t i = job->state_count; i > 0 && !last; i--)
		if (held(&job->states[i - 1].span, from_ns, to_ns, &last) &&
		    job->states[i - 1].exists && job->states[i - 1].checked &&
		    records_leads_to(&job->states[i - 1], backend))
			return true;
	for (size_t i = 0; i < job->stray_count; i++)
		if (held(&job->strays[i].span, from_ns, to_ns, &last) &&
		    records_leads_to(&job->strays[i], backend))
			return true;
	return false;
}

bool
judge_host_changed_hands(
    const struct world *world, const struct exchange_plan *plan, uint64_t from_ns, uint64_t to_ns)
{
	const struct job_history *other = records_namesake(&world->records, plan->job);
	bool was = false, gone = false, last = false;

	if (other == NULL || plan->port != PORT_IN_HOST)
		return false;
	for (size_t i = other->state_count; i > 0 && !last; i--) {
		const struct job_state *state = &other->states[i - 1];

		if (!held(&state->span, from_ns, to_ns, &last))
			continue;
		was = was || state->exists;
		gone = gone || !state->exists;
	}
	return was && gone;
}

bool
judge_job_changed(
    const struct world *world, const struct exchange_plan *plan, uint64_t from_ns, uint64_t to_ns)
{
	const struct job_history *other = records_namesake(&world->records, plan->job);

	return has_changed(&world->records.job[plan->job], from_ns, to_ns) ||
	       (other != NULL && plan->port != NO_PORT && has_changed(other, from_ns, to_ns));
}

bool
judge_token_changed(const struct token_history *token, uint64_t from_ns)
{
	const struct token_state *last = &token->states[token->state_count - 1];

	return last->span.from_ns > from_ns || is_timed(last);
}
