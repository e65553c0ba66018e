/* gateway.c - workers as a supervisor would start them. */
#include "gateway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "coverage.h"
#include "jobgate/container_of.h"
#include "limits/table.h"
#include "trace.h"
#include "world.h"

#define ADDRESS 0x0a000001u
#define NOWHERE "redis://10.0.3.9:6379"

static const char *const no_sockets[] = {NULL};
static const unsigned char session_key[32];
static const uint64_t limits_key[2] = {1, 2};

/* ---- the configuration ---- */

static void
write_configuration(FILE *out, const struct world *world)
{
	const struct scenario *s = &world->scenario;
	char store[100];

	store_url(&world->store, store, sizeof(store));
	fprintf(out,
	    "listen: [\"10.0.0.1:80\", \"10.0.0.1:81 redirect\", \"10.0.0.1:82 authorize\"]\n"
	    "workers: %u\njobs:\n  prefix: /jobs\n  domain: localhost\n  public_url: "
	    "https://{job}.localhost/\n",
	    s->workers);
	fprintf(out,
	    "store:\n  url: %s\n  max_staleness: %llums\n  ping_interval: "
	    "%llums\n"
	    "  ping_deadline: %llums\n  connect_timeout: %llums\n  lookup_timeout: %llums\n",
	    store, (unsigned long long)s->staleness, (unsigned long long)s->ping_interval,
	    (unsigned long long)s->ping_deadline, (unsigned long long)s->connect_store,
	    (unsigned long long)s->lookup);
	fprintf(out, "backends:\n  circuit_failures: %u\n  circuit_pause: %llums\n",
	    s->circuit_failures, (unsigned long long)s->circuit_pause);
	fprintf(out, "  trusted_proxies: [10.9.0.0/16]\nbrowser:\n  %s\n  session: %llums\n",
	    s->sign_in_host ? "host: auth.localhost" : "same_host: true",
	    (unsigned long long)s->session);
	fprintf(out,
	    "timeouts:\n  head: %llums\n  keep_alive: %llums\n  body: %llums\n  connect: %llums\n"
	    "  first_byte: %llums\n  answer: %llums\n  tunnel: %llums\n  linger: %llums\n"
	    "  backend_idle: %llums\n  drain: %llums\n  start: %llums\n",
	    (unsigned long long)s->head, (unsigned long long)s->keep_alive,
	    (unsigned long long)s->body, (unsigned long long)s->connect,
	    (unsigned long long)s->first_byte, (unsigned long long)s->answer,
	    (unsigned long long)s->tunnel, (unsigned long long)s->linger,
	    (unsigned long long)s->backend_idle, (unsigned long long)s->drain,
	    (unsigned long long)s->start);
	fprintf(out,
	    "limits:\n  connections_per_client: 0\n  body_rate_min: 0\n"
	    "  failed_auth_rate: %u\n  failed_auth_burst: %u\n",
	    s->failed_auth_rate, s->failed_auth_burst);
	if (s->limit_rate > 0)
		fprintf(
		    out, "  token_rate: %u\n  token_burst: %u\n", s->limit_rate, s->limit_burst);
	if (s->limit_concurrency > 0)
		fprintf(out, "  token_concurrency: %u\n", s->limit_concurrency);
	/* So high that no request is refused: what counts is that each permit is given back. */
	else if (s->limit_rate == 0 && world->seed % 2 == 1)
		fprintf(out, "  token_rate: 1000000\n  token_concurrency: 4096\n");
	fprintf(out, "http2:\n  clients: true\n");
	fprintf(out, "control:\n  socket: /nonexistent/control.sock\nlog:\n  access: \"off\"\n");
}

static struct config *
load_configuration(const struct world *world)
{
	int fd = memfd_create("configuration", 0);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	struct config_error error;
	struct config *config;
	char path[40];

	if (out == NULL)
		abort();
	write_configuration(out, world);
	fflush(out);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config = config_load(path, &error);
	if (config == NULL) {
		fprintf(stderr, "sim: configuration, line %zu: %s\n", error.line, error.message);
		exit(2);
	}
	fclose(out);
	if (world->scenario.sign_in_host) {
		size_t bad;

		jg_job_url_parse(slice_of(SIGN_INS_URL), &config->control.gateway_target, &bad);
	}
	config->store.cache_entries =
	    world->scenario.cache_entries; /* fewer than a file may ask for */
	return config;
}

/* ---- a worker ---- */

static void
put_line(void *to, const char *line, size_t len)
{
	const struct gateway_worker *worker = to;

	trace_bytes(line, len);
	trace_say(worker->node.name, "log: %.*s", (int)(len > 0 ? len - 1 : 0), line);
}

static void
take_orders(struct gateway_worker *worker)
{
	if (worker->cuts) {
		worker->cuts = false;
		cuts_carry_out(&worker->gateway->world->cuts, worker);
	}
	while (worker->orders != 0) { /* another one may come while one is taken */
		int order = __builtin_ctz(worker->orders);

		worker->orders &= ~(1u << order);
		worker_order(worker->worker, (enum worker_order)order);
	}
}

/* What a worker process does, without its signals. */
static void
run_worker(void *ctx)
{
	struct gateway_worker *worker = ctx;

	worker->worker = worker_open(&worker->setup);
	while (worker->worker != NULL && worker_turn(worker->worker, true))
		take_orders(worker);
	worker_close(worker->worker);
	worker->worker = NULL;
	worker->allocations += worker->node.heap.attempts;
	if (worker->node.heap.count != 0 && worker->node.heap.failed == 0)
		judge_violation(worker->gateway->world,
		    "%s: %zu blocks of memory are left, %zu bytes", worker->node.name,
		    worker->node.heap.count, worker->node.heap.bytes);
	supervisor_model_look(&worker->gateway->supervisor);
}

/* The sockets of all workers are open in each, as they are after fork. */
static void
give_listeners(struct gateway_worker *worker)
{
	struct gateway *gateway = worker->gateway;

	for (unsigned i = 0; i < GATEWAY_PORTS * gateway->world->scenario.workers; i++)
		worker->fds[i] = node_install(&worker->node, &gateway->listeners[i]->descriptor);
}

void
gateway_spawn(struct gateway_worker *worker, unsigned index, bool without_store, bool to_nowhere)
{
	struct node *node = &worker->node;
	const struct heap before = node->heap;

	node->heap = (struct heap){.fail_per_million = before.fail_per_million,
	    .fail_at = before.fail_at,
	    .random = before.random};
	give_listeners(worker);
	worker->base_descriptors = node_open(node);
	worker->orders = 0;
	worker->cuts = false;
	worker->exists = true;
	worker->index = index;
	snprintf(worker->process, sizeof(worker->process), "worker %u", index);
	worker->setup.index = index;
	worker->setup.listeners = &worker->fds[GATEWAY_PORTS * index];
	worker->gateway->spawned++;
	worker->setup.all_listeners = worker->fds;
	worker->setup.store_url = worker->setup.primary_url =
	    to_nowhere ? NOWHERE : worker->setup.config->store.read_url;
	gateway_clear(worker);
	coverage_worker_begins(worker);
	counter_set(&worker->setup.stats->without_store, without_store);
	counter_set(&worker->setup.stats->sockets, 1);
	counter_set(&worker->setup.stats->index, index);
	node_start(node, run_worker, worker,
	    schedule_now_ns() + random_below(&worker->gateway->host.random, 10 * NS_PER_MS));
}

static void
on_stopped(struct node *node, uint64_t ns)
{
	struct gateway_worker *worker = container_of(node, struct gateway_worker, node);

	changes_aim(&worker->gateway->world->changes, ns);
}

static void
init_worker(struct gateway *gateway, unsigned slot)
{
	struct gateway_worker *worker = &gateway->workers[slot];
	const struct scenario *scenario = &gateway->world->scenario;

	worker->gateway = gateway;
	worker->slot = slot;
	snprintf(worker->node.name, sizeof(worker->node.name), "worker %u", slot);
	worker->node.host = &gateway->host;
	worker->node.descriptors_max = scenario->descriptors;
	worker->node.call_ns_max = 2 * NS_PER_US;
	worker->node.stopped = on_stopped;
	random_init(&worker->node.random, gateway->world->seed, "worker", slot);
	random_init(&worker->node.heap.random, gateway->world->seed, "heap", slot);
	worker->setup = (struct worker_setup){
	    .config = gateway->config,
	    .tuning = &scenario->tuning,
	    .shared = gateway->shared,
	    .own = gateway->bound,
	    .session_key = session_key,
	    .control_secret = "",
	    .stats = &gateway->shared->workers[slot],
	    .limits = gateway->limits,
	    .replica_places = &gateway->shared->replica_places,
	    .owner = (uint16_t)(slot + 1),
	    .own_sockets = no_sockets,
	    .access_log_fd = -1,
	    .log_runner = &log_threads,
	    .log = {.fd = 2, /* not used: there is put */
		.level = LOG_LEVEL_INFO,
		.process = worker->process,
		.put = put_line,
		.to = worker},
	};
	if (slot > 0)
		return;
	worker->node.heap.fail_at = scenario->fail_allocation;
	worker->node.failing.at = scenario->fail_call;
}

static void
listen_at(struct gateway *gateway, unsigned i)
{
	static const uint16_t ports[GATEWAY_PORTS] = {
	    GATEWAY_PORT, GATEWAY_PORT_REDIRECT, GATEWAY_PORT_AUTHORIZE};
	const struct place place = {ADDRESS, ports[i % GATEWAY_PORTS]};
	socklen_t len = sizeof(gateway->bound[0]);

	place_write(&place, &gateway->bound[i % GATEWAY_PORTS], &len);
	gateway->listeners[i] = listener_new(&gateway->host, place);
	gateway->listeners[i]->descriptor.holders = 1; /* the supervisor's */
}

void
gateway_start(struct gateway *gateway, struct world *world)
{
	const struct scenario *scenario = &world->scenario;

	gateway->world = world;
	gateway->config = load_configuration(world);
	gateway->slots = GATEWAY_SLOTS_MAX / SCENARIO_WORKERS_MAX * scenario->workers;
	gateway->shared = shared_stats_map(gateway->slots);
	gateway->limits = limit_table_new(scenario->limit_places, limits_key);
	if (gateway->limits == NULL)
		abort();
	host_init(&gateway->host, "gateway", 0, ADDRESS, world->seed);
	gateway->host.rules = scenario->rules[RULES_GATEWAY];
	for (unsigned i = 0; i < scenario->workers * GATEWAY_PORTS; i++)
		listen_at(gateway, i);
	for (unsigned i = 0; i < gateway->slots; i++)
		init_worker(gateway, i);
	supervisor_model_start(&gateway->supervisor, gateway);
}

/* ---- its end ---- */

void
gateway_kill(struct gateway_worker *worker)
{
	if (!worker->node.alive)
		return;
	worker->kills++;
	worker->worker = NULL;
	worker->node.heap.fail_at = 0;
	node_kill(&worker->node);
	supervisor_model_look(&worker->gateway->supervisor);
}

bool
gateway_reap(struct gateway_worker *worker)
{
	if (!worker->exists || worker->node.alive)
		return false;
	worker->exists = false;
	worker->node.heap.fail_at = 0;
	limit_table_worker_ended(worker->gateway->limits, worker->setup.owner);
	node_free(&worker->node);
	return true;
}

void
gateway_clear(struct gateway_worker *worker)
{
	struct worker_stats *stats = worker->setup.stats;

	counter_set(&stats->ready, 0);
	counter_set(&stats->accepting, 0);
	counter_set(&stats->draining, 0);
	counter_set(&stats->connections, 0);
	counter_set(&stats->tunnels, 0);
	counter_set(&stats->backend_connections, 0);
	counter_set(&stats->backend_idle, 0);
	counter_set(&stats->records_watched, 0);
	counter_set(&stats->store_up, 0);
}

struct gateway_worker *
gateway_running(struct gateway *gateway, unsigned draw)
{
	for (unsigned i = 0; i < gateway->slots; i++) {
		struct gateway_worker *worker = &gateway->workers[(draw + i) % gateway->slots];

		if (worker->node.alive)
			return worker;
	}
	return NULL;
}

void
gateway_order(struct gateway_worker *worker, enum worker_order order)
{
	if (!worker->node.alive)
		return;
	worker->orders |= 1u << order;
	node_wake(&worker->node);
}

/* ---- what must hold in the end ---- */

static void
check_books(struct gateway_worker *worker)
{
	const struct worker_stats *stats = worker->setup.stats;
	uint64_t ended = 0;

	for (size_t i = 0; i < OUTCOME_COUNT; i++)
		ended += counter_get(&stats->outcomes[i]);
	if (worker->kills == 0 && ended != counter_get(&stats->requests))
		judge_violation(worker->gateway->world, "%s: %llu requests, but %llu outcomes",
		    worker->process, (unsigned long long)counter_get(&stats->requests),
		    (unsigned long long)ended);
	if (counter_get(&stats->connections) != 0)
		judge_violation(worker->gateway->world, "%s: still %llu client connections",
		    worker->process, (unsigned long long)counter_get(&stats->connections));
}

/* Two connections to the store, those to sentinels, the loop's epoll and its pair; nothing else. */
#define IDLE_DESCRIPTORS 5
#define IDLE_DESCRIPTORS_MAX(gateway) \
	(IDLE_DESCRIPTORS + ((gateway)->world->scenario.sentinels ? STORE_SENTINELS : 0))

/* Permits that are held although no exchange runs. */
static void
check_permits(const struct gateway *gateway)
{
	uint64_t permits = limit_table_permits(gateway->limits);

	if (permits != 0)
		judge_violation(gateway->world, "%llu permits were not given back",
		    (unsigned long long)permits);
}

void
gateway_check_idle(struct gateway *gateway)
{
	check_permits(gateway);
	for (unsigned i = 0; i < gateway->slots; i++) {
		struct gateway_worker *worker = &gateway->workers[i];
		unsigned open = node_open(&worker->node);

		check_books(worker);
		if (!worker->exists)
			continue;
		/* Fewer while it connects to the store again. */
		if (open > worker->base_descriptors + IDLE_DESCRIPTORS_MAX(gateway))
			judge_violation(gateway->world, "%s: %u descriptors are open, not %u",
			    worker->process, open,
			    worker->base_descriptors + IDLE_DESCRIPTORS_MAX(gateway));
	}
}

void
gateway_check_ended(struct gateway *gateway)
{
	if (supervision_phase(gateway->supervisor.machine) != PHASE_STOPPED)
		judge_violation(gateway->world, "the gateway does not stop");
	for (unsigned i = 0; i < gateway->slots; i++)
		if (gateway->workers[i].exists)
			judge_violation(
			    gateway->world, "%s does not end", gateway->workers[i].node.name);
}
