/* output.c - what a session adds to the frames that wait to be sent (http2/output.h). */
#include "downstream/http2/session_state.h"

void
http2_moved(struct h2_output *output, uint32_t id, uint64_t at, uint64_t to)
{
	struct http2_session *session = container_of(output, struct http2_session, output);
	struct http2_stream *stream = http2_find(session, id);

	if (stream == NULL)
		return;
	if (stream->answer_at == at)
		stream->answer_at = to;
	if (stream->last_frame_at == at)
		stream->last_frame_at = to;
}

bool
http2_write(struct http2_session *session, size_t size, struct writer *writer)
{
	if (h2_output_write(&session->output, size, writer))
		return true;
	http2_wake(session);
	return false;
}

void
http2_written(struct http2_session *session, const struct writer *writer, bool control)
{
	h2_output_written(&session->output, writer, control);
	http2_wake(session);
}

void
http2_judge_streams(struct http2_session *session, const struct http2_stream *but)
{
	struct http2_stream *stream = TAILQ_FIRST(&session->streams);

	while (stream != NULL) {
		/* When one ends, others may end with it: begin again. */
		if (stream != but && stream->exchange != NULL &&
		    exchange_judge_if_changed(stream->exchange))
			stream = TAILQ_FIRST(&session->streams);
		else
			stream = TAILQ_NEXT(stream, link);
	}
}

void
http2_judge_others(struct exchange_client *client)
{
	struct http2_stream *stream = stream_of(client);

	http2_judge_streams(stream->session, stream);
}

/* If it fails, the session's turn ends with that. */
void
http2_send_now(struct exchange_client *client)
{
	h2_output_send(&stream_of(client)->session->output);
}

uint64_t
http2_acknowledged(struct http2_session *session)
{
	uint64_t now_ms = session_now_ms(session);

	if (session->acknowledged_ms != now_ms) {
		session->acknowledged_ms = now_ms;
		session->acknowledged =
		    session->output.sent - conn_unacknowledged(&session->connection->conn);
	}
	return session->acknowledged;
}

void
http2_take_out(struct http2_stream *stream, uint64_t from)
{
	h2_output_take_out(&stream->session->output, stream->id, from);
	stream->last_frame_at = H2_NOWHERE;
}
