/* children.c - forking the processes, collecting them, starting them again. */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "observe/log_runner.h"
#include "observe/service_log.h"
#include "server/supervisor.h"
#include "server/worker.h"

/* A child that ends is restarted immediately; the next time after this pause, which doubles up to
 * the longest one until a child has stayed for a while. */
#define RESTART_SECOND_MS 50
#define RESTART_LAST_MS 5000
#define STAYED_MS 10000

/* If a killed child still exists after this time, it is killed again. */
#define KILL_AGAIN_MS 1000

uint64_t
supervisor_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int
run_worker(struct supervisor *supervisor, const struct child *child)
{
	size_t slot = (size_t)(child - supervisor->children) - SLOT_WORKERS;
	unsigned index = child->index;
	const struct worker_setup setup = {
	    .config = supervisor->config,
	    .index = index,
	    .own = supervisor->listeners.bound,
	    .listeners = supervisor->listeners.fds + index * supervisor->listeners.count,
	    .all_listeners = supervisor->listeners.fds,
	    .shared = supervisor->stats,
	    .store_url = supervisor_store_url(supervisor, supervisor->config->store.read_url),
	    .primary_url = supervisor_store_url(supervisor, supervisor->config->store.write_url),
	    .stats = &supervisor->stats->workers[slot],
	    .own_sockets = supervisor->own_sockets,
	    .tls = supervisor->secured.tls,
	    .control_tls = supervisor->secured.control_tls,
	    .control_secret = supervisor->control_secret,
	    .backend_tls = supervisor->secured.backend_tls,
	    .session_key = supervisor->session_key,
	    .access_log_fd = supervisor->access_log_fd,
	    .log_runner = &log_threads,
	    .log = supervisor->log,
	};
	int status;

	supervisor->access_log_fd = -1; /* the worker's from now on */
	listeners_keep(&supervisor->listeners, index);
	secure_forget(supervisor, false);
	status = worker_run(&setup);
	listeners_close(&supervisor->listeners, false);
	return status;
}

const char *
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

static struct worker_stats *
stats_of(struct supervisor *supervisor, const struct child *child)
{
	return &supervisor->stats->workers[child - supervisor->children - SLOT_WORKERS];
}

/* The body of a forked child; never returns. */
static void
run_child(struct supervisor *supervisor, const struct child *child, pid_t parent)
{
	struct config *config = supervisor->config;
	struct log_losses *losses;
	struct service_log *service_log = NULL;
	char name[32];
	int status = 1;

	/* Without a supervisor nobody would end us: end with it. Redis wants to write its file
	 * first. */
	prctl(PR_SET_PDEATHSIG, child->role == CHILD_WORKER ? SIGINT : SIGTERM);
	if (getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, child_name(child, name));
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	/* The terminal's Ctrl-C reaches all: the supervisor decides how the children end. */
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, &supervisor->before, NULL);
	log_buffer_forget(supervisor->log_buffer, &supervisor->log);
	supervisor->log_buffer = NULL;
	supervisor->log.process = child_name(child, name);
	reload_forget(supervisor);
	switch (child->role) {
	case CHILD_REDIS:
		supervisor->log_buffer =
		    log_buffer_start(&supervisor->log, &supervisor->stats->redis_log);
		redis_child_exec(&supervisor->redis, config, &supervisor->log);
		log_buffer_stop(supervisor->log_buffer, &supervisor->log);
		_exit(127);
	case CHILD_CONTROL:
		losses = &supervisor->stats->control_log;
		service_log = service_log_start(&supervisor->log, losses);
		status = service_log != NULL ? control_child_run(supervisor) : 1;
		break;
	case CHILD_WORKER:
		losses = &stats_of(supervisor, child)->service_log;
		service_log = service_log_start(&supervisor->log, losses);
		status = service_log != NULL ? run_worker(supervisor, child) : 1;
		break;
	}
	service_log_stop(service_log, &supervisor->log);
	supervisor_free(supervisor);
	config_free(config);
	exit(status);
}

/* What a worker that is no more had published of the moment; what it counted stays. */
static void
clear_gauges(struct supervisor *supervisor, const struct child *child)
{
	struct worker_stats *stats = stats_of(supervisor, child);

	counter_set(&stats->ready, 0);
	counter_set(&stats->accepting, 0);
	counter_set(&stats->draining, 0);
	counter_set(&stats->connections, 0);
	counter_set(&stats->tunnels, 0);
	counter_set(&stats->backend_connections, 0);
	counter_set(&stats->backend_idle, 0);
	counter_set(&stats->records_watched, 0);
	counter_set(&stats->store_up, 0);
}

void
child_start(struct supervisor *supervisor, struct child *child)
{
	pid_t parent = getpid();
	pid_t pid;

	if (child->role == CHILD_WORKER) {
		clear_gauges(supervisor, child);
		counter_set(&stats_of(supervisor, child)->without_store, supervisor->without_store);
		/* Only compared: workers of one configuration have one set of sockets. */
		counter_set(&stats_of(supervisor, child)->sockets, (uintptr_t)supervisor->config);
		counter_set(&stats_of(supervisor, child)->index, child->index);
	}
	heartbeat_start(supervisor, child);
	if (child->role == CHILD_REDIS)
		redis_watch_start(supervisor);
	if (child->role == CHILD_CONTROL)
		supervisor->control_config = supervisor->config;
	pid = fork();
	if (pid == 0)
		run_child(supervisor, child, parent);
	child->started_ms = supervisor_clock_ms();
	if (pid > 0) {
		child->pid = pid;
		child->state = CHILD_RUNNING;
		return;
	}
	log_error(&supervisor->log, "cannot fork: %s", strerror(errno));
	child->state = CHILD_WAITING;
	child->restart_ms = child->started_ms + RESTART_LAST_MS;
}

void
child_retire(struct child *child, int signal_number, uint64_t patience_ms)
{
	child->state = CHILD_RETIRING;
	child->deadline_ms = supervisor_clock_ms() + patience_ms;
	kill(child->pid, signal_number);
}

void
children_hurry(struct supervisor *supervisor)
{
	uint64_t now_ms = supervisor_clock_ms();

	for (size_t i = 0; i < SLOT_WORKERS + supervisor->worker_slots; i++)
		if (supervisor->children[i].state == CHILD_RETIRING &&
		    now_ms > supervisor->children[i].deadline_ms) {
			supervisor->children[i].deadline_ms = now_ms + KILL_AGAIN_MS;
			kill(supervisor->children[i].pid, SIGKILL);
		}
}

struct child *
children_free_slot(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		struct child *child = &supervisor->children[SLOT_WORKERS + i];

		if (child->state == CHILD_UNUSED)
			return child;
	}
	return NULL;
}

/*
 * The longest pause between two starts. The private store must be back well before the workers'
 * records are too old.
 */
static uint64_t
restart_last_ms(const struct supervisor *supervisor, const struct child *child)
{
	uint64_t quarter = supervisor->config->store.max_staleness / 4;

	return child->role == CHILD_REDIS && quarter < RESTART_LAST_MS ? quarter : RESTART_LAST_MS;
}

/* A child has ended although nobody asked it to. */
static void
child_lost(struct supervisor *supervisor, struct child *child, int status)
{
	uint64_t now_ms = supervisor_clock_ms(), pause_ms;
	char name[32], when[32] = "at once";

	if (now_ms - child->started_ms > STAYED_MS)
		child->backoff_ms = 0;
	pause_ms = child->backoff_ms;
	child->restart_ms = now_ms + pause_ms;
	child->backoff_ms = child->backoff_ms > 0 ? child->backoff_ms * 2 : RESTART_SECOND_MS;
	if (child->backoff_ms > restart_last_ms(supervisor, child))
		child->backoff_ms = restart_last_ms(supervisor, child);
	child->lost = true;
	child->state = CHILD_WAITING;
	if (pause_ms > 0)
		snprintf(when, sizeof(when), "in %llu ms", (unsigned long long)pause_ms);
	if (WIFSIGNALED(status))
		log_error(&supervisor->log, "%s ended by signal %d (%s); starting it again %s",
		    child_name(child, name), WTERMSIG(status), strsignal(WTERMSIG(status)), when);
	else
		log_error(&supervisor->log, "%s ended with status %d; starting it again %s",
		    child_name(child, name), WEXITSTATUS(status), when);
	if (child->role == CHILD_REDIS && redis_watch_last_line(supervisor)[0] != '\0')
		log_error(&supervisor->log,
		    "redis-server's last line: %s (its log and its files are in %s)",
		    redis_watch_last_line(supervisor), supervisor->config->store.state_dir);
}

static void
child_ended(struct supervisor *supervisor, struct child *child, int status, bool ending)
{
	child->pid = 0;
	if (child->role == CHILD_WORKER) {
		child->had_store = counter_get(&stats_of(supervisor, child)->store_up) != 0;
		if (child->state == CHILD_RUNNING &&
		    counter_get(&stats_of(supervisor, child)->accepting) == 0)
			supervisor->failing = "a worker ended before it could serve";
		clear_gauges(supervisor, child);
	}
	if (!ending && child->state == CHILD_RUNNING) {
		child_lost(supervisor, child, status);
		return;
	}
	/* Another that was told to go makes room for the next one; a worker for none. */
	if (!ending && child->role != CHILD_WORKER) {
		child->state = CHILD_WAITING;
		child->restart_ms = 0;
		return;
	}
	child->state = !ending && child->state == CHILD_OLD ? CHILD_GONE : CHILD_UNUSED;
	if (child->role == CHILD_WORKER)
		counter_set(&stats_of(supervisor, child)->serving, 0);
}

/* The worker closed its listening sockets, and may take long to end: clients must not wait for
 * that. */
static void
replace_draining(struct supervisor *supervisor, struct child *child)
{
	struct child *next = children_free_slot(supervisor);
	char name[32];

	if (next == NULL)
		return; /* too many others still drain: a little later */
	log_warning(&supervisor->log,
	    "%s was told to end by another process: starting another in its place",
	    child_name(child, name));
	child_retire(child, 0, supervisor->config->timeouts.drain + GRACE_MS);
	*next = (struct child){.role = CHILD_WORKER, .index = child->index, .lost = true};
	child_start(supervisor, next);
	counter_set(&stats_of(supervisor, next)->serving,
	    counter_get(&stats_of(supervisor, child)->serving));
	counter_set(&stats_of(supervisor, child)->serving, 0);
}

void
children_replace_draining(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		struct child *child = &supervisor->children[SLOT_WORKERS + i];

		if (child->state == CHILD_RUNNING &&
		    counter_get(&supervisor->stats->workers[i].draining) != 0)
			replace_draining(supervisor, child);
	}
}

void
children_reap(struct supervisor *supervisor, bool ending)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < SLOT_WORKERS + supervisor->worker_slots; i++)
			if (supervisor->children[i].pid == pid)
				child_ended(supervisor, &supervisor->children[i], status, ending);
}

uint64_t
children_due_ms(const struct supervisor *supervisor, bool ending, uint64_t max_ms)
{
	uint64_t now_ms = supervisor_clock_ms(), due_ms = now_ms + max_ms;

	for (size_t i = 0; i < SLOT_WORKERS + supervisor->worker_slots; i++) {
		const struct child *child = &supervisor->children[i];

		if (!ending && child->state == CHILD_WAITING && child->restart_ms < due_ms)
			due_ms = child->restart_ms;
		if (child->state == CHILD_RETIRING && child->deadline_ms + 1 < due_ms)
			due_ms = child->deadline_ms + 1;
	}
	return due_ms > now_ms ? due_ms - now_ms : 0;
}

int
supervisor_next_signal(const struct supervisor *supervisor, uint64_t nap_ms)
{
	const struct timespec nap = {0, (long)nap_ms * 1000000};
	int number = sigtimedwait(&supervisor->signals, NULL, &nap);

	return number > 0 ? number : 0;
}
