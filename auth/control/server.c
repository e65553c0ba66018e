/* server.c - listening sockets: who may connect, and how many at once. */
#define _GNU_SOURCE 1 /* struct ucred */
#include "auth/control/server.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/control/connection.h"

#define CONNECTIONS_MAX 256
#define BODY_DROPPED_MAX (1u << 20) /* bytes read and dropped to be able to say so; more is cut */
#define BACKLOG 256

struct server {
	struct server_setup setup;
	evhtp_t *evhtp;
	struct connections connections;
	size_t connection_count;
	bool told_full; /* the log has it: once for each time */
};

/* Who is at the other end of a Unix socket; false when it is neither we nor root. */
static bool
name_unix_peer(struct connection *connection, int fd, const struct log *log)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return false;
	snprintf(connection->peer, sizeof(connection->peer), "uid %d pid %d", (int)cred.uid,
	    (int)cred.pid);
	if (cred.uid == 0 || cred.uid == geteuid())
		return true;
	log_warning(log, "control connection of user %d refused", (int)cred.uid);
	return false;
}

static bool
name_tcp_peer(struct connection *connection, int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	char host[64], port[8];
	bool v6;

	if (getpeername(fd, (struct sockaddr *)&address, &len) != 0 ||
	    getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return false;
	v6 = strchr(host, ':') != NULL;
	snprintf(connection->peer, sizeof(connection->peer), "%s%s%s:%s", v6 ? "[" : "", host,
	    v6 ? "]" : "", port);
	return true;
}

/* Say who it is; false when it may not be here. */
static bool
admit_peer(struct connection *connection, const struct server_setup *setup)
{
	switch (setup->peers) {
	case PEERS_OURSELVES:
		connection->local = true;
		return name_unix_peer(connection, connection->evhtp->sock, &setup->log);
	case PEERS_GATEWAY:
		connection->gateway = true;
		return name_unix_peer(connection, connection->evhtp->sock, &setup->log);
	case PEERS_ANYBODY:
		return name_tcp_peer(connection, connection->evhtp->sock);
	}
	return false;
}

/* A new connection; with another result than OK libevhtp frees and closes it. */
static evhtp_res
on_accept(evhtp_connection_t *evhtp, void *ctx)
{
	struct server *server = ctx;
	struct connection *connection;

	if (server->connection_count >= CONNECTIONS_MAX) {
		if (!server->told_full)
			log_warning(&server->setup.log, "%d control connections: more are refused",
			    CONNECTIONS_MAX);
		server->told_full = true;
		return EVHTP_RES_ERROR;
	}
	server->told_full = false;
	connection =
	    connection_new(evhtp, &server->setup, &server->connections, &server->connection_count);
	if (connection == NULL || !admit_peer(connection, &server->setup))
		return EVHTP_RES_ERROR;
	return EVHTP_RES_OK;
}

struct server *
server_new(const struct server_setup *setup, int fd)
{
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL || (server->evhtp = evhtp_new(setup->base, NULL)) == NULL)
		goto fail;
	server->setup = *setup;
	LIST_INIT(&server->connections);
	if (setup->tls != NULL) {
		if (SSL_CTX_up_ref(setup->tls) != 1)
			goto fail;
		server->evhtp->ssl_ctx = setup->tls; /* libevhtp frees it */
	}
	evhtp_set_gencb(server->evhtp, connection_on_request, NULL);
	evhtp_set_post_accept_cb(server->evhtp, on_accept, server);
	evhtp_set_max_body_size(server->evhtp, BODY_DROPPED_MAX);
	evhtp_set_parser_flags(server->evhtp, EVHTP_PARSE_QUERY_FLAG_LENIENT);
	if (evhtp_accept_socket(server->evhtp, fd, BACKLOG) == 0)
		return server;
fail:
	if (server != NULL && server->evhtp != NULL)
		evhtp_free(server->evhtp);
	free(server);
	close(fd);
	return NULL;
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
