/* handshake.c - before a protocol begins: the PROXY header, then the TLS handshake. */
#include "downstream/connection_state.h"
#include "downstream/quota.h"
#include "exchange/peer.h"
#include "net/proxy_header.h"

/*
 * Steps of handshakes that one turn of the loop takes. Each may cost a signature, a
 * millisecond for RSA: a flood of them must not delay the clients that are connected already.
 */
#define TURN_HANDSHAKES 8

/* ---- TLS ---- */

static void
count_handshakes(struct downstream *downstream)
{
	size_t count = 0;

	for (size_t i = 0; i < PURPOSE_COUNT; i++)
		count += downstream->places[i].handshakes;
	counter_set(&downstream->stats->handshakes, count);
}

/* Put TLS on the connection. False when that cannot be done now. */
static bool
begin_tls(struct connection *connection)
{
	struct downstream *downstream = connection->downstream;
	struct places *places = connection_places(connection);
	struct tls_server *tls = connection->peer.purpose == FOR_CONTROL
				     ? downstream->options.control_tls
				     : downstream->options.tls;
	struct quota *quota = connection->quota;

	if (!admit_handshake(places)) {
		admit_refused(downstream, CONNECTION_OVER_HANDSHAKES, &connection->peer);
		return false;
	}
	if (!tls_server_open(tls, &connection->conn))
		return false;
	if (quota != NULL && !quotas_handshake(downstream->quotas, quota)) {
		admit_refused(downstream, CONNECTION_OVER_CLIENT_LIMIT, &connection->peer);
		return false;
	}
	connection->peer.tls = true;
	client_connection_set_state(connection, CONNECTION_TLS_HANDSHAKE);
	places->handshakes++;
	count_handshakes(downstream);
	connection_wait(connection, downstream->options.timeouts.handshake);
	return true;
}

void
handshake_over(struct connection *connection)
{
	struct places *places = connection_places(connection);

	CHECK(connection->state == CONNECTION_TLS_HANDSHAKE && places->handshakes > 0,
	    client_connection_dump, connection);
	if (connection->quota != NULL)
		quota_handshake_over(connection->quota);
	places->handshakes--;
	count_handshakes(connection->downstream);
}

/* True when this turn of the loop may take one more step. */
static bool
turn_has_room(struct downstream *downstream)
{
	uint64_t turn = loop_turns(downstream->loop);

	if (downstream->handshake_turn != turn) {
		downstream->handshake_turn = turn;
		downstream->handshakes_in_turn = 0;
	}
	return downstream->handshakes_in_turn++ < TURN_HANDSHAKES;
}

/* The handshake did not succeed. */
static void
tls_failed(struct connection *connection, const char *reason)
{
	struct downstream *downstream = connection->downstream;
	char address[ADDRESS_TEXT_MAX];
	struct slice text = peer_text(&connection->peer, address);

	counter_add(&downstream->stats->handshakes_failed, 1);
	log_debug(
	    downstream->log, "TLS handshake with %.*s failed: %s", (int)text.len, text.at, reason);
	connection_close(connection, false);
}

/* TLS_HANDSHAKE: take the next step. */
static void
tls_step(struct connection *connection)
{
	struct downstream *downstream = connection->downstream;

	if (!connection->conn.readable)
		return;
	if (!turn_has_room(downstream)) {
		connection_defer(connection);
		return;
	}
	switch (tls_handshake(connection->conn.tls)) {
	case IO_OK:
		break;
	case IO_AGAIN:
		return;
	case IO_EOF:
	case IO_ERROR:
		tls_failed(connection, tls_error_text(connection->conn.tls));
		return;
	}
	counter_add(tls_is_resumed(connection->conn.tls) ? &downstream->stats->handshakes_resumed
							 : &downstream->stats->handshakes_full,
	    1);
	handshake_over(connection);
	connection->protocol = tls_is_http2(connection->conn.tls) ? PROTOCOL_HTTP2 : PROTOCOL_HTTP1;
	connection_open(connection);
}

/* The peer is known: go on to TLS, or open. */
static void
peer_known(struct connection *connection)
{
	if (!connection->tls)
		connection_open(connection);
	else if (!begin_tls(connection))
		connection_close(connection, false);
}

/* ---- the PROXY header ---- */

/* The PROXY header is not valid, or does not come in time. */
static void
proxy_header_failed(struct connection *connection)
{
	admit_refused(connection->downstream, CONNECTION_BAD_PROXY_HEADER, &connection->peer);
	connection_close(connection, false);
}

/* Read a header of `len` bytes, and make the client that it names the peer. False: closed. */
static bool
take_proxy_header(struct connection *connection, const struct proxy_header *header, size_t len)
{
	if (!conn_skip(&connection->conn, len) ||
	    (!header->direct && !admit_named_client(connection,
				    (const struct sockaddr *)&header->source.storage))) {
		connection_close(connection, false);
		return false;
	}
	/* A proxy that names no client may pass on bytes of clients that it does not know. So the
	 * bytes need not be the proxy's own, and are not trusted. */
	if (header->direct) {
		connection->peer.trusted = false;
		connection->peer.unnamed = true;
	}
	return true;
}

/* PROXY_HEADER: look for it. */
static void
proxy_header_step(struct connection *connection)
{
	char *room = connection->downstream->scratch->wire;
	struct conn *conn = &connection->conn;
	struct proxy_header header;
	struct slice bytes = {room, 0};
	size_t len = 0;

	switch (conn_peek(conn, room, PROXY_HEADER_MAX, &bytes.len)) {
	case IO_OK:
		break;
	case IO_AGAIN:
		return;
	case IO_EOF:
	case IO_ERROR:
		connection_close(connection, false);
		return;
	}
	switch (proxy_header_parse(bytes, &header, &len)) {
	case PROXY_COMPLETE:
		break;
	case PROXY_INCOMPLETE:
		conn->readable = false;
		if (conn->peer_closed)
			proxy_header_failed(connection);
		return;
	case PROXY_BAD:
		proxy_header_failed(connection);
		return;
	}
	if (take_proxy_header(connection, &header, len))
		peer_known(connection);
}

/* ---- for connection.c ---- */

void
handshake_begin(struct connection *connection, bool proxied)
{
	if (proxied)
		connection_wait(connection, connection->downstream->options.timeouts.head);
	else
		peer_known(connection);
}

void
handshake_work(struct connection *connection)
{
	if (connection->state == CONNECTION_PROXY_HEADER)
		proxy_header_step(connection);
	if (connection->state == CONNECTION_TLS_HANDSHAKE)
		tls_step(connection);
}

void
handshake_expired(struct connection *connection)
{
	if (connection->state == CONNECTION_PROXY_HEADER)
		proxy_header_failed(connection);
	else
		tls_failed(connection, "it took too long");
}
