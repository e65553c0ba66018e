/* token_limits.h - which limits of use apply to a token. */
#ifndef JOBGATE_AUTH_TOKEN_LIMITS_H
#define JOBGATE_AUTH_TOKEN_LIMITS_H

#include "jobgate/limits.h"

/*
 * The limits of a token's record, and where it has none, those of the configuration. With a rate
 * there is always a burst, without one there is none.
 */
struct token_limits token_limits_in_force(
    const struct token_limits *record, const struct token_limits *defaults);

#endif
