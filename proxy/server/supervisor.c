/* supervisor.c - the beginning, the watch over the children, and the end. */
#include "server/supervisor.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/redis/url.h"
#include "server/notify.h"
#include "server/server.h"

/* The longest that the supervisor sleeps when no signal comes; less while a new generation starts.
 */
#define NAP_MS 200
#define NAP_REPLACING_MS 10

/* Parts of the shared mapping: generations that may still drain while others serve. */
#define GENERATIONS_MAX 8

#define SOCKET_PATH_MAX 108

/* ---- the end ---- */

static bool
any_left(const struct supervisor *supervisor, enum child_role role)
{
	for (size_t i = 0; i < SLOT_WORKERS + supervisor->worker_slots; i++)
		if (supervisor->children[i].role == role && supervisor->children[i].pid > 0)
			return true;
	return false;
}

static void
retire_all(struct supervisor *supervisor, enum child_role role, int number, uint64_t patience_ms)
{
	for (size_t i = 0; i < SLOT_WORKERS + supervisor->worker_slots; i++)
		if (supervisor->children[i].role == role && supervisor->children[i].pid > 0)
			child_retire(&supervisor->children[i], number, patience_ms);
}

/* End the children of one role: ask, wait, and kill what does not go. A second request to stop
 * hurries. */
static void
end_children(struct supervisor *supervisor, enum child_role role, uint64_t patience_ms, bool *hurry)
{
	bool hurried = false;

	retire_all(supervisor, role, SIGTERM, patience_ms);
	while (any_left(supervisor, role)) {
		int number =
		    supervisor_next_signal(supervisor, children_due_ms(supervisor, true, NAP_MS));

		if (number == SIGINT || number == SIGTERM)
			*hurry = true;
		if (*hurry && !hurried && role == CHILD_WORKER) {
			hurried = true;
			retire_all(supervisor, role, SIGINT, GRACE_MS);
		}
		children_hurry(supervisor);
		children_reap(supervisor, true);
		log_buffer_flush(supervisor->log_buffer);
	}
}

static void
supervisor_end(struct supervisor *supervisor)
{
	bool hurry = false;

	log_info(&supervisor->log, "stopping: waiting for requests to end");
	notify_state("STOPPING=1");
	counter_set(&supervisor->stats->draining, 1);
	end_children(
	    supervisor, CHILD_WORKER, supervisor->config->timeouts.drain + GRACE_MS, &hurry);
	end_children(supervisor, CHILD_CONTROL, GRACE_MS, &hurry);
	end_children(supervisor, CHILD_REDIS, GRACE_MS * 5, &hurry);
	log_info(&supervisor->log, "stopped");
}

/* ---- the watch ---- */

static void
start_waiting(struct supervisor *supervisor)
{
	uint64_t now_ms = supervisor_clock_ms();

	for (size_t i = 0; i < SLOT_WORKERS + supervisor->worker_slots; i++) {
		struct child *child = &supervisor->children[i];

		if (child->state == CHILD_WAITING && now_ms >= child->restart_ms)
			child_start(supervisor, child);
	}
}

static void
feed_watchdog(struct supervisor *supervisor)
{
	uint64_t now_ms = supervisor_clock_ms();

	if (supervisor->watchdog_ms == 0 ||
	    now_ms < supervisor->watched_ms + supervisor->watchdog_ms)
		return;
	if (!heartbeat_good(supervisor))
		return;
	supervisor->watched_ms = now_ms;
	notify_state("WATCHDOG=1");
}

/* A new generation has been started: let it have the place, or back to the old one. */
static void
watch_replacing(struct supervisor *supervisor)
{
	if (generation_accepts(supervisor)) {
		generation_retire_old(supervisor);
		reload_settle(supervisor);
	} else {
		generation_check_store(supervisor);
		if (supervisor->failing == NULL || !reload_undo(supervisor))
			return;
	}
	notify_state("READY=1");
}

/* One after the other; but what does not come up must not keep what would from coming. */
static bool
may_replace(const struct supervisor *supervisor)
{
	return !supervisor->replacing || supervisor->failing != NULL;
}

static void
supervise(struct supervisor *supervisor)
{
	for (;;) {
		uint64_t nap_ms = supervisor->replacing ? NAP_REPLACING_MS : NAP_MS;
		int number =
		    supervisor_next_signal(supervisor, children_due_ms(supervisor, false, nap_ms));

		if (number == SIGTERM || number == SIGINT)
			return;
		if (number == SIGUSR1)
			supervisor_reopen_log(supervisor);
		if (number == SIGUSR2)
			supervisor->upgrade = true;
		if (number == SIGHUP)
			supervisor->again = true;
		children_reap(supervisor, false);
		children_replace_draining(supervisor);
		children_hurry(supervisor);
		heartbeat_watch(supervisor);
		heartbeat_orphans(supervisor);
		start_waiting(supervisor);
		redis_watch(supervisor);
		if (supervisor->replacing)
			watch_replacing(supervisor);
		if (supervisor->upgrade && may_replace(supervisor))
			supervisor_upgrade(supervisor);
		if (supervisor->again && may_replace(supervisor))
			supervisor_reload(supervisor);
		secure_turn(supervisor, false);
		log_buffer_flush(supervisor->log_buffer);
		feed_watchdog(supervisor);
	}
}

/* ---- the beginning ---- */

/* Add the path of a store's URL, if it has one; text is room for it. */
static void
add_store_socket(const char **list, size_t *n, const char *store_url, char text[SOCKET_PATH_MAX])
{
	struct redis_url url = {0};
	char error[128];

	if (redis_url_parse(store_url, &url, error, sizeof(error)) && url.path[0] != 0 &&
	    strlen(url.path) < SOCKET_PATH_MAX)
		list[(*n)++] = strcpy(text, url.path);
	redis_url_wipe(&url);
}

const char **
own_sockets_list(const struct supervisor *supervisor, const struct config *config)
{
	/* The store's paths are kept behind the list. */
	size_t count = config->listener_count + 5, n = 0;
	const char **list = calloc(1, count * sizeof(*list) + 2 * SOCKET_PATH_MAX);
	char *text;

	if (list == NULL)
		return NULL;
	text = (char *)(list + count);
	list[n++] = config->control.socket;
	if (config->control.gateway_socket != NULL)
		list[n++] = config->control.gateway_socket;
	if (supervisor->private_redis) {
		list[n++] = supervisor->redis.socket;
	} else {
		add_store_socket(list, &n, config->store.read_url, text);
		add_store_socket(list, &n, config->store.write_url, text + SOCKET_PATH_MAX);
	}
	for (size_t i = 0; i < config->listener_count; i++)
		if (config->listeners[i].path != NULL)
			list[n++] = config->listeners[i].path;
	return list;
}

static bool
make_children(struct supervisor *supervisor)
{
	/* The binary before us may have had more workers than we shall: they are beside ours. */
	supervisor->worker_slots =
	    GENERATIONS_MAX * supervisor->config->workers + upgrade_workers();
	supervisor->children =
	    calloc(SLOT_WORKERS + supervisor->worker_slots, sizeof(*supervisor->children));
	supervisor->stats = shared_stats_map(supervisor->worker_slots);
	if (supervisor->children == NULL || supervisor->stats == NULL)
		return false;
	supervisor->children[SLOT_REDIS].role = CHILD_REDIS;
	supervisor->children[SLOT_CONTROL].role = CHILD_CONTROL;
	return true;
}

/* Start all that does not run already. */
static void
start_children(struct supervisor *supervisor)
{
	struct child *redis = &supervisor->children[SLOT_REDIS];
	struct child *control = &supervisor->children[SLOT_CONTROL];

	if (supervisor->private_redis && redis->state == CHILD_UNUSED) {
		child_start(supervisor, redis);
		if (redis->state == CHILD_RUNNING)
			redis_child_await(&supervisor->redis, redis->pid);
	}
	if (control->state == CHILD_UNUSED)
		child_start(supervisor, control);
	generation_start(supervisor);
	if (!supervisor->warm)
		generation_serves(supervisor); /* nobody else does */
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
	sigaddset(&supervisor->signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &supervisor->signals, &supervisor->before);
	/* The binary before us may have left them blocked; children are not to inherit that. */
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&supervisor->signals, number) == 1)
			sigdelset(&supervisor->before, number);
	signal(SIGPIPE, SIG_IGN);
}

void
supervisor_free(struct supervisor *supervisor)
{
	reload_forget(supervisor);
	listeners_close(&supervisor->listeners, false);
	secure_free(&supervisor->secured);
	tls_tickets_free(supervisor->tickets);
	/* The mapping stays: the thread of a log that is stuck may still count in it. */
	redis_child_release(&supervisor->redis);
	free(supervisor->children);
	free(supervisor->own_sockets);
	OPENSSL_cleanse(supervisor->control_secret, sizeof(supervisor->control_secret));
	supervisor_close_log(supervisor);
}

/* What the log needs is made first: everything else may log. */
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
	raise_descriptor_limit(&supervisor);
	if (!listen_to_clients(&supervisor) ||
	    !access_log_open(config, log, &supervisor.access_log_fd) ||
	    !secure_start(&supervisor) || !control_secret_make(&supervisor) ||
	    !session_key_load(config, log, supervisor.session_key) || !drop_privileges(&supervisor))
		goto done;
	supervisor.warm = upgrade_adopt(&supervisor);
	if (supervisor.private_redis && !redis_child_prepare(&supervisor.redis, config, log))
		goto done;
	supervisor.own_sockets = own_sockets_list(&supervisor, config);
	if (supervisor.own_sockets == NULL) {
		log_error(log, "out of memory");
		goto done;
	}
	start_children(&supervisor);
	supervise(&supervisor);
	listeners_close(&supervisor.listeners, true);
	supervisor_end(&supervisor);
	status = 0;
done:
	log_buffer_stop(supervisor.log_buffer, &supervisor.log);
	supervisor_free(&supervisor);
	config_free(supervisor.config);
	sigprocmask(SIG_SETMASK, &supervisor.before, NULL);
	return status;
}
