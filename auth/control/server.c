/* server.c - listening sockets: which users may connect, and how many connections there are. */
#define _GNU_SOURCE 1 /* struct ucred */
#include "auth/control/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/control/connection.h"
#include "jobgate/check.h"

#define SOCKETS_MAX 2 /* servers, which share the descriptors of the process */
/* For the store, the log, events, and connections that are accepted only to be closed. */
#define DESCRIPTORS_KEPT 24
/* Bytes that are read and dropped so that a refusal can be sent; with more, the connection is cut.
 */
#define BODY_DROPPED_MAX (1u << 20)
#define BACKLOG 256

struct server {
	struct server_setup setup;
	evhtp_t *evhtp;
	struct connections connections;
	size_t most;	/* the most connections that it has */
	bool told_full; /* the log has the warning: once until there is room again */
};

/* Name the user at the other end of a Unix socket. False when it is neither our own nor root. */
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

/* Name the peer. False when it may not connect. */
static bool
admit_peer(struct connection *connection, const struct server_setup *setup)
{
	switch (setup->peers) {
	case PEERS_OURSELVES:
		connection->local = true;
		break;
	case PEERS_GATEWAY:
		connection->gateway = true;
		break;
	}
	return name_unix_peer(connection, connection->evhtp->sock, &setup->log);
}

/*
 * The connection that is closed for a new one: the one that is idle longest. NULL when all have a
 * call under way.
 */
static struct connection *
find_idle(const struct connections *all, const struct connection *newcomer)
{
	struct connection *one;

	for (one = TAILQ_FIRST(&all->list); one != NULL; one = TAILQ_NEXT(one, link))
		if (one != newcomer && one->call == NULL)
			return one;
	return NULL;
}

/* False when there is no room for one more. */
static bool
make_room(struct server *server, const struct connection *newcomer)
{
	const struct connections *all = &server->connections;
	struct connection *idle;

	if (all->count <= server->most / 2)
		server->told_full = false;
	if (all->count <= server->most)
		return true;
	if (!server->told_full) {
		log_warning(&server->setup.log,
		    "all %zu control connections are in use: new ones replace idle ones",
		    server->most);
		server->told_full = true;
	}
	idle = find_idle(all, newcomer);
	if (idle != NULL)
		connection_abort(idle);
	return idle != NULL;
}

/* Accept a new connection; unless the result is OK, libevhtp frees and closes it. */
static evhtp_res
on_accept(evhtp_connection_t *evhtp, void *ctx)
{
	struct server *server = ctx;
	struct connection *connection = connection_new(evhtp, &server->setup, &server->connections);

	if (connection == NULL || !admit_peer(connection, &server->setup) ||
	    !make_room(server, connection))
		return EVHTP_RES_ERROR;
	return EVHTP_RES_OK;
}

/*
 * Divide the descriptors evenly, so that connections at one socket do not use up those of another.
 */
static size_t
connections_most(size_t max)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur >= DESCRIPTORS_KEPT + SOCKETS_MAX * max)
		return max;
	if (limit.rlim_cur < DESCRIPTORS_KEPT + SOCKETS_MAX)
		return 1;
	return (limit.rlim_cur - DESCRIPTORS_KEPT) / SOCKETS_MAX;
}

struct server *
server_new(const struct server_setup *setup, int fd)
{
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL || (server->evhtp = evhtp_new(setup->base, NULL)) == NULL)
		goto fail;
	server->setup = *setup;
	server->most = connections_most(setup->connections_max);
	TAILQ_INIT(&server->connections.list);
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

bool
server_listen_again(struct server *server, int fd)
{
	evhtp_unbind_socket(server->evhtp);
	if (evhtp_accept_socket(server->evhtp, fd, BACKLOG) == 0)
		return true;
	close(fd);
	return false;
}

void
server_dump(const struct server *server, struct dump *dump)
{
	jg_dump_begin(dump, "control_server");
	jg_dump_flag(dump, "gateway", server->setup.peers == PEERS_GATEWAY);
	jg_dump_number(dump, "connections", server->connections.count);
	jg_dump_number(dump, "most", server->most);
	jg_dump_flag(dump, "told_full", server->told_full);
	if (!TAILQ_EMPTY(&server->connections.list))
		control_connection_dump(TAILQ_FIRST(&server->connections.list), dump);
	jg_dump_end(dump);
}

void
server_free(struct server *server)
{
	struct connection *connection;

	if (server == NULL)
		return;
	evhtp_unbind_socket(server->evhtp);
	while ((connection = TAILQ_FIRST(&server->connections.list)) != NULL) {
		connection_send_rest(connection);
		connection_abort(connection);
	}
	CHECK(server->connections.count == 0, server_dump, server);
	evhtp_free(server->evhtp);
	free(server);
}
