/* connection.c - a client connection, whatever it speaks: accept, events, time-outs, close. */
#include <unistd.h>

#include "downstream/connection_state.h"
#include "downstream/quota.h"
#include "exchange/context.h"
#include "jobgate/container_of.h"

static void
connection_free(struct task *task)
{
	struct connection *connection = container_of(task, struct connection, task);

	CHECK(connection->state == CONNECTION_CLOSED && connection->conn.fd < 0 &&
		  connection->timer.seat_ms == 0,
	    client_connection_dump, connection);
	slab_give(&connection->downstream->connections, connection, CONNECTIONS_KEEP);
}

/* Give back a connection's share of its address's quota; NULL: it has none. */
static void
leave_quota(struct downstream *downstream, struct quota *quota, enum purpose purpose)
{
	if (quota != NULL)
		quotas_leave(downstream->quotas, quota, purpose, loop_now_ms(downstream->loop));
}

void
connection_close(struct connection *connection, bool reset)
{
	struct downstream *downstream = connection->downstream;
	enum connection_state state = connection->state;

	if (state == CONNECTION_CLOSED)
		return;
	if (state == CONNECTION_TLS_HANDSHAKE)
		handshake_over(connection);
	client_connection_set_state(connection, CONNECTION_CLOSED);
	timer_remove(&connection->timer);
	loop_cancel(downstream->loop, &connection->task);
	if (state == CONNECTION_OPEN)
		connection_protocol(connection)->closed(connection);
	if (reset)
		conn_reset(&connection->conn);
	else
		conn_close(&connection->conn);
	leave_quota(downstream, connection->quota, connection->peer.purpose);
	connection->task.run = connection_free;
	connection_defer(connection);
}

void
connection_lost(struct connection *connection)
{
	if (connection->state == CONNECTION_OPEN)
		connection_protocol(connection)->lost(connection);
	connection_close(connection, false);
}

bool
connection_watch(struct connection *connection)
{
	if (conn_watch(&connection->conn))
		return true;
	connection_lost(connection);
	return false;
}

void
connection_exchange_over(struct connection *connection, bool allowed)
{
	CHECK(connection->state == CONNECTION_OPEN, client_connection_dump, connection);
	connection->authenticated = connection->authenticated || allowed;
	if (connection->authenticated)
		connection_touch(connection);
}

unsigned
connection_failed_auth(struct connection *connection, const struct in6_addr *client)
{
	struct downstream *downstream = connection->downstream;

	CHECK(connection->state == CONNECTION_OPEN, client_connection_dump, connection);
	if (connection->quota != NULL)
		return quotas_failure(
		    downstream->quotas, connection->quota, loop_now_ms(downstream->loop));
	return client == NULL ? 0
			      : quotas_failure_behind(
				    downstream->quotas, client, loop_now_ms(downstream->loop));
}

void
connection_open(struct connection *connection)
{
	client_connection_set_state(connection, CONNECTION_OPEN);
	connection_protocol(connection)->opened(connection, NULL);
}

void
connection_switch(struct connection *connection, enum protocol protocol, struct buffer *received)
{
	char *block = (char *)connection;

	CHECK(connection->state == CONNECTION_OPEN && protocol != connection->protocol,
	    client_connection_dump, connection);
	memset(block + sizeof(*connection), 0,
	    connection->downstream->connections.size - sizeof(*connection));
	connection->protocol = protocol;
	connection_protocol(connection)->opened(connection, received);
	if (connection->state == CONNECTION_OPEN)
		connection_protocol(connection)->work(connection);
}

/* Do what can be done now. A handshake that completes opens the connection. */
static void
connection_work(struct connection *connection)
{
	if (connection->state < CONNECTION_OPEN)
		handshake_work(connection);
	if (connection->state == CONNECTION_OPEN)
		connection_protocol(connection)->work(connection);
}

/* Its exchanges may not know of a change yet. */
static __attribute__((noinline, cold)) void
judge_exchanges_if_changed(struct connection *connection)
{
	if (connection->state == CONNECTION_OPEN)
		connection_protocol(connection)->judge_if_changed(connection);
}

void
connection_catch_up(struct connection *connection)
{
	if (__builtin_expect(exchange_catch_up(connection->downstream->exchanges), false))
		judge_exchanges_if_changed(connection);
}

/* ---- called by the loop ---- */

static void
connection_resume(struct task *task)
{
	struct connection *connection = container_of(task, struct connection, task);

	connection_catch_up(connection);
	if (connection->state != CONNECTION_CLOSED)
		connection_work(connection);
}

static void
connection_ready(struct conn *conn)
{
	struct connection *connection = container_of(conn, struct connection, conn);

	connection_catch_up(connection);
	if (connection->state == CONNECTION_CLOSED)
		return;
	conn_send_unsent(conn);
	if (connection->state == CONNECTION_OPEN)
		connection_protocol(connection)->ready(connection);
	else
		connection_work(connection);
}

static void
connection_expired(struct timer *timer)
{
	struct connection *connection = container_of(timer, struct connection, timer);

	judge_exchanges_if_changed(connection);
	if (connection->timer.due_ms != 0)
		return; /* an exchange has ended, and the timer waits for something else */
	if (connection->state == CONNECTION_OPEN)
		connection_protocol(connection)->expired(connection);
	else if (connection->state != CONNECTION_CLOSED)
		handshake_expired(connection);
}

/* ---- its beginning, and how it ends with its worker ---- */

/* A connection on this socket, not in any list yet. NULL when memory is short. */
static struct connection *
connection_new(struct downstream *downstream, int fd)
{
	struct connection *connection = slab_take(&downstream->connections);

	if (connection == NULL)
		return NULL;
	if (!conn_begin(&connection->conn, downstream->loop, fd, connection_ready)) {
		slab_give(&downstream->connections, connection, CONNECTIONS_KEEP);
		return NULL;
	}
	connection->downstream = downstream;
	connection->timer.expired = connection_expired;
	connection->task.run = connection_resume;
	connection_touch(connection);
	return connection;
}

/* Count it and list it among those of its purpose. */
static void
connection_enter(struct connection *connection)
{
	struct downstream *downstream = connection->downstream;

	client_connection_list(connection);
	if (connection->peer.purpose != FOR_METRICS)
		counter_add(&downstream->stats->connections_total, 1);
}

void
downstream_accept(struct downstream *downstream, int fd, const struct sockaddr *peer,
    const struct listener_options *listener)
{
	struct exchange_peer described = {0};
	struct quota *quota = NULL;
	struct connection *connection = NULL;

	CHECK(fd >= 0 && listener->purpose < PURPOSE_COUNT);
	if (admit_connection(downstream, peer, listener, &described, &quota))
		connection = connection_new(downstream, fd);
	if (connection == NULL) {
		leave_quota(downstream, quota, listener->purpose);
		close(fd);
		return;
	}
	connection->peer = described;
	connection->quota = quota;
	connection->authenticated = quota == NULL;
	connection->tls = listener->tls;
	connection_enter(connection);
	handshake_begin(connection, listener->proxied);
	connection_work(connection);
	if (connection->state == CONNECTION_CLOSED)
		return;
	if (connection->state < CONNECTION_OPEN || !connection_protocol(connection)->watches)
		connection_watch(connection);
}

void
connection_drain(struct connection *connection, bool gently)
{
	if (connection->state == CONNECTION_OPEN)
		connection_protocol(connection)->drain(connection, gently);
}

void
connection_shutdown(struct connection *connection)
{
	judge_exchanges_if_changed(connection); /* the end sends what waits */
	if (connection->state == CONNECTION_OPEN)
		connection_protocol(connection)->shutdown(connection);
	connection_close(connection, false);
}
