/* ending.c - how a session ends: GOAWAY of either side, a connection that broke. */
#include <stdlib.h>

#include "upstream/http2/client_state.h"

void
backend_session_free(struct task *task)
{
	struct backend_session *session = container_of(task, struct backend_session, free_task);
	struct buffer_pool *buffers = session->options->buffers;

	/* Freed only now, because callers up the stack may have looked at frames in it. */
	buffer_give(buffers, session->in);
	session->in = NULL;
	h2_gather_end(&session->block, buffers);
	h2_output_clear(&session->output);
	hpack_decoder_free(&session->decoder);
	if (session->stream_blocks > 0)
		return; /* the last of its streams calls this again */
	free(session);
}

/* Close the connection. What is left of the session goes at the end of the turn. */
static void
close_connection(struct backend_session *session)
{
	struct backend_conn *connection = session->connection;
	struct loop *loop = session->options->loop;

	backend_session_set_state(session, BACKEND_SESSION_CLOSED);
	timer_remove(&session->timer);
	loop_cancel(loop, &session->work_task);
	session->output.failed = true;
	session->connection = NULL;
	((struct http2_client *)connection)->session = NULL;
	backend_conn_close(connection);
}

void
backend_session_close(struct backend_session *session)
{
	if (session->state == BACKEND_SESSION_CLOSED)
		return;
	CHECK(session->stream_count == 0, backend_session_dump, session);
	close_connection(session);
	loop_defer(session->options->loop, &session->free_task);
}

/*
 * Only a request that is idempotent, or that was never sent, may be repeated (RFC 9110 section
 * 9.2.2). seen_until: see h2_output.
 */
static enum repeat
repeat_of(const struct backend_stream *stream, enum upstream_failure failure, uint64_t seen_until)
{
	bool unseen = stream->id == 0 || stream->head_at >= seen_until;

	if (failure == UPSTREAM_NOT_HTTP2 || stream->state == BACKEND_STREAM_RELAYING ||
	    (!method_is_idempotent(stream->method) && !unseen))
		return REPEAT_NOT;
	return stream->first ? REPEAT_BROKEN : REPEAT_STALE;
}

/*
 * What has come of an answer waits for a client that reads slowly, and is still given to it: so do
 * its bytes over HTTP/1, which wait in the socket. But where content of the request, or of a
 * tunnel, still has to go to the backend, the end of the connection must show at once.
 */
static bool
outlives_connection(const struct backend_stream *stream)
{
	return stream->in != NULL && (stream->request_ended || stream->stopped);
}

/* The next stream that ends with its connection. */
static struct backend_stream *
next_to_fail(const struct backend_session *session)
{
	struct backend_stream *stream;

	TAILQ_FOREACH(stream, &session->streams, link)
	if (!outlives_connection(stream))
		return stream;
	return NULL;
}

void
backend_session_lost(struct backend_session *session, enum upstream_failure failure)
{
	struct backend_stream *stream;
	uint64_t seen_until;

	if (session->state == BACKEND_SESSION_CLOSED)
		return;
	seen_until = h2_output_seen_until(&session->output);
	if (!session->answered)
		pool_avoid(session->connection);
	session->failure = failure;
	close_connection(session);
	while ((stream = next_to_fail(session)) != NULL)
		backend_stream_failed(stream, failure, repeat_of(stream, failure, seen_until));
	window_account_close(&session->account);
	TAILQ_FOREACH(stream, &session->streams, link)
	window_share_hold(&stream->share);
	loop_defer(session->options->loop, &session->free_task);
}

static void
write_goaway(struct backend_session *session, enum h2_error error, struct slice why)
{
	struct writer writer;

	if (!h2_output_write(&session->output, H2_FRAME_HEAD_LEN + 8 + why.len, &writer))
		return;
	h2_write_goaway(&writer, 0, error, why);
	h2_output_written(&session->output, &writer, true);
}

void
backend_session_fail(struct backend_session *session, enum h2_error error, struct slice why)
{
	bool spoke = session->settings.received;

	if (session->state == BACKEND_SESSION_CLOSED)
		return;
	write_goaway(session, error, why);
	backend_session_catch_up(session); /* heads may wait in front of it */
	if (session->state == BACKEND_SESSION_CLOSED)
		return;
	h2_output_send(&session->output);
	backend_session_lost(session, spoke ? UPSTREAM_BAD_ANSWER : UPSTREAM_NOT_HTTP2);
}

/* The next stream that the backend says it has not processed. */
static struct backend_stream *
next_beyond(const struct backend_session *session, uint32_t last)
{
	struct backend_stream *stream;

	TAILQ_FOREACH(stream, &session->streams, link)
	if (stream->id > last && stream->state != BACKEND_STREAM_RELAYING)
		return stream;
	return NULL;
}

void
backend_session_on_goaway(struct backend_session *session, struct slice payload)
{
	struct h2_goaway goaway = h2_goaway_read(payload);
	struct backend_stream *stream;

	if (session->state != BACKEND_SESSION_LEAVING)
		backend_session_set_state(session, BACKEND_SESSION_LEAVING);
	/* Servers often name the last stream that they have seen: no stream is beyond it then. */
	if (goaway.error == H2_HTTP_1_1_REQUIRED)
		pool_needs_http1(session->connection);
	while ((stream = next_beyond(session, goaway.last)) != NULL)
		if (goaway.error == H2_HTTP_1_1_REQUIRED)
			backend_stream_over_http1(stream);
		else
			backend_stream_failed(stream, UPSTREAM_BROKEN, REPEAT_UNPROCESSED);
}

void
backend_stream_over_http1(struct backend_stream *stream)
{
	struct backend_session *session = stream->session;

	if (!pool_needs_http1(session->connection)) {
		backend_stream_failed(stream, UPSTREAM_WANTS_HTTP1, REPEAT_NOT);
		return;
	}
	backend_session_leave(session);
	backend_stream_failed(stream, UPSTREAM_BROKEN, REPEAT_OVER_HTTP1);
}

void
backend_session_leave(struct backend_session *session)
{
	if (session->state == BACKEND_SESSION_CLOSED)
		return;
	if (session->state != BACKEND_SESSION_LEAVING)
		backend_session_set_state(session, BACKEND_SESSION_LEAVING);
	if (session->stream_count > 0 || session->working)
		return;
	write_goaway(session, H2_NO_ERROR, (struct slice){0});
	h2_output_send(&session->output);
	conn_farewell(&session->connection->conn);
	backend_session_close(session);
}
