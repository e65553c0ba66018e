/* client_state.c - the states of an HTTP/2 client and of its streams, and what a dump shows. */
#include "upstream/http2/client_state.h"

#include "jobgate/state.h"

static const struct state_row backend_session_states[] = {
    [BACKEND_SESSION_OPENING] = {"opening",
	STATE(BACKEND_SESSION_SHARED) | STATE(BACKEND_SESSION_FULL) | STATE(BACKEND_SESSION_IDLE) |
	    STATE(BACKEND_SESSION_LEAVING) | STATE(BACKEND_SESSION_CLOSED)},
    [BACKEND_SESSION_SHARED] = {"shared",
	STATE(BACKEND_SESSION_FULL) | STATE(BACKEND_SESSION_IDLE) | STATE(BACKEND_SESSION_LEAVING) |
	    STATE(BACKEND_SESSION_CLOSED)},
    [BACKEND_SESSION_FULL] = {"full", STATE(BACKEND_SESSION_SHARED) | STATE(BACKEND_SESSION_IDLE) |
					  STATE(BACKEND_SESSION_LEAVING) |
					  STATE(BACKEND_SESSION_CLOSED)},
    [BACKEND_SESSION_IDLE] = {"idle", STATE(BACKEND_SESSION_SHARED) | STATE(BACKEND_SESSION_FULL) |
					  STATE(BACKEND_SESSION_LEAVING) |
					  STATE(BACKEND_SESSION_CLOSED)},
    [BACKEND_SESSION_LEAVING] = {"leaving", STATE(BACKEND_SESSION_CLOSED)},
    [BACKEND_SESSION_CLOSED] = {"closed", 0},
};

static const struct state_row backend_stream_states[] = {
    [BACKEND_STREAM_NEW] = {"new", STATE(BACKEND_STREAM_AWAITING) | STATE(BACKEND_STREAM_CLOSED)},
    [BACKEND_STREAM_AWAITING] = {"awaiting",
	STATE(BACKEND_STREAM_RELAYING) | STATE(BACKEND_STREAM_CLOSED)},
    [BACKEND_STREAM_RELAYING] = {"relaying", STATE(BACKEND_STREAM_CLOSED)},
    [BACKEND_STREAM_CLOSED] = {"closed", 0},
};

void
backend_session_set_state(struct backend_session *session, enum backend_session_state to)
{
	enum backend_session_state from = session->state;

	CHECK(state_allows(backend_session_states, from, to), backend_session_dump, session);
	CHECK(to != BACKEND_SESSION_IDLE || session->stream_count == 0, backend_session_dump,
	    session);
	PROBE_STATE(backend_session, session, from, to);
	if (from == BACKEND_SESSION_IDLE)
		pool_unkeep(session->connection);
	if (from == BACKEND_SESSION_SHARED)
		pool_unshare(session->connection);
	session->state = to;
	if (to == BACKEND_SESSION_SHARED)
		pool_share(session->connection);
}

void
backend_stream_set_state(struct backend_stream *stream, enum backend_stream_state to)
{
	enum backend_stream_state from = stream->state;

	CHECK(state_allows(backend_stream_states, from, to), backend_stream_dump, stream);
	CHECK((to == BACKEND_STREAM_CLOSED) == (stream->upstream.user == NULL), backend_stream_dump,
	    stream);
	PROBE_STATE(backend_stream, stream, from, to);
	stream->state = to;
}

/* Bytes of content that the user has not taken. */
static size_t
content_kept(const struct backend_stream *stream)
{
	size_t len = 0;

	for (const struct buffer *block = stream->in; block != NULL; block = block->next)
		len += buffer_len(block);
	return len;
}

void
backend_stream_dump(const struct backend_stream *stream, struct dump *dump)
{
	jg_dump_begin(dump, "backend_stream");
	jg_dump_number(dump, "id", stream->id);
	jg_dump_word(dump, "state", backend_stream_states[stream->state].name);
	jg_dump_number(dump, "in", content_kept(stream));
	if (stream->window.left > 0)
		jg_dump_number(dump, "receive_window", (uint64_t)stream->window.left);
	if (stream->send_window > 0)
		jg_dump_number(dump, "send_window", (uint64_t)stream->send_window);
	jg_dump_number(dump, "window", stream->window.size);
	jg_dump_number(dump, "interims", stream->interims);
	jg_dump_flag(dump, "user", stream->upstream.user != NULL);
	jg_dump_flag(dump, "first", stream->first);
	jg_dump_flag(dump, "request_ended", stream->request_ended);
	jg_dump_flag(dump, "answer_ended", stream->answer_ended);
	jg_dump_flag(dump, "stopped", stream->stopped);
	jg_dump_flag(dump, "blocked", stream->blocked);
	jg_dump_end(dump);
}

void
backend_session_dump(const struct backend_session *session, struct dump *dump)
{
	jg_dump_begin(dump, "backend_session");
	jg_dump_word(dump, "state", backend_session_states[session->state].name);
	jg_dump_number(dump, "streams", session->stream_count);
	jg_dump_number(dump, "next_id", session->next_id);
	jg_dump_number(dump, "in", buffer_len(session->in));
	jg_dump_number(dump, "out", buffer_len(session->output.out));
	jg_dump_number(dump, "sent", session->output.sent);
	jg_dump_number(dump, "received", session->received);
	if (session->window.left > 0)
		jg_dump_number(dump, "receive_window", (uint64_t)session->window.left);
	if (session->output.window > 0)
		jg_dump_number(dump, "send_window", (uint64_t)session->output.window);
	jg_dump_flag(dump, "working", session->working);
	jg_dump_flag(dump, "failed", session->output.failed);
	jg_dump_flag(dump, "block", session->block.stream != 0);
	jg_dump_flag(dump, "pinged", session->ping_due_ms != 0);
	if (!TAILQ_EMPTY(&session->streams))
		backend_stream_dump(TAILQ_FIRST(&session->streams), dump);
	if (session->connection != NULL)
		backend_conn_dump(session->connection, dump);
	jg_dump_end(dump);
}
