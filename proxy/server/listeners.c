/* listeners.c - binding. */
#include "server/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/resolve.h"

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

/* A socket file that nobody listens at any more is in the way of bind. */
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
 * Is somebody else on the port? SO_REUSEPORT would let a second gateway of the same user share
 * it silently, so the first socket is bound without it once, to see.
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

static void
log_bound(const struct listeners *listeners, size_t i, const struct log *log)
{
	char text[ADDRESS_TEXT_MAX];

	if (listeners->config->listeners[i].path != NULL) {
		log_info(log, "listening on unix:%s", listeners->config->listeners[i].path);
		return;
	}
	address_format((const struct sockaddr *)&listeners->bound[i], text);
	log_info(log, "listening on http://%s", text);
}

static bool
open_listener(struct listeners *listeners, size_t i, const struct log *log)
{
	const struct listener_config *listener = &listeners->config->listeners[i];
	struct address address;
	socklen_t len = sizeof(address.storage);

	if (!address_of(listener, &address) || !port_is_free(&address)) {
		log_error(log, "cannot listen on %s: %s", listener->address, strerror(errno));
		return false;
	}
	for (size_t worker = 0; worker < listeners->workers; worker++) {
		int *fd = &listeners->fds[worker * listeners->count + i];

		if (worker > 0 && listener->path != NULL) {
			*fd = dup(listeners->fds[i]);
			continue;
		}
		*fd = open_one(&address, true);
		if (*fd < 0) {
			log_error(
			    log, "cannot listen on %s: %s", listener->address, strerror(errno));
			return false;
		}
		/* Port 0 was a wish for any: the others take the one that the first was given. */
		getsockname(*fd, (struct sockaddr *)&address.storage, &len);
	}
	listeners->bound[i] = address.storage;
	log_bound(listeners, i, log);
	return true;
}

bool
listeners_open(struct listeners *listeners, const struct config *config, const struct log *log)
{
	*listeners = (struct listeners){
	    .count = config->listener_count, .workers = config->workers, .config = config};
	listeners->fds = malloc(config->listener_count * config->workers * sizeof(int));
	listeners->bound = calloc(config->listener_count, sizeof(*listeners->bound));
	if (listeners->fds == NULL || listeners->bound == NULL) {
		log_error(log, "out of memory");
		return false;
	}
	for (size_t i = 0; i < listeners->count * listeners->workers; i++)
		listeners->fds[i] = -1;
	for (size_t i = 0; i < listeners->count; i++)
		if (!open_listener(listeners, i, log))
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
listeners_keep_own(struct listeners *listeners, size_t worker)
{
	for (size_t i = 0; i < listeners->count * listeners->workers; i++) {
		if (i / listeners->count == worker || listeners->fds[i] < 0)
			continue;
		close(listeners->fds[i]);
		listeners->fds[i] = -1;
	}
}
