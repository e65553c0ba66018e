/* request.c - from a field block to the request that an exchange begins with. */
#include "downstream/http2/session_state.h"
#include "http/h2_request.h"

bool
http2_offers_websockets(const struct http2_session *session)
{
	const struct exchange_peer *peer = &session->connection->peer;
	const char *const *at = session_options(session)->upgrades;

	if (peer->purpose != FOR_JOBS || peer->forward_auth)
		return false;
	for (; at != NULL && *at != NULL; at++)
		if (slice_equal(slice_of(*at), SLICE("websocket")))
			return true;
	return false;
}

/* A stream and its exchange. NULL: memory is short, and the stream is refused. */
static struct http2_stream *
open_stream(struct http2_session *session, uint32_t id)
{
	struct http2_stream *stream = http2_stream_new(session, id);

	if (stream != NULL)
		stream->exchange = exchange_new(
		    session->downstream->exchanges, &stream->client, &session->connection->peer);
	if (stream != NULL && stream->exchange != NULL)
		return stream;
	http2_reset(session, id, H2_REFUSED_STREAM, false);
	if (stream != NULL)
		http2_stream_close(stream);
	return NULL;
}

/* Note what the request's head says of its content. */
static void
expect_content(struct http2_stream *stream, const struct request *request, bool end_stream)
{
	stream->client_ended = end_stream;
	stream->asks_tunnel = request_is_extended_connect(request);
	stream->announced = h2_content_of(
	    stream->asks_tunnel ? CONTENT_UNKNOWN : request->content, request->length);
	stream->content_ended = request->content == CONTENT_NONE ||
				(request->content == CONTENT_LENGTH && request->length == 0);
	stream->expects = request->expect_continue && !stream->content_ended;
	if (!stream->content_ended)
		stream->due_ms = session_now_ms(stream->session) +
				 session_options(stream->session)->timeouts.body;
}

void
http2_begin(
    struct http2_session *session, uint32_t id, const struct hpack_block *block, bool end_stream)
{
	struct downstream *downstream = session->downstream;
	struct request *request = &downstream->scratch->request;
	struct writer room =
	    writer_of(downstream->scratch->path, sizeof(downstream->scratch->path));
	enum request_error error =
	    h2_request_read(block, end_stream, &downstream->options.limits.head, &room, request);
	struct http2_stream *stream;
	struct request_rejection why;

	/* Clients may use extended CONNECT only where it was offered (RFC 8441 section 3). */
	if (error == REQUEST_OK && request_is_extended_connect(request) &&
	    !http2_offers_websockets(session))
		error = REQUEST_MALFORMED;
	if (error == REQUEST_MALFORMED) {
		http2_reset(session, id, H2_PROTOCOL_ERROR, true);
		return;
	}
	overhead_payload(&session->overhead, block->size);
	stream = open_stream(session, id);
	if (stream == NULL)
		return;
	if (error != REQUEST_OK) {
		/* What follows is dropped, whatever its length. */
		stream->client_ended = end_stream;
		stream->content_ended = true;
		why = request_rejection(error);
		exchange_reject(stream->exchange, error == REQUEST_NOT_SERVED ? request : NULL,
		    why.status, why.title, why.detail);
		return;
	}
	expect_content(stream, request, end_stream);
	exchange_authorize(stream->exchange, request);
}
