/* connection_stream.c - answers that go on until the client leaves. */
#include "auth/control/connection.h"
#include "auth/control/reply_fields.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "jobgate/check.h"

static struct evbuffer *
output(const struct connection *connection)
{
	return bufferevent_get_output(connection->evhtp->bev);
}

/* The call's `send` once its answer has begun: the refusal becomes the last event. */
static void
send_last(struct call *call, const struct reply *reply)
{
	struct connection *connection = call->connection;
	evhtp_request_t *request;

	if (connection != NULL) {
		CHECK(connection->call == call, control_connection_dump, connection);
		if (reply->content != NULL) {
			call->stream->write(call, SLICE("event: end\ndata: "));
			call->stream->write(call, (struct slice){reply->content, reply->len});
			call->stream->write(call, SLICE("\n\n"));
			call->stream->flush(call);
		}
		request = connection->evhtp->request;
		connection->call = NULL;
		call->connection = NULL; /* nothing is written after the end */
		connection_answered(connection);
		evhtp_send_reply_chunk_end(request);
		evhtp_request_resume(request);
	}
	if (reply->content != NULL)
		OPENSSL_cleanse(reply->content, reply->len);
	free(reply->content);
	call_free(call);
}

/*
 * The connection ends with the stream. While the stream goes on, libevhtp has paused it: it does
 * not read, so only a failed send, or has_left, shows that the client is gone.
 */
static bool
stream_begin(struct call *call, const char *type)
{
	const struct reply reply = {.status = 200};
	struct connection *connection = call->connection;
	evhtp_request_t *request;

	if (connection == NULL || call->method.len == SLICE("HEAD").len) {
		call_answer_text(call, 200, type, strdup(""));
		return false;
	}
	request = connection->evhtp->request;
	if (request->proto != EVHTP_PROTO_11) {
		call_refuse(call, 400, NULL,
		    "the length of this answer is not known, so it needs HTTP/1.1 or HTTP/2");
		return false;
	}
	connection->answer_len = 0;
	reply_add_fields(request, call, &reply);
	evhtp_headers_add_header(
	    request->headers_out, evhtp_header_new("Content-Type", type, 0, 1));
	evhtp_request_disable_flag(request, EVHTP_REQ_FLAG_KEEPALIVE);
	call->send = send_last;
	evhtp_send_reply_chunk_start(request, EVHTP_RES_OK);
	return true;
}

static void
stream_write(struct call *call, struct slice text)
{
	if (call->connection != NULL)
		evbuffer_add(call->connection->evhtp->request->buffer_out, text.at, text.len);
}

/* One chunk for all that was written. */
static void
stream_flush(struct call *call)
{
	evhtp_request_t *request;

	if (call->connection == NULL)
		return;
	request = call->connection->evhtp->request;
	evhtp_send_reply_chunk(request, request->buffer_out);
}

static size_t
stream_unsent(const struct call *call)
{
	return call->connection != NULL ? evbuffer_get_length(output(call->connection)) : 0;
}

const struct call_stream connection_stream = {
    stream_begin, stream_write, stream_flush, stream_unsent};
