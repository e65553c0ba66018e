/* server.h - HTTP for the control API: the only file pair that knows libevhtp. */
#ifndef JOBGATE_CONTROL_SERVER_H
#define JOBGATE_CONTROL_SERVER_H

#include <event2/event.h>

#include "auth/control/endpoint.h"
#include "jobgate/log.h"

/* A listening socket and its connections. */
struct server;

struct server_setup {
	struct event_base *base;
	struct endpoint_table endpoints;
	void *ctx;	 /* given to handlers in their calls */
	bool check_peer; /* a Unix socket: only our own user and root may connect */
	struct log log;
};

/* Start to accept on fd, which it takes and closes. NULL when memory is short. */
struct server *server_new(const struct server_setup *setup, int fd);

/* End all connections. Calls still under way stay valid and are to be answered all the same. */
void server_free(struct server *server);

#endif
