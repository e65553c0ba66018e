/* connection_state.c - the states of a client connection and their lists, and what a dump shows. */
#include "downstream/connection_state.h"

#include "downstream/quota.h"
#include "exchange/peer.h"
#include "jobgate/state.h"

static const struct state_row client_connection_states[] = {
    [CONNECTION_PROXY_HEADER] = {"proxy_header",
	STATE(CONNECTION_TLS_HANDSHAKE) | STATE(CONNECTION_OPEN) | STATE(CONNECTION_CLOSED)},
    [CONNECTION_TLS_HANDSHAKE] = {"tls_handshake",
	STATE(CONNECTION_OPEN) | STATE(CONNECTION_CLOSED)},
    [CONNECTION_OPEN] = {"open", STATE(CONNECTION_CLOSED)},
    [CONNECTION_CLOSED] = {"closed", 0},
};

/* The list of a state; NULL: none. */
static struct connection_list *
list_of(struct places *places, enum connection_state state)
{
	switch (state) {
	case CONNECTION_TLS_HANDSHAKE:
		return &places->handshaking;
	case CONNECTION_PROXY_HEADER:
	case CONNECTION_OPEN:
		return &places->connections;
	case CONNECTION_CLOSED:
		break;
	}
	return NULL;
}

/* Metrics are not counted: monitoring must not change what it reads. */
static void
count_connections(struct downstream *downstream)
{
	counter_set(&downstream->stats->connections,
	    downstream->places[FOR_JOBS].count + downstream->places[FOR_CONTROL].count);
}

void
client_connection_list(struct connection *connection)
{
	struct places *places = connection_places(connection);

	CHECK(connection->state == CONNECTION_PROXY_HEADER, client_connection_dump, connection);
	TAILQ_INSERT_TAIL(&places->connections, connection, link);
	places->count++;
	count_connections(connection->downstream);
}

void
client_connection_set_state(struct connection *connection, enum connection_state to)
{
	enum connection_state from = connection->state;
	struct places *places = connection_places(connection);
	struct connection_list *from_list = list_of(places, from);
	struct connection_list *to_list = list_of(places, to);

	CHECK(state_allows(client_connection_states, from, to), client_connection_dump, connection);
	CHECK(places->count > 0, client_connection_dump, connection);
	PROBE_STATE(client_connection, connection, from, to);
	connection->state = to;
	if (to_list == from_list)
		return;
	walk_removes(connection->downstream, connection);
	TAILQ_REMOVE(from_list, connection, link);
	if (to_list != NULL) {
		TAILQ_INSERT_TAIL(to_list, connection, link);
		return;
	}
	places->count--;
	count_connections(connection->downstream);
}

void
client_connection_pass(struct places *places, struct connection *connection)
{
	walk_removes(connection->downstream, connection);
	TAILQ_REMOVE(&places->connections, connection, link);
	TAILQ_INSERT_TAIL(&places->connections, connection, link);
}

/* ---- dump ---- */

const char *
purpose_name(enum purpose purpose)
{
	switch (purpose) {
	case FOR_JOBS:
		return "jobs";
	case FOR_CONTROL:
		return "control";
	case FOR_METRICS:
		return "metrics";
	}
	return NULL;
}

void
client_connection_dump(const struct connection *connection, struct dump *dump)
{
	char address[ADDRESS_TEXT_MAX];

	jg_dump_begin(dump, "client_connection");
	jg_dump_word(dump, "state", client_connection_states[connection->state].name);
	jg_dump_text(dump, "peer", peer_text(&connection->peer, address));
	jg_dump_word(dump, "purpose", purpose_name(connection->peer.purpose));
	jg_dump_flag(dump, "trusted", connection->peer.trusted);
	jg_dump_flag(dump, "authenticated", connection->authenticated);
	jg_dump_flag(dump, "redirect", connection->peer.redirect);
	jg_dump_number(dump, "idle_ms", connection_idle_ms(connection));
	jg_dump_until(
	    dump, "timer_ms", connection->timer.due_ms, loop_now_ms(connection->downstream->loop));
	jg_dump_flag(dump, "deferred", task_is_queued(&connection->task));
	conn_dump(&connection->conn, dump);
	if (connection->quota != NULL)
		quota_dump(connection->quota, dump);
	if (connection->state == CONNECTION_OPEN)
		connection_protocol(connection)->dump(connection, dump);
	jg_dump_end(dump);
}
