/* client_state.c - the states of an HTTP/1 client, and what a dump shows of it. */
#include "upstream/http1/client_state.h"

#include "jobgate/state.h"

static const struct state_row http1_client_states[] = {
    [HTTP1_CLIENT_WAITING] = {"waiting", STATE(HTTP1_CLIENT_RELAYING) | STATE(HTTP1_CLIENT_CLOSED)},
    [HTTP1_CLIENT_RELAYING] = {"relaying", STATE(HTTP1_CLIENT_IDLE) | STATE(HTTP1_CLIENT_CLOSED)},
    [HTTP1_CLIENT_IDLE] = {"idle", STATE(HTTP1_CLIENT_WAITING) | STATE(HTTP1_CLIENT_CLOSED)},
    [HTTP1_CLIENT_CLOSED] = {"closed", 0},
};

void
http1_client_set_state(struct http1_client *client, enum http1_client_state to)
{
	enum http1_client_state from = client->state;

	CHECK(state_allows(http1_client_states, from, to), http1_client_dump, client);
	CHECK((to == HTTP1_CLIENT_WAITING || to == HTTP1_CLIENT_RELAYING) ==
		  (client->upstream.user != NULL),
	    http1_client_dump, client);
	PROBE_STATE(http1_client, client, from, to);
	client->state = to;
}

void
http1_client_dump(const struct http1_client *client, struct dump *dump)
{
	jg_dump_begin(dump, "http1_client");
	jg_dump_word(dump, "state", http1_client_states[client->state].name);
	jg_dump_number(dump, "in", buffer_len(client->receiver.in));
	jg_dump_number(dump, "out", buffer_len(client->sender.out));
	jg_dump_number(dump, "sent", client->sender.sent);
	jg_dump_number(dump, "interims", client->interims);
	jg_dump_flag(dump, "user", client->upstream.user != NULL);
	jg_dump_flag(dump, "reused", client->reused);
	jg_dump_flag(dump, "keep_alive", client->keep_alive);
	jg_dump_flag(dump, "no_reuse", client->no_reuse);
	jg_dump_flag(dump, "answer_begun", client->answer_begun);
	jg_dump_flag(dump, "tunnel", client->tunnel);
	jg_dump_flag(dump, "tunnel_shut", client->tunnel_shut);
	jg_dump_flag(dump, "tunnel_ended", client->tunnel_ended);
	jg_dump_flag(dump, "send_failed", client->sender.failed);
	backend_conn_dump(&client->connection, dump);
	jg_dump_end(dump);
}
