/* downstream_admit.c - which connections are taken, and which give way to them. */
#include "gateway/downstream_state.h"

/* Refused connections are spoken of this often at most. */
#define REFUSAL_LOG_MS 1000

/* A connection without a request is left in peace for so long, whoever else comes; and one whose
 * requests have all been refused no longer. */
#define GIVE_WAY_MS 1000

/* One that has the answer to another one left to read, for so long. */
#define GIVE_WAY_READING_MS 30000

/* Connections that are looked at to find one that gives way. */
#define ROOM_LOOKS 64

static bool
peer_is_trusted(const struct gateway *gateway, const struct sockaddr *peer)
{
	for (size_t i = 0; i < gateway->options.trusted_count; i++)
		if (guard_range_contains(&gateway->options.trusted[i], peer))
			return true;
	return false;
}

static void
peer_describe(const struct gateway *gateway, const struct sockaddr *peer, struct exchange_peer *out)
{
	out->local = !address_bytes(peer, out->address);
	out->trusted = peer_is_trusted(gateway, peer);
}

/* A flood must not flood the log. */
static bool
may_log(struct gateway *gateway)
{
	uint64_t now_ms = loop_now_ms(gateway->loop);

	if (now_ms - gateway->refusal_logged_ms < REFUSAL_LOG_MS)
		return false;
	gateway->refusal_logged_ms = now_ms;
	return true;
}

void
downstream_refused(
    struct gateway *gateway, enum connection_refusal reason, const struct exchange_peer *peer)
{
	char address[ADDRESS_TEXT_MAX];
	struct slice text;

	counter_add(&gateway->stats->connections_refused[reason], 1);
	if (!may_log(gateway))
		return;
	text = peer_text(peer, address);
	log_warning(gateway->log, "connection from %.*s refused (%s); %llu so far", (int)text.len,
	    text.at, connection_refusal_name(reason),
	    (unsigned long long)counter_get(&gateway->stats->connections_refused[reason]));
}

/*
 * Does it only wait, for a head, a handshake, a form or its client's close, and has for a while?
 * Those who have shown a token have their exchange in peace.
 */
static bool
gives_way(const struct downstream *downstream)
{
	uint32_t now_ms = (uint32_t)loop_now_ms(downstream->gateway->loop);

	if (downstream->state == DOWNSTREAM_EXCHANGE)
		return exchange_gives_way(downstream->exchange, GIVE_WAY_MS);
	return now_ms - downstream->idle_since_ms >=
	       (downstream->known && sender_pending(&downstream->sender) ? GIVE_WAY_READING_MS
									 : GIVE_WAY_MS);
}

/* Close one that gives way, for another. */
static void
give_way(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;
	char address[ADDRESS_TEXT_MAX];
	struct slice text = peer_text(&downstream->peer, address);

	counter_add(&gateway->stats->connections_evicted, 1);
	if (may_log(gateway))
		log_warning(gateway->log,
		    "no room for more connections: closed one from %.*s that waited; %llu so far",
		    (int)text.len, text.at,
		    (unsigned long long)counter_get(&gateway->stats->connections_evicted));
	downstream_lost(downstream);
}

/* Of the handshakes under way the oldest, once it has had its time. */
static bool
handshake_gives_way(struct gateway *gateway)
{
	struct downstream *oldest = TAILQ_FIRST(&gateway->securing);

	if (oldest == NULL || !gives_way(oldest))
		return false;
	give_way(oldest);
	return true;
}

/*
 * Close a connection that only waits, for one that may have something to ask: whoever opens many
 * to keep others out keeps out himself. It is the hand of a clock that goes round, from the oldest
 * on; what it passes comes up again when all others have.
 */
static bool
make_room(struct gateway *gateway)
{
	struct downstream *downstream;

	if (handshake_gives_way(gateway))
		return true;
	/* Once round at most: the oldest is the first again then. */
	for (size_t i = 0; i < ROOM_LOOKS && i < gateway->connection_count; i++) {
		downstream = TAILQ_FIRST(&gateway->connections);
		if (downstream == NULL)
			return false;
		TAILQ_REMOVE(&gateway->connections, downstream, link);
		TAILQ_INSERT_TAIL(&gateway->connections, downstream, link);
		if (!gives_way(downstream))
			continue;
		give_way(downstream);
		return true;
	}
	return false;
}

/* Count the connection as one of the described client's, if that may have one more. */
static bool
enter_client(struct gateway *gateway, const struct sockaddr *peer, struct exchange_peer *out)
{
	if (out->local || out->trusted)
		return true;
	out->client = clients_enter(gateway->clients, peer, loop_now_ms(gateway->loop));
	if (out->client == NULL)
		downstream_refused(gateway, CONNECTION_OVER_CLIENT_LIMIT, out);
	return out->client != NULL;
}

bool
downstream_admit(struct gateway *gateway, const struct sockaddr *peer,
    const struct entrance *entrance, struct exchange_peer *out)
{
	peer_describe(gateway, peer, out);
	if (gateway->connection_count >= gateway->options.connections_max && !make_room(gateway)) {
		downstream_refused(gateway, CONNECTION_OVER_LIMIT, out);
		return false;
	}
	/* Anybody could say to speak for anybody. */
	if (entrance->proxied && !out->trusted && !out->local) {
		downstream_refused(gateway, CONNECTION_NOT_TRUSTED, out);
		return false;
	}
	return enter_client(gateway, peer, out);
}

bool
downstream_admit_handshake(struct gateway *gateway)
{
	return gateway->handshakes < gateway->options.handshakes_max ||
	       handshake_gives_way(gateway);
}

bool
downstream_introduce(struct downstream *downstream, const struct sockaddr *address)
{
	struct exchange_peer peer = {0};

	peer_describe(downstream->gateway, address, &peer);
	if (!enter_client(downstream->gateway, address, &peer))
		return false;
	downstream->peer = peer;
	downstream->known = peer.client == NULL;
	return true;
}
