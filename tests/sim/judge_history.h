/* judge_history.h - decisions over the history of the records, for judge*.c only. */
#ifndef SIM_JUDGE_HISTORY_H
#define SIM_JUDGE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "world.h"

enum decision { FORWARD, BAD_CREDENTIAL, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_READY };

/*
 * Some state of the token and some state of the job that held in the window give this decision for
 * the request; backend: the job leads there, -1: anywhere.
 */
bool judge_holds(const struct world *world, const struct exchange_plan *plan, uint64_t from_ns,
    uint64_t to_ns, enum decision wanted, int backend);

/* A record has changed after one moment and up to another one, or to now. */
bool judge_job_changed(const struct job_history *job, uint64_t from_ns, uint64_t to_ns);
bool judge_token_changed(const struct token_history *token, uint64_t from_ns);

/* The end of the exchange's session may have come by then: it is in whole seconds. */
bool judge_session_may_be_over(
    const struct world *world, const struct sim_exchange *exchange, uint64_t at_ns);

static inline uint64_t
judge_before(uint64_t ns, uint64_t by_ns)
{
	return ns > by_ns ? ns - by_ns : 0;
}

/* max_staleness */
static inline uint64_t
judge_bound_ns(const struct world *world)
{
	return world->scenario.staleness * NS_PER_MS;
}

#endif
