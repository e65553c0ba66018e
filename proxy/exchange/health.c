/* health.c - gRPC's health service, for probes: /readyz and /healthz in another form. */
#include "exchange/handlers.h"
#include "http/grpc.h"
#include "http/grpc_health.h"
#include "observe/metrics.h"

static bool
is_check(const struct exchange_peer *peer, const struct request *request)
{
	struct slice type;

	return peer->purpose == FOR_METRICS && request->version == HTTP_2 &&
	       request->method_id == METHOD_POST &&
	       slice_equal(request->path, SLICE(GRPC_HEALTH_CHECK)) &&
	       grpc_kind_of_fields(&request->fields, &type) == GRPC_PLAIN;
}

static enum local_action
read_request(const struct local_call *call, struct local_answer *answer)
{
	(void)call;
	(void)answer;
	return LOCAL_CONTENT;
}

static enum local_action
refuse(struct local_answer *answer, enum grpc_status status, struct slice detail)
{
	answer->outcome = OUTCOME_BAD_REQUEST;
	answer->status = 400;
	answer->title = SLICE("Bad request");
	answer->detail = detail;
	answer->grpc_status = status;
	return LOCAL_ANSWER;
}

static enum local_action
tell(const struct local_call *call, struct local_answer *answer, bool serving)
{
	answer->outcome = OUTCOME_ANSWERED;
	answer->message = (struct slice){call->room, grpc_health_write(serving, call->room)};
	return LOCAL_ANSWER;
}

static enum local_action
check(const struct local_call *call, struct slice content, struct local_answer *answer)
{
	struct slice service;
	char why[256];

	switch (grpc_health_read(content, &service)) {
	case GRPC_HEALTH_OK:
		break;
	case GRPC_HEALTH_COMPRESSED:
		return refuse(answer, GRPC_UNIMPLEMENTED,
		    SLICE("Compressed messages are not read here; send it as it is."));
	case GRPC_HEALTH_BROKEN:
		return refuse(
		    answer, GRPC_INTERNAL, SLICE("The content is not one HealthCheckRequest."));
	}
	if (slice_equal(service, SLICE("liveness")))
		return tell(call, answer, true);
	if (service.len == 0 || slice_equal(service, SLICE("readiness")))
		return tell(call, answer, metrics_ready(call->shared, why, sizeof(why)));
	return refuse(
	    answer, GRPC_NOT_FOUND, SLICE("The services here are \"\", readiness and liveness."));
}

const struct local_handler health_handler = {
    .handles = is_check,
    .begin = read_request,
    .content_max = GRPC_HEALTH_REQUEST_MAX,
    .too_large_status = GRPC_RESOURCE_EXHAUSTED, /* as servers of gRPC answer */
    .message = check,
};
