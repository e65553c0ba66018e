/* clocks.h - the clocks of the simulated machine, which differ from each other and can be set. */
#ifndef SIM_CLOCKS_H
#define SIM_CLOCKS_H

#include <stdint.h>
#include <time.h>

/* What a clock shows at the simulated time. */
uint64_t clocks_read_ns(clockid_t clock);

/* The wall clock is set, forwards or backwards. */
void clocks_step_wall(int64_t ns);

/* The machine was suspended: MONOTONIC falls behind by so much. */
void clocks_suspended(uint64_t ns);

#endif
