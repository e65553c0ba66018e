/* token_limits.c - which limits of use apply to a token. */
#include "auth/token_limits.h"

static uint64_t
given(uint64_t value, uint64_t otherwise)
{
	return value > 0 ? value : otherwise;
}

struct token_limits
token_limits_in_force(const struct token_limits *record, const struct token_limits *defaults)
{
	struct token_limits in_force = {
	    .rate = given(record->rate, defaults->rate),
	    .concurrency = given(record->concurrency, defaults->concurrency),
	};

	if (in_force.rate > 0)
		in_force.burst = given(given(record->burst, defaults->burst), in_force.rate);
	return in_force;
}
