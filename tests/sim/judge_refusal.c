/* judge_refusal.c - answers of the gateway's own: each has causes that it may have. */
#include <string.h>

#include "judge.h"
#include "judge_history.h"
#include "judge_limits.h"
#include "world.h"

/* A backend has closed a connection under other requests, or made the gateway do so. */
bool
judge_was_ruined(const struct world *world, const struct sim_exchange *exchange)
{
	for (unsigned i = 0; i < world->scenario.backends; i++)
		if (world->backends[i].ruined > 0 ||
		    exchange->sent_ns <= world->backends[i].ruined_ns)
			return true;
	return false;
}

#define SLOW_NS 1000000000ull /* a packet that was lost once or twice */

bool
judge_was_closed(const struct world *world, const struct sim_exchange *exchange)
{
	for (unsigned i = 0; i < world->scenario.backends; i++)
		if (world->backends[i].closed_ns != 0 &&
		    exchange->sent_ns <= world->backends[i].closed_ns + SLOW_NS)
			return true;
	return false;
}

/*
 * It may have been sent on a connection of HTTP/1 whose end was still on its way. A request without
 * content is sent again then, but content is not kept for such a backend.
 */
static bool
met_an_end(const struct world *world, const struct sim_exchange *exchange)
{
	return exchange->plan.request_len > 0 && judge_was_closed(world, exchange);
}

/* What the gateway keeps of content, to send it again. */
#define KEPT_MAX (48 * 1024)

/*
 * How often a backend may have said that it will not process the exchange. A GOAWAY also refuses
 * what is still on its way, up to SLOW_NS, in which case the backend has not seen it.
 */
unsigned
judge_refusals_at_most(const struct world *world, const struct sim_exchange *exchange)
{
	unsigned count = exchange->refused;

	for (unsigned i = 0; i < world->scenario.backends; i++)
		for (unsigned k = 0; k < 2; k++)
			count += world->backends[i].left_ns[k] >
				 judge_before(exchange->sent_ns, SLOW_NS);
	return count;
}

/* It was refused before it was processed, and could not be sent again: that is done once, if the
 * content is short and the job has no other address by then. */
static bool
stays_unprocessed(const struct world *world, const struct sim_exchange *exchange, uint64_t from_ns,
    uint64_t to_ns)
{
	const struct exchange_plan *plan = &exchange->plan;

	return exchange->unprocessed > 1 || judge_refusals_at_most(world, exchange) > 1 ||
	       (exchange->unprocessed > 0 && (plan->request_len > KEPT_MAX ||
						 judge_job_changed(world, plan, from_ns, to_ns)));
}

/* Its job is reached over HTTP/2, and takes no WebSockets there. */
static bool
cannot_be_upgraded(const struct world *world, const struct sim_exchange *exchange, uint64_t from_ns,
    uint64_t to_ns)
{
	for (unsigned i = 0; i < world->scenario.backends; i++)
		if (world->backends[i].speaks_h2 && !world->backends[i].takes_tunnels &&
		    exchange->plan.tunnel &&
		    judge_reaches(world, &exchange->plan, from_ns, to_ns, (int)i))
			return true;
	return false;
}

/*
 * A worker with few descriptors had none left. It takes as many clients as it has descriptors for,
 * two for each, but the streams of one client over HTTP/2 may need many connections to backends.
 */
bool
judge_was_full(const struct world *world, const struct sim_exchange *exchange)
{
	for (unsigned i = 0; i < world->gateway.slots; i++)
		if (world->gateway.workers[i].node.full_ns >= exchange->sent_ns)
			return true;
	return false;
}

/* The job's URL is one to which nothing can be sent. */
static bool
leads_nowhere(
    const struct world *world, const struct exchange_plan *plan, uint64_t from_ns, uint64_t to_ns)
{
	for (unsigned i = 0; i < world->records.strange; i++)
		if (judge_reaches(world, plan, from_ns, to_ns, (int)(world->scenario.backends + i)))
			return true;
	return false;
}

/* The token's session may be over, which then counts for nothing: the job is public. */
static bool
is_not_ready(const struct world *world, const struct sim_exchange *exchange, uint64_t from_ns,
    uint64_t to_ns)
{
	const struct exchange_plan without = judge_without_token(&exchange->plan);

	return judge_holds(world, &exchange->plan, from_ns, to_ns, NOT_READY, -1) ||
	       (judge_session_may_be_over(world, exchange, to_ns) &&
		   judge_holds(world, &without, from_ns, to_ns, NOT_READY, -1));
}

/* Each title of 503 has causes of its own: what troubles backends never makes the store
 * unavailable.
 */
static bool
unavailable_is_right(const struct world *world, const struct sim_exchange *exchange,
    uint64_t from_ns, uint64_t to_ns)
{
	const struct exchange_plan *plan = &exchange->plan;
	unsigned troubles = TROUBLED_WORKER;

	if (strcmp(exchange->title, "Job not ready") == 0)
		return is_not_ready(world, exchange, from_ns, to_ns);
	if (strcmp(exchange->title, "Job is starting") == 0) /* its backend refuses connections */
		return leads_nowhere(world, plan, from_ns, to_ns) ||
		       judge_was_full(world, exchange) ||
		       judge_is_troubled(world, ~TROUBLED_STORE, exchange->sent_ns);
	if (strcmp(exchange->title, "Session ended") == 0)
		return world->cuts.last_ns >= exchange->sent_ns;
	if (strcmp(exchange->title, "Too many tokens in use") == 0)
		return judge_limits_full_is_right(world);
	if (strcmp(exchange->title, "Job moved") == 0)
		return plan->job >= 0 && judge_job_changed(world, plan, from_ns, to_ns);
	if (strcmp(exchange->title, "Store unavailable") == 0)
		troubles |= TROUBLED_STORE;
	else if (strcmp(exchange->title, "Job unavailable") == 0 &&
		 stays_unprocessed(world, exchange, from_ns, to_ns))
		return true;
	else if (strcmp(exchange->title, "Job unavailable") == 0)
		troubles |= TROUBLED_BACKEND;
	else if (strcmp(exchange->title, "Gateway busy") != 0)
		return false;
	else if (judge_was_full(world, exchange))
		return true;
	return judge_is_troubled(world, troubles, exchange->sent_ns);
}

/* While the store is out of reach, the list of public jobs is as it was: it only lets more records
 * be read, so no bound holds for it. */
static bool
may_be_unlisted(const struct world *world, const struct sim_exchange *exchange, uint64_t from_ns,
    uint64_t to_ns)
{
	return judge_shows_no_token(&exchange->plan) &&
	       (judge_is_troubled(world, TROUBLED_STORE | TROUBLED_WORKER, exchange->sent_ns) ||
		   judge_host_changed_hands(world, &exchange->plan, from_ns, to_ns));
}

/* Its token gave way to a public job, which is private by then, or has lost its host. */
static bool
lost_its_public_job(const struct world *world, const struct sim_exchange *exchange,
    uint64_t from_ns, uint64_t to_ns)
{
	const struct exchange_plan without = judge_without_token(&exchange->plan);

	return strcmp(exchange->title, "Invalid token") != 0 &&
	       judge_holds(world, &exchange->plan, from_ns, to_ns, OPEN, -1) &&
	       (judge_holds(world, &without, from_ns, to_ns, UNAUTHORIZED, -1) ||
		   judge_host_changed_hands(world, &exchange->plan, from_ns, to_ns));
}

/* The title says which of the two it is; that of a page, and the status of a call, do not. */
static bool
was_not_authorized(const struct world *world, const struct sim_exchange *exchange, uint64_t from_ns,
    uint64_t to_ns)
{
	const struct exchange_plan *plan = &exchange->plan;

	if (strcmp(exchange->title, "Token expired") != 0 &&
	    (judge_holds(world, plan, from_ns, to_ns, UNAUTHORIZED, -1) ||
		judge_holds(world, plan, from_ns, to_ns, UNLISTED, -1)))
		return true;
	return strcmp(exchange->title, "Invalid token") != 0 &&
	       judge_holds(world, plan, from_ns, to_ns, EXPIRED, -1);
}

/*
 * The host "job-2" may also be that of port 2 of a job "job". A session there is bound to one of
 * the two: where it does not reach what is served there, its browser signs in again.
 */
static bool
must_sign_in_again(const struct world *world, const struct sim_exchange *exchange, uint64_t from_ns,
    uint64_t to_ns)
{
	const struct exchange_plan *plan = &exchange->plan;

	return plan->by_session && plan->job > 0 &&
	       strcmp(exchange->title, "Token required") == 0 &&
	       (judge_holds(world, plan, from_ns, to_ns, NOT_FOUND, -1) ||
		   judge_holds(world, plan, from_ns, to_ns, FORBIDDEN, -1));
}

/* It was let in by its token, which does not reach the job any more: that the job is public by then
 * does not keep it. */
static bool
lost_its_scope(
    const struct world *world, const struct exchange_plan *plan, uint64_t from_ns, uint64_t to_ns)
{
	return judge_holds(world, plan, from_ns, to_ns, OPEN, -1) &&
	       (judge_holds(world, plan, from_ns, to_ns, FORWARD, -1) ||
		   judge_holds(world, plan, from_ns, to_ns, NOT_READY, -1));
}

/* The title says which of the two it is. */
static bool
was_forbidden(const struct world *world, const struct sim_exchange *exchange, uint64_t from_ns,
    uint64_t to_ns)
{
	const struct exchange_plan *plan = &exchange->plan;

	if (strcmp(exchange->title, "Address not allowed") != 0 &&
	    (judge_holds(world, plan, from_ns, to_ns, FORBIDDEN, -1) ||
		judge_holds(world, plan, from_ns, to_ns, TOO_WIDE, -1) ||
		lost_its_scope(world, plan, from_ns, to_ns)))
		return true;
	return strcmp(exchange->title, "Out of scope") != 0 &&
	       judge_holds(world, plan, from_ns, to_ns, OTHER_ADDRESS, -1);
}

bool
judge_refusal_is_right(
    const struct world *world, const struct sim_exchange *exchange, uint64_t to_ns)
{
	uint64_t from_ns = judge_before(exchange->sent_ns, judge_bound_ns(world));
	const struct exchange_plan *plan = &exchange->plan;

	if ((exchange->status == 502 || exchange->status == 503) &&
	    judge_another_was_well(world, exchange))
		return false;
	switch (exchange->status) {
	case 400:
		return judge_holds(world, plan, from_ns, to_ns, BAD_CREDENTIAL, -1);
	case 429: /* for a limit of the token, or in place of 401 */
		if (judge_over_limits_is_right(world, exchange, to_ns))
			return true;
		/* fall through */
	case 401: /* that a value could not be hashed for lack of memory counts as not valid */
		return (exchange->status == 401 || world->scenario.failed_auth_rate != 0) &&
		       (was_not_authorized(world, exchange, from_ns, to_ns) ||
			   may_be_unlisted(world, exchange, from_ns, to_ns) ||
			   lost_its_public_job(world, exchange, from_ns, to_ns) ||
			   must_sign_in_again(world, exchange, from_ns, to_ns) ||
			   judge_session_may_be_over(world, exchange, to_ns) ||
			   exchange->sent_ns <= world->judge.memory_ns);
	case 403:
		return was_forbidden(world, exchange, from_ns, to_ns) ||
		       judge_host_changed_hands(world, plan, from_ns, to_ns);
	case 404:
		return judge_holds(world, plan, from_ns, to_ns, NOT_FOUND, -1) ||
		       judge_host_changed_hands(world, plan, from_ns, to_ns);
	case 503:
		return unavailable_is_right(world, exchange, from_ns, to_ns);
	case 408:
		return plan->desertion != STAYS ||
		       judge_is_troubled(world, ~TROUBLED_STORE, exchange->sent_ns);
	case 504: /* first_byte may be over before body is */
		if (plan->desertion == STALLS_IN_CONTENT)
			return true;
		return plan->misdeed != MISDEED_NONE || judge_was_full(world, exchange) ||
		       judge_is_troubled(world, ~TROUBLED_STORE, exchange->sent_ns);
	case 501:
		return cannot_be_upgraded(world, exchange, from_ns, to_ns);
	case 502:
		return judge_was_ruined(world, exchange) || met_an_end(world, exchange) ||
		       leads_nowhere(world, plan, from_ns, to_ns) ||
		       plan->misdeed != MISDEED_NONE ||
		       judge_is_troubled(world, ~TROUBLED_STORE, exchange->sent_ns);
	default:
		return false;
	}
}

void
judge_refusal(struct world *world, uint32_t mark, const struct stamp *stamp)
{
	const struct sim_exchange *exchange = exchanges_get(&world->exchanges, mark);

	if (exchange->status >= 500)
		world->exchanges.refused_5xx++;
	if (!judge_refusal_is_right(world, exchange, stamp->sent_ns))
		judge_violation(world,
		    "exchange %u got %u (%s) at %llu us, for which there is no cause", mark,
		    exchange->status, exchange->title, (unsigned long long)stamp->sent_ns / 1000);
}
