/* downstream_entrance.c - before the first request: who is there, and the TLS handshake. */
#include "gateway/downstream_state.h"
#include "net/proxy_header.h"

/*
 * Steps of handshakes that one turn of the loop takes. Each may cost a signature, a
 * millisecond for RSA: a flood of them must not keep those waiting who are in already.
 */
#define TURN_HANDSHAKES 8

/* ---- the PROXY header ---- */

void
downstream_not_introduced(struct downstream *downstream)
{
	downstream_refused(downstream->gateway, CONNECTION_BAD_PROXY_HEADER, &downstream->peer);
	downstream_close(downstream, false);
}

bool
downstream_proxy(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;
	struct conn *conn = &downstream->conn;
	struct proxy_header header;
	struct slice bytes = {gateway->scratch.wire, 0};
	size_t len = 0;

	switch (conn_peek(conn, gateway->scratch.wire, PROXY_HEADER_MAX, &bytes.len)) {
	case IO_OK:
		break;
	case IO_AGAIN:
		return false;
	case IO_EOF:
	case IO_ERROR:
		downstream_close(downstream, false);
		return false;
	}
	switch (proxy_header_parse(bytes, &header, &len)) {
	case PROXY_COMPLETE:
		break;
	case PROXY_INCOMPLETE:
		conn->readable = false;
		if (conn->peer_closed)
			downstream_not_introduced(downstream);
		return false;
	case PROXY_BAD:
		downstream_not_introduced(downstream);
		return false;
	}
	if (!conn_skip(conn, len) ||
	    (!header.direct && !downstream_introduce(
				   downstream, (const struct sockaddr *)&header.source.storage))) {
		downstream_close(downstream, false);
		return false;
	}
	/* It may not know whom it speaks for, so what comes need not be its own word. */
	if (header.direct)
		downstream->peer.trusted = false;
	downstream_enter(downstream);
	return downstream->state != DOWNSTREAM_CLOSED;
}

/* ---- TLS ---- */

static void
count_handshakes(struct gateway *gateway)
{
	size_t count = 0;

	for (size_t i = 0; i < PURPOSE_COUNT; i++)
		count += gateway->places[i].handshakes;
	counter_set(&gateway->stats->handshakes, count);
}

/* Put TLS on the connection. False when that cannot be done now. */
static bool
secure(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;
	struct places *places = downstream_places(downstream);
	struct tls_server *tls = downstream->entrance.purpose == FOR_CONTROL
				     ? gateway->options.control_tls
				     : gateway->options.tls;
	struct client *client = downstream->peer.client;

	if (!downstream_admit_handshake(places)) {
		downstream_refused(gateway, CONNECTION_OVER_HANDSHAKES, &downstream->peer);
		return false;
	}
	if (!tls_server_open(tls, &downstream->conn))
		return false;
	if (client != NULL && !clients_handshake(gateway->clients, client)) {
		downstream_refused(gateway, CONNECTION_OVER_CLIENT_LIMIT, &downstream->peer);
		return false;
	}
	downstream->peer.secure = true;
	downstream->state = DOWNSTREAM_SECURING;
	TAILQ_REMOVE(&places->connections, downstream, link);
	TAILQ_INSERT_TAIL(&places->securing, downstream, link);
	places->handshakes++;
	count_handshakes(gateway);
	timer_start(gateway->loop, &downstream->timer, gateway->options.timeouts.handshake);
	return true;
}

void
downstream_secured(struct downstream *downstream)
{
	struct places *places = downstream_places(downstream);

	TAILQ_REMOVE(&places->securing, downstream, link);
	TAILQ_INSERT_TAIL(&places->connections, downstream, link);
	if (downstream->peer.client != NULL)
		clients_handshake_over(downstream->peer.client);
	places->handshakes--;
	count_handshakes(downstream->gateway);
}

/* May one more step be taken in this turn? */
static bool
turn_has_room(struct gateway *gateway)
{
	uint64_t turn = loop_turns(gateway->loop);

	if (gateway->handshake_turn != turn) {
		gateway->handshake_turn = turn;
		gateway->handshakes_in_turn = 0;
	}
	return gateway->handshakes_in_turn++ < TURN_HANDSHAKES;
}

void
downstream_not_secured(struct downstream *downstream, const char *reason)
{
	struct gateway *gateway = downstream->gateway;
	char address[ADDRESS_TEXT_MAX];
	struct slice text = peer_text(&downstream->peer, address);

	counter_add(&gateway->stats->handshakes_failed, 1);
	log_debug(
	    gateway->log, "TLS handshake with %.*s failed: %s", (int)text.len, text.at, reason);
	downstream_close(downstream, false);
}

bool
downstream_handshake(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;

	if (!downstream->conn.readable)
		return false;
	if (!turn_has_room(gateway)) {
		loop_defer(gateway->loop, &downstream->task);
		return false;
	}
	switch (tls_handshake(downstream->conn.tls)) {
	case IO_OK:
		break;
	case IO_AGAIN:
		return false;
	case IO_EOF:
	case IO_ERROR:
		downstream_not_secured(downstream, tls_error_text(downstream->conn.tls));
		return false;
	}
	counter_add(tls_is_resumed(downstream->conn.tls) ? &gateway->stats->handshakes_resumed
							 : &gateway->stats->handshakes_full,
	    1);
	downstream_secured(downstream);
	downstream->state = DOWNSTREAM_HEAD;
	timer_start(gateway->loop, &downstream->timer, gateway->options.timeouts.head);
	return true;
}

void
downstream_enter(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;

	downstream->state = DOWNSTREAM_HEAD;
	timer_start(gateway->loop, &downstream->timer, gateway->options.timeouts.head);
	if (downstream->entrance.tls && !secure(downstream))
		downstream_close(downstream, false);
}
