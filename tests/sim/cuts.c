/* cuts.c - draws whose sessions are ended, and notes which exchanges end by that. */
#include "cuts.h"

#include <stdio.h>

#include "cuts_walk.h"
#include "jobgate/container_of.h"
#include "trace.h"
#include "world.h"

static void
on_next(struct alarm *alarm)
{
	struct cuts *cuts = container_of(alarm, struct cuts, next);
	struct gateway *gateway = &cuts->world->gateway;
	const struct scenario *scenario = &cuts->world->scenario;

	cuts->by_token = random_chance(&cuts->random, 500);
	cuts->index = (unsigned)random_below(
	    &cuts->random, cuts->by_token ? scenario->tokens : scenario->jobs);
	trace_event("operator", cuts->by_token ? "ends token's" : "ends job's", cuts->index, 0);
	for (unsigned i = 0; i < gateway->slots; i++) {
		struct gateway_worker *worker = &gateway->workers[i];

		if (!worker->node.alive)
			continue;
		worker->cuts = true;
		node_wake(&worker->node);
	}
	alarm_set(alarm, schedule_now_ns() + random_below(&cuts->random, 2 * (uint64_t)NS_PER_S));
}

/* It was let in by the token, or for the job, and its backend has seen it. */
static bool
is_meant(const struct cuts *cuts, const struct sim_exchange *exchange)
{
	const struct exchange_plan *plan = &exchange->plan;

	if (cuts->by_token)
		return plan->token == cuts->index && !exchange->open;
	return plan->job == (int)cuts->index && plan->port == NO_PORT;
}

static void
note(struct cuts *cuts, const struct gateway_worker *worker)
{
	struct sim_exchanges *exchanges = &cuts->world->exchanges;

	for (size_t i = 0; i < exchanges->count; i++) {
		struct sim_exchange *exchange = &exchanges->all[i];

		if (exchange->result == RESULT_NONE && exchange->seen > 0 &&
		    exchange->sender == &worker->node && exchange->cut_ns == 0 &&
		    is_meant(cuts, exchange))
			exchange->cut_ns = schedule_now_ns();
	}
}

void
cuts_carry_out(struct cuts *cuts, struct gateway_worker *worker)
{
	struct session_order order = {.cuts = true};
	size_t count;
	const char *id = cuts->by_token ? cuts->world->records.token[cuts->index].id
					: cuts->world->records.job[cuts->index].id;

	if (cuts->by_token)
		snprintf(order.filter.token, sizeof(order.filter.token), "%.*s", TOKEN_ID_LEN, id);
	else
		snprintf(order.filter.job, sizeof(order.filter.job), "%s", id);
	cuts->last_ns = schedule_now_ns(); /* what has ended may be told before the walk is over */
	if (!cuts_walk(worker->worker, &order, &count))
		return;
	cuts->last_ns = schedule_now_ns();
	trace_event(worker->node.name, "ends sessions", count, 0);
	note(cuts, worker);
}

void
cuts_start(struct cuts *cuts, struct world *world)
{
	*cuts = (struct cuts){.world = world, .next = {.fire = on_next}};
	if (!world->scenario.cuts)
		return;
	random_init(&cuts->random, world->seed, "cuts", 0);
	alarm_set(&cuts->next, schedule_now_ns() + random_below(&cuts->random, 5 * NS_PER_S));
}

void
cuts_stop(struct cuts *cuts)
{
	alarm_stop(&cuts->next);
}
