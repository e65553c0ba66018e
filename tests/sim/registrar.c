/* registrar.c - registrations as control_run makes them, and the rules for their record. */
#include "registrar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "auth/control/control.h"
#include "auth/control/registration.h"
#include "jobgate/container_of.h"
#include "records_state.h"
#include "trace.h"
#include "world.h"

#define ADDRESS 0x0a00000au
#define LOOK_NS (200 * (uint64_t)NS_PER_MS)

struct registrar_work {
	struct control_settings settings;
	struct log log;
};

static void
put_line(void *to, const char *line, size_t len)
{
	struct registrar *registrar = to;
	const struct node *node = node_enter("log");

	trace_bytes(line, len);
	trace_say("registrar", "%u: %.*s", registrar->index, (int)(len > 0 ? len - 1 : 0), line);
	if (node != NULL)
		heap_use(&registrar->node.heap);
}

/* ---- the process ---- */

static void
run(void *ctx)
{
	struct registrar *registrar = ctx;
	const struct scenario *scenario = &registrar->world->scenario;
	const struct control_settings *settings = &registrar->work->settings;
	struct event_base *base = control_base_new();
	const struct store_options options = {.base = base,
	    .url = settings->store_url,
	    .tuning = &scenario->tuning.store,
	    .of_primary = true,
	    .prefix = settings->key_prefix,
	    .log = registrar->work->log};
	struct store *store = base != NULL ? store_new(&options) : NULL;
	struct registration *registration =
	    store != NULL
		? registration_new(base, store, settings, registrar->mark, &registrar->work->log)
		: NULL;

	while (registration != NULL && !registrar->stops && event_base_loop(base, EVLOOP_ONCE) == 0)
		;
	registration_finish(registration, base, registrar->hands_over);
	store_free(store);
	registration_free(registration);
	if (base != NULL) {
		event_base_loop(base, EVLOOP_NONBLOCK); /* as in control_run */
		event_base_free(base);
	}
	if (registrar->node.heap.count != 0)
		judge_violation(registrar->world,
		    "registrar %u: %zu blocks of memory are left, %zu bytes", registrar->index,
		    registrar->node.heap.count, registrar->node.heap.bytes);
}

static void
spawn(struct registrar *registrar)
{
	registrar->stops = registrar->hands_over = false;
	registrar->node.heap = (struct heap){.random = registrar->node.heap.random};
	node_start(&registrar->node, run, registrar,
	    schedule_now_ns() + random_below(&registrar->random, NS_PER_MS));
}

/* ---- faults, hand-overs and stops ---- */

static void
on_again(struct alarm *alarm)
{
	struct registrar *registrar = container_of(alarm, struct registrar, again);

	if (registrar->node.alive) { /* it was told to end, and is about to */
		alarm_set(alarm, schedule_now_ns() + NS_PER_MS);
		return;
	}
	if (node_has_ended(&registrar->node)) /* it was not killed */
		node_free(&registrar->node);
	spawn(registrar);
}

static void
stop(struct registrar *registrar, bool hands_over)
{
	registrar->stops = true;
	registrar->hands_over = hands_over;
	if (registrar->node.alive)
		node_wake(&registrar->node);
}

static void
on_over(struct alarm *alarm)
{
	struct registrar *registrar = container_of(alarm, struct registrar, over);

	registrar->node.pause_ns = 0;
}

static void
on_next(struct alarm *alarm)
{
	struct registrar *registrar = container_of(alarm, struct registrar, next);
	struct random *random = &registrar->random;
	uint64_t ns = random_skewed(random, NS_PER_MS, 4 * NS_PER_S);
	unsigned kind = (unsigned)random_below(random, 4);

	alarm_set(alarm, schedule_now_ns() + 2 * ns + random_below(random, 8 * NS_PER_S));
	if (alarm_is_set(&registrar->again) || !registrar->node.alive)
		return;
	trace_event("registrar", "fault", registrar->index, kind);
	registrar->world->faults.total++;
	switch (kind) {
	case 0:
		node_kill(&registrar->node);
		break;
	case 1:
		node_pause(&registrar->node, ns, 30, false);
		alarm_set(&registrar->over, schedule_now_ns() + 2 * ns);
		return;
	default: /* as at a reload, or for some time */
		stop(registrar, kind == 2);
	}
	alarm_set(&registrar->again, schedule_now_ns() + (kind == 2 ? NS_PER_MS : ns));
}

/* ---- the record ---- */

static struct redis_key *
record_of(const struct world *world)
{
	struct redis_key *key =
	    redis_keys_find(&world->records.redis->keys, "jobgate:job:" REGISTRAR_JOB);

	return key != NULL && !records_key_has_ended(key) ? key : NULL;
}

static bool
all_have_ended(struct registrars *registrars, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (registrars->all[i].node.alive)
			return false;
	return true;
}

/* While one runs the record is there; as soon as all have ended it is gone, or handed over. */
static void
on_look(struct alarm *alarm)
{
	struct registrars *registrars = container_of(alarm, struct registrars, look);
	struct world *world = registrars->all[0].world;
	struct redis_key *record = record_of(world);

	if (!registrars->stops) {
		registrars->looks++;
		if (record == NULL)
			judge_violation(world, "the record of a gateway's own job is not there");
		else if (records_field(record, "url")[0] == '\0' ||
			 strcmp(records_field(record, "label:team"), "0") != 0)
			judge_violation(world, "the record of a gateway's own job is another one");
	} else if (all_have_ended(registrars, world->scenario.registrars)) {
		if (record != NULL && registrars->looks > 0 && !registrars->all[0].hands_over)
			judge_violation(world, "the record outlives the gateways that had it");
		return;
	}
	alarm_set(alarm, schedule_now_ns() + (registrars->stops ? NS_PER_MS : LOOK_NS));
}

/* ---- from the start of a run to its end ---- */

static void
start(struct registrar *registrar, struct world *world, unsigned index)
{
	const struct scenario *scenario = &world->scenario;

	*registrar = (struct registrar){.world = world,
	    .index = index,
	    .next = {.fire = on_next},
	    .again = {.fire = on_again},
	    .over = {.fire = on_over}};
	registrar->work = calloc(1, sizeof(*registrar->work));
	if (registrar->work == NULL)
		abort();
	random_init(&registrar->random, world->seed, "registrar", index);
	host_init(&registrar->host, "registrar", index, ADDRESS + index, world->seed);
	registrar->host.rules = scenario->rules[RULES_GATEWAY];
	store_url(&world->store, registrar->url, sizeof(registrar->url));
	strcpy(registrar->mark, index == 0 ? "aaaaaaaaaaaaaaaa" : "bbbbbbbbbbbbbbbb");
	snprintf(registrar->node.name, sizeof(registrar->node.name), "registrar %u", index);
	registrar->node.host = &registrar->host;
	registrar->node.descriptors_max = 1024;
	registrar->node.call_ns_max = 2 * NS_PER_US;
	random_init(&registrar->node.random, world->seed, "registrar's calls", index);
	random_init(&registrar->node.heap.random, world->seed, "registrar's heap", index);
	registrar->work->settings = (struct control_settings){.store_url = registrar->url,
	    .key_prefix = "jobgate:",
	    .fixed_job = REGISTRAR_JOB,
	    .fixed_labels = "team=0",
	    .register_url = world->backends[0].url,
	    .register_ms = scenario->lease_s * 1000};
	registrar->work->log = (struct log){.fd = 2,
	    .level = LOG_LEVEL_INFO,
	    .process = "control",
	    .put = put_line,
	    .to = registrar};
	alarm_set(&registrar->next, random_below(&registrar->random, 10 * NS_PER_S));
	spawn(registrar);
}

void
registrars_start(struct registrars *registrars, struct world *world)
{
	*registrars = (struct registrars){.look = {.fire = on_look}};
	for (unsigned i = 0; i < world->scenario.registrars; i++)
		start(&registrars->all[i], world, i);
}

void
registrars_settle(struct registrars *registrars)
{
	const struct world *world = registrars->all[0].world;
	const struct store_tuning *tuning;

	if (world == NULL)
		return;
	for (unsigned i = 0; i < world->scenario.registrars; i++) {
		struct registrar *registrar = &registrars->all[i];

		alarm_stop(&registrar->next);
		alarm_stop(&registrar->over);
		on_over(&registrar->over);
	}
	/* It finds the store, and the next step of each renews the lease or makes the record. */
	tuning = &world->scenario.tuning.store;
	alarm_set(&registrars->look,
	    schedule_now_ns() +
		(tuning->backoff_last_ms + 2 * (uint64_t)tuning->connect_ms +
		    2 * (uint64_t)tuning->election_ms + 2 * (uint64_t)tuning->deadline_ms +
		    world->scenario.lease_s * 1000 + 8000) *
		    NS_PER_MS);
}

void
registrars_stop(struct registrars *registrars)
{
	const struct world *world = registrars->all[0].world;
	bool hands_over;

	if (world == NULL)
		return;
	hands_over = random_chance(&registrars->all[0].random, 300);
	registrars->stops = true;
	for (unsigned i = 0; i < world->scenario.registrars; i++) {
		alarm_stop(&registrars->all[i].again);
		stop(&registrars->all[i], hands_over);
	}
	alarm_set(&registrars->look, schedule_now_ns());
}

void
registrars_check_ended(struct registrars *registrars)
{
	struct world *world = registrars->all[0].world;

	if (world == NULL)
		return;
	for (unsigned i = 0; i < world->scenario.registrars; i++)
		if (registrars->all[i].node.alive)
			judge_violation(world, "registrar %u does not end", i);
		else
			node_free(&registrars->all[i].node);
	if (record_of(world) != NULL)
		judge_violation(world, "the record of a gateway's own job outlives its lease");
}
