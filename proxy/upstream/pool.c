/* pool.c - the backends of a worker, and the idle connections to each. */
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "jobgate/container_of.h"
#include "net/buffer.h"
#include "upstream/pool_state.h"

static void
backend_free(struct backend *backend)
{
	struct pool *pool = backend->pool;

	CHECK(backend->users == 0 && backend->idle_count == 0, backend_dump, backend);
	CHECK(TAILQ_EMPTY(&backend->queued) && TAILQ_EMPTY(&backend->resolving), backend_dump,
	    backend);
	CHECK(
	    TAILQ_EMPTY(&backend->waiting) && TAILQ_EMPTY(&backend->shared), backend_dump, backend);
	if (backend->resolution != NULL)
		resolver_cancel(backend->resolution);
	timer_remove(&backend->timer);
	timer_remove(&backend->redial);
	backend_forget_circuit(backend);
	walk_removes_backend(pool, backend);
	if (pool->hand == backend)
		pool->hand = TAILQ_NEXT(backend, member);
	table_remove(&pool->table, &backend->node);
	TAILQ_REMOVE(&pool->backends, backend, member);
	tls_session_free(backend->session);
	free(backend->addresses);
	free(backend);
}

static void
backend_expired(struct timer *timer)
{
	struct backend *backend = container_of(timer, struct backend, timer);

	if (backend->users == 0)
		backend_free(backend);
}

/* What the look-up of a backend compares. */
struct place {
	struct slice name;
	uint64_t words[SHORT_NAME / sizeof(uint64_t)]; /* the name and zeros, if it is short */
	uint16_t port;
	uint8_t scheme, source;
	uint64_t hash;
};

_Static_assert(JOB_URL_GRPCS <= UINT8_MAX && BACKEND_OF_CONTROL <= UINT8_MAX, "they fit");

/*
 * Operators choose the names: without a key they could choose some that collide. Each request needs
 * this hash, and for a short name universal hashing takes a fraction of what SipHash takes (NH, RFC
 * 4418 section 5.2.2, with words of 64 bits): no one gets to see a hash, so nothing shows the key.
 */
static uint64_t
hash_of(const struct pool *pool, const struct place *place)
{
	const uint64_t *key = pool->hash_key, *words = place->words;
	unsigned kind = (unsigned)place->source << 24 | (unsigned)place->scheme << 16 | place->port;
	unsigned __int128 sum;
	uint64_t hash;

	if (place->name.len > SHORT_NAME)
		return table_hash(&pool->table, kind, place->name);
	sum = (unsigned __int128)(key[0] + words[0]) * (key[1] + words[1]);
	sum += (unsigned __int128)(key[2] + words[2]) * (key[3] + words[3]);
	sum += (unsigned __int128)(key[4] + kind) * (key[5] + place->name.len);
	hash = (uint64_t)(sum >> 64) ^ (uint64_t)sum;
	/* Names that differ little differ in few bits so far, and the table takes the lowest. */
	hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

static inline __attribute__((always_inline)) struct place
place_of(const struct pool *pool, const struct job_url *target, enum backend_source source)
{
	struct place place = {.name = target->scheme == JOB_URL_UNIX ? target->path : target->host,
	    .port = target->port,
	    .scheme = (uint8_t)target->scheme,
	    .source = (uint8_t)source};

	if (place.name.len <= SHORT_NAME)
		memcpy(place.words, place.name.at, place.name.len);
	place.hash = hash_of(pool, &place);
	return place;
}

/* True when the place is this backend's. For a short name it reads the first cache line only. */
static bool
is_at(const struct backend *backend, const struct place *place)
{
	if (backend->port != place->port || backend->scheme != place->scheme ||
	    backend->source != place->source || backend->name.len != place->name.len)
		return false;
	if (place->name.len > SHORT_NAME)
		return slice_equal(backend->name, place->name);
	return memcmp(backend->short_name, place->words, SHORT_NAME) == 0;
}

/* All but the name and the addresses. */
static void
backend_init(struct backend *backend, struct pool *pool, const struct place *place)
{
	backend->pool = pool;
	backend->port = place->port;
	backend->scheme = place->scheme;
	backend->source = place->source;
	backend->timer.expired = backend_expired;
	backend->redial.expired = redial_due;
	TAILQ_INIT(&backend->idle);
	TAILQ_INIT(&backend->shared);
	TAILQ_INIT(&backend->waiting);
	TAILQ_INIT(&backend->resolving);
	TAILQ_INIT(&backend->queued);
	backend->node.hash = place->hash;
}

#define CACHE_LINE 64

static struct backend *
backend_new(struct pool *pool, const struct place *place)
{
	size_t len = place->name.len, extra = len > SHORT_NAME ? len : 0;
	size_t size = (sizeof(struct backend) + extra + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
	struct backend *backend = aligned_alloc(CACHE_LINE, size);
	char *name;

	if (backend == NULL)
		return NULL;
	memset(backend, 0, size);
	name = len > SHORT_NAME ? backend->long_name : backend->short_name;
	memcpy(name, place->name.at, len);
	backend->name = (struct slice){name, len};
	backend_init(backend, pool, place);
	if (!backend_init_addresses(backend) || !table_insert(&pool->table, &backend->node)) {
		free(backend->addresses);
		free(backend);
		return NULL;
	}
	TAILQ_INSERT_HEAD(&pool->backends, backend, member);
	return backend;
}

/* The backend of a URL; made when it is not known. */
static struct backend *
backend_of(struct pool *pool, const struct job_url *target, enum backend_source source)
{
	struct place place = place_of(pool, target, source);
	struct table_search search;
	struct table_node *node = table_first(&pool->table, place.hash, &search);

	for (; node != NULL; node = table_next(&search)) {
		struct backend *backend = container_of(node, struct backend, node);

		if (is_at(backend, &place))
			return backend;
	}
	return backend_new(pool, &place);
}

struct backend *
pool_enter(struct pool *pool, const struct job_url *target, enum backend_source source)
{
	struct backend *backend = backend_of(pool, target, source);

	if (backend != NULL)
		backend->users++;
	return backend;
}

void
pool_leave(struct backend *backend)
{
	CHECK(backend->users > 0, backend_dump, backend);
	if (--backend->users == 0)
		timer_start(backend->pool->options.loop, &backend->timer,
		    backend->pool->options.tuning->linger_ms);
}

unsigned
pool_retry_s(const struct backend *backend)
{
	return circuit_retry_s(&backend->circuit, loop_now_ms(backend->pool->options.loop));
}

/* The idle connection that was used last; exclusive: of those that serve one user at a time. */
static struct backend_conn *
last_idle(const struct backend *backend, bool exclusive)
{
	struct backend_conn *connection = TAILQ_FIRST(&backend->idle);

	exclusive = exclusive || backend->needs_http1;
	while (exclusive && connection != NULL && connection->protocol->takes != NULL)
		connection = TAILQ_NEXT(connection, link);
	return connection;
}

/* An idle connection, looked at once more for POOL_CHECKED; NULL when there is none. */
static struct backend_conn *
take_idle(struct backend *backend, enum pool_choice choice, bool exclusive)
{
	struct backend_conn *connection;

	while (choice != POOL_FRESH && (connection = last_idle(backend, exclusive)) != NULL)
		if (choice != POOL_CHECKED || connection->protocol->still_idle(connection))
			return connection;
	return NULL;
}

bool
pool_make_room(struct pool *pool)
{
	for (size_t i = 0; i < pool->table.count; i++) {
		struct backend *backend =
		    pool->hand != NULL ? pool->hand : TAILQ_FIRST(&pool->backends);

		pool->hand = TAILQ_NEXT(backend, member);
		if (!TAILQ_EMPTY(&backend->idle)) {
			struct backend_conn *last = TAILQ_LAST(&backend->idle, backend_conn_list);

			last->protocol->close(last);
			return true;
		}
	}
	return false;
}

/* True when the request gets a connection that serves one user at a time. */
static bool
is_exclusive(const struct backend *backend, enum pool_sharing sharing)
{
	switch (sharing) {
	case POOL_SHARED:
		return false;
	case POOL_TUNNEL:
		return !backend_may_share(backend) || backend->no_tunnels;
	case POOL_EXCLUSIVE:
		break;
	}
	return true;
}

struct upstream *
pool_acquire(struct backend *backend, struct upstream_user *user, enum pool_choice choice,
    enum pool_sharing sharing, bool *up)
{
	struct pool *pool = backend->pool;
	bool exclusive = is_exclusive(backend, sharing);
	struct backend_conn *connection = NULL;
	struct dial *dial;

	CHECK(backend->users > 0, backend_dump, backend); /* pool_enter was called */
	/*
	 * Look up the name even if existing connections can serve all requests: it may have other
	 * addresses now.
	 */
	if ((!TAILQ_EMPTY(&backend->idle) || !TAILQ_EMPTY(&backend->shared)) &&
	    !backend_addresses_fresh(backend))
		backend_resolve(backend);
	if (choice != POOL_FRESH && !exclusive && !backend->needs_http1)
		connection = share_take(backend);
	if (connection == NULL)
		connection = take_idle(backend, choice, exclusive);
	*up = connection != NULL;
	if (connection != NULL) {
		counter_add(&pool->options.stats->backend_reuses, 1);
		return connection->protocol->serve(connection, user);
	}
	/* Each client's connection may need one: idle ones must not take the descriptors away. */
	if (pool->connections >= pool->options.connections_max)
		pool_make_room(pool);
	dial = dial_new(backend, user, exclusive);
	return dial != NULL ? &dial->upstream : NULL;
}

void
pool_dump(const struct pool *pool, struct dump *dump)
{
	jg_dump_begin(dump, "pool");
	jg_dump_number(dump, "connections", pool->connections);
	jg_dump_number(dump, "parallel", pool->parallel_count);
	jg_dump_number(dump, "most", pool->options.connections_max);
	jg_dump_flag(dump, "failed", !TAILQ_EMPTY(&pool->failed));
	jg_dump_number(dump, "windows", pool->windows.counted);
	jg_dump_number(dump, "idle_blocks", pool->connection_slab.idle_count);
	jg_dump_flag(dump, "draining", pool->draining);
	jg_dump_end(dump);
}

void *
pool_scratch(struct pool *pool)
{
	return pool->scratch;
}

struct slab *
pool_streams(struct pool *pool)
{
	return &pool->stream_slab;
}

struct window_budget *
pool_windows(struct pool *pool)
{
	return &pool->windows;
}

/* Protocols take turns in using it. */
static size_t
scratch_size(const struct pool *pool)
{
	size_t size = pool->options.http1->scratch_size;

	if (pool->options.http2 != NULL && pool->options.http2->scratch_size > size)
		size = pool->options.http2->scratch_size;
	return size;
}

static bool
init_table(struct pool *pool)
{
	unsigned char key[16];
	bool ok = RAND_bytes(key, sizeof(key)) == 1 &&
		  RAND_bytes((unsigned char *)pool->hash_key, sizeof(pool->hash_key)) == 1 &&
		  table_init(&pool->table, key);

	OPENSSL_cleanse(key, sizeof(key));
	return ok;
}

struct pool *
pool_new(const struct pool_options *options)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->options = *options;
	pool->scratch = scratch_new(scratch_size(pool));
	if (pool->scratch == NULL || !init_table(pool)) {
		scratch_free(pool->scratch, scratch_size(pool));
		free(pool);
		return NULL;
	}
	if (options->tuning == NULL)
		pool->options.tuning = &jg_tuning.backend;
	pool->deliver.run = dial_deliver;
	pool->connection_slab.size = options->http1->size;
	if (options->http2 != NULL) {
		if (options->http2->size > options->http1->size)
			pool->connection_slab.size = options->http2->size;
		pool->stream_slab.size = options->http2->stream_size;
	}
	pool->dial_slab.size = sizeof(struct dial);
	TAILQ_INIT(&pool->failed);
	TAILQ_INIT(&pool->backends);
	window_budget_init(&pool->windows, options->settings.http2.buffer);
	return pool;
}

void
pool_drain(struct pool *pool)
{
	pool->draining = true;
}

void
pool_free(struct pool *pool)
{
	struct backend_conn *connection;
	struct backend *backend;

	if (pool == NULL)
		return;
	while ((connection = LIST_FIRST(&pool->all)) != NULL)
		/* It leaves the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		connection->protocol->close(connection);
	loop_turn(pool->options.loop, false); /* what closed is freed at the end of the turn */
	loop_cancel(pool->options.loop, &pool->deliver);
	while ((backend = TAILQ_FIRST(&pool->backends)) != NULL)
		/* It leaves the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		backend_free(backend);
	CHECK(pool->connections == 0 && pool->parallel_count == 0 && pool->windows.counted == 0,
	    pool_dump, pool);
	slab_clear(&pool->connection_slab);
	slab_clear(&pool->dial_slab);
	slab_clear(&pool->stream_slab);
	table_free(&pool->table);
	scratch_free(pool->scratch, scratch_size(pool));
	free(pool);
}
