/* bridge_connection.h - one connection of a browser to `jobgate console`: one request, one answer.
 */
#ifndef JOBGATE_CLI_BRIDGE_CONNECTION_H
#define JOBGATE_CLI_BRIDGE_CONNECTION_H

#include <poll.h>
#include <stdint.h>

#include "auth/cli/bridge.h"

struct bridge_setup {
	struct bridge bridge;
	const char *socket; /* of the control API */
	const char *token;  /* with which its calls are made; NULL: as the local administrator */
};

struct bridge_connection {
	struct bridge_setup *setup;
	int client, server; /* server -1: the control API is not asked */
	bool has_key;
	bool is_endless;  /* the answer is /v1/events, which goes on until the client leaves */
	bool is_answered; /* the rest of the answer is in `out` */
	uint64_t since_ms;
	char *in; /* the request; wiped at the end */
	size_t in_len;
	char *out; /* of the answer, as far as the client has not taken it */
	size_t out_at, out_len;
	size_t out_size; /* allocated; wiped at the end */
};

/* Takes fd, which does not block. NULL when memory is short; fd then stays the caller's. */
struct bridge_connection *bridge_connection_new(struct bridge_setup *setup, int fd);

/* Which events the connection waits for: of its client, and of the control API. NULL: none. */
void bridge_connection_wants(const struct bridge_connection *connection, struct pollfd fds[2]);

/* Go on after poll. False when the connection is to be freed. */
bool bridge_connection_go_on(struct bridge_connection *connection, const struct pollfd fds[2]);

/* NULL is allowed. */
void bridge_connection_free(struct bridge_connection *connection);

#endif
