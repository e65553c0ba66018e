/* control_child.c - starts the control process with its settings, and restarts it when they change.
 */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "auth/control/control.h"
#include "jobgate/check.h"
#include "net/resolve.h"
#include "observe/metrics.h"
#include "server/supervisor.h"

/* The control process has this long to end before it is killed. */
#define CONTROL_PATIENCE_MS 2000

const char *
supervisor_store_url(const struct supervisor *supervisor, const char *configured)
{
	return supervisor->private_redis ? supervisor->redis.url : configured;
}

static bool
control_ready(void *ctx, char *why, size_t cap)
{
	return metrics_ready(ctx, why, cap);
}

static char *
control_metrics(void *ctx)
{
	return metrics_render(ctx, JOBGATE_VERSION);
}

static void
control_beat(void *ctx)
{
	struct shared_stats *stats = ctx;

	counter_add(&stats->control_beats, 1);
}

/* The control process's settings in a configuration, which outlives them. */
static struct control_setup
control_setup_of(const struct supervisor *supervisor, const struct config *config)
{
	struct log log = supervisor->log;

	log.level = config->log.level;
	return (struct control_setup){
	    .socket_path = config->control.socket,
	    .gateway_socket_path = config->control.gateway_socket,
	    .gateway_secret = supervisor->control_secret,
	    .store_url = supervisor_store_url(supervisor, config->store.write_url),
	    .wait = config->store.wait,
	    .store_dir = supervisor->private_redis ? config->store.state_dir : NULL,
	    .key_prefix = config->store.prefix,
	    .ca_file = config->store.ca_file,
	    .public_url = config->jobs.public_url,
	    .realm = config->backends.forwarding.realm,
	    .fixed_job = config->jobs.fixed_url != NULL ? config->jobs.fixed : NULL,
	    .fixed_url = config->jobs.fixed_url,
	    .scoped_urls = config->control.scoped_urls.items,
	    .scoped_url_count = config->control.scoped_urls.count,
	    .scope = config->control.scope,
	    .request_ms = (unsigned)config->timeouts.head,
	    .idle_ms = (unsigned)config->timeouts.keep_alive,
	    .log = log,
	    .observe_ctx = supervisor->stats,
	    .ready = control_ready,
	    .metrics = control_metrics,
	    .resolver_open = resolver_open,
	    .beat = control_beat,
	};
}

int
control_child_run(struct supervisor *supervisor)
{
	const struct control_setup setup = control_setup_of(supervisor, supervisor->config);

	jg_check_log(&supervisor->log);
	listeners_close(&supervisor->listeners, false);
	tls_material_forget(supervisor, true);
	OPENSSL_cleanse(supervisor->session_key, sizeof(supervisor->session_key));
	supervisor_close_log(supervisor);
	return control_run(&setup);
}

/* True when the configuration in force has the settings that it was started with. */
static bool
is_up_to_date(const struct supervisor *supervisor)
{
	const struct control_setup has = control_setup_of(supervisor, supervisor->control_config);
	const struct control_setup wanted = control_setup_of(supervisor, supervisor->config);

	return control_setup_equal(&has, &wanted);
}

void
control_child_follow(struct supervisor *supervisor)
{
	if (supervisor->control_config == supervisor->config)
		return;
	if (!is_up_to_date(supervisor))
		supervision_restart(supervisor->supervision, SLOT_CONTROL, CONTROL_PATIENCE_MS,
		    supervisor_clock_ms());
	supervisor->control_config = supervisor->config;
}
