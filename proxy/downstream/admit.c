/* admit.c - which connections are taken, and which give way to them. */
#include "downstream/connection_state.h"
#include "downstream/quota.h"
#include "exchange/peer.h"
#include "net/guard.h"

/* The log mentions refused connections at most this often. */
#define REFUSAL_LOG_MS 1000

/* A connection without a request does not give way within this time. The same holds for one whose
 * requests have all been refused. */
#define GIVE_WAY_MS 1000

/* The same for a connection whose client has not read all of its last answer. */
#define GIVE_WAY_READING_MS 30000

/* How many connections are examined to find one that gives way. */
#define ROOM_LOOKS 64

/* The same where there are few places: nearly all of them. */
#define ROOM_LOOKS_FEW 256

static bool
peer_is_trusted(const struct downstream *downstream, const struct sockaddr *peer)
{
	for (size_t i = 0; i < downstream->options.trusted_count; i++)
		if (guard_range_contains(&downstream->options.trusted[i], peer))
			return true;
	return false;
}

/* Describe the peer at this address. */
static void
peer_describe(
    const struct downstream *downstream, const struct sockaddr *address, struct exchange_peer *out)
{
	out->local = !address_bytes(address, out->address);
	out->trusted = peer_is_trusted(downstream, address);
}

/* A flood must not flood the log. */
static bool
may_log(struct downstream *downstream)
{
	uint64_t now_ms = loop_now_ms(downstream->loop);

	if (now_ms - downstream->refusal_logged_ms < REFUSAL_LOG_MS)
		return false;
	downstream->refusal_logged_ms = now_ms;
	return true;
}

void
admit_refused(
    struct downstream *downstream, enum connection_refusal reason, const struct exchange_peer *peer)
{
	char address[ADDRESS_TEXT_MAX];
	struct slice text;

	counter_add(&downstream->stats->connections_refused[reason], 1);
	if (!may_log(downstream))
		return;
	text = peer_text(peer, address);
	log_warning(downstream->log, "connection from %.*s refused (%s); %llu so far",
	    (int)text.len, text.at, connection_refusal_name(reason),
	    (unsigned long long)counter_get(&downstream->stats->connections_refused[reason]));
}

/*
 * The milliseconds for which an idle connection does not give way. Listeners for operators have few
 * places, so a connection without a valid token gives way at once: a flood then closes its own
 * connections, and the next client gets a place.
 */
static uint32_t
protected_ms(const struct connection *connection, const struct connection_load *load)
{
	if (connection->authenticated)
		return load->unread ? GIVE_WAY_READING_MS : GIVE_WAY_MS;
	return connection->peer.purpose == FOR_JOBS ? GIVE_WAY_MS : 0;
}

/*
 * True when a connection with exchanges gives way. Where there are few places, no client may hold
 * one by sending slowly or by not reading, not even an operator. A listener for metrics needs no
 * token, so every request there gives way: the new connection may be a check of whether the gateway
 * is alive.
 */
static bool
exchange_gives_way(const struct connection *connection, const struct connection_load *load)
{
	switch (connection->peer.purpose) {
	case FOR_METRICS:
		return true;
	case FOR_CONTROL:
		if (load->unread)
			return load->age_ms >= GIVE_WAY_READING_MS;
		break;
	case FOR_JOBS:
		break;
	}
	return load->awaits_content && load->age_ms >= GIVE_WAY_MS;
}

static struct connection_load
load_of(const struct connection *connection)
{
	if (connection->state != CONNECTION_OPEN)
		return (struct connection_load){0};
	return connection_protocol(connection)->load(connection);
}

/* True when it has only waited for a while: for a head, a handshake, content or its client's close.
 */
static bool
gives_way(const struct connection *connection)
{
	struct connection_load load = load_of(connection);

	if (load.serves)
		return exchange_gives_way(connection, &load);
	return connection_idle_ms(connection) >= protected_ms(connection, &load);
}

/* Close a connection so that another one can take its place. */
static void
give_way(struct connection *connection)
{
	struct downstream *downstream = connection->downstream;
	char address[ADDRESS_TEXT_MAX];
	struct slice text = peer_text(&connection->peer, address);

	counter_add(&downstream->stats->connections_evicted, 1);
	if (may_log(downstream))
		log_warning(downstream->log,
		    "no room for more connections: closed one from %.*s that waited; %llu so far",
		    (int)text.len, text.at,
		    (unsigned long long)counter_get(&downstream->stats->connections_evicted));
	/* An idle one says so in its protocol, as a request may be on its way. */
	if (load_of(connection).serves)
		connection_lost(connection);
	else
		connection_shutdown(connection);
}

/* True when it counts in this quota; quota NULL: any. */
static bool
is_of(const struct connection *connection, const struct quota *quota)
{
	return quota == NULL || connection->quota == quota;
}

/* Close the oldest handshake, of all or of one quota, if its protected time is over. */
static bool
handshake_gives_way(struct places *places, const struct quota *of)
{
	struct connection *oldest = TAILQ_FIRST(&places->handshaking);

	while (oldest != NULL && !is_of(oldest, of))
		oldest = TAILQ_NEXT(oldest, link);
	if (oldest == NULL || !gives_way(oldest))
		return false;
	give_way(oldest);
	return true;
}

/*
 * Close the first connection that gives way, beginning with the one that was examined least
 * recently: each one examined goes to the end of the list.
 */
static bool
close_first_giving_way(
    struct places *places, size_t looks, const struct quota *of, bool unauthenticated_only)
{
	struct connection *connection;

	/* At most once around the list. */
	for (size_t i = 0; i < looks && i < places->count; i++) {
		connection = TAILQ_FIRST(&places->connections);
		if (connection == NULL)
			return false;
		client_connection_pass(places, connection);
		if ((unauthenticated_only && connection->authenticated) || !is_of(connection, of) ||
		    !gives_way(connection))
			continue;
		give_way(connection);
		return true;
	}
	return false;
}

/*
 * Close a connection that only waits, of all clients or of one quota. At listeners for operators,
 * connections without a valid token close first.
 */
static bool
make_room(struct places *places, enum purpose purpose, const struct quota *of)
{
	if (handshake_gives_way(places, of))
		return true;
	if (purpose == FOR_JOBS)
		return close_first_giving_way(places, ROOM_LOOKS, of, false);
	return close_first_giving_way(places, ROOM_LOOKS_FEW, of, true) ||
	       close_first_giving_way(places, ROOM_LOOKS_FEW, of, false);
}

bool
downstream_make_room(struct downstream *downstream)
{
	return make_room(&downstream->places[FOR_JOBS], FOR_JOBS, NULL);
}

/*
 * Where there are few places, each address has few of them, and an operator may share an address
 * with other people. So one of the address's own connections gives way.
 */
static void
make_room_in_quota(struct downstream *downstream, const struct sockaddr *peer,
    const struct exchange_peer *described)
{
	const struct quota *full;

	if (described->purpose == FOR_JOBS)
		return;
	full = quotas_full(downstream->quotas, peer, described->purpose);
	if (full != NULL)
		make_room(&downstream->places[described->purpose], described->purpose, full);
}

/*
 * Count a connection of the described peer in its address's quota, *quota (NULL: it has none).
 * False when that is used up.
 */
static bool
enter_quota(struct downstream *downstream, const struct sockaddr *address,
    const struct exchange_peer *peer, struct quota **quota)
{
	*quota = NULL;
	if (peer->local || peer->trusted)
		return true;
	make_room_in_quota(downstream, address, peer);
	*quota =
	    quotas_enter(downstream->quotas, address, peer->purpose, loop_now_ms(downstream->loop));
	if (*quota == NULL)
		admit_refused(downstream, CONNECTION_OVER_CLIENT_LIMIT, peer);
	return *quota != NULL;
}

bool
admit_connection(struct downstream *downstream, const struct sockaddr *peer,
    const struct listener_options *listener, struct exchange_peer *out, struct quota **quota)
{
	struct places *places = &downstream->places[listener->purpose];

	*out = (struct exchange_peer){.forward_auth = listener->forward_auth,
	    .redirect = listener->redirect,
	    .purpose = listener->purpose};
	peer_describe(downstream, peer, out);
	if (places->count >= places->max && !make_room(places, listener->purpose, NULL)) {
		admit_refused(downstream, CONNECTION_OVER_LIMIT, out);
		return false;
	}
	/* A PROXY header is trusted, so only a trusted peer may send one. */
	if (listener->proxied && !out->trusted && !out->local) {
		admit_refused(downstream, CONNECTION_NOT_TRUSTED, out);
		return false;
	}
	return enter_quota(downstream, peer, out, quota);
}

bool
admit_handshake(struct places *places)
{
	return places->handshakes < places->handshakes_max || handshake_gives_way(places, NULL);
}

bool
admit_named_client(struct connection *connection, const struct sockaddr *address)
{
	struct exchange_peer peer = {.forward_auth = connection->peer.forward_auth,
	    .redirect = connection->peer.redirect,
	    .purpose = connection->peer.purpose};

	peer_describe(connection->downstream, address, &peer);
	if (!enter_quota(connection->downstream, address, &peer, &connection->quota))
		return false;
	connection->peer = peer;
	connection->authenticated = connection->quota == NULL;
	return true;
}
