/* content.c - content of requests on its way to exchanges. */
#include "downstream/http2/session_state.h"

/* ---- time: see http1_count_deficit ---- */

static void
count_deficit(struct http2_stream *stream)
{
	const struct downstream_options *options = session_options(stream->session);
	uint64_t deficit = stream->body_deficit;

	if (stream->awaits_since_ms == 0)
		return;
	deficit += (session_now_ms(stream->session) - stream->awaits_since_ms) *
		   options->limits.body_rate_min / 1000;
	stream->body_deficit = deficit < UINT32_MAX ? (uint32_t)deficit : UINT32_MAX;
	stream->awaits_since_ms = 0;
}

/* The client has sent n bytes: set the deadline for more. */
static void
pay_deficit(struct http2_stream *stream, size_t n)
{
	const struct downstream_options *options = session_options(stream->session);
	uint64_t left_ms = options->timeouts.body, deficit_ms = 0;

	stream->body_deficit -= n < stream->body_deficit ? (uint32_t)n : stream->body_deficit;
	if (stream->body_deficit > 0)
		deficit_ms = stream->body_deficit * UINT64_C(1000) / options->limits.body_rate_min;
	stream->due_ms =
	    session_now_ms(stream->session) + (deficit_ms < left_ms ? left_ms - deficit_ms : 0);
}

void
http2_check_content(struct http2_stream *stream)
{
	const struct downstream_options *options = session_options(stream->session);
	uint64_t now_ms = session_now_ms(stream->session);

	if (stream->content_ended || stream->tunnel || now_ms < stream->due_ms)
		return;
	if (stream->in != NULL || stream->client_ended || stream->expects ||
	    !exchange_takes_content(stream->exchange) || exchange_may_be_silent(stream->exchange)) {
		/* The backend keeps the client waiting, or the client may pause. */
		stream->due_ms = now_ms + options->timeouts.body;
		return;
	}
	exchange_client_failed(stream->exchange, CLIENT_BODY_TIMEOUT);
}

/* ---- content ---- */

/* Keep what the exchange does not take. False: memory is short. */
static bool
keep_content(struct http2_stream *stream, struct slice content)
{
	struct buffer_pool *buffers = stream->session->downstream->buffers;
	struct buffer *in = stream->in, *larger;

	if (content.len == 0)
		return true;
	if (in != NULL && buffer_room(in) < content.len)
		buffer_compact(in);
	if (in == NULL || buffer_room(in) < content.len) {
		larger = buffer_take(buffers, 2 * buffer_len(in) + content.len);
		if (larger == NULL)
			return false;
		if (in != NULL)
			buffer_append(larger, buffer_bytes(in));
		buffer_give(buffers, in);
		stream->in = in = larger;
	}
	buffer_append(in, content);
	return true;
}

/* Hand on as much as the exchange takes; returns how much that was. The exchange may end. */
static size_t
hand_on(struct http2_stream *stream, struct slice content)
{
	size_t taken;

	if (content.len == 0 || !exchange_takes_content(stream->exchange))
		return 0;
	taken = exchange_content(stream->exchange, content);
	if (stream->state != HTTP2_STREAM_RUNNING || taken == 0)
		return taken;
	stream->pushed = true;
	stream->expects = false;
	if (!stream->tunnel)
		pay_deficit(stream, taken);
	return taken;
}

/* All content has been handed on: the end follows. */
static void
hand_on_end(struct http2_stream *stream)
{
	struct downstream *downstream = stream->session->downstream;
	struct fields trailers = {.items = downstream->scratch->trailers};
	bool has =
	    stream->trailers != NULL &&
	    trailers_parse(buffer_bytes(stream->trailers), downstream->options.limits.head.fields,
		stream->session->connection->peer.trusted ? NULL : downstream->options.drop_fields,
		&trailers);

	stream->content_ended = true;
	stream->due_ms = 0;
	stream->pushed = true;
	exchange_content_end(stream->exchange, has ? &trailers : NULL);
}

/* Hand on what the exchange takes now. */
static void
push_content(struct http2_stream *stream)
{
	struct buffer_pool *buffers = stream->session->downstream->buffers;
	size_t taken;

	while (stream->state == HTTP2_STREAM_RUNNING && stream->in != NULL) {
		taken = hand_on(stream, buffer_bytes(stream->in));
		if (taken == 0 || stream->state != HTTP2_STREAM_RUNNING)
			break;
		stream->in->start += (uint32_t)taken;
		if (buffer_len(stream->in) == 0) {
			buffer_give(buffers, stream->in);
			stream->in = NULL;
		}
		http2_credit_stream(stream, taken);
	}
	if (stream->state == HTTP2_STREAM_RUNNING && stream->in == NULL && stream->client_ended)
		http2_end_window(stream);
	if (stream->state == HTTP2_STREAM_RUNNING && stream->in == NULL && stream->client_ended &&
	    !stream->content_ended && exchange_takes_content(stream->exchange))
		hand_on_end(stream);
	if (stream->state == HTTP2_STREAM_RUNNING && stream->in == NULL && !stream->content_ended &&
	    !stream->tunnel && !stream->expects && stream->awaits_since_ms == 0 &&
	    exchange_takes_content(stream->exchange))
		stream->awaits_since_ms = session_now_ms(stream->session);
	http2_wake(stream->session);
}

void
http2_pause_content(struct http2_stream *stream)
{
	count_deficit(stream);
}

void
http2_resume_content(struct http2_stream *stream)
{
	if (!stream->content_ended && !stream->tunnel && stream->awaits_since_ms == 0)
		pay_deficit(stream, 0);
	push_content(stream);
}

/* No more content can come, so none counts for the frames without content. */
static void
end_lingering(struct http2_stream *stream)
{
	stream->client_ended = true;
	http2_stream_close(stream);
}

void
http2_on_content(
    struct http2_stream *stream, struct slice content, uint32_t counted, bool end_stream)
{
	size_t taken = 0;

	if (stream->state == HTTP2_STREAM_LINGERING) {
		if (end_stream)
			end_lingering(stream);
		return;
	}
	if (!h2_content_take(&stream->announced, content.len) ||
	    (end_stream && !h2_content_whole(&stream->announced))) {
		http2_stream_fail(stream, H2_PROTOCOL_ERROR);
		return;
	}
	stream->client_ended = end_stream;
	if (stream->exchange == NULL) /* answered early: it is dropped */
		return;
	if (content.len > 0)
		count_deficit(stream);
	if (stream->in == NULL)
		taken = hand_on(stream, content);
	if (stream->state != HTTP2_STREAM_RUNNING)
		return;
	if (!keep_content(stream, slice_after(content, taken))) {
		http2_stream_fail(stream, H2_INTERNAL_ERROR);
		return;
	}
	http2_credit_stream(stream, taken + (counted - content.len));
	push_content(stream);
}

void
http2_on_trailers(struct http2_stream *stream, const struct hpack_block *block)
{
	struct downstream *downstream = stream->session->downstream;
	struct fields trailers;

	if (stream->state == HTTP2_STREAM_LINGERING) {
		end_lingering(stream);
		return;
	}
	if (stream->asks_tunnel ||
	    !h2_trailers_read(block,
		stream->session->connection->peer.trusted ? NULL : downstream->options.drop_fields,
		&trailers) ||
	    !h2_content_whole(&stream->announced)) {
		http2_stream_fail(stream, H2_PROTOCOL_ERROR);
		return;
	}
	stream->client_ended = true;
	if (stream->exchange == NULL)
		return;
	count_deficit(stream);
	if (trailers.count > 0)
		stream->trailers = h2_trailers_keep(downstream->buffers, &trailers);
	if (trailers.count > 0 && stream->trailers == NULL)
		http2_stream_fail(stream, H2_INTERNAL_ERROR);
	else
		push_content(stream);
}
