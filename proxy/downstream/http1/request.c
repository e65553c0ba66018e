/* request.c - from bytes to the request that an exchange begins with. */
#include "downstream/http1/server_state.h"

/* Begin an exchange. False: memory is short, and the connection has closed. */
static bool
http1_open_exchange(struct http1_server *server)
{
	CHECK(server->exchange == NULL, client_connection_dump, &server->connection);
	server->exchange = exchange_new(
	    server->connection.downstream->exchanges, &server->client, &server->connection.peer);
	if (server->exchange == NULL) {
		connection_close(&server->connection, false);
		return false;
	}
	http1_server_set_state(server, HTTP1_EXCHANGE);
	server->content_ended = true;
	server->keep_alive = false;
	server->expects = server->tunnel = server->tunnel_shut = false;
	timer_stop(&server->connection.timer);
	return true;
}

void
http1_reject(struct http1_server *server, const struct request *request, unsigned status,
    struct slice title, struct slice detail)
{
	if (server->exchange == NULL && !http1_open_exchange(server))
		return;
	server->keep_alive = false;
	exchange_reject(server->exchange, request, status, title, detail);
}

/* Refuse it for a reason that all protocols share. */
static void
http1_reject_error(
    struct http1_server *server, const struct request *request, enum request_error error)
{
	struct request_rejection why = request_rejection(error);

	http1_reject(server, request, why.status, why.title, why.detail);
}

void
http1_reject_head(struct http1_server *server, enum head_status status)
{
	switch (status) {
	case HEAD_BAD_VERSION:
		http1_reject(server, NULL, 505, SLICE("HTTP version not supported"),
		    SLICE("This gateway speaks HTTP/1.1 and HTTP/1.0."));
		return;
	case HEAD_TARGET_TOO_LONG:
		http1_reject_error(server, NULL, REQUEST_TARGET_TOO_LONG);
		return;
	case HEAD_TOO_LARGE:
		http1_reject_error(server, NULL, REQUEST_TOO_LARGE);
		return;
	case HEAD_COMPLETE:
	case HEAD_INCOMPLETE:
	case HEAD_BAD:
		break;
	}
	http1_reject(server, NULL, 400, SLICE("Bad request"),
	    SLICE("The request's head is not valid HTTP/1.1."));
}

static void
http1_reject_framing(struct http1_server *server, enum framing_error error)
{
	struct slice title = SLICE("Bad request");

	switch (error) {
	case FRAMING_BAD_LENGTH:
		http1_reject(
		    server, NULL, 400, title, SLICE("Content-Length must be one decimal number."));
		return;
	case FRAMING_BAD_CODING:
		http1_reject(server, NULL, 400, title,
		    SLICE("Transfer-Encoding must be chunked and nothing else, in HTTP/1.1."));
		return;
	case FRAMING_CONFLICT:
		http1_reject(server, NULL, 400, title,
		    SLICE("Content-Length and Transfer-Encoding must not come together."));
		return;
	case FRAMING_BAD_HOST:
		http1_reject_error(server, NULL, REQUEST_BAD_HOST);
		return;
	case FRAMING_BAD_EXPECT:
		http1_reject_error(server, NULL, REQUEST_BAD_EXPECT);
		return;
	case FRAMING_OK:
	case FRAMING_BAD_CONNECTION:
	case FRAMING_BAD_UPGRADE:
		break;
	}
	http1_reject(server, NULL, 400, title, SLICE("The Connection field is not valid."));
}

/* The request as a value, from its parsed head; NULL where *error is not REQUEST_OK. */
static struct request *
http1_describe(struct http1_server *server, struct request_head *head,
    const struct request_framing *framing, enum request_error *error)
{
	struct downstream *downstream = server->connection.downstream;
	struct request *request = &downstream->scratch->request;
	struct target target;

	*request = (struct request){
	    .method = head->method,
	    .method_id = head->method_id,
	    .fields = {head->fields, head->field_count},
	    .length = framing->length,
	    .expect_continue = framing->expect_continue,
	    .upgrade = framing->upgrade,
	    .version = head->minor > 0 ? HTTP_1_1 : HTTP_1_0,
	};
	request->content = framing->body == BODY_CHUNKED  ? CONTENT_UNKNOWN
			   : framing->body == BODY_LENGTH ? CONTENT_LENGTH
							  : CONTENT_NONE;
	target_parse(head->target, &target);
	*error = request_set_target(request, &target, framing->host, downstream->scratch->path);
	return *error == REQUEST_OK ? request : NULL;
}

struct request *
http1_read_head(struct http1_server *server, struct slice bytes, struct request_framing *framing,
    enum head_status *status, enum framing_error *framing_error, enum request_error *error)
{
	struct downstream *downstream = server->connection.downstream;
	struct request_head *head = &downstream->scratch->request_head;

	*framing_error = FRAMING_OK;
	*error = REQUEST_OK;
	*status = head_parse_request(bytes, &downstream->options.limits.head, head);
	if (*status != HEAD_COMPLETE)
		return NULL;
	*framing_error = request_framing(head, framing);
	if (*framing_error != FRAMING_OK)
		return NULL;
	return http1_describe(server, head, framing, error);
}

void
http1_begin(struct http1_server *server, struct slice head)
{
	struct downstream *downstream = server->connection.downstream;
	struct request_framing framing;
	enum framing_error framing_error;
	enum head_status status;
	enum request_error error;
	struct request *request =
	    http1_read_head(server, head, &framing, &status, &framing_error, &error);

	server->version = status == HEAD_COMPLETE && downstream->scratch->request_head.minor == 0
			      ? HTTP_1_0
			      : HTTP_1_1;
	if (status != HEAD_COMPLETE) {
		http1_reject_head(server, status);
		return;
	}
	if (framing_error != FRAMING_OK) {
		http1_reject_framing(server, framing_error);
		return;
	}
	if (request == NULL) {
		http1_reject_error(server, NULL, error);
		return;
	}
	if (!http1_open_exchange(server))
		return;
	body_decoder_init(&server->receiver.body, framing.body, framing.length, TRAILER_MAX);
	server->awaits_since_ms = server->body_deficit = 0;
	server->content_ended = body_ended(&server->receiver.body);
	server->keep_alive = framing.keep_alive && !downstream->draining;
	server->client_closes = !framing.keep_alive && !server->served;
	server->served = true;
	/* A redirect is sent at once; then the content is read and dropped, as any client's is. */
	server->expects =
	    framing.expect_continue && !server->content_ended && !server->connection.peer.redirect;
	if (!server->content_ended)
		connection_wait(&server->connection, downstream->options.timeouts.body);
	exchange_authorize(server->exchange, request);
}
