/* server_state.c - the states of an HTTP/1 server, its dump, and when the loop watches its client.
 */
#include "downstream/http1/server_state.h"

#include "jobgate/state.h"

static const struct state_row http1_server_states[] = {
    [HTTP1_HEAD] = {"head", STATE(HTTP1_EXCHANGE) | STATE(HTTP1_CLOSING) | STATE(HTTP1_CLOSED)},
    [HTTP1_EXCHANGE] = {"exchange",
	STATE(HTTP1_HEAD) | STATE(HTTP1_SKIPPING) | STATE(HTTP1_CLOSING) | STATE(HTTP1_CLOSED)},
    [HTTP1_SKIPPING] = {"skipping", STATE(HTTP1_HEAD) | STATE(HTTP1_CLOSING) | STATE(HTTP1_CLOSED)},
    [HTTP1_CLOSING] = {"closing", STATE(HTTP1_CLOSED)},
    [HTTP1_CLOSED] = {"closed", 0},
};

void
http1_server_set_state(struct http1_server *server, enum http1_state to)
{
	enum http1_state from = server->state;

	CHECK(state_allows(http1_server_states, from, to), client_connection_dump,
	    &server->connection);
	CHECK((to == HTTP1_EXCHANGE) == (server->exchange != NULL), client_connection_dump,
	    &server->connection);
	PROBE_STATE(http1_server, server, from, to);
	server->state = to;
}

void
http1_server_dump(const struct http1_server *server, struct dump *dump)
{
	jg_dump_begin(dump, "http1_server");
	jg_dump_word(dump, "state", http1_server_states[server->state].name);
	jg_dump_number(dump, "minor", server->version == HTTP_1_0 ? 0 : 1);
	jg_dump_number(dump, "in", buffer_len(server->receiver.in));
	jg_dump_number(dump, "out", buffer_len(server->sender.out));
	jg_dump_number(dump, "sent", server->sender.sent);
	if (server->state == HTTP1_EXCHANGE)
		jg_dump_number(dump, "deficit", server->body_deficit);
	if (server->state == HTTP1_SKIPPING || server->state == HTTP1_CLOSING)
		jg_dump_number(dump, "skipped", server->skipped);
	jg_dump_flag(dump, "working", server->working);
	jg_dump_flag(dump, "keep_alive", server->keep_alive);
	jg_dump_flag(dump, "expects", server->expects);
	jg_dump_flag(dump, "content_ended", server->content_ended);
	jg_dump_flag(dump, "tunnel", server->tunnel);
	jg_dump_flag(dump, "tunnel_shut", server->tunnel_shut);
	jg_dump_flag(dump, "half_closed", server->half_closed);
	jg_dump_flag(dump, "cut", server->cut);
	jg_dump_flag(dump, "finished_sending", server->finished_sending);
	jg_dump_flag(dump, "send_failed", server->sender.failed);
	if (server->exchange != NULL)
		exchange_dump(server->exchange, dump);
	jg_dump_end(dump);
}

/* True when nothing is expected of the client until the exchange has its answer. */
static bool
awaits_answer(const struct http1_server *server)
{
	const struct conn *conn = &server->connection.conn;

	return server->state == HTTP1_EXCHANGE && server->content_ended && !server->tunnel &&
	       conn->tls == NULL && !conn->readable && conn->writable &&
	       !sender_pending(&server->sender);
}

bool
http1_watch(struct http1_server *server)
{
	struct connection *connection = &server->connection;
	struct loop *loop = connection->downstream->loop;
	uint64_t tick_ms = loop_tick_ms(loop);

	if (connection->conn.watched)
		return true;
	if (!awaits_answer(server))
		return connection_watch(connection);
	/* The timer may still be the head's. An answer in pieces must not put the look off. */
	if (connection->timer.due_ms == 0 || connection->timer.due_ms > loop_now_ms(loop) + tick_ms)
		connection_wait(connection, tick_ms);
	return true;
}
