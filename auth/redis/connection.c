/* connection.c - a bufferevent, hiredis's reader, and the queue of those who wait for replies. */
#include "auth/redis/connection.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

/* No reply of ours is longer; a server that sends more is not one of ours. */
#define REPLY_MAX (16u << 20)

struct waiting {
	STAILQ_ENTRY(waiting) link;
	redis_reply_fn *done;
	void *ctx;
};

enum connection_state {
	CONNECTION_OPENING, /* waits for connect(2), TLS, and the answers to AUTH, SELECT and SETNAME */
	CONNECTION_UP,
	CONNECTION_DOWN,    /* waits to be freed by its owner */
};

struct redis_connection {
	enum connection_state state;
	struct redis_handlers handlers;
	struct bufferevent *bev;
	struct evdns_base *dns; /* for names, not for addresses and paths */
	SSL_CTX *tls;
	redisReader *reader;
	struct event *timeout; /* OPENING */
	STAILQ_HEAD(, waiting) waiting;
	struct redis_url url;
	char name[64];
	unsigned logins; /* answers still to come before it is up */
	bool subscribed;
	bool entered;    /* a callback of ours runs: freeing waits until it returns */
	bool freed;
	char reason[256];
};

static void
connection_destroy(struct redis_connection *connection)
{
	if (connection->timeout != NULL)
		event_free(connection->timeout);
	if (connection->bev != NULL)
		bufferevent_free(connection->bev);
	if (connection->dns != NULL)
		evdns_base_free(connection->dns, 0);
	SSL_CTX_free(connection->tls);
	if (connection->reader != NULL)
		redisReaderFree(connection->reader);
	redis_url_wipe(&connection->url);
	free(connection);
}

/* Answer everyone who waits with NULL. */
static void
connection_abandon(struct redis_connection *connection)
{
	struct waiting *waiting;

	while ((waiting = STAILQ_FIRST(&connection->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&connection->waiting, link);
		if (waiting->done != NULL)
			waiting->done(waiting->ctx, NULL);
		free(waiting);
	}
}

static void
connection_fail(struct redis_connection *connection, const char *reason)
{
	if (connection->state == CONNECTION_DOWN)
		return;
	connection->state = CONNECTION_DOWN;
	snprintf(connection->reason, sizeof(connection->reason), "%s", reason);
	bufferevent_disable(connection->bev, EV_READ | EV_WRITE);
	event_del(connection->timeout);
	connection_abandon(connection);
	if (!connection->freed)
		connection->handlers.down(connection->handlers.ctx, connection->reason);
}

static bool
connection_send(struct redis_connection *connection, redis_reply_fn *done, void *ctx, int argc,
    const char *const *argv, const size_t *argv_len)
{
	struct waiting *waiting = NULL;
	char *text = NULL;
	long long len;
	bool sent = false;

	if (connection->subscribed == false) {
		waiting = calloc(1, sizeof(*waiting));
		if (waiting == NULL)
			return false;
		waiting->done = done;
		waiting->ctx = ctx;
	}
	len = redisFormatCommandArgv(&text, argc, (const char **)argv, argv_len);
	if (len > 0)
		sent = bufferevent_write(connection->bev, text, (size_t)len) == 0;
	redisFreeCommand(text);
	if (waiting != NULL && sent)
		STAILQ_INSERT_TAIL(&connection->waiting, waiting, link);
	else
		free(waiting);
	return sent;
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

void
redis_connection_subscribed(struct redis_connection *connection)
{
	connection->subscribed = true;
}

/* The answer to one of the commands with which a connection begins. */
static void
on_login(void *ctx, const redisReply *reply)
{
	struct redis_connection *connection = ctx;
	char reason[256];

	if (reply == NULL || connection->state != CONNECTION_OPENING)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		snprintf(reason, sizeof(reason), "Redis says: %s", reply->str);
		connection_fail(connection, reason);
		return;
	}
	if (--connection->logins > 0)
		return;
	connection->state = CONNECTION_UP;
	event_del(connection->timeout);
	connection->handlers.up(connection->handlers.ctx);
}

static void
send_login(struct redis_connection *connection, int argc, const char *const *argv)
{
	size_t len[4];

	for (int i = 0; i < argc; i++)
		len[i] = strlen(argv[i]);
	connection->logins++;
	if (!connection_send(connection, on_login, connection, argc, argv, len))
		connection_fail(connection, "out of memory");
}

/* AUTH and SELECT where the URL asks for them; SETNAME always, so that there is an answer to wait for. */
static void
connection_login(struct redis_connection *connection)
{
	const struct redis_url *url = &connection->url;
	char database[16];

	if (url->has_password && url->user[0] != '\0')
		send_login(connection, 3, (const char *[]){"AUTH", url->user, url->password});
	else if (url->has_password)
		send_login(connection, 2, (const char *[]){"AUTH", url->password});
	if (url->database > 0) {
		snprintf(database, sizeof(database), "%u", url->database);
		send_login(connection, 2, (const char *[]){"SELECT", database});
	}
	send_login(connection, 3, (const char *[]){"CLIENT", "SETNAME", connection->name});
}

/* Whom a reply is for: whoever waits longest, or, once subscribed and with none waiting, the push handler. */
static void
connection_dispatch(struct redis_connection *connection, const redisReply *reply)
{
	struct waiting *waiting = STAILQ_FIRST(&connection->waiting);

	if (waiting != NULL) {
		STAILQ_REMOVE_HEAD(&connection->waiting, link);
		if (waiting->done != NULL)
			waiting->done(waiting->ctx, reply);
		free(waiting);
	} else if (connection->subscribed) {
		connection->handlers.push(connection->handlers.ctx, reply);
	} else {
		connection_fail(connection, "Redis sent a reply that nobody asked for");
	}
}

static void
connection_parse(struct redis_connection *connection)
{
	void *reply;

	while (connection->state != CONNECTION_DOWN && !connection->freed) {
		if (redisReaderGetReply(connection->reader, &reply) != REDIS_OK) {
			connection_fail(connection, "Redis sent what is no reply");
			return;
		}
		if (reply == NULL) {
			if (connection->reader->len - connection->reader->pos > REPLY_MAX)
				connection_fail(connection, "Redis sent a reply that is too long");
			return;
		}
		connection_dispatch(connection, reply);
		freeReplyObject(reply);
	}
}

/* Callbacks run between these two, so that an owner may free the connection from within one. */
static bool
connection_enter(struct redis_connection *connection)
{
	bool outermost = !connection->entered;

	connection->entered = true;
	return outermost;
}

static void
connection_leave(struct redis_connection *connection, bool outermost)
{
	if (!outermost)
		return;
	connection->entered = false;
	if (connection->freed)
		connection_destroy(connection);
}

static void
on_read(struct bufferevent *bev, void *ctx)
{
	struct redis_connection *connection = ctx;
	struct evbuffer *input = bufferevent_get_input(bev);
	bool outermost = connection_enter(connection);
	size_t len;

	while ((len = evbuffer_get_contiguous_space(input)) > 0 && connection->state != CONNECTION_DOWN &&
	    !connection->freed) {
		if (redisReaderFeed(connection->reader, (char *)evbuffer_pullup(input, (ev_ssize_t)len), len) !=
		    REDIS_OK) {
			connection_fail(connection, "out of memory");
			break;
		}
		evbuffer_drain(input, len);
		connection_parse(connection);
	}
	connection_leave(connection, outermost);
}

static void
describe_error(struct redis_connection *connection, short what, char *out, size_t cap)
{
	unsigned long tls_error = bufferevent_get_openssl_error(connection->bev);
	int dns_error = bufferevent_socket_get_dns_error(connection->bev);
	int error = EVUTIL_SOCKET_ERROR();
	SSL *ssl = bufferevent_openssl_get_ssl(connection->bev);
	long verify = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;

	if (dns_error != 0)
		snprintf(out, cap, "%s: %s", connection->url.host, evutil_gai_strerror(dns_error));
	else if (verify != X509_V_OK)
		snprintf(out, cap, "TLS: %s", X509_verify_cert_error_string(verify));
	else if (tls_error != 0)
		snprintf(out, cap, "TLS: %s", ERR_reason_error_string(tls_error));
	else if (what & BEV_EVENT_EOF)
		snprintf(out, cap, "Redis closed the connection");
	else
		snprintf(out, cap, "%s", error != 0 ? strerror(error) : "the connection failed");
}

static void
on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct redis_connection *connection = ctx;
	bool outermost = connection_enter(connection);
	char reason[200];

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		connection_login(connection);
	} else if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
		describe_error(connection, what, reason, sizeof(reason));
		connection_fail(connection, reason);
	}
	connection_leave(connection, outermost);
}

static void
on_timeout(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_connection *connection = ctx;
	bool outermost = connection_enter(connection);

	(void)fd;
	(void)what;
	connection_fail(connection, "Redis did not answer in time");
	connection_leave(connection, outermost);
}

/* An SSL for the host: its certificate is verified, by name or address. NULL when that cannot be set up. */
static SSL *
connection_secure(struct redis_connection *connection, const char *ca_file)
{
	const char *host = connection->url.host;
	unsigned char address[16];
	bool numeric = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
	SSL *ssl;

	connection->tls = SSL_CTX_new(TLS_client_method());
	if (connection->tls == NULL)
		return NULL;
	SSL_CTX_set_verify(connection->tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_min_proto_version(connection->tls, TLS1_2_VERSION);
	if (ca_file != NULL ? SSL_CTX_load_verify_file(connection->tls, ca_file) != 1
			    : SSL_CTX_set_default_verify_paths(connection->tls) != 1)
		return NULL;
	ssl = SSL_new(connection->tls);
	if (ssl == NULL)
		return NULL;
	if (numeric ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) != 1
		    : SSL_set1_host(ssl, host) != 1 || SSL_set_tlsext_host_name(ssl, host) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

/* Set out. Failures come later, as events. */
static bool
connection_start(struct redis_connection *connection, struct event_base *base)
{
	const struct redis_url *url = &connection->url;
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	unsigned char address[16];

	if (url->path[0] != '\0') {
		memcpy(path.sun_path, url->path, sizeof(path.sun_path));
		/* A socket that is not there fails at once; as an event, like everything else. */
		if (bufferevent_socket_connect(connection->bev, (struct sockaddr *)&path, sizeof(path)) != 0)
			event_active(connection->timeout, EV_TIMEOUT, 0);
		return true;
	}
	if (inet_pton(AF_INET, url->host, address) != 1 && inet_pton(AF_INET6, url->host, address) != 1) {
		connection->dns = evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
		if (connection->dns == NULL)
			return false;
	}
	if (bufferevent_socket_connect_hostname(
		connection->bev, connection->dns, AF_UNSPEC, url->host, url->port) != 0)
		event_active(connection->timeout, EV_TIMEOUT, 0);
	return true;
}

struct redis_connection *
redis_connection_new(struct event_base *base, const struct redis_url *url, const char *ca_file,
    const char *name, unsigned timeout_ms, const struct redis_handlers *handlers)
{
	const struct timeval timeout = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
	struct redis_connection *connection = calloc(1, sizeof(*connection));
	SSL *ssl = NULL;

	if (connection == NULL)
		return NULL;
	connection->handlers = *handlers;
	connection->url = *url;
	snprintf(connection->name, sizeof(connection->name), "%s", name);
	STAILQ_INIT(&connection->waiting);
	connection->reader = redisReaderCreate();
	connection->timeout = evtimer_new(base, on_timeout, connection);
	if (connection->reader == NULL || connection->timeout == NULL)
		goto fail;
	if (url->tls && (ssl = connection_secure(connection, ca_file)) == NULL)
		goto fail;
	connection->bev = ssl != NULL
	    ? bufferevent_openssl_socket_new(
		  base, -1, ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
	    : bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (connection->bev == NULL) {
		SSL_free(ssl);
		goto fail;
	}
	bufferevent_setcb(connection->bev, on_read, NULL, on_event, connection);
	bufferevent_enable(connection->bev, EV_READ | EV_WRITE);
	event_add(connection->timeout, &timeout);
	if (!connection_start(connection, base))
		goto fail;
	return connection;
fail:
	connection_destroy(connection);
	return NULL;
}

void
redis_connection_free(struct redis_connection *connection)
{
	if (connection == NULL || connection->freed)
		return;
	connection->freed = true;
	connection->state = CONNECTION_DOWN;
	connection_abandon(connection);
	if (!connection->entered)
		connection_destroy(connection);
}
