/* pool.c - herding backends, and the idle connections to each. */
#include <stdlib.h>

#include "gateway/backend.h"

/* A backend without connections is remembered this long, for its addresses. */
#define BACKEND_LINGER_MS 60000

static void
backend_free(struct backend *backend)
{
	if (backend->resolution != NULL)
		resolver_cancel(backend->resolution);
	timer_remove(&backend->timer);
	LIST_REMOVE(backend, link);
	tls_session_free(backend->session);
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
	return &pool->buckets[(hash ^ (hash >> 16)) % BACKEND_BUCKETS];
}

/* "localhost" and every name below it, which mean this machine and nothing else (RFC 6761
 * section 6.3).
 */
static bool
name_is_localhost(struct slice name)
{
	struct slice localhost = SLICE("localhost");

	if (name.len > 0 && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len > localhost.len && name.at[name.len - localhost.len - 1] == '.')
		name = slice_after(name, name.len - localhost.len);
	return slice_equal_nocase(name, localhost);
}

/* Addresses that need no resolver: a numeric one, and those of localhost. */
static size_t
known_addresses(const struct job_url *target, struct slice name, struct address out[2])
{
	if (target->scheme == JOB_URL_UNIX)
		return 0;
	if (name_is_localhost(name))
		return address_parse(SLICE("127.0.0.1"), target->port, &out[0]) &&
			       address_parse(SLICE("::1"), target->port, &out[1])
			   ? 2
			   : 0;
	return address_parse(name, target->port, &out[0]) ? 1 : 0;
}

static struct backend *
backend_new(struct pool *pool, struct bucket *bucket, const struct job_url *target,
    struct slice name, bool trusted)
{
	struct backend *backend = calloc(1, sizeof(*backend) + name.len);
	struct address known[2];
	size_t count = known_addresses(target, name, known);

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
	if (count > 0) {
		backend->addresses = malloc(count * sizeof(*known));
		if (backend->addresses == NULL) {
			free(backend);
			return NULL;
		}
		memcpy(backend->addresses, known, count * sizeof(*known));
		backend->address_count = count;
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
	pool->deliver.run = connect_deliver;
	TAILQ_INIT(&pool->failed);
	return pool;
}

void
pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	loop_cancel(pool->gateway->loop, &pool->deliver);
	for (size_t i = 0; i < BACKEND_BUCKETS; i++) {
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
