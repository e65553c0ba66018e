/* caller.h - who asks: the local administrator, or the holder of an operator's token. */
#ifndef JOBGATE_CONTROL_CALLER_H
#define JOBGATE_CONTROL_CALLER_H

#include "auth/control/call.h"

/*
 * Find out, and hand the call to call_begin; or refuse it (RFC 6750 section 3):
 * 400 for several Authorization fields or one that is malformed, 401 without a
 * token or for one that is not valid, 403 for one that is no operator's, 503 when
 * the store cannot say. A call whose socket needs no token may bring one all
 * the same: it is then made with that token's rights and no others.
 */
void caller_identify(struct call *call);

/*
 * For a call with CALLER_TOKEN that takes long: read the token again, and go on with
 * next, or answer 401 when it is no longer the same, 503 when the store cannot say.
 */
void caller_confirm(struct call *call, void (*next)(struct call *call));

#endif
