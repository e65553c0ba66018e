/* limits.h - what an operator's token is limited to also limits the tokens that it makes. */
#ifndef JOBGATE_CONTROL_LIMITS_H
#define JOBGATE_CONTROL_LIMITS_H

#include "auth/control/call.h"

/*
 * Give a new token the expiry, the addresses and the limits of use (rate, burst, concurrency) of
 * the caller's token, if it has none of its own.
 * Its `from` then points into the call. False after answering 403: its own ones are wider, or the
 * caller has sent the value before a renewal, whose grace ends.
 */
bool limits_pass_on(struct call *call, struct token *token);

/*
 * True when the caller may have a new value of this token, which is as the renewal makes it: it
 * does not outlive the caller's token, is not accepted from more addresses and may not use more,
 * and the caller has sent its present value. False after answering 403.
 */
bool limits_allow_renewal(struct call *call, const struct token *token);

#endif
