/* streams.c - the streams of a session: found by their id, begun, reset, closed. */
#include "downstream/http2/session_state.h"

/* Closed streams whose memory is kept for the next ones: more than a busy worker turns over. */
#define STREAMS_KEEP 1024

static unsigned
bucket_of(uint32_t id)
{
	return id / 2 % STREAM_BUCKETS;
}

struct http2_stream *
http2_find(const struct http2_session *session, uint32_t id)
{
	struct http2_stream *stream;

	LIST_FOREACH(stream, &session->buckets[bucket_of(id)], bucket)
	if (stream->id == id)
		return stream;
	return NULL;
}

void
http2_use_id(struct http2_session *session, uint32_t id)
{
	uint32_t steps = (id + 1 - session->last_id) / 2;

	CHECK(id > session->last_id, client_connection_dump, session->connection);
	session->used_ids = steps < 64 ? session->used_ids << steps | 1 : 1;
	session->ended_ids = steps < 64 ? session->ended_ids << steps : 0;
	session->last_id = id;
}

void
http2_note_ended(struct http2_session *session, uint32_t id)
{
	uint32_t steps = (session->last_id - id) / 2;

	if (steps < 64)
		session->ended_ids |= UINT64_C(1) << steps;
}

enum http2_past
http2_past_of(const struct http2_session *session, uint32_t id)
{
	uint32_t steps = (session->last_id - id) / 2;

	if (steps >= 64)
		return HTTP2_LONG_AGO;
	if ((session->used_ids >> steps & 1) == 0)
		return HTTP2_NEVER_USED;
	return (session->ended_ids >> steps & 1) != 0 ? HTTP2_CLIENT_ENDED : HTTP2_LEFT_OPEN;
}

static void
stream_free(struct task *task)
{
	struct http2_stream *stream = container_of(task, struct http2_stream, free_task);

	CHECK(stream->state == HTTP2_STREAM_CLOSED && stream->exchange == NULL, http2_stream_dump,
	    stream);
	slab_give(&stream->session->downstream->streams, stream, STREAMS_KEEP);
}

struct http2_stream *
http2_stream_new(struct http2_session *session, uint32_t id)
{
	struct http2_stream *stream = slab_take(&session->downstream->streams);

	if (stream == NULL)
		return NULL;
	stream->client.ops = &http2_client_ops;
	stream->session = session;
	stream->free_task.run = stream_free;
	stream->id = id;
	http2_take_window(stream);
	stream->send_window = (int32_t)session->settings.initial_window_size;
	stream->answer_at = stream->last_frame_at = H2_NOWHERE;
	LIST_INSERT_HEAD(&session->buckets[bucket_of(id)], stream, bucket);
	TAILQ_INSERT_TAIL(&session->streams, stream, link);
	session->stream_count++;
	return stream;
}

void
http2_drop_content(struct http2_stream *stream)
{
	struct buffer_pool *buffers = stream->session->downstream->buffers;

	buffer_give(buffers, stream->in);
	buffer_give(buffers, stream->trailers);
	stream->in = stream->trailers = NULL;
	http2_end_window(stream);
}

void
http2_stream_close(struct http2_stream *stream)
{
	struct http2_session *session = stream->session;
	struct buffer_pool *buffers = session->downstream->buffers;

	if (stream->state == HTTP2_STREAM_CLOSED)
		return;
	http2_stream_set_state(stream, HTTP2_STREAM_CLOSED);
	LIST_REMOVE(stream, bucket);
	TAILQ_REMOVE(&session->streams, stream, link);
	if (stream->has_turn)
		TAILQ_REMOVE(&session->turns, stream, turn_link);
	session->stream_count--;
	session->tunnels -= stream->tunnel;
	/* Content that is still on its way for the stream is dropped, but is no overhead. */
	if (!stream->client_ended && stream->window.left > 0)
		overhead_payload(
		    &session->overhead, (uint32_t)stream->window.left / OVERHEAD_SHARE);
	http2_give_window(stream);
	http2_drop_content(stream);
	session->own_waiting -= buffer_len(stream->own);
	buffer_give(buffers, stream->own);
	buffer_give(buffers, stream->own_end);
	if (session->stream_count == 0)
		session->idle_since_ms = session_now_ms(session);
	loop_defer(session->downstream->loop, &stream->free_task);
	http2_wake(session); /* reading may go on; or it was the last one */
}

void
http2_stream_linger(struct http2_stream *stream)
{
	struct http2_session *session = stream->session;

	http2_stream_set_state(stream, HTTP2_STREAM_LINGERING);
	http2_drop_content(stream);
	stream->due_ms = session_now_ms(session) + session_options(session)->timeouts.linger;
}

void
http2_stream_stop(struct http2_stream *stream)
{
	http2_reset(stream->session, stream->id, H2_NO_ERROR, false);
	http2_stream_close(stream);
}

bool
http2_stop_oldest(struct http2_session *session)
{
	struct http2_stream *stream;

	TAILQ_FOREACH(stream, &session->streams, link)
	if (stream->state == HTTP2_STREAM_LINGERING) {
		http2_stream_stop(stream);
		return true;
	}
	return false;
}

void
http2_reset(struct http2_session *session, uint32_t id, enum h2_error error, bool early)
{
	struct writer writer;

	if (early && !session->connection->peer.trusted && !resets_spend(&session->resets)) {
		http2_fail(session, H2_ENHANCE_YOUR_CALM, SLICE("too many streams were reset"));
		return;
	}
	if (!http2_write(session, H2_FRAME_HEAD_LEN + 4, &writer))
		return;
	h2_write_rst_stream(&writer, id, error);
	http2_written(session, &writer, true);
}

void
http2_stream_fail(struct http2_stream *stream, enum h2_error error)
{
	stream->error = error;
	if (stream->exchange != NULL) {
		exchange_client_failed(stream->exchange, CLIENT_BAD_CONTENT);
		return;
	}
	/* A whole answer stays whole. */
	if (stream->state != HTTP2_STREAM_LINGERING)
		http2_take_out(stream, 0);
	http2_reset(stream->session, stream->id, error, true);
	http2_stream_close(stream);
}
