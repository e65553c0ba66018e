/* control_child.c - starts the control process with its settings, and restarts it when they change.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "auth/control/control.h"
#include "jobgate/check.h"
#include "jobgate/clock.h"
#include "jobgate/socket_path.h"
#include "limits/usage.h"
#include "net/guard.h"
#include "net/resolve.h"
#include "observe/metrics.h"
#include "observe/openmetrics.h"
#include "server/supervisor.h"

/* Time for the control process to end before it is killed. */
#define CONTROL_KILL_MS 2000

const char *
supervisor_store_url(const struct supervisor *supervisor, const char *configured)
{
	return supervisor->private_redis ? supervisor->redis.url : configured;
}

static bool
control_ready(void *ctx, char *why, size_t cap)
{
	const struct supervisor *supervisor = ctx;

	return metrics_ready(supervisor->stats, why, cap);
}

static bool
more_metrics(void *ctx, FILE *out)
{
	const struct supervisor *supervisor = ctx;
	size_t most = supervisor->config->control.metrics_tokens;

	if (supervisor->config->metrics.jobs_max > 0 &&
	    !metrics_render_jobs(supervisor->stats, out))
		return false;
	return most == 0 || limit_table_write_usage(supervisor->limits.table, most,
				clock_ms(CLOCK_BOOTTIME) * 1000, out);
}

static char *
control_metrics(void *ctx, bool openmetrics)
{
	const struct supervisor *supervisor = ctx;
	char *text = metrics_render(supervisor->stats, JOBGATE_VERSION, more_metrics, ctx);

	return openmetrics ? openmetrics_render(text, supervisor->stats) : text;
}

static void
control_beat(void *ctx)
{
	const struct supervisor *supervisor = ctx;

	counter_add(&supervisor->stats->control_beats, 1);
}

static size_t
control_uses_take(void *ctx, struct record_use *out, size_t most)
{
	const struct supervisor *supervisor = ctx;
	struct shared_stats *stats = supervisor->stats;
	size_t count = 0;

	for (size_t i = 0; i < stats->worker_count && count < most; i++)
		count += uses_take(&stats->workers[i].uses, out + count, most - count);
	return count;
}

static bool
control_hands_over(void *ctx)
{
	const struct supervisor *supervisor = ctx;

	return counter_get(&supervisor->stats->control_hands_over) != 0;
}

static bool
control_drains(void *ctx)
{
	const struct supervisor *supervisor = ctx;

	return counter_get(&supervisor->stats->draining) != 0;
}

static size_t
control_workers(void *ctx)
{
	const struct supervisor *supervisor = ctx;
	const struct shared_stats *stats = supervisor->stats;
	size_t count = 0;

	for (size_t i = 0; i < stats->worker_count; i++)
		count += counter_get(&stats->workers[i].accepting) != 0;
	return count;
}

static bool
control_allows(void *ctx, const struct sockaddr *address, int path)
{
	const struct supervisor *supervisor = ctx;
	const struct control_settings *settings = &supervisor->config->control.process;
	const struct guard_rules rules = {
	    .allow_loopback = settings->reach_loopback,
	    .allow = settings->reach_allow.items,
	    .allow_count = settings->reach_allow.count,
	    .deny = settings->reach_deny.items,
	    .deny_count = settings->reach_deny.count,
	    .own = supervisor->listeners.bound,
	    .own_count = supervisor->listeners.count,
	};

	/* As in workers: a socket on this machine is treated as loopback is, and one of the
	 * gateway's own must not be reached. What cannot be opened is not connected to, either. */
	if (address->sa_family == AF_UNIX)
		return settings->reach_loopback &&
		       (path < 0 || !jg_socket_path_is_one_of(path, supervisor->own_sockets));
	return guard_judge(&rules, address) == GUARD_ALLOW;
}

static struct control_setup
control_setup_of(struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;
	struct control_setup setup = {
	    .settings = config->control.process,
	    .token_limits = config->limits.token,
	    .gateway_secret = supervisor->control_secret,
	    .mark = supervisor->registration_mark,
	    .store_dir = supervisor->private_redis ? config->store.state_dir : NULL,
	    .log = supervisor->log,
	    .observe_ctx = supervisor,
	    .ready = control_ready,
	    .metrics = control_metrics,
	    .resolver_open = resolver_open,
	    .beat = control_beat,
	    .uses_take = control_uses_take,
	    .hands_over = control_hands_over,
	    .allows = control_allows,
	    .drains = control_drains,
	    .workers = control_workers,
	};

	setup.settings.store_url = supervisor_store_url(supervisor, setup.settings.store_url);
	setup.log.level = setup.settings.log_level;
	setup.log.json = setup.settings.log_json;
	return setup;
}

int
control_child_run(struct supervisor *supervisor)
{
	const struct control_setup setup = control_setup_of(supervisor);
	const struct listeners own = supervisor->listeners;

	counter_set(&supervisor->stats->control_hands_over, 0);
	jg_check_log(&supervisor->log);
	supervisor->listeners.bound = NULL;
	listeners_close(&supervisor->listeners, false);
	/* No job's URL may lead to these addresses (control_allows). */
	supervisor->listeners.bound = own.bound;
	supervisor->listeners.count = own.count;
	tls_material_forget(supervisor, true);
	OPENSSL_cleanse(supervisor->session_key, sizeof(supervisor->session_key));
	supervisor_close_log(supervisor);
	return control_run(&setup);
}

/* True when the next control process registers the same: then nothing must be missing meanwhile. */
static bool
registers_the_same(const struct control_settings *has, const struct control_settings *wanted)
{
	return has->register_ms == wanted->register_ms &&
	       text_equal(has->fixed_job, wanted->fixed_job) &&
	       text_equal(has->fixed_labels, wanted->fixed_labels) &&
	       text_equal(has->register_url, wanted->register_url);
}

void
control_child_follow(struct supervisor *supervisor)
{
	const struct config *has = supervisor->control_config, *wanted = supervisor->config;

	if (has == wanted)
		return;
	if (!control_settings_equal(&has->control.process, &wanted->control.process) ||
	    has->control.metrics_tokens != wanted->control.metrics_tokens ||
	    has->metrics.jobs_max != wanted->metrics.jobs_max ||
	    memcmp(&has->limits.token, &wanted->limits.token, sizeof(has->limits.token)) != 0) {
		/* One that ends already for another reload keeps only what all of them want. */
		bool ends = supervision_child(supervisor->supervision, SLOT_CONTROL)->state !=
			    CHILD_RUNNING;

		counter_set(&supervisor->stats->control_hands_over,
		    (!ends || control_hands_over(supervisor)) &&
			registers_the_same(&has->control.process, &wanted->control.process));
		supervision_restart(
		    supervisor->supervision, SLOT_CONTROL, CONTROL_KILL_MS, supervisor_clock_ms());
	}
	supervisor->control_config = wanted;
}
