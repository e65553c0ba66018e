/* share.c - connections that serve many users at a time, and dials that wait for one. */
#include "upstream/pool_state.h"

bool
backend_may_share(const struct backend *backend)
{
	const struct pool_options *options = &backend->pool->options;

	if (options->http2 == NULL)
		return false;
	return backend_is_http2(backend) ||
	       (backend->scheme == JOB_URL_HTTPS && options->settings.http2.https &&
		   !backend->http1 && !backend->needs_http1);
}

bool
share_may(const struct dial *dial)
{
	return !dial->exclusive && backend_may_share(dial->backend);
}

bool
pool_needs_http1(struct backend_conn *connection)
{
	connection->backend->needs_http1 = !backend_is_http2(connection->backend);
	return connection->backend->needs_http1;
}

bool
pool_lacks_tunnels(struct backend_conn *connection)
{
	connection->backend->no_tunnels = true;
	return !backend_is_http2(connection->backend);
}

void
pool_share(struct backend_conn *connection)
{
	TAILQ_INSERT_HEAD(&connection->backend->shared, connection, share_link);
}

void
pool_unshare(struct backend_conn *connection)
{
	TAILQ_REMOVE(&connection->backend->shared, connection, share_link);
}

struct backend_conn *
share_take(struct backend *backend)
{
	struct backend_conn *connection;

	while ((connection = TAILQ_FIRST(&backend->shared)) != NULL) {
		if (pool_is_current(connection))
			return connection;
		connection->protocol->close(connection);
	}
	return NULL;
}

/*
 * A probe only finds out whether the backend takes connections again: only dials for held requests
 * wait for it.
 */
bool
share_wait(struct dial *dial)
{
	struct backend *backend = dial->backend;
	const struct pool_options *options = &backend->pool->options;

	uint64_t now_ms = loop_now_ms(options->loop), until_ms;

	if (backend->making == NULL || !share_may(dial) ||
	    (backend->circuit.state != CIRCUIT_CLOSED && !redial_holds(dial)))
		return false;
	dial->connect_by_ms = until_ms = now_ms + options->settings.connect_ms;
	if (until_ms < dial->upstream.user->hold_until_ms)
		until_ms = dial->upstream.user->hold_until_ms;
	if (redial_leaves_ms(dial) < until_ms)
		until_ms = redial_leaves_ms(dial);
	if (until_ms < now_ms)
		until_ms = now_ms;
	dial_set_state(dial, DIAL_WAITING);
	timer_start(options->loop, &dial->timer, until_ms - now_ms);
	return true;
}

void
share_lead(struct dial *dial)
{
	if (dial->backend->making == NULL && share_may(dial))
		dial->backend->making = dial->made;
}

/* One that waits makes its own connection. */
static void
make_own(struct dial *dial)
{
	dial->made = backend_conn_new(dial->backend, dial);
	if (dial->made == NULL) {
		dial->failure = UPSTREAM_NO_SOCKET;
		dial_fail(dial);
		return;
	}
	dial_begin(dial);
}

/* No connection is being made any more: the first dial that waits makes one, and the next ones if
 * it fails. */
static void
next_leads(struct backend *backend)
{
	struct dial *dial;

	while (backend->making == NULL && (dial = TAILQ_FIRST(&backend->waiting)) != NULL)
		make_own(dial);
}

void
share_none(struct backend_conn *connection)
{
	struct backend *backend = connection->backend;
	struct dial *dial;

	if (backend->scheme == JOB_URL_HTTPS)
		backend->http1 = true;
	if (backend->making != connection)
		return;
	backend->making = NULL;
	while ((dial = TAILQ_FIRST(&backend->waiting)) != NULL)
		make_own(dial);
}

/* The dial's user could go elsewhere; that of the one that waits has only this backend. */
static bool
gives_up_earlier(const struct dial *dial, const struct dial *waiting)
{
	return dial->upstream.user->elsewhere && !waiting->upstream.user->elsewhere;
}

void
share_fail(struct dial *dial)
{
	struct backend *backend = dial->backend;
	bool may_pass = redial_may_pass(dial->failure);
	struct dial *waiting, *next;

	if (dial->made == NULL || backend->making != dial->made)
		return;
	for (waiting = TAILQ_FIRST(&backend->waiting); waiting != NULL; waiting = next) {
		next = TAILQ_NEXT(waiting, link);
		if (may_pass && (redial_holds(waiting) || gives_up_earlier(dial, waiting)))
			continue; /* the first of these makes the next connection */
		waiting->failure = dial->failure;
		dial_fail(waiting);
	}
}

void
share_closes(const struct backend_conn *connection)
{
	struct backend *backend = connection->backend;

	if (backend->making != connection)
		return;
	backend->making = NULL;
	next_leads(backend);
}

/* Give one that waited a stream. */
static void
join(struct dial *dial, struct backend_conn *connection)
{
	struct upstream_user *user = dial->upstream.user;
	struct upstream *upstream = connection->protocol->serve(connection, user);

	dial_close(dial);
	if (upstream == NULL)
		user->ops->failed(user, UPSTREAM_NO_SOCKET, REPEAT_NOT);
	else
		user->ops->connected(user, upstream);
}

void
pool_opened(struct backend_conn *connection)
{
	struct backend *backend = connection->backend;
	struct dial *dial;

	backend->http1 = false;
	backend->no_tunnels = false; /* it may offer them now: its SETTINGS will tell */
	if (backend->making != connection)
		return;
	backend->making = NULL;
	while (connection->protocol->takes(connection) &&
	       (dial = TAILQ_FIRST(&backend->waiting)) != NULL) {
		counter_add(&backend->pool->options.stats->backend_reuses, 1);
		join(dial, connection);
	}
	next_leads(backend);
}
