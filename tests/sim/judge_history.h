/* judge_history.h - decisions over the history of the records, for judge*.c only. */
#ifndef SIM_JUDGE_HISTORY_H
#define SIM_JUDGE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "world.h"

enum decision {
	FORWARD,
	OPEN,	  /* forwarded without an identity: the job is public */
	UNLISTED, /* the same, but the set of public jobs does not have it */
	BAD_CREDENTIAL,
	UNAUTHORIZED,
	EXPIRED,
	OTHER_ADDRESS,
	FORBIDDEN,
	NOT_FOUND,
	NOT_READY,
	TOO_WIDE /* to sign in with */
};

/* What a decision at its end may rest on. A worker reads the wall clock each time that it decides,
 * so that what it knows of it is newer than what it knows of records. */
struct judge_window {
	uint64_t from_ns, to_ns; /* states of the records that held in between */
	uint64_t clock_ns;	 /* the wall clock as of moments from this one on */
	uint64_t set_ns;	 /* if the clock was set from then on: also as if it had not been */
};

/*
 * Some state of the token and some state of the job that held in the window give this decision for
 * the request; backend: the job leads there, -1: anywhere.
 */
bool judge_gives(const struct world *world, const struct exchange_plan *plan,
    const struct judge_window *window, enum decision wanted, int backend);

/* The same, with the clock of the whole window: for refusals. */
bool judge_holds(const struct world *world, const struct exchange_plan *plan, uint64_t from_ns,
    uint64_t to_ns, enum decision wanted, int backend);

/* What its backend is told of who it is from is right, or that is a violation. True: nothing. */
bool judge_is_told_rightly(
    struct world *world, uint32_t mark, const struct exchange_plan *plan, const struct told *told);

/* It had a URL of this backend, and wanted it to be checked. */
bool judge_had(const struct job_history *job, uint64_t from_ns, uint64_t to_ns, int backend);

/* judge_refusal.c: how often a backend may have refused it as not processed; one has broken a
 * connection under other requests; a worker had no descriptor left. */
unsigned judge_refusals_at_most(const struct world *world, const struct sim_exchange *exchange);
bool judge_was_ruined(const struct world *world, const struct sim_exchange *exchange);
bool judge_was_closed(const struct world *world, const struct sim_exchange *exchange);
bool judge_was_full(const struct world *world, const struct sim_exchange *exchange);

/* judge_replica.c: of the first backend that sees a request, and of an answer without any. */
void judge_choice(struct world *world, const struct sim_exchange *exchange, uint32_t mark);
bool judge_another_was_well(const struct world *world, const struct sim_exchange *exchange);

/* The sign-in whose cookie the request shows had not ended before this moment. */
bool judge_was_signed_in(
    const struct world *world, const struct exchange_plan *plan, uint64_t from_ns);

/* It shows no token of ours. */
bool judge_shows_no_token(const struct exchange_plan *plan);

/* It shows something that is refused whatever the records say. */
bool judge_shows_bad_credential(const struct exchange_plan *plan);

/* It is forwarded, by a token or because the job is public. */
bool judge_reaches(const struct world *world, const struct exchange_plan *plan, uint64_t from_ns,
    uint64_t to_ns, int backend);

/* The same request without a token. */
struct exchange_plan judge_without_token(const struct exchange_plan *plan);

/* The job that had the host of the request's port is gone: what it was asked for does not go to the
 * port. */
bool judge_host_changed_hands(
    const struct world *world, const struct exchange_plan *plan, uint64_t from_ns, uint64_t to_ns);

/* A record has changed after one moment and up to another one, or to now. A token with an expiry or
 * a grace may have changed by itself. */
bool judge_job_changed(
    const struct world *world, const struct exchange_plan *plan, uint64_t from_ns, uint64_t to_ns);
bool judge_token_changed(const struct token_history *token, uint64_t from_ns);

/* The end of the exchange's session may have come by then: it is in whole seconds. */
bool judge_session_may_be_over(
    const struct world *world, const struct sim_exchange *exchange, uint64_t at_ns);

static inline uint64_t
judge_before(uint64_t ns, uint64_t by_ns)
{
	return ns > by_ns ? ns - by_ns : 0;
}

/* While nothing is wrong, a change has had its effect after so long. */
uint64_t judge_told_ns(const struct world *world);

/* max_staleness */
static inline uint64_t
judge_bound_ns(const struct world *world)
{
	return world->scenario.staleness * NS_PER_MS;
}

#endif
