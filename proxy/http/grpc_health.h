/* grpc_health.h - the messages of gRPC's health service (grpc.health.v1.Health), which probes call
 * (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). */
#ifndef JOBGATE_HTTP_GRPC_HEALTH_H
#define JOBGATE_HTTP_GRPC_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

#include "jobgate/slice.h"

/* The path of its one method that is served. */
#define GRPC_HEALTH_CHECK "/grpc.health.v1.Health/Check"

/* The longest request that is read: its prefix, a service's name, and unknown fields. */
#define GRPC_HEALTH_REQUEST_MAX 512

#define GRPC_HEALTH_ANSWER_LEN 7

enum grpc_health_request {
	GRPC_HEALTH_OK,
	GRPC_HEALTH_COMPRESSED, /* its flag says so, and no encoding is known here */
	GRPC_HEALTH_BROKEN,	/* not exactly one message, or no protobuf */
};

/*
 * Read all of a request's content: one length-prefixed HealthCheckRequest. *service becomes the
 * name in it, which points into content and may hold any bytes, or an empty slice. As protobuf
 * says, the last name counts, and unknown fields are skipped.
 */
enum grpc_health_request grpc_health_read(struct slice content, struct slice *service);

/* Write one length-prefixed HealthCheckResponse: SERVING or NOT_SERVING. Returns its length. */
size_t grpc_health_write(bool serving, char out[GRPC_HEALTH_ANSWER_LEN]);

#endif
