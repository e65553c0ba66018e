/* each_failure.c - runs with the n-th call failing, for all n. */
#include "each_failure.h"

#include <inttypes.h>
#include <stdio.h>

#include "fleet.h"
#include "scenario.h"

static unsigned
run(struct scenario *scenario, uint64_t seed, const char *what, uint64_t n)
{
	struct fleet_result result = fleet_once(seed, scenario, 0);

	if (result.ended && result.violations == 0)
		return 0;
	printf("FAILED%s: replay it with tests/sim.sh --seed %" PRIu64 " --fail-%s %" PRIu64 "\n",
	    result.ended ? "" : " (it did not come to its end)", seed, what, n);
	return 1;
}

int
each_failure(uint64_t seed, uint64_t first, uint64_t every)
{
	struct scenario scenario;
	struct fleet_result sound;
	unsigned failed = 0;
	uint64_t runs = 0;

	scenario_small(&scenario);
	sound = fleet_once(seed, &scenario, 0);
	if (!sound.ended || sound.violations > 0) {
		printf("FAILED: seed %" PRIu64 ", without any failure\n", seed);
		return 1;
	}
	for (uint64_t n = first; n <= sound.allocations; n += every, runs++) {
		scenario.fail_allocation = n;
		failed += run(&scenario, seed, "allocation", n);
	}
	scenario.fail_allocation = 0;
	for (uint64_t n = first; n <= sound.calls; n += every, runs++) {
		scenario.fail_call = n;
		failed += run(&scenario, seed, "call", n);
	}
	printf("%" PRIu64 " exchanges with %" PRIu64 " allocations and %" PRIu64 " calls: %" PRIu64
	       " of these made to fail, %u runs bad\n",
	    sound.exchanges, sound.allocations, sound.calls, runs, failed);
	return failed > 0;
}
