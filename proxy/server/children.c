/* children.c - forking the processes, collecting them, reading what they publish. */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "jobgate/check.h"
#include "observe/log_runner.h"
#include "observe/service_log.h"
#include "server/descriptors.h"
#include "server/supervisor.h"
#include "server/worker.h"

static int
run_worker(struct supervisor *supervisor, unsigned slot, uint16_t owner)
{
	unsigned index = supervision_child(supervisor->supervision, slot)->index;
	const struct worker_setup setup = {
	    .config = supervisor->config,
	    .index = index,
	    .own = supervisor->listeners.bound,
	    .listeners = supervisor->listeners.fds + index * supervisor->listeners.count,
	    .all_listeners = supervisor->listeners.fds,
	    .shared = supervisor->stats,
	    .job_slots = &supervisor->stats->job_slots,
	    .replica_places = &supervisor->stats->replica_places,
	    .store_url = supervisor_store_url(supervisor, supervisor->config->store.read_url),
	    .primary_url = supervisor_store_url(supervisor, supervisor->config->store.write_url),
	    .stats = child_stats(supervisor, slot),
	    .limits = supervisor->limits.table,
	    .owner = owner,
	    .own_sockets = supervisor->own_sockets,
	    .tls = supervisor->tls_material.tls,
	    .control_tls = supervisor->tls_material.control_tls,
	    .control_secret = supervisor->control_secret,
	    .channel = supervisor->config->control.process.workers_socket,
	    .backend_tls = supervisor->tls_material.backend_tls,
	    .session_key = supervisor->session_key,
	    .access_log_fd = supervisor->access_log_fd,
	    .log_runner = &log_threads,
	    .log = supervisor->log,
	};
	int status;

	supervisor->access_log_fd = -1; /* the worker's from now on */
	listeners_keep(&supervisor->listeners, index);
	tls_material_forget(supervisor, false);
	status = worker_run(&setup);
	listeners_close(&supervisor->listeners, false);
	return status;
}

const char *
child_name(const struct supervisor *supervisor, unsigned slot, char out[32])
{
	const struct child *child = supervision_child(supervisor->supervision, slot);

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

struct worker_stats *
child_stats(const struct supervisor *supervisor, unsigned slot)
{
	return &supervisor->stats->workers[slot - SLOT_WORKERS];
}

/* Take on the signals, the name and the process group of a child. */
static void
become_child(
    const struct supervisor *supervisor, enum child_role role, const char *name, pid_t parent)
{
	/*
	 * No other process would end a child whose supervisor is gone, so the child ends with it.
	 * SIGTERM lets redis-server write its file first.
	 */
	prctl(PR_SET_PDEATHSIG, role == CHILD_WORKER ? SIGINT : SIGTERM);
	if (getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, name);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGNAL_DUMP, SIG_IGN);
	/*
	 * The terminal's Ctrl-C reaches all processes. The supervisor alone decides how the
	 * children end.
	 */
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, &supervisor->before, NULL);
}

/* The body of a forked child; never returns. owner is a worker's number in the table of limits. */
static void
run_child(struct supervisor *supervisor, unsigned slot, uint16_t owner, pid_t parent)
{
	enum child_role role = supervision_child(supervisor->supervision, slot)->role;
	struct config *config = supervisor->config;
	struct log_losses *losses;
	struct service_log *service_log = NULL;
	char name[32];
	int status = 1;

	become_child(supervisor, role, child_name(supervisor, slot, name), parent);
	log_buffer_forget(supervisor->log_buffer, &supervisor->log);
	supervisor->log_buffer = NULL;
	supervisor->log.process = child_name(supervisor, slot, name);
	reload_forget(supervisor);
	switch (role) {
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
		/* Each connection takes two, one of them for its backend. */
		descriptors_make_room(2 * config->limits.connections + DESCRIPTORS_SPARE);
		losses = &child_stats(supervisor, slot)->service_log;
		service_log = service_log_start(&supervisor->log, losses);
		status = service_log != NULL ? run_worker(supervisor, slot, owner) : 1;
		break;
	}
	service_log_stop(service_log, &supervisor->log);
	supervisor_free(supervisor);
	config_free(config);
	exit(status);
}

/* Clear the gauges that a worker published before it ended. Its counters stay. */
static void
clear_gauges(struct worker_stats *stats)
{
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

/* Set what is published of a worker before it starts. */
static void
publish_worker(struct supervisor *supervisor, unsigned slot, bool without_store)
{
	struct worker_stats *stats = child_stats(supervisor, slot);

	clear_gauges(stats);
	counter_set(&stats->without_store, without_store);
	/* The value is only compared: workers of one configuration have one set of sockets. */
	counter_set(&stats->sockets, (uintptr_t)supervisor->config);
	counter_set(&stats->index, supervision_child(supervisor->supervision, slot)->index);
}

bool
child_fork(struct supervisor *supervisor, unsigned slot, bool without_store)
{
	/* There are fewer workers than numbers. */
	uint16_t owner = limit_table_free_number(supervisor->limits.table);
	pid_t parent = getpid();
	pid_t pid;

	switch (supervision_child(supervisor->supervision, slot)->role) {
	case CHILD_REDIS:
		redis_watch_start(supervisor);
		break;
	case CHILD_CONTROL:
		supervisor->control_config = supervisor->config;
		break;
	case CHILD_WORKER:
		publish_worker(supervisor, slot, without_store);
		break;
	}
	pid = fork();
	if (pid == 0)
		run_child(supervisor, slot, owner, parent);
	if (pid < 0) {
		log_error(&supervisor->log, "cannot fork: %s", strerror(errno));
		return false;
	}
	supervisor->processes[slot].pid = pid;
	if (slot >= SLOT_WORKERS)
		limit_table_worker_began(supervisor->limits.table, owner, pid);
	return true;
}

void
child_signal(const struct supervisor *supervisor, unsigned slot, int number)
{
	if (supervisor->processes[slot].pid > 0)
		kill(supervisor->processes[slot].pid, number);
}

void
children_signal_workers(const struct supervisor *supervisor, int number)
{
	for (unsigned i = 0; i < supervisor->worker_slots; i++)
		child_signal(supervisor, SLOT_WORKERS + i, number);
}

/* redis-server publishes nothing. */
static void
report(struct supervisor *supervisor, unsigned slot)
{
	struct child_report report = {.beats = counter_get(&supervisor->stats->control_beats)};
	const struct worker_stats *stats;

	if (slot >= SLOT_WORKERS) {
		stats = child_stats(supervisor, slot);
		report = (struct child_report){
		    .accepting = counter_get(&stats->accepting) != 0,
		    .ready = counter_get(&stats->ready) != 0,
		    .store_up = counter_get(&stats->store_up) != 0,
		    .draining = counter_get(&stats->draining) != 0,
		    .beats = counter_get(&stats->beats),
		};
	}
	if (slot != SLOT_REDIS)
		supervision_report(supervisor->supervision, slot, &report);
}

void
children_report(struct supervisor *supervisor)
{
	for (unsigned i = 0; i < SLOT_WORKERS + supervisor->worker_slots; i++)
		report(supervisor, i);
}

void
children_publish_silence(struct supervisor *supervisor)
{
	const struct supervision *supervision = supervisor->supervision;

	counter_set(&supervisor->stats->control_silent_ms,
	    supervision_child(supervision, SLOT_CONTROL)->silent_ms);
	for (unsigned i = SLOT_WORKERS; i < SLOT_WORKERS + supervisor->worker_slots; i++)
		counter_set(&child_stats(supervisor, i)->silent_ms,
		    supervision_child(supervision, i)->silent_ms);
}

static void
process_ended(struct supervisor *supervisor, unsigned slot, int status)
{
	if (slot >= SLOT_WORKERS)
		limits_worker_ended(supervisor, supervisor->processes[slot].pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHECK_EXIT_STATUS && slot != SLOT_REDIS)
		counter_add(&supervisor->stats->failed_checks, 1);
	supervisor->processes[slot] = (struct process){.status = status};
	report(supervisor, slot);
	if (slot >= SLOT_WORKERS)
		clear_gauges(child_stats(supervisor, slot));
	supervision_ended(supervisor->supervision, slot, supervisor_clock_ms());
}

void
children_reap(struct supervisor *supervisor)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < SLOT_WORKERS + supervisor->worker_slots; i++)
			if (supervisor->processes[i].pid == pid) {
				process_ended(supervisor, i, status);
				break;
			}
}
