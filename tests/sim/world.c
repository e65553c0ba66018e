/* world.c - a run from its start to its quiet end. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "coverage.h"
#include "jobgate/check.h"
#include "jobgate/container_of.h"
#include "judge_limits.h"
#include "trace.h"

/* Later than the end of any run. */
#define NEVER_NS (UINT64_MAX / 2)

/* ---- where jobs lead ---- */

/* A name without an address, and an address that is never allowed. */
static const char *const strange_urls[] = {"http://missing.sim", "http://169.254.169.254"};
#define STRANGE_URLS (sizeof(strange_urls) / sizeof(strange_urls[0]))

static const char *
url_of(void *ctx, int backend)
{
	const struct world *world = ctx;
	int strange = backend - (int)world->scenario.backends;

	if (strange >= 0)
		return strange_urls[strange];
	return world->backends[backend].url;
}

/* ---- the run ---- */

static struct world *checked;

static void
on_failed_check(const char *message)
{
	judge_violation(checked, "%s", message);
	fflush(stdout);
	_Exit(1);
}

static void
start(struct world *world)
{
	store_start(&world->store, world);
	for (unsigned i = 0; i < world->scenario.backends; i++)
		backend_start(&world->backends[i], world, (int)i);
	world->records.tokens = world->scenario.tokens + world->scenario.staff;
	world->records.staff = world->scenario.staff;
	world->records.jobs = world->scenario.jobs;
	world->records.backends = world->scenario.backends;
	world->records.strange = world->scenario.strange_urls ? STRANGE_URLS : 0;
	world->records.expires = world->scenario.expires;
	world->records.timed = world->scenario.timed;
	world->records.limited = world->scenario.limited;
	world->records.scripted = world->scenario.scripted;
	world->records.minted = world->scenario.minted;
	world->records.ports = world->scenario.ports;
	world->records.collides = world->scenario.collides;
	world->records.publics = world->scenario.publics;
	world->records.replicas = world->scenario.replicas;
	world->records.url_of = url_of;
	world->records.ctx = world;
	records_init(&world->records, store_primary(&world->store), world->seed);
	sign_ins_start(&world->sign_ins, world);
	gateway_start(&world->gateway, world);
	operators_start(&world->operators, world);
	control_start(&world->control, world);
	registrars_start(&world->registrars, world);
	for (unsigned i = 0; i < world->scenario.clients; i++)
		client_start(&world->clients[i], world, i);
	for (unsigned i = 0; world->scenario.visitors && i < SCENARIO_VISITORS; i++)
		visitor_start(&world->visitors[i], world, i);
	for (unsigned i = 0; world->scenario.sign_in_host && i < SCENARIO_GUESTS; i++)
		guest_start(&world->guests[i], world, i);
	faults_start(&world->faults, world);
	changes_start(&world->changes, world);
	cuts_start(&world->cuts, world);
	judge_trouble(world, TROUBLED_STORE, world->scenario.connect_store * NS_PER_MS);
	if (world->scenario.fail_allocation != 0 || world->scenario.fail_call != 0)
		judge_trouble(world, TROUBLED, NEVER_NS);
	if (world->scenario.fail_allocation != 0)
		world->judge.memory_ns = NEVER_NS;
}

static void
run_for(uint64_t ns)
{
	uint64_t until_ns = schedule_now_ns() + ns;

	while (schedule_step(until_ns))
		;
	schedule_pass(until_ns);
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* How long anything may last that is still under way: then all must be over. */
static uint64_t
under_way_ns(const struct scenario *s)
{
	uint64_t ms = most(most(s->first_byte, s->answer), most(s->tunnel, s->body));

	ms += s->keep_alive + s->backend_idle + 16 * s->linger + s->connect + s->start;
	return 2 * (ms + 1000 * CLIENT_WAITS_MAX) * NS_PER_MS;
}

/* Tunnels and streams with pauses have no limit of time; they take up to this. */
#define TALK_NS (60 * (uint64_t)NS_PER_S)

static bool
clients_talk(struct world *world)
{
	for (unsigned i = 0; i < world->scenario.clients; i++) {
		uint32_t mark = client_waits_for(&world->clients[i]);
		const struct exchange_plan *plan;

		if (mark == 0)
			continue;
		plan = &exchanges_get(&world->exchanges, mark)->plan;
		if (plan->tunnel || plan->pause_ns > 0)
			return true;
	}
	return false;
}

static void
stop_gateway(struct world *world)
{
	supervisor_model_stop(&world->gateway.supervisor);
	control_stop(&world->control);
	registrars_stop(&world->registrars);
	run_for((world->scenario.drain + 20000) * NS_PER_MS);
	gateway_check_ended(&world->gateway);
	operators_check_ended(&world->operators);
	control_check_ended(&world->control);
	registrars_check_ended(&world->registrars);
}

static void
leave(struct world *world)
{
	for (unsigned i = 0; i < world->scenario.clients; i++)
		client_stop(&world->clients[i]);
	for (unsigned i = 0; i < SCENARIO_VISITORS; i++)
		visitor_stop(&world->visitors[i]);
	for (unsigned i = 0; i < SCENARIO_GUESTS; i++)
		guest_stop(&world->guests[i]);
}

/* The gateway has hardly begun. */
static void
end_early(struct world *world)
{
	changes_stop(&world->changes);
	cuts_stop(&world->cuts);
	faults_stop(&world->faults);
	operators_stop(&world->operators);
	control_settle(&world->control);
	registrars_settle(&world->registrars);
	leave(world);
	stop_gateway(world);
}

/* Faults and changes are over: all must be served again, then all must end, and nothing be left. */
static void
end_quietly(struct world *world)
{
	const struct scenario *scenario = &world->scenario;

	changes_stop(&world->changes);
	cuts_stop(&world->cuts);
	faults_stop(&world->faults);
	operators_stop(&world->operators);
	control_settle(&world->control);
	registrars_settle(&world->registrars);
	records_settle(&world->records);
	world->judge.healthy_ns = schedule_now_ns() + scenario_recovery_ns(scenario);
	if (scenario->fail_allocation != 0 || scenario->fail_call != 0) {
		/* That may be at any time. */
		world->judge.healthy_ns = UINT64_MAX;
		judge_trouble(world, TROUBLED, NEVER_NS);
		world->judge.memory_ns = NEVER_NS;
	}
	run_for(
	    scenario_recovery_ns(scenario) + least(3 * (uint64_t)NS_PER_S, scenario->duration_ns));
	leave(world);
	run_for(under_way_ns(scenario));
	for (uint64_t ns = 0; ns < TALK_NS && clients_talk(world); ns += NS_PER_S)
		run_for(NS_PER_S);
	for (unsigned i = 0; i < scenario->clients; i++)
		client_check_ended(&world->clients[i]);
	for (unsigned i = 0; i < SCENARIO_VISITORS; i++)
		visitor_check_ended(&world->visitors[i]);
	for (unsigned i = 0; i < SCENARIO_GUESTS; i++)
		guest_check_ended(&world->guests[i]);
	gateway_check_idle(&world->gateway);
	judge_limits(world);
	if (scenario->last_reload_ns > 0) {
		supervisor_model_reload(&world->gateway.supervisor, false);
		run_for(scenario->last_reload_ns);
	}
	stop_gateway(world);
}

unsigned
world_run(struct world *world, uint64_t seed, const struct scenario *scenario)
{
	world->seed = seed;
	if (scenario != NULL)
		world->scenario = *scenario;
	else
		scenario_draw(&world->scenario, seed);
	random_init(&world->random, seed, "world", 0);
	world->judge.healthy_ns = UINT64_MAX;
	checked = world;
	coverage_watch(world);
	jg_check_catch(on_failed_check);
	json_object_seed(1); /* it would read the system's random bytes */
	start(world);
	if (world->scenario.early_stop_ns > 0) {
		run_for(world->scenario.early_stop_ns);
		end_early(world);
	} else {
		run_for(world->scenario.duration_ns);
		end_quietly(world);
	}
	return world->judge.violations;
}

void
world_report(const struct world *world)
{
	const uint64_t *results = world->exchanges.results;

	printf("seed %llu: %llu ms, hash %016llx, %zu exchanges (%llu answered, %llu refused, %llu "
	       "5xx, "
	       "%llu cut, %llu lost, %llu left, %llu tunnels), %llu changes, %llu faults, %u "
	       "violations\n",
	    (unsigned long long)world->seed, (unsigned long long)(schedule_now_ns() / NS_PER_MS),
	    (unsigned long long)trace_hash(), world->exchanges.count,
	    (unsigned long long)results[RESULT_ANSWERED],
	    (unsigned long long)results[RESULT_REFUSED],
	    (unsigned long long)world->exchanges.refused_5xx,
	    (unsigned long long)results[RESULT_CUT], (unsigned long long)results[RESULT_LOST],
	    (unsigned long long)results[RESULT_NONE], (unsigned long long)world->exchanges.tunnels,
	    (unsigned long long)world->records.changes, (unsigned long long)world->faults.total,
	    world->judge.violations);
}
