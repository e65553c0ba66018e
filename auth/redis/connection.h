/* connection.h - one asynchronous connection to Redis: TCP, Unix socket or TLS, RESP2. */
#ifndef JOBGATE_REDIS_CONNECTION_H
#define JOBGATE_REDIS_CONNECTION_H

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "auth/redis/url.h"
#include "jobgate/dump.h"
#include "jobgate/resolver.h"

/*
 * A connection logs in (AUTH, SELECT, CLIENT SETNAME), finds out what the server is (HELLO), then
 * takes commands. Commands are pipelined; replies come in the order of the commands. A node of a
 * Redis Cluster is refused, because it may notice late that it is cut off from the others. A broken
 * connection stays down: its owner frees it and makes another one. Only the formatter and the
 * parser of hiredis are used.
 */
struct redis_connection;

/*
 * A reply of more than 16 MiB or 2^20 elements is dropped, and the command is answered with an
 * error that begins with this. The connection stays up.
 */
#define REDIS_TOO_LONG "TOOLONG"

/* True for an error that begins with this code. */
static inline bool
redis_error_is(const redisReply *error, const char *code)
{
	return error->type == REDIS_REPLY_ERROR && strncmp(error->str, code, strlen(code)) == 0;
}

/* The text of a reply, valid as long as the reply; at is NULL when the reply is not a string. */
static inline struct slice
redis_text(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_STRING)
		return (struct slice){0};
	return (struct slice){reply->str, (size_t)reply->len};
}

/* A reply, valid during the call; NULL when the connection broke or was freed before it came. */
typedef void redis_reply_fn(void *ctx, const redisReply *reply);

/*
 * What the owner is told, never from within redis_connection_new or redis_command. The owner may
 * free the connection in each of these calls and in a redis_reply_fn.
 */
struct redis_handlers {
	void *ctx;
	/* Connected and logged in: commands may be sent. */
	void (*up)(void *ctx);
	/*
	 * The connection broke, or never came up. Called once, after all callbacks that waited for
	 * a reply were called with NULL. The reason is text for people, without secrets, valid
	 * during the call.
	 */
	void (*down)(void *ctx, const char *reason);
	/*
	 * May be NULL. Where it is set, the connection is for subscriptions: messages come here,
	 * not to the callbacks that wait for replies.
	 */
	redis_reply_fn *push;
};

/*
 * Start to connect; the connection must be up within timeout_ms. url, ca_file (NULL: the system's),
 * name (for CLIENT SETNAME) and *handlers are copied. resolver outlives the connection; NULL where
 * the URL has no name. NULL when memory is short; all other failures come as `down`.
 */
struct redis_connection *redis_connection_new(struct event_base *base, struct resolver *resolver,
    const struct redis_url *url, const char *ca_file, const char *name, unsigned timeout_ms,
    const struct redis_handlers *handlers);

/*
 * Close and free; NULL is harmless. All callbacks that wait for a reply are called with NULL first,
 * in order; `down` is not called.
 */
void redis_connection_free(struct redis_connection *connection);

/*
 * Send a command. done (may be NULL) is called once. False when the connection
 * is not up or memory is short; nothing was sent then, and done is not called.
 */
bool redis_command(struct redis_connection *connection, redis_reply_fn *done, void *ctx, int argc,
    const char *const *argv, const size_t *argv_len);

/* Write its state and what it waits for; no command and no reply is shown. */
void redis_connection_dump(const struct redis_connection *connection, struct dump *dump);

/* True between `up` and `down`. */
bool redis_connection_is_up(const struct redis_connection *connection);

/* While it is up: its client id at the server (CLIENT ID), and whether the server says that it is a
 * replica. */
long long redis_connection_id(const struct redis_connection *connection);
bool redis_connection_is_to_replica(const struct redis_connection *connection);

/*
 * Write the address of its server to out. Over a Unix socket, or while there is no socket, out
 * stays unchanged.
 */
void redis_connection_peer(const struct redis_connection *connection, struct sockaddr_storage *out);

#endif
