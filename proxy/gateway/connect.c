/* connect.c - the making of one connection: resolve, race the addresses, secure. */
#include <stdlib.h>
#include <unistd.h>

#include "gateway/answer.h"
#include "gateway/attempt.h"
#include "gateway/backend.h"
#include "observe/probes.h"

/*
 * So long one address is given before the next is tried beside it, and the first to connect
 * wins (RFC 8305 section 5): a family that leads nowhere costs this once, not the time-out.
 */
#define ATTEMPT_MS 250

/*
 * Of all connections together: descriptors are there for one each, and some to spare. When these
 * are used up the next address is tried instead of the one before, not beside it.
 */
#define RIVALS_MAX 64

/* An attempt beside the one in upstream->conn. */
struct rival {
	LIST_ENTRY(rival) link;
	struct upstream *upstream;
	struct conn conn;
	struct address_place place;
};

static void connect_more(struct upstream *upstream);

static struct upstream *
upstream_of(struct conn *conn)
{
	return (struct upstream *)((char *)conn - offsetof(struct upstream, conn));
}

static void
rival_drop(struct rival *rival)
{
	rival->upstream->backend->pool->rival_count--;
	LIST_REMOVE(rival, link);
	conn_close(&rival->conn);
	free(rival);
}

static void
drop_rivals(struct upstream *upstream)
{
	struct rival *rival;

	while ((rival = LIST_FIRST(&upstream->rivals)) != NULL)
		/* It has left the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		rival_drop(rival);
}

/* ---- how it ends ---- */

/* Tell the exchange, and be done with the connection. */
static void
connect_failed(struct upstream *upstream)
{
	struct exchange *exchange = upstream->exchange;
	const struct backend *backend = upstream->backend;
	enum upstream_failure failure = upstream->failure;

	PROBE_NOT_CONNECTED(backend->name.at, backend->name.len, backend->port, failure);
	upstream_close(upstream);
	if (exchange != NULL)
		exchange_upstream_failed(exchange, failure, REPEAT_NOT);
}

void
connect_deliver(struct task *task)
{
	struct pool *pool = (struct pool *)((char *)task - offsetof(struct pool, deliver));
	struct upstream *upstream;

	while ((upstream = TAILQ_FIRST(&pool->failed)) != NULL)
		connect_failed(upstream);
}

/* The exchange hears of it later, never from within its own call. */
void
connect_give_up(struct upstream *upstream)
{
	struct pool *pool = upstream->backend->pool;

	timer_stop(&upstream->timer);
	upstream->state = UPSTREAM_FAILED;
	TAILQ_INSERT_TAIL(&pool->failed, upstream, link);
	loop_defer(pool->gateway->loop, &pool->deliver);
}

/* Nothing is left to try, for now or at all. */
static void
attempts_over(struct upstream *upstream)
{
	drop_rivals(upstream);
	conn_close(&upstream->conn);
	backend_not_connected(upstream);
	if (redial_may_wait(upstream))
		redial_wait(upstream);
	else
		connect_give_up(upstream);
	redial_left(upstream);
}

void
connect_abandon(struct upstream *upstream)
{
	drop_rivals(upstream);
	if (upstream->probe)
		circuit_abandon(&upstream->backend->circuit);
	upstream->probe = false;
}

/* The connection is up: to work. */
static void
attempt_done(struct upstream *upstream)
{
	struct gateway *gateway = upstream->gateway;
	const struct backend *backend = upstream->backend;

	PROBE_CONNECTED(backend->name.at, backend->name.len, backend->port);
	timer_stop(&upstream->timer);
	counter_add(&gateway->stats->backend_connects, 1);
	backend_connected(upstream);
	upstream->state = UPSTREAM_WAITING;
	exchange_connected(upstream->exchange, upstream);
	/* A backend may have spoken, and gone, before it was asked: that edge will not be told
	 * again. */
	if (upstream->exchange != NULL && upstream->conn.readable)
		upstream_pump(upstream);
}

/* ---- TLS ---- */

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
	if (backend_may_warn(upstream->backend))
		log_warning(upstream->gateway->log, "TLS to backend %.*s failed: %s",
		    (int)upstream->backend->name.len, upstream->backend->name.at,
		    tls_error_text(upstream->conn.tls));
	/* Perhaps it was the earlier session that it did not like. */
	tls_session_free(upstream->backend->session);
	upstream->backend->session = NULL;
	if (tls_is_unverified(upstream->conn.tls)) {
		upstream->failure = UPSTREAM_NOT_VERIFIED;
		attempts_over(upstream);
		return;
	}
	/* Closed in the middle of it: the backend comes or goes, and that is as good as refused. */
	if (tls_is_cut(upstream->conn.tls))
		upstream->failure = UPSTREAM_REFUSED;
	conn_close(&upstream->conn);
	upstream->state = UPSTREAM_CONNECTING;
	connect_more(upstream);
}

static void connect_schedule(struct upstream *upstream);

/* The TCP connection stands; over https the handshake comes next. */
static void
attempt_connected(struct upstream *upstream)
{
	struct gateway *gateway = upstream->gateway;

	drop_rivals(upstream);
	if (upstream->backend->scheme != JOB_URL_HTTPS) {
		attempt_done(upstream);
		return;
	}
	if (!tls_client_open(gateway->options.backend_tls, &upstream->conn, upstream->backend->name,
		&upstream->backend->session)) {
		log_error(gateway->log, "TLS to a backend cannot be set up: out of memory");
		attempts_over(upstream);
		return;
	}
	upstream->state = UPSTREAM_SECURING;
	connect_schedule(upstream);
	attempt_secure(upstream);
}

/* ---- the race ---- */

/* Addresses that this connection has not tried yet; *index is the next. */
static bool
next_address(struct upstream *upstream, size_t *index)
{
	const struct backend *backend = upstream->backend;
	size_t count = backend->failed ? 0 : backend->address_count;

	if (backend->scheme == JOB_URL_UNIX)
		count = 1;
	if (upstream->tried_version != backend->version) {
		upstream->tried_version = backend->version;
		upstream->tried = 0;
	}
	for (size_t i = 0; i < count; i++) {
		*index = (backend->first + i) % count;
		if ((upstream->tried >> *index & 1) == 0)
			return true;
	}
	return false;
}

/* Look again when it is another address's turn, or when the time is over. */
static void
connect_schedule(struct upstream *upstream)
{
	struct gateway *gateway = upstream->gateway;
	uint64_t now_ms = loop_now_ms(gateway->loop);
	uint64_t left = upstream->connect_by_ms > now_ms ? upstream->connect_by_ms - now_ms : 1;
	uint64_t turn = left;
	size_t index;
	bool more = next_address(upstream, &index);

	/* Addresses may come late: those of the other family. */
	if (upstream->state == UPSTREAM_CONNECTING &&
	    (more || upstream->backend->resolution != NULL))
		turn = ATTEMPT_MS;
	/* A handshake is not raced: its address gets a fair share of what is left. */
	if (upstream->state == UPSTREAM_SECURING && more)
		turn = left / 2 > ATTEMPT_MS ? left / 2 : ATTEMPT_MS;
	timer_start(gateway->loop, &upstream->timer, turn < left ? turn : left);
}

static bool
in_flight(const struct upstream *upstream)
{
	return upstream->conn.fd >= 0 || !LIST_EMPTY(&upstream->rivals);
}

static void
connect_ready(struct conn *conn)
{
	struct upstream *upstream = upstream_of(conn);

	if (upstream->state == UPSTREAM_SECURING) {
		attempt_secure(upstream);
		return;
	}
	if (upstream->state != UPSTREAM_CONNECTING)
		return;
	if (conn_failed(conn)) {
		upstream->failure = UPSTREAM_REFUSED;
		conn_close(conn);
		connect_more(upstream);
	} else if (conn->writable) {
		attempt_connected(upstream);
	}
}

static void
rival_ready(struct conn *conn)
{
	struct rival *rival = (struct rival *)((char *)conn - offsetof(struct rival, conn));
	struct upstream *upstream = rival->upstream;
	bool won = false;

	if (conn_failed(conn)) {
		upstream->failure = UPSTREAM_REFUSED;
	} else if (conn->writable) {
		conn_close(&upstream->conn);
		upstream->place = rival->place;
		won = conn_take(&upstream->conn, upstream->gateway->loop, conn, connect_ready);
	} else {
		return;
	}
	rival_drop(rival);
	if (won)
		attempt_connected(upstream);
	else
		connect_more(upstream);
}

/* Set out for one address, beside those that others are on their way to. */
static enum attempt
attempt_next(struct upstream *upstream, size_t index)
{
	struct address_place place = {upstream->backend->version, (unsigned char)index};
	struct pool *pool = upstream->backend->pool;
	struct rival *rival;
	enum attempt attempt;

	if (pool->rival_count >= RIVALS_MAX)
		conn_close(&upstream->conn);
	if (upstream->conn.fd < 0) {
		upstream->place = place;
		return attempt_start(upstream->backend, index, &upstream->conn, connect_ready);
	}
	rival = calloc(1, sizeof(*rival));
	if (rival == NULL)
		return ATTEMPT_NO_SOCKET;
	rival->upstream = upstream;
	rival->place = place;
	rival->conn.fd = -1;
	attempt = attempt_start(upstream->backend, index, &rival->conn, rival_ready);
	if (attempt != ATTEMPT_STARTED) {
		free(rival);
		return attempt;
	}
	pool->rival_count++;
	LIST_INSERT_HEAD(&upstream->rivals, rival, link);
	return ATTEMPT_STARTED;
}

/* Try one more address. If none is left, wait for those under way, or for the resolver. */
static void
connect_more(struct upstream *upstream)
{
	struct backend *backend = upstream->backend;
	size_t index;

	while (next_address(upstream, &index)) {
		upstream->tried |= (uint32_t)1 << index;
		switch (attempt_next(upstream, index)) {
		case ATTEMPT_STARTED:
			upstream->failure = UPSTREAM_CONNECT_FAILED;
			connect_schedule(upstream);
			return;
		case ATTEMPT_FAILED:
			upstream->failure = UPSTREAM_REFUSED;
			break;
		case ATTEMPT_NOT_ALLOWED:
			if (upstream->failure == UPSTREAM_NO_ADDRESS)
				upstream->failure = UPSTREAM_NOT_ALLOWED;
			break;
		case ATTEMPT_NO_SOCKET:
			if (upstream->failure != UPSTREAM_CONNECT_FAILED &&
			    upstream->failure != UPSTREAM_REFUSED)
				upstream->failure = UPSTREAM_NO_SOCKET;
			break;
		}
	}
	if (in_flight(upstream)) {
		connect_schedule(upstream);
	} else if (backend->resolution != NULL) {
		upstream->state = UPSTREAM_RESOLVING;
		TAILQ_INSERT_TAIL(&backend->resolving, upstream, link);
		connect_schedule(upstream);
	} else {
		attempts_over(upstream);
	}
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
	if (upstream->state == UPSTREAM_QUEUED) {
		TAILQ_REMOVE(&upstream->backend->queued, upstream, link);
		attempts_over(upstream);
		return;
	}
	if (loop_now_ms(upstream->gateway->loop) < upstream->connect_by_ms &&
	    upstream->state != UPSTREAM_RESOLVING) {
		if (upstream->state == UPSTREAM_SECURING) {
			conn_close(&upstream->conn);
			upstream->state = UPSTREAM_CONNECTING;
		}
		connect_more(upstream);
		return;
	}
	upstream->failure = UPSTREAM_CONNECT_TIMEOUT;
	if (upstream->state == UPSTREAM_RESOLVING) {
		/* The name's servers are to blame, not the backend. */
		connect_failed(upstream);
		return;
	}
	attempts_over(upstream);
}

void
connect_go_on(struct backend *backend)
{
	struct upstream *upstream;
	struct upstream_list waiting = TAILQ_HEAD_INITIALIZER(waiting);

	/* Whoever finds nothing to try goes back to waiting; no connection closes meanwhile. */
	TAILQ_CONCAT(&waiting, &backend->resolving, link);
	while ((upstream = TAILQ_FIRST(&waiting)) != NULL) {
		TAILQ_REMOVE(&waiting, upstream, link);
		upstream->state = UPSTREAM_CONNECTING;
		connect_more(upstream);
	}
}

void
connect_dial(struct upstream *upstream)
{
	struct backend *backend = upstream->backend;

	upstream->failure = UPSTREAM_NO_ADDRESS;
	upstream->state = UPSTREAM_CONNECTING;
	upstream->tried = 0;
	if (backend_addresses_fresh(backend)) {
		connect_more(upstream);
		return;
	}
	backend_resolve(backend);
	if (backend->resolution == NULL) {
		attempts_over(upstream);
		return;
	}
	upstream->state = UPSTREAM_RESOLVING;
	TAILQ_INSERT_TAIL(&backend->resolving, upstream, link);
	connect_schedule(upstream);
}

void
connect_begin(struct upstream *upstream)
{
	struct backend *backend = upstream->backend;
	const struct gateway_options *options = &upstream->gateway->options;
	uint64_t now_ms = loop_now_ms(upstream->gateway->loop);

	upstream->connect_by_ms = now_ms + options->timeouts.connect;
	if (!circuit_admits(&backend->circuit, now_ms, &upstream->probe)) {
		upstream->failure = UPSTREAM_CIRCUIT_OPEN;
		connect_give_up(upstream);
	} else if (circuit_refuses(&backend->circuit, &options->circuit, now_ms)) {
		upstream->failure = UPSTREAM_REFUSED;
		redial_wait(upstream);
	} else {
		connect_dial(upstream);
	}
}
