/* session.h - HTTP/2 on a client connection (RFC 9113): many exchanges at a time. */
#ifndef JOBGATE_HTTP2_SESSION_H
#define JOBGATE_HTTP2_SESSION_H

#include "downstream/connection.h"

/*
 * What a connection may do is bounded by settings.h (struct http2_limits), by the budgets of
 * limits.h, and by constants of this folder; see HTTP/2 in ../README.md.
 */
extern const struct connection_protocol http2_server_protocol;

#endif
