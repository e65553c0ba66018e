/* forward_auth_answer.h - what another proxy must take out of the request that it holds. */
#ifndef JOBGATE_EXCHANGE_FORWARD_AUTH_ANSWER_H
#define JOBGATE_EXCHANGE_FORWARD_AUTH_ANSWER_H

#include "exchange/local_reply.h"
#include "http/write.h"

/*
 * The other proxy forwards the request, so it has to take our credentials out. Add the fields
 * Authorization, Cookie and Sec-WebSocket-Protocol to the reply: the value that the job may see, or
 * an empty one, because some proxies keep the client's field where the answer has none. A request
 * without Sec-WebSocket-Protocol gets none either, unless the question has X-Forwarded-Uri. Texts
 * that are put together are written to room, which outlives the reply. False when they do not fit.
 */
bool forward_auth_answer(const struct fields *fields, bool keep_authorization, struct writer *room,
    struct local_reply *reply);

#endif
