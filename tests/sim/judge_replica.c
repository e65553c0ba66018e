/* judge_replica.c - which of its job's URLs a request goes to, and what is done where one fails. */
#include <string.h>

#include "judge.h"
#include "judge_history.h"
#include "world.h"

/* A check waits for its connection for so long. */
#define CHECK_NS (3 * (uint64_t)NS_PER_S)

/* The gateway knows the answer of a check by then. */
#define KNOWN_NS ((uint64_t)NS_PER_S)

/* What checks have found counts for a while without another one (REPLICA_FORGET_MS). */
#define FORGOTTEN_NS (31 * (uint64_t)NS_PER_S)
#define REMEMBERED_NS (20 * (uint64_t)NS_PER_S)

void
judge_check(struct world *world, int backend, const struct end *end, const struct stamp *stamp)
{
	uint64_t from_ns = judge_before(
	    node_ran_since_ns(end->peer->owner, stamp->begun_ns, CHECK_NS), judge_bound_ns(world));

	for (unsigned i = 0; i < world->scenario.jobs; i++)
		if (judge_had(&world->records.job[i], from_ns, stamp->begun_ns, backend))
			return;
	judge_violation(world, "backend %d was checked, but no job wanted that", backend);
}

/* The only state of the job since then; NULL: it has had several. */
static const struct job_state *
only_state(const struct world *world, const struct exchange_plan *plan, uint64_t from_ns)
{
	const struct job_history *job;

	if (plan->job < 0 || plan->port != NO_PORT ||
	    judge_job_changed(world, plan, from_ns, UINT64_MAX))
		return NULL;
	job = &world->records.job[plan->job];
	return job->stray_count == 0 ? &job->states[job->state_count - 1] : NULL;
}

/* So long ago a change was made that every worker knows of. */
static uint64_t
known_since_ns(const struct world *world, const struct sim_exchange *exchange)
{
	uint64_t ns = judge_is_troubled(world, TROUBLED_STORE | TROUBLED_WORKER, schedule_now_ns())
			  ? judge_bound_ns(world) + KNOWN_NS
			  : judge_told_ns(world);

	return judge_before(exchange->sent_ns, ns);
}

/* Requests may go elsewhere for a reason that is not looked at here. */
static bool
may_go_anywhere(const struct world *world, const struct sim_exchange *exchange)
{
	uint64_t worker_ns = world->judge.trouble_ns[0];

	return (worker_ns != 0 && worker_ns + FORGOTTEN_NS > schedule_now_ns()) ||
	       exchange->plan.tunnel || exchange->unprocessed > 0 ||
	       judge_was_ruined(world, exchange) || judge_was_closed(world, exchange) ||
	       judge_refusals_at_most(world, exchange) > 0 || judge_was_full(world, exchange);
}

/* No fault has been at work at it for so long. */
static bool
is_well(const struct world *world, unsigned backend, uint64_t for_ns)
{
	uint64_t troubled_ns = world->backends[backend].troubled_ns;

	return backend < world->scenario.backends &&
	       (troubled_ns == 0 || troubled_ns + for_ns < schedule_now_ns());
}

/* The last checks have failed, and the gateway knows it. */
static bool
is_known_sick(const struct backend *backend, uint64_t at_ns)
{
	return backend->failures > 1 && backend->was_sick_ns + KNOWN_NS < at_ns &&
	       schedule_now_ns() < backend->was_sick_ns + REMEMBERED_NS;
}

static bool
has_one_that_is_well(const struct world *world, const struct job_state *state)
{
	for (unsigned i = 0; i < world->scenario.backends; i++)
		if (records_leads_to(state, (int)i) && is_well(world, i, FORGOTTEN_NS) &&
		    (world->backends[i].was_sick_ns == 0 ||
			world->backends[i].was_sick_ns + FORGOTTEN_NS < schedule_now_ns()))
			return true;
	return false;
}

void
judge_choice(struct world *world, const struct sim_exchange *exchange, uint32_t mark)
{
	const struct exchange_plan *plan = &exchange->plan;
	const struct job_state *state = only_state(world, plan, known_since_ns(world, exchange));
	unsigned own = plan->stays_at - 1;

	if (!world->scenario.replicas || state == NULL || may_go_anywhere(world, exchange))
		return;
	if (state->checked &&
	    is_known_sick(&world->backends[exchange->backend], exchange->sent_ns) &&
	    has_one_that_is_well(world, state))
		judge_violation(world, "exchange %u went to backend %d, which is not healthy", mark,
		    exchange->backend);
	if (plan->stays_at == 0 || own == (unsigned)exchange->backend || !state->sticky ||
	    !records_leads_to(state, (int)own) ||
	    !is_well(
		world, own, state->checked ? FORGOTTEN_NS : scenario_recovery_ns(&world->scenario)))
		return;
	if (!state->checked || world->backends[own].was_sick_ns == 0)
		judge_violation(world, "exchange %u went to backend %d, and not to its own (%u)",
		    mark, exchange->backend, own);
}

bool
judge_another_was_well(const struct world *world, const struct sim_exchange *exchange)
{
	const struct exchange_plan *plan = &exchange->plan;
	const struct job_state *state;
	unsigned count = 0, well = 0;

	if (!world->scenario.replicas || exchange->seen > 0 ||
	    plan->request_framing != FRAMING_NONE || plan->tunnel || plan->call ||
	    judge_was_ruined(world, exchange) ||
	    strcmp(exchange->title, "Store unavailable") == 0 ||
	    strcmp(exchange->title, "Gateway busy") == 0 ||
	    strcmp(exchange->title, "Session ended") == 0 ||
	    strcmp(exchange->title, "Too many tokens in use") == 0 ||
	    judge_is_troubled(world, TROUBLED_WORKER, exchange->sent_ns) ||
	    judge_refusals_at_most(world, exchange) > 0 || judge_was_full(world, exchange))
		return false;
	state = only_state(world, plan, known_since_ns(world, exchange));
	if (state == NULL || state->backend == NO_BACKEND)
		return false;
	for (unsigned i = 0; i < world->scenario.backends + world->records.strange; i++) {
		if (!records_leads_to(state, (int)i))
			continue;
		count++;
		well += is_well(world, i,
		    schedule_now_ns() - exchange->sent_ns + scenario_recovery_ns(&world->scenario));
	}
	/* Two that do not answer end it. */
	return well > 0 && count <= 2;
}
