/* connection_state.c - the states of a connection, and what a dump shows of it. */
#include "auth/control/connection.h"

#include "jobgate/state.h"

/* A request line without a version has no head, so such a request skips READING. */
static const struct state_row control_connection_states[] = {
    [CONNECTION_IDLE] = {"idle", STATE(CONNECTION_READING) | STATE(CONNECTION_STARTING)},
    [CONNECTION_READING] = {"reading", STATE(CONNECTION_STARTING) | STATE(CONNECTION_IDLE)},
    [CONNECTION_STARTING] = {"starting", STATE(CONNECTION_CALLING) | STATE(CONNECTION_IDLE)},
    [CONNECTION_CALLING] = {"calling", STATE(CONNECTION_IDLE)},
};

void
control_connection_set_state(struct connection *connection, enum connection_state to)
{
	CHECK(state_allows(control_connection_states, connection->state, to),
	    control_connection_dump, connection);
	PROBE_STATE(control_connection, connection, connection->state, to);
	connection->state = to;
}

void
control_connection_dump(const struct connection *connection, struct dump *dump)
{
	jg_dump_begin(dump, "control_connection");
	jg_dump_word(dump, "state", control_connection_states[connection->state].name);
	jg_dump_flag(dump, "local", connection->local);
	jg_dump_flag(dump, "gateway", connection->gateway);
	jg_dump_text(dump, "peer", slice_of(connection->peer));
	jg_dump_flag(dump, "no_reuse", connection->no_reuse);
	jg_dump_number(dump, "body_len", connection->body_len);
	jg_dump_flag(dump, "body_too_large", connection->body_too_large);
	jg_dump_number(dump, "answer_len", connection->answer_len);
	if (connection->call != NULL)
		call_dump(connection->call, dump);
	jg_dump_end(dump);
}
