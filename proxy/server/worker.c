/* worker.c - a worker: everything it owns, put on one event loop. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "jobgate/container_of.h"
#include "net/resolve.h"
#include "server/worker_state.h"

/* ---- what it publishes ---- */

/* The store's servers may have other addresses after each new connection. */
static void
remember_store(struct worker *worker)
{
	redis_tracker_peers(worker->tracker, worker->own + worker->own_count - REDIS_TRACKER_PEERS);
}

static void
publish(struct worker *worker)
{
	struct worker_stats *stats = worker->setup->stats;
	uint64_t now_ms = loop_now_ms(worker->loop);
	struct directory_stats known;
	struct redis_tracker_stats tracker;
	enum mint_state mint = jg_directory_mint(worker->directory, now_ms)->state;

	jg_directory_stats(worker->directory, &known);
	redis_tracker_stats(worker->tracker, &tracker);
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
	counter_set(&stats->bad_records, tracker.bad_records);
	counter_set(&stats->store_up, tracker.up);
	if (mint != MINT_UNKNOWN)
		counter_set(&stats->mint_enforced, mint == MINT_ENFORCED);
	counter_set(&stats->store_connects, tracker.connects);
	counter_set(&stats->store_round_trip_ms, tracker.round_trip_ms);
}

/* ---- how long its turns are ---- */

#define TURNS_KEPT_MS 30000 /* a long turn is shown for this time at least, twice that at most */

static void
note_turn(struct worker *worker, uint64_t us)
{
	histogram_add(&worker->setup->stats->timed[TIMED_TURN], us);
	if (us > worker->longest_us[0])
		worker->longest_us[0] = us;
}

static void
publish_longest_turn(struct worker *worker)
{
	uint64_t *us = worker->longest_us, now_ms = loop_now_ms(worker->loop);

	if (now_ms >= worker->longest_until_ms) {
		us[1] = us[0];
		us[0] = 0;
		worker->longest_until_ms = now_ms + TURNS_KEPT_MS;
	}
	counter_set(&worker->setup->stats->longest_turn_us, us[0] > us[1] ? us[0] : us[1]);
}

/* ---- accepting ---- */

/* Health and readiness do not need the store. */
static bool
serves_at_once(const struct listener *listener)
{
	return listener->options.purpose == FOR_METRICS;
}

/* False: a listener cannot be watched, for lack of memory or because of a limit of the system's. */
static bool
watch_listeners(struct worker *worker)
{
	bool all = true;

	for (size_t i = 0; i < worker->setup->config->listener_count; i++) {
		struct listener *listener = &worker->listeners[i];

		if (listener->event != NULL && (worker->accepting || serves_at_once(listener)))
			all = event_add(listener->event, NULL) == 0 && all;
	}
	return orphans_accept(worker, worker->accepting) && all;
}

/*
 * New clients wait in the socket's queue meanwhile. jobs_alone: listeners for operators and
 * monitoring keep accepting.
 */
static void
pause_accepting(struct worker *worker, bool jobs_alone)
{
	for (size_t i = 0; i < worker->setup->config->listener_count; i++) {
		struct listener *listener = &worker->listeners[i];

		if (listener->event != NULL &&
		    (!jobs_alone || listener->options.purpose == FOR_JOBS))
			event_del(listener->event);
	}
	orphans_accept(worker, false);
	worker->paused = true;
	timer_start(worker->loop, &worker->pause_timer, worker->tuning->worker.accept_pause_ms);
}

static void
pause_because(struct worker *worker, int error)
{
	log_error(&worker->log, "cannot accept connections: %s; pausing for %llu ms",
	    strerror(error), (unsigned long long)worker->tuning->worker.accept_pause_ms);
	pause_accepting(worker, false);
}

static void
start_accepting(struct worker *worker)
{
	if (!watch_listeners(worker))
		pause_because(worker, errno);
}

/* True when the caller should try again immediately. */
static bool
accept_failed(struct worker *worker)
{
	int error = errno;

	if (error == EAGAIN || error == ECONNABORTED || error == EINTR)
		return false;
	if ((error == EMFILE || error == ENFILE) && worker_make_room(worker))
		return true;
	pause_because(worker, error);
	return false;
}

/* Each client may need a descriptor for its backend, too, so only half of them are for clients. */
static bool
has_descriptor(struct worker *worker)
{
	return downstream_connections(worker->downstream) < worker->clients_max ||
	       downstream_make_room(worker->downstream);
}

void
worker_on_accept(evutil_socket_t fd, short what, void *ctx)
{
	struct listener *listener = ctx;
	struct worker *worker = listener->worker;

	(void)what;
	/* Many clients of jobs must not keep operators out. */
	if (listener->options.purpose == FOR_JOBS && !has_descriptor(worker)) {
		pause_accepting(worker, true);
		return;
	}
	for (unsigned i = 0; i < worker->tuning->worker.accept_max; i++) {
		struct sockaddr_storage peer = {0};
		socklen_t len = sizeof(peer);
		int accepted =
		    accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (accepted < 0 && accept_failed(worker))
			continue;
		if (accepted < 0)
			return;
		batch_count(&worker->batch);
		downstream_accept(
		    worker->downstream, accepted, (struct sockaddr *)&peer, &listener->options);
		if (downstream_connections(worker->downstream) >= worker->clients_max)
			return; /* the loop calls again if there are more */
	}
}

/*
 * True when the worker may accept: it reaches its store, or has waited long enough. Without a store
 * it answers 503, which is better than nothing, unless workers of another generation serve.
 */
static bool
may_accept(const struct worker *worker, uint64_t now_ms)
{
	return jg_directory_ready(worker->directory, now_ms) ||
	       (now_ms >= worker->accept_at_ms &&
		   counter_get(&worker->setup->stats->without_store) != 0);
}

/* The control process may have been started. */
static void
follow_control(struct worker *worker)
{
	if (worker->channel != NULL && worker->accepting)
		channel_look(worker->channel);
}

/* Begin to accept. Until then clients wait in the sockets' queues, or other workers serve them. */
static void
on_accept_check(struct timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, accept_timer);

	if (!may_accept(worker, loop_now_ms(worker->loop))) {
		timer_start(worker->loop, timer, worker->tuning->worker.accept_check_ms);
		return;
	}
	if (worker->draining)
		return;
	worker->accepting = true;
	start_accepting(worker);
	follow_control(worker);
	publish(worker);
	counter_set(&worker->setup->stats->accepting, 1);
}

static void
on_pause_over(struct timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, pause_timer);

	worker->paused = false;
	start_accepting(worker); /* while draining: only the listeners that are still open */
}

/* The set of orphaned sockets may have changed. */
static void
follow_orphans(struct worker *worker)
{
	if (orphans_look(worker) && worker->accepting && !worker->paused && !worker->draining &&
	    !orphans_accept(worker, true))
		pause_because(worker, errno);
}

static void
on_stats(struct timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, stats_timer);

	counter_add(&worker->setup->stats->beats, 1);
	follow_orphans(worker);
	follow_control(worker);
	publish(worker);
	publish_longest_turn(worker);
	if (worker->draining && downstream_connections(worker->downstream) == 0)
		worker->ended = true;
	timer_start(worker->loop, timer, worker->draining ? 1 : worker->tuning->worker.stats_ms);
}

static void
on_flush(struct timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, flush_timer);

	access_log_flush(worker->access_log);
	timer_start(worker->loop, timer, worker->tuning->worker.flush_ms);
}

/* ---- its end ---- */

static void
on_drained(struct timer *timer)
{
	container_of(timer, struct worker, drain_timer)->ended = true;
}

/*
 * Close the listeners, so that new clients are refused immediately instead of waiting in a queue.
 * Unless other workers have taken over, operators and monitoring are served while exchanges run.
 */
static void
close_listeners(struct worker *worker, bool all)
{
	for (size_t i = 0; i < worker->setup->config->listener_count; i++) {
		struct listener *listener = &worker->listeners[i];

		if (!all && listener->options.purpose != FOR_JOBS)
			continue;
		event_free(listener->event);
		listener->event = NULL;
		close(listener->fd);
		worker->setup->listeners[i] = -1;
	}
	orphans_close(worker);
}

static void
worker_drain(struct worker *worker, bool gently)
{
	if (!worker->draining)
		close_listeners(worker, gently);
	worker->draining = true;
	counter_set(&worker->setup->stats->draining, 1);
	pool_drain(worker->pool);
	exchange_context_drain(worker->exchanges);
	downstream_drain(worker->downstream, gently);
	timer_start(worker->loop, &worker->drain_timer, worker->setup->config->timeouts.drain);
	timer_start(worker->loop, &worker->stats_timer, 1);
}

void
worker_order(struct worker *worker, enum worker_order order)
{
	switch (order) {
	case WORKER_DRAIN:
	case WORKER_DRAIN_GENTLY:
		worker_drain(worker, order == WORKER_DRAIN_GENTLY);
		return;
	case WORKER_STOP:
		worker->ended = true;
		return;
	case WORKER_REOPEN_LOG:
		access_log_reopen(worker->access_log);
		return;
	case WORKER_DUMP:
		live_dump_start(worker);
		return;
	case WORKER_LOOK_AT_ORPHANS:
		follow_orphans(worker);
		return;
	}
}

/* ---- putting it together ---- */

static bool
worker_events(struct worker *worker)
{
	size_t count = worker->setup->config->listener_count;

	worker->listeners = calloc(count, sizeof(*worker->listeners));
	if (worker->listeners == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct listener_config *from = &worker->setup->config->listeners[i];
		struct listener *listener = &worker->listeners[i];

		*listener = (struct listener){.worker = worker,
		    .fd = worker->setup->listeners[i],
		    .options = {
			from->tls, from->redirect, from->proxied, from->authorize, from->purpose}};
		listener->event = event_new(loop_base(worker->loop), listener->fd,
		    EV_READ | EV_PERSIST, worker_on_accept, listener);
		if (listener->event == NULL)
			return false;
	}
	if (!orphans_init(worker))
		return false;
	worker->stats_timer.expired = on_stats;
	worker->flush_timer.expired = on_flush;
	worker->pause_timer.expired = on_pause_over;
	worker->drain_timer.expired = on_drained;
	worker->accept_timer.expired = on_accept_check;
	timer_start(worker->loop, &worker->stats_timer, 1);
	if (access_log_on(worker->access_log))
		timer_start(worker->loop, &worker->flush_timer, worker->tuning->worker.flush_ms);
	worker->accept_at_ms =
	    loop_now_ms(worker->loop) + worker->setup->config->store.timeouts.connect;
	start_accepting(worker);
	on_accept_check(&worker->accept_timer);
	return true;
}

static bool
worker_init(struct worker *worker)
{
	worker->tuning = tuning_or_default(worker->setup->tuning);
	worker->loop = loop_new_tuned(&worker->tuning->loop);
	if (worker->loop == NULL)
		return false;
	batch_init(&worker->batch, worker->loop, worker->tuning->worker.batch_from);
	worker->resolver = resolver_new(loop_base(worker->loop), worker->setup->dns_servers);
	worker->access_log =
	    access_log_new(worker->setup->config->log.access, worker->setup->access_log_fd,
		worker->setup->log_runner, &worker->setup->stats->access_log, &worker->log);
	return worker->resolver != NULL && worker->access_log != NULL && worker_store(worker) &&
	       worker_data_path(worker) && worker_events(worker);
}

static void
worker_free(struct worker *worker)
{
	/* The loop turns once more below. These timers would begin to accept again, or look at what
	 * is gone by then. */
	timer_remove(&worker->stats_timer);
	timer_remove(&worker->pause_timer);
	timer_remove(&worker->accept_timer);
	timer_remove(&worker->dump.timer);
	batch_end(&worker->batch);
	for (size_t i = 0; worker->listeners != NULL && i < worker->setup->config->listener_count;
	     i++)
		if (worker->listeners[i].event != NULL)
			event_free(worker->listeners[i].event);
	free(worker->listeners);
	orphans_free(worker);
	worker_data_path_free(worker);
	redis_tracker_free(worker->tracker);
	jg_directory_free(worker->directory);
	resolver_free(worker->resolver);
	access_log_free(worker->access_log);
	loop_free(worker->loop);
	free(worker->own);
}

struct worker *
worker_open(const struct worker_setup *setup)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	counter_set(&setup->stats->started_at, (uint64_t)time(NULL));
	counter_set(&setup->stats->ready, 0);
	/* A worker that ran in this slot before and died may have left these. */
	counter_set(&setup->stats->tunnels, 0);
	counter_set(&setup->stats->backend_connections, 0);
	counter_set(&setup->stats->circuits_open, 0);
	if (worker != NULL) {
		worker->setup = setup;
		worker->log = setup->log;
	}
	if (worker == NULL || !worker_init(worker)) {
		log_error(&setup->log, "cannot start: out of memory or descriptors");
		worker_close(worker);
		return NULL;
	}
	redis_tracker_start(worker->tracker, worker->directory);
	return worker;
}

bool
worker_turn(struct worker *worker, bool wait)
{
	if (!worker->ended)
		note_turn(
		    worker, wait ? batch_turn(&worker->batch) : loop_turn(worker->loop, false));
	return !worker->ended;
}

void
worker_close(struct worker *worker)
{
	if (worker == NULL)
		return;
	counter_set(&worker->setup->stats->ready, 0);
	counter_set(&worker->setup->stats->connections, 0);
	counter_set(&worker->setup->stats->tunnels, 0);
	worker_free(worker);
	free(worker);
}
