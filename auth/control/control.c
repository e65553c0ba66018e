/* control.c - runs the control process, from start to end. */
#include "auth/control/control.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "auth/control/caller.h"
#include "auth/control/disk.h"
#include "auth/control/fixed_job.h"
#include "auth/control/handlers.h"
#include "auth/control/job_reach.h"
#include "auth/control/listen.h"
#include "auth/control/registration.h"
#include "auth/control/relisten.h"
#include "auth/control/server.h"
#include "auth/control/uses.h"
#include "auth/control/workers.h"
#include "auth/parse_memory.h"

/* The pause after listening failed. */
#define AGAIN_S 5

#define EVENTS_MAX 8 /* then the store's events are checked again */

static void
on_signal(evutil_socket_t signal_number, short events, void *ctx)
{
	(void)signal_number;
	(void)events;
	event_base_loopexit(ctx, NULL);
}

/* The objects of a run, in the order in which they are created. */
struct run {
	const struct control_setup *setup;
	struct event_base *base;
	struct resolver *resolver;
	struct event *terminate, *interrupt, *again, *beat;
	struct control control;
	struct listen_unix socket, gateway_socket, workers_socket;
	struct relisten *socket_again, *gateway_socket_again, *workers_socket_again;
	struct server *api, *gateway;
	struct job_reach *reach;
	struct fixed_job *fixed_job;
	struct registration *registration;
};

/*
 * An event base with two priorities. The first is for the store's answers (connection.c of
 * auth/redis): they are handled after every few events, however many callers there are.
 */
static struct event_base *
base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config != NULL &&
	    event_config_set_max_dispatch_interval(config, NULL, EVENTS_MAX, 1) == 0)
		base = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	if (base != NULL && event_base_priority_init(base, 2) != 0) {
		event_base_free(base);
		base = NULL;
	}
	return base;
}

static bool
start_signals(struct run *run)
{
	run->terminate = evsignal_new(run->base, SIGTERM, on_signal, run->base);
	run->interrupt = evsignal_new(run->base, SIGINT, on_signal, run->base);
	return run->terminate != NULL && run->interrupt != NULL &&
	       event_add(run->terminate, NULL) == 0 && event_add(run->interrupt, NULL) == 0;
}

static void
on_beat(evutil_socket_t fd, short events, void *ctx)
{
	const struct run *run = ctx;

	(void)fd;
	(void)events;
	run->setup->beat(run->setup->observe_ctx);
}

static bool
start_beat(struct run *run)
{
	const unsigned ms = tuning_or_default(run->setup->tuning)->control.beat_ms;
	const struct timeval pause = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (run->setup->beat == NULL)
		return true;
	run->beat = event_new(run->base, -1, EV_PERSIST, on_beat, run);
	return run->beat != NULL && event_add(run->beat, &pause) == 0;
}

static bool
start_store(struct run *run)
{
	const struct control_setup *setup = run->setup;
	struct store_options options = {
	    .base = run->base,
	    .resolver = run->resolver = setup->resolver_open(run->base),
	    .url = setup->settings.store_url,
	    .wait = setup->settings.wait,
	    .tuning = &tuning_or_default(setup->tuning)->store,
	    .of_primary = true,
	    .prefix = setup->settings.key_prefix,
	    .ca_file = setup->settings.ca_file,
	    .password_file = setup->settings.password_file,
	    .log = setup->log,
	};

	if (options.resolver == NULL)
		return false;
	run->control.store = store_new(&options);
	if (setup->store_dir != NULL)
		run->control.disk = disk_new(run->base, setup->store_dir, &setup->log);
	return run->control.store != NULL &&
	       walks_open(
		   &run->control.walks, &options, &tuning_or_default(setup->tuning)->control) &&
	       (setup->store_dir == NULL || run->control.disk != NULL);
}

static bool
start_uses(struct run *run)
{
	if (run->setup->uses_take == NULL)
		return true;
	run->control.uses =
	    uses_writer_new(run->base, run->setup, run->control.store, run->control.disk);
	return run->control.uses != NULL;
}

static struct server_setup
api_setup(struct run *run, enum server_peers peers)
{
	return (struct server_setup){.base = run->base,
	    .endpoints = api_endpoints,
	    .ctx = &run->control,
	    .peers = peers,
	    .stream = &connection_stream,
	    .identify = peers == PEERS_GATEWAY ? caller_vouched_for : caller_identify,
	    .request_ms = (unsigned)run->setup->settings.request_ms,
	    .idle_ms = (unsigned)run->setup->settings.idle_ms,
	    .connections_max = tuning_or_default(run->setup->tuning)->control.connections_max,
	    .log = run->setup->log};
}

static bool
listen_again(void *ctx, int fd)
{
	return server_listen_again(ctx, fd);
}

/* Open the API at the Unix socket, for our own user and root. */
static bool
start_api(struct run *run)
{
	const struct control_setup *setup = run->setup;
	const struct server_setup server = api_setup(run, PEERS_OURSELVES);
	int fd = listen_unix_open(setup->settings.socket, SOCK_STREAM, &run->socket, &setup->log);

	run->api = fd >= 0 ? server_new(&server, fd) : NULL;
	if (run->api != NULL)
		log_info(&setup->log, "control API at unix:%s", setup->settings.socket);
	if (run->api != NULL)
		run->socket_again =
		    relisten_new(run->base, &run->socket, listen_again, run->api, &setup->log);
	return run->socket_again != NULL;
}

/* Open it for our workers, which serve control.listen, control.host and control.metrics. */
static bool
start_gateway(struct run *run)
{
	const struct control_setup *setup = run->setup;
	const struct server_setup server = api_setup(run, PEERS_GATEWAY);
	int fd;

	if (setup->settings.gateway_socket == NULL || run->gateway != NULL)
		return true;
	fd = listen_unix_open(
	    setup->settings.gateway_socket, SOCK_STREAM, &run->gateway_socket, &setup->log);
	run->gateway = fd >= 0 ? server_new(&server, fd) : NULL;
	if (run->gateway != NULL)
		run->gateway_socket_again = relisten_new(
		    run->base, &run->gateway_socket, listen_again, run->gateway, &setup->log);
	return run->gateway_socket_again != NULL;
}

/* If this fails, the API at the other Unix socket keeps working, and we try again. */
static void
try_gateway(evutil_socket_t fd, short events, void *ctx)
{
	const struct timeval pause = {.tv_sec = AGAIN_S};
	struct run *run = ctx;

	(void)fd;
	(void)events;
	if (!start_gateway(run) && event_add(run->again, &pause) == 0)
		log_error(&run->setup->log, "trying again in %d s", AGAIN_S);
}

static bool
workers_listen_again(void *ctx, int fd)
{
	return workers_listen(ctx, fd);
}

/*
 * Take the connections of our workers. Where that fails, the gateway works, but shows no sessions.
 */
static void
start_workers(struct run *run)
{
	const struct control_setup *setup = run->setup;
	struct workers *workers = workers_new(run->base, setup->workers, setup->observe_ctx);
	int fd = -1;

	run->control.workers = workers;
	run->control.events = workers != NULL ? events_new(run->base, &run->control) : NULL;
	if (workers == NULL || setup->settings.workers_socket == NULL)
		return;
	fd = listen_unix_open(
	    setup->settings.workers_socket, SOCK_SEQPACKET, &run->workers_socket, &setup->log);
	if (fd >= 0 && workers_listen(workers, fd))
		run->workers_socket_again = relisten_new(
		    run->base, &run->workers_socket, workers_listen_again, workers, &setup->log);
	if (run->workers_socket_again == NULL)
		log_error(&setup->log, "sessions cannot be listed or ended until a restart");
}

static bool
start_servers(struct run *run)
{
	start_workers(run);
	if (run->control.workers == NULL || !start_api(run))
		return false;
	run->again = evtimer_new(run->base, try_gateway, run);
	if (run->again == NULL)
		return false;
	try_gateway(-1, 0, run);
	return true;
}

/* NULL when there is no such job, or memory is short: then the log says less. */
static struct job_reach *
reach_fixed_job(struct run *run)
{
	const struct control_setup *setup = run->setup;
	const struct control_settings *settings = &setup->settings;
	bool of_record = settings->fixed_url == NULL;
	const struct job_reach_options options = {
	    .base = run->base,
	    .resolver = run->resolver,
	    .log = &setup->log,
	    .job = settings->fixed_job,
	    .remedy =
		of_record ? "correct its URL with jobgate job set --url" : "correct jobs.fixed_url",
	    .start_ms = settings->start_ms,
	    .pause_ms = REACH_PAUSE_MS,
	    .again_ms = REACH_AGAIN_MS,
	    .connect_ms = REACH_CONNECT_MS,
	    .allows = of_record ? setup->allows : NULL,
	    .ctx = setup->observe_ctx,
	};
	struct job_reach *reach = settings->fixed_job != NULL ? job_reach_new(&options) : NULL;

	if (!of_record)
		job_reach_set(reach, slice_of(settings->fixed_url));
	return reach;
}

/*
 * The store is freed first, so that calls that wait for it are answered while their connections
 * still exist.
 */
static void
end(struct run *run)
{
	workers_free(run->control.workers);
	run->control.workers = NULL;
	walks_close(&run->control.walks);
	store_free(run->control.store);
	events_free(run->control.events);
	run->control.events = NULL;
	fixed_job_free(run->fixed_job);
	job_reach_free(run->reach);
	registration_free(run->registration);
	uses_writer_free(run->control.uses);
	run->control.uses = NULL;
	disk_free(run->control.disk);
	OPENSSL_cleanse(run->control.cursor_key, sizeof(run->control.cursor_key));
	relisten_free(run->socket_again);
	relisten_free(run->gateway_socket_again);
	relisten_free(run->workers_socket_again);
	server_free(run->api);
	server_free(run->gateway);
	if (run->socket.path != NULL)
		listen_unix_remove(&run->socket);
	if (run->gateway_socket.path != NULL)
		listen_unix_remove(&run->gateway_socket);
	if (run->workers_socket.path != NULL)
		listen_unix_remove(&run->workers_socket);
	if (run->again != NULL)
		event_free(run->again);
	if (run->beat != NULL)
		event_free(run->beat);
	if (run->terminate != NULL)
		event_free(run->terminate);
	if (run->interrupt != NULL)
		event_free(run->interrupt);
	resolver_free(run->resolver);
	if (run->base != NULL) {
		/* libevent ends a connection that was freed in mid-answer in the next turn. */
		event_base_loop(run->base, EVLOOP_NONBLOCK);
		event_base_free(run->base);
	}
}

int
control_run(const struct control_setup *setup)
{
	struct run run = {.setup = setup, .control = {.setup = setup, .open = &open_endpoints}};
	int status = 1;

	signal(SIGPIPE, SIG_IGN);
	json_set_alloc_funcs(parse_alloc, parse_free);
	run.base = base_new();
	if (RAND_bytes(run.control.cursor_key, CURSOR_KEY_LEN) != 1 || run.base == NULL ||
	    !start_signals(&run) || !start_beat(&run) || !start_store(&run) || !start_uses(&run) ||
	    !start_servers(&run)) {
		log_error(&setup->log, "the control API cannot start");
		goto done;
	}
	run.reach = reach_fixed_job(&run);
	run.fixed_job =
	    fixed_job_watch(run.base, run.control.store, &setup->settings, run.reach, &setup->log);
	run.registration = registration_new(
	    run.base, run.control.store, &setup->settings, setup->mark, &setup->log);
	if (event_base_dispatch(run.base) == 0)
		status = 0;
	registration_finish(run.registration, run.base,
	    setup->hands_over != NULL && setup->hands_over(setup->observe_ctx));
	uses_writer_finish(run.control.uses, run.base);
done:
	end(&run);
	return status;
}
