/* upgrade.c - SIGUSR2: another binary takes the supervisor's place, in the same process. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/environment.h"
#include "server/notify.h"
#include "server/supervisor.h"

/*
 * What the next binary cannot find out by itself: "role retiring pid" of each child, and the
 * descriptor of the state directory's lock. Listening sockets are passed by LISTEN_FDS. The process
 * stays the same, so the children stay its children, and the service manager sees no change.
 */
#define CHILDREN_VARIABLE "JOBGATE_CHILDREN"
#define LOCK_VARIABLE "JOBGATE_LOCK_FD"

#define LISTEN_FDS_START 3

/* Time limit for the check of the new binary: it may hang, for example in its output. */
#define CHECK_MAX_S 20

/* How often the service manager's watchdog is fed during the check. */
#define FEED_MS 1000

/* In the child that becomes the check: its output must not block it. A pipe that is full may have
 * no reader. */
static void
silence_output(void)
{
	struct pollfd errors = {.fd = STDERR_FILENO, .events = POLLOUT};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDOUT_FILENO); /* it would print "ok" */
	if (poll(&errors, 1, 0) == 0)
		dup2(null, STDERR_FILENO);
}

/* Wait for the check. Meanwhile tell the service manager that the supervisor is alive. */
static void
await_check(pid_t pid, int *status)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000000};
	uint64_t fed_ms = 0;
	pid_t ended;

	while ((ended = waitpid(pid, status, WNOHANG)) == 0 || (ended < 0 && errno == EINTR)) {
		uint64_t now_ms = supervisor_clock_ms();

		if (now_ms - fed_ms >= FEED_MS) {
			notify_state("WATCHDOG=1");
			fed_ms = now_ms;
		}
		nanosleep(&pause, NULL);
	}
}

/* True when the new binary starts. A broken binary or configuration must not end the gateway. */
static bool
binary_is_good(const struct supervisor *supervisor)
{
	const char *file = supervisor->config->file;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &supervisor->before, NULL);
		alarm(CHECK_MAX_S); /* ends it, after exec too */
		silence_output();
		if (file != NULL)
			execl(supervisor->program, supervisor->program, "check", "-c", file,
			    (char *)NULL);
		else
			execl(supervisor->program, supervisor->program, "--version", (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		await_check(pid, &status);
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Move a descriptor above those that LISTEN_FDS will take. */
static bool
give_way(int *fd, int above)
{
	int moved;

	if (*fd <= STDERR_FILENO)
		return true; /* none, or standard output, which stays */
	moved = fcntl(*fd, F_DUPFD_CLOEXEC, above);
	if (moved < 0)
		return false;
	close(*fd);
	*fd = moved;
	return true;
}

/*
 * Copy the listening sockets to the descriptors from LISTEN_FDS_START on, which stay open over
 * exec. When that fails nothing is lost: the caller closes the *laid copies.
 */
static bool
copy_listeners(struct supervisor *supervisor, size_t count, size_t *laid)
{
	struct listeners *listeners = &supervisor->listeners;
	int above = LISTEN_FDS_START + (int)count;
	int table = limit_table_fd(supervisor->limits.table);

	for (size_t i = 0; i < count; i++)
		if (!give_way(&listeners->fds[i], above))
			return false;
	if (!give_way(&supervisor->access_log_fd, above) ||
	    !give_way(&supervisor->redis.lock, above) || !give_way(&table, above))
		return false;
	limit_table_set_fd(supervisor->limits.table, table);
	for (*laid = 0; *laid < count; ++*laid)
		if (dup2(listeners->fds[*laid], LISTEN_FDS_START + (int)*laid) < 0)
			return false;
	return true;
}

/* The next binary inherits the state directory's lock. When exec fails, no child may inherit it. */
static void
keep_lock_over_exec(const struct supervisor *supervisor, bool keep)
{
	if (supervisor->redis.lock >= 0)
		fcntl(supervisor->redis.lock, F_SETFD, keep ? 0 : FD_CLOEXEC);
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
	for (unsigned i = 0; i < SLOT_WORKERS + supervisor->worker_slots; i++) {
		const struct child *child = supervision_child(supervisor->supervision, i);

		if (supervisor->processes[i].pid > 0)
			fprintf(out, "%d %d %ld ", (int)child->role, child->state == CHILD_RETIRING,
			    (long)supervisor->processes[i].pid);
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
	size_t count = supervisor->listeners.count * supervisor->listeners.workers, laid = 0;
	int error;

	if (!binary_is_good(supervisor)) {
		log_error(&supervisor->log,
		    "SIGUSR2: %s does not start with this configuration; the running binary stays",
		    supervisor->program);
		return;
	}
	log_info(&supervisor->log, "SIGUSR2: handing over to %s", supervisor->program);
	notify_reloading();
	if (copy_listeners(supervisor, count, &laid) && describe(supervisor, count) &&
	    control_secret_leave(supervisor) && limits_leave(supervisor)) {
		keep_lock_over_exec(supervisor, true);
		log_buffer_stop(supervisor->log_buffer, &supervisor->log);
		execv(supervisor->program, supervisor->arguments);
		error = errno;
		supervisor->log_buffer =
		    log_buffer_start(&supervisor->log, &supervisor->stats->supervisor_log);
		errno = error;
	}
	log_error(&supervisor->log, "cannot run %s: %s; the running binary stays",
	    supervisor->program, strerror(errno));
	keep_lock_over_exec(supervisor, false);
	for (size_t i = 0; i < laid; i++)
		close(LISTEN_FDS_START + (int)i);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv(CHILDREN_VARIABLE);
	unsetenv(LOCK_VARIABLE);
	control_secret_take_back();
	limits_take_back(supervisor);
	notify_state("READY=1");
}

/* The children that the previous binary describes; none when there was no previous binary. */
static struct slice
described_children(void)
{
	const char *text = getenv(CHILDREN_VARIABLE);

	return slice_of(text != NULL ? text : "");
}

/* Take a number of 0 to max and the space after it. */
static bool
take_number(struct slice *text, uint64_t max, uint64_t *out)
{
	struct slice digits = slice_digits(*text);

	*text = slice_after(*text, digits.len);
	if (!slice_starts_with(*text, SLICE(" ")))
		return false;
	*text = slice_after(*text, 1);
	return slice_to_number(digits, max, out);
}

/* Take one child of CHILDREN_VARIABLE; false at its end. */
static bool
next_child(struct slice *text, enum child_role *role, bool *retiring, pid_t *pid)
{
	uint64_t number, gone, id;

	if (!take_number(text, CHILD_WORKER, &number) || !take_number(text, 1, &gone) ||
	    !take_number(text, INT_MAX, &id) || id <= 1)
		return false;
	*role = (enum child_role)number;
	*retiring = gone != 0;
	*pid = (pid_t)id;
	return true;
}

size_t
upgrade_workers(void)
{
	struct slice text = described_children();
	enum child_role role;
	size_t count = 0;
	bool retiring;
	pid_t pid;

	while (next_child(&text, &role, &retiring, &pid))
		count += role == CHILD_WORKER;
	return count;
}

/* It usually ends by itself very soon; if not, it is killed. */
static void
await_end(pid_t pid)
{
	const struct timespec pause = {0, 5 * 1000000};
	uint64_t end_ms = supervisor_clock_ms() + jg_tuning.supervision.grace_ms;

	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (supervisor_clock_ms() >= end_ms)
			kill(pid, SIGKILL);
		nanosleep(&pause, NULL);
	}
}

void
upgrade_end_control(void)
{
	struct slice text = described_children();
	enum child_role role;
	bool retiring;
	pid_t pid;

	while (next_child(&text, &role, &retiring, &pid))
		if (role == CHILD_CONTROL)
			await_end(pid);
}

/*
 * An old worker publishes to a mapping that this binary does not have. As long as it runs, it
 * counts as one that reaches its store. It is told to end when the new workers accept.
 */
static void
adopt_worker(struct supervisor *supervisor, unsigned slot)
{
	struct worker_stats *stats = child_stats(supervisor, slot);

	counter_set(&stats->ready, 1);
	counter_set(&stats->store_up, 1);
}

/* One child of the previous binary. */
static void
adopt(struct supervisor *supervisor, enum child_role role, bool retiring, pid_t pid)
{
	unsigned slot;

	if (role == CHILD_CONTROL)
		return; /* has been ended: upgrade_end_control */
	slot = supervision_adopt(supervisor->supervision, role, retiring, supervisor_clock_ms());
	supervisor->processes[slot].pid = pid;
	if (role == CHILD_REDIS)
		redis_watch_start(supervisor);
	else if (!retiring)
		adopt_worker(supervisor, slot);
}

void
upgrade_adopt(struct supervisor *supervisor)
{
	struct slice text = described_children();
	enum child_role role;
	bool retiring;
	uint64_t lock;
	pid_t pid;

	if (supervisor->private_redis && environment_number(LOCK_VARIABLE, INT_MAX, &lock)) {
		supervisor->redis.lock = (int)lock;
		fcntl(supervisor->redis.lock, F_SETFD, FD_CLOEXEC);
	}
	if (getenv(CHILDREN_VARIABLE) != NULL)
		supervision_adopted(supervisor->supervision);
	while (next_child(&text, &role, &retiring, &pid))
		adopt(supervisor, role, retiring, pid);
	limits_adopted(supervisor);
	unsetenv(CHILDREN_VARIABLE);
	unsetenv(LOCK_VARIABLE);
}
