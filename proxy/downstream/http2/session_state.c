/* session_state.c - the states of an HTTP/2 server and of its streams, and what a dump shows. */
#include "downstream/http2/session_state.h"
#include "jobgate/state.h"

static const struct state_row http2_session_states[] = {
    [HTTP2_PREFACE] = {"preface", STATE(HTTP2_OPEN) | STATE(HTTP2_CLOSING) | STATE(HTTP2_CLOSED)},
    [HTTP2_OPEN] = {"open", STATE(HTTP2_LEAVING) | STATE(HTTP2_CLOSING) | STATE(HTTP2_CLOSED)},
    [HTTP2_LEAVING] = {"leaving", STATE(HTTP2_CLOSING) | STATE(HTTP2_CLOSED)},
    [HTTP2_CLOSING] = {"closing", STATE(HTTP2_CLOSED)},
    [HTTP2_CLOSED] = {"closed", 0},
};

static const struct state_row http2_stream_states[] = {
    [HTTP2_STREAM_RUNNING] = {"running",
	STATE(HTTP2_STREAM_SENDING) | STATE(HTTP2_STREAM_LINGERING) | STATE(HTTP2_STREAM_CLOSED)},
    [HTTP2_STREAM_SENDING] = {"sending",
	STATE(HTTP2_STREAM_LINGERING) | STATE(HTTP2_STREAM_CLOSED)},
    [HTTP2_STREAM_LINGERING] = {"lingering", STATE(HTTP2_STREAM_CLOSED)},
    [HTTP2_STREAM_CLOSED] = {"closed", 0},
};

void
http2_session_set_state(struct http2_session *session, enum http2_session_state to)
{
	enum http2_session_state from = session->state;

	CHECK(state_allows(http2_session_states, from, to), client_connection_dump,
	    session->connection);
	PROBE_STATE(http2_session, session, from, to);
	session->state = to;
}

void
http2_stream_set_state(struct http2_stream *stream, enum http2_stream_state to)
{
	enum http2_stream_state from = stream->state;

	CHECK(state_allows(http2_stream_states, from, to), http2_stream_dump, stream);
	CHECK(stream->exchange == NULL, http2_stream_dump, stream);
	PROBE_STATE(http2_stream, stream, from, to);
	stream->state = to;
}

void
http2_stream_dump(const struct http2_stream *stream, struct dump *dump)
{
	jg_dump_begin(dump, "http2_stream");
	jg_dump_number(dump, "id", stream->id);
	jg_dump_word(dump, "state", http2_stream_states[stream->state].name);
	jg_dump_number(dump, "in", buffer_len(stream->in));
	jg_dump_number(dump, "own", buffer_len(stream->own));
	if (stream->window.left > 0)
		jg_dump_number(dump, "receive_window", (uint64_t)stream->window.left);
	if (stream->send_window > 0)
		jg_dump_number(dump, "send_window", (uint64_t)stream->send_window);
	jg_dump_number(dump, "window", stream->window.size);
	jg_dump_number(dump, "error", stream->error);
	jg_dump_flag(dump, "client_ended", stream->client_ended);
	jg_dump_flag(dump, "client_reset", stream->client_reset);
	jg_dump_flag(dump, "content_ended", stream->content_ended);
	jg_dump_flag(dump, "expects", stream->expects);
	jg_dump_flag(dump, "asks_tunnel", stream->asks_tunnel);
	jg_dump_flag(dump, "tunnel", stream->tunnel);
	jg_dump_flag(dump, "answer_ended", stream->answer_ended);
	jg_dump_flag(dump, "blocked", stream->blocked);
	if (stream->exchange != NULL)
		exchange_dump(stream->exchange, dump);
	jg_dump_end(dump);
}

void
http2_session_dump(const struct http2_session *session, struct dump *dump)
{
	jg_dump_begin(dump, "http2_session");
	jg_dump_word(dump, "state", http2_session_states[session->state].name);
	jg_dump_number(dump, "streams", session->stream_count);
	jg_dump_number(dump, "last_id", session->last_id);
	jg_dump_number(dump, "in", buffer_len(session->in));
	jg_dump_number(dump, "out", buffer_len(session->output.out));
	jg_dump_number(dump, "sent", session->output.sent);
	jg_dump_number(dump, "resets_left", session->resets.left);
	jg_dump_number(dump, "receive_window", (uint64_t)session->window.left);
	if (session->output.window > 0)
		jg_dump_number(dump, "send_window", (uint64_t)session->output.window);
	jg_dump_flag(dump, "working", session->working);
	jg_dump_flag(dump, "failed", session->output.failed);
	jg_dump_flag(dump, "block", session->block.stream != 0);
	jg_dump_flag(dump, "last_goaway", session->last_goaway);
	jg_dump_flag(dump, "half_closed", session->half_closed);
	jg_dump_flag(dump, "finished_sending", session->finished_sending);
	if (!TAILQ_EMPTY(&session->streams))
		http2_stream_dump(TAILQ_FIRST(&session->streams), dump);
	jg_dump_end(dump);
}
