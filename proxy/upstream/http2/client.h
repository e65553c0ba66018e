/* client.h - the gateway as an HTTP/2 client of backends. */
#ifndef JOBGATE_UPSTREAM_HTTP2_CLIENT_H
#define JOBGATE_UPSTREAM_HTTP2_CLIENT_H

#include "upstream/protocol.h"

/* For pool_options.http2. */
extern const struct upstream_protocol http2_client_protocol;

#endif
