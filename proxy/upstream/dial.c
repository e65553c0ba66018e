/* dial.c - the making of one connection: resolve the name, race the addresses, TLS. */
#include "jobgate/container_of.h"
#include "observe/probes.h"
#include "upstream/pool_state.h"

/* ---- how it ends ---- */

static void
dial_free(struct task *task)
{
	struct dial *dial = container_of(task, struct dial, free_task);

	slab_give(&dial->pool->dial_slab, dial, dial->pool->options.tuning->spare_max);
}

void
dial_close(struct dial *dial)
{
	struct backend_conn *made = dial->made;

	race_end(dial);
	if (dial->probe)
		circuit_abandon(&dial->backend->circuit);
	dial->probe = false;
	redial_left(dial);
	dial->upstream.user = NULL;
	dial_set_state(dial, DIAL_CLOSED);
	timer_remove(&dial->timer);
	dial->made = NULL;
	backend_conn_close(made);
	dial->free_task.run = dial_free;
	loop_defer(dial->pool->options.loop, &dial->free_task);
}

static void
dial_cancel(struct upstream *upstream)
{
	dial_close(container_of(upstream, struct dial, upstream));
}

/* Tell the user, and end. */
static void
dial_failed(struct dial *dial)
{
	struct upstream_user *user = dial->upstream.user;
	const struct backend *backend = dial->backend;
	enum upstream_failure failure = dial->failure;

	share_fail(dial);
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

void
dial_exhausted(struct dial *dial)
{
	race_end(dial);
	conn_close(&dial->made->conn);
	backend_not_connected(dial);
	if (redial_may_wait(dial))
		redial_wait(dial);
	else
		dial_fail(dial);
	redial_left(dial);
}

/* What ALPN offers to the backend. */
static enum tls_protocols
offered_protocols(const struct dial *dial)
{
	const struct pool_options *options = &dial->pool->options;

	if (backend_is_http2(dial->backend))
		return TLS_HTTP2;
	return options->http2 != NULL && options->settings.http2.https && !dial->exclusive &&
		       !dial->backend->needs_http1
		   ? TLS_HTTP2_OR_HTTP1
		   : TLS_HTTP1;
}

/* What the backend speaks on the connection that is up; NULL: not what its URL says. */
static const struct upstream_protocol *
agreed_protocol(const struct dial *dial)
{
	const struct pool_options *options = &dial->pool->options;
	const struct tls *tls = dial->made->conn.tls;

	if (dial->backend->scheme == JOB_URL_H2C)
		return options->http2;
	/* A backend may choose what was not offered: OpenSSL does not compare. */
	if (tls != NULL && tls_is_http2(tls))
		return dial->offered == TLS_HTTP1 ? NULL : options->http2;
	return dial->backend->scheme == JOB_URL_GRPCS ? NULL : options->http1;
}

/* The connection is up: a client that speaks the backend's protocol takes it and the user over. */
static void
dial_up(struct dial *dial)
{
	const struct upstream_protocol *protocol = agreed_protocol(dial);
	const struct backend *backend = dial->backend;
	struct upstream_user *user = dial->upstream.user;
	struct backend_conn *made = dial->made;

	CHECK(user != NULL && made->conn.fd >= 0 && LIST_EMPTY(&dial->parallel), dial_dump, dial);
	if (protocol == NULL) {
		dial->failure =
		    backend_is_http2(backend) ? UPSTREAM_NOT_HTTP2 : UPSTREAM_BAD_ANSWER;
		dial_exhausted(dial);
		return;
	}
	PROBE_CONNECTED(backend->name.at, backend->name.len, backend->port);
	counter_add(&dial->pool->options.stats->backend_connects, 1);
	backend_connected(dial);
	dial->made = NULL;
	made->dial = NULL;
	made->protocol = protocol;
	dial_close(dial);
	if (protocol->takes == NULL && !dial->exclusive)
		share_none(made);
	protocol->opened(made, user);
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
	race_next(dial);
}

static void
handshake_ready(struct conn *conn)
{
	dial_handshake(backend_conn_of(conn)->dial);
}

void
dial_connected(struct dial *dial)
{
	const struct pool_options *options = &dial->pool->options;

	race_end(dial);
	if (!backend_is_tls(dial->backend)) {
		dial_up(dial);
		return;
	}
	dial->offered = offered_protocols(dial);
	if (!tls_client_open(options->tls, &dial->made->conn, dial->backend->name, dial->offered,
		&dial->backend->session)) {
		log_error(options->log, "TLS to a backend cannot be set up: out of memory");
		dial_exhausted(dial);
		return;
	}
	dial_set_state(dial, DIAL_TLS_HANDSHAKE);
	dial->made->conn.ready = handshake_ready;
	race_schedule(dial);
	dial_handshake(dial);
}

/* Another address has to be tried, or connecting has taken too long. */
static void
dial_timed_out(struct timer *timer)
{
	struct dial *dial = container_of(timer, struct dial, timer);

	/* The end of a held request is no new failure of the backend. */
	if (dial->state == DIAL_QUEUED && dial->upstream.user->hold_until_ms != 0) {
		dial_fail(dial);
		return;
	}
	if (dial->state == DIAL_QUEUED) {
		dial_set_state(dial, DIAL_CONNECTING); /* it leaves the queue */
		dial_exhausted(dial);
		return;
	}
	if (loop_now_ms(dial->pool->options.loop) < dial->connect_by_ms &&
	    dial->state != DIAL_RESOLVING && dial->state != DIAL_WAITING) {
		if (dial->state == DIAL_TLS_HANDSHAKE) {
			conn_close(&dial->made->conn);
			dial_set_state(dial, DIAL_CONNECTING);
		}
		race_next(dial);
		return;
	}
	if (dial->state == DIAL_RESOLVING && redial_holds(dial)) {
		dial->failure = UPSTREAM_NO_ADDRESS;
		dial_set_state(dial, DIAL_CONNECTING);
		dial_exhausted(dial);
		return;
	}
	dial->failure = UPSTREAM_CONNECT_TIMEOUT;
	if (dial->state == DIAL_RESOLVING || dial->state == DIAL_WAITING) {
		/* This is no failure of the backend: the name servers failed, or the other dial
		 * counts it. */
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
		race_next(dial);
	}
}

void
dial_start(struct dial *dial)
{
	struct backend *backend = dial->backend;

	dial->failure = UPSTREAM_NO_ADDRESS;
	dial_set_state(dial, DIAL_CONNECTING);
	dial->tried = 0;
	/* A dial for a held request has the whole time again for each try. */
	if (redial_holds(dial))
		dial->connect_by_ms =
		    loop_now_ms(dial->pool->options.loop) + dial->pool->options.settings.connect_ms;
	if (backend_addresses_fresh(backend)) {
		race_next(dial);
		return;
	}
	backend_resolve(backend);
	if (backend->resolution == NULL) {
		dial_exhausted(dial);
		return;
	}
	dial_set_state(dial, DIAL_RESOLVING);
	race_schedule(dial);
}

void
dial_begin(struct dial *dial)
{
	struct backend *backend = dial->backend;
	const struct pool_options *options = &dial->pool->options;
	uint64_t now_ms = loop_now_ms(options->loop);

	/* One that has waited for another's connection keeps its deadline. */
	if (dial->connect_by_ms == 0)
		dial->connect_by_ms = now_ms + options->settings.connect_ms;
	if (!circuit_admits(&backend->circuit, now_ms, &dial->probe)) {
		dial->failure = UPSTREAM_CIRCUIT_OPEN;
		if (redial_holds(dial) && !dial->upstream.user->elsewhere) {
			share_lead(dial);
			redial_wait(dial);
		} else {
			dial_fail(dial);
		}
	} else if (!circuit_refuses(&backend->circuit, &options->settings.circuit, now_ms)) {
		share_lead(dial);
		dial_start(dial);
	} else if (dial->upstream.user->elsewhere && now_ms >= backend->circuit.redial_at_ms &&
		   backend->dialler == NULL) {
		backend->dialler = dial;
		share_lead(dial);
		dial_start(dial);
	} else if (dial->upstream.user->elsewhere) {
		dial->failure = UPSTREAM_REFUSED;
		dial_fail(dial);
	} else {
		dial->failure = UPSTREAM_REFUSED;
		share_lead(dial);
		redial_wait(dial);
	}
}

static const struct upstream_ops dial_ops = {.cancel = dial_cancel};

/* True when no connection to this backend can serve the request. */
static bool
is_impossible(const struct dial *dial)
{
	return backend_is_http2(dial->backend) &&
	       (dial->exclusive || dial->pool->options.http2 == NULL);
}

struct dial *
dial_new(struct backend *backend, struct upstream_user *user, bool exclusive)
{
	struct pool *pool = backend->pool;
	struct dial *dial = slab_take(&pool->dial_slab);

	if (dial == NULL)
		return NULL;
	dial->upstream = (struct upstream){&dial_ops, user};
	dial->pool = pool;
	dial->backend = backend;
	dial->exclusive = exclusive;
	dial->timer.expired = dial_timed_out;
	if (is_impossible(dial)) {
		dial->failure = exclusive ? UPSTREAM_NEEDS_HTTP1 : UPSTREAM_NOT_HTTP2;
		dial_fail(dial);
		return dial;
	}
	if (share_wait(dial))
		return dial;
	dial->made = backend_conn_new(backend, dial);
	if (dial->made == NULL) {
		slab_give(&pool->dial_slab, dial, pool->options.tuning->spare_max);
		return NULL;
	}
	dial_begin(dial);
	return dial;
}
