/*
 * http2_walk.h - a walk of an HTTP/2 connection to a backend through random events of both sides.
 * Whatever happens, the backend gets frames that are valid, within its windows, with each request's
 * content in order; and each exchange is told of its answer in order. `pick` makes the choices: a
 * test takes them from a seed, a fuzz target from its input.
 */
#ifndef JOBGATE_TEST_HTTP2_WALK_H
#define JOBGATE_TEST_HTTP2_WALK_H

#include "http2_walk_backend.h"

/* ---- what must hold in the gateway ---- */

static inline void
check_session(const struct backend_session *session)
{
	const struct backend_stream *stream;
	const struct h2_output *output = &session->output;
	size_t count = 0, counted = 0, lent = 0, held = 0;

	assert_true(output->whole_at >= output->sent);
	assert_true(output->control_out <= buffer_len(output->out));
	assert_true(buffer_len(output->out) <= OUT_MAX + CONTROL_OUT_MAX + 64 * 1024);
	TAILQ_FOREACH(stream, &session->streams, link)
	{
		count++;
		held += stream->held;
		counted += stream->share.counted ? stream->share.bytes : 0;
		lent += stream->share.lent ? stream->share.bytes : 0;
		assert_int_equal(stream->share.bytes, stream->window.size - BACKEND_WINDOW_FIRST);
		assert_true(stream->state != BACKEND_STREAM_CLOSED);
		assert_non_null(stream->upstream.user);
		assert_true(stream->id == 0 || backend_stream_find(session, stream->id) == stream);
		assert_true(!stream->has_turn || stream->blocked);
		/* What could go on has its turn. */
		assert_true(!stream->blocked || stream->has_turn || stream->send_window <= 0);
		assert_int_equal(stream->quota, 0);
	}
	assert_int_equal(count, session->stream_count);
	assert_int_equal(held, session->held_count);
	assert_int_equal(counted, world.pool->windows.counted);
	assert_int_equal(counted, session->account.counted);
	assert_int_equal(lent, session->account.lent);
	assert_true(lent <= session->account.lent_max);
	assert_true(count <= world.pool->options.settings.http2.streams);
}

/* ---- the walk ---- */

/* A connection with one request on it. */
static inline void
walk_begin(void)
{
	int size = 4096;

	requests[0] = get;
	requests[1] = request_of("POST", METHOD_POST);
	requests[1].content = CONTENT_UNKNOWN;
	requests[2] = get;
	requests[2].upgrade = SLICE("websocket");
	memset(walkers, 0, sizeof(walkers));
	memset(known, 0, sizeof(known));
	window = initial = to_send = H2_WINDOW_DEFAULT;
	last_id = 0;
	came_len = came_at = 0;
	first_block = true;
	hostile = settings_sent = ping_due = false;
	may_misbehave = pick(2) == 0;
	hpack_decoder_init(&decoder, HPACK_TABLE_MAX, plain_memory(NULL));
	walker_init(&walkers[0]);
	open_for(&walkers[0].user);
	setsockopt(connection->conn.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static inline void
walk_step(void)
{
	switch (pick(4)) {
	case 0:
		exchange_acts();
		break;
	case 1:
		backend_reads(1 + pick(30000));
		break;
	case 2:
		if (pick(200) == 0)
			ahead_ms += pick(20000);
		loop_turn(world.loop, false);
		break;
	default:
		backend_acts();
		backend_sends();
	}
	if (is_alive())
		check_session(session());
	if (last_id / 2 >= IDS - WALKERS && is_alive())
		end_peer();
}

static inline void
backend_reads_all(void)
{
	for (int i = 0; i < 500 && is_alive(); i++) {
		loop_turn(world.loop, false);
		backend_reads(SIZE_MAX);
	}
}

/* Whatever waits for the backend only leaves once it gives way. */
static inline void
everything_leaves(void)
{
	backend_reads_all();
	for (size_t i = 0; i < WALKERS; i++)
		if (walkers[i].upstream != NULL)
			walker_push(&walkers[i]); /* into new tunnels, too */
	h2_write_window_update(&saying, 0, 100000000);
	window += 100000000;
	for (uint32_t id = 1; id <= last_id; id += 2) {
		known[slot(id)].window += 1000000;
		h2_write_window_update(&saying, id, 1000000);
	}
	backend_sends();
	backend_reads_all();
	if (!is_alive())
		return;
	assert_true(TAILQ_EMPTY(&session()->turns));
	assert_null(session()->output.out);
	for (size_t i = 0; i < WALKERS; i++)
		assert_true(
		    walkers[i].upstream == NULL || walkers[i].ended || walkers[i].to_push == 0);
}

/* The connection is lost. Exchanges that are left have content to take, and then end. */
static inline void
some_take_the_rest(void)
{
	for (size_t i = 0; i < WALKERS; i++) {
		struct walker *walker = &walkers[i];

		if (walker->upstream == NULL || pick(2) == 0)
			continue;
		walker_push(walker);
		walker->room = 1 + pick(3000);
		walker->upstream->ops->pump(walker->upstream);
		if (pick(2) == 0)
			loop_turn(world.loop, false);
		walker->room = 100000000;
		if (walker->upstream != NULL)
			walker->upstream->ops->pump(walker->upstream);
		assert_null(walker->upstream);
	}
}

/* All exchanges end: nothing of them is left. */
static inline void
walk_end(void)
{
	if (is_alive() && settings_sent && !hostile)
		everything_leaves();
	if (!is_alive())
		some_take_the_rest();
	for (size_t i = 0; i < WALKERS; i++)
		if (walkers[i].upstream != NULL)
			walker_cancel(&walkers[i]);
	for (int i = 0; i < 20 && peer >= 0; i++) {
		world_settle(&world);
		backend_reads(SIZE_MAX);
	}
	if (is_alive()) {
		check_session(session());
		assert_int_equal(session()->stream_count, 0);
		assert_true(TAILQ_EMPTY(&session()->turns) && TAILQ_EMPTY(&session()->flushes));
		assert_null(session()->output.out);
	}
	if (peer >= 0)
		end_peer();
	world_settle(&world);
	assert_false(is_alive());
	assert_int_equal(world.pool->windows.counted, 0);
	hpack_decoder_free(&decoder);
}

#endif
