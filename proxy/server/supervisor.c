/* supervisor.c - the start, and the loop that lets the state machine decide. */
#include "server/supervisor.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/notify.h"
#include "server/server.h"
#include "server/worker.h"

/* The supervisor's longest sleep when no signal comes; shorter while a new generation starts. */
#define NAP_MS 200
#define NAP_REPLACING_MS 10

/* Parts of the shared mapping: generations that may still drain while others serve. */
#define GENERATIONS_MAX 8

/* ---- the loop ---- */

static bool
is_stopping(const struct supervisor *supervisor)
{
	return supervision_phase(supervisor->supervision) >= PHASE_STOPPING_WORKERS;
}

static void
feed_watchdog(struct supervisor *supervisor)
{
	uint64_t now_ms = supervisor_clock_ms();

	if (supervisor->watchdog_ms == 0 ||
	    now_ms < supervisor->watched_ms + supervisor->watchdog_ms)
		return;
	if (!supervision_is_healthy(supervisor->supervision))
		return;
	supervisor->watched_ms = now_ms;
	notify_state("WATCHDOG=1");
}

/* How long the state machine may go without a tick. */
static uint64_t
sleep_ms(const struct supervisor *supervisor)
{
	uint64_t now_ms = supervisor_clock_ms();

	switch (supervision_phase(supervisor->supervision)) {
	case PHASE_STARTING:
	case PHASE_FAILING:
	case PHASE_REPLACING:
		return supervision_due_ms(supervisor->supervision, now_ms, NAP_REPLACING_MS);
	case PHASE_SERVING:
	case PHASE_STOPPING_WORKERS:
	case PHASE_STOPPING_CONTROL:
	case PHASE_STOPPING_REDIS:
	case PHASE_STOPPED:
		break;
	}
	return supervision_due_ms(supervisor->supervision, now_ms, NAP_MS);
}

/* The next signal, or 0 when none came in time. */
static int
next_signal(const struct supervisor *supervisor)
{
	const struct timespec timeout = {0, (long)sleep_ms(supervisor) * 1000000};
	int number = sigtimedwait(&supervisor->signals, NULL, &timeout);

	return number > 0 ? number : 0;
}

static void
take_order(struct supervisor *supervisor, int number)
{
	struct supervision *supervision = supervisor->supervision;
	uint64_t now_ms = supervisor_clock_ms();

	if (number == SIGTERM || number == SIGINT) {
		/* No other control process follows one that ends now for a reload. */
		counter_set(&supervisor->stats->control_hands_over, 0);
		supervision_order(supervision, ORDER_STOP, now_ms);
	}
	if (number == SIGUSR2)
		supervision_order(supervision, ORDER_UPGRADE, now_ms);
	if (number == SIGHUP)
		supervision_order(supervision, ORDER_RELOAD, now_ms);
	if (number == SIGUSR1 && !is_stopping(supervisor)) {
		supervisor_reopen_log(supervisor);
		/* Workers that run open it themselves, without stopping. */
		children_signal_workers(supervisor, SIGUSR1);
	}
	if (number == SIGNAL_DUMP)
		children_signal_workers(supervisor, SIGNAL_DUMP);
	supervisor_act(supervisor);
}

/* Let the state machine decide, from what the processes did and publish. */
static void
decide(struct supervisor *supervisor)
{
	children_reap(supervisor);
	children_report(supervisor);
	supervision_tick(supervisor->supervision, supervisor_clock_ms());
	children_publish_silence(supervisor);
	limits_turn(supervisor);
	supervisor_act(supervisor);
}

static void
supervise(struct supervisor *supervisor)
{
	while (supervision_phase(supervisor->supervision) != PHASE_STOPPED) {
		take_order(supervisor, next_signal(supervisor));
		decide(supervisor);
		if (!is_stopping(supervisor)) {
			redis_watch(supervisor);
			supervisor_act(supervisor);
			tls_material_turn(supervisor, false);
			start_report_turn(supervisor);
			feed_watchdog(supervisor);
		}
		log_buffer_flush(supervisor->log_buffer);
	}
	log_info(&supervisor->log, "stopped");
}

/* ---- the beginning ---- */

static bool
make_children(struct supervisor *supervisor)
{
	struct supervision_options options = {
	    .late_ms = HEARTBEAT_LATE_MS,
	    .settings = supervision_settings_of(supervisor->config),
	};

	/* Workers that the previous binary has left need slots, too. */
	supervisor->worker_slots =
	    GENERATIONS_MAX * supervisor->config->workers + upgrade_workers();
	supervisor->processes =
	    calloc(SLOT_WORKERS + supervisor->worker_slots, sizeof(*supervisor->processes));
	supervisor->stats = shared_stats_map(supervisor->worker_slots);
	options.worker_slots = supervisor->worker_slots;
	supervisor->supervision = supervision_new(&options);
	return supervisor->processes != NULL && supervisor->stats != NULL &&
	       supervisor->supervision != NULL;
}

/* Start all that does not run already. */
static void
start_children(struct supervisor *supervisor)
{
	struct supervision *supervision = supervisor->supervision;
	const pid_t *redis = &supervisor->processes[SLOT_REDIS].pid;

	if (supervisor->private_redis && *redis == 0) {
		supervision_start_redis(supervision, supervisor_clock_ms());
		supervisor_act(supervisor);
		if (*redis > 0)
			redis_child_await(&supervisor->redis, *redis);
	}
	supervision_start(supervision, supervisor_clock_ms());
	supervisor_act(supervisor);
}

static void
block_signals(struct supervisor *supervisor)
{
	sigemptyset(&supervisor->signals);
	sigaddset(&supervisor->signals, SIGTERM);
	sigaddset(&supervisor->signals, SIGINT);
	sigaddset(&supervisor->signals, SIGHUP);
	sigaddset(&supervisor->signals, SIGUSR1);
	sigaddset(&supervisor->signals, SIGUSR2);
	sigaddset(&supervisor->signals, SIGNAL_DUMP);
	sigaddset(&supervisor->signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &supervisor->signals, &supervisor->before);
	/* The previous binary may have left them blocked. Children must not inherit that. */
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&supervisor->signals, number) == 1)
			sigdelset(&supervisor->before, number);
	signal(SIGPIPE, SIG_IGN);
}

/* What the log needs is made first, because everything else may log. */
static bool
start(struct supervisor *supervisor)
{
	if (!make_children(supervisor)) {
		log_error(&supervisor->log, "out of memory");
		return false;
	}
	supervisor->log_buffer =
	    log_buffer_start(&supervisor->log, &supervisor->stats->supervisor_log);
	return supervisor->log_buffer != NULL;
}

static bool
listen_to_clients(struct supervisor *supervisor)
{
	struct inherited inherited;
	bool listening;

	listeners_inherit(&inherited);
	upgrade_end_control();
	listening = listeners_open(
	    &supervisor->listeners, supervisor->config, &inherited, &supervisor->log);
	inherited_close(&inherited);
	return listening;
}

int
server_run(struct config *config, const struct log *log, char *const *arguments)
{
	struct supervisor supervisor = {.config = config,
	    .log = *log,
	    .arguments = arguments,
	    .private_redis = config->store.url == NULL,
	    .watchdog_ms = notify_watchdog_ms()};
	int status = 1;

	supervisor.redis.lock = -1;
	supervisor.access_log_fd = -1;
	block_signals(&supervisor);
	if (readlink("/proc/self/exe", supervisor.program, sizeof(supervisor.program) - 1) < 0)
		supervisor.program[0] = '\0';
	if (!start(&supervisor))
		goto done;
	log = &supervisor.log;
	start_report_begin(&supervisor);
	raise_descriptor_limit(&supervisor);
	if (!listen_to_clients(&supervisor) ||
	    !access_log_open(config, log, &supervisor.access_log_fd) ||
	    !tls_material_start(&supervisor) || !control_secret_make(&supervisor) ||
	    !limits_start(&supervisor) || !session_key_load(config, log, supervisor.session_key) ||
	    !drop_privileges(&supervisor))
		goto done;
	upgrade_adopt(&supervisor);
	supervisor_act(&supervisor);
	if (supervisor.private_redis && !redis_child_prepare(&supervisor.redis, config, log))
		goto done;
	supervisor.own_sockets = own_sockets_list(&supervisor, config);
	if (supervisor.own_sockets == NULL) {
		log_error(log, "out of memory");
		goto done;
	}
	start_children(&supervisor);
	supervise(&supervisor);
	status = 0;
done:
	log_buffer_stop(supervisor.log_buffer, &supervisor.log);
	supervisor_free(&supervisor);
	config_free(supervisor.config);
	sigprocmask(SIG_SETMASK, &supervisor.before, NULL);
	return status;
}
