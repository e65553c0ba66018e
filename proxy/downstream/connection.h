/* connection.h - a client connection, and the interface of the protocol that it speaks. */
#ifndef JOBGATE_CONNECTION_H
#define JOBGATE_CONNECTION_H

#include "downstream/downstream_state.h"
#include "jobgate/check.h"
#include "net/conn.h"

/*
 * A connection owns the socket, the peer's description, its place among the connections, one timer
 * and one task. Handshakes come first (PROXY header, TLS); then a protocol takes over: it reads and
 * writes `conn`, and runs exchanges: one at a time (HTTP/1) or many (HTTP/2). All that the
 * connection knows of them is `connection_load`, by which admission chooses the connections that
 * give way.
 *
 *     PROXY_HEADER --> TLS_HANDSHAKE --> OPEN --> CLOSED
 *
 * TLS_HANDSHAKE is skipped when the listener has no TLS. Each state may lead to CLOSED.
 * connection_close is the one place where that happens.
 */
enum connection_state {
	CONNECTION_PROXY_HEADER,  /* waits for the PROXY header */
	CONNECTION_TLS_HANDSHAKE, /* waits for the TLS handshake */
	CONNECTION_OPEN,	  /* its protocol speaks */
	CONNECTION_CLOSED,	  /* waits for the end of the turn to be freed */
};

/*
 * Invariants: until it is CLOSED, a connection is in exactly one list of its places (the one of
 * handshakes in TLS_HANDSHAKE, else the other one), and is counted there and in its address's
 * quota. Protocol operations are called in OPEN only.
 *
 * Idle connections are the gateway's largest number of objects: a new member must not make the
 * block larger (http1/server.c holds the limit).
 */
struct connection {
	struct conn conn;
	struct downstream *downstream;
	struct timer timer; /* of the handshake's state; in OPEN: the protocol's */
	struct task task; /* goes on with the work in the next turn; in CLOSED: frees the object */
	TAILQ_ENTRY(connection) link;
	struct exchange_peer peer;
	struct quota *quota;	/* of its address; NULL: it has none (a local or trusted peer) */
	uint32_t idle_since_ms; /* the low bits of the time from which it counts as idle: when it
				   was accepted; once authenticated, when its last exchange
				   ended, or as connection_touch says */
	enum connection_state state : 8;
	enum protocol protocol : 4; /* which of downstream->options.protocols it speaks */
	bool authenticated : 1; /* a token of its requests was valid, or its peer has no quota */
	bool tls : 1;		/* its listener asks for TLS */
};

/* How busy a connection is: idle ones give way to others first. */
struct connection_load {
	bool serves;	     /* an exchange runs */
	bool awaits_content; /* each of its exchanges waits for its client: exchange_awaits_content
			      */
	bool unread;	     /* bytes wait for the client to read */
	uint64_t age_ms;     /* with serves: since the youngest of its exchanges began */
};

/* What a protocol does on a connection. All run on the loop; each may close the connection. */
struct connection_protocol {
	/*
	 * Bytes of the protocol's struct, whose first member is the struct connection. Each
	 * connection's block has room for the largest, so keep it small: what a protocol needs
	 * beyond that, it allocates in `opened` and frees in `closed`.
	 */
	size_t size;

	/*
	 * Bytes of each further object that the protocol runs on a connection (a stream of HTTP/2);
	 * 0: it has none. They come from downstream->streams.
	 */
	size_t stream_size;

	/*
	 * It calls connection_watch before it waits for its client. Otherwise a connection is
	 * registered as soon as it is accepted.
	 */
	bool watches;

	/*
	 * The handshakes are over. The protocol's part is zeroed. received: bytes that were read
	 * before the protocol was known, which it owns from now on; NULL: none. `work` follows.
	 */
	void (*opened)(struct connection *connection, struct buffer *received);

	/*
	 * Call exchange_judge_if_changed for each exchange, since bytes may move next. The
	 * connection may close.
	 */
	void (*judge_if_changed)(struct connection *connection);

	/* The socket has bytes, or has room again (conn.readable, conn.writable). */
	void (*ready)(struct connection *connection);

	/* Do what can be done now. Called after `opened` and after connection_defer. */
	void (*work)(struct connection *connection);

	/* The time of connection_wait is over. */
	void (*expired)(struct connection *connection);

	/*
	 * The worker drains. Gently: an idle connection may bring one more request, because its
	 * client was told that it stays open. Else an idle connection closes at once. In both cases
	 * any other connection closes after its exchanges.
	 */
	void (*drain)(struct connection *connection, bool gently);

	/* The drain time is over: end each exchange (exchange_shutdown), send what the socket takes
	 * now, and close. */
	void (*shutdown)(struct connection *connection);

	/* The connection is lost, or gives way to another: end each exchange with CLIENT_CLOSED.
	 * The caller closes. */
	void (*lost)(struct connection *connection);

	/* The connection closes; no exchange runs any more. Give back all memory. */
	void (*closed)(struct connection *connection);

	struct connection_load (*load)(const struct connection *connection);

	/* Write the protocol's part of the connection's dump. */
	void (*dump)(const struct connection *connection, struct dump *dump);
};

/* ---- for downstream.c ---- */

/* The worker drains: see `drain` above. An unfinished handshake goes on. */
void connection_drain(struct connection *connection, bool gently);

/* Close at once, cutting what runs. */
void connection_shutdown(struct connection *connection);

/* Write its present state: its peer's address, its protocol's part, no bytes of messages. */
void client_connection_dump(const struct connection *connection, struct dump *dump);

/* ---- for protocols ---- */

/*
 * exchange_catch_up, and exchange_judge_if_changed for its own exchanges where that is necessary.
 * Call it before bytes move on the connection, which may close within the call.
 */
void connection_catch_up(struct connection *connection);

/* The one place where a connection closes; its exchanges have ended before. reset: with RST. */
void connection_close(struct connection *connection, bool reset);

/*
 * Register the socket with the loop, before waiting for the client. A new connection is not
 * registered: one with a single request that is answered soon never needs it. False when the loop
 * refuses: the connection is lost then, and closed.
 */
bool connection_watch(struct connection *connection);

/* The connection is lost, or its client is gone: end its exchanges, and close. */
void connection_lost(struct connection *connection);

/* One of its exchanges has ended. allowed: its request passed authorization with a token. */
void connection_exchange_over(struct connection *connection, bool allowed);

/*
 * One of its requests had a credential that is not valid: see failed_auth of exchange_client_ops.
 */
unsigned connection_failed_auth(struct connection *connection, const struct in6_addr *client);

/* It counts as idle from now on. */
static inline void
connection_touch(struct connection *connection)
{
	connection->idle_since_ms = (uint32_t)loop_now_ms(connection->downstream->loop);
}

/* Milliseconds for which it has been idle. */
static inline uint32_t
connection_idle_ms(const struct connection *connection)
{
	return (uint32_t)loop_now_ms(connection->downstream->loop) - connection->idle_since_ms;
}

/* Call `expired` after this many milliseconds. This replaces an earlier deadline. */
static inline void
connection_wait(struct connection *connection, uint64_t ms)
{
	CHECK(connection->state != CONNECTION_CLOSED, client_connection_dump, connection);
	timer_start(connection->downstream->loop, &connection->timer, ms);
}

/*
 * The bytes that came belong to another protocol, which takes over and gets them in `received`. The
 * previous protocol has given back all that it held; its struct does not exist any more when this
 * returns.
 */
void connection_switch(
    struct connection *connection, enum protocol protocol, struct buffer *received);

/* Call `work` at the end of this turn of the loop. */
static inline void
connection_defer(struct connection *connection)
{
	loop_defer(connection->downstream->loop, &connection->task);
}

#endif
