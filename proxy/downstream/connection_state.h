/* connection_state.h - what the files of a connection share; only this room includes it. */
#ifndef JOBGATE_CONNECTION_STATE_H
#define JOBGATE_CONNECTION_STATE_H

#include "downstream/connection.h"

/*
 * connection.c        its life: accept, events, time-outs, close
 * connection_state.c  its states and lists, and what a dump shows of it
 * walk.c              from one to the next, for dumps
 * admit.c             which connections are taken, and which give way to them
 * handshake.c         PROXY header, TLS: before the protocol begins
 */

/* The places of its purpose: the lists and counts that it belongs to. */
static inline struct places *
connection_places(const struct connection *connection)
{
	return &connection->downstream->places[connection->peer.purpose];
}

static inline const struct connection_protocol *
connection_protocol(const struct connection *connection)
{
	return connection->downstream->options.protocols[connection->protocol];
}

/* ---- connection_state.c ---- */

/* List a new connection, which is in PROXY_HEADER, among those of its purpose, and count it. */
void client_connection_list(struct connection *connection);

/* Go to another state, and to its list. In CLOSED it is in no list and not counted. */
void client_connection_set_state(struct connection *connection, enum connection_state to);

/* Move an open connection to the end of its list. */
void client_connection_pass(struct places *places, struct connection *connection);

/* "jobs", ...; static. */
const char *purpose_name(enum purpose purpose);

/* ---- walk.c ---- */

/* Call it before a connection is removed from its list: a walk must not stand at it. */
void walk_removes(struct downstream *downstream, const struct connection *connection);

/* ---- connection.c ---- */

/* The handshakes are over: let the protocol begin. */
void connection_open(struct connection *connection);

/* ---- admit.c ---- */

/*
 * True when one more connection may come from this peer. *out then describes the peer, and the
 * connection is counted in its address's quota, *quota (NULL: it has none). When all places are
 * taken, a connection that only waits closes to make room, if there is one.
 */
bool admit_connection(struct downstream *downstream, const struct sockaddr *peer,
    const struct listener_options *listener, struct exchange_peer *out, struct quota **quota);

/*
 * A proxy has named the client at this address. That client is the peer from now on, with its own
 * rights. False when its address has too many connections.
 */
bool admit_named_client(struct connection *connection, const struct sockaddr *address);

/*
 * True when one more handshake may begin. At the limit, the oldest handshake closes to make room;
 * false while that one is still protected.
 */
bool admit_handshake(struct places *places);

/* Count a connection that is not taken, and log it now and then. */
void admit_refused(struct downstream *downstream, enum connection_refusal reason,
    const struct exchange_peer *peer);

/* ---- handshake.c ---- */

/* Begin: wait for the PROXY header if it is to come first (proxied), or go on to TLS, or open. */
void handshake_begin(struct connection *connection, bool proxied);

/* PROXY_HEADER, TLS_HANDSHAKE: do what can be done now. */
void handshake_work(struct connection *connection);

/* PROXY_HEADER, TLS_HANDSHAKE: it took too long. Closes. */
void handshake_expired(struct connection *connection);

/* The TLS handshake is over, whether it succeeded or not: make room for the next one. */
void handshake_over(struct connection *connection);

#endif
