/* connect.c - the making of one connection: resolve, judge, connect, secure, or try the next. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/answer.h"
#include "gateway/backend.h"
#include "net/conn.h"

/* No address gets less than this before the next one is tried (RFC 8305 section 5). */
#define ATTEMPT_MS_MIN 250

static struct upstream *
upstream_of(struct conn *conn)
{
	return (struct upstream *)((char *)conn - offsetof(struct upstream, conn));
}

/* Tell the exchange, and be done with the connection. */
static void
attempt_failed(struct upstream *upstream, enum upstream_failure failure)
{
	struct exchange *exchange = upstream->exchange;

	upstream_close(upstream);
	if (exchange != NULL)
		exchange_upstream_failed(exchange, failure, false);
}

void
connect_deliver(struct task *task)
{
	struct pool *pool = (struct pool *)((char *)task - offsetof(struct pool, deliver));
	struct upstream *upstream;

	while ((upstream = TAILQ_FIRST(&pool->failed)) != NULL)
		attempt_failed(upstream, upstream->failure);
}

/* No address is left. The exchange hears of it later, never from within its own call. */
static void
attempts_over(struct upstream *upstream)
{
	struct pool *pool = upstream->backend->pool;

	timer_stop(&upstream->timer);
	upstream->state = UPSTREAM_FAILED;
	TAILQ_INSERT_TAIL(&pool->failed, upstream, link);
	loop_defer(pool->gateway->loop, &pool->deliver);
}

static void connect_next(struct upstream *upstream);

/* The connection is up: to work. */
static void
attempt_done(struct upstream *upstream)
{
	struct gateway *gateway = upstream->gateway;

	timer_stop(&upstream->timer);
	counter_add(&gateway->stats->backend_connects, 1);
	upstream->state = UPSTREAM_WAITING;
	exchange_connected(upstream->exchange, upstream);
	/* A backend may have spoken, and gone, before it was asked: that edge will not be told
	 * again. */
	if (upstream->exchange != NULL && upstream->conn.readable)
		upstream_pump(upstream);
}

static void
attempt_secure(struct upstream *upstream)
{
	switch (tls_handshake(upstream->conn.tls)) {
	case IO_OK:
		attempt_done(upstream);
		return;
	case IO_AGAIN:
		return;
	case IO_EOF:
	case IO_ERROR:
		break;
	}
	log_warning(upstream->gateway->log, "TLS to backend %.*s failed: %s",
	    (int)upstream->backend->name.len, upstream->backend->name.at,
	    tls_error_text(upstream->conn.tls));
	conn_close(&upstream->conn);
	connect_next(upstream);
}

/* The TCP connection stands; over https the handshake comes next. */
static void
attempt_connected(struct upstream *upstream)
{
	struct gateway *gateway = upstream->gateway;
	const struct tls_client_options options = {.ca_file = gateway->options.backend_ca_file};
	const char *error = NULL;

	if (upstream->backend->scheme != JOB_URL_HTTPS) {
		attempt_done(upstream);
		return;
	}
	if (gateway->backend_tls == NULL)
		gateway->backend_tls = tls_client_new(&options, &error);
	if (gateway->backend_tls == NULL ||
	    !tls_client_open(gateway->backend_tls, &upstream->conn, upstream->backend->name,
		&upstream->backend->session)) {
		log_error(gateway->log, "TLS to backends cannot be set up: %s",
		    error != NULL ? error : "out of memory");
		conn_close(&upstream->conn);
		attempts_over(upstream);
		return;
	}
	upstream->state = UPSTREAM_SECURING;
	attempt_secure(upstream);
}

static void
connect_ready(struct conn *conn)
{
	struct upstream *upstream = upstream_of(conn);
	socklen_t len = sizeof(int);
	int error = 0;

	if (upstream->state == UPSTREAM_SECURING) {
		attempt_secure(upstream);
		return;
	}
	if (upstream->state != UPSTREAM_CONNECTING)
		return;
	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
		conn_close(conn);
		connect_next(upstream);
		return;
	}
	if (conn->writable)
		attempt_connected(upstream);
}

void
connect_timed_out(struct timer *timer)
{
	struct upstream *upstream =
	    (struct upstream *)((char *)timer - offsetof(struct upstream, timer));

	if (upstream->state == UPSTREAM_IDLE) {
		upstream_close(upstream);
		return;
	}
	upstream->failure = UPSTREAM_CONNECT_TIMEOUT;
	if (upstream->state == UPSTREAM_RESOLVING) {
		attempt_failed(upstream, UPSTREAM_CONNECT_TIMEOUT);
		return;
	}
	conn_close(&upstream->conn);
	connect_next(upstream);
}

/* Start connecting to one address. False when that fails at once. */
static bool
connect_start(struct upstream *upstream, const struct sockaddr *address, socklen_t len)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	upstream->failure = UPSTREAM_CONNECT_FAILED;
	if (fd < 0) {
		log_error(upstream->gateway->log, "no socket for a backend connection: %s",
		    strerror(errno));
		return false;
	}
	if (address->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if ((connect(fd, address, len) != 0 && errno != EINPROGRESS) ||
	    !conn_open(&upstream->conn, upstream->gateway->loop, fd, connect_ready)) {
		close(fd);
		return false;
	}
	/* Not before the loop says so: what it reports first is how the connecting ended. */
	upstream->conn.readable = upstream->conn.writable = false;
	upstream->state = UPSTREAM_CONNECTING;
	return true;
}

/* A socket of the gateway's own must not be reached through a job's URL. */
static bool
socket_is_own(const struct gateway *gateway, int fd)
{
	struct stat target, own;

	if (fstat(fd, &target) != 0)
		return true;
	for (const char *const *at = gateway->options.own_sockets; at != NULL && *at != NULL; at++)
		if (stat(*at, &own) == 0 && own.st_dev == target.st_dev &&
		    own.st_ino == target.st_ino)
			return true;
	return false;
}

static bool
connect_unix(struct upstream *upstream)
{
	struct backend *backend = upstream->backend;
	struct gateway *gateway = upstream->gateway;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	bool started = false;
	int fd;

	if (upstream->address_index++ > 0)
		return false;
	upstream->failure = UPSTREAM_NOT_ALLOWED;
	if (backend->name.len >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, backend->name.at, backend->name.len);
	/* A socket on this machine is as near as loopback, and held to the same rule. */
	if (!backend->trusted && !gateway->options.guard.allow_loopback)
		return false;
	/*
	 * The path is held open, and what is held is what gets connected to: somebody may
	 * let it lead elsewhere between the look and the connect.
	 */
	fd = open(address.sun_path, O_PATH | O_CLOEXEC);
	if (fd < 0) {
		upstream->failure = UPSTREAM_CONNECT_FAILED;
		return false;
	}
	if (!socket_is_own(gateway, fd)) {
		snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", fd);
		started = connect_start(upstream, (struct sockaddr *)&address, sizeof(address));
	}
	close(fd);
	return started;
}

/* Try the backend's next address, until one takes the connection or none is left. */
static void
connect_next(struct upstream *upstream)
{
	struct backend *backend = upstream->backend;
	struct gateway *gateway = upstream->gateway;
	uint64_t share = gateway->options.timeouts.connect;
	enum guard_verdict verdict;

	if (backend->scheme == JOB_URL_UNIX) {
		if (connect_unix(upstream))
			timer_start(gateway->loop, &upstream->timer, share);
		else
			attempts_over(upstream);
		return;
	}
	if (backend->address_count > 1)
		share /= backend->address_count;
	while (upstream->address_index < backend->address_count) {
		const struct address *address = &backend->addresses[upstream->address_index++];
		const struct sockaddr *sa = (const struct sockaddr *)&address->storage;

		verdict = backend->trusted ? GUARD_ALLOW : guard_judge(&gateway->options.guard, sa);
		if (verdict != GUARD_ALLOW) {
			log_warning(gateway->log, "backend %.*s refused: it leads to %s",
			    (int)backend->name.len, backend->name.at, guard_verdict_text(verdict));
			upstream->failure = UPSTREAM_NOT_ALLOWED;
			continue;
		}
		if (connect_start(upstream, sa, address->len)) {
			timer_start(gateway->loop, &upstream->timer,
			    share > ATTEMPT_MS_MIN ? share : ATTEMPT_MS_MIN);
			return;
		}
	}
	attempts_over(upstream);
}

/* The addresses have come, or not: whoever waited goes on. */
static void
backend_resolved(void *ctx, const struct resolved *resolved)
{
	struct backend *backend = ctx;
	struct gateway *gateway = backend->pool->gateway;
	struct upstream *upstream;
	struct address *addresses = NULL;

	backend->resolution = NULL;
	free(backend->addresses);
	backend->addresses = NULL;
	backend->address_count = 0;
	if (resolved->count > 0)
		addresses = malloc(resolved->count * sizeof(*addresses));
	if (addresses != NULL) {
		memcpy(addresses, resolved->addresses, resolved->count * sizeof(*addresses));
		backend->addresses = addresses;
		backend->address_count = resolved->count;
	} else {
		log_warning(gateway->log, "backend %.*s does not resolve: %s",
		    (int)backend->name.len, backend->name.at,
		    resolved->error != NULL ? resolved->error : "no address");
	}
	backend->fresh_until_ms = loop_now_ms(gateway->loop) + (uint64_t)resolved->ttl_s * 1000;
	while ((upstream = TAILQ_FIRST(&backend->resolving)) != NULL) {
		TAILQ_REMOVE(&backend->resolving, upstream, link);
		upstream->state = UPSTREAM_CONNECTING;
		upstream->failure = UPSTREAM_NO_ADDRESS;
		connect_next(upstream);
	}
}

void
connect_begin(struct upstream *upstream)
{
	struct backend *backend = upstream->backend;
	struct gateway *gateway = upstream->gateway;

	if (backend->scheme == JOB_URL_UNIX ||
	    loop_now_ms(gateway->loop) < backend->fresh_until_ms) {
		upstream->state = UPSTREAM_CONNECTING;
		upstream->failure = UPSTREAM_NO_ADDRESS;
		connect_next(upstream);
		return;
	}
	upstream->state = UPSTREAM_RESOLVING;
	TAILQ_INSERT_TAIL(&backend->resolving, upstream, link);
	timer_start(gateway->loop, &upstream->timer, gateway->options.timeouts.connect);
	if (backend->resolution == NULL)
		backend->resolution = resolver_ask(
		    gateway->resolver, backend->name, backend->port, backend_resolved, backend);
	if (backend->resolution == NULL) {
		TAILQ_REMOVE(&backend->resolving, upstream, link);
		upstream->failure = UPSTREAM_NO_ADDRESS;
		attempts_over(upstream);
	}
}
