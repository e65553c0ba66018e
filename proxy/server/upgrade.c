/* upgrade.c - SIGUSR2: another binary takes the supervisor's place, in the same process. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/notify.h"
#include "server/supervisor.h"

/*
 * What the binary after us has to know and cannot find out: "role index pid" of each
 * child, and the descriptor of the state directory's lock. Listening sockets go
 * by LISTEN_FDS. It is the same process, so the children stay its children, and whoever
 * watches it (systemd) sees no change.
 */
#define CHILDREN_VARIABLE "JOBGATE_CHILDREN"
#define LOCK_VARIABLE "JOBGATE_LOCK_FD"

#define LISTEN_FDS_START 3
#define RETIRE_MS 2000

/* Would it start? A binary or a configuration that is broken must not cost us the gateway. */
static bool
binary_is_good(const struct supervisor *supervisor)
{
	const char *file = supervisor->config->file;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &supervisor->before, NULL);
		if (file != NULL)
			execl(supervisor->program, supervisor->program, "check", "-c", file,
			    (char *)NULL);
		else
			execl(supervisor->program, supervisor->program, "--version", (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A copy of fd that stands above the descriptors that LISTEN_FDS will take. */
static int
move_up(int fd, int above)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, above);
}

/* Lay the listening sockets down from LISTEN_FDS_START on, to be kept over exec. */
static bool
lay_down_listeners(struct supervisor *supervisor, size_t count)
{
	struct listeners *listeners = &supervisor->listeners;
	int above = LISTEN_FDS_START + (int)count;

	for (size_t i = 0; i < count; i++) {
		int moved = move_up(listeners->fds[i], above);

		if (moved < 0)
			return false;
		close(listeners->fds[i]);
		listeners->fds[i] = moved;
	}
	if (supervisor->access_log_fd > STDERR_FILENO) {
		int moved = move_up(supervisor->access_log_fd, above);

		if (moved < 0)
			return false;
		close(supervisor->access_log_fd);
		supervisor->access_log_fd = moved;
	}
	if (supervisor->redis.lock >= 0) {
		int moved = fcntl(supervisor->redis.lock, F_DUPFD, above); /* kept over exec */

		if (moved < 0)
			return false;
		close(supervisor->redis.lock);
		supervisor->redis.lock = moved;
	}
	for (size_t i = 0; i < count; i++)
		if (dup2(listeners->fds[i], LISTEN_FDS_START + (int)i) < 0)
			return false;
	return true;
}

static bool
describe_children(const struct supervisor *supervisor)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool good;

	if (out == NULL)
		return false;
	for (size_t i = 0; i < SLOT_WORKERS + supervisor->worker_slots; i++) {
		const struct child *child = &supervisor->children[i];

		if (child->pid > 0)
			fprintf(out, "%d %d %ld ", (int)child->role, child->state == CHILD_RETIRING,
			    (long)child->pid);
	}
	good = fclose(out) == 0 && setenv(CHILDREN_VARIABLE, text, 1) == 0;
	free(text);
	return good;
}

static bool
describe(const struct supervisor *supervisor, size_t count)
{
	char text[32];

	snprintf(text, sizeof(text), "%zu", count);
	if (setenv("LISTEN_FDS", text, 1) != 0)
		return false;
	snprintf(text, sizeof(text), "%ld", (long)getpid());
	if (setenv("LISTEN_PID", text, 1) != 0)
		return false;
	snprintf(text, sizeof(text), "%d", supervisor->redis.lock);
	return setenv(LOCK_VARIABLE, text, 1) == 0 && describe_children(supervisor);
}

void
supervisor_upgrade(struct supervisor *supervisor)
{
	size_t count = supervisor->listeners.count * supervisor->listeners.workers;

	supervisor->upgrade = false;
	if (!binary_is_good(supervisor)) {
		log_error(&supervisor->log,
		    "SIGUSR2: %s does not start with this configuration; the running binary stays",
		    supervisor->program);
		return;
	}
	log_info(&supervisor->log, "SIGUSR2: handing over to %s", supervisor->program);
	notify_reloading();
	if (lay_down_listeners(supervisor, count) && describe(supervisor, count))
		execv(supervisor->program, supervisor->arguments);
	log_error(&supervisor->log, "cannot run %s: %s; the running binary stays",
	    supervisor->program, strerror(errno));
	for (size_t i = 0; i < count; i++)
		close(LISTEN_FDS_START + (int)i);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv(CHILDREN_VARIABLE);
	unsetenv(LOCK_VARIABLE);
	notify_state("READY=1");
}

/* One child of the binary before us. */
static void
adopt(struct supervisor *supervisor, enum child_role role, bool retiring, pid_t pid)
{
	struct child *child = NULL;

	switch (role) {
	case CHILD_REDIS:
		child = &supervisor->children[SLOT_REDIS];
		child->state = CHILD_RUNNING;
		break;
	case CHILD_CONTROL:
		child = &supervisor->children[SLOT_CONTROL];
		break;
	case CHILD_WORKER:
		child = children_free_slot(supervisor);
		break;
	}
	if (child == NULL) {
		kill(pid, SIGTERM); /* one of fewer workers than there were */
		return;
	}
	child->role = role;
	child->pid = pid;
	child->started_ms = supervisor_clock_ms();
	if (role == CHILD_CONTROL)
		child_retire(child, SIGTERM, RETIRE_MS);
	else if (role == CHILD_WORKER && retiring)
		child_retire(child, SIGUSR2, supervisor->config->timeouts.drain + RETIRE_MS);
	else if (role == CHILD_WORKER)
		child->state = CHILD_OLD;
}

bool
upgrade_adopt(struct supervisor *supervisor)
{
	const char *text = getenv(CHILDREN_VARIABLE), *lock = getenv(LOCK_VARIABLE);
	int role, retiring, used = 0;
	long pid;
	bool adopted = text != NULL;

	if (lock != NULL && supervisor->private_redis) {
		supervisor->redis.lock = (int)strtol(lock, NULL, 10);
		fcntl(supervisor->redis.lock, F_SETFD, FD_CLOEXEC);
	}
	for (; text != NULL && sscanf(text, "%d %d %ld %n", &role, &retiring, &pid, &used) == 3;
	     text += used)
		if (role >= CHILD_REDIS && role <= CHILD_WORKER && pid > 1)
			adopt(supervisor, (enum child_role)role, retiring != 0, (pid_t)pid);
	unsetenv(CHILDREN_VARIABLE);
	unsetenv(LOCK_VARIABLE);
	return adopted;
}
