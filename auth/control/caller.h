/* caller.h - authenticates the caller: the local administrator, or a holder of an operator's token.
 */
#ifndef JOBGATE_CONTROL_CALLER_H
#define JOBGATE_CONTROL_CALLER_H

#include "auth/control/call.h"

/*
 * Authenticate the caller and pass the call to call_begin, or refuse it (RFC 6750 section 3): 400
 * for several Authorization fields or one that is malformed, 401 without a token or for one that is
 * not valid, 403 for one without the role operator, 503 when the store cannot say. A call may bring
 * a token although its socket needs none; then it has only the rights of that token.
 */
void caller_identify(struct call *call);

/* Refuse with 401: the token with which the call began is no longer valid. */
void caller_refuse_revoked(struct call *call);

/* The same for a change that was not made because of that. */
void caller_refuse_unchanged(struct call *call);

/*
 * The same for a call that a worker forwards. The worker has checked the token. Its record is read
 * again, and the value that the worker has seen must still be valid. 403 without the secret of our
 * own workers. A call without a token gets only what control.metrics serves.
 */
void caller_vouched_for(struct call *call);

/*
 * For each step of a call that may take long: call next, immediately or, when the caller's token
 * was read more than a second ago, after reading it again. If the value that began the call is
 * no longer valid, or the token's role or selector has changed, the call gets 401; if the store
 * does not answer, 503; next is not called then.
 */
void caller_continue(struct call *call, void (*next)(struct call *call));

/*
 * The same, but read the token immediately: before the caller learns what the call has read. For a
 * caller without a token, next is called immediately.
 */
void caller_confirm(struct call *call, void (*next)(struct call *call));

/*
 * Answer 200 with what a call has read or made, after the caller's token has been confirmed again;
 * otherwise 401 or 503. Takes the result.
 */
void caller_answer(struct call *call, json_t *body);

#endif
