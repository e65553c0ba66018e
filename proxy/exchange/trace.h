/* trace.h - the trace that a request belongs to (W3C Trace Context, level 1). */
#ifndef JOBGATE_EXCHANGE_TRACE_H
#define JOBGATE_EXCHANGE_TRACE_H

#include "jobgate/message.h"

#define TRACE_ID_LEN 32
#define TRACE_PARENT_LEN 16

struct trace {
	char id[TRACE_ID_LEN];	       /* of the whole trace */
	char parent[TRACE_PARENT_LEN]; /* of the span that sent the request */
	bool sampled;		       /* its sender records it */
};

/*
 * Read the request's traceparent. False when there is none, several, or one that does not have the
 * form of section 3.2: then neither it nor tracestate is passed on.
 */
bool trace_read(const struct fields *fields, struct trace *out);

#endif
