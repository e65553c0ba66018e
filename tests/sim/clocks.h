/* clocks.h - the clocks of the simulated machine, which differ from each other and can be set. */
#ifndef SIM_CLOCKS_H
#define SIM_CLOCKS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* What a clock shows at the simulated time. */
uint64_t clocks_read_ns(clockid_t clock);

/* The wall clock is set, forwards or backwards. */
void clocks_step_wall(int64_t ns);

#define CLOCKS_STEPS_MAX 256

/*
 * How far the wall clock was ahead of the simulated time, in nanoseconds: each value that it had at
 * some moment of this window. Returns how many there are, at least 1.
 */
size_t clocks_wall_aheads(uint64_t from_ns, uint64_t to_ns, int64_t out[CLOCKS_STEPS_MAX]);

/* The machine was suspended: MONOTONIC falls behind by so much. */
void clocks_suspended(uint64_t ns);

#endif
