/* allowance.c - which limits apply to a token, and whether its rate allows a request. */
#include "auth/token_limits.h"

#define SECOND_NS UINT64_C(1000000000)

/* This gateway's part. */
static uint64_t
part(uint64_t value, uint64_t gateways)
{
	return value > 0 && value < gateways ? 1 : value / gateways;
}

bool
jg_allowance(const struct token_limits *record, const struct token_limits *defaults,
    uint64_t gateways, struct allowance *out)
{
	struct token_limits limits = token_limits_in_force(record, defaults);

	*out = (struct allowance){.concurrency = part(limits.concurrency, gateways)};
	if (limits.rate > 0) {
		/* Rounded up, so that no second has more requests than the rate. */
		out->interval_ns = (SECOND_NS * gateways + limits.rate - 1) / limits.rate;
		out->burst = part(limits.burst, gateways);
	}
	return (out->interval_ns | out->concurrency) != 0;
}

bool
jg_rate_allows(const struct allowance *allowance, uint64_t tat_ns, uint64_t now_ns,
    uint64_t *next_ns, uint64_t *wait_ns)
{
	uint64_t ahead_ns = tat_ns > now_ns ? tat_ns - now_ns : 0;
	uint64_t tolerance_ns = (allowance->burst - 1) * allowance->interval_ns;

	if (ahead_ns > tolerance_ns) {
		*wait_ns = ahead_ns - tolerance_ns;
		return false;
	}
	*next_ns = now_ns + ahead_ns + allowance->interval_ns;
	return true;
}

uint64_t
jg_rate_changed(const struct allowance *allowance, uint64_t tat_ns, uint64_t now_ns)
{
	uint64_t latest_ns = now_ns + allowance->burst * allowance->interval_ns;

	return tat_ns < latest_ns ? tat_ns : latest_ns;
}
