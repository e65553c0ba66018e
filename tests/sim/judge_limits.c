/*
 * judge_limits.c - the limits of tokens, counted a second time. When a worker counts a request is
 * not seen here, only between which moments it does: so too many is what no such moments explain.
 */
#include "judge_limits.h"

#include <stdlib.h>
#include <string.h>

#include "judge.h"
#include "judge_history.h"
#include "world.h"

static bool
shows_token(const struct sim_exchange *exchange, unsigned token)
{
	return exchange->plan.token == token && exchange->plan.credential_kind <= CREDENTIAL_OLD;
}

/* ---- refusals ---- */

/* How long a whole burst takes at the rate. */
static uint64_t
burst_ns(const struct scenario *scenario)
{
	return scenario->limit_burst * (uint64_t)NS_PER_S / scenario->limit_rate;
}

/* At least so many other requests of the token may have been counted between these moments. */
static bool
may_be_counted(const struct world *world, const struct sim_exchange *exchange, uint64_t from_ns,
    uint64_t to_ns, uint64_t wanted)
{
	uint64_t count = 0;

	/* The last ones are the likely ones. */
	for (size_t i = world->exchanges.count; i > 0 && count < wanted; i--) {
		const struct sim_exchange *other = &world->exchanges.all[i - 1];

		count += other != exchange && shows_token(other, exchange->plan.token) &&
			 other->sent_ns <= to_ns &&
			 (other->ended_ns == 0 || other->ended_ns >= from_ns);
	}
	return count >= wanted;
}

/*
 * Its worker has surely given its permit back by then. What came to no good end for its client may
 * run on there for long, and so may a tunnel whose backend has not closed its half, and an upload
 * that was answered early.
 */
static bool
is_surely_over(const struct sim_exchange *exchange, uint64_t at_ns)
{
	bool whole = !exchange->plan.tunnel &&
		     (exchange->plan.request_len == 0 || exchange->request_seen_whole);

	return exchange->ended_ns < at_ns && (exchange->result == RESULT_REFUSED ||
						 (exchange->result == RESULT_ANSWERED && whole));
}

/* At least so many others may have run since the request was sent. */
static bool
may_run(
    const struct world *world, const struct sim_exchange *exchange, uint64_t to_ns, uint64_t wanted)
{
	uint64_t count = 0;

	for (size_t i = world->exchanges.count; i > 0 && count < wanted; i--) {
		const struct sim_exchange *other = &world->exchanges.all[i - 1];

		count += other != exchange && shows_token(other, exchange->plan.token) &&
			 !is_surely_over(other, exchange->sent_ns) && other->sent_ns <= to_ns;
	}
	return count >= wanted;
}

bool
judge_over_limits_is_right(
    const struct world *world, const struct sim_exchange *exchange, uint64_t to_ns)
{
	const struct scenario *scenario = &world->scenario;

	if (exchange->plan.credential_kind > CREDENTIAL_OLD)
		return false;
	if (scenario->limit_rate > 0 &&
	    strcmp(exchange->title, "Too many requests at a time") != 0 &&
	    may_be_counted(world, exchange, judge_before(exchange->sent_ns, burst_ns(scenario)),
		to_ns, scenario->limit_burst))
		return true;
	return scenario->limit_concurrency > 0 && strcmp(exchange->title, "Rate exceeded") != 0 &&
	       may_run(world, exchange, to_ns, scenario->limit_concurrency);
}

bool
judge_limits_full_is_right(const struct world *world)
{
	return (world->scenario.limit_rate > 0 || world->scenario.limit_concurrency > 0) &&
	       world->scenario.tokens > world->scenario.limit_places;
}

/* ---- what was let through ---- */

/* A request was counted, or ran, between these moments. */
struct interval {
	uint64_t from_ns, to_ns;
};

#define INTERVALS_MAX 2000 /* of a token; the work grows with the square */

static int
compare_ends(const void *a, const void *b)
{
	uint64_t left = ((const struct interval *)a)->to_ns,
		 right = ((const struct interval *)b)->to_ns;

	return (left > right) - (left < right);
}

/* A client that forwards auth does not use the concurrency: such exchanges reach no backend. */
static bool
has_run(const struct sim_exchange *exchange)
{
	return exchange->result == RESULT_ANSWERED && exchange->seen > 0 &&
	       exchange->answered_ns > exchange->forward_ns && !exchange->plan.tunnel;
}

static size_t
collect(const struct world *world, unsigned token, bool running, struct interval *out)
{
	size_t count = 0;

	for (size_t i = 0; i < world->exchanges.count && count < INTERVALS_MAX; i++) {
		const struct sim_exchange *exchange = &world->exchanges.all[i];

		/* Where a token gives way to a public job, the request counts for no token. */
		if (!shows_token(exchange, token) || exchange->open)
			continue;
		if (running && has_run(exchange))
			out[count++] =
			    (struct interval){exchange->forward_ns, exchange->answered_ns};
		else if (!running && exchange->seen > 0)
			out[count++] = (struct interval){exchange->sent_ns, exchange->forward_ns};
	}
	qsort(out, count, sizeof(*out), compare_ends);
	return count;
}

/* All that were counted between the start of one and the end of another fit into the rate. */
static void
check_rate(struct world *world, unsigned token, const struct interval *all, size_t count)
{
	const struct scenario *scenario = &world->scenario;

	for (size_t i = 0; i < count; i++) {
		uint64_t within = 0;

		for (size_t k = 0; k < count; k++) {
			uint64_t ns;

			if (all[k].from_ns < all[i].from_ns)
				continue;
			within++;
			ns = all[k].to_ns - all[i].from_ns;
			if (within <=
			    scenario->limit_burst + 1 + ns * scenario->limit_rate / NS_PER_S)
				continue;
			judge_violation(world, "token %u: %llu requests in %llu us, over its rate",
			    token, (unsigned long long)within, (unsigned long long)ns / 1000);
			return;
		}
	}
}

/* At the end of each, no more ran than may. */
static void
check_concurrency(struct world *world, unsigned token, const struct interval *all, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t running = 0;

		for (size_t k = i; k < count; k++) /* those before it had ended */
			running += all[k].from_ns < all[i].to_ns;
		if (running <= world->scenario.limit_concurrency)
			continue;
		judge_violation(world, "token %u: %llu requests ran at %llu us, more than may",
		    token, (unsigned long long)running, (unsigned long long)all[i].to_ns / 1000);
		return;
	}
}

void
judge_limits(struct world *world)
{
	static struct interval all[INTERVALS_MAX];
	const struct scenario *scenario = &world->scenario;

	for (unsigned token = 0; token < scenario->tokens; token++) {
		/* A worker that was stopped counts by the time before it. */
		if (scenario->limit_rate > 0 && world->faults.count[FAULT_PAUSE] == 0)
			check_rate(world, token, all, collect(world, token, false, all));
		if (scenario->limit_concurrency > 0)
			check_concurrency(world, token, all, collect(world, token, true, all));
	}
}
