/* worker.c - a worker process: everything it owns, put on one event loop. */
#include "server/worker.h"

#include <errno.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "auth/redis/link.h"
#include "config/values.h"
#include "gateway/gateway.h"

/* Connections taken in one go from one listener. */
#define ACCEPT_MAX 64

/* After running out of descriptors accepting pauses for this long. */
#define ACCEPT_PAUSE_MS 100

#define STATS_MS 250

/* How often a worker that does not accept yet looks whether the store is in reach. */
#define ACCEPT_CHECK_MS 5

#define SIGNALS 5
#define FLUSH_MS 50

/* Descriptors for everything that is no connection: listeners, Redis, resolver, logs. */
#define DESCRIPTORS_SPARE 256

struct worker;

struct listener {
	struct worker *worker;
	struct event *event;
	int fd;
	struct entrance entrance;
};

struct worker {
	const struct worker_setup *setup;
	struct log log;
	struct loop *loop;
	struct resolver *resolver;
	struct redis_link *link;
	struct directory *directory;
	struct access_log *access_log;
	struct gateway *gateway;
	struct listener *listeners;
	struct event *signals[SIGNALS];
	struct guard_range *trusted, *allow, *deny;
	struct sockaddr_storage *own; /* where the gateway itself listens, and last the store */
	size_t own_count;
	struct timer stats_timer, flush_timer, pause_timer, drain_timer, accept_timer;
	uint64_t accept_at_ms; /* at the latest */
	bool accepting, paused, draining;
};

#define OWNER(member, at) ((struct worker *)((char *)(at)-offsetof(struct worker, member)))

/* ---- what it publishes ---- */

/* The store's servers may be found at other addresses after each connection. */
static void
remember_store(struct worker *worker)
{
	redis_link_peers(worker->link, worker->own + worker->own_count - REDIS_LINK_PEERS);
}

static void
publish(struct worker *worker)
{
	struct worker_stats *stats = worker->setup->stats;
	uint64_t now_ms = loop_now_ms(worker->loop);
	struct directory_stats known;
	struct redis_link_stats link;

	jg_directory_stats(worker->directory, &known);
	redis_link_stats(worker->link, &link);
	remember_store(worker);
	counter_set(&stats->ready, jg_directory_ready(worker->directory, now_ms));
	counter_set(&stats->store_good_age_ms, known.good_ms == 0	? now_ms
					       : now_ms > known.good_ms ? now_ms - known.good_ms
									: 0);
	counter_set(&stats->cache_hits, known.hits);
	counter_set(&stats->cache_misses, known.misses);
	counter_set(&stats->cache_entries, known.entries);
	counter_set(&stats->cache_evictions, known.evictions);
	counter_set(&stats->invalidations, known.invalidations);
	counter_set(&stats->records_watched, known.watched);
	counter_set(&stats->bad_records, link.bad_records);
	counter_set(&stats->store_up, link.up);
	counter_set(&stats->store_connects, link.connects);
	counter_set(&stats->store_round_trip_ms, link.round_trip_ms);
}

/* ---- accepting ---- */

static void
set_accepting(struct worker *worker, bool on)
{
	for (size_t i = 0; i < worker->setup->config->listener_count; i++) {
		if (worker->listeners[i].event == NULL)
			continue;
		if (on)
			event_add(worker->listeners[i].event, NULL);
		else
			event_del(worker->listeners[i].event);
	}
}

static void
accept_failed(struct worker *worker)
{
	if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
		return;
	log_error(&worker->log, "cannot accept connections: %s; pausing for %d ms", strerror(errno),
	    ACCEPT_PAUSE_MS);
	worker->paused = true;
	set_accepting(worker, false);
	timer_start(worker->loop, &worker->pause_timer, ACCEPT_PAUSE_MS);
}

static void
on_accept(evutil_socket_t fd, short what, void *ctx)
{
	struct listener *listener = ctx;

	(void)what;
	for (int i = 0; i < ACCEPT_MAX; i++) {
		struct sockaddr_storage peer = {0};
		socklen_t len = sizeof(peer);
		int accepted =
		    accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (accepted < 0) {
			accept_failed(listener->worker);
			return;
		}
		gateway_accept(listener->worker->gateway, accepted, (struct sockaddr *)&peer,
		    &listener->entrance);
	}
}

/*
 * Begin to accept, as soon as there is something to answer with: until then clients
 * wait in the sockets' queues, or others serve. Not for ever: a 503 is an answer too.
 */
static void
on_accept_check(struct timer *timer)
{
	struct worker *worker = OWNER(accept_timer, timer);
	uint64_t now_ms = loop_now_ms(worker->loop);

	if (now_ms < worker->accept_at_ms && !jg_directory_ready(worker->directory, now_ms)) {
		timer_start(worker->loop, timer, ACCEPT_CHECK_MS);
		return;
	}
	if (worker->draining)
		return;
	worker->accepting = true;
	set_accepting(worker, true);
	publish(worker);
	counter_set(&worker->setup->stats->accepting, 1);
}

static void
on_pause_over(struct timer *timer)
{
	struct worker *worker = OWNER(pause_timer, timer);

	worker->paused = false;
	if (!worker->draining)
		set_accepting(worker, true);
}

static void
on_stats(struct timer *timer)
{
	struct worker *worker = OWNER(stats_timer, timer);

	publish(worker);
	if (worker->draining && gateway_connections(worker->gateway) == 0)
		loop_stop(worker->loop);
	timer_start(worker->loop, timer, worker->draining ? 1 : STATS_MS);
}

static void
on_flush(struct timer *timer)
{
	struct worker *worker = OWNER(flush_timer, timer);

	access_log_flush(worker->access_log);
	timer_start(worker->loop, timer, FLUSH_MS);
}

/* ---- its end ---- */

static void
on_drained(struct timer *timer)
{
	loop_stop(OWNER(drain_timer, timer)->loop);
}

/* Closed, so that who still comes is refused at once instead of left waiting in a queue. */
static void
close_listeners(struct worker *worker)
{
	for (size_t i = 0; i < worker->setup->config->listener_count; i++) {
		struct listener *listener = &worker->listeners[i];

		event_free(listener->event);
		listener->event = NULL;
		close(listener->fd);
		worker->setup->listeners[i] = -1;
	}
}

static void
worker_drain(struct worker *worker, bool gently)
{
	if (!worker->draining)
		close_listeners(worker);
	worker->draining = true;
	gateway_drain(worker->gateway, gently);
	timer_start(worker->loop, &worker->drain_timer, worker->setup->config->timeouts.drain);
	timer_start(worker->loop, &worker->stats_timer, 1);
}

static void
on_signal(evutil_socket_t number, short what, void *ctx)
{
	struct worker *worker = ctx;

	(void)what;
	if (number == SIGUSR1)
		access_log_reopen(worker->access_log);
	else if (number == SIGTERM || number == SIGUSR2)
		worker_drain(worker, number == SIGUSR2);
	else
		loop_stop(worker->loop);
}

/* ---- putting it together ---- */

static struct guard_range *
ranges_of(const struct cidr_list *list)
{
	struct guard_range *ranges = calloc(list->count + 1, sizeof(*ranges));

	for (size_t i = 0; ranges != NULL && i < list->count; i++)
		ranges[i] = (struct guard_range){list->items[i].address, list->items[i].prefix};
	return ranges;
}

/* As many connections as configured, or as there are descriptors for: two for each, its backend's
 * included. */
static size_t
connections_max(const struct worker *worker)
{
	size_t wanted = worker->setup->config->limits.connections;
	struct rlimit limit;
	size_t fitting;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return wanted;
	fitting = limit.rlim_cur > 2 * DESCRIPTORS_SPARE ? (limit.rlim_cur - DESCRIPTORS_SPARE) / 2
							 : DESCRIPTORS_SPARE / 2;
	return wanted < fitting ? wanted : fitting;
}

/* A listening address of the control process, by the text of its setting; may be NULL. */
static void
add_own(struct worker *worker, const char *text)
{
	struct address address;
	const char *path;
	uint16_t port;
	char host[64];

	if (text != NULL && value_address(text, host, &port, &path) == NULL && path == NULL &&
	    address_parse(slice_of(host), port, &address))
		worker->own[worker->own_count++] = address.storage;
}

/* Addresses that no job's URL may lead to: our own, and the store's. */
static bool
list_own(struct worker *worker)
{
	const struct config *config = worker->setup->config;

	worker->own = calloc(config->listener_count + 2 + REDIS_LINK_PEERS, sizeof(*worker->own));
	if (worker->own == NULL)
		return false;
	for (size_t i = 0; i < config->listener_count; i++)
		worker->own[worker->own_count++] = worker->setup->own[i];
	add_own(worker, config->control.metrics);
	add_own(worker, config->control.listen);
	worker->own_count += REDIS_LINK_PEERS; /* filled in once they are reached */
	return true;
}

static bool
worker_gateway(struct worker *worker)
{
	const struct config *config = worker->setup->config;
	struct gateway_options options = {
	    .domain = config->jobs.domain,
	    .prefix = config->jobs.prefix,
	    .fixed = config->jobs.fixed,
	    .fixed_target = config->jobs.fixed_url != NULL ? &config->jobs.fixed_target : NULL,
	    .control_host = config->control.host,
	    .control_target = config->control.host != NULL ? &config->control.gateway_target : NULL,
	    .realm = config->backends.realm,
	    .forward_token = config->backends.forward_token,
	    .preserve_host = config->backends.preserve_host,
	    .upgrades = config->backends.upgrades,
	    .own_sockets = worker->setup->own_sockets,
	    .head_limits = {config->limits.head_bytes, config->limits.target_bytes,
		config->limits.fields},
	    .body_bytes_max = config->limits.body_bytes,
	    .body_rate_min = config->limits.body_rate_min,
	    .drain_bytes_max = config->limits.drain_bytes,
	    .tls = worker->setup->tls,
	    .backend_tls = worker->setup->backend_tls,
	    .hsts = config->tls.hsts,
	    .redirect_port = config->redirect_port,
	    .session_key = config->browser.sign_in ? worker->setup->session_key : NULL,
	    .session_ms = config->browser.session,
	    .handshakes_max = config->limits.handshakes,
	    .connections_max = connections_max(worker),
	    .client_limits = {config->limits.connections_per_client,
		config->limits.failed_auth_rate, config->limits.failed_auth_burst},
	    .idle_backend_connections_max = config->limits.idle_backend_connections,
	    .circuit = {config->backends.circuit_failures, config->backends.circuit_pause},
	    .timeouts =
		{
		    .handshake = config->timeouts.handshake,
		    .head = config->timeouts.head,
		    .keep_alive = config->timeouts.keep_alive,
		    .body = config->timeouts.body,
		    .connect = config->timeouts.connect,
		    .first_byte = config->timeouts.first_byte,
		    .answer = config->timeouts.answer,
		    .tunnel = config->timeouts.tunnel,
		    .linger = config->timeouts.linger,
		    .lookup = config->store.lookup_timeout,
		    .backend_idle = config->timeouts.backend_idle,
		},
	};

	worker->trusted = ranges_of(&config->backends.trusted_proxies);
	worker->allow = ranges_of(&config->backends.allow);
	worker->deny = ranges_of(&config->backends.deny);
	if (worker->trusted == NULL || worker->allow == NULL || worker->deny == NULL ||
	    !list_own(worker))
		return false;
	options.trusted = worker->trusted;
	options.trusted_count = config->backends.trusted_proxies.count;
	options.guard = (struct guard_rules){
	    .allow_loopback = config->backends.allow_loopback,
	    .allow = worker->allow,
	    .allow_count = config->backends.allow.count,
	    .deny = worker->deny,
	    .deny_count = config->backends.deny.count,
	    .own = worker->own,
	    .own_count = worker->own_count,
	};
	worker->gateway = gateway_new(&options, worker->loop, worker->directory, worker->resolver,
	    worker->setup->stats, worker->access_log, &worker->log);
	return worker->gateway != NULL;
}

/* The same time for all within a turn: what the link calls stale must be so for the gateway, too.
 */
static uint64_t
worker_clock(void *ctx)
{
	return loop_now_ms(ctx);
}

static bool
worker_store(struct worker *worker)
{
	const struct config *config = worker->setup->config;
	const struct redis_link_options link = {
	    .url = worker->setup->store_url,
	    .primary_url = worker->setup->primary_url,
	    .prefix = config->store.prefix,
	    .ca_file = config->store.ca_file,
	    .connect_timeout_ms = config->store.connect_timeout,
	    .ping_interval_ms = config->store.ping_interval,
	    .ping_deadline_ms = config->store.ping_deadline,
	    .now_ms = worker_clock,
	    .clock_ctx = worker->loop,
	};
	struct directory_options directory = {
	    .max_staleness_ms = config->store.max_staleness,
	    .entries_max = config->store.cache_entries,
	};
	struct directory_store store;
	char error[256];

	worker->link =
	    redis_link_new(loop_base(worker->loop), &link, &worker->log, error, sizeof(error));
	if (worker->link == NULL) {
		log_error(&worker->log, "store.url: %s", error);
		return false;
	}
	if (RAND_bytes(directory.hash_key, sizeof(directory.hash_key)) != 1)
		return false;
	store = redis_link_store(worker->link);
	worker->directory = jg_directory_new(&directory, &store);
	return worker->directory != NULL;
}

static bool
worker_events(struct worker *worker)
{
	static const int numbers[SIGNALS] = {SIGTERM, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT};
	size_t count = worker->setup->config->listener_count;

	worker->listeners = calloc(count, sizeof(*worker->listeners));
	if (worker->listeners == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct listener_config *from = &worker->setup->config->listeners[i];
		struct listener *listener = &worker->listeners[i];

		*listener = (struct listener){.worker = worker,
		    .fd = worker->setup->listeners[i],
		    .entrance = {from->tls, from->redirect, from->proxied, from->authorize}};
		listener->event = event_new(loop_base(worker->loop), listener->fd,
		    EV_READ | EV_PERSIST, on_accept, listener);
		if (listener->event == NULL)
			return false;
	}
	for (size_t i = 0; i < SIGNALS; i++) {
		worker->signals[i] =
		    evsignal_new(loop_base(worker->loop), numbers[i], on_signal, worker);
		if (worker->signals[i] == NULL || event_add(worker->signals[i], NULL) != 0)
			return false;
	}
	worker->stats_timer.expired = on_stats;
	worker->flush_timer.expired = on_flush;
	worker->pause_timer.expired = on_pause_over;
	worker->drain_timer.expired = on_drained;
	worker->accept_timer.expired = on_accept_check;
	timer_start(worker->loop, &worker->stats_timer, 1);
	if (access_log_on(worker->access_log))
		timer_start(worker->loop, &worker->flush_timer, FLUSH_MS);
	worker->accept_at_ms =
	    loop_now_ms(worker->loop) + worker->setup->config->store.connect_timeout;
	on_accept_check(&worker->accept_timer);
	return true;
}

static bool
worker_init(struct worker *worker)
{
	worker->loop = loop_new();
	if (worker->loop == NULL)
		return false;
	worker->resolver = resolver_new(loop_base(worker->loop), getenv("JOBGATE_DNS_SERVERS"));
	worker->access_log = access_log_new(worker->setup->config->log.access,
	    worker->setup->access_log_fd, worker->setup->stats, &worker->log);
	return worker->resolver != NULL && worker->access_log != NULL && worker_store(worker) &&
	       worker_gateway(worker) && worker_events(worker);
}

static void
worker_free(struct worker *worker)
{
	for (size_t i = 0; i < SIGNALS; i++)
		if (worker->signals[i] != NULL)
			event_free(worker->signals[i]);
	for (size_t i = 0; worker->listeners != NULL && i < worker->setup->config->listener_count;
	     i++)
		if (worker->listeners[i].event != NULL)
			event_free(worker->listeners[i].event);
	free(worker->listeners);
	gateway_free(worker->gateway);
	redis_link_free(worker->link);
	jg_directory_free(worker->directory);
	resolver_free(worker->resolver);
	access_log_free(worker->access_log);
	loop_free(worker->loop);
	free(worker->own);
	free(worker->trusted);
	free(worker->allow);
	free(worker->deny);
}

int
worker_run(const struct worker_setup *setup)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	bool good = false;

	if (worker == NULL)
		return 1;
	worker->setup = setup;
	worker->log = setup->log;
	counter_set(&setup->stats->started_at, (uint64_t)time(NULL));
	counter_set(&setup->stats->ready, 0);
	/* One that died here before may have left these. */
	counter_set(&setup->stats->tunnels, 0);
	counter_set(&setup->stats->backend_connections, 0);
	counter_set(&setup->stats->circuits_open, 0);
	good = worker_init(worker);
	if (good) {
		redis_link_start(worker->link, worker->directory);
		loop_run(worker->loop);
	} else {
		log_error(&worker->log, "cannot start: out of memory or descriptors");
	}
	counter_set(&setup->stats->ready, 0);
	counter_set(&setup->stats->connections, 0);
	counter_set(&setup->stats->tunnels, 0);
	worker_free(worker);
	free(worker);
	return good ? 0 : 1;
}
