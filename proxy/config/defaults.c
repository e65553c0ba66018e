/* defaults.c - values that a file leaves open, and values that follow from others. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/redis/url.h"
#include "config/builder.h"
#include "config/reference.h"
#include "config/values.h"
#include "jobgate/paths.h"
#include "jobgate/slice.h"

/* Listeners that are not in `listen`: control.listen and control.metrics. */
#define OF_CONTROL 2

bool
defaults_load(struct builder *builder)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool good;

	if (out == NULL)
		return builder_out_of_memory(builder);
	reference_write_defaults(out);
	good = fclose(out) == 0 ? document_load_text(builder, text, len)
				: builder_out_of_memory(builder);
	free(text);
	/* Later errors must not point to places in the defaults. */
	memset(builder->is_given, 0, sizeof(builder->is_given));
	return good;
}

/* One URL serves for reads and changes, unless replicas are read. */
void
defaults_derive_store(struct builder *builder)
{
	struct config *config = &builder->config;

	if (config->store.url == NULL)
		config->store.url = config->store.write_url;
	if (config->store.read_url == NULL)
		config->store.read_url = config->store.url;
	if (config->store.write_url == NULL)
		config->store.write_url = config->store.url;
	if (config->store.write_url != NULL && builder_mark(builder, "store.prefix") == NULL)
		config->store.prefix = redis_default_prefix(config->store.write_url);
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
derive_public_url(struct builder *builder)
{
	struct config *config = &builder->config;
	const struct listener_config *listener = public_listener(config);
	const char *scheme = listener->tls ? "https" : "http";
	char text[512], port_text[8] = "";

	if (config->control.process.public_url != NULL)
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
	config->control.process.public_url = builder_own_text(builder, text);
	return config->control.process.public_url != NULL || builder_out_of_memory(builder);
}

/* Where redirects lead: to the port of the public URL. */
static bool
derive_redirect_port(struct builder *builder)
{
	struct config *config = &builder->config;
	const char *url = config->control.process.public_url, *colon;
	struct slice authority;
	bool wanted = false;
	uint64_t port = 443;

	for (size_t i = 0; i < config->listener_count; i++)
		wanted = wanted || config->listeners[i].redirect;
	if (!wanted)
		return true;
	if (strncmp(url, "https://", 8) != 0)
		return builder_key_error(builder, "listen",
		    "redirect needs a listener with tls, or jobs.public_url with https");
	authority = (struct slice){url + 8, strcspn(url + 8, "/")};
	colon = memrchr(authority.at, ':', authority.len);
	if (colon != NULL) /* "[::1]" has colons, too, and no port after the last */
		slice_to_number(
		    slice_after(authority, (size_t)(colon + 1 - authority.at)), UINT16_MAX, &port);
	config->redirect_port = (uint16_t)port;
	return true;
}

/* Beside the control socket, and as private. */
static bool
derive_gateway_socket(struct builder *builder)
{
	struct config *config = &builder->config;
	char text[512];
	size_t bad;

	if (config->control.host == NULL && config->control.listen == NULL &&
	    config->control.metrics == NULL && config->browser.host == NULL)
		return true;
	snprintf(text, sizeof(text), "unix:%s.gateway", config->control.process.socket);
	config->control.process.gateway_socket = builder_own_text(builder, text);
	if (config->control.process.gateway_socket == NULL)
		return builder_out_of_memory(builder);
	if (!jg_job_url_parse(slice_of(config->control.process.gateway_socket),
		&config->control.gateway_target, &bad))
		return builder_key_error(builder, "control.socket",
		    "with .gateway appended (the workers' socket), it must be an "
		    "absolute path of at most 107 bytes");
	config->control.process.gateway_socket += strlen("unix:");
	return true;
}

/* Likewise. */
static bool
derive_workers_socket(struct builder *builder)
{
	struct config *config = &builder->config;
	char text[512];

	snprintf(text, sizeof(text), "%s.workers", config->control.process.socket);
	config->control.process.workers_socket = builder_own_text(builder, text);
	if (config->control.process.workers_socket == NULL)
		return builder_out_of_memory(builder);
	if (strlen(config->control.process.workers_socket) <= 107)
		return true;
	return builder_key_error(builder, "control.socket",
	    "with .workers appended (the socket to which workers connect), it must be a path of at "
	    "most 107 bytes");
}

static bool
derive_paths(struct builder *builder)
{
	struct config *config = &builder->config;
	char text[512];

	if (config->control.process.socket == NULL) {
		if (!jg_control_socket_default(text, sizeof(text)))
			return builder_error(builder, NULL,
			    "the default path of the control socket is too long: set "
			    "control.socket");
		config->control.process.socket = builder_own_text(builder, text);
	}
	if (config->control.process.socket != NULL && config->control.process.socket[0] != '/')
		return builder_key_error(builder, "control.socket", "expected an absolute path");
	if (config->control.process.socket != NULL && strlen(config->control.process.socket) > 107)
		return builder_key_error(
		    builder, "control.socket", "a socket's path has at most 107 bytes");
	if (config->store.state_dir == NULL) {
		if (!jg_state_dir_default(text, sizeof(text)))
			return builder_error(builder, NULL,
			    "the default state directory's path is too long: set store.state_dir");
		config->store.state_dir = builder_own_text(builder, text);
	}
	return (config->control.process.socket != NULL && config->store.state_dir != NULL) ||
	       builder_out_of_memory(builder);
}

/* One more listener, for an address that was checked when it was read. */
static bool
add_listener(struct builder *builder, const char *address, struct listener_config kind)
{
	struct config *config = &builder->config;
	struct listener_config *to = &config->listeners[config->listener_count];

	if (address == NULL)
		return true;
	*to = kind;
	if (assign_listener(builder, address, to) != NULL)
		return builder_out_of_memory(builder);
	config->listener_count++;
	return true;
}

/* Append control.listen and control.metrics to those of `listen`: workers serve them all. */
static bool
derive_listeners(struct builder *builder)
{
	struct config *config = &builder->config;
	struct listener_config *all =
	    builder_own(builder, (config->listener_count + OF_CONTROL) * sizeof(*all));

	if (all == NULL)
		return builder_out_of_memory(builder);
	for (size_t i = 0; i < config->listener_count; i++) {
		all[i] = config->listeners[i];
		all[i].setting = "listen";
	}
	config->listeners = all;
	return add_listener(builder, config->control.listen,
		   (struct listener_config){.purpose = FOR_CONTROL,
		       .setting = "control.listen",
		       .tls = config->control.certificate != NULL}) &&
	       add_listener(builder, config->control.metrics,
		   (struct listener_config){.purpose = FOR_METRICS, .setting = "control.metrics"});
}

/* What the control process shares with workers. */
static bool
derive_control(struct builder *builder)
{
	const struct config *config = &builder->config;
	struct control_settings *process = &builder->config.control.process;

	process->store_url = config->store.write_url;
	process->key_prefix = config->store.prefix;
	process->ca_file = config->store.ca_file;
	process->password_file = config->store.password_file;
	process->realm = config->backends.forwarding.realm;
	process->fixed_job = config->jobs.fixed;
	process->fixed_url = config->jobs.fixed_url;
	process->fixed_labels = config->jobs.labels;
	process->taken_job = config->jobs.taken[0];
	process->taken_too = config->jobs.taken[1];
	process->wait.required = config->store.wait_required ? process->wait.count : 0;
	if (config->jobs.fixed != NULL)
		process->start_ms = config->timeouts.start;
	if (config->jobs.fixed != NULL && config->jobs.fixed_url == NULL) {
		process->reach_allow = config->backends.allow;
		process->reach_deny = config->backends.deny;
		process->reach_loopback = config->backends.allow_loopback;
	}
	process->request_ms = config->timeouts.head;
	process->idle_ms = config->timeouts.keep_alive;
	process->log_level = config->log.level;
	process->log_json = config->log.json;
	return true;
}

/* The job of a sidecar that needs no record. */
static bool
derive_fixed_job(struct builder *builder)
{
	struct job_forms *jobs = &builder->config.jobs;
	struct label *labels = builder_own(builder, SELECTOR_LABELS_MAX * sizeof(*labels));
	size_t bad;

	if (labels == NULL)
		return builder_out_of_memory(builder);
	if (jobs->fixed_url == NULL)
		return true;
	jg_job_url_parse(slice_of(jobs->fixed_url), &jobs->fixed_target, &bad);
	if (jobs->labels == NULL || jobs->fixed == NULL)
		return true;
	jobs->fixed_job = (struct job){.id = slice_of(jobs->fixed),
	    .labels.items = labels,
	    .url_text = slice_of(jobs->fixed_url),
	    .url = jobs->fixed_target};
	jg_selector_parse(slice_of(jobs->labels), labels, &jobs->fixed_job.labels.count, &bad);
	return true;
}

/* True when browsers can reach a host of the gateway's own: not where it only answers other
 * proxies.
 */
static bool
serves_browsers(const struct config *config)
{
	for (size_t i = 0; i < config->listener_count; i++)
		if (!config->listeners[i].authorize && !config->listeners[i].redirect)
			return true;
	return false;
}

/* The host at which people sign in. */
static bool
derive_sign_in_host(struct builder *builder)
{
	struct config *config = &builder->config;
	char host[256];

	if (config->browser.host != NULL || !config->browser.sign_in || config->browser.same_host ||
	    config->jobs.domain == NULL || !serves_browsers(config))
		return true;
	snprintf(host, sizeof(host), "auth.%s", config->jobs.domain);
	if (value_domain(host) != NULL)
		return builder_key_error(builder, "jobs.domain",
		    "with \"auth.\" in front it is no valid host name: set browser.host");
	if (config->control.host != NULL && strcmp(host, config->control.host) == 0)
		return builder_key_error(builder, "control.host",
		    "is the host at which people sign in, too: set browser.host");
	config->browser.host = builder_own_text(builder, host);
	return config->browser.host != NULL || builder_out_of_memory(builder);
}

/* Note the id that stands before the domain in this host of ours: no job may have it. */
static bool
derive_taken(struct builder *builder, const char *host)
{
	struct job_forms *jobs = &builder->config.jobs;
	size_t id_len, tail_len, count = 0;
	char id[JOB_ID_MAX + 1] = "";

	if (host == NULL || jobs->domain == NULL)
		return true;
	tail_len = strlen(jobs->domain) + 1;
	if (strlen(host) <= tail_len)
		return true;
	id_len = strlen(host) - tail_len;
	if (host[id_len] != '.' || strcmp(host + id_len + 1, jobs->domain) != 0 ||
	    !jg_job_id_valid((struct slice){host, id_len}))
		return true;
	memcpy(id, host, id_len);
	while (jobs->taken[count] != NULL)
		count++;
	jobs->taken[count] = builder_own_text(builder, id);
	return jobs->taken[count] != NULL || builder_out_of_memory(builder);
}

bool
defaults_derive(struct builder *builder)
{
	struct config *config = &builder->config;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (config->workers == 0)
		config->workers = cores > 0 ? (unsigned)cores : 1;
	/* A backend that refuses connections may come back within the time that a connect may
	 * take. */
	config->backends.pool.connect_ms = config->timeouts.connect;
	config->backends.pool.http2.buffer = config->http2.limits.buffer;
	config->backends.pool.circuit.patience_ms = config->timeouts.connect;
	return derive_fixed_job(builder) && derive_sign_in_host(builder) &&
	       derive_taken(builder, config->control.host) &&
	       derive_taken(builder, config->browser.host) && derive_paths(builder) &&
	       derive_gateway_socket(builder) && derive_workers_socket(builder) &&
	       derive_public_url(builder) && derive_redirect_port(builder) &&
	       derive_listeners(builder) && derive_control(builder);
}
