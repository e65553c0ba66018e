/* scenario.c - draws the parts of a run. */
#include "scenario.h"

#include "faults.h"
#include "random.h"
#include "schedule.h"
#include "store.h"

static void
draw_sizes(struct scenario *s, struct random *random)
{
	s->workers = random_chance(random, 600) ? 1 : (unsigned)random_between(random, 2, 3);
	s->tokens = (unsigned)random_between(random, 2, 6);
	s->jobs = (unsigned)random_between(random, 1, 4);
	s->backends = (unsigned)random_between(random, 1, 3);
	s->clients = (unsigned)random_between(random, 4, SCENARIO_CLIENTS_MAX);
	s->duration_ns = random_between(random, 10, 40) * NS_PER_S;
	/* 50 to 200 exchanges a second */
	s->think_ns = s->clients * (uint64_t)NS_PER_S / random_between(random, 50, 200);
	s->change_ns = (uint64_t)NS_PER_S / random_between(random, 2, 10);
	s->fault_ns = random_chance(random, 150)
			  ? 0
			  : (uint64_t)NS_PER_S * 10 / random_between(random, 5, 20);
	s->descriptors =
	    random_chance(random, 100) ? (unsigned)random_between(random, 24, 60) : 1024;
}

static void
draw_times(struct scenario *s, struct random *random)
{
	s->staleness = random_skewed(random, 300, 5000);
	s->ping_interval = random_between(random, 50, s->staleness / 3);
	s->ping_deadline = random_between(random, 50, s->staleness / 3);
	s->connect_store = random_between(random, 100, 2000);
	s->lookup = random_between(random, 100, 2000);
	s->connect = random_between(random, 100, 5000);
	s->first_byte = random_between(random, 1000, 20000);
	s->answer = random_between(random, 1000, 20000);
	s->tunnel = random_skewed(random, 200, 20000);
	s->keep_alive = random_between(random, 3000, 10000);
	s->body = random_between(random, 1000, 10000);
	s->linger = random_between(random, 100, 2000);
	s->head = random_between(random, 1000, 5000);
	s->backend_idle = random_between(random, 200, 10000);
	s->drain = random_between(random, 500, 5000);
	s->circuit_failures = (unsigned)random_below(random, 6);
	s->circuit_pause = random_between(random, 100, 1000);
	/* Room for what all clients wait for at once: without it they would get 503. */
	s->cache_entries =
	    random_chance(random, 300) ? (unsigned)random_between(random, 40, 60) : 1000;
}

static void
draw_tuning(struct scenario *s, struct random *random)
{
	s->tuning = jg_tuning;
	if (random_chance(random, 500))
		s->tuning.loop.wheel_seats = random_between(random, 2, 64);
	if (random_chance(random, 500))
		s->tuning.directory.refreshing_max = random_between(random, 1, 4);
	if (random_chance(random, 500))
		s->tuning.directory.freed_max = random_between(random, 1, 4);
	if (random_chance(random, 500))
		s->tuning.directory.told_max = random_between(random, 1, 4);
	if (random_chance(random, 300))
		s->tuning.tracker.careful_max = random_between(random, 1, 4);
	if (random_chance(random, 500))
		s->tuning.worker.accept_max = (unsigned)random_between(random, 1, 4);
}

static void
draw_rules(struct scenario *s, struct random *random)
{
	for (int i = 0; i < 4; i++)
		s->rules[i] = (struct host_rules){
		    .delay_ns = random_skewed(random, 5, 2000) * NS_PER_US,
		    .jitter_ns = random_skewed(random, 1, 2000) * NS_PER_US,
		    .split = s->splits ? (unsigned)random_skewed(random, 1, 400) : 0,
		    .loss =
			random_chance(random, 300) ? (unsigned)random_between(random, 1, 20) : 0,
		    .resend_ns = 200 * NS_PER_MS,
		};
	/* A look-up that is late for no other reason would be refused: that is left to faults. */
	s->rules[RULES_STORE].loss = 0;
	if (s->connect < 1000) /* likewise */
		s->rules[RULES_BACKEND].loss = 0;
	s->rules[RULES_GATEWAY] =
	    (struct host_rules){.delay_ns = 5 * NS_PER_US, .jitter_ns = 5 * NS_PER_US};
}

static void
draw_features(struct scenario *s, struct random *random)
{
	bool *const features[] = {&s->expires, &s->minted, &s->tunnels, &s->chunks, &s->uploads,
	    &s->interim, &s->pipelines, &s->misdeeds, &s->desertions, &s->slow_readers, &s->streams,
	    &s->wrong_tokens, &s->splits, &s->http2};
	unsigned kinds;

	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		*features[i] = random_chance(random, 600);
	/* Few kinds at once show more clearly what is no fault's doing. */
	kinds = random_chance(random, 400) ? 60 : 400;
	for (unsigned kind = 0; kind < FAULT_KINDS; kind++)
		if (random_chance(random, kinds))
			s->fault_kinds |= 1u << kind;
}

/* In half of the runs some backends, or all, speak HTTP/2. */
static void
draw_h2_features(struct scenario *s, uint64_t seed)
{
	struct random random;

	s->h2_window_min = 100;
	random_init(&random, seed, "h2 backends", 0);
	if (random_chance(&random, 500))
		s->h2_backends = (unsigned)random_between(&random, 1, 7);
	random_init(&random, seed, "calls", 0);
	s->calls = random_chance(&random, 600);
	random_init(&random, seed, "tunnels over HTTP/2", 0);
	s->h2_tunnels = (unsigned)random_between(&random, 0, 7);
}

static void
draw_times_of_tokens(struct scenario *s, uint64_t seed)
{
	struct random random;

	random_init(&random, seed, "times of tokens", 0);
	s->timed = random_chance(&random, 500);
	random_init(&random, seed, "addresses of tokens", 0);
	s->limited = random_chance(&random, 400);
	random_init(&random, seed, "ends of tokens", 0);
	s->scripted = random_chance(&random, 400);
}

/* How long requests wait for a job that is not up. */
static void
draw_holds(struct scenario *s, uint64_t seed)
{
	struct random random;

	random_init(&random, seed, "held requests", 0);
	s->start = random_chance(&random, 500) ? random_between(&random, 100, 5000) : 0;
}

/* What a worker has decided before it was stopped must not count after it, wherever it was. */
static void
draw_aimed_stops(struct scenario *s, uint64_t seed)
{
	struct random random;

	random_init(&random, seed, "aimed stops", 0);
	s->aimed = random_chance(&random, 200);
	if (!s->aimed)
		return;
	s->fault_kinds |= 1u << FAULT_PAUSE;
	s->fault_ns = NS_PER_S;
	s->uploads = s->splits = true; /* heads that wait for their content */
	s->staleness = random_between(&random, 300, 900);
	s->ping_interval = random_between(&random, 50, s->staleness / 3);
	s->ping_deadline = random_between(&random, 50, s->staleness / 3);
}

/* The gateway is told to stop while it starts or while it reloads. */
static void
draw_stops(struct scenario *s, uint64_t seed)
{
	struct random random;

	random_init(&random, seed, "stops", 0);
	if (random_chance(&random, 20))
		s->early_stop_ns = random_skewed(&random, NS_PER_US, 40 * NS_PER_MS);
	if (random_chance(&random, 200))
		s->last_reload_ns = random_skewed(&random, NS_PER_US, 200 * NS_PER_MS);
}

/* Limits of tokens that are often reached, now and then with fewer places than tokens. */
static void
draw_limits(struct scenario *s, uint64_t seed)
{
	struct random random;

	random_init(&random, seed, "limits of tokens", 0);
	s->limit_places = SCENARIO_LIMIT_PLACES;
	if (random_chance(&random, 750))
		return;
	s->limit_rate = random_chance(&random, 600) ? (unsigned)random_between(&random, 5, 60) : 0;
	s->limit_burst = (unsigned)random_between(&random, 1, 20);
	if (s->limit_rate == 0 || random_chance(&random, 500))
		s->limit_concurrency = (unsigned)random_between(&random, 1, 6);
	if (random_chance(&random, 150))
		s->limit_places = 2;
}

static void
draw_ports(struct scenario *s, uint64_t seed)
{
	struct random random;

	random_init(&random, seed, "ports", 0);
	s->ports = random_chance(&random, 400);
	s->tunnels = s->tunnels || s->ports; /* what runs while a job loses its port */
	s->collides = s->ports && s->jobs > 1 && random_chance(&random, 500);
}

static void
draw_publics(struct scenario *s, uint64_t seed)
{
	struct random random;

	random_init(&random, seed, "public jobs", 0);
	s->publics = random_chance(&random, 400);
}

/* Jobs have several URLs: more backends then. */
static void
draw_replicas(struct scenario *s, uint64_t seed)
{
	struct random random;

	random_init(&random, seed, "replicas", 0);
	s->replicas = random_chance(&random, 350);
	if (!s->replicas)
		return;
	s->backends = (unsigned)random_between(&random, 2, SCENARIO_BACKENDS_MAX);
	if (s->h2_backends != 0)
		s->h2_backends = (unsigned)random_between(&random, 1, 31);
}

static void
draw_cuts(struct scenario *s, uint64_t seed)
{
	struct random random;

	random_init(&random, seed, "cuts", 0);
	s->cuts = random_chance(&random, 300);
}

/* What a failover loses of sign-ins is not known here. */
static void
draw_sign_in_host(struct scenario *s, uint64_t seed)
{
	struct random random;

	random_init(&random, seed, "sign-in host", 0);
	s->sign_in_host = s->servers == 1 && random_chance(&random, 500);
	if (s->sign_in_host)
		s->session = random_between(&random, 4, 40) * 1000;
}

/* The control process, and what it waits for. Its servers must be known. */
static void
draw_control(struct scenario *s, uint64_t seed)
{
	struct store_tuning *store = &s->tuning.store;
	struct random random;

	random_init(&random, seed, "control process", 0);
	if (random_chance(&random, 600))
		return;
	s->operators = (unsigned)random_between(&random, 1, 3);
	s->operator_ns = random_skewed(&random, 50, 1000) * NS_PER_MS;
	s->control_faults = random_chance(&random, 500);
	if (random_chance(&random, s->servers > 1 ? 500 : 50)) {
		s->wait.count = random_between(&random, 1, s->servers > 2 ? 2 : 1);
		s->wait.timeout_ms = random_skewed(&random, 20, 1000);
		s->wait.required = random_chance(&random, 700) ? s->wait.count : 0;
	}
	store->deadline_ms = (unsigned)random_skewed(&random, 100, 2000);
	store->connect_ms = (unsigned)random_skewed(&random, 100, 2000);
	store->election_ms = (unsigned)random_skewed(&random, 100, 1000);
	store->election_deadline_ms = store->election_ms - 50;
	store->backoff_last_ms = (unsigned)random_skewed(&random, 50, 2000);
}

/* Gateways that register the same job of their own. */
static void
draw_registrars(struct scenario *s, uint64_t seed)
{
	struct random random;

	random_init(&random, seed, "registrars", 0);
	if (random_chance(&random, 700))
		return;
	s->registrars = (unsigned)random_between(&random, 1, 2);
	s->lease_s = random_between(&random, 1, 5);
}

/* Operators with tokens, in half of the runs with a control process. */
static void
draw_staff(struct scenario *s, uint64_t seed)
{
	struct random random;

	random_init(&random, seed, "staff", 0);
	s->scope = (struct scope_quota){{1000, 1000}};
	s->uses = s->operators > 0 && random_chance(&random, 500);
	s->lists = s->operators > 0 && random_chance(&random, 600);
	if (s->operators == 0 || random_chance(&random, 500))
		return;
	s->staff = (unsigned)random_between(&random, 1, 2);
	s->minted = true;
	s->scope.most[RECORD_TOKEN] = random_between(&random, 1, 6);
	s->scope.most[RECORD_JOB] = random_between(&random, 1, 3);
}

static void
draw_visitors(struct scenario *s, struct random *random)
{
	s->visitors = random_chance(random, 500);
	s->session = random_between(random, 2, 8) * 1000;
	s->failed_auth_rate =
	    s->visitors && random_chance(random, 400) ? (unsigned)random_between(random, 1, 4) : 0;
	s->failed_auth_burst = (unsigned)random_between(random, 1, 20);
}

/* Without replicas there is no failover, and without sentinels none can be cut off. */
static void
draw_store(struct scenario *s, struct random *random)
{
	const unsigned replicated =
	    1u << FAULT_FAILOVER | 1u << FAULT_CUT_REPLICAS | 1u << FAULT_LAG;

	s->strange_urls = random_chance(random, 300);
	s->sentinels = random_chance(random, 400);
	s->servers = s->sentinels || random_chance(random, 300)
			 ? (unsigned)random_between(random, 2, STORE_SERVERS_MAX)
			 : 1;
	if (s->servers > 1 && random_chance(random, 500))
		s->fault_kinds |= 1u << FAULT_FAILOVER;
	if (s->servers == 1)
		s->fault_kinds &= ~replicated;
	if (!s->sentinels)
		s->fault_kinds &= ~(1u << FAULT_CUT_SENTINELS);
}

void
scenario_draw(struct scenario *scenario, uint64_t seed)
{
	struct random random;

	*scenario = (struct scenario){0};
	random_init(&random, seed, "scenario", 0);
	draw_features(scenario, &random);
	draw_sizes(scenario, &random);
	draw_times(scenario, &random);
	draw_tuning(scenario, &random);
	draw_aimed_stops(scenario, seed);
	draw_rules(scenario, &random);
	draw_h2_features(scenario, seed);
	draw_times_of_tokens(scenario, seed);
	draw_holds(scenario, seed);
	draw_limits(scenario, seed);
	draw_stops(scenario, seed);
	draw_store(scenario, &random);
	draw_control(scenario, seed);
	draw_staff(scenario, seed);
	draw_registrars(scenario, seed);
	draw_ports(scenario, seed);
	draw_publics(scenario, seed);
	draw_replicas(scenario, seed);
	draw_visitors(scenario, &random);
	draw_sign_in_host(scenario, seed);
	draw_cuts(scenario, seed);
}

void
scenario_small(struct scenario *s)
{
	const struct host_rules near = {.delay_ns = 20 * NS_PER_US, .jitter_ns = 20 * NS_PER_US};

	*s = (struct scenario){.workers = 1,
	    .servers = 1,
	    .tokens = 3,
	    .jobs = 2,
	    .backends = 2,
	    .clients = 4,
	    .duration_ns = 400 * NS_PER_MS,
	    .think_ns = 20 * NS_PER_MS,
	    .change_ns = 40 * NS_PER_MS,
	    .staleness = 600,
	    .ping_interval = 100,
	    .ping_deadline = 100,
	    .connect_store = 200,
	    .lookup = 200,
	    .connect = 200,
	    .first_byte = 500,
	    .answer = 500,
	    .tunnel = 500,
	    .keep_alive = 300,
	    .body = 300,
	    .linger = 100,
	    .head = 300,
	    .backend_idle = 300,
	    .circuit_pause = 100,
	    .drain = 500,
	    .start = 200,
	    .session = 5000,
	    .failed_auth_burst = 1,
	    .circuit_failures = 5,
	    .cache_entries = 1000,
	    .limit_places = SCENARIO_LIMIT_PLACES,
	    .tuning = jg_tuning,
	    .rules = {near, near, near, near},
	    .descriptors = 1024,
	    .expires = true,
	    .timed = true,
	    .limited = true,
	    .scripted = true,
	    .publics = true,
	    .minted = true,
	    .tunnels = true,
	    .chunks = true,
	    .uploads = true,
	    .interim = true,
	    .pipelines = true,
	    .wrong_tokens = true,
	    .http2 = true,
	    .h2_backends = 2,
	    .h2_tunnels = 2,
	    .h2_window_min = 16384, /* it ends too soon for large uploads in small pieces */
	    .calls = true,
	    .visitors = true};
}

uint64_t
scenario_recovery_ns(const struct scenario *scenario)
{
	uint64_t connect = scenario->connect_store > scenario->connect ? scenario->connect_store
								       : scenario->connect;

	return (3 * connect + 2 * scenario->ping_deadline + 1000 + scenario->circuit_pause + 200) *
	       NS_PER_MS;
}
