/* streams.c - the streams of a session: found by their id, begun, ended, reset. */
#include "upstream/http2/client_state.h"

#define PINGS_APART_MS (5 * 60 * 1000)

/*
 * Streams that a session resets in a minute. Many servers take more for an attack (rapid reset) and
 * end the connection, which would cut the requests of all other clients.
 */
#define RESETS_MAX 200
#define RESETS_PERIOD_MS 60000

static unsigned
bucket_of(uint32_t id)
{
	return id / 2 % BACKEND_STREAM_BUCKETS;
}

struct backend_stream *
backend_stream_find(const struct backend_session *session, uint32_t id)
{
	struct backend_stream *stream;

	LIST_FOREACH(stream, &session->buckets[bucket_of(id)], bucket)
	if (stream->id == id)
		return stream;
	return NULL;
}

static void
stream_free(struct task *task)
{
	struct backend_stream *stream = container_of(task, struct backend_stream, free_task);
	struct backend_session *session = stream->session;

	CHECK(stream->state == BACKEND_STREAM_CLOSED, backend_stream_dump, stream);
	slab_give(pool_streams(session->pool), stream, session->options->tuning->spare_max);
	if (--session->stream_blocks > 0 || session->state != BACKEND_SESSION_CLOSED)
		return;
	/* At once: the pool may be freed at the end of this turn. */
	loop_cancel(session->options->loop, &session->free_task);
	backend_session_free(&session->free_task);
}

struct backend_stream *
backend_stream_new(struct backend_session *session, struct upstream_user *user, bool first)
{
	struct backend_stream *stream = slab_take(pool_streams(session->pool));

	if (stream == NULL)
		return NULL;
	stream->upstream = (struct upstream){&backend_stream_ops, user};
	stream->session = session;
	stream->free_task.run = stream_free;
	stream->first = first;
	stream->window = h2_window_of(BACKEND_WINDOW_FIRST);
	stream->share.account = &session->account;
	stream->send_window = (int32_t)session->settings.initial_window_size;
	stream->head_at = stream->last_frame_at = H2_NOWHERE;
	TAILQ_INSERT_TAIL(&session->streams, stream, link);
	session->stream_count++;
	session->stream_blocks++;
	return stream;
}

void
backend_stream_take_id(struct backend_stream *stream)
{
	struct backend_session *session = stream->session;

	CHECK(
	    stream->id == 0 && session->next_id <= H2_STREAM_LIMIT, backend_session_dump, session);
	stream->id = session->next_id;
	session->next_id += 2;
	LIST_INSERT_HEAD(&session->buckets[bucket_of(stream->id)], stream, bucket);
}

void
backend_stream_close(struct backend_stream *stream)
{
	struct backend_session *session = stream->session;
	struct buffer_pool *buffers = session->options->buffers;

	if (stream->state == BACKEND_STREAM_CLOSED)
		return;
	stream->upstream.user = NULL;
	backend_stream_set_state(stream, BACKEND_STREAM_CLOSED);
	if (stream->id != 0)
		LIST_REMOVE(stream, bucket);
	TAILQ_REMOVE(&session->streams, stream, link);
	if (stream->has_turn)
		TAILQ_REMOVE(&session->turns, stream, turn_link);
	if (stream->to_flush)
		TAILQ_REMOVE(&session->flushes, stream, flush_link);
	session->stream_count--;
	window_share_end(&stream->share);
	while (stream->in != NULL)
		backend_stream_drop_block(stream);
	buffer_give(buffers, stream->trailers);
	stream->trailers = NULL;
	backend_stream_drop_held(stream);
	loop_defer(session->options->loop, &stream->free_task);
	backend_session_wake(session); /* another state may suit it now */
}

/* RST_STREAM. */
static void
reset(struct backend_session *session, uint32_t id, enum h2_error error)
{
	struct writer writer;

	if (!h2_output_write(&session->output, H2_FRAME_HEAD_LEN + 4, &writer))
		return;
	h2_write_rst_stream(&writer, id, error);
	h2_output_written(&session->output, &writer, true);
}

/*
 * A stream was reset. After too many resets the session takes no new streams, so that its other
 * streams can end normally.
 */
static void
count_reset(struct backend_session *session)
{
	uint64_t now_ms = backend_session_now_ms(session);

	if (session->resets == 0 || now_ms - session->resets_since_ms >= RESETS_PERIOD_MS) {
		session->resets_since_ms = now_ms;
		session->resets = 0;
	}
	if (++session->resets >= RESETS_MAX)
		backend_session_leave(session);
}

/*
 * If the backend has been silent for long enough since the stream began, the connection may be
 * dead: send a PING. Otherwise each later request on it would have to wait for its time-out.
 * Servers of gRPC take frequent PINGs for an attack: see PINGS_APART_MS.
 */
static void
doubt(const struct backend_stream *stream)
{
	static const char payload[8] = "jobgate";
	struct backend_session *session = stream->session;
	uint64_t now_ms = backend_session_now_ms(session);
	uint64_t since_ms =
	    session->heard_ms > stream->began_ms ? session->heard_ms : stream->began_ms;
	struct writer writer;

	if (now_ms - since_ms < session->options->tuning->ping_ms || session->ping_due_ms != 0 ||
	    (session->pinged_ms != 0 && now_ms - session->pinged_ms < PINGS_APART_MS) ||
	    !h2_output_write(&session->output, H2_FRAME_HEAD_LEN + sizeof(payload), &writer))
		return;
	session->pinged_ms = now_ms;
	h2_write_ping(&writer, false, payload);
	h2_output_written(&session->output, &writer, true);
	session->ping_due_ms = now_ms + session->options->tuning->ping_ms;
}

/* True when its head could not leave for ping_ms: no other request may wait after it. */
static bool
is_stuck(const struct backend_stream *stream)
{
	return stream->id != 0 && backend_session_now_ms(stream->session) - stream->began_ms >=
				      stream->session->options->tuning->ping_ms;
}

void
backend_stream_cut(struct backend_stream *stream, enum h2_error error)
{
	struct backend_session *session = stream->session;
	bool unseen = backend_stream_is_unseen(stream);

	if (stream->state == BACKEND_STREAM_CLOSED)
		return;
	/* Both sides have ended: what waits may leave. */
	if (session->state != BACKEND_SESSION_CLOSED &&
	    !(stream->request_ended && stream->answer_ended)) {
		if (stream->id != 0)
			h2_output_take_out(&session->output, stream->id, 0);
		if (!unseen && !stream->stopped) {
			reset(session, stream->id, error);
			count_reset(session);
			doubt(stream);
			/* Content that is still on its way for the stream is dropped, but is no
			 * attack. */
			if (stream->window.left > 0)
				overhead_payload(&session->overhead, (uint64_t)stream->window.left);
		} else if (unseen && is_stuck(stream)) {
			backend_session_leave(session);
		}
	}
	backend_stream_close(stream);
}

void
backend_stream_failed(
    struct backend_stream *stream, enum upstream_failure failure, enum repeat repeat)
{
	struct upstream_user *user = stream->upstream.user;

	if (stream->id != 0)
		h2_output_take_out(&stream->session->output, stream->id, 0);
	backend_stream_close(stream);
	user->ops->failed(user, failure, repeat);
}

void
backend_stream_bad(struct backend_stream *stream, enum h2_error error)
{
	struct upstream_user *user = stream->upstream.user;

	backend_stream_cut(stream, error);
	user->ops->failed(user, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
}

void
backend_stream_to_flush(struct backend_stream *stream)
{
	if (stream->to_flush || stream->state == BACKEND_STREAM_CLOSED)
		return;
	stream->to_flush = true;
	TAILQ_INSERT_TAIL(&stream->session->flushes, stream, flush_link);
	backend_session_wake(stream->session);
}
