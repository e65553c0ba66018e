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

/* The same where places are few: nearly all of them. */
#define ROOM_LOOKS_FEW 256

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
 * For how long it is left in peace. Where operators come places are few, so a stranger has none for
 * sure: a flood takes its own places away, and who comes next has one.
 */
static uint32_t
peace_ms(const struct downstream *downstream)
{
	if (downstream->known)
		return sender_pending(&downstream->sender) ? GIVE_WAY_READING_MS : GIVE_WAY_MS;
	return downstream->entrance.purpose == FOR_JOBS ? GIVE_WAY_MS : 0;
}

/*
 * The same with a request under way. Where places are few, no client may hold one by sending slowly
 * or by not reading, not even an operator. Where no token is shown, every request gives way: the
 * new connection may be the one that checks whether the gateway is alive.
 */
static bool
exchange_waits(const struct downstream *downstream)
{
	const struct exchange *exchange = downstream->exchange;

	switch (downstream->entrance.purpose) {
	case FOR_METRICS:
		return true;
	case FOR_CONTROL:
		if (sender_pending(&downstream->sender))
			return exchange_age_ms(exchange) >= GIVE_WAY_READING_MS;
		break;
	case FOR_JOBS:
		break;
	}
	return exchange_awaits_content(exchange) && exchange_age_ms(exchange) >= GIVE_WAY_MS;
}

/*
 * Does it only wait, for a head, a handshake, content, or its client's close, and has for a while?
 */
static bool
gives_way(const struct downstream *downstream)
{
	uint32_t now_ms = (uint32_t)loop_now_ms(downstream->gateway->loop);

	if (downstream->state == DOWNSTREAM_EXCHANGE)
		return exchange_waits(downstream);
	return now_ms - downstream->idle_since_ms >= peace_ms(downstream);
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

/* True when it is one of this client's; client NULL: any. */
static bool
is_of(const struct downstream *downstream, const struct client *client)
{
	return client == NULL || downstream->peer.client == client;
}

/* The oldest handshake, of all or of one client, if its time is over. */
static bool
handshake_gives_way(struct places *places, const struct client *of)
{
	struct downstream *oldest = TAILQ_FIRST(&places->securing);

	while (oldest != NULL && !is_of(oldest, of))
		oldest = TAILQ_NEXT(oldest, link);
	if (oldest == NULL || !gives_way(oldest))
		return false;
	give_way(oldest);
	return true;
}

/*
 * It is the hand of a clock that goes round, from the oldest on; what it passes comes up again when
 * all others have.
 */
static bool
turn_hand(struct places *places, size_t looks, const struct client *of, bool strangers_alone)
{
	struct downstream *downstream;

	/* Once round at most: the oldest is the first again then. */
	for (size_t i = 0; i < looks && i < places->count; i++) {
		downstream = TAILQ_FIRST(&places->connections);
		if (downstream == NULL)
			return false;
		TAILQ_REMOVE(&places->connections, downstream, link);
		TAILQ_INSERT_TAIL(&places->connections, downstream, link);
		if ((strangers_alone && downstream->known) || !is_of(downstream, of) ||
		    !gives_way(downstream))
			continue;
		give_way(downstream);
		return true;
	}
	return false;
}

/* One place less for those who wait, all or one client's. Where operators come, strangers go first.
 */
static bool
make_room(struct places *places, enum purpose purpose, const struct client *of)
{
	if (handshake_gives_way(places, of))
		return true;
	if (purpose == FOR_JOBS)
		return turn_hand(places, ROOM_LOOKS, of, false);
	return turn_hand(places, ROOM_LOOKS_FEW, of, true) ||
	       turn_hand(places, ROOM_LOOKS_FEW, of, false);
}

bool
downstream_make_room(struct gateway *gateway)
{
	return make_room(&gateway->places[FOR_JOBS], FOR_JOBS, NULL);
}

/*
 * Where connections are few, an address has few of them, and an operator may share it with other
 * people: one of the address's own connections gives way.
 */
static void
make_room_of_client(
    struct gateway *gateway, const struct sockaddr *peer, const struct exchange_peer *described)
{
	const struct client *full;

	if (described->purpose == FOR_JOBS)
		return;
	full = clients_full(gateway->clients, peer, described->purpose);
	if (full != NULL)
		make_room(&gateway->places[described->purpose], described->purpose, full);
}

/* Count the connection as one of the described client's, if that may have one more. */
static bool
enter_client(struct gateway *gateway, const struct sockaddr *peer, struct exchange_peer *out)
{
	if (out->local || out->trusted)
		return true;
	make_room_of_client(gateway, peer, out);
	out->client =
	    clients_enter(gateway->clients, peer, out->purpose, loop_now_ms(gateway->loop));
	if (out->client == NULL)
		downstream_refused(gateway, CONNECTION_OVER_CLIENT_LIMIT, out);
	return out->client != NULL;
}

bool
downstream_admit(struct gateway *gateway, const struct sockaddr *peer,
    const struct entrance *entrance, struct exchange_peer *out)
{
	struct places *places = &gateway->places[entrance->purpose];

	peer_describe(gateway, peer, out);
	out->purpose = entrance->purpose;
	if (places->count >= places->max && !make_room(places, entrance->purpose, NULL)) {
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
downstream_admit_handshake(struct places *places)
{
	return places->handshakes < places->handshakes_max || handshake_gives_way(places, NULL);
}

bool
downstream_introduce(struct downstream *downstream, const struct sockaddr *address)
{
	struct exchange_peer peer = {0};

	peer_describe(downstream->gateway, address, &peer);
	peer.purpose = downstream->entrance.purpose;
	if (!enter_client(downstream->gateway, address, &peer))
		return false;
	downstream->peer = peer;
	downstream->known = peer.client == NULL;
	return true;
}
