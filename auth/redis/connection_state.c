/* connection_state.c - the states of a connection, and what a dump shows of it. */
#include "auth/redis/connection_state.h"

#include "auth/redis/dial.h"
#include "jobgate/state.h"

static const struct state_row connection_states[] = {
    [CONNECTION_DIALLING] = {"dialling",
	STATE(CONNECTION_TLS_HANDSHAKE) | STATE(CONNECTION_LOGIN) | STATE(CONNECTION_DOWN)},
    [CONNECTION_TLS_HANDSHAKE] = {"tls_handshake",
	STATE(CONNECTION_LOGIN) | STATE(CONNECTION_DOWN)},
    [CONNECTION_LOGIN] = {"login", STATE(CONNECTION_UP) | STATE(CONNECTION_DOWN)},
    [CONNECTION_UP] = {"up", STATE(CONNECTION_DOWN)},
    [CONNECTION_DOWN] = {"down", 0},
};

void
redis_connection_set_state(struct redis_connection *connection, enum connection_state to)
{
	CHECK(state_allows(connection_states, connection->state, to), redis_connection_dump,
	    connection);
	PROBE_STATE(redis_connection, connection, connection->state, to);
	connection->state = to;
}

void
redis_connection_dump(const struct redis_connection *connection, struct dump *dump)
{
	const struct waiting *waiting = STAILQ_FIRST(&connection->waiting);
	size_t count = 0;

	for (; waiting != NULL; waiting = STAILQ_NEXT(waiting, link))
		count++;
	jg_dump_begin(dump, "redis_connection");
	jg_dump_word(dump, "state", connection_states[connection->state].name);
	jg_dump_text(dump, "name", slice_of(connection->name));
	jg_dump_text(dump, "host",
	    slice_of(
		connection->url.path[0] != '\0' ? connection->url.path : connection->url.host));
	jg_dump_number(dump, "port", connection->url.port);
	jg_dump_flag(dump, "tls", connection->url.tls);
	jg_dump_flag(dump, "replica", connection->to_replica);
	jg_dump_number(dump, "waiting", count);
	jg_dump_number(dump, "logins", connection->logins);
	jg_dump_number(dump, "reply_bytes", connection->scan.bytes);
	jg_dump_flag(dump, "skipping", connection->skipping);
	jg_dump_flag(dump, "entered", connection->entered);
	jg_dump_flag(dump, "freed", connection->freed);
	if (connection->dial != NULL)
		redis_dial_dump(connection->dial, dump);
	jg_dump_end(dump);
}
