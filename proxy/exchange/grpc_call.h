/* grpc_call.h - what an exchange keeps of a gRPC call: its content type, deadline and status, and
 * where its messages end. */
#ifndef JOBGATE_EXCHANGE_GRPC_CALL_H
#define JOBGATE_EXCHANGE_GRPC_CALL_H

#include "http/grpc.h"
#include "jobgate/message.h"

/* Content types that are longer are answered with application/grpc. */
#define GRPC_TYPE_MAX 48

/*
 * A plain value: nothing in it has to be freed. Zeroed, it is no call. After grpc_call_read, the
 * other functions note what its client is sent.
 */
struct grpc_call {
	enum grpc_kind kind : 8;
	bool takes_trailers; /* its client can be sent trailers at any time: HTTP/2 */
	bool streams;	     /* messages of an answer are on the way, and trailers may follow */
	bool has_status;     /* status is set: the client was told it */
	unsigned char status;
	unsigned char type_len;
	char type[GRPC_TYPE_MAX]; /* the Content-Type of the request */
	struct grpc_messages messages;
	uint64_t due_ms; /* its deadline, on the clock that it was read with; 0: it has none */
};

/*
 * Read a request: a POST with one Content-Type of gRPC is a call, and grpc-timeout its deadline. A
 * grpc-timeout that is not valid counts as none; the backend gets it as it is.
 */
void grpc_call_read(struct grpc_call *call, const struct request *request, uint64_t now_ms);

static inline bool
is_grpc_call(const struct grpc_call *call)
{
	return call->kind != GRPC_NONE;
}

/* The Content-Type of answers that the gateway makes. Valid as long as the call. */
struct slice grpc_call_type(const struct grpc_call *call);

/* Its client was told this status. */
void grpc_call_set_status(struct grpc_call *call, unsigned status);

/* Call these when the head of the job's answer, content of it, or its end was sent to the
 * client. */
void grpc_call_answer(struct grpc_call *call, const struct response *response);
void grpc_call_content(struct grpc_call *call, struct slice sent);
void grpc_call_end(struct grpc_call *call, const struct fields *trailers);

/* True when trailers of the gateway's own may end the answer that is on the way, here and now. */
static inline bool
grpc_call_may_end(const struct grpc_call *call)
{
	return call->streams && grpc_between_messages(&call->messages);
}

#endif
