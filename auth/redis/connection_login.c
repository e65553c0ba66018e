/* connection_login.c - logs in, and finds out what the server is. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/redis/connection_state.h"
#include "jobgate/check.h"

/* True when Redis refused something that is needed, or the connection is down already. */
static bool
login_refused(struct redis_connection *connection, const redisReply *reply, bool optional)
{
	char reason[256];

	if (reply == NULL || connection->state != CONNECTION_LOGIN)
		return true;
	if (reply->type != REDIS_REPLY_ERROR || (optional && redis_error_is(reply, "NOPERM")))
		return false;
	snprintf(reason, sizeof(reason), "Redis says: %s", reply->str);
	connection_fail(connection, reason);
	return true;
}

static void
login_done(struct redis_connection *connection, const redisReply *reply, bool optional)
{
	if (login_refused(connection, reply, optional))
		return;
	CHECK(connection->logins > 0, redis_connection_dump, connection);
	if (--connection->logins > 0)
		return;
	redis_connection_set_state(connection, CONNECTION_UP);
	event_del(connection->timeout);
	connection->handlers.up(connection->handlers.ctx);
}

static void
on_login(void *ctx, const redisReply *reply)
{
	login_done(ctx, reply, false);
}

/* A server that does not know AUTH repeats its arguments; only the first word of others is shown.
 */
static void
on_auth(void *ctx, const redisReply *reply)
{
	struct redis_connection *connection = ctx;
	char reason[64];

	if (reply == NULL || reply->type != REDIS_REPLY_ERROR ||
	    connection->state != CONNECTION_LOGIN || redis_error_is(reply, "WRONGPASS ") ||
	    redis_error_is(reply, "ERR AUTH <password> called without any password")) {
		login_done(connection, reply, false);
		return;
	}
	snprintf(reason, sizeof(reason), "Redis refuses the login: %.*s",
	    (int)strcspn(reply->str, " "), reply->str);
	connection_fail(connection, reason);
}

/* The name is optional: the ACL may forbid it. */
static void
on_name(void *ctx, const redisReply *reply)
{
	login_done(ctx, reply, true);
}

/*
 * The value of a name in the reply to HELLO, a flat list of names and values; NULL when it is
 * missing.
 */
static const redisReply *
hello_value(const redisReply *hello, const char *name, int type)
{
	size_t count = hello->type == REDIS_REPLY_ARRAY ? hello->elements : 0;

	for (size_t i = 0; i + 1 < count; i += 2)
		if (hello->element[i]->type == REDIS_REPLY_STRING &&
		    strcmp(hello->element[i]->str, name) == 0)
			return hello->element[i + 1]->type == type ? hello->element[i + 1] : NULL;
	return NULL;
}

/* No ACL hides this answer: every user may send HELLO and AUTH. */
static void
on_hello(void *ctx, const redisReply *reply)
{
	struct redis_connection *connection = ctx;
	const redisReply *id, *mode, *role;

	if (login_refused(connection, reply, false))
		return;
	id = hello_value(reply, "id", REDIS_REPLY_INTEGER);
	mode = hello_value(reply, "mode", REDIS_REPLY_STRING);
	role = hello_value(reply, "role", REDIS_REPLY_STRING);
	if (id == NULL || mode == NULL) {
		connection_fail(connection, "it does not say what it is (HELLO): Redis 7 or newer, "
					    "or Valkey, is needed");
		return;
	}
	if ((strcmp(mode->str, "cluster") == 0) != connection->url.cluster) {
		connection_fail(connection,
		    connection->url.cluster
			? "it is not in a Redis Cluster (cluster_enabled:0); its URL is redis://"
			: "it is in a Redis Cluster (cluster_enabled:1); the URL of a cluster is "
			  "redis+cluster://host,host,host/ with several of its servers");
		return;
	}
	connection->id = id->integer;
	connection->to_replica = role != NULL && strcmp(role->str, "replica") == 0;
	login_done(connection, reply, false);
}

static void
send_login(
    struct redis_connection *connection, redis_reply_fn *done, int argc, const char *const *argv)
{
	size_t len[4];

	if (connection->state != CONNECTION_LOGIN)
		return;
	for (int i = 0; i < argc; i++)
		len[i] = strlen(argv[i]);
	connection->logins++;
	if (!connection_send(connection, done, connection, argc, argv, len))
		connection_fail(connection, "out of memory");
}

/* More than the tokens that clouds take as passwords. */
#define PASSWORD_FILE_MAX 16384

/* The first line of the file; false, with the connection failed, when there is none. */
static bool
read_password(struct redis_connection *connection, char out[PASSWORD_FILE_MAX + 1])
{
	const char *path = connection->url.password_file;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? read(fd, out, PASSWORD_FILE_MAX + 1) : -1;
	char reason[400];

	if (n < 0)
		snprintf(
		    reason, sizeof(reason), "store.password_file: %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (n >= 0 && n <= PASSWORD_FILE_MAX) {
		out[n] = '\0';
		out[strcspn(out, "\r\n")] = '\0';
		if (out[0] != '\0')
			return true;
	}
	if (n >= 0)
		snprintf(reason, sizeof(reason),
		    "store.password_file: %s needs a line of at most %d bytes", path,
		    PASSWORD_FILE_MAX);
	connection_fail(connection, reason);
	return false;
}

static void
send_auth(struct redis_connection *connection, const char *password)
{
	const struct redis_login *login = &connection->url.login;

	if (login->user[0] != '\0')
		send_login(connection, on_auth, 3, (const char *[]){"AUTH", login->user, password});
	else
		send_login(connection, on_auth, 2, (const char *[]){"AUTH", password});
}

/* False: the connection has failed. */
static bool
send_auth_from_file(struct redis_connection *connection)
{
	char password[PASSWORD_FILE_MAX + 1];
	bool good = read_password(connection, password);

	if (good)
		send_auth(connection, password);
	OPENSSL_cleanse(password, sizeof(password));
	return good;
}

/* AUTH and SELECT are sent only where the URL asks for them. */
void
connection_login(struct redis_connection *connection)
{
	const struct redis_url *url = &connection->url;
	char database[16];

	redis_connection_set_state(connection, CONNECTION_LOGIN);
	if (url->password_file != NULL) {
		if (!send_auth_from_file(connection))
			return;
	} else if (url->login.given) {
		send_auth(connection, url->login.password);
	}
	if (url->database > 0) {
		snprintf(database, sizeof(database), "%u", url->database);
		send_login(connection, on_login, 2, (const char *[]){"SELECT", database});
	}
	send_login(connection, on_name, 3, (const char *[]){"CLIENT", "SETNAME", connection->name});
	send_login(connection, on_hello, 2, (const char *[]){"HELLO", "2"});
}
