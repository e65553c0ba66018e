/* judge_limits.h - the limits of tokens, counted a second time from what clients and backends saw.
 */
#ifndef SIM_JUDGE_LIMITS_H
#define SIM_JUDGE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

struct world;
struct sim_exchange;

/* 429 for a token's rate or concurrency, got at that time, has a cause: enough other requests. */
bool judge_over_limits_is_right(
    const struct world *world, const struct sim_exchange *exchange, uint64_t to_ns);

/* 503, because the table of tokens has no room, is right: there are more tokens than places. */
bool judge_limits_full_is_right(const struct world *world);

/* After a run: no token had more than its rate and its concurrency allow. */
void judge_limits(struct world *world);

#endif
