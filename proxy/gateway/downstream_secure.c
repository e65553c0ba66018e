/* downstream_secure.c - what comes before the first request: the TLS handshake. */
#include "gateway/downstream_state.h"

/*
 * Steps of handshakes that one turn of the loop takes. Each may cost a signature, a
 * millisecond for RSA: a flood of them must not keep those waiting who are in already.
 */
#define TURN_HANDSHAKES 8

bool
downstream_secure(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;
	const struct exchange_peer *peer = &downstream->peer;

	if (gateway->handshakes >= gateway->options.handshakes_max) {
		downstream_refused(
		    gateway, CONNECTION_OVER_HANDSHAKES, (struct slice){peer->address, peer->len});
		return false;
	}
	if (!tls_server_open(gateway->options.tls, &downstream->conn))
		return false;
	downstream->peer.secure = true;
	downstream->state = DOWNSTREAM_SECURING;
	gateway->handshakes++;
	counter_set(&gateway->stats->handshakes, gateway->handshakes);
	timer_start(gateway->loop, &downstream->timer, gateway->options.timeouts.handshake);
	return true;
}

void
downstream_secured(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;

	gateway->handshakes--;
	counter_set(&gateway->stats->handshakes, gateway->handshakes);
}

/* May one more step be taken in this turn? */
static bool
turn_has_room(struct gateway *gateway)
{
	uint64_t turn_us = loop_now_us(gateway->loop);

	if (gateway->turn_us != turn_us) {
		gateway->turn_us = turn_us;
		gateway->handshakes_in_turn = 0;
	}
	return gateway->handshakes_in_turn++ < TURN_HANDSHAKES;
}

void
downstream_not_secured(struct downstream *downstream, const char *reason)
{
	struct gateway *gateway = downstream->gateway;

	counter_add(&gateway->stats->handshakes_failed, 1);
	log_debug(gateway->log, "TLS handshake with %.*s failed: %s", downstream->peer.len,
	    downstream->peer.address, reason);
	downstream_close(downstream, false);
}

bool
downstream_handshake(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;

	if (!downstream->conn.readable)
		return false;
	if (!turn_has_room(gateway)) {
		loop_defer(gateway->loop, &downstream->carry_on);
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
