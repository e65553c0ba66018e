/* connection_end.c - what a client still gets before its connection is freed. */
#include "auth/control/connection.h"

#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/crypto.h>

#include "auth/control/reply.h"

/* Bytes of the request that are read and dropped, so that the client can finish sending it. */
#define REST_MAX (8 * CONTROL_HEAD_MAX)

void
connection_send_rest(const struct connection *connection)
{
	struct evbuffer *output = bufferevent_get_output(connection->evhtp->bev);

	/* Frozen, so that only the bufferevent takes bytes out, which is freed next. */
	evbuffer_unfreeze(output, 1);
	evbuffer_write(output, connection->evhtp->sock);
}

static bool
is_head(const struct connection *connection)
{
	return htparser_get_method(connection->evhtp->parser) == htp_method_HEAD;
}

/* A client that is still sending would get an error from its system, and might not read. */
static void
drop_rest(int fd)
{
	char dropped[4096];
	size_t total = 0;
	ssize_t got;

	do {
		got = recv(fd, dropped, sizeof(dropped), MSG_DONTWAIT);
		total += got > 0 ? (size_t)got : 0;
	} while (got > 0 && total < REST_MAX);
	OPENSSL_cleanse(dropped, sizeof(dropped));
}

/* The call's `send`. libevhtp has no request that it could answer, so the head is written here. */
static void
send_last(struct call *call, const struct reply *reply)
{
	struct connection *connection = call->connection;
	struct evbuffer *output = bufferevent_get_output(connection->evhtp->bev);

	evbuffer_add_printf(output,
	    "HTTP/1.1 %u %s\r\nX-Request-Id: %s\r\nCache-Control: no-store\r\n"
	    "Content-Length: %zu\r\nContent-Type: %s\r\nConnection: close\r\n\r\n",
	    reply->status, reply_title(reply->status), call->request_id, reply->len, reply->type);
	if (reply->content != NULL && !is_head(connection))
		evbuffer_add(output, reply->content, reply->len);
	connection_send_rest(connection);
	drop_rest(connection->evhtp->sock);
	free(reply->content);
	call_free(call);
}

static void
refuse(struct connection *connection, unsigned status, const char *detail)
{
	struct call *call = call_new(SLICE(""), SLICE(""));

	if (call == NULL)
		return;
	call->connection = connection;
	call->send = send_last;
	call_refuse(call, status, NULL, "%s", detail);
}

void
connection_tell_parse_error(struct connection *connection)
{
	const bool reading = connection->state == CONNECTION_READING;

	/* Once a request is complete, its call answers. */
	if (!reading && connection->state != CONNECTION_IDLE)
		return;
	switch (htparser_get_error(connection->evhtp->parser)) {
	case htparse_error_none: /* the client or the server ends the connection */
		return;
	case htparse_error_too_big:
		if (reading)
			refuse(connection, 431,
			    "a field of the head is longer than 8 KiB: send a shorter one");
		else
			refuse(connection, 414,
			    "the request line is longer than 8 KiB: send a shorter path or query");
		return;
	case htparse_error_user: /* a hook of ours has refused, or a paused request is over */
		if (reading && connection->head.too_large)
			refuse(connection, 431, "the fields of the head are longer than 256 KiB");
		return;
	default:
		refuse(connection, 400, "the request is not valid HTTP/1.1");
		return;
	}
}
