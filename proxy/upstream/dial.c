/* dial.c - the making of one connection: resolve, race the addresses, TLS. */
#include <stdlib.h>
#include <unistd.h>

#include "jobgate/container_of.h"
#include "observe/probes.h"
#include "upstream/connect_address.h"
#include "upstream/pool_state.h"

/*
 * An address has this long before the next one is tried beside it, and the first to connect wins
 * (RFC 8305 section 5): a family that leads nowhere costs this once, not the time-out.
 */
#define ADDRESS_MS 250

/*
 * Parallel connections of all dials of a pool. There are descriptors for one connection of each
 * dial, and some to spare. When the spare ones are used up, the next address is tried in place of
 * the one before, not beside it.
 */
#define PARALLEL_MAX 64

/* A connection to another address, tried beside the one in dial->made. */
struct parallel_dial {
	LIST_ENTRY(parallel_dial) link;
	struct dial *dial;
	struct conn conn;
	struct address_place place;
};

static void dial_more(struct dial *dial);

static void
parallel_drop(struct parallel_dial *parallel)
{
	CHECK(parallel->dial->pool->parallel_count > 0, dial_dump, parallel->dial);
	parallel->dial->pool->parallel_count--;
	LIST_REMOVE(parallel, link);
	conn_close(&parallel->conn);
	free(parallel);
}

static void
drop_parallel(struct dial *dial)
{
	struct parallel_dial *parallel;

	while ((parallel = LIST_FIRST(&dial->parallel)) != NULL)
		/* It has left the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		parallel_drop(parallel);
}

/* ---- how it ends ---- */

static void
dial_free(struct task *task)
{
	struct dial *dial = container_of(task, struct dial, free_task);

	slab_give(&dial->pool->dial_slab, dial, POOL_SLAB_KEEP);
}

/* The one place where a dial ends, whatever has become of it. */
static void
dial_close(struct dial *dial)
{
	drop_parallel(dial);
	if (dial->probe)
		circuit_abandon(&dial->backend->circuit);
	dial->probe = false;
	redial_left(dial);
	dial->upstream.user = NULL;
	dial_set_state(dial, DIAL_CLOSED);
	timer_remove(&dial->timer);
	backend_conn_close(dial->made);
	dial->made = NULL;
	dial->free_task.run = dial_free;
	loop_defer(dial->pool->options.loop, &dial->free_task);
}

static void
dial_cancel(struct upstream *upstream)
{
	dial_close(container_of(upstream, struct dial, upstream));
}

/* Tell the user, and be done. */
static void
dial_failed(struct dial *dial)
{
	struct upstream_user *user = dial->upstream.user;
	const struct backend *backend = dial->backend;
	enum upstream_failure failure = dial->failure;

	PROBE_NOT_CONNECTED(backend->name.at, backend->name.len, backend->port, failure);
	dial_close(dial);
	user->ops->failed(user, failure, REPEAT_NOT);
}

void
dial_deliver(struct task *task)
{
	struct pool *pool = container_of(task, struct pool, deliver);
	struct dial *dial;

	while ((dial = TAILQ_FIRST(&pool->failed)) != NULL)
		dial_failed(dial);
}

void
dial_fail(struct dial *dial)
{
	struct pool *pool = dial->backend->pool;

	timer_stop(&dial->timer);
	dial_set_state(dial, DIAL_FAILED);
	loop_defer(pool->options.loop, &pool->deliver);
}

/* Nothing is left to try, for now or at all. */
static void
dial_exhausted(struct dial *dial)
{
	drop_parallel(dial);
	conn_close(&dial->made->conn);
	backend_not_connected(dial);
	if (redial_may_wait(dial))
		redial_wait(dial);
	else
		dial_fail(dial);
	redial_left(dial);
}

/* The connection is up: a client that speaks the backend's protocol takes it and the user over. */
static void
dial_up(struct dial *dial)
{
	const struct backend *backend = dial->backend;
	struct upstream_user *user = dial->upstream.user;
	struct backend_conn *made = dial->made;

	CHECK(user != NULL && made->conn.fd >= 0 && LIST_EMPTY(&dial->parallel), dial_dump, dial);

	PROBE_CONNECTED(backend->name.at, backend->name.len, backend->port);
	counter_add(&dial->pool->options.stats->backend_connects, 1);
	backend_connected(dial);
	dial->made = NULL;
	made->dial = NULL;
	dial_close(dial);
	made->protocol->opened(made, user);
}

/* ---- TLS ---- */

static void
dial_handshake(struct dial *dial)
{
	switch (tls_handshake(dial->made->conn.tls)) {
	case IO_OK:
		dial_up(dial);
		return;
	case IO_AGAIN:
		return;
	case IO_EOF:
	case IO_ERROR:
		break;
	}
	if (backend_may_warn(dial->backend))
		log_warning(dial->pool->options.log, "TLS to backend %.*s failed: %s",
		    (int)dial->backend->name.len, dial->backend->name.at,
		    tls_error_text(dial->made->conn.tls));
	/* Perhaps the backend did not accept the earlier session. */
	tls_session_free(dial->backend->session);
	dial->backend->session = NULL;
	if (tls_is_unverified(dial->made->conn.tls)) {
		dial->failure = UPSTREAM_NOT_VERIFIED;
		dial_exhausted(dial);
		return;
	}
	/* The backend closed in the middle of it, as it starts or ends: that counts as refused. */
	if (tls_is_cut(dial->made->conn.tls))
		dial->failure = UPSTREAM_REFUSED;
	conn_close(&dial->made->conn);
	dial_set_state(dial, DIAL_CONNECTING);
	dial_more(dial);
}

static void dial_schedule(struct dial *dial);

/* The TCP connection is up; over https the handshake comes next. */
static void
dial_connected(struct dial *dial)
{
	const struct pool_options *options = &dial->pool->options;

	drop_parallel(dial);
	if (dial->backend->scheme != JOB_URL_HTTPS) {
		dial_up(dial);
		return;
	}
	if (!tls_client_open(
		options->tls, &dial->made->conn, dial->backend->name, &dial->backend->session)) {
		log_error(options->log, "TLS to a backend cannot be set up: out of memory");
		dial_exhausted(dial);
		return;
	}
	dial_set_state(dial, DIAL_TLS_HANDSHAKE);
	dial_schedule(dial);
	dial_handshake(dial);
}

/* ---- the race ---- */

/* Is there an address that this dial has not tried yet? *index is the next one. */
static bool
next_address(struct dial *dial, size_t *index)
{
	const struct backend *backend = dial->backend;
	size_t count = backend->failed ? 0 : backend->address_count;

	if (backend->scheme == JOB_URL_UNIX)
		count = 1;
	if (dial->tried_version != backend->version) {
		dial->tried_version = backend->version;
		dial->tried = 0;
	}
	for (size_t i = 0; i < count; i++) {
		*index = (backend->first + i) % count;
		if ((dial->tried >> *index & 1) == 0)
			return true;
	}
	return false;
}

/* Start the timer: for the next address, or for the end of the dial's time. */
static void
dial_schedule(struct dial *dial)
{
	const struct pool_options *options = &dial->pool->options;
	uint64_t now_ms = loop_now_ms(options->loop);
	uint64_t left = dial->connect_by_ms > now_ms ? dial->connect_by_ms - now_ms : 1;
	uint64_t turn = left;
	size_t index;
	bool more = next_address(dial, &index);

	/* Addresses may come late: those of the other family. */
	if (dial->state == DIAL_CONNECTING && (more || dial->backend->resolution != NULL))
		turn = ADDRESS_MS;
	/* A handshake is not raced: its address gets a fair share of what is left. */
	if (dial->state == DIAL_TLS_HANDSHAKE && more)
		turn = left / 2 > ADDRESS_MS ? left / 2 : ADDRESS_MS;
	timer_start(options->loop, &dial->timer, turn < left ? turn : left);
}

static bool
in_flight(const struct dial *dial)
{
	return dial->made->conn.fd >= 0 || !LIST_EMPTY(&dial->parallel);
}

static void
connect_ready(struct conn *conn)
{
	struct dial *dial = backend_conn_of(conn)->dial;

	if (dial->state == DIAL_TLS_HANDSHAKE) {
		dial_handshake(dial);
		return;
	}
	if (dial->state != DIAL_CONNECTING)
		return;
	if (conn_failed(conn)) {
		dial->failure = UPSTREAM_REFUSED;
		conn_close(conn);
		dial_more(dial);
	} else if (conn->writable) {
		dial_connected(dial);
	}
}

static void
parallel_ready(struct conn *conn)
{
	struct parallel_dial *parallel = container_of(conn, struct parallel_dial, conn);
	struct dial *dial = parallel->dial;
	bool won = false;

	if (conn_failed(conn)) {
		dial->failure = UPSTREAM_REFUSED;
	} else if (conn->writable) {
		conn_close(&dial->made->conn);
		dial->made->place = parallel->place;
		won = conn_take(&dial->made->conn, dial->pool->options.loop, conn, connect_ready);
	} else {
		return;
	}
	parallel_drop(parallel);
	if (won)
		dial_connected(dial);
	else
		dial_more(dial);
}

/* Begin to connect to one address, beside those that are under way. */
static enum connect_result
dial_next_address(struct dial *dial, size_t index)
{
	struct address_place place = {dial->backend->version, (unsigned char)index};
	struct pool *pool = dial->backend->pool;
	struct parallel_dial *parallel;
	enum connect_result result;

	if (pool->parallel_count >= PARALLEL_MAX)
		conn_close(&dial->made->conn);
	if (dial->made->conn.fd < 0) {
		dial->made->place = place;
		return connect_address(dial->backend, index, &dial->made->conn, connect_ready);
	}
	parallel = calloc(1, sizeof(*parallel));
	if (parallel == NULL)
		return CONNECT_NO_SOCKET;
	parallel->dial = dial;
	parallel->place = place;
	parallel->conn.fd = -1;
	result = connect_address(dial->backend, index, &parallel->conn, parallel_ready);
	if (result != CONNECT_STARTED) {
		free(parallel);
		return result;
	}
	pool->parallel_count++;
	LIST_INSERT_HEAD(&dial->parallel, parallel, link);
	return CONNECT_STARTED;
}

/* Try one more address. If none is left, wait for those under way, or for the resolver. */
static void
dial_more(struct dial *dial)
{
	struct backend *backend = dial->backend;
	size_t index;

	while (next_address(dial, &index)) {
		dial->tried |= (uint32_t)1 << index;
		switch (dial_next_address(dial, index)) {
		case CONNECT_STARTED:
			dial->failure = UPSTREAM_CONNECT_FAILED;
			dial_schedule(dial);
			return;
		case CONNECT_FAILED:
			dial->failure = UPSTREAM_REFUSED;
			break;
		case CONNECT_NOT_ALLOWED:
			if (dial->failure == UPSTREAM_NO_ADDRESS)
				dial->failure = UPSTREAM_NOT_ALLOWED;
			break;
		case CONNECT_NO_SOCKET:
			if (dial->failure != UPSTREAM_CONNECT_FAILED &&
			    dial->failure != UPSTREAM_REFUSED)
				dial->failure = UPSTREAM_NO_SOCKET;
			break;
		}
	}
	if (in_flight(dial)) {
		dial_schedule(dial);
	} else if (backend->resolution != NULL) {
		dial_set_state(dial, DIAL_RESOLVING);
		dial_schedule(dial);
	} else {
		dial_exhausted(dial);
	}
}

/* Another address has to be tried, or connecting has taken too long. */
static void
dial_timed_out(struct timer *timer)
{
	struct dial *dial = container_of(timer, struct dial, timer);

	if (dial->state == DIAL_QUEUED) {
		dial_set_state(dial, DIAL_CONNECTING); /* it leaves the queue */
		dial_exhausted(dial);
		return;
	}
	if (loop_now_ms(dial->pool->options.loop) < dial->connect_by_ms &&
	    dial->state != DIAL_RESOLVING) {
		if (dial->state == DIAL_TLS_HANDSHAKE) {
			conn_close(&dial->made->conn);
			dial_set_state(dial, DIAL_CONNECTING);
		}
		dial_more(dial);
		return;
	}
	dial->failure = UPSTREAM_CONNECT_TIMEOUT;
	if (dial->state == DIAL_RESOLVING) {
		/* The name servers are to blame, not the backend. */
		dial_failed(dial);
		return;
	}
	dial_exhausted(dial);
}

void
dial_resolved(struct backend *backend)
{
	struct dial *dial;
	size_t count = 0;

	TAILQ_FOREACH(dial, &backend->resolving, link)
	count++;
	/* A dial that finds nothing to try goes back to the end of the list. */
	while (count-- > 0 && (dial = TAILQ_FIRST(&backend->resolving)) != NULL) {
		dial_set_state(dial, DIAL_CONNECTING);
		dial_more(dial);
	}
}

void
dial_start(struct dial *dial)
{
	struct backend *backend = dial->backend;

	dial->failure = UPSTREAM_NO_ADDRESS;
	dial_set_state(dial, DIAL_CONNECTING);
	dial->tried = 0;
	if (backend_addresses_fresh(backend)) {
		dial_more(dial);
		return;
	}
	backend_resolve(backend);
	if (backend->resolution == NULL) {
		dial_exhausted(dial);
		return;
	}
	dial_set_state(dial, DIAL_RESOLVING);
	dial_schedule(dial);
}

static void
dial_begin(struct dial *dial)
{
	struct backend *backend = dial->backend;
	const struct pool_options *options = &dial->pool->options;
	uint64_t now_ms = loop_now_ms(options->loop);

	dial->connect_by_ms = now_ms + options->connect_ms;
	if (!circuit_admits(&backend->circuit, now_ms, &dial->probe)) {
		dial->failure = UPSTREAM_CIRCUIT_OPEN;
		dial_fail(dial);
	} else if (circuit_refuses(&backend->circuit, &options->circuit, now_ms)) {
		dial->failure = UPSTREAM_REFUSED;
		redial_wait(dial);
	} else {
		dial_start(dial);
	}
}

static const struct upstream_ops dial_ops = {.cancel = dial_cancel};

struct dial *
dial_new(struct backend *backend, struct upstream_user *user)
{
	struct pool *pool = backend->pool;
	struct dial *dial = slab_take(&pool->dial_slab);

	if (dial == NULL)
		return NULL;
	dial->made = backend_conn_new(backend, dial);
	if (dial->made == NULL) {
		slab_give(&pool->dial_slab, dial, POOL_SLAB_KEEP);
		return NULL;
	}
	dial->upstream = (struct upstream){&dial_ops, user};
	dial->pool = pool;
	dial->backend = backend;
	dial->timer.expired = dial_timed_out;
	dial_begin(dial);
	return dial;
}
