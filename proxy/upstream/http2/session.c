/* session.c - one turn of a session: bytes come, and go; its timer. */
#include "upstream/http2/client_state.h"

/* What one connection may do in a turn of the loop. */
#define TURN_FRAMES 256
#define TURN_BYTES (512 * 1024) /* in each direction */

/* ---- reading ---- */

/* Read once. IO_AGAIN: there is nothing. */
static enum io
fill(struct backend_session *session, size_t *budget)
{
	size_t n;
	enum io io =
	    h2_input_read(&session->in, session->options->buffers, &session->connection->conn, &n);

	if (io != IO_OK)
		return io;
	session->received += n;
	session->heard_ms = backend_session_now_ms(session);
	*budget -= n < *budget ? n : *budget;
	if (!overhead_read(&session->overhead, n, backend_session_now_ms(session)))
		backend_session_fail(
		    session, H2_ENHANCE_YOUR_CALM, SLICE("too many frames without content"));
	return IO_OK;
}

/*
 * Read frames, within the limits of one turn. IO_AGAIN: all that has come has been dealt with.
 * IO_EOF, IO_ERROR: the connection is lost.
 */
static enum io
read_frames(struct backend_session *session)
{
	size_t budget = TURN_BYTES;
	unsigned frames = TURN_FRAMES;
	enum io io;

	while (backend_session_may_read(session)) {
		backend_session_read_frames(session, &frames);
		if (session->state == BACKEND_SESSION_CLOSED)
			return IO_OK;
		if (frames == 0 || budget == 0) {
			loop_defer(session->options->loop, &session->work_task);
			return IO_OK;
		}
		h2_input_drop_empty(&session->in, session->options->buffers);
		io = fill(session, &budget);
		if (io == IO_AGAIN)
			h2_input_drop_empty(&session->in, session->options->buffers);
		if (io != IO_OK || session->state == BACKEND_SESSION_CLOSED)
			return io;
	}
	return IO_OK;
}

/* Tell users that nothing more comes for now. */
static void
flush_users(struct backend_session *session)
{
	struct backend_stream *stream;

	while ((stream = TAILQ_FIRST(&session->flushes)) != NULL) {
		TAILQ_REMOVE(&session->flushes, stream, flush_link);
		stream->to_flush = false;
		stream->upstream.user->ops->flush(stream->upstream.user);
	}
}

/* ---- sending ---- */

/* Some of its users may not know of a change yet. */
static __attribute__((noinline, cold)) void
judge_users(struct backend_session *session)
{
	struct backend_stream *stream = TAILQ_FIRST(&session->streams);

	while (stream != NULL) {
		struct upstream_user *user = stream->upstream.user;

		/* When one ends, others may end with it: begin again. */
		if (user != NULL && user->ops->judge_if_changed(user))
			stream = TAILQ_FIRST(&session->streams);
		else
			stream = TAILQ_NEXT(stream, link);
	}
}

/* Before bytes move: see pool_options. Streams, and the session, may end within the call. */
static void
catch_up(struct backend_session *session)
{
	if (__builtin_expect(session->options->catch_up(session->options->ctx), false))
		judge_users(session);
}

void
backend_session_catch_up(struct backend_session *session)
{
	if (session->stream_count > 0 && session->output.out != NULL)
		catch_up(session);
}

/*
 * Send what waits, then what the streams still have, as long as the socket takes it. called: the
 * worker has made system calls since the clock was read.
 */
static void
send_all(struct backend_session *session, bool called)
{
	struct h2_output *output = &session->output;
	uint64_t until = output->sent + TURN_BYTES, before;

	while (session->state != BACKEND_SESSION_CLOSED) {
		called = called || !TAILQ_EMPTY(&session->turns); /* they may read from clients */
		backend_session_take_turns(session);
		if (called)
			backend_session_catch_up(session);
		called = false;
		before = output->sent;
		if (h2_output_send(output) != IO_OK || TAILQ_EMPTY(&session->turns) ||
		    output->window <= 0)
			return;
		/* All that waited may have been taken back: its streams have ended. */
		if (output->sent >= until || output->sent == before) {
			loop_defer(session->options->loop, &session->work_task);
			return;
		}
	}
}

/* ---- one turn ---- */

size_t
backend_session_streams_max(const struct backend_session *session)
{
	size_t most = session->options->settings.http2.streams;

	return session->settings.max_concurrent_streams < most
		   ? session->settings.max_concurrent_streams
		   : most;
}

/* Keep it in the pool for the next exchange, if the pool has room. */
static void
become_idle(struct backend_session *session)
{
	if (!pool_keep(session->connection)) {
		backend_session_leave(session);
		return;
	}
	backend_session_set_state(session, BACKEND_SESSION_IDLE);
	session->idle_due_ms = backend_session_now_ms(session) + session->options->settings.idle_ms;
}

/* True when the ids that are left may not be enough for all streams that users have or may get. */
static bool
ids_run_out(const struct backend_session *session)
{
	return session->next_id + 2 * (session->options->settings.http2.streams + 1) >
	       H2_STREAM_LIMIT;
}

void
backend_session_settle(struct backend_session *session)
{
	bool opening = session->state == BACKEND_SESSION_OPENING;
	enum backend_session_state suits =
	    session->stream_count < backend_session_streams_max(session) ? BACKEND_SESSION_SHARED
									 : BACKEND_SESSION_FULL;

	if (session->state == BACKEND_SESSION_CLOSED || !session->settings.received)
		return;
	if (session->state == BACKEND_SESSION_LEAVING || ids_run_out(session)) {
		backend_session_leave(session);
		return;
	}
	if (session->stream_count == 0 && !opening) {
		if (backend_session_streams_max(session) == 0)
			backend_session_leave(session);
		else if (session->state != BACKEND_SESSION_IDLE)
			become_idle(session);
		return;
	}
	if (session->state != suits)
		backend_session_set_state(session, suits);
	if (opening)
		pool_opened(session->connection);
}

static uint64_t
earlier(uint64_t due_ms, uint64_t other_ms)
{
	return other_ms != 0 && other_ms < due_ms ? other_ms : due_ms;
}

/* Choose the moment at which backend_session_expired is called next. */
static void
set_timer(struct backend_session *session)
{
	uint64_t now_ms = backend_session_now_ms(session), due_ms = UINT64_MAX;

	due_ms = earlier(due_ms, session->settings_due_ms);
	due_ms = earlier(due_ms, session->ack_due_ms);
	due_ms = earlier(due_ms, session->ping_due_ms);
	if (session->state == BACKEND_SESSION_IDLE)
		due_ms = earlier(due_ms, session->idle_due_ms);
	if (session->stream_count > 0) /* a reset after data is seen only by reading */
		due_ms = earlier(due_ms, now_ms + TUNNEL_LOOK_MS);
	if (due_ms == UINT64_MAX)
		timer_stop(&session->timer);
	else
		timer_start(
		    session->options->loop, &session->timer, due_ms > now_ms ? due_ms - now_ms : 0);
}

/* Before control goes back to the loop: hold no more memory than there are bytes. */
static void
trim(struct backend_session *session)
{
	struct buffer_pool *buffers = session->options->buffers;

	session->in = buffer_fit(buffers, session->in);
	session->block.bytes = buffer_fit(buffers, session->block.bytes);
	session->output.out = buffer_fit(buffers, session->output.out);
	set_timer(session);
}

/*
 * A send has failed: no more can be sent. What the backend sent before it went is still given out,
 * as over HTTP/1: the session reads on until nothing more comes.
 */
static void
read_last(struct backend_session *session, bool all_read)
{
	if (session->stream_count == 0 || (session->reads_last && all_read)) {
		backend_session_lost(session, UPSTREAM_BROKEN);
		return;
	}
	if (!session->reads_last)
		conn_ask_again(&session->connection->conn);
	session->reads_last = true;
	if (session->state != BACKEND_SESSION_LEAVING)
		backend_session_set_state(session, BACKEND_SESSION_LEAVING);
	loop_defer(session->options->loop, &session->work_task);
}

/* Read, tell the users, and send. */
static void
move_bytes(struct backend_session *session)
{
	const struct conn *conn = &session->connection->conn;
	bool called = conn->readable || conn->unsent || session->in != NULL, held;
	enum io io;

	conn_send_unsent(&session->connection->conn);
	session->working = true;
	io = read_frames(session);
	if (io == IO_EOF || io == IO_ERROR)
		backend_session_lost(session, UPSTREAM_BROKEN);
	backend_session_begin_held(session);
	held = !backend_session_may_read(session);
	flush_users(session);
	send_all(session, called);
	session->working = false;
	if (session->state == BACKEND_SESSION_CLOSED)
		return;
	if (session->output.failed) {
		read_last(session, io == IO_AGAIN);
		return;
	}
	/* What was sent may have made room for more of what has come: no event will tell that. */
	if (held && backend_session_may_read(session))
		backend_session_wake(session);
	backend_session_settle(session);
	if (session->state != BACKEND_SESSION_CLOSED)
		trim(session);
}

void
backend_session_work(struct backend_session *session)
{
	if (session->working || session->state == BACKEND_SESSION_CLOSED)
		return;
	catch_up(session);
	if (session->state != BACKEND_SESSION_CLOSED)
		move_bytes(session);
}

void
backend_session_work_idle(struct backend_session *session)
{
	CHECK(session->stream_count == 0 && !session->working, backend_session_dump, session);
	if (session->state != BACKEND_SESSION_CLOSED)
		move_bytes(session);
}

void
backend_session_resume(struct task *task)
{
	backend_session_work(container_of(task, struct backend_session, work_task));
}

void
backend_session_wake(struct backend_session *session)
{
	if (!session->working && session->state != BACKEND_SESSION_CLOSED)
		loop_defer(session->options->loop, &session->work_task);
}

void
backend_session_ready(struct conn *conn)
{
	struct backend_conn *connection = container_of(conn, struct backend_conn, conn);

	backend_session_work(backend_session_of(connection));
}

static bool
is_late(const struct backend_session *session, uint64_t due_ms)
{
	return due_ms != 0 && backend_session_now_ms(session) >= due_ms;
}

/*
 * backend_session_work first judges all exchanges of the connection, and one tick can have the
 * timers of very many connections. So while changes are told in portions, an expiry is put off
 * once, unless one of the connection's own deadlines has passed.
 */
static bool
put_off_look(struct backend_session *session)
{
	bool late = is_late(session, session->settings_due_ms) ||
		    is_late(session, session->ack_due_ms) || is_late(session, session->ping_due_ms);

	session->look_put_off = !session->look_put_off && session->stream_count > 0 && !late &&
				session->options->catch_up(session->options->ctx);
	if (session->look_put_off && session->state != BACKEND_SESSION_CLOSED)
		set_timer(session);
	return session->look_put_off || session->state == BACKEND_SESSION_CLOSED;
}

void
backend_session_expired(struct timer *timer)
{
	struct backend_session *session = container_of(timer, struct backend_session, timer);

	if (put_off_look(session))
		return;
	/* What has come meanwhile counts, even if the worker was stopped. */
	conn_ask_again(&session->connection->conn);
	backend_session_work(session);
	if (session->state == BACKEND_SESSION_CLOSED)
		return;
	if (is_late(session, session->settings_due_ms))
		backend_session_lost(session, UPSTREAM_NOT_HTTP2);
	else if (is_late(session, session->ack_due_ms))
		backend_session_fail(
		    session, H2_SETTINGS_TIMEOUT, SLICE("SETTINGS not acknowledged"));
	else if (is_late(session, session->ping_due_ms))
		backend_session_lost(session, UPSTREAM_BROKEN);
	else if (session->state == BACKEND_SESSION_IDLE && is_late(session, session->idle_due_ms))
		backend_session_leave(session);
}
