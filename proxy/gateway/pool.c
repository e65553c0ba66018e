/* pool.c - herding upstream connections: resolving, connecting, idling. */
#include "gateway/pool.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/answer.h"
#include "net/conn.h"

#define BUCKETS 4096

/* A backend without connections is remembered this long, for its addresses. */
#define BACKEND_LINGER_MS 60000

/* No address gets less than this before the next one is tried (RFC 8305 section 5). */
#define ATTEMPT_MS_MIN 250

TAILQ_HEAD(upstream_list, upstream);

/*
 * One place that jobs' URLs lead to: a scheme with a host and port, or a socket.
 * It lives as long as it has connections, and a while longer.
 */
struct backend {
	LIST_ENTRY(backend) link; /* in its bucket */
	struct pool *pool;
	enum job_url_scheme scheme;
	uint16_t port;
	bool trusted;	   /* named by the configuration, not by a record: the guard lets it pass */
	struct slice name; /* host, or path of the socket; in `text` */
	struct upstream_list idle; /* last in, first out */
	size_t idle_count;
	size_t users; /* connections in any state, and exchanges that have entered */
	struct upstream_list resolving; /* wait for the addresses */
	struct resolution *resolution;	/* under way, or NULL */
	struct address *addresses;
	size_t address_count;
	uint64_t fresh_until_ms; /* UINT64_MAX for numeric addresses */
	struct timer timer;
	char text[];
};

LIST_HEAD(bucket, backend);

struct pool {
	struct gateway *gateway;
	struct task deliver; /* tells exchanges of connections that failed at once */
	struct upstream_list failed;
	struct bucket buckets[BUCKETS];
};

static void
backend_free(struct backend *backend)
{
	if (backend->resolution != NULL)
		resolver_cancel(backend->resolution);
	timer_remove(&backend->timer);
	LIST_REMOVE(backend, link);
	free(backend->addresses);
	free(backend);
}

static void
backend_expired(struct timer *timer)
{
	struct backend *backend =
	    (struct backend *)((char *)timer - offsetof(struct backend, timer));

	if (backend->users == 0)
		backend_free(backend);
}

/* FNV-1a: keys come from job records, which only operators write. */
static struct bucket *
bucket_of(struct pool *pool, struct slice name, uint16_t port)
{
	uint32_t hash = 2166136261u ^ port;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.at[i]) * 16777619u;
	return &pool->buckets[(hash ^ (hash >> 16)) % BUCKETS];
}

static struct backend *
backend_new(struct pool *pool, struct bucket *bucket, const struct job_url *target,
    struct slice name, bool trusted)
{
	struct backend *backend = calloc(1, sizeof(*backend) + name.len);
	struct address address;

	if (backend == NULL)
		return NULL;
	memcpy(backend->text, name.at, name.len);
	backend->name = (struct slice){backend->text, name.len};
	backend->pool = pool;
	backend->scheme = target->scheme;
	backend->port = target->port;
	backend->trusted = trusted;
	backend->timer.expired = backend_expired;
	TAILQ_INIT(&backend->idle);
	TAILQ_INIT(&backend->resolving);
	if (target->scheme != JOB_URL_UNIX && address_parse(name, target->port, &address)) {
		backend->addresses = malloc(sizeof(address));
		if (backend->addresses == NULL) {
			free(backend);
			return NULL;
		}
		backend->addresses[0] = address;
		backend->address_count = 1;
		backend->fresh_until_ms = UINT64_MAX;
	}
	LIST_INSERT_HEAD(bucket, backend, link);
	return backend;
}

/* The backend of a job's URL; made when it is not known. */
static struct backend *
backend_of(struct pool *pool, const struct job_url *target)
{
	bool trusted = target == pool->gateway->options.fixed_target;
	struct slice name = target->scheme == JOB_URL_UNIX ? target->path : target->host;
	struct bucket *bucket = bucket_of(pool, name, target->port);
	struct backend *backend;

	LIST_FOREACH(backend, bucket, link)
	if (backend->port == target->port && backend->scheme == target->scheme &&
	    backend->trusted == trusted && slice_equal(backend->name, name))
		return backend;
	return backend_new(pool, bucket, target, name, trusted);
}

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

static void
pool_deliver(struct task *task)
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
	case TLS_IO_OK:
		attempt_done(upstream);
		return;
	case TLS_IO_WANT_READ:
	case TLS_IO_WANT_WRITE:
		return;
	case TLS_IO_EOF:
	case TLS_IO_ERROR:
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
	const char *error = NULL;

	if (upstream->backend->scheme != JOB_URL_HTTPS) {
		attempt_done(upstream);
		return;
	}
	if (gateway->tls == NULL)
		gateway->tls = tls_client_new(gateway->options.backend_ca_file, &error);
	if (gateway->tls != NULL)
		upstream->conn.tls =
		    tls_client_open(gateway->tls, upstream->conn.fd, upstream->backend->name);
	if (upstream->conn.tls == NULL) {
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

static void
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
socket_is_own(const struct gateway *gateway, const char *path)
{
	struct stat target, own;

	if (stat(path, &target) != 0)
		return false;
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

	if (upstream->address_index++ > 0)
		return false;
	upstream->failure = UPSTREAM_NOT_ALLOWED;
	if (backend->name.len >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, backend->name.at, backend->name.len);
	/* A socket on this machine is as near as loopback, and held to the same rule. */
	if (!backend->trusted && !gateway->options.guard.allow_loopback)
		return false;
	if (socket_is_own(gateway, address.sun_path))
		return false;
	return connect_start(upstream, (struct sockaddr *)&address, sizeof(address));
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

/* Set out for a new connection: to known addresses, or by way of the resolver. */
static void
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

static struct upstream *
upstream_new(struct backend *backend, struct exchange *exchange)
{
	struct gateway *gateway = backend->pool->gateway;
	struct upstream *upstream = slab_take(&gateway->upstreams);

	if (upstream == NULL)
		return NULL;
	upstream->gateway = gateway;
	upstream->backend = backend;
	upstream->exchange = exchange;
	upstream->conn.fd = -1;
	upstream->conn.loop = gateway->loop;
	upstream->timer.expired = connect_timed_out;
	upstream->receiver.conn = upstream->sender.conn = &upstream->conn;
	upstream->receiver.buffers = upstream->sender.buffers = gateway->buffers;
	backend->users++;
	counter_add(&gateway->stats->backend_connections, 1);
	return upstream;
}

struct backend *
pool_enter(struct pool *pool, const struct job_url *target)
{
	struct backend *backend = backend_of(pool, target);

	if (backend != NULL)
		backend->users++;
	return backend;
}

void
pool_leave(struct backend *backend)
{
	if (--backend->users == 0)
		timer_start(backend->pool->gateway->loop, &backend->timer, BACKEND_LINGER_MS);
}

struct upstream *
pool_acquire(struct backend *backend, struct exchange *exchange, bool fresh)
{
	struct gateway *gateway = backend->pool->gateway;
	struct upstream *upstream = TAILQ_FIRST(&backend->idle);

	if (upstream != NULL && !fresh) {
		TAILQ_REMOVE(&backend->idle, upstream, link);
		backend->idle_count--;
		timer_stop(&upstream->timer);
		upstream->state = UPSTREAM_WAITING;
		upstream->exchange = exchange;
		counter_add(&gateway->stats->backend_reuses, 1);
		return upstream;
	}
	upstream = upstream_new(backend, exchange);
	if (upstream != NULL)
		connect_begin(upstream);
	return upstream;
}

bool
pool_keep(struct upstream *upstream)
{
	struct backend *backend = upstream->backend;
	struct gateway *gateway = upstream->gateway;

	if (gateway->draining ||
	    backend->idle_count >= gateway->options.idle_backend_connections_max)
		return false;
	TAILQ_INSERT_HEAD(&backend->idle, upstream, link);
	backend->idle_count++;
	upstream->state = UPSTREAM_IDLE;
	timer_start(gateway->loop, &upstream->timer, gateway->options.timeouts.backend_idle);
	return true;
}

void
pool_forget(struct upstream *upstream)
{
	struct backend *backend = upstream->backend;
	struct gateway *gateway = upstream->gateway;

	switch (upstream->state) {
	case UPSTREAM_IDLE:
		TAILQ_REMOVE(&backend->idle, upstream, link);
		backend->idle_count--;
		break;
	case UPSTREAM_RESOLVING:
		TAILQ_REMOVE(&backend->resolving, upstream, link);
		break;
	case UPSTREAM_FAILED:
		TAILQ_REMOVE(&backend->pool->failed, upstream, link);
		break;
	case UPSTREAM_CONNECTING:
	case UPSTREAM_SECURING:
	case UPSTREAM_WAITING:
	case UPSTREAM_RELAYING:
	case UPSTREAM_CLOSED:
		break;
	}
	counter_add(&gateway->stats->backend_connections, (uint64_t)-1);
	if (--backend->users == 0)
		timer_start(gateway->loop, &backend->timer, BACKEND_LINGER_MS);
}

struct pool *
pool_new(struct gateway *gateway)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->gateway = gateway;
	pool->deliver.run = pool_deliver;
	TAILQ_INIT(&pool->failed);
	return pool;
}

void
pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	loop_cancel(pool->gateway->loop, &pool->deliver);
	for (size_t i = 0; i < BUCKETS; i++) {
		struct backend *backend;

		while ((backend = LIST_FIRST(&pool->buckets[i])) != NULL) {
			struct upstream *upstream;

			while ((upstream = TAILQ_FIRST(&backend->idle)) != NULL)
				upstream_close(upstream);
			backend_free(backend);
		}
	}
	free(pool);
}
