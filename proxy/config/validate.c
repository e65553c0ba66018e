/* validate.c - rules that several keys must keep together. */
#include <string.h>

#include "auth/redis/cluster_slot.h"
#include "auth/redis/tracker.h"
#include "auth/redis/url.h"
#include "config/builder.h"
#include "config/values.h"
#include "jobgate/settings.h"

static bool
is_loopback(const char *address)
{
	char host[64];
	const char *path;
	uint16_t port;

	return value_address(address, host, &port, &path) == NULL &&
	       (strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0);
}

/* The control API's TCP address: with TLS, or where no other host can read tokens. */
static bool
check_control(struct builder *builder)
{
	const struct config *config = &builder->config;

	if (config->control.certificate == NULL && config->control.key != NULL)
		return builder_key_error(builder, "control.key", "needs control.certificate");
	if (config->control.certificate != NULL && config->control.key == NULL)
		return builder_key_error(builder, "control.certificate", "needs control.key");
	if (config->control.client_ca != NULL && config->control.certificate == NULL)
		return builder_key_error(
		    builder, "control.client_ca", "needs control.certificate and control.key");
	if (config->control.certificate != NULL && config->control.listen == NULL)
		return builder_key_error(builder, "control.certificate",
		    "needs control.listen, the address that it is for");
	if (config->control.listen == NULL || config->control.certificate != NULL ||
	    config->control.allow_plain || is_loopback(config->control.listen))
		return true;
	return builder_key_error(builder, "control.listen",
	    "without TLS others on the way can read tokens: set "
	    "control.certificate and control.key, or listen on 127.0.0.1, or, if the network is "
	    "trusted, set control.allow_plain: true");
}

/* What this URL names; all false if it is not set or not valid. */
static void
look_at_url(const char *text, bool *voters, bool *cluster)
{
	struct redis_url url = {0};
	char error[128];
	bool valid = text != NULL && redis_url_parse(text, &url, error, sizeof(error));

	*voters = valid && url.place_count > 0;
	*cluster = valid && url.cluster;
	redis_url_wipe(&url);
}

/* One URL leads to what is read, another one to where changes go. */
static bool
check_two_urls(struct builder *builder, bool write_is_cluster)
{
	const struct config *config = &builder->config;
	bool voters, cluster;

	if (config->store.read_url == NULL ||
	    strcmp(config->store.read_url, config->store.write_url) == 0)
		return true;
	if (write_is_cluster)
		return builder_key_error(builder, "store.read_url",
		    "cannot be set for a cluster: workers read from the owner of the store's slot");
	look_at_url(config->store.read_url, &voters, &cluster);
	if (voters)
		return builder_key_error(builder, "store.read_url",
		    "leads to one server; sentinels and clusters belong into store.write_url");
	return true;
}

/* What a worker's connection to the store needs; else the workers would not start. */
static bool
check_store(struct builder *builder)
{
	const struct config *config = &builder->config;
	bool voters, cluster;

	if (config->store.url == NULL && config->store.read_url != NULL)
		return builder_key_error(builder, "store.read_url",
		    "needs store.write_url, the primary, where changes go");
	if (config->store.url == NULL && config->store.password_file != NULL)
		return builder_key_error(builder, "store.password_file",
		    "needs store.url: the private store has no password");
	if (strlen(config->store.prefix) > REDIS_PREFIX_MAX)
		return builder_error(builder, builder_mark(builder, "store.prefix"),
		    "store.prefix: at most %d bytes", REDIS_PREFIX_MAX);
	look_at_url(config->store.write_url, &voters, &cluster);
	if (cluster && !cluster_prefix_has_tag(slice_of(config->store.prefix)))
		return builder_key_error(builder, "store.prefix", REDIS_PREFIX_WITHOUT_TAG);
	return check_two_urls(builder, cluster);
}

/* TLS needs certificates, and certificates need a listener with TLS. */
static bool
check_tls(struct builder *builder)
{
	const struct config *config = &builder->config;
	bool wanted = false;

	for (size_t i = 0; i < config->listener_count; i++) {
		wanted = wanted || config->listeners[i].tls;
		if (config->listeners[i].tls && config->listeners[i].redirect)
			return builder_key_error(builder, "listen",
			    "redirect leads from http to https: it cannot be combined with tls");
	}
	if (wanted && config->tls.certificate_count == 0)
		return builder_key_error(builder, "listen", "tls needs tls.certificates");
	if (!wanted && config->tls.certificate_count > 0)
		return builder_key_error(builder, "tls.certificates",
		    "no listener is for TLS: write tls after an address, such as "
		    "listen: [\":8443 tls\"]");
	if (config->tls.clients_optional && config->tls.client_ca == NULL)
		return builder_key_error(builder, "tls.client_certificates", "needs tls.client_ca");
	if ((config->backends.certificate == NULL) != (config->backends.key == NULL))
		return builder_error(builder,
		    builder_mark(builder,
			config->backends.key == NULL ? "backends.certificate" : "backends.key"),
		    "backends.certificate and backends.key: one needs the other");
	return true;
}

/* Forward auth: other proxies ask for decisions. They must be trusted to describe their requests.
 */
static bool
check_forward_auth(struct builder *builder)
{
	const struct config *config = &builder->config;

	for (size_t i = 0; i < config->listener_count; i++) {
		const struct listener_config *listener = &config->listeners[i];

		if (!listener->authorize)
			continue;
		/* The peer itself must be trusted, not a client that it names. */
		if (listener->redirect || listener->proxied)
			return builder_key_error(builder, "listen",
			    "authorize cannot be combined with redirect or proxied");
		if (listener->path == NULL && config->backends.trusted_proxies.count == 0)
			return builder_key_error(builder, "listen",
			    "authorize answers only backends.trusted_proxies, and there are none: "
			    "set them, or listen at unix:/path");
	}
	return true;
}

/* A text in pages, which must fit. */
static bool
check_help(struct builder *builder)
{
	const char *help = builder->config.browser.help;

	if (help == NULL)
		return true;
	if (strlen(help) > BROWSER_HELP_MAX)
		return builder_error(builder, builder_mark(builder, "browser.help"),
		    "browser.help: at most %d bytes", BROWSER_HELP_MAX);
	for (; *help != '\0'; help++)
		if ((unsigned char)*help < ' ' || *help == 0x7f)
			return builder_key_error(builder, "browser.help",
			    "must be one line, without control characters");
	return true;
}

/* The record that a sidecar keeps of its job. */
static bool
check_registration(struct builder *builder)
{
	const struct config *config = &builder->config;
	uint64_t lease = config->control.process.register_ms;

	if (lease == 0 && config->control.process.register_url != NULL)
		return builder_key_error(builder, "jobs.register_url",
		    "needs jobs.register, the lease of the record with this URL");
	if (lease == 0)
		return true;
	if (lease < 3000 || lease % 1000 != 0)
		return builder_key_error(
		    builder, "jobs.register", "expected whole seconds, at least 3s, or 0s");
	return config->jobs.labels != NULL ||
	       builder_key_error(builder, "jobs.register",
		   "needs jobs.fixed, jobs.fixed_url, and jobs.labels or jobs.labels_file");
}

/* The host at which people sign in for all jobs. */
static bool
check_sign_in_host(struct builder *builder)
{
	const struct config *config = &builder->config;
	const char *host = config->browser.host, *job_host = config->jobs.fixed_host;

	if (job_host != NULL &&
	    ((host == NULL && !config->browser.same_host) || config->jobs.fixed == NULL))
		return builder_key_error(builder, "browser.job_host",
		    "needs jobs.fixed, and browser.host or browser.same_host");
	if (host != NULL && config->browser.same_host)
		return builder_key_error(builder, "browser.same_host",
		    "puts the page on each job's own host: remove browser.host");
	if (host == NULL)
		return true;
	if (!config->browser.sign_in)
		return builder_key_error(
		    builder, "browser.host", "needs browser.sign_in, which is off");
	if (config->jobs.domain == NULL && job_host == NULL)
		return builder_key_error(builder, "browser.host",
		    "needs jobs.domain (or for a sidecar browser.job_host): only jobs with a host "
		    "of their own have a sign-in");
	if (job_host != NULL && strcmp(host, job_host) == 0)
		return builder_key_error(builder, "browser.host", "is browser.job_host, too");
	if (config->control.host != NULL && strcmp(host, config->control.host) == 0)
		return builder_key_error(builder, "browser.host", "is control.host, too");
	return true;
}

/* The pages that may frame jobs. */
static bool
check_embed(struct builder *builder)
{
	const char **origins = builder->config.browser.embed;
	size_t len = 0;

	for (; origins != NULL && *origins != NULL; origins++) {
		if (strcmp(*origins, "*") == 0)
			return builder_key_error(builder, "browser.embed",
			    "lists origins one by one: with * every site could show jobs to people "
			    "who do not know what they click on");
		len += strlen(*origins) + 1;
	}
	if (len > BROWSER_EMBED_MAX)
		return builder_error(builder, builder_mark(builder, "browser.embed"),
		    "browser.embed: at most %d bytes in total", BROWSER_EMBED_MAX);
	return true;
}

/* Which jobs there are, and how requests name them. */
static bool
check_jobs(struct builder *builder)
{
	const struct config *config = &builder->config;

	if (config->jobs.fixed != NULL &&
	    (config->jobs.domain != NULL || config->jobs.prefix != NULL))
		return builder_key_error(builder, "jobs.fixed",
		    "a gateway for one fixed job has neither jobs.domain nor jobs.prefix");
	if (config->jobs.fixed_url != NULL && config->jobs.fixed == NULL)
		return builder_key_error(
		    builder, "jobs.fixed_url", "needs jobs.fixed, the job whose URL it is");
	if (config->jobs.labels != NULL && config->jobs.fixed_url == NULL)
		return builder_key_error(builder,
		    config->jobs.labels_file != NULL ? "jobs.labels_file" : "jobs.labels",
		    "needs jobs.fixed and jobs.fixed_url: the job then has no record in the store");
	if (!check_registration(builder))
		return false;
	if (config->jobs.fixed == NULL && config->jobs.domain == NULL &&
	    config->jobs.prefix == NULL)
		return builder_error(builder, builder_mark(builder, "jobs.public_url"),
		    "jobs: needs at least one of domain, prefix and fixed");
	if (config->control.process.public_url != NULL && config->jobs.fixed == NULL &&
	    strstr(config->control.process.public_url, "{job}") == NULL)
		return builder_key_error(
		    builder, "jobs.public_url", "needs {job}, or all jobs would have the same URL");
	return true;
}

/* How long the store counts as fresh, and what confirms a change there. */
static bool
check_store_times(struct builder *builder)
{
	const struct config *config = &builder->config;
	const yaml_mark_t *mark = builder_mark(builder, "store.max_staleness");

	if (config->store.wait_required && config->control.process.wait.count == 0)
		return builder_key_error(builder, "store.wait_required",
		    "needs store.wait_replicas: how many replicas must confirm a revocation");
	if (config->store.max_staleness >
	    config->store.timeouts.ping_interval + config->store.timeouts.ping_deadline)
		return true;
	if (mark == NULL)
		mark = builder_mark(builder, "store.ping_interval");
	if (mark == NULL)
		mark = builder_mark(builder, "store.ping_deadline");
	return builder_error(builder, mark,
	    "store.max_staleness: must be longer than ping_interval and ping_deadline together, "
	    "or a healthy store would count as stale");
}

bool
validate_config(struct builder *builder)
{
	return check_jobs(builder) && check_control(builder) && check_tls(builder) &&
	       check_forward_auth(builder) && check_store_times(builder) && check_store(builder) &&
	       check_help(builder) && check_sign_in_host(builder) && check_embed(builder);
}
