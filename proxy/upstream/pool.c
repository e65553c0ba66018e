/* pool.c - herding backends, and the idle connections to each. */
#include <stdlib.h>

#include "upstream/backend.h"

/* A backend without connections is remembered this long, for its addresses. */
#define BACKEND_LINGER_MS 60000

static void
backend_free(struct backend *backend)
{
	if (backend->resolution != NULL)
		resolver_cancel(backend->resolution);
	timer_remove(&backend->timer);
	timer_remove(&backend->redial);
	backend_forget_circuit(backend);
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

static struct backend *
backend_new(struct pool *pool, struct bucket *bucket, const struct job_url *target,
    struct slice name, bool trusted)
{
	struct backend *backend = calloc(1, sizeof(*backend) + name.len);

	if (backend == NULL)
		return NULL;
	memcpy(backend->text, name.at, name.len);
	backend->name = (struct slice){backend->text, name.len};
	backend->pool = pool;
	backend->scheme = target->scheme;
	backend->port = target->port;
	backend->trusted = trusted;
	backend->timer.expired = backend_expired;
	backend->redial.expired = redial_due;
	TAILQ_INIT(&backend->idle);
	TAILQ_INIT(&backend->resolving);
	TAILQ_INIT(&backend->queued);
	if (!backend_init_addresses(backend)) {
		free(backend);
		return NULL;
	}
	LIST_INSERT_HEAD(bucket, backend, link);
	return backend;
}

/* The backend of a job's URL; made when it is not known. */
static struct backend *
backend_of(struct pool *pool, const struct job_url *target)
{
	bool control = target == pool->gateway->options.control_target;
	bool trusted = control || target == &pool->gateway->options.jobs.fixed_target;
	struct slice name = target->scheme == JOB_URL_UNIX ? target->path : target->host;
	struct bucket *bucket = bucket_of(pool, name, target->port);
	struct backend *backend;

	LIST_FOREACH(backend, bucket, link)
	if (backend->port == target->port && backend->scheme == target->scheme &&
	    backend->trusted == trusted && backend->control == control &&
	    slice_equal(backend->name, name))
		return backend;
	backend = backend_new(pool, bucket, target, name, trusted);
	if (backend != NULL)
		backend->control = control;
	return backend;
}

/* The control process is no backend: requests for metrics must not count themselves. */
static void
count(const struct backend *backend, counter *what, uint64_t n)
{
	if (!backend->control)
		counter_add(what, n);
}

struct backend_conn *
backend_conn_new(struct backend *backend, void *owner)
{
	struct gateway *gateway = backend->pool->gateway;
	struct backend_conn *made = slab_take(&gateway->backend_conns);

	if (made == NULL)
		return NULL;
	made->conn.fd = -1;
	made->gateway = gateway;
	made->backend = backend;
	made->owner = owner;
	backend->users++;
	backend->pool->connections++;
	count(backend, &gateway->stats->backend_connections, 1);
	return made;
}

static void
backend_conn_bury(struct task *task)
{
	struct backend_conn *made =
	    (struct backend_conn *)((char *)task - offsetof(struct backend_conn, burial));

	slab_give(&made->gateway->backend_conns, made, SLAB_KEEP);
}

void
backend_conn_close(struct backend_conn *made)
{
	struct backend *backend;

	if (made == NULL)
		return;
	backend = made->backend;
	conn_close(&made->conn);
	backend->pool->connections--;
	count(backend, &made->gateway->stats->backend_connections, (uint64_t)-1);
	pool_leave(backend);
	made->burial.run = backend_conn_bury;
	loop_defer(made->gateway->loop, &made->burial);
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

unsigned
pool_retry_s(const struct backend *backend)
{
	return circuit_retry_s(&backend->circuit, loop_now_ms(backend->pool->gateway->loop));
}

void
pool_avoid(const struct backend_conn *made)
{
	struct backend *backend = made->backend;

	if (made->place.version == backend->version && made->place.index == backend->first &&
	    backend->address_count > 1)
		backend->first = (backend->first + 1) % backend->address_count;
}

/* Take the connection that was used last, if there is one that is good. */
static struct http1_client *
take_idle(struct backend *backend, enum pool_choice choice)
{
	struct http1_client *client;

	while (choice != POOL_FRESH && (client = TAILQ_FIRST(&backend->idle)) != NULL)
		if (choice != POOL_CHECKED || http1_client_still_idle(client))
			return client;
	return NULL;
}

bool
pool_make_room(struct pool *pool)
{
	struct backend *backend;

	for (size_t i = 0; i < BACKEND_BUCKETS; i++) {
		pool->hand = (pool->hand + 1) % BACKEND_BUCKETS;
		LIST_FOREACH(backend, &pool->buckets[pool->hand], link)
		if (!TAILQ_EMPTY(&backend->idle)) {
			http1_client_close(TAILQ_LAST(&backend->idle, http1_client_list));
			return true;
		}
	}
	return false;
}

struct upstream *
pool_acquire(struct backend *backend, struct upstream_user *user, enum pool_choice choice, bool *up)
{
	struct gateway *gateway = backend->pool->gateway;
	struct http1_client *client;
	struct dial *dial;

	/* Who lives on kept connections alone still has to hear that the name leads elsewhere. */
	if (!TAILQ_EMPTY(&backend->idle) && !backend_addresses_fresh(backend))
		backend_resolve(backend);
	client = take_idle(backend, choice);
	*up = client != NULL;
	if (client != NULL) {
		counter_add(&gateway->stats->backend_reuses, 1);
		return http1_client_reuse(client, user);
	}
	/* Each client's connection may need one: idle ones must not take the descriptors away. */
	if (backend->pool->connections >= gateway->options.backend_connections_max)
		pool_make_room(backend->pool);
	dial = dial_new(backend, user);
	return dial != NULL ? &dial->upstream : NULL;
}

bool
pool_keep(struct http1_client *client)
{
	struct backend_conn *made = client->made;
	struct backend *backend = made->backend;
	struct gateway *gateway = made->gateway;

	if (gateway->draining ||
	    backend->idle_count >= gateway->options.limits.idle_backend_connections)
		return false;
	if (made->place.version != backend->version) {
		if (!backend_still_has(backend, &made->conn))
			return false;
		/* It has a place again, wherever: what counts is that it has one. */
		made->place.version = backend->version;
	}
	TAILQ_INSERT_HEAD(&backend->idle, client, link);
	backend->idle_count++;
	count(backend, &gateway->stats->backend_idle, 1);
	return true;
}

void
pool_unkeep(struct http1_client *client)
{
	struct backend *backend = client->made->backend;

	TAILQ_REMOVE(&backend->idle, client, link);
	backend->idle_count--;
	count(backend, &backend->pool->gateway->stats->backend_idle, (uint64_t)-1);
}

struct pool *
pool_new(struct gateway *gateway)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->gateway = gateway;
	pool->deliver.run = dial_deliver;
	gateway->backend_conns.size = sizeof(struct backend_conn);
	gateway->dials.size = sizeof(struct dial);
	gateway->http1_clients.size = sizeof(struct http1_client);
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
			struct http1_client *client;

			while ((client = TAILQ_FIRST(&backend->idle)) != NULL)
				http1_client_close(client);
			backend_free(backend);
		}
	}
	free(pool);
}
