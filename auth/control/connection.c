/* connection.c - serves the requests of a libevhtp connection, one after another. */
#include "auth/control/connection.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "auth/control/call.h"
#include "auth/control/reply_fields.h"
#include "jobgate/check.h"

#define BODY_MAX CONTROL_BODY_MAX /* bytes; more gets 413 */

/*
 * What libevhtp 1.2.18 requires, from reading its source:
 * - When an answer is given inside its parser, it does not read a pipelined request after it. So
 *   every request pauses its connection, and its call starts in an event of its own, outside of
 *   libevhtp's stack; the connection resumes after the answer.
 * - A paused connection does not read, so it does not notice that its client leaves until the
 *   answer is written. Calls end within a bounded time, so this delay is bounded too.
 * - Before it closes a connection after an answer, it would serve what has arrived after the
 *   request. So those bytes are thrown away.
 * - When a hook refuses, it frees the connection without an answer. So the hooks accept a request
 *   that is too large and drop its bytes, and the call answers.
 * - When it cannot parse a request (such as one with a line of more than 8 KiB), it frees the
 *   connection, too. connection_tell_parse_error answers just before that.
 * - evhtp_free does not free connections, so they are in a list of ours.
 * - It would parse the body of a form as the query. So the hook takes the body away first.
 * - It accepts a line without a version, with a bare LF in its query, as a complete request, and
 * runs the callback although no head has begun. Such a request gets 400 and ends the connection.
 */
static void
wait_until(struct connection *connection, unsigned ms)
{
	const struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	evtimer_add(connection->deadline, &wait);
}

void
connection_abort(struct connection *connection)
{
	evhtp_connection_free(connection->evhtp);
}

/* The client is too slow with its request, with reading its answer, or with its next request. */
static void
on_deadline(evutil_socket_t fd, short events, void *ctx)
{
	(void)fd;
	(void)events;
	connection_abort(ctx);
}

static void
drop_body(struct connection *connection)
{
	if (connection->body != NULL)
		OPENSSL_cleanse(connection->body, connection->body_len);
	free(connection->body);
	connection->body = NULL;
	connection->body_len = 0;
}

/* A head begins: forget the last request. */
static evhtp_res
on_headers_start(evhtp_request_t *request, void *ctx)
{
	struct connection *connection = ctx;

	drop_body(connection);
	head_clear(&connection->head);
	connection->body_too_large = false;
	if (connection->state == CONNECTION_IDLE)
		control_connection_set_state(connection, CONNECTION_READING);
	request->conn->body_bytes_read =
	    0; /* libevhtp does not reset it between pipelined requests */
	wait_until(connection, connection->setup->request_ms);
	return EVHTP_RES_OK;
}

static evhtp_res
on_header(evhtp_request_t *request, evhtp_header_t *header, void *ctx)
{
	struct connection *connection = ctx;
	struct head *head = &connection->head;

	if (!head_field(head, (struct slice){header->key, header->klen},
		(struct slice){header->val, header->vlen}))
		return EVHTP_RES_ERROR;
	if (strcasecmp(header->key, "Authorization") == 0)
		OPENSSL_cleanse(header->val, header->vlen);
	if (head->too_large)
		evhtp_header_rm_and_free(request->headers_in, header);
	/* No client sends that much by mistake. */
	return head->len > 8 * CONTROL_HEAD_MAX ? EVHTP_RES_ERROR : EVHTP_RES_OK;
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
	    NULL) /* the full size at once: growing would leave copies of secrets */
		connection->body = malloc(BODY_MAX + 1);
	longer = connection->body;
	if (longer == NULL)
		return EVHTP_RES_ERROR;
	evbuffer_remove(buffer, longer + connection->body_len, len);
	connection->body_len += len;
	longer[connection->body_len] = '\0';
	return EVHTP_RES_OK;
}

/*
 * The request is over, answered or not. A call that its handler still holds has no client any more.
 */
static evhtp_res
on_request_fini(evhtp_request_t *request, void *ctx)
{
	struct connection *connection = ctx;
	struct call *call = connection->call;
	bool started = connection->state == CONNECTION_CALLING;

	(void)request;
	connection->call = NULL;
	if (connection->state != CONNECTION_IDLE)
		control_connection_set_state(connection, CONNECTION_IDLE);
	if (call != NULL)
		call->connection = NULL;
	if (call != NULL && !started)
		call_free(call);
	return EVHTP_RES_OK;
}

static void
connection_free(struct connection *connection)
{
	CHECK(connection->call == NULL, control_connection_dump, connection);
	if (connection->start != NULL)
		event_free(connection->start);
	if (connection->deadline != NULL)
		event_free(connection->deadline);
	drop_body(connection);
	head_clear(&connection->head);
	free(connection);
}

/* libevhtp calls this before the request's own hook, which needs the connection. So do its work
 * here. */
static evhtp_res
on_connection_fini(evhtp_connection_t *evhtp, void *ctx)
{
	struct connection *connection = ctx;

	connection_tell_parse_error(connection);
	on_request_fini(NULL, connection);
	evhtp_connection_unset_hook(evhtp, evhtp_hook_on_request_fini);
	CHECK(connection->all->count > 0, control_connection_dump, connection);
	TAILQ_REMOVE(&connection->all->list, connection, link);
	connection->all->count--;
	connection_free(connection);
	return EVHTP_RES_OK;
}

static void
free_content(const void *data, size_t len, void *ctx)
{
	(void)data;
	OPENSSL_cleanse(ctx, len);
	free(ctx);
}

/* Close clients that read their answers too slowly, until there is memory for one more answer. */
static void
make_room(const struct connection *connection, size_t len)
{
	struct connection *slow;

	while ((slow = connection_too_slow(connection->all, connection, len)) != NULL) {
		log_debug(&connection->setup->log,
		    "closing the connection of %s: it reads its answer too slowly, and others "
		    "wait",
		    slow->peer);
		connection_abort(slow);
	}
}

void
connection_answered(struct connection *connection)
{
	evhtp_request_t *request = connection->evhtp->request;

	control_connection_set_state(connection, CONNECTION_IDLE);
	TAILQ_REMOVE(&connection->all->list, connection, link);
	TAILQ_INSERT_TAIL(&connection->all->list, connection, link);
	wait_until(connection, connection->setup->idle_ms);
	if (!(evhtp_request_get_flags(request) & EVHTP_REQ_FLAG_KEEPALIVE)) /* see above */
		evbuffer_drain(bufferevent_get_input(connection->evhtp->bev), SIZE_MAX);
}

/* The call's `send`. */
static void
send_reply(struct call *call, const struct reply *reply)
{
	struct connection *connection = call->connection;
	evhtp_request_t *request;

	if (connection == NULL) {
		free_content(NULL, reply->len, reply->content);
		call_free(call);
		return;
	}
	CHECK(connection->call == call, control_connection_dump, connection);
	request = connection->evhtp->request;
	connection->call = NULL;
	make_room(connection, reply->len);
	connection->answer_len = reply->len;
	reply_add_fields(request, call, reply);
	if (reply->content != NULL &&
	    (request->method == htp_method_HEAD ||
		evbuffer_add_reference(request->buffer_out, reply->content, reply->len,
		    free_content, reply->content) != 0))
		free_content(NULL, reply->len, reply->content);
	if (connection->no_reuse)
		evhtp_request_disable_flag(request, EVHTP_REQ_FLAG_KEEPALIVE);
	connection_answered(connection);
	call_free(call);
	evhtp_send_reply(request, (evhtp_res)reply->status);
	evhtp_request_resume(request);
}

/*
 * The call's `has_left`. Asks the kernel, because a paused connection does not read. A client that
 * has only closed its sending side still gets its answer; over TCP, one that has closed both sides
 * looks the same until its system refuses what is sent.
 */
static bool
has_left(const struct call *call)
{
	struct pollfd client = {.fd = -1};

	if (call->connection == NULL)
		return true;
	client.fd = bufferevent_getfd(call->connection->evhtp->bev);
	return poll(&client, 1, 0) > 0 && (client.revents & (POLLHUP | POLLERR)) != 0;
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
	default: /* WebDAV and others: no endpoint has them */
		return SLICE("");
	}
}

/* Take the client's address and the request's id from the worker that forwards the call. */
static void
take_word_of_gateway(struct call *call, const struct head *head)
{
	if (head->request_id[0] != '\0')
		snprintf(call->request_id, sizeof(call->request_id), "%s", head->request_id);
	snprintf(call->peer, sizeof(call->peer), "%s",
	    head->client[0] != '\0' ? head->client : "unknown");
	call->vouched = head->vouched;
}

/* Make a call for the complete request; NULL when memory or randomness is short. */
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
	call->ctx = connection->setup->ctx;
	call->endpoints = &connection->setup->endpoints;
	call->method = method_name(request->method);
	call->local = connection->local;
	memcpy(call->peer, connection->peer, sizeof(call->peer));
	if (connection->gateway)
		take_word_of_gateway(call, &connection->head);
	call->body = connection->body;
	call->body_len = connection->body_len;
	call->body_too_large = connection->body_too_large;
	call->takes_openmetrics = jg_accepted_openmetrics(&connection->head.accepted);
	connection->body = NULL;
	connection->body_len = 0;
	call->authorizations = connection->head.authorizations;
	call->authorization = connection->head.authorization;
	connection->head.authorization = NULL;
	call->connection = connection;
	call->send = send_reply;
	call->has_left = has_left;
	call->stream = connection->setup->stream;
	return call;
}

/* Runs within libevhtp's parser. */
void
connection_on_request(evhtp_request_t *request, void *ctx)
{
	/* ctx is the server's; the argument of the hooks is the connection's own. */
	struct connection *connection = request->conn->hooks->on_read_arg;

	(void)ctx;
	evhtp_request_pause(request);
	evtimer_del(connection->deadline);
	if (connection->state == CONNECTION_IDLE)
		connection->head.error = "the request line has no version";
	control_connection_set_state(connection, CONNECTION_STARTING);
	connection->call = take_request(connection, request);
	event_active(connection->start, EV_TIMEOUT, 0);
}

/* Runs outside of the parser: authenticate the caller, or refuse a malformed request. */
static void
on_start(evutil_socket_t fd, short events, void *ctx)
{
	struct connection *connection = ctx;
	struct call *call = connection->call;
	const char *error = connection->head.error;
	const bool too_large = connection->head.too_large;

	(void)fd;
	(void)events;
	head_clear(&connection->head); /* the call has copied what it needs */
	if (call == NULL) {	       /* no memory for an answer */
		connection_abort(connection);
		return;
	}
	control_connection_set_state(connection, CONNECTION_CALLING);
	if (error != NULL) {
		connection->no_reuse = true; /* it is unknown where the next request begins */
		call_refuse(call, 400, NULL, "%s", error);
	} else if (too_large) {
		call_refuse(call, 431, NULL, "more than %d fields or %u bytes of them",
		    CONTROL_FIELDS_MAX, CONTROL_HEAD_MAX);
	} else {
		connection->setup->identify(call);
	}
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

struct connection *
connection_new(evhtp_connection_t *evhtp, const struct server_setup *setup, struct connections *all)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		return NULL;
	connection->setup = setup;
	connection->evhtp = evhtp;
	connection->start = event_new(setup->base, -1, 0, on_start, connection);
	connection->deadline = evtimer_new(setup->base, on_deadline, connection);
	if (connection->start == NULL || connection->deadline == NULL ||
	    !set_hooks(evhtp, connection)) {
		evhtp_unset_all_hooks(&evhtp->hooks);
		connection_free(connection);
		return NULL;
	}
	connection->all = all;
	all->count++;
	TAILQ_INSERT_TAIL(&all->list, connection, link);
	wait_until(connection, setup->request_ms);
	return connection;
}
