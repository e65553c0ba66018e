/* listeners.c - binds the sockets that clients connect to. */
#include "server/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/address.h"
#include "server/environment.h"

#define BACKLOG 4096

static bool
address_of(const struct listener_config *listener, struct address *out)
{
	struct sockaddr_un *path = (struct sockaddr_un *)&out->storage;

	if (listener->path == NULL)
		return address_parse(slice_of(listener->host), listener->port, out);
	memset(out, 0, sizeof(*out));
	path->sun_family = AF_UNIX;
	strncpy(path->sun_path, listener->path, sizeof(path->sun_path) - 1);
	out->len = sizeof(*path);
	return true;
}

/* Remove a socket file at which no process listens any more: bind would fail. */
static void
remove_stale_socket(const struct sockaddr_un *path)
{
	struct stat found;
	int fd;

	if (stat(path->sun_path, &found) != 0 || !S_ISSOCK(found.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)path, sizeof(*path)) != 0 && errno == ECONNREFUSED)
		unlink(path->sun_path);
	close(fd);
}

static int
open_one(struct address *address, bool shared_port)
{
	struct sockaddr *sa = (struct sockaddr *)&address->storage;
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, off = 0;

	if (fd < 0)
		return -1;
	if (sa->sa_family == AF_UNIX) {
		remove_stale_socket((struct sockaddr_un *)sa);
	} else {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (shared_port)
			setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
		if (sa->sa_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	}
	if (bind(fd, sa, address->len) != 0 || listen(fd, BACKLOG) != 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/*
 * True when another process listens on the port. SO_REUSEPORT would let a second gateway of the
 * same user share it silently, so the first socket is bound without it once, to see.
 */
static bool
port_is_free(struct address *address)
{
	struct sockaddr *sa = (struct sockaddr *)&address->storage;
	int fd;

	if (sa->sa_family == AF_UNIX)
		return true;
	fd = open_one(address, false);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static const char *
purpose_text(const struct listener_config *listener)
{
	switch (listener->purpose) {
	case FOR_JOBS:
		return listener->authorize ? " for proxies that ask" : "";
	case FOR_CONTROL:
		return " for the control API";
	case FOR_METRICS:
		return " for metrics";
	}
	return "";
}

static void
log_bound(const struct listeners *listeners, size_t i, const struct log *log)
{
	const struct listener_config *listener = &listeners->config->listeners[i];
	const char *purpose = purpose_text(listener);
	char text[ADDRESS_TEXT_MAX];

	if (listener->path != NULL) {
		log_info(log, "listening on unix:%s%s%s", listener->path,
		    listener->tls ? " (TLS)" : "", purpose);
		return;
	}
	address_format((const struct sockaddr *)&listeners->bound[i], text);
	log_info(log, "listening on %s://%s%s", listener->tls ? "https" : "http", text, purpose);
}

/* ---- sockets that listen already ---- */

#define LISTEN_FDS_START 3
#define INHERITED_MAX 65535

void
listeners_inherit(struct inherited *out)
{
	uint64_t n = 0, pid;

	*out = (struct inherited){0};
	if (environment_number("LISTEN_FDS", INHERITED_MAX, &n) && n > 0 &&
	    environment_number("LISTEN_PID", INT_MAX, &pid) && (pid_t)pid == getpid())
		out->fds = calloc(n, sizeof(*out->fds));
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	if (out->fds == NULL)
		return;
	out->count = n;
	for (size_t i = 0; i < n; i++) {
		out->fds[i] = LISTEN_FDS_START + (int)i;
		fcntl(out->fds[i], F_SETFD, FD_CLOEXEC);
		fcntl(out->fds[i], F_SETFL, O_NONBLOCK);
	}
}

bool
listeners_duplicate(const struct listeners *listeners, struct inherited *out)
{
	size_t count = listeners->count * listeners->workers;

	*out = (struct inherited){.fds = calloc(count, sizeof(*out->fds))};
	if (out->fds == NULL)
		return false;
	for (; out->count < count; out->count++) {
		int fd = fcntl(listeners->fds[out->count], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			inherited_close(out);
			return false;
		}
		out->fds[out->count] = fd;
	}
	return true;
}

void
inherited_close(struct inherited *inherited)
{
	for (size_t i = 0; i < inherited->count; i++)
		if (inherited->fds[i] >= 0)
			close(inherited->fds[i]);
	free(inherited->fds);
	*inherited = (struct inherited){0};
}

static bool
is_bound_to(int fd, const struct address *address)
{
	const struct sockaddr *wanted = (const struct sockaddr *)&address->storage;
	struct sockaddr_storage storage = {0};
	socklen_t len = sizeof(storage);

	if (getsockname(fd, (struct sockaddr *)&storage, &len) != 0 ||
	    storage.ss_family != wanted->sa_family)
		return false;
	if (wanted->sa_family == AF_UNIX)
		return strcmp(((struct sockaddr_un *)&storage)->sun_path,
			   ((const struct sockaddr_un *)wanted)->sun_path) == 0;
	if (wanted->sa_family == AF_INET) {
		const struct sockaddr_in *a = (const struct sockaddr_in *)wanted,
					 *b = (const struct sockaddr_in *)&storage;

		return a->sin_addr.s_addr == b->sin_addr.s_addr &&
		       (a->sin_port == 0 || a->sin_port == b->sin_port);
	}
	{
		const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)wanted,
					  *b = (const struct sockaddr_in6 *)&storage;

		/* The analyzer does not see that getsockname has filled in storage. */
		return memcmp(&a->sin6_addr, &b->sin6_addr, sizeof(a->sin6_addr)) == 0 &&
		       (a->sin6_port == 0 ||
			   a->sin6_port == b->sin6_port); /* NOLINT(clang-analyzer-core.*) */
	}
}

/* The next inherited socket that is bound to the address; -1: there is none. */
static int
inherited_take(struct inherited *inherited, const struct address *address)
{
	for (size_t i = 0; i < inherited->count; i++) {
		int fd = inherited->fds[i];

		if (fd >= 0 && is_bound_to(fd, address)) {
			inherited->fds[i] = -1;
			return fd;
		}
	}
	return -1;
}

/* ---- one listener of the configuration ---- */

/*
 * A socket for one more worker. Where a second one cannot be bound (a Unix path, an inherited
 * socket without SO_REUSEPORT, a user who has lost the right), all workers share the first.
 */
static int
open_another(struct address *address, int first)
{
	socklen_t len = sizeof(int);
	int shared = 0, fd = -1;

	if (address->storage.ss_family != AF_UNIX &&
	    getsockopt(first, SOL_SOCKET, SO_REUSEPORT, &shared, &len) == 0 && shared)
		fd = open_one(address, true);
	return fd >= 0 ? fd : fcntl(first, F_DUPFD_CLOEXEC, 0);
}

/*
 * Accepted connections inherit this, which saves a system call for each. (Those that came to an
 * inherited socket before may lack it; the socket unit says NoDelay=yes.)
 */
static void
send_at_once(int fd, const struct listener_config *listener)
{
	int on = 1;

	if (listener->path == NULL)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* What the user can do about an address that cannot be bound. */
static const char *
advice_for(const struct listener_config *listener, int error)
{
	if (error == EADDRINUSE)
		return "; another program listens there: stop it, or change this setting";
	if (error == EADDRNOTAVAIL)
		return "; it is not an address of this machine";
	if (error == EACCES && listener->path == NULL)
		return "; a port below 1024 takes root or CAP_NET_BIND_SERVICE";
	return "";
}

static bool
open_listener(
    struct listeners *listeners, size_t i, struct inherited *inherited, const struct log *log)
{
	const struct listener_config *listener = &listeners->config->listeners[i];
	struct address address = {0};
	socklen_t len = sizeof(address.storage);

	if (!address_of(listener, &address)) {
		log_error(log, "%s: cannot listen on %s: no such address", listener->setting,
		    listener->address);
		return false;
	}
	for (size_t worker = 0; worker < listeners->workers; worker++) {
		int *fd = &listeners->fds[worker * listeners->count + i];

		*fd = inherited_take(inherited, &address);
		if (*fd < 0 && worker > 0)
			*fd = open_another(&address, listeners->fds[i]);
		else if (*fd < 0 && port_is_free(&address))
			*fd = open_one(&address, true);
		if (*fd < 0) {
			log_error(log, "%s: cannot listen on %s: %s%s", listener->setting,
			    listener->address, strerror(errno), advice_for(listener, errno));
			return false;
		}
		send_at_once(*fd, listener);
		/* Port 0 means any port: the others take the one that the first was given. */
		getsockname(*fd, (struct sockaddr *)&address.storage, &len);
	}
	listeners->bound[i] = address.storage;
	log_bound(listeners, i, log);
	return true;
}

bool
listeners_open(struct listeners *listeners, const struct config *config,
    struct inherited *inherited, const struct log *log)
{
	*listeners = (struct listeners){
	    .count = config->listener_count, .workers = config->workers, .config = config};
	listeners->fds = calloc(config->listener_count * config->workers, sizeof(int));
	listeners->bound = calloc(config->listener_count, sizeof(*listeners->bound));
	if (listeners->fds == NULL || listeners->bound == NULL) {
		log_error(log, "out of memory");
		return false;
	}
	for (size_t i = 0; i < listeners->count * listeners->workers; i++)
		listeners->fds[i] = -1;
	for (size_t i = 0; i < listeners->count; i++)
		if (!open_listener(listeners, i, inherited, log))
			return false;
	return true;
}

void
listeners_close(struct listeners *listeners, bool unlink_files)
{
	for (size_t i = 0; listeners->fds != NULL && i < listeners->count * listeners->workers; i++)
		if (listeners->fds[i] >= 0)
			close(listeners->fds[i]);
	for (size_t i = 0; unlink_files && i < listeners->count; i++)
		if (listeners->config->listeners[i].path != NULL)
			unlink(listeners->config->listeners[i].path);
	free(listeners->fds);
	free(listeners->bound);
	*listeners = (struct listeners){0};
}

void
listeners_keep(struct listeners *listeners, size_t worker)
{
	for (size_t i = 0; i < listeners->count * listeners->workers; i++) {
		if (i / listeners->count == worker || listeners->fds[i] < 0 ||
		    listeners->config->listeners[i % listeners->count].path == NULL)
			continue;
		close(listeners->fds[i]);
		listeners->fds[i] = -1;
	}
}
