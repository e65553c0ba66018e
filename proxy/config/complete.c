/* complete.c - defaults, and what settings say together. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/redis/link.h"
#include "auth/redis/url.h"
#include "config/loading.h"
#include "config/values.h"
#include "jobgate/paths.h"

const struct config complete_defaults = {
    .jobs = {.domain = "localhost", .prefix = "/jobs"},
    .store = {.prefix = "jobgate:",
	.redis_server = "redis-server",
	.max_staleness = 5000,
	.ping_interval = 1000,
	.ping_deadline = 1000,
	.connect_timeout = 2000,
	.lookup_timeout = 2000,
	.wait_timeout = 500,
	.cache_entries = 1000000},
    .backends = {.realm = "jobgate",
	.verify = true,
	.preserve_host = true,
	.circuit_failures = 5,
	.circuit_pause = 1000},
    .tls = {.ticket_lifetime = 12 * 3600 * 1000},
    .browser = {.sign_in = true, .session = 12 * 3600 * 1000},
    .timeouts = {.handshake = 10000,
	.head = 10000,
	.keep_alive = 75000,
	.body = 60000,
	.connect = 5000,
	.first_byte = 300000,
	.answer = 300000,
	.tunnel = 3600000,
	.linger = 2000,
	.drain = 30000,
	.backend_idle = 30000,
	.watchdog = 10000},
    .limits = {.head_bytes = 32 * 1024,
	.target_bytes = 16 * 1024,
	.fields = 100,
	.body_rate_min = 100,
	.connections = 8192,
	.connections_per_client = 1024,
	.handshakes = 1024,
	.failed_auth_rate = 10,
	.failed_auth_burst = 100,
	.idle_backend_connections = 64,
	.drain_bytes = 64 * 1024},
    .control = {.scope_tokens = 1000, .scope_jobs = 1000},
    .log = {.level = LOG_LEVEL_INFO, .access = "off"},
};

/* Where a setting stands in the file; NULL when it does not. */
static const yaml_mark_t *
mark_of(const struct loading *loading, const char *key)
{
	size_t index = config_setting_find(key);

	return index < config_setting_count && loading->is_seen[index] ? &loading->seen[index]
								       : NULL;
}

static bool
is_loopback(const char *address)
{
	char host[64];
	const char *path;
	uint16_t port;

	return value_address(address, host, &port, &path) == NULL &&
	       (strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0);
}

/* The control API's TCP address: with TLS, or where nobody on the way can read tokens. */
static bool
check_control(struct loading *loading)
{
	const struct config *config = &loading->config;

	if (config->control.certificate == NULL && config->control.key != NULL)
		return loading_mistake(loading, mark_of(loading, "control.key"),
		    "control.key: needs control.certificate");
	if (config->control.certificate != NULL && config->control.key == NULL)
		return loading_mistake(loading, mark_of(loading, "control.certificate"),
		    "control.certificate: needs control.key");
	if (config->control.client_ca != NULL && config->control.certificate == NULL)
		return loading_mistake(loading, mark_of(loading, "control.client_ca"),
		    "control.client_ca: needs control.certificate and control.key");
	if (config->control.certificate != NULL && config->control.listen == NULL)
		return loading_mistake(loading, mark_of(loading, "control.certificate"),
		    "control.certificate: needs control.listen, the address that it is for");
	if (config->control.listen == NULL || config->control.certificate != NULL ||
	    config->control.allow_plain || is_loopback(config->control.listen))
		return true;
	return loading_mistake(loading, mark_of(loading, "control.listen"),
	    "control.listen: without TLS others on the way can read tokens: set "
	    "control.certificate and control.key, or listen on 127.0.0.1, or, if the network is "
	    "trusted, set control.allow_plain: true");
}

/* What a worker's link to the store takes: found out here, not by workers that do not start. */
static bool
check_store(struct loading *loading)
{
	const struct config *config = &loading->config;
	struct redis_url url = {0};
	char error[128];
	bool sentinels;

	if (strlen(config->store.prefix) > REDIS_PREFIX_MAX)
		return loading_mistake(loading, mark_of(loading, "store.prefix"),
		    "store.prefix: at most %d bytes", REDIS_PREFIX_MAX);
	if (config->store.read_url == NULL ||
	    strcmp(config->store.read_url, config->store.write_url) == 0)
		return true;
	sentinels = redis_url_parse(config->store.read_url, &url, error, sizeof(error)) &&
		    url.sentinel_count > 0;
	redis_url_wipe(&url);
	return !sentinels || loading_mistake(loading, mark_of(loading, "store.read_url"),
				 "store.read_url: leads to one server; sentinels belong into "
				 "store.write_url");
}

/* One URL serves both, unless replicas are read. */
static bool
complete_store(struct loading *loading)
{
	struct config *config = &loading->config;

	if (config->store.url == NULL)
		config->store.url = config->store.write_url;
	if (config->store.url == NULL && config->store.read_url != NULL)
		return loading_mistake(loading, mark_of(loading, "store.read_url"),
		    "store.read_url: needs store.write_url, the primary, where changes go");
	if (config->store.read_url == NULL)
		config->store.read_url = config->store.url;
	if (config->store.write_url == NULL)
		config->store.write_url = config->store.url;
	return check_store(loading);
}

/* What TLS is set up for and what is set up for it belong together. */
static bool
check_tls(struct loading *loading)
{
	const struct config *config = &loading->config;
	bool wanted = false;

	for (size_t i = 0; i < config->listener_count; i++) {
		wanted = wanted || config->listeners[i].tls;
		if (config->listeners[i].tls && config->listeners[i].redirect)
			return loading_mistake(loading, mark_of(loading, "listen"),
			    "listen: redirect leads from http to https: it cannot stand with tls");
	}
	if (wanted && config->tls.certificate_count == 0)
		return loading_mistake(
		    loading, mark_of(loading, "listen"), "listen: tls needs tls.certificates");
	if (!wanted && config->tls.certificate_count > 0)
		return loading_mistake(loading, mark_of(loading, "tls.certificates"),
		    "tls.certificates: no listener is for TLS: write tls behind an address, such "
		    "as "
		    "listen: [\":8443 tls\"]");
	if (config->tls.clients_optional && config->tls.client_ca == NULL)
		return loading_mistake(loading, mark_of(loading, "tls.client_certificates"),
		    "tls.client_certificates: needs tls.client_ca");
	if ((config->backends.certificate == NULL) != (config->backends.key == NULL))
		return loading_mistake(loading,
		    mark_of(loading,
			config->backends.key == NULL ? "backends.certificate" : "backends.key"),
		    "backends.certificate and backends.key: one needs the other");
	return true;
}

/* Who may ask for decisions? Whose word counts for the requests of others. */
static bool
check_authorize(struct loading *loading)
{
	const struct config *config = &loading->config;

	for (size_t i = 0; i < config->listener_count; i++) {
		const struct listener_config *listener = &config->listeners[i];

		if (!listener->authorize)
			continue;
		/* Who asks must be the one who is trusted, not somebody spoken for. */
		if (listener->redirect || listener->proxied)
			return loading_mistake(loading, mark_of(loading, "listen"),
			    "listen: authorize goes with neither redirect nor proxied");
		if (listener->path == NULL && config->backends.trusted_proxies.count == 0)
			return loading_mistake(loading, mark_of(loading, "listen"),
			    "listen: authorize answers backends.trusted_proxies alone, and there "
			    "are none; or listen at unix:/path");
	}
	return true;
}

/* What settings say together. */
static bool
check_together(struct loading *loading)
{
	const struct config *config = &loading->config;
	const yaml_mark_t *mark;

	if (config->jobs.fixed != NULL &&
	    (config->jobs.domain != NULL || config->jobs.prefix != NULL))
		return loading_mistake(loading, mark_of(loading, "jobs.fixed"),
		    "jobs.fixed: a gateway for one fixed job has neither jobs.domain nor "
		    "jobs.prefix");
	if (config->jobs.fixed_url != NULL && config->jobs.fixed == NULL)
		return loading_mistake(loading, mark_of(loading, "jobs.fixed_url"),
		    "jobs.fixed_url: needs jobs.fixed, the job that it is the URL of");
	if (config->jobs.fixed == NULL && config->jobs.domain == NULL &&
	    config->jobs.prefix == NULL)
		return loading_mistake(loading, mark_of(loading, "jobs.public_url"),
		    "jobs: needs at least one of domain, prefix and fixed");
	if (config->jobs.public_url != NULL && config->jobs.fixed == NULL &&
	    strstr(config->jobs.public_url, "{job}") == NULL)
		return loading_mistake(loading, mark_of(loading, "jobs.public_url"),
		    "jobs.public_url: needs {job}, or all jobs would have the same URL");
	if (config->store.wait_required && config->store.wait_replicas == 0)
		return loading_mistake(loading, mark_of(loading, "store.wait_required"),
		    "store.wait_required: needs store.wait_replicas: how many replicas must "
		    "confirm a revocation");
	if (!check_control(loading) || !check_tls(loading) || !check_authorize(loading))
		return false;
	if (config->store.max_staleness > config->store.ping_interval + config->store.ping_deadline)
		return true;
	mark = mark_of(loading, "store.max_staleness");
	if (mark == NULL)
		mark = mark_of(loading, "store.ping_interval");
	if (mark == NULL)
		mark = mark_of(loading, "store.ping_deadline");
	return loading_mistake(loading, mark,
	    "store.max_staleness: must be longer than ping_interval and ping_deadline together, "
	    "or a healthy store would count as stale");
}

/* The listener that clients are told of: the first with TLS, else the first. */
static const struct listener_config *
public_listener(const struct config *config)
{
	const struct listener_config *found = NULL;

	for (size_t i = 0; i < config->listener_count; i++) {
		const struct listener_config *listener = &config->listeners[i];

		if (!listener->authorize && (found == NULL || (listener->tls && !found->tls)))
			found = listener;
	}
	return found != NULL ? found : &config->listeners[0];
}

/* The public URL of jobs, as that listener and the forms in use make it. */
static bool
derive_public_url(struct loading *loading)
{
	struct config *config = &loading->config;
	const struct listener_config *listener = public_listener(config);
	const char *scheme = listener->tls ? "https" : "http";
	char text[512], port_text[8] = "";

	if (config->jobs.public_url != NULL)
		return true;
	if (listener->port != 0 && listener->port != (listener->tls ? 443 : 80))
		snprintf(port_text, sizeof(port_text), ":%u", listener->port);
	if (config->jobs.domain != NULL)
		snprintf(
		    text, sizeof(text), "%s://{job}.%s%s/", scheme, config->jobs.domain, port_text);
	else
		snprintf(text, sizeof(text), "%s://localhost%s%s", scheme, port_text,
		    config->jobs.prefix != NULL ? "" : "/");
	if (config->jobs.domain == NULL && config->jobs.prefix != NULL) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s/{job}/", config->jobs.prefix);
	}
	config->jobs.public_url = loading_own_text(loading, text);
	return config->jobs.public_url != NULL || loading_out_of_memory(loading);
}

/* Where redirects lead: to the port of the public URL. */
static bool
derive_redirect_port(struct loading *loading)
{
	struct config *config = &loading->config;
	const char *url = config->jobs.public_url, *colon;
	bool wanted = false;
	size_t host;

	for (size_t i = 0; i < config->listener_count; i++)
		wanted = wanted || config->listeners[i].redirect;
	if (!wanted)
		return true;
	if (strncmp(url, "https://", 8) != 0)
		return loading_mistake(loading, mark_of(loading, "listen"),
		    "listen: redirect needs a listener with tls, or jobs.public_url with https");
	host = strcspn(url + 8, "/");
	colon = memrchr(url + 8, ':', host);
	config->redirect_port = 443;
	if (colon != NULL && colon[1] >= '0' && colon[1] <= '9')
		config->redirect_port = (uint16_t)strtoul(colon + 1, NULL, 10);
	return true;
}

/* Beside the control socket, and as private. */
static bool
derive_gateway_socket(struct loading *loading)
{
	struct config *config = &loading->config;
	char text[512];
	size_t bad;

	if (config->control.host == NULL && config->control.listen == NULL &&
	    config->control.metrics == NULL)
		return true;
	snprintf(text, sizeof(text), "unix:%s.gateway", config->control.socket);
	config->control.gateway_socket = loading_own_text(loading, text);
	if (config->control.gateway_socket == NULL)
		return loading_out_of_memory(loading);
	if (!jg_job_url_parse(
		slice_of(config->control.gateway_socket), &config->control.gateway_target, &bad))
		return loading_mistake(loading, mark_of(loading, "control.socket"),
		    "control.socket: with .gateway appended (the workers' socket), it must be an "
		    "absolute path of at most 107 bytes");
	config->control.gateway_socket += strlen("unix:");
	return true;
}

static bool
complete_paths(struct loading *loading)
{
	struct config *config = &loading->config;
	char text[512];

	if (config->control.socket == NULL) {
		if (!jg_control_socket_default(text, sizeof(text)))
			return loading_mistake(loading, NULL,
			    "the default path of the control socket is too long: set "
			    "control.socket");
		config->control.socket = loading_own_text(loading, text);
	}
	if (config->control.socket != NULL && config->control.socket[0] != '/')
		return loading_mistake(loading, mark_of(loading, "control.socket"),
		    "control.socket: expected an absolute path");
	if (config->control.socket != NULL && strlen(config->control.socket) > 107)
		return loading_mistake(loading, mark_of(loading, "control.socket"),
		    "control.socket: a socket's path has at most 107 bytes");
	if (config->store.state_dir == NULL) {
		if (!jg_state_dir_default(text, sizeof(text)))
			return loading_mistake(loading, NULL,
			    "the default state directory's path is too long: set store.state_dir");
		config->store.state_dir = loading_own_text(loading, text);
	}
	return (config->control.socket != NULL && config->store.state_dir != NULL) ||
	       loading_out_of_memory(loading);
}

/* Fill in what the file leaves open. */
static bool
complete(struct loading *loading)
{
	struct config *config = &loading->config;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t bad;

	if (config->listeners == NULL) {
		config->listeners = loading_own(loading, sizeof(*config->listeners));
		if (config->listeners == NULL ||
		    assign_listener(loading, "127.0.0.1:8080", config->listeners) != NULL)
			return loading_out_of_memory(loading);
		config->listener_count = 1;
	}
	if (config->workers == 0)
		config->workers = cores > 0 ? (unsigned)cores : 1;
	if (config->backends.upgrades == NULL) {
		config->backends.upgrades =
		    loading_own(loading, 2 * sizeof(*config->backends.upgrades));
		if (config->backends.upgrades == NULL)
			return loading_out_of_memory(loading);
		config->backends.upgrades[0] = "websocket";
	}
	if (config->jobs.fixed_url != NULL)
		jg_job_url_parse(
		    slice_of(config->jobs.fixed_url), &config->jobs.fixed_target, &bad);
	return complete_paths(loading) && derive_gateway_socket(loading) &&
	       derive_public_url(loading) && derive_redirect_port(loading) &&
	       complete_listeners(loading);
}

/* A file that speaks of jobs says all there is to say of them. */
static void
apply_job_defaults(struct loading *loading)
{
	if (loading->jobs_given)
		return;
	loading->config.jobs.domain = complete_defaults.jobs.domain;
	loading->config.jobs.prefix = complete_defaults.jobs.prefix;
}

bool
complete_config(struct loading *loading)
{
	apply_job_defaults(loading);
	return check_together(loading) && complete_store(loading) && complete(loading);
}
