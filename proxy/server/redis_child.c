/* redis_child.c - redis-server as a child: a Unix socket, an append-only file, nothing else. */
#include "server/redis_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "jobgate/paths.h"

#define NAP_MS 5
#define LEAVE_MS 2000
#define AWAIT_MS 1000

/* The folder of the control socket; its length, or 0. */
static size_t
directory_of(const struct config *config)
{
	const char *slash = strrchr(config->control.process.socket, '/');

	return slash != NULL ? (size_t)(slash - config->control.process.socket) : 0;
}

bool
redis_child_place(struct redis_child *child, const struct config *config, const struct log *log)
{
	size_t directory = directory_of(config);
	int len;

	if (directory == 0) {
		log_error(log, "control.socket must be an absolute path");
		return false;
	}
	len = snprintf(child->socket, sizeof(child->socket), "%.*s/redis.sock", (int)directory,
	    config->control.process.socket);
	if (len >= (int)sizeof(child->socket)) {
		log_error(log,
		    "the path %.*s/redis.sock is too long for a socket: set control.socket",
		    (int)directory, config->control.process.socket);
		return false;
	}
	snprintf(child->url, sizeof(child->url), "unix:%s", child->socket);
	return true;
}

static void
sleep_briefly(void)
{
	nanosleep(&(struct timespec){.tv_nsec = NAP_MS * 1000000L}, NULL);
}

static bool
listens(const struct redis_child *child)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool found;

	if (fd < 0)
		return false;
	memcpy(address.sun_path, child->socket, sizeof(address.sun_path));
	/* EAGAIN: it has a queue, which is full. */
	found =
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN;
	close(fd);
	return found;
}

/*
 * redis-server takes over a socket's path even if another process listens there, and removes it at
 * its end: the other gateway would lose its store. A redis-server that is about to end gets time to
 * do so.
 */
static bool
is_alone(const struct redis_child *child, const struct log *log)
{
	for (int waited_ms = 0; waited_ms < LEAVE_MS; waited_ms += NAP_MS) {
		if (!listens(child))
			return true;
		sleep_briefly();
	}
	log_error(log,
	    "another gateway's redis-server listens at %s: stop it, or set control.socket (this "
	    "socket lies in its directory)",
	    child->socket);
	return false;
}

void
redis_child_await(const struct redis_child *child, pid_t pid)
{
	for (int waited_ms = 0; waited_ms < AWAIT_MS && !listens(child); waited_ms += NAP_MS) {
		siginfo_t ended = {0};

		if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
		    ended.si_pid != 0)
			return;
		sleep_briefly();
	}
}

/* Why jg_make_directory failed. */
static const char *
reason(void)
{
	return errno == EPERM ? "it is another user's" : strerror(errno);
}

bool
redis_child_make_directory(const struct redis_child *child)
{
	char directory[sizeof(child->socket)];

	snprintf(directory, sizeof(directory), "%.*s",
	    (int)(strrchr(child->socket, '/') - child->socket), child->socket);
	return jg_make_directory(directory);
}

#define NOT_STARTED                                                                         \
	"cannot start %s: %s; install it (on Debian: apt-get install redis-server) or set " \
	"store.url"

/* True when execlp would find the program. */
static bool
is_installed(const char *program)
{
	const char *path = getenv("PATH");
	char file[PATH_MAX];

	if (strchr(program, '/') != NULL || path == NULL)
		return strchr(program, '/') == NULL || access(program, X_OK) == 0;
	while (*path != '\0') {
		size_t len = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)len, len > 0 ? path : "", program);
		if (access(len > 0 ? file : program, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

bool
redis_child_prepare(struct redis_child *child, const struct config *config, const struct log *log)
{
	char lock_path[512];

	if (!redis_child_place(child, config, log))
		return false;
	if (!redis_child_make_directory(child)) {
		log_error(log, "cannot use the directory of control.socket (%s): %s",
		    config->control.process.socket, reason());
		return false;
	}
	if (!jg_make_directory(config->store.state_dir)) {
		log_error(log, "cannot use the state directory %s (store.state_dir): %s",
		    config->store.state_dir, reason());
		return false;
	}
	if (child->lock >= 0)
		return true; /* locked and handed over by the previous binary */
	if (!is_installed(config->store.redis_server)) {
		log_error(log, NOT_STARTED, config->store.redis_server, strerror(ENOENT));
		return false;
	}
	snprintf(lock_path, sizeof(lock_path), "%s/lock", config->store.state_dir);
	child->lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (child->lock < 0 || flock(child->lock, LOCK_EX | LOCK_NB) != 0) {
		log_error(log,
		    errno == EWOULDBLOCK ? "another gateway uses the state directory %s: stop it, "
					   "or set store.state_dir%s"
					 : "cannot lock the state directory %s: %s",
		    config->store.state_dir, errno == EWOULDBLOCK ? "" : strerror(errno));
		redis_child_release(child);
		return false;
	}
	if (is_alone(child, log))
		return true;
	redis_child_release(child);
	return false;
}

void
redis_child_exec(
    const struct redis_child *child, const struct config *config, const struct log *log)
{
	char log_path[512];

	if (!redis_child_make_directory(child))
		log_error(log, "cannot make the directory of %s: %s", child->socket, reason());
	snprintf(log_path, sizeof(log_path), "%s/redis.log", config->store.state_dir);
	execlp(config->store.redis_server, config->store.redis_server, "--port", "0",
	    "--unixsocket", child->socket, "--unixsocketperm", "700", "--dir",
	    config->store.state_dir, "--appendonly", "yes", "--appendfsync", "always", "--save", "",
	    "--daemonize", "no", "--logfile", log_path, (char *)NULL);
	log_error(log, NOT_STARTED, config->store.redis_server, strerror(errno));
}

void
redis_child_release(struct redis_child *child)
{
	if (child->lock >= 0)
		close(child->lock);
	child->lock = -1;
}
