/* prefer.h - the preference `wait` of the field Prefer (RFC 7240 section 4.3). */
#ifndef JOBGATE_EXCHANGE_PREFER_H
#define JOBGATE_EXCHANGE_PREFER_H

#include "jobgate/message.h"

/*
 * How many seconds the client is willing to wait, at most max. The first `wait` counts. False when
 * there is none, or when it is not a number.
 */
bool prefer_wait(const struct fields *fields, uint64_t max, uint64_t *seconds);

#endif
