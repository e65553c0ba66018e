/* flow.c - the windows in which content of requests may come. */
#include "downstream/http2/session_state.h"

/* A connection's window may become this large. */
#define CONNECTION_WINDOW_MAX (H2_WINDOW_LIMIT / 2)

/* WINDOW_UPDATE for a stream, or with 0 for the connection. */
static void
widen(struct http2_session *session, uint32_t id, uint32_t bytes)
{
	struct writer writer;

	if (!http2_write(session, H2_FRAME_HEAD_LEN + 4, &writer))
		return;
	h2_write_window_update(&writer, id, bytes);
	http2_written(session, &writer, true);
}

/*
 * The connection's window costs no memory of its own, since what comes within it also comes within
 * a stream's. It is to be as large as the windows of all streams together, so that no stream waits
 * for another.
 */
static void
grow_connection(struct http2_session *session)
{
	uint64_t streams = session->stream_windows;
	uint32_t larger =
	    streams < CONNECTION_WINDOW_MAX ? (uint32_t)streams : CONNECTION_WINDOW_MAX;

	if (larger > session->window.size)
		h2_window_grow(&session->window, larger - session->window.size);
}

void
http2_credit(struct http2_session *session, uint32_t bytes)
{
	if (!h2_window_credit(&session->window, bytes))
		return;
	grow_connection(session);
	widen(session, 0, h2_window_give(&session->window));
}

static uint32_t
larger_window(uint32_t window)
{
	if (window < HTTP2_WINDOW_ALLOWED)
		return HTTP2_WINDOW_ALLOWED;
	return window < HTTP2_WINDOW_MAX / 2 ? 2 * window : HTTP2_WINDOW_MAX;
}

/* Let a stream's window grow, as far as the worker's budget allows. */
static void
grow_stream(struct http2_stream *stream, uint64_t now_ms)
{
	uint32_t more = larger_window(stream->window.size) - stream->window.size;

	if (more == 0 || !window_share_grow(&stream->share, more, now_ms))
		return;
	stream->session->stream_windows += more;
	h2_window_grow(&stream->window, more);
}

void
http2_credit_stream(struct http2_stream *stream, size_t bytes)
{
	uint64_t now_ms;
	uint32_t less;

	if (!h2_window_credit(&stream->window, (uint32_t)bytes) || stream->client_ended)
		return;
	now_ms = session_now_ms(stream->session);
	if (stream->in == NULL && window_share_is_fast(&stream->share, now_ms) &&
	    stream->exchange != NULL &&
	    exchange_is_allowed(stream->exchange)) /* the exchange keeps up, too */
		grow_stream(stream, now_ms);
	less = window_share_use(&stream->share, stream->window.credit, now_ms);
	stream->session->stream_windows -= less;
	h2_window_shrink(&stream->window, less);
	if (stream->window.credit > 0)
		widen(stream->session, stream->id, h2_window_give(&stream->window));
}

void
http2_take_window(struct http2_stream *stream)
{
	stream->window = h2_window_of(HTTP2_WINDOW_FIRST);
	stream->share.account = &stream->session->account;
	stream->session->stream_windows += HTTP2_WINDOW_FIRST;
}

void
http2_end_window(struct http2_stream *stream)
{
	stream->session->stream_windows -= stream->share.bytes;
	stream->window.size -= stream->share.bytes;
	window_share_end(&stream->share);
}

void
http2_give_window(struct http2_stream *stream)
{
	http2_end_window(stream);
	CHECK(stream->session->stream_windows >= stream->window.size, http2_stream_dump, stream);
	stream->session->stream_windows -= stream->window.size;
	stream->window.size = 0;
}
