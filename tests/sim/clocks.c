/* clocks.c - BOOTTIME is the simulated time plus a constant; the other clocks run differently. */
#include "clocks.h"

#include "schedule.h"

#define BOOT_NS (1000 * (uint64_t)NS_PER_S)
#define COARSE_NS (4 * (uint64_t)NS_PER_MS)

static struct {
	uint64_t suspended_ns;
	int64_t wall_ns; /* ahead of BOOTTIME */
} clocks = {.wall_ns = (int64_t)1767225600 * NS_PER_S};

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
		return boot_ns + (uint64_t)clocks.wall_ns;
	default:
		return boot_ns - clocks.suspended_ns;
	}
}

void
clocks_step_wall(int64_t ns)
{
	clocks.wall_ns += ns;
}

void
clocks_suspended(uint64_t ns)
{
	clocks.suspended_ns += ns;
}
