/* budget.c - what the grown windows of streams may cost a worker: http2.buffer. */
#include "downstream/http2/session_state.h"

/*
 * A client may use up a window at any time, and no frame takes one back. So a window counts for as
 * long as the client has it: what may come is bounded. But streams that were fast once and are
 * silent now would take the budget from all others. When it is short, those that have not used half
 * of their windows for LEND_MS lend what they have of it. What a stream that lends sends is not
 * given back to its window, until that is as small as the first one; then it grows as a new one.
 *
 * So more may come than the budget, if such streams all begin to send. Most often that is taken at
 * once and costs nothing. A stream that lends may let content wait only as long as all that waits
 * is less than the budget. The others may fill it once more: never more than twice the budget
 * waits, and the first windows.
 */
#define LEND_MS 10000

/* How many streams are looked at for one that needs more. */
#define LEND_LOOKS 8

static void
join(struct http2_stream *stream)
{
	TAILQ_INSERT_TAIL(&stream->session->downstream->http2_grown, stream, grown_link);
	stream->grown = true;
}

static void
leave(struct http2_stream *stream)
{
	TAILQ_REMOVE(&stream->session->downstream->http2_grown, stream, grown_link);
	stream->grown = false;
}

/* Let the stream whose window was unused for longest lend its share. False: none has to. */
static bool
lend(struct downstream *downstream)
{
	uint64_t now_ms = loop_now_ms(downstream->loop);

	for (unsigned i = 0; i < LEND_LOOKS; i++) {
		struct http2_stream *stream = TAILQ_FIRST(&downstream->http2_grown);

		if (stream == NULL || now_ms - stream->widened_ms < LEND_MS)
			return false;
		leave(stream);
		if (stream->in == NULL) {
			downstream->http2_windows -= stream->window.size - HTTP2_WINDOW_FIRST;
			stream->lends = true;
			return true;
		}
		join(stream); /* its backend is slow: what waits here uses its share */
	}
	return false;
}

bool
http2_budget_take(struct http2_stream *stream, uint32_t bytes)
{
	struct downstream *downstream = stream->session->downstream;

	/* No stream gets more than half of what is left. */
	while (downstream->http2_windows + 2 * (uint64_t)bytes > downstream->options.http2.buffer)
		if (!lend(downstream))
			return false;
	downstream->http2_windows += bytes;
	if (!stream->grown)
		join(stream);
	return true;
}

void
http2_budget_touch(struct http2_stream *stream)
{
	if (!stream->grown)
		return;
	leave(stream);
	join(stream);
}

void
http2_budget_leave(struct http2_stream *stream)
{
	struct downstream *downstream = stream->session->downstream;
	uint32_t share = stream->window.size - HTTP2_WINDOW_FIRST;

	if (!stream->grown)
		return;
	CHECK(downstream->http2_windows >= share, http2_stream_dump, stream);
	downstream->http2_windows -= share;
	leave(stream);
}

bool
http2_budget_may_hold(const struct http2_stream *stream, size_t bytes)
{
	const struct downstream *downstream = stream->session->downstream;

	return !stream->lends || buffer_len(stream->in) + bytes <= HTTP2_WINDOW_FIRST ||
	       downstream->http2_content + bytes <= downstream->options.http2.buffer;
}
