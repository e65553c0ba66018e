/* client.h - the gateway as an HTTP/1 client of backends. */
#ifndef JOBGATE_UPSTREAM_HTTP1_CLIENT_H
#define JOBGATE_UPSTREAM_HTTP1_CLIENT_H

#include "http/write.h"
#include "upstream/protocol.h"

/* For pool_options.http1. */
extern const struct upstream_protocol http1_client_protocol;

/*
 * Write a request's head (see upstream_ops.begin): request line, Host, the fields, and what says
 * how long the content is and what the connection is for. websocket_key: the Sec-WebSocket-Key that
 * the gateway adds; empty: none. writer->full when it does not fit.
 */
void http1_write_request(struct writer *writer, const struct request *request, struct slice lines,
    struct slice websocket_key);

#endif
