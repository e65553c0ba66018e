/* connect_address.c - judge one address, and connect to it. */
#include "upstream/connect_address.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "jobgate/socket_path.h"

/* A socket; idle connections give way to it. -1: there is none. */
static int
new_socket(const struct pool_options *options, int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && options->make_room(options->ctx))
		fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd;
}

static enum connect_result
open_socket(struct backend *backend, const struct sockaddr *address, socklen_t len,
    struct conn *conn, void (*ready)(struct conn *conn))
{
	const struct pool_options *options = &backend->pool->options;
	int fd = new_socket(options, address->sa_family);
	enum connect_result failure = CONNECT_FAILED;
	int on = 1, error;

	if (fd < 0) {
		/* A machine without IPv6 has no socket for it either: as good as unreachable. */
		if (errno == EAFNOSUPPORT)
			return CONNECT_FAILED;
		error = errno;
		if (backend_may_warn(backend))
			log_error(options->log, "no socket for a backend connection: %s",
			    strerror(error));
		return CONNECT_NO_SOCKET;
	}
	if (address->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, address, len) != 0 && errno != EINPROGRESS) {
		if (errno == EADDRNOTAVAIL) /* all local ports are in use */
			failure = CONNECT_NO_SOCKET;
		close(fd);
		return failure;
	}
	if (!conn_open(conn, options->loop, fd, ready)) {
		close(fd);
		return CONNECT_NO_SOCKET;
	}
	/* The loop's first event sets them, and tells how the connect ended. */
	conn->readable = conn->writable = false;
	return CONNECT_STARTED;
}

static enum connect_result
open_unix(struct backend *backend, struct conn *conn, void (*ready)(struct conn *conn))
{
	const struct pool_options *options = &backend->pool->options;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	enum connect_result result = CONNECT_NOT_ALLOWED;
	int fd;

	if (backend->name.len >= sizeof(address.sun_path))
		return CONNECT_NOT_ALLOWED;
	memcpy(address.sun_path, backend->name.at, backend->name.len);
	/* A socket on this machine is treated as loopback is. */
	if (backend->source == BACKEND_OF_RECORD && !options->guard.allow_loopback)
		return CONNECT_NOT_ALLOWED;
	fd = jg_socket_path_open(address.sun_path);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && options->make_room(options->ctx))
		fd = jg_socket_path_open(address.sun_path);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? CONNECT_NO_SOCKET : CONNECT_FAILED;
	/* A socket of the gateway's own must not be reached through a job's URL. */
	if (backend->source == BACKEND_OF_CONTROL ||
	    !jg_socket_path_is_one_of(fd, options->own_sockets)) {
		address = jg_socket_path_address(fd);
		result =
		    open_socket(backend, (struct sockaddr *)&address, sizeof(address), conn, ready);
	}
	close(fd);
	return result;
}

enum connect_result
connect_address(
    struct backend *backend, size_t index, struct conn *conn, void (*ready)(struct conn *conn))
{
	const struct pool_options *options = &backend->pool->options;
	const struct address *address;
	const struct sockaddr *sa;
	enum guard_verdict verdict;

	if (backend->scheme == JOB_URL_UNIX)
		return open_unix(backend, conn, ready);
	address = &backend->addresses[index];
	sa = (const struct sockaddr *)&address->storage;
	verdict =
	    backend->source == BACKEND_OF_RECORD ? guard_judge(&options->guard, sa) : GUARD_ALLOW;
	if (verdict != GUARD_ALLOW) {
		if (backend_may_warn(backend))
			log_warning(options->log, "backend %.*s refused: it leads to %s",
			    (int)backend->name.len, backend->name.at, guard_verdict_text(verdict));
		return CONNECT_NOT_ALLOWED;
	}
	return open_socket(backend, sa, address->len, conn, ready);
}
