/* clocks.c - BOOTTIME is the simulated time plus a constant; the other clocks run differently. */
#include "clocks.h"

#include "schedule.h"

#define BOOT_NS (1000 * (uint64_t)NS_PER_S)
#define COARSE_NS (4 * (uint64_t)NS_PER_MS)

/* The wall clock from then on. */
struct step {
	uint64_t at_ns;
	int64_t wall_ns; /* ahead of BOOTTIME */
};

static struct {
	uint64_t suspended_ns;
	struct step steps[CLOCKS_STEPS_MAX];
	size_t count;
} clocks = {.steps = {{0, (int64_t)1767225600 * NS_PER_S}}, .count = 1};

static int64_t
wall_ns(void)
{
	return clocks.steps[clocks.count - 1].wall_ns;
}

uint64_t
clocks_read_ns(clockid_t clock)
{
	uint64_t boot_ns = BOOT_NS + schedule_now_ns();

	switch (clock) {
	case CLOCK_BOOTTIME:
		return boot_ns;
	case CLOCK_MONOTONIC_COARSE: /* of the last tick of the kernel */
		return (boot_ns - clocks.suspended_ns) / COARSE_NS * COARSE_NS;
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
		return boot_ns + (uint64_t)wall_ns();
	default:
		return boot_ns - clocks.suspended_ns;
	}
}

void
clocks_step_wall(int64_t ns)
{
	if (clocks.count == CLOCKS_STEPS_MAX)
		return;
	clocks.steps[clocks.count] = (struct step){schedule_now_ns(), wall_ns() + ns};
	clocks.count++;
}

size_t
clocks_wall_aheads(uint64_t from_ns, uint64_t to_ns, int64_t out[CLOCKS_STEPS_MAX])
{
	size_t count = 0;

	for (size_t i = clocks.count; i > 0; i--) {
		if (clocks.steps[i - 1].at_ns > to_ns)
			continue;
		out[count++] = (int64_t)BOOT_NS + clocks.steps[i - 1].wall_ns;
		if (clocks.steps[i - 1].at_ns <= from_ns)
			break;
	}
	return count;
}

void
clocks_suspended(uint64_t ns)
{
	clocks.suspended_ns += ns;
}
