/* faults.c - begins faults and ends them. */
#include "faults.h"

#include "clocks.h"
#include "coverage.h"
#include "jobgate/container_of.h"
#include "trace.h"
#include "world.h"

static const char *const names[FAULT_KINDS] = {
    [FAULT_PAUSE] = "worker paused",
    [FAULT_KILL_WORKER] = "worker killed",
    [FAULT_KILL_STORE] = "store killed",
    [FAULT_EMPTY_STORE] = "store emptied",
    [FAULT_FREEZE_STORE] = "store frozen",
    [FAULT_CUT_STORE_IN] = "way to the store cut",
    [FAULT_CUT_STORE_OUT] = "way from the store cut",
    [FAULT_CLUSTER] = "store cut from its cluster",
    [FAULT_LATE_EXPIRY] = "keys expire late",
    [FAULT_PAUSED_WRITES] = "writes paused",
    [FAULT_BREAK_STORE] = "store connection reset",
    [FAULT_STOP_BACKEND] = "backend stopped",
    [FAULT_FREEZE_BACKEND] = "backend frozen",
    [FAULT_CUT_BACKEND] = "backend cut",
    [FAULT_BREAK_BACKEND] = "backend connection broken",
    [FAULT_BREAK_CLIENT] = "client connection broken",
    [FAULT_FREEZE_CLIENT] = "client frozen",
    [FAULT_CUT_CLIENT] = "client cut",
    [FAULT_DESCRIPTORS] = "out of descriptors",
    [FAULT_MEMORY] = "allocations fail",
    [FAULT_CALLS] = "calls fail",
    [FAULT_STEP_CLOCK] = "wall clock set",
    [FAULT_RELOAD] = "reload",
    [FAULT_RELOAD_NOWHERE] = "reload to a store out of reach",
    [FAULT_FAILOVER] = "failover",
    [FAULT_CUT_REPLICAS] = "replicas cut off",
    [FAULT_LAG] = "replicas lag",
    [FAULT_CUT_SENTINELS] = "sentinels cut off",
};

const char *
fault_name(enum fault_kind kind)
{
	return names[kind];
}

/* ---- beginnings ---- */

static struct gateway_worker *
worker_of(struct world *world, unsigned which)
{
	return &world->gateway.workers[which % world->gateway.slots];
}

static struct backend *
backend_of(struct world *world, unsigned which)
{
	return &world->backends[which % world->scenario.backends];
}

static struct client *
client_of(struct world *world, unsigned which)
{
	return &world->clients[which % world->scenario.clients];
}

static void
cut(struct host *host, bool in, bool out, uint64_t until_ns)
{
	if (in && until_ns > host->cut_in_ns)
		host->cut_in_ns = until_ns;
	if (out && until_ns > host->cut_out_ns)
		host->cut_out_ns = until_ns;
}

/* By up to an hour, or a few seconds, as the times of tokens have it. */
static int64_t
draw_step_ns(struct faults *faults)
{
	if (random_chance(&faults->random, 500))
		return ((int64_t)random_below(&faults->random, 10000) - 5000) * NS_PER_MS;
	return ((int64_t)random_below(&faults->random, 7200) - 3600) * NS_PER_S;
}

static void
begin(struct faults *faults, enum fault_kind kind, unsigned which, uint64_t until_ns)
{
	struct world *world = faults->world;
	struct gateway_worker *worker = worker_of(world, which);
	struct backend *backend = backend_of(world, which);
	struct client *client = client_of(world, which);
	struct redis *redis = store_primary(&world->store);
	uint64_t for_ns = until_ns - schedule_now_ns();
	bool side = random_chance(&faults->random, 500);

	switch (kind) {
	case FAULT_PAUSE:
		node_pause(
		    &worker->node, for_ns, world->scenario.aimed ? 12 : 50, world->scenario.aimed);
		return;
	case FAULT_KILL_WORKER:
		gateway_kill(worker);
		return;
	case FAULT_KILL_STORE:
		redis_kill(redis);
		return;
	case FAULT_EMPTY_STORE:
		store_empty(&world->store);
		return;
	case FAULT_FREEZE_STORE:
		redis_freeze(redis, until_ns);
		return;
	case FAULT_CUT_STORE_IN:
		cut(redis->host, true, false, until_ns);
		return;
	case FAULT_CUT_STORE_OUT:
		cut(redis->host, false, true, until_ns);
		return;
	case FAULT_CLUSTER:
		redis_cut(redis, true);
		return;
	case FAULT_LATE_EXPIRY:
		store_expire_late(&world->store, true);
		return;
	case FAULT_PAUSED_WRITES:
		store_pause_writes(&world->store, true);
		return;
	case FAULT_BREAK_STORE:
		store_break_one(&world->store, which);
		return;
	case FAULT_STOP_BACKEND:
		backend_stop(backend);
		return;
	case FAULT_FREEZE_BACKEND:
		backend->frozen_ns = until_ns;
		return;
	case FAULT_CUT_BACKEND:
		cut(&backend->host, side, !side, until_ns);
		return;
	case FAULT_BREAK_BACKEND:
		backend_break_one(backend);
		return;
	case FAULT_BREAK_CLIENT:
		client_break(client, side);
		return;
	case FAULT_FREEZE_CLIENT:
		client->frozen_ns = until_ns;
		return;
	case FAULT_CUT_CLIENT:
		cut(&client->host, side, !side, until_ns);
		return;
	case FAULT_DESCRIPTORS:
		worker->node.refuses = true;
		return;
	case FAULT_MEMORY:
		world->judge.memory_ns =
		    until_ns > world->judge.memory_ns ? until_ns : world->judge.memory_ns;
		worker->node.heap.fail_per_million =
		    (unsigned)random_skewed(&faults->random, 100, 300000);
		return;
	case FAULT_CALLS:
		worker->node.failing.per_million =
		    (unsigned)random_skewed(&faults->random, 100, 50000);
		return;
	case FAULT_STEP_CLOCK:
		clocks_step_wall(draw_step_ns(faults));
		return;
	case FAULT_RELOAD:
	case FAULT_RELOAD_NOWHERE:
		supervisor_model_reload(&world->gateway.supervisor, kind == FAULT_RELOAD_NOWHERE);
		return;
	case FAULT_FAILOVER:
		store_fail_over(&world->store);
		return;
	case FAULT_CUT_REPLICAS:
		store_cut_replicas(&world->store, true);
		return;
	case FAULT_LAG:
		store_lag(&world->store, random_skewed(&faults->random, NS_PER_MS, 2 * for_ns));
		return;
	case FAULT_CUT_SENTINELS:
		store_cut_sentinels(&world->store, which, until_ns);
		return;
	}
}

/* Where it does harm. */
static unsigned
troubles_of(enum fault_kind kind)
{
	switch (kind) {
	case FAULT_PAUSE:
	case FAULT_KILL_WORKER:
	case FAULT_DESCRIPTORS:
	case FAULT_MEMORY:
	case FAULT_CALLS:
		return TROUBLED_WORKER;
	case FAULT_KILL_STORE:
	case FAULT_EMPTY_STORE:
	case FAULT_FREEZE_STORE:
	case FAULT_CUT_STORE_IN:
	case FAULT_CUT_STORE_OUT:
	case FAULT_CLUSTER:
	case FAULT_BREAK_STORE:
	case FAULT_FAILOVER:
	case FAULT_CUT_SENTINELS:
		return TROUBLED_STORE;
	case FAULT_STOP_BACKEND:
	case FAULT_FREEZE_BACKEND:
	case FAULT_CUT_BACKEND:
	case FAULT_BREAK_BACKEND:
		return TROUBLED_BACKEND;
	case FAULT_BREAK_CLIENT:
	case FAULT_FREEZE_CLIENT:
	case FAULT_CUT_CLIENT:
		return TROUBLED_CLIENT;
	case FAULT_LATE_EXPIRY:
	case FAULT_PAUSED_WRITES:
	case FAULT_STEP_CLOCK:
	case FAULT_RELOAD:
	case FAULT_RELOAD_NOWHERE:
	case FAULT_CUT_REPLICAS:
	case FAULT_LAG:
		return 0; /* none that a request may notice */
	}
	return TROUBLED;
}

/* ---- ends ---- */

static void
end(struct faults *faults, enum fault_kind kind, unsigned which)
{
	struct world *world = faults->world;
	struct gateway_worker *worker = worker_of(world, which);

	switch (kind) {
	case FAULT_KILL_STORE:
		store_restart(&world->store);
		return;
	case FAULT_EMPTY_STORE:
		store_restart(&world->store);
		records_settle(&world->records);
		return;
	case FAULT_CLUSTER:
		store_join_cluster(&world->store);
		return;
	case FAULT_LATE_EXPIRY:
		store_expire_late(&world->store, false);
		return;
	case FAULT_PAUSED_WRITES:
		store_pause_writes(&world->store, false);
		return;
	case FAULT_STOP_BACKEND:
		backend_listen(backend_of(world, which));
		return;
	case FAULT_DESCRIPTORS:
		worker->node.refuses = false;
		return;
	case FAULT_MEMORY:
		worker->node.heap.fail_per_million = 0;
		return;
	case FAULT_CALLS:
		worker->node.failing.per_million = 0;
		return;
	case FAULT_PAUSE:
		worker->node.pause_ns = 0;
		return;
	case FAULT_FAILOVER:
		store_reunite(&world->store);
		return;
	case FAULT_CUT_REPLICAS:
		if (!world->store.failing_over)
			store_cut_replicas(&world->store, false);
		return;
	case FAULT_LAG:
		store_lag(&world->store, 0);
		return;
	case FAULT_KILL_WORKER:
	case FAULT_FREEZE_STORE:
	case FAULT_CUT_STORE_IN:
	case FAULT_CUT_STORE_OUT:
	case FAULT_BREAK_STORE:
	case FAULT_FREEZE_BACKEND:
	case FAULT_CUT_BACKEND:
	case FAULT_BREAK_BACKEND:
	case FAULT_BREAK_CLIENT:
	case FAULT_FREEZE_CLIENT:
	case FAULT_CUT_CLIENT:
	case FAULT_STEP_CLOCK:
	case FAULT_RELOAD:
	case FAULT_RELOAD_NOWHERE:
	case FAULT_CUT_SENTINELS:
		return; /* over by themselves */
	}
}

static void
on_end(struct alarm *alarm)
{
	struct fault_end *fault = container_of(alarm, struct fault_end, alarm);

	trace_event("fault", names[fault->kind], fault->which, 0);
	trace_say("fault", "over: %s", names[fault->kind]);
	end(fault->faults, fault->kind, fault->which);
}

/* ---- drawing ---- */

static uint64_t
draw_length_ns(struct faults *faults, enum fault_kind kind)
{
	uint64_t staleness_ns = faults->world->scenario.staleness * NS_PER_MS;

	/* Around the bound is where it matters; some have to be longer, as changes come within
	 * them.
	 */
	if (kind == FAULT_PAUSE && faults->world->scenario.aimed)
		return random_between(&faults->random, staleness_ns, 2 * staleness_ns);
	if ((kind == FAULT_PAUSE || kind == FAULT_FAILOVER) && random_chance(&faults->random, 500))
		return random_between(&faults->random, staleness_ns, 3 * staleness_ns);
	if (random_chance(&faults->random, 300))
		return random_between(&faults->random, staleness_ns / 2, 2 * staleness_ns);
	return random_skewed(&faults->random, NS_PER_MS, 2 * (uint64_t)NS_PER_S);
}

bool
fault_hits_a_worker(enum fault_kind kind)
{
	return kind == FAULT_PAUSE || kind == FAULT_KILL_WORKER || kind == FAULT_DESCRIPTORS ||
	       kind == FAULT_MEMORY || kind == FAULT_CALLS;
}

/* Whom it hits: of workers, one that runs. */
static unsigned
draw_which(struct faults *faults, enum fault_kind kind)
{
	unsigned which = (unsigned)random_below(&faults->random, 1000);
	const struct gateway_worker *worker = gateway_running(&faults->world->gateway, which);

	return fault_hits_a_worker(kind) && worker != NULL ? worker->slot : which;
}

/* One of those that are on in this run. */
static enum fault_kind
draw_kind(struct faults *faults)
{
	unsigned kinds = faults->world->scenario.fault_kinds, kind;

	if (faults->world->scenario.aimed && random_chance(&faults->random, 400))
		return FAULT_PAUSE;
	do
		kind = (unsigned)random_below(&faults->random, FAULT_KINDS);
	while ((kinds & 1u << kind) == 0);
	return (enum fault_kind)kind;
}

static void
note_backend(struct backend *backend, uint64_t until_ns)
{
	if (until_ns > backend->troubled_ns)
		backend->troubled_ns = until_ns;
}

static void
start_one(struct faults *faults)
{
	enum fault_kind kind = draw_kind(faults);
	uint64_t length_ns = draw_length_ns(faults, kind), until_ns = schedule_now_ns() + length_ns;
	/* A worker is stopped again and again. */
	uint64_t ends_ns = kind == FAULT_PAUSE ? until_ns + 6 * length_ns : until_ns;
	struct fault_end *place = faults->ends;
	struct fault_end *last = &faults->ends[FAULTS_AT_ONCE];

	while (place < last && alarm_is_set(&place->alarm))
		place++;
	if (place == last)
		return;
	place->kind = kind;
	place->which = draw_which(faults, kind);
	faults->count[kind]++;
	faults->total++;
	trace_event("fault", names[kind], place->which, until_ns);
	judge_trouble(faults->world, troubles_of(kind), ends_ns);
	if (troubles_of(kind) == TROUBLED_BACKEND)
		note_backend(backend_of(faults->world, place->which), ends_ns);
	alarm_set(&place->alarm, ends_ns);
	coverage_fault_begins(kind, place->which);
	begin(faults, kind, place->which, until_ns);
}

static void
on_next(struct alarm *alarm)
{
	struct faults *faults = container_of(alarm, struct faults, next);
	uint64_t mean_ns = faults->world->scenario.fault_ns;
	/* In bursts: now and then several at once. */
	uint64_t wait_ns = random_chance(&faults->random, 300)
			       ? random_below(&faults->random, mean_ns / 8)
			       : random_below(&faults->random, 2 * mean_ns + mean_ns / 2);

	start_one(faults);
	alarm_set(alarm, schedule_now_ns() + wait_ns);
}

void
faults_start(struct faults *faults, struct world *world)
{
	faults->world = world;
	random_init(&faults->random, world->seed, "faults", 0);
	for (size_t i = 0; i < FAULTS_AT_ONCE; i++)
		faults->ends[i] = (struct fault_end){.alarm = {.fire = on_end}, .faults = faults};
	faults->next.fire = on_next;
	if (world->scenario.fault_ns > 0 && world->scenario.fault_kinds != 0)
		alarm_set(
		    &faults->next, random_below(&faults->random, 2 * world->scenario.fault_ns));
}

void
faults_stop(struct faults *faults)
{
	struct world *world = faults->world;

	alarm_stop(&faults->next);
	for (size_t i = 0; i < FAULTS_AT_ONCE; i++)
		if (alarm_is_set(&faults->ends[i].alarm)) {
			alarm_stop(&faults->ends[i].alarm);
			end(faults, faults->ends[i].kind, faults->ends[i].which);
		}
	store_settle(&world->store);
	for (unsigned i = 0; i < world->scenario.backends; i++) {
		world->backends[i].frozen_ns = 0;
		world->backends[i].host.cut_in_ns = world->backends[i].host.cut_out_ns = 0;
	}
	for (unsigned i = 0; i < world->scenario.clients; i++) {
		world->clients[i].frozen_ns = 0;
		world->clients[i].host.cut_in_ns = world->clients[i].host.cut_out_ns = 0;
	}
	for (unsigned i = 0; i < world->gateway.slots; i++)
		world->gateway.workers[i].node.pause_ns = 0;
	/* After a reload to nowhere that took effect, because the old store was out of reach, too.
	 */
	if (world->gateway.supervisor.nowhere)
		supervisor_model_reload(&world->gateway.supervisor, false);
	judge_troubles_end(world);
}
