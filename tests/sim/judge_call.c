/* judge_call.c - how gRPC calls may end: the rules for statuses of HTTP, for those of gRPC. */
#include <stdio.h>

#include "judge.h"
#include "world.h"

bool
judge_call_was_silent(
    const struct world *world, const struct sim_exchange *exchange, uint64_t to_ns)
{
	return exchange->plan.call &&
	       to_ns >= exchange->sent_ns + (world->scenario.tunnel - 1) * NS_PER_MS;
}

/* One of the statuses of HTTP and titles that stand behind a status of gRPC would be right. */
static bool
unavailable_call_is_right(
    const struct world *world, const struct sim_exchange *exchange, uint64_t to_ns)
{
	static const char *const titles[] = {"Job not ready", "Job moved", "Store unavailable",
	    "Job unavailable", "Gateway busy", "Too many tokens in use", "Session ended"};
	struct sim_exchange like = *exchange;

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		like.status = 503;
		snprintf(like.title, sizeof(like.title), "%s", titles[i]);
		if (judge_refusal_is_right(world, &like, to_ns))
			return true;
	}
	if (judge_call_was_silent(world, exchange, to_ns))
		return true;
	like.status = 429;
	if (judge_refusal_is_right(world, &like, to_ns))
		return true;
	like.status = 502;
	/* When a worker has to go, it ends what still runs. */
	return judge_refusal_is_right(world, &like, to_ns) ||
	       world->faults.count[FAULT_RELOAD] > 0 ||
	       world->faults.count[FAULT_RELOAD_NOWHERE] > 0;
}

static bool
call_end_is_right(
    const struct world *world, const struct sim_exchange *exchange, bool begun, uint64_t to_ns)
{
	const struct exchange_plan *plan = &exchange->plan;
	struct sim_exchange like = *exchange;

	switch (exchange->call_status) {
	case 4: /* whole milliseconds are counted */
		return plan->deadline_ms > 0 &&
		       to_ns + NS_PER_MS >=
			   exchange->sent_ns + plan->deadline_ms * (uint64_t)NS_PER_MS;
	case 8:
		like.status = 429;
		return judge_refusal_is_right(world, &like, to_ns);
	case 16:
		like.status = 401;
		return judge_refusal_is_right(world, &like, to_ns);
	case 13:
		like.status = 400;
		return judge_refusal_is_right(world, &like, to_ns);
	case 12:
		like.status = 404;
		return judge_refusal_is_right(world, &like, to_ns);
	case 7:
		like.status = 403;
		if (judge_refusal_is_right(world, &like, to_ns))
			return true;
		like.status = 404; /* a job that is gone in the middle of a call */
		return begun && judge_refusal_is_right(world, &like, to_ns);
	case 14:
		return unavailable_call_is_right(world, exchange, to_ns);
	case 2: /* the client did not send its messages in time */
		like.status = 408;
		return judge_refusal_is_right(world, &like, to_ns);
	default:
		return false;
	}
}

void
judge_call_end(struct world *world, uint32_t mark, bool begun, const struct stamp *stamp)
{
	const struct sim_exchange *exchange = exchanges_get(&world->exchanges, mark);

	if (!call_end_is_right(world, exchange, begun, stamp->sent_ns))
		judge_violation(world,
		    "call %u ended with %u at %llu us, for which there is no cause", mark,
		    exchange->call_status, (unsigned long long)stamp->sent_ns / 1000);
}
