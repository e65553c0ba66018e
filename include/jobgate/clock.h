/* clock.h - reads the machine's clocks, in milliseconds. */
#ifndef JOBGATE_CLOCK_H
#define JOBGATE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_REALTIME counts from 1970; CLOCK_MONOTONIC stands still while the machine is suspended,
 * CLOCK_BOOTTIME does not. */
static inline uint64_t
clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
