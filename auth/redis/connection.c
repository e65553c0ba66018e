/* connection.c - a bufferevent, hiredis's reader, and the queue of commands that wait for replies.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/redis/connection_state.h"
#include "auth/redis/dial.h"
#include "auth/redis/tls.h"
#include "jobgate/check.h"

/* No useful reply is longer, in bytes or in elements of all its arrays. */
#define REPLY_MAX (16u << 20)
#define ELEMENTS_MAX (1u << 20)

static void
connection_destroy(struct redis_connection *connection)
{
	CHECK(STAILQ_EMPTY(&connection->waiting) && !connection->entered, redis_connection_dump,
	    connection);
	redis_dial_cancel(connection->dial);
	if (connection->timeout != NULL)
		event_free(connection->timeout);
	if (connection->bev != NULL)
		bufferevent_free(connection->bev);
	if (connection->reader != NULL)
		redisReaderFree(connection->reader);
	redis_url_wipe(&connection->url);
	free(connection->ca_file);
	free(connection);
}

/*
 * All code that calls back runs between these two, so that the owner may free the connection in a
 * callback.
 */
static void
connection_enter(struct redis_connection *connection)
{
	CHECK(!connection->entered, redis_connection_dump, connection);
	connection->entered = true;
}

static void
connection_leave(struct redis_connection *connection)
{
	connection->entered = false;
	if (connection->freed)
		connection_destroy(connection);
}

/* The reply belongs to the command that has waited longest. */
static void
connection_answer(struct redis_connection *connection, const redisReply *reply)
{
	struct waiting *waiting = STAILQ_FIRST(&connection->waiting);

	CHECK(waiting != NULL, redis_connection_dump, connection);
	STAILQ_REMOVE_HEAD(&connection->waiting, link);
	if (waiting->done != NULL)
		waiting->done(waiting->ctx, reply);
	free(waiting);
}

/* Answer all waiting commands with NULL. */
static void
connection_abandon(struct redis_connection *connection)
{
	while (!STAILQ_EMPTY(&connection->waiting))
		connection_answer(connection, NULL);
}

void
connection_fail(struct redis_connection *connection, const char *reason)
{
	if (connection->state == CONNECTION_DOWN)
		return;
	redis_connection_set_state(connection, CONNECTION_DOWN);
	if (connection->bev != NULL)
		bufferevent_disable(connection->bev, EV_READ | EV_WRITE);
	event_del(connection->timeout);
	redis_dial_cancel(connection->dial);
	connection->dial = NULL;
	connection_abandon(connection);
	if (!connection->freed)
		connection->handlers.down(connection->handlers.ctx, reason);
}

/* ---- commands ---- */

bool
connection_send(struct redis_connection *connection, redis_reply_fn *done, void *ctx, int argc,
    const char *const *argv, const size_t *argv_len)
{
	struct waiting *waiting;
	char *text = NULL;
	long long len;

	CHECK(argc > 0 && connection->bev != NULL &&
		  (connection->state == CONNECTION_LOGIN || connection->state == CONNECTION_UP),
	    redis_connection_dump, connection);
	waiting = malloc(sizeof(*waiting));
	if (waiting == NULL)
		return false;
	*waiting = (struct waiting){.done = done, .ctx = ctx};
	len = redisFormatCommandArgv(&text, argc, (const char **)argv, argv_len);
	if (len <= 0 || bufferevent_write(connection->bev, text, (size_t)len) != 0) {
		free(waiting);
		waiting = NULL;
	}
	if (len > 0 && connection->state != CONNECTION_UP)
		OPENSSL_cleanse(text, (size_t)len); /* a password may be in it */
	if (text != NULL)
		redisFreeCommand(text);
	if (waiting == NULL)
		return false;
	STAILQ_INSERT_TAIL(&connection->waiting, waiting, link);
	return true;
}

bool
redis_command(struct redis_connection *connection, redis_reply_fn *done, void *ctx, int argc,
    const char *const *argv, const size_t *argv_len)
{
	return connection->state == CONNECTION_UP &&
	       connection_send(connection, done, ctx, argc, argv, argv_len);
}

bool
redis_connection_is_up(const struct redis_connection *connection)
{
	return connection->state == CONNECTION_UP;
}

/* ---- replies ---- */

/* ["message", channel, payload]: a push, not a reply to a command. */
static bool
is_message(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
	       reply->element[0]->type == REDIS_REPLY_STRING &&
	       strcmp(reply->element[0]->str, "message") == 0;
}

static void
connection_dispatch(struct redis_connection *connection, const redisReply *reply)
{
	if (connection->handlers.push != NULL && is_message(reply))
		connection->handlers.push(connection->handlers.ctx, reply);
	else if (STAILQ_EMPTY(&connection->waiting))
		connection_fail(connection, "Redis sent a reply without a command");
	else
		connection_answer(connection, reply);
}

/*
 * Drop a reply that is too long: what has been received of it, and the rest as it comes. Where it
 * may be a message (an invalidation), the connection fails: no message may be lost.
 */
static void
connection_skip(struct redis_connection *connection)
{
	static char text[] = REDIS_TOO_LONG " is this reply";
	static const redisReply too_long = {
	    .type = REDIS_REPLY_ERROR, .str = text, .len = sizeof(text) - 1};

	if (connection->state != CONNECTION_UP || connection->handlers.push != NULL ||
	    STAILQ_EMPTY(&connection->waiting)) {
		connection_fail(connection, "Redis sent a reply that is too long");
		return;
	}
	redisReaderFree(connection->reader);
	connection->reader = redisReaderCreate();
	if (connection->reader == NULL) {
		connection_fail(connection, "out of memory");
		return;
	}
	connection->skipping = true;
	connection_answer(connection, &too_long);
}

/* All of a reply has come. */
static void
connection_finish(struct redis_connection *connection)
{
	void *reply = NULL;

	connection->scan = (struct reply_scan){0};
	if (connection->skipping) {
		connection->skipping = false;
	} else if (redisReaderGetReply(connection->reader, &reply) == REDIS_OK && reply != NULL) {
		connection_dispatch(connection, reply);
		freeReplyObject(reply);
	} else {
		connection_fail(connection, "Redis sent something that is not a reply");
	}
}

/* Take bytes of one reply; returns how many. */
static size_t
connection_take(struct redis_connection *connection, const char *bytes, size_t len)
{
	struct reply_scan *scan = &connection->scan;
	enum reply_scan_state state;
	size_t taken = reply_scan(scan, bytes, len, &state);

	if (!connection->skipping && (scan->bytes > REPLY_MAX || scan->elements > ELEMENTS_MAX))
		connection_skip(connection);
	else if (!connection->skipping &&
		 redisReaderFeed(connection->reader, bytes, taken) != REDIS_OK)
		connection_fail(connection, "out of memory");
	if (connection->state == CONNECTION_DOWN)
		return taken;
	switch (state) {
	case REPLY_UNFINISHED:
		break;
	case REPLY_FINISHED:
		connection_finish(connection);
		break;
	case REPLY_MALFORMED:
		connection_fail(connection, "Redis sent something that is not a reply");
		break;
	}
	return taken;
}

static void
on_read(struct bufferevent *bev, void *ctx)
{
	struct redis_connection *connection = ctx;
	struct evbuffer *input = bufferevent_get_input(bev);
	struct evbuffer_iovec bytes;

	connection_enter(connection);
	while (connection->state != CONNECTION_DOWN &&
	       evbuffer_peek(input, 1, NULL, &bytes, 1) > 0 && bytes.iov_len > 0) {
		size_t taken = 0;

		while (connection->state != CONNECTION_DOWN && taken < bytes.iov_len)
			taken += connection_take(connection, (const char *)bytes.iov_base + taken,
			    bytes.iov_len - taken);
		evbuffer_drain(input, taken);
	}
	connection_leave(connection);
}

/* ---- the socket ---- */

static void
on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct redis_connection *connection = ctx;
	int error = EVUTIL_SOCKET_ERROR();
	unsigned long tls_error = connection->url.tls ? bufferevent_get_openssl_error(bev) : 0;
	char reason[200] = "Redis closed the connection";

	connection_enter(connection);
	if (what & BEV_EVENT_CONNECTED) {
		if (connection->state == CONNECTION_TLS_HANDSHAKE) /* and not closed meanwhile */
			connection_login(connection);
	} else if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
		if (connection->url.tls &&
		    (tls_error != 0 || connection->state == CONNECTION_TLS_HANDSHAKE))
			redis_tls_error(
			    bufferevent_openssl_get_ssl(bev), tls_error, reason, sizeof(reason));
		else if (what & BEV_EVENT_ERROR && error != 0)
			snprintf(reason, sizeof(reason), "%s", strerror(error));
		connection_fail(connection, reason);
	}
	connection_leave(connection);
}

/*
 * Make a bufferevent, which owns the socket from then on. False, with a sentence in reason, when
 * that fails; the socket is closed then.
 */
static bool
connection_take_socket(struct redis_connection *connection, int fd, char *reason, size_t cap)
{
	const int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
	SSL *ssl = NULL;

	CHECK(connection->bev == NULL && connection->state == CONNECTION_DIALLING,
	    redis_connection_dump, connection);
	snprintf(reason, cap, "out of memory");
	if (connection->url.tls) {
		ssl = redis_tls_new(connection->url.host, connection->ca_file, reason, cap);
		if (ssl != NULL)
			connection->bev = bufferevent_openssl_socket_new(
			    connection->base, fd, ssl, BUFFEREVENT_SSL_CONNECTING, options);
	} else {
		connection->bev = bufferevent_socket_new(connection->base, fd, options);
	}
	if (connection->bev == NULL) {
		SSL_free(ssl);
		evutil_closesocket(fd);
		return false;
	}
	/* Before everything else in a turn: a push may have come that ends running requests. */
	bufferevent_priority_set(connection->bev, 0);
	bufferevent_setcb(connection->bev, on_read, NULL, on_event, connection);
	bufferevent_enable(connection->bev, EV_READ | EV_WRITE);
	return true;
}

static void
on_dialled(void *ctx, int fd, const char *why)
{
	struct redis_connection *connection = ctx;
	char reason[200];

	connection->dial = NULL;
	connection_enter(connection);
	if (fd < 0)
		connection_fail(connection, why);
	else if (!connection_take_socket(connection, fd, reason, sizeof(reason)))
		connection_fail(connection, reason);
	else if (connection->url.tls)
		redis_connection_set_state(
		    connection, CONNECTION_TLS_HANDSHAKE); /* waits for BEV_EVENT_CONNECTED */
	else
		connection_login(connection);
	connection_leave(connection);
}

static const char *
late_reason(enum connection_state state)
{
	switch (state) {
	case CONNECTION_DIALLING:
		return "it could not be reached in time";
	case CONNECTION_TLS_HANDSHAKE:
		return "the TLS handshake was not done in time";
	case CONNECTION_LOGIN:
	case CONNECTION_UP:
	case CONNECTION_DOWN:
		break;
	}
	return "Redis did not answer in time";
}

static void
on_timeout(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_connection *connection = ctx;

	(void)fd;
	(void)what;
	connection_enter(connection);
	connection_fail(connection, late_reason(connection->state));
	connection_leave(connection);
}

struct redis_connection *
redis_connection_new(struct event_base *base, struct resolver *resolver,
    const struct redis_url *url, const char *ca_file, const char *name, unsigned timeout_ms,
    const struct redis_handlers *handlers)
{
	const struct timeval timeout = {
	    .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	struct redis_connection *connection = calloc(1, sizeof(*connection));

	CHECK(handlers->up != NULL && handlers->down != NULL);
	if (connection == NULL)
		return NULL;
	connection->base = base;
	connection->handlers = *handlers;
	connection->url = *url;
	snprintf(connection->name, sizeof(connection->name), "%s", name);
	STAILQ_INIT(&connection->waiting);
	connection->ca_file = ca_file != NULL ? strdup(ca_file) : NULL;
	connection->timeout = evtimer_new(base, on_timeout, connection);
	connection->dial =
	    redis_dial_start(base, resolver, url, timeout_ms, on_dialled, connection);
	connection->reader = redisReaderCreate();
	if (connection->reader == NULL || connection->dial == NULL || connection->timeout == NULL ||
	    evtimer_add(connection->timeout, &timeout) != 0 ||
	    (ca_file != NULL && connection->ca_file == NULL)) {
		connection_destroy(connection);
		return NULL;
	}
	return connection;
}

void
redis_connection_free(struct redis_connection *connection)
{
	if (connection == NULL || connection->freed)
		return;
	connection->freed = true;
	if (connection->state != CONNECTION_DOWN)
		redis_connection_set_state(connection, CONNECTION_DOWN);
	connection_abandon(connection);
	if (!connection->entered)
		connection_destroy(connection);
}

long long
redis_connection_id(const struct redis_connection *connection)
{
	return connection->id;
}

bool
redis_connection_is_to_replica(const struct redis_connection *connection)
{
	return connection->to_replica;
}

void
redis_connection_peer(const struct redis_connection *connection, struct sockaddr_storage *out)
{
	struct sockaddr_storage peer = {0};
	socklen_t len = sizeof(peer);

	if (connection->bev != NULL &&
	    getpeername(bufferevent_getfd(connection->bev), (struct sockaddr *)&peer, &len) == 0 &&
	    peer.ss_family != AF_UNIX)
		*out = peer;
}
