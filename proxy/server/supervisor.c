/* supervisor.c - binds, forks, restarts and ends the processes; never touches a client's byte. */
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "auth/control/control.h"
#include "jobgate/paths.h"
#include "observe/metrics.h"
#include "server/listeners.h"
#include "server/redis_child.h"
#include "server/worker.h"

/* A child that ends is started again after this, doubled each time up to the last, until it has
 * stayed for a while. */
#define RESTART_FIRST_MS 50
#define RESTART_LAST_MS 5000
#define STAYED_MS 10000

/* How long the supervisor sleeps when no signal comes. */
#define NAP_MS 200

/* After the drain time children have this long before they are killed. */
#define GRACE_MS 2000

enum child_role { CHILD_REDIS, CHILD_CONTROL, CHILD_WORKER };

struct child {
	enum child_role role;
	unsigned index; /* of a worker */
	pid_t pid;	/* 0: not running */
	uint64_t started_ms, restart_ms, backoff_ms;
};

struct supervisor {
	const struct config *config;
	struct log log;
	struct listeners listeners;
	struct shared_stats *stats;
	struct redis_child redis;
	bool private_redis;
	int access_log_fd;
	size_t child_count;
	struct child *children; /* redis and control first, so that they start first */
	const char **own_sockets;
	sigset_t signals, before;
};

static uint64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- children ---- */

static const char *
store_url(const struct supervisor *supervisor)
{
	return supervisor->private_redis ? supervisor->redis.url : supervisor->config->store.url;
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

static int
run_control(struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;
	const struct control_setup setup = {
	    .socket_path = config->control.socket,
	    .metrics_address = config->control.metrics,
	    .store_url = store_url(supervisor),
	    .key_prefix = config->store.prefix,
	    .ca_file = config->store.ca_file,
	    .public_url = config->jobs.public_url,
	    .log = {supervisor->log.fd, supervisor->log.level, "control", supervisor->log.journal},
	    .observe_ctx = supervisor->stats,
	    .ready = control_ready,
	    .metrics = control_metrics,
	};

	listeners_close(&supervisor->listeners, false);
	return control_run(&setup);
}

static int
run_worker(struct supervisor *supervisor, unsigned index)
{
	char name[32];
	struct worker_setup setup = {
	    .config = supervisor->config,
	    .index = index,
	    .own = supervisor->listeners.bound,
	    .listeners = supervisor->listeners.fds + index * supervisor->listeners.count,
	    .store_url = store_url(supervisor),
	    .stats = &supervisor->stats->workers[index],
	    .own_sockets = supervisor->own_sockets,
	    .access_log_fd = supervisor->access_log_fd,
	    .log = supervisor->log,
	};
	int status;

	snprintf(name, sizeof(name), "worker %u", index);
	setup.log.process = name;
	listeners_keep_own(&supervisor->listeners, index);
	status = worker_run(&setup);
	listeners_close(&supervisor->listeners, false);
	return status;
}

static const char *
child_name(const struct child *child, char out[32])
{
	switch (child->role) {
	case CHILD_REDIS:
		return "redis-server";
	case CHILD_CONTROL:
		return "control";
	case CHILD_WORKER:
		snprintf(out, 32, "worker %u", child->index);
		return out;
	}
	return "child";
}

static void supervisor_free(struct supervisor *supervisor);

/* The body of a forked child; never returns. */
static void
run_child(struct supervisor *supervisor, const struct child *child, pid_t parent)
{
	char name[32];
	int status = 1;
	struct child copy = *child;

	/* Without a supervisor nobody would end us: end with it. Redis wants to write its file
	 * first. */
	prctl(PR_SET_PDEATHSIG, copy.role == CHILD_WORKER ? SIGINT : SIGTERM);
	if (getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, child_name(&copy, name));
	signal(SIGHUP, SIG_IGN);
	/* The terminal's Ctrl-C reaches all: the supervisor decides how the children end. */
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, &supervisor->before, NULL);
	switch (copy.role) {
	case CHILD_REDIS:
		redis_child_exec(&supervisor->redis, supervisor->config, &supervisor->log);
		_exit(127);
	case CHILD_CONTROL:
		status = run_control(supervisor);
		break;
	case CHILD_WORKER:
		status = run_worker(supervisor, copy.index);
		break;
	}
	supervisor_free(supervisor);
	config_free((struct config *)supervisor->config);
	exit(status);
}

static void
start_child(struct supervisor *supervisor, struct child *child)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0)
		run_child(supervisor, child, parent);
	child->started_ms = clock_ms();
	child->restart_ms = 0;
	if (pid > 0) {
		child->pid = pid;
		return;
	}
	log_error(&supervisor->log, "cannot fork: %s", strerror(errno));
	child->pid = 0;
	child->restart_ms = child->started_ms + RESTART_LAST_MS;
}

/* A child has ended although nobody asked it to. */
static void
child_lost(struct supervisor *supervisor, struct child *child, int status)
{
	uint64_t now_ms = clock_ms();
	char name[32];

	if (now_ms - child->started_ms > STAYED_MS || child->backoff_ms == 0)
		child->backoff_ms = RESTART_FIRST_MS;
	else if (child->backoff_ms < RESTART_LAST_MS)
		child->backoff_ms *= 2;
	child->restart_ms = now_ms + child->backoff_ms;
	if (WIFSIGNALED(status))
		log_error(&supervisor->log, "%s ended by signal %d (%s); starting it again",
		    child_name(child, name), WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_error(&supervisor->log, "%s ended with status %d; starting it again",
		    child_name(child, name), WEXITSTATUS(status));
	if (child->role == CHILD_WORKER) {
		counter_set(&supervisor->stats->workers[child->index].ready, 0);
		counter_set(&supervisor->stats->workers[child->index].connections, 0);
		counter_set(&supervisor->stats->workers[child->index].tunnels, 0);
	}
}

/* Collect those that have ended. */
static void
reap(struct supervisor *supervisor, bool ending)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < supervisor->child_count; i++) {
			struct child *child = &supervisor->children[i];

			if (child->pid != pid)
				continue;
			child->pid = 0;
			if (!ending)
				child_lost(supervisor, child, status);
		}
	}
}

static bool
any_running(const struct supervisor *supervisor, enum child_role role)
{
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (supervisor->children[i].role == role && supervisor->children[i].pid > 0)
			return true;
	return false;
}

static void
signal_children(const struct supervisor *supervisor, enum child_role role, int number)
{
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (supervisor->children[i].role == role && supervisor->children[i].pid > 0)
			kill(supervisor->children[i].pid, number);
}

/* The next signal, or 0 after a nap. */
static int
next_signal(const struct supervisor *supervisor)
{
	const struct timespec nap = {0, NAP_MS * 1000000};
	int number = sigtimedwait(&supervisor->signals, NULL, &nap);

	return number > 0 ? number : 0;
}

/* ---- the end ---- */

/* End the children of one role: ask, wait, and kill what does not go. A second request to stop
 * hurries. */
static void
end_children(struct supervisor *supervisor, enum child_role role, uint64_t patience_ms, bool *hurry)
{
	uint64_t deadline_ms = clock_ms() + patience_ms;
	bool hurried = false;

	signal_children(supervisor, role, SIGTERM);
	while (any_running(supervisor, role)) {
		int number = next_signal(supervisor);

		if (number == SIGINT || number == SIGTERM)
			*hurry = true;
		if (*hurry && !hurried && role == CHILD_WORKER) {
			hurried = true;
			signal_children(supervisor, role, SIGINT);
			deadline_ms = clock_ms() + GRACE_MS;
		}
		if (clock_ms() > deadline_ms)
			signal_children(supervisor, role, SIGKILL);
		reap(supervisor, true);
	}
}

static void
supervisor_end(struct supervisor *supervisor)
{
	bool hurry = false;

	log_info(&supervisor->log, "stopping: waiting for requests to end");
	counter_set(&supervisor->stats->draining, 1);
	end_children(
	    supervisor, CHILD_WORKER, supervisor->config->timeouts.drain + GRACE_MS, &hurry);
	end_children(supervisor, CHILD_CONTROL, GRACE_MS, &hurry);
	end_children(supervisor, CHILD_REDIS, GRACE_MS * 5, &hurry);
	log_info(&supervisor->log, "stopped");
}

static void
supervise(struct supervisor *supervisor)
{
	for (;;) {
		int number = next_signal(supervisor);
		uint64_t now_ms = clock_ms();

		if (number == SIGTERM || number == SIGINT)
			return;
		if (number == SIGHUP)
			log_info(&supervisor->log,
			    "SIGHUP: a changed configuration takes effect after a restart");
		reap(supervisor, false);
		for (size_t i = 0; i < supervisor->child_count; i++) {
			struct child *child = &supervisor->children[i];

			if (child->pid == 0 && now_ms >= child->restart_ms)
				start_child(supervisor, child);
		}
	}
}

/* ---- the beginning ---- */

/* Descriptors for all connections, as far as the system lets us. */
static void
raise_descriptor_limit(const struct supervisor *supervisor)
{
	rlim_t wanted = supervisor->config->limits.connections * 2 + 1024;
	struct rlimit limit, raised;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	raised = limit;
	raised.rlim_cur = wanted;
	if (raised.rlim_max < wanted)
		raised.rlim_max = wanted; /* root may */
	if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
		return;
	raised = limit;
	raised.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &raised);
	log_warning(&supervisor->log,
	    "limits.connections is %zu but the descriptor limit of %llu leaves room for about "
	    "%llu: raise it "
	    "(ulimit -n, LimitNOFILE=) or lower limits.connections",
	    supervisor->config->limits.connections, (unsigned long long)limit.rlim_max,
	    (unsigned long long)limit.rlim_max / 2);
}

static bool
make_parent(const char *path, const struct log *log, uid_t owner, gid_t group)
{
	const char *slash = strrchr(path, '/');
	char directory[512];

	if (slash == NULL || slash == path)
		return true;
	snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
	if (access(directory, F_OK) == 0)
		return true;
	if (jg_make_directory(directory) && (owner == 0 || chown(directory, owner, group) == 0))
		return true;
	log_error(log, "cannot make the directory %s: %s", directory, strerror(errno));
	return false;
}

/* Become the configured user; what only root could do is done by now. */
static bool
drop_privileges(const struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;
	const struct passwd *user;
	char state[512];

	if (geteuid() != 0 || config->user == NULL)
		return make_parent(config->control.socket, &supervisor->log, 0, 0);
	user = getpwnam(config->user);
	if (user == NULL) {
		log_error(&supervisor->log, "user: there is no user %s", config->user);
		return false;
	}
	snprintf(state, sizeof(state), "%s/.", config->store.state_dir);
	if (!make_parent(config->control.socket, &supervisor->log, user->pw_uid, user->pw_gid) ||
	    (supervisor->private_redis &&
		!make_parent(state, &supervisor->log, user->pw_uid, user->pw_gid)))
		return false;
	if (initgroups(config->user, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
	    setuid(user->pw_uid) != 0) {
		log_error(
		    &supervisor->log, "cannot become user %s: %s", config->user, strerror(errno));
		return false;
	}
	return true;
}

static bool
open_access_log(struct supervisor *supervisor)
{
	const char *access_log = supervisor->config->log.access;

	supervisor->access_log_fd = -1;
	if (strcmp(access_log, "off") == 0)
		return true;
	if (strcmp(access_log, "-") == 0) {
		supervisor->access_log_fd = STDOUT_FILENO;
		return true;
	}
	supervisor->access_log_fd =
	    open(access_log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (supervisor->access_log_fd < 0)
		log_error(&supervisor->log, "cannot open the access log %s: %s", access_log,
		    strerror(errno));
	return supervisor->access_log_fd >= 0;
}

/* Paths at which the gateway listens itself: never a backend's. */
static bool
list_own_sockets(struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;
	size_t n = 0;

	supervisor->own_sockets =
	    calloc(config->listener_count + 4, sizeof(*supervisor->own_sockets));
	if (supervisor->own_sockets == NULL)
		return false;
	supervisor->own_sockets[n++] = config->control.socket;
	if (supervisor->private_redis)
		supervisor->own_sockets[n++] = supervisor->redis.socket;
	else if (strncmp(config->store.url, "unix:", 5) == 0)
		supervisor->own_sockets[n++] =
		    config->store.url + (strncmp(config->store.url, "unix://", 7) == 0 ? 7 : 5);
	for (size_t i = 0; i < config->listener_count; i++)
		if (config->listeners[i].path != NULL)
			supervisor->own_sockets[n++] = config->listeners[i].path;
	return true;
}

static bool
make_children(struct supervisor *supervisor)
{
	size_t n = 0;

	supervisor->children =
	    calloc(supervisor->config->workers + 2, sizeof(*supervisor->children));
	supervisor->stats = shared_stats_map(supervisor->config->workers);
	if (supervisor->children == NULL || supervisor->stats == NULL)
		return false;
	if (supervisor->private_redis)
		supervisor->children[n++].role = CHILD_REDIS;
	supervisor->children[n++].role = CHILD_CONTROL;
	for (unsigned i = 0; i < supervisor->config->workers; i++)
		supervisor->children[n++] = (struct child){.role = CHILD_WORKER, .index = i};
	supervisor->child_count = n;
	return true;
}

static void
block_signals(struct supervisor *supervisor)
{
	sigemptyset(&supervisor->signals);
	sigaddset(&supervisor->signals, SIGTERM);
	sigaddset(&supervisor->signals, SIGINT);
	sigaddset(&supervisor->signals, SIGHUP);
	sigaddset(&supervisor->signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &supervisor->signals, &supervisor->before);
	signal(SIGPIPE, SIG_IGN);
}

static void
supervisor_free(struct supervisor *supervisor)
{
	listeners_close(&supervisor->listeners, false);
	shared_stats_unmap(supervisor->stats);
	redis_child_release(&supervisor->redis);
	free(supervisor->children);
	free(supervisor->own_sockets);
	if (supervisor->access_log_fd > STDERR_FILENO)
		close(supervisor->access_log_fd);
}

int
server_run(const struct config *config, const struct log *log)
{
	struct supervisor supervisor = {
	    .config = config, .log = *log, .private_redis = config->store.url == NULL};
	int status = 1;

	supervisor.redis.lock = -1;
	supervisor.access_log_fd = -1;
	block_signals(&supervisor);
	raise_descriptor_limit(&supervisor);
	if (!listeners_open(&supervisor.listeners, config, log) || !open_access_log(&supervisor) ||
	    !drop_privileges(&supervisor))
		goto done;
	if (supervisor.private_redis && !redis_child_prepare(&supervisor.redis, config, log))
		goto done;
	if (!make_children(&supervisor) || !list_own_sockets(&supervisor)) {
		log_error(log, "out of memory");
		goto done;
	}
	supervise(&supervisor);
	listeners_close(&supervisor.listeners, true);
	supervisor_end(&supervisor);
	status = 0;
done:
	supervisor_free(&supervisor);
	sigprocmask(SIG_SETMASK, &supervisor.before, NULL);
	return status;
}
