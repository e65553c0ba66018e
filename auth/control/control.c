/* control.c - the control process from start to end. */
#include "auth/control/control.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <jansson.h>
#include <openssl/crypto.h>

#include "auth/control/caller.h"
#include "auth/control/handlers.h"
#include "auth/control/listen.h"
#include "auth/control/server.h"
#include "auth/control/tls.h"

/* What jansson keeps may be a token's value: its memory is wiped when it goes. */
union block {
	size_t size;
	max_align_t aligned;
};

static void *
wiped_malloc(size_t size)
{
	union block *block =
	    size <= SIZE_MAX - sizeof(*block) ? malloc(sizeof(*block) + size) : NULL;

	if (block == NULL)
		return NULL;
	block->size = size;
	return block + 1;
}

static void
wiped_free(void *memory)
{
	union block *block = memory;

	if (block == NULL)
		return;
	block--;
	OPENSSL_cleanse(block + 1, block->size);
	free(block);
}

static void
on_signal(evutil_socket_t signal_number, short events, void *ctx)
{
	(void)signal_number;
	(void)events;
	event_base_loopexit(ctx, NULL);
}

/* All that a run makes, in the order of making. */
struct run {
	struct event_base *base;
	struct event *terminate, *interrupt;
	struct control control;
	struct listen_unix socket, gateway_socket;
	SSL_CTX *tls;
	struct server *api, *gateway, *operators, *observe;
};

static bool
start_signals(struct run *run)
{
	run->terminate = evsignal_new(run->base, SIGTERM, on_signal, run->base);
	run->interrupt = evsignal_new(run->base, SIGINT, on_signal, run->base);
	return run->terminate != NULL && run->interrupt != NULL &&
	       event_add(run->terminate, NULL) == 0 && event_add(run->interrupt, NULL) == 0;
}

static bool
start_store(struct run *run, const struct control_setup *setup)
{
	run->control.store = store_new(&(struct store_options){
	    .base = run->base,
	    .url = setup->store_url,
	    .wait_replicas = setup->wait_replicas,
	    .wait_ms = setup->wait_ms,
	    .prefix = setup->key_prefix,
	    .ca_file = setup->ca_file,
	    .log = setup->log,
	});
	return run->control.store != NULL;
}

/* The API at the Unix socket, for ourselves. */
static bool
start_api(struct run *run, const struct server_setup *server, const struct control_setup *setup)
{
	int fd = listen_unix_open(setup->socket_path, &run->socket, &setup->log);

	run->api = fd >= 0 ? server_new(server, fd) : NULL;
	if (run->api != NULL)
		log_info(&setup->log, "control API at unix:%s", setup->socket_path);
	return run->api != NULL;
}

/* The same for operators whose requests come through the gateway, under control.host. */
static bool
start_gateway(struct run *run, struct server_setup *server, const struct control_setup *setup)
{
	int fd;

	if (setup->gateway_socket_path == NULL)
		return true;
	fd = listen_unix_open(setup->gateway_socket_path, &run->gateway_socket, &setup->log);
	server->peers = PEERS_GATEWAY;
	run->gateway = fd >= 0 ? server_new(server, fd) : NULL;
	return run->gateway != NULL;
}

/* The same on TCP, for operators with their tokens. */
static bool
start_operators(struct run *run, struct server_setup *server, const struct control_setup *setup)
{
	int fd;

	if (setup->listen_address == NULL)
		return true;
	if (setup->certificate != NULL) {
		run->tls =
		    control_tls_new(setup->certificate, setup->key, setup->client_ca, &setup->log);
		if (run->tls == NULL)
			return false;
	}
	fd = listen_tcp_open(setup->listen_address, "control.listen", &setup->log);
	server->peers = PEERS_ANYBODY;
	server->tls = run->tls;
	run->operators = fd >= 0 ? server_new(server, fd) : NULL;
	server->tls = NULL;
	if (run->operators != NULL)
		log_info(&setup->log, "control API at http%s://%s", run->tls != NULL ? "s" : "",
		    setup->listen_address);
	return run->operators != NULL;
}

/* What monitoring needs, for anybody. */
static bool
start_observe(struct run *run, struct server_setup *server, const struct control_setup *setup)
{
	int fd;

	if (setup->metrics_address == NULL)
		return true;
	fd = listen_tcp_open(setup->metrics_address, "control.metrics", &setup->log);
	server->peers = PEERS_ANYBODY;
	server->endpoints = observe_endpoints;
	server->identify = NULL;
	run->observe = fd >= 0 ? server_new(server, fd) : NULL;
	return run->observe != NULL;
}

static bool
start_servers(struct run *run, const struct control_setup *setup)
{
	struct server_setup server = {.base = run->base,
	    .endpoints = api_endpoints,
	    .ctx = &run->control,
	    .peers = PEERS_OURSELVES,
	    .identify = caller_identify,
	    .request_ms = setup->request_ms,
	    .idle_ms = setup->idle_ms,
	    .log = setup->log};

	return start_api(run, &server, setup) && start_gateway(run, &server, setup) &&
	       start_operators(run, &server, setup) && start_observe(run, &server, setup);
}

/* The store first: calls that wait for it are answered while their connections still are there. */
static void
end(struct run *run)
{
	store_free(run->control.store);
	server_free(run->api);
	server_free(run->gateway);
	server_free(run->operators);
	server_free(run->observe);
	SSL_CTX_free(run->tls);
	if (run->socket.path != NULL)
		listen_unix_remove(&run->socket);
	if (run->gateway_socket.path != NULL)
		listen_unix_remove(&run->gateway_socket);
	if (run->terminate != NULL)
		event_free(run->terminate);
	if (run->interrupt != NULL)
		event_free(run->interrupt);
	if (run->base != NULL)
		event_base_free(run->base);
}

int
control_run(const struct control_setup *setup)
{
	struct run run = {.control = {.setup = setup}};
	int status = 1;

	signal(SIGPIPE, SIG_IGN);
	json_set_alloc_funcs(wiped_malloc, wiped_free);
	run.base = event_base_new();
	if (run.base == NULL || !start_signals(&run) || !start_store(&run, setup) ||
	    !start_servers(&run, setup)) {
		log_error(&setup->log, "the control API cannot start");
		goto done;
	}
	if (event_base_dispatch(run.base) == 0)
		status = 0;
done:
	end(&run);
	return status;
}
