/* server.h - HTTP/1 on a client connection: one exchange at a time. */
#ifndef JOBGATE_HTTP1_SERVER_H
#define JOBGATE_HTTP1_SERVER_H

#include "downstream/connection.h"

extern const struct connection_protocol http1_server_protocol;

#endif
