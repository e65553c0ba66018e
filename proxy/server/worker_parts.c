/* worker_parts.c - makes a worker's data path and its store, as the configuration says. */
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "downstream/http1/server.h"
#include "downstream/http2/session.h"
#include "server/descriptors.h"
#include "server/worker_state.h"
#include "upstream/http1/client.h"
#include "upstream/http2/client.h"

/*
 * How many connections the descriptors are enough for. Each takes two, one of them for its backend.
 * The listening sockets of all workers are open in each of them (orphans.c). If there are few
 * descriptors, a third of them is kept for everything else.
 */
static size_t
connections_fitting(const struct config *config)
{
	size_t sockets = config->listener_count * config->workers, left, spare;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	left = limit.rlim_cur > sockets ? limit.rlim_cur - sockets : 0;
	spare = left / 3 < DESCRIPTORS_SPARE ? left / 3 : DESCRIPTORS_SPARE;
	return left > 16 ? (left - spare) / 2 : 5;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Each purpose has its own connection limit, so that many clients of jobs do not keep operators
 * out, and vice versa. Where the limit is small, an address gets at most a quarter of it.
 */
static void
set_places(struct worker *worker, struct downstream_options *options)
{
	const struct config *config = worker->setup->config;
	size_t fitting = connections_fitting(config);
	size_t control = least(WORKER_CONTROL_CONNECTIONS, fitting / 4);
	size_t metrics = least(WORKER_METRICS_CONNECTIONS, fitting / 16 + 1);

	/* A client for which there is no descriptor waits to be accepted. */
	worker->clients_max = fitting - control - metrics;
	options->places[FOR_JOBS].connections = config->limits.connections;
	options->places[FOR_JOBS].handshakes = config->limits.handshakes;
	options->places[FOR_CONTROL].connections = options->places[FOR_CONTROL].handshakes =
	    control;
	options->places[FOR_METRICS].connections = metrics;
	options->quota_limits.connections[FOR_CONTROL] = (control + 3) / 4;
	options->quota_limits.connections[FOR_METRICS] = (metrics + 3) / 4;
}

/* A quarter of the handshakes, so that one address does not take them all. 0: any number. */
static size_t
handshakes_of_one(const struct config *config)
{
	size_t quarter = config->limits.handshakes / 4;

	if (config->limits.connections_per_client == 0)
		return 0;
	return quarter > 0 ? quarter : 1;
}

/* Addresses that no job's URL may lead to: our own, and the store's. */
static bool
list_own(struct worker *worker)
{
	const struct config *config = worker->setup->config;

	worker->own = calloc(config->listener_count + REDIS_TRACKER_PEERS, sizeof(*worker->own));
	if (worker->own == NULL)
		return false;
	for (size_t i = 0; i < config->listener_count; i++)
		worker->own[worker->own_count++] = worker->setup->own[i];
	worker->own_count += REDIS_TRACKER_PEERS; /* filled in once they are reached */
	return true;
}

static struct guard_rules
guard_of(const struct worker *worker)
{
	const struct config *config = worker->setup->config;

	return (struct guard_rules){
	    .allow_loopback = config->backends.allow_loopback,
	    .allow = config->backends.allow.items,
	    .allow_count = config->backends.allow.count,
	    .deny = config->backends.deny.items,
	    .deny_count = config->backends.deny.count,
	    .own = worker->own,
	    .own_count = worker->own_count,
	};
}

bool
worker_make_room(struct worker *worker)
{
	return pool_make_room(worker->pool) || downstream_make_room(worker->downstream);
}

static bool
make_room(void *ctx)
{
	return worker_make_room(ctx);
}

static bool
catch_up(void *ctx)
{
	const struct worker *worker = ctx;

	return exchange_catch_up(worker->exchanges);
}

static struct pool *
make_pool(struct worker *worker)
{
	const struct worker_setup *setup = worker->setup;
	const struct config *config = setup->config;
	const struct pool_options options = {
	    .loop = worker->loop,
	    .resolver = worker->resolver,
	    .buffers = worker->buffers,
	    .tls = setup->backend_tls,
	    .stats = setup->stats,
	    .log = &worker->log,
	    .http1 = &http1_client_protocol,
	    .http2 = &http2_client_protocol,
	    .guard = guard_of(worker),
	    .own_sockets = setup->own_sockets,
	    .settings = config->backends.pool,
	    .head = config->limits.head,
	    .connections_max = least(config->limits.connections, connections_fitting(config)),
	    .tuning = &worker->tuning->backend,
	    .ctx = worker,
	    .catch_up = catch_up,
	    .make_room = make_room,
	};

	return pool_new(&options);
}

static struct exchange_context *
make_exchanges(struct worker *worker)
{
	const struct worker_setup *setup = worker->setup;
	const struct config *config = setup->config;
	const struct exchange_options options = {
	    .jobs = config->jobs,
	    .forwarding = config->backends.forwarding,
	    .control_host = config->control.host,
	    .control_target = config->control.process.gateway_socket != NULL
				  ? &config->control.gateway_target
				  : NULL,
	    .control_secret = setup->control_secret,
	    .trusted_proxies = config->backends.trusted_proxies,
	    .limits = config->limits,
	    .limit_table = setup->limits,
	    .limit_owner = setup->owner,
	    .shared = setup->shared,
	    .job_slots = setup->job_slots,
	    .affinity_key = setup->session_key,
	    .replica_places = setup->replica_places,
	    .jobs_max = setup->job_slots != NULL ? (uint32_t)config->metrics.jobs_max : 0,
	    .session_key = config->browser.sign_in ? setup->session_key : NULL,
	    .sign_in_host = config->browser.host,
	    .embed = config->browser.embed,
	    .session_ms = config->browser.session,
	    .help = slice_of(config->browser.help != NULL ? config->browser.help : ""),
	    .https_port = config->redirect_port,
	    .timeouts = config->timeouts,
	};

	return exchange_context_new(&options, worker->loop, worker->directory, worker->pool,
	    worker->buffers, setup->stats, worker->access_log, &worker->log);
}

static struct downstream *
make_downstream(struct worker *worker)
{
	const struct worker_setup *setup = worker->setup;
	const struct config *config = setup->config;
	struct downstream_options options = {
	    .trusted = config->backends.trusted_proxies.items,
	    .trusted_count = config->backends.trusted_proxies.count,
	    .tls = setup->tls,
	    .control_tls = setup->control_tls,
	    .hsts = config->tls.hsts,
	    .upgrades = config->backends.forwarding.upgrades,
	    .drop_fields = config->backends.forwarding.drop_fields,
	    .quota_limits = {{[FOR_JOBS] = config->limits.connections_per_client},
		handshakes_of_one(config), config->limits.failed_auth_rate,
		config->limits.failed_auth_burst},
	    .limits = config->limits,
	    .timeouts = config->timeouts,
	    .http2 = config->http2.limits,
	    .protocols = {[PROTOCOL_HTTP1] = &http1_server_protocol,
		[PROTOCOL_HTTP2] = config->http2.clients ? &http2_server_protocol : NULL},
	};

	set_places(worker, &options);
	return downstream_new(
	    &options, worker->loop, worker->exchanges, worker->buffers, setup->stats, &worker->log);
}

static bool
make_channel(struct worker *worker)
{
	const struct worker_setup *setup = worker->setup;

	if (setup->channel == NULL)
		return true;
	worker->channel =
	    channel_new(loop_base(worker->loop), worker->exchanges, setup->channel, setup->index);
	return worker->channel != NULL;
}

bool
worker_data_path(struct worker *worker)
{
	if (!list_own(worker))
		return false;
	worker->buffers = buffer_pool_new();
	if (worker->buffers != NULL)
		worker->pool = make_pool(worker);
	if (worker->pool != NULL)
		worker->exchanges = make_exchanges(worker);
	if (worker->exchanges != NULL)
		worker->downstream = make_downstream(worker);
	return worker->downstream != NULL && make_channel(worker);
}

void
worker_data_path_free(struct worker *worker)
{
	channel_free(worker->channel);
	if (worker->downstream != NULL)
		downstream_shutdown(worker->downstream);
	exchange_context_free(
	    worker->exchanges); /* turns the loop, so that connections are freed, too */
	pool_free(worker->pool);
	downstream_free(worker->downstream);
	buffer_pool_free(worker->buffers);
}

/*
 * Within a turn the time is the same for all: what is stale for the tracker must be stale for the
 * exchanges, too.
 */
static uint64_t
worker_clock(void *ctx)
{
	return loop_now_ms(ctx);
}

bool
worker_store(struct worker *worker)
{
	const struct config *config = worker->setup->config;
	const struct redis_tracker_options tracker = {
	    .url = worker->setup->store_url,
	    .primary_url = worker->setup->primary_url,
	    .prefix = config->store.prefix,
	    .ca_file = config->store.ca_file,
	    .password_file = config->store.password_file,
	    .resolver = worker->resolver,
	    .timeouts = config->store.timeouts,
	    .tuning = &worker->tuning->tracker,
	    .now_ms = worker_clock,
	    .clock_ctx = worker->loop,
	};
	struct directory_options directory = {
	    .max_staleness_ms = config->store.max_staleness,
	    .entries_max = config->store.cache_entries,
	    .tuning = &worker->tuning->directory,
	};
	struct directory_store store;
	char error[256];

	worker->tracker = redis_tracker_new(
	    loop_base(worker->loop), &tracker, &worker->log, error, sizeof(error));
	if (worker->tracker == NULL) {
		log_error(&worker->log, "store.url: %s", error);
		return false;
	}
	if (RAND_bytes(directory.hash_key, sizeof(directory.hash_key)) != 1)
		return false;
	store = redis_tracker_store(worker->tracker);
	worker->directory = jg_directory_new(&directory, &store);
	return worker->directory != NULL;
}
