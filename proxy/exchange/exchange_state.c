/* exchange_state.c - the states of an exchange, and what a dump shows of it. */
#include "exchange/exchange_state.h"

#include "jobgate/state.h"

static const struct state_row exchange_states[] = {
    [EXCHANGE_AUTHORIZING] = {"authorizing",
	STATE(EXCHANGE_LOCAL) | STATE(EXCHANGE_CONNECTING) | STATE(EXCHANGE_ENDED)},
    [EXCHANGE_LOCAL] = {"local", STATE(EXCHANGE_CONNECTING) | STATE(EXCHANGE_ENDED)},
    [EXCHANGE_CONNECTING] = {"connecting", STATE(EXCHANGE_AWAITING) | STATE(EXCHANGE_ENDED)},
    [EXCHANGE_AWAITING] = {"awaiting", STATE(EXCHANGE_CONNECTING) | STATE(EXCHANGE_RELAYING) |
					   STATE(EXCHANGE_TUNNEL) | STATE(EXCHANGE_ENDED)},
    [EXCHANGE_RELAYING] = {"relaying", STATE(EXCHANGE_AWAITING) | STATE(EXCHANGE_ENDED)},
    [EXCHANGE_TUNNEL] = {"tunnel", STATE(EXCHANGE_ENDED)},
    [EXCHANGE_ENDED] = {"ended", 0},
};

void
exchange_set_state(struct exchange *exchange, enum exchange_state to)
{
	CHECK(state_allows(exchange_states, exchange->state, to), exchange_dump, exchange);
	PROBE_STATE(exchange, exchange, exchange->state, to);
	exchange->state = to;
}

void
exchange_dump(const struct exchange *exchange, struct dump *dump)
{
	jg_dump_begin(dump, "exchange");
	jg_dump_word(dump, "state", exchange_states[exchange->state].name);
	if (exchange->route.names_job)
		jg_dump_text(dump, "job", route_job(&exchange->route));
	if (exchange->authenticated)
		jg_dump_text(dump, "token", (struct slice){exchange->token_id, TOKEN_ID_LEN});
	if (exchange->decided)
		jg_dump_word(dump, "verdict", jg_verdict_name(exchange->verdict));
	jg_dump_flag(dump, "control", exchange->control);
	jg_dump_flag(dump, "grpc", is_grpc_call(&exchange->grpc));
	jg_dump_flag(dump, "by_session", exchange_by_session(exchange));
	jg_dump_flag(dump, "permit", exchange->permit.place != 0);
	jg_dump_flag(dump, "waits_for_store", exchange->waiter.entry != NULL);
	jg_dump_flag(dump, "suspended", exchange->suspended != NULL);
	jg_dump_flag(dump, "held", exchange->held);
	jg_dump_flag(dump, "kept", exchange->kept != NULL);
	jg_dump_number(dump, "kept_content", buffer_len(exchange->kept_content.bytes));
	jg_dump_flag(dump, "content_lost", exchange->kept_content.lost);
	jg_dump_flag(dump, "content", exchange->content != NULL);
	jg_dump_flag(dump, "backend", exchange->backend != NULL);
	jg_dump_flag(dump, "upstream", exchange->upstream != NULL);
	jg_dump_flag(dump, "content_taken", exchange->content_taken);
	jg_dump_flag(dump, "content_ended", exchange->content_ended);
	jg_dump_flag(dump, "answer_begun", exchange->answer_begun);
	jg_dump_flag(dump, "answer_ended", exchange->answer_ended);
	jg_dump_flag(dump, "client_full", exchange->client_full);
	jg_dump_number(dump, "repeated", exchange->repeated);
	jg_dump_number(dump, "status", exchange->status);
	jg_dump_number(dump, "bytes_in", exchange->bytes_in);
	jg_dump_number(dump, "bytes_out", exchange->bytes_out);
	jg_dump_number(dump, "timer_due_ms", exchange->timer.due_ms);
	jg_dump_end(dump);
}
