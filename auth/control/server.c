/* server.c - libevhtp connections, their limits, and calls one after another on each. */
#define _GNU_SOURCE 1 /* struct ucred */
#include "auth/control/server.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <evhtp/evhtp.h>
#include <openssl/crypto.h>

#include "auth/control/call.h"
#include "auth/control/reply.h"

#define CONNECTIONS_MAX 256
#define FIELDS_MAX 100
#define HEAD_MAX (32u << 10)	    /* bytes of field lines */
#define BODY_MAX (64u << 10)	    /* bytes; more gets 413 */
#define BODY_DROPPED_MAX (1u << 20) /* bytes read and dropped to be able to say so; more is cut */
#define IDLE_SECONDS 30		    /* between bytes, and between requests */
#define BACKLOG 64

/*
 * What libevhtp 1.2.18 asks of us, read from its source:
 * - An answer given inside its parser leaves a pipelined request behind it
 *   unread. So every request pauses its connection, and its call starts in an
 *   event of its own, outside of libevhtp's stack: answer, then resume.
 * - A paused connection does not read, hence does not see its client leave;
 *   it learns of it when the answer is written. Calls are bounded in time, so this is too.
 * - It frees a connection without an answer when a hook refuses; so hooks let a
 *   request that is too large pass, drop its bytes, and the call answers.
 * - evhtp_free forgets connections, so that we keep them in a list.
 * - A form's body would be taken for the query; our hook leaves it no body.
 */
struct connection {
	LIST_ENTRY(connection) link;
	struct server *server;
	evhtp_connection_t *evhtp;
	struct event *start; /* starts the call */
	struct call *call;   /* waiting for start, or for its answer; NULL between requests */
	bool started;	     /* the call belongs to its handler */
	size_t fields, head_len;
	char *body;
	size_t body_len;
	bool head_too_large, body_too_large;
	uid_t peer_uid;
	pid_t peer_pid;
};

struct server {
	struct server_setup setup;
	evhtp_t *evhtp;
	LIST_HEAD(, connection) connections;
	size_t connection_count;
};

static void
drop_body(struct connection *connection)
{
	if (connection->body != NULL)
		OPENSSL_cleanse(connection->body, connection->body_len);
	free(connection->body);
	connection->body = NULL;
	connection->body_len = 0;
}

/* A head begins: forget the last request's. */
static evhtp_res
on_headers_start(evhtp_request_t *request, void *ctx)
{
	struct connection *connection = ctx;

	drop_body(connection);
	connection->fields = connection->head_len = 0;
	connection->head_too_large = connection->body_too_large = false;
	request->conn->body_bytes_read = 0; /* it forgets to, between pipelined requests */
	return EVHTP_RES_OK;
}

static evhtp_res
on_header(evhtp_request_t *request, evhtp_header_t *header, void *ctx)
{
	struct connection *connection = ctx;

	connection->fields++;
	connection->head_len += header->klen + header->vlen + 4;
	if (connection->fields > FIELDS_MAX || connection->head_len > HEAD_MAX) {
		connection->head_too_large = true;
		evhtp_header_rm_and_free(request->headers_in, header);
	}
	/* Nobody sends that much by mistake. */
	return connection->head_len > 8 * HEAD_MAX ? EVHTP_RES_ERROR : EVHTP_RES_OK;
}

static evhtp_res
on_read(evhtp_request_t *request, struct evbuffer *buffer, void *ctx)
{
	struct connection *connection = ctx;
	size_t len = evbuffer_get_length(buffer);
	char *longer;

	(void)request;
	if (connection->body_too_large || connection->body_len + len > BODY_MAX) {
		drop_body(connection);
		connection->body_too_large = true;
		evbuffer_drain(buffer, len);
		return EVHTP_RES_OK;
	}
	if (connection->body ==
	    NULL) /* at its largest at once: growing would leave copies of secrets */
		connection->body = malloc(BODY_MAX + 1);
	longer = connection->body;
	if (longer == NULL)
		return EVHTP_RES_ERROR;
	evbuffer_remove(buffer, longer + connection->body_len, len);
	connection->body_len += len;
	longer[connection->body_len] = '\0';
	return EVHTP_RES_OK;
}

/* The request is over, answered or not: a call that its handler still has loses its client. */
static evhtp_res
on_request_fini(evhtp_request_t *request, void *ctx)
{
	struct connection *connection = ctx;
	struct call *call = connection->call;

	(void)request;
	connection->call = NULL;
	if (call == NULL)
		return EVHTP_RES_OK;
	if (connection->started)
		call->connection = NULL;
	else
		call_free(call);
	return EVHTP_RES_OK;
}

/* Comes before the request's own hook, which needs us: so do its work, then go. */
static evhtp_res
on_connection_fini(evhtp_connection_t *evhtp, void *ctx)
{
	struct connection *connection = ctx;

	on_request_fini(NULL, connection);
	evhtp_connection_unset_hook(evhtp, evhtp_hook_on_request_fini);
	LIST_REMOVE(connection, link);
	connection->server->connection_count--;
	if (connection->start != NULL)
		event_free(connection->start);
	drop_body(connection);
	free(connection);
	return EVHTP_RES_OK;
}

/* A call for the request that is complete; NULL when memory or randomness is short. */
static struct call *
take_request(struct connection *connection, const evhtp_request_t *request)
{
	const char *path = "", *query = "";
	struct call *call;

	if (request->uri != NULL && request->uri->path != NULL)
		path = request->uri->path->full;
	if (request->uri != NULL && request->uri->query_raw != NULL)
		query = (const char *)request->uri->query_raw;
	call = call_new(slice_of(path), slice_of(query));
	if (call == NULL)
		return NULL;
	call->ctx = connection->server->setup.ctx;
	call->peer_uid = connection->peer_uid;
	call->peer_pid = connection->peer_pid;
	call->body = connection->body;
	call->body_len = connection->body_len;
	connection->body = NULL;
	connection->body_len = 0;
	call->connection = connection;
	return call;
}

/* A request is complete; inside the parser. */
static void
on_request(evhtp_request_t *request, void *ctx)
{
	/* The argument is one for the whole server; the hooks' is the connection's own. */
	struct connection *connection = request->conn->hooks->on_read_arg;

	(void)ctx;
	evhtp_request_pause(request);
	assert(connection->call == NULL);
	connection->call = take_request(connection, request);
	connection->started = false;
	event_active(connection->start, EV_TIMEOUT, 0);
}

static struct slice
method_name(htp_method method)
{
	switch (method) {
	case htp_method_GET:
		return SLICE("GET");
	case htp_method_HEAD:
		return SLICE("HEAD");
	case htp_method_POST:
		return SLICE("POST");
	case htp_method_PATCH:
		return SLICE("PATCH");
	case htp_method_DELETE:
		return SLICE("DELETE");
	default: /* a dozen of WebDAV's: no endpoint has them */
		return SLICE("");
	}
}

/* Outside of the parser: find the handler, or refuse. */
static void
on_start(evutil_socket_t fd, short events, void *ctx)
{
	struct connection *connection = ctx;
	struct call *call = connection->call;
	char allow[ENDPOINT_ALLOW_MAX];

	(void)fd;
	(void)events;
	if (call == NULL) { /* no memory for it: nothing sensible can be said */
		evhtp_connection_free(connection->evhtp);
		return;
	}
	connection->started = true;
	if (connection->head_too_large) {
		call_refuse(call, 431, NULL, "more than %d fields or %u bytes of them", FIELDS_MAX,
		    HEAD_MAX);
		return;
	}
	if (connection->body_too_large) {
		call_refuse(call, 413, NULL, "the body is larger than %u bytes", BODY_MAX);
		return;
	}
	switch (endpoint_find(&connection->server->setup.endpoints,
	    method_name(connection->evhtp->request->method), call->path, &call->row, &call->id,
	    allow)) {
	case ENDPOINT_FOUND:
		call->row->handle(call);
		return;
	case ENDPOINT_NO_PATH:
		call_refuse(call, 404, NULL, "there is nothing at this path");
		return;
	case ENDPOINT_NO_METHOD:
		evhtp_headers_add_header(connection->evhtp->request->headers_out,
		    evhtp_header_new("Allow", allow, 1, 1));
		call_refuse(call, 405, NULL, "this path answers %s", allow);
		return;
	}
}

static void
add_header(evhtp_request_t *request, const char *name, const char *value)
{
	evhtp_header_t *header = evhtp_header_new(name, value, 1, 1);

	if (header != NULL)
		evhtp_headers_add_header(request->headers_out, header);
}

static void
free_content(const void *data, size_t len, void *ctx)
{
	(void)data;
	OPENSSL_cleanse(ctx, len);
	free(ctx);
}

void
call_reply(struct call *call, const struct reply *reply)
{
	struct connection *connection = call->connection;
	evhtp_request_t *request;
	char length[24];

	if (connection == NULL) {
		free_content(NULL, reply->len, reply->content);
		call_free(call);
		return;
	}
	request = connection->evhtp->request;
	connection->call = NULL;
	if (reply->location != NULL)
		add_header(request, "Location", reply->location);
	if (reply->status == 503)
		add_header(request, "Retry-After", "1");
	add_header(request, "X-Request-Id", call->request_id);
	add_header(request, "Cache-Control", "no-store");
	if (reply->status ==
	    204) /* said to be chunked, libevhtp adds no Content-Length: RFC 9110 section 8.6 */
		evhtp_request_enable_flag(request, EVHTP_REQ_FLAG_CHUNKED);
	if (reply->content != NULL) {
		snprintf(length, sizeof(length), "%zu", reply->len);
		add_header(request, "Content-Length", length);
		add_header(request, "Content-Type", reply->type);
		if (request->method == htp_method_HEAD ||
		    evbuffer_add_reference(request->buffer_out, reply->content, reply->len,
			free_content, reply->content) != 0)
			free_content(NULL, reply->len, reply->content);
	}
	call_free(call);
	evhtp_send_reply(request, (evhtp_res)reply->status);
	evhtp_request_resume(request);
}

/* Who is at the other end of a Unix socket; false when it is neither we nor root. */
static bool
peer_allowed(struct connection *connection, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return false;
	connection->peer_uid = cred.uid;
	connection->peer_pid = cred.pid;
	return cred.uid == 0 || cred.uid == geteuid();
}

static bool
set_hooks(evhtp_connection_t *evhtp, struct connection *connection)
{
	return evhtp_connection_set_hook(evhtp, evhtp_hook_on_headers_start,
		   (evhtp_hook)on_headers_start, connection) == 0 &&
	       evhtp_connection_set_hook(
		   evhtp, evhtp_hook_on_header, (evhtp_hook)on_header, connection) == 0 &&
	       evhtp_connection_set_hook(
		   evhtp, evhtp_hook_on_read, (evhtp_hook)on_read, connection) == 0 &&
	       evhtp_connection_set_hook(evhtp, evhtp_hook_on_request_fini,
		   (evhtp_hook)on_request_fini, connection) == 0 &&
	       evhtp_connection_set_hook(evhtp, evhtp_hook_on_connection_fini,
		   (evhtp_hook)on_connection_fini, connection) == 0;
}

/* A new connection; with another result than OK libevhtp frees and closes it. */
static evhtp_res
on_accept(evhtp_connection_t *evhtp, void *ctx)
{
	struct server *server = ctx;
	struct connection *connection;

	if (server->connection_count >= CONNECTIONS_MAX) {
		log_warning(&server->setup.log, "%d control connections: one more refused",
		    CONNECTIONS_MAX);
		return EVHTP_RES_ERROR;
	}
	connection = calloc(1, sizeof(*connection));
	if (connection == NULL)
		return EVHTP_RES_ERROR;
	connection->server = server;
	connection->evhtp = evhtp;
	connection->peer_uid = (uid_t)-1;
	if (server->setup.check_peer && !peer_allowed(connection, evhtp->sock)) {
		log_warning(&server->setup.log, "control connection of user %d refused",
		    (int)connection->peer_uid);
		free(connection);
		return EVHTP_RES_ERROR;
	}
	connection->start = event_new(server->setup.base, -1, 0, on_start, connection);
	if (connection->start == NULL || !set_hooks(evhtp, connection)) {
		evhtp_unset_all_hooks(&evhtp->hooks);
		if (connection->start != NULL)
			event_free(connection->start);
		free(connection);
		return EVHTP_RES_ERROR;
	}
	LIST_INSERT_HEAD(&server->connections, connection, link);
	server->connection_count++;
	return EVHTP_RES_OK;
}

struct server *
server_new(const struct server_setup *setup, int fd)
{
	const struct timeval idle = {.tv_sec = IDLE_SECONDS};
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL || (server->evhtp = evhtp_new(setup->base, NULL)) == NULL) {
		free(server);
		close(fd);
		return NULL;
	}
	server->setup = *setup;
	LIST_INIT(&server->connections);
	evhtp_set_gencb(server->evhtp, on_request, NULL);
	evhtp_set_post_accept_cb(server->evhtp, on_accept, server);
	evhtp_set_timeouts(server->evhtp, &idle, &idle);
	evhtp_set_max_body_size(server->evhtp, BODY_DROPPED_MAX);
	evhtp_set_parser_flags(server->evhtp, EVHTP_PARSE_QUERY_FLAG_LENIENT);
	if (evhtp_accept_socket(server->evhtp, fd, BACKLOG) != 0) {
		evhtp_free(server->evhtp);
		free(server);
		close(fd);
		return NULL;
	}
	return server;
}

void
server_free(struct server *server)
{
	struct connection *connection, *next;

	if (server == NULL)
		return;
	evhtp_unbind_socket(server->evhtp);
	for (connection = LIST_FIRST(&server->connections); connection != NULL; connection = next) {
		next = LIST_NEXT(connection, link);
		evhtp_connection_free(connection->evhtp);
	}
	evhtp_free(server->evhtp);
	free(server);
}
