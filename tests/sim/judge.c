/*
 * judge.c - the table of auth/README.md a second time, over the history of the records.
 *
 * What a worker knows of a record may be as old as max_staleness. So a verdict is right if it holds
 * for the token at some moment of that window, for the job at some moment of it, and for the set of
 * public jobs at some moment of it.
 */
#include "judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge_history.h"
#include "trace.h"
#include "world.h"

/*
 * What a worker may know is at most so much older than the call that sends the head. It has to read
 * the clock after all other calls, as it may be stopped in any of them. Only a stop in the very
 * call that sends is not its fault.
 */
#define GAP_NS ((uint64_t)NS_PER_MS)

/* A worker counts the wall clock in whole milliseconds: two readings may be rounded differently. */
#define ROUNDED_NS ((uint64_t)NS_PER_MS)

/* A worker notices that the wall clock was set at its next tick: 100 ms, and the tick's delay. */
#define SET_NS (110 * (uint64_t)NS_PER_MS)

/* What runs may go on for this much of the worker's running time past the bound. */
#define CUT_NS (60 * (uint64_t)NS_PER_MS)

/* The same where a push has told of the change. */
#define TOLD_NS (10 * (uint64_t)NS_PER_MS)

void
judge_violation(struct world *world, const char *format, ...)
{
	va_list args;
	char text[512];

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (world->judge.violations++ < 5)
		printf("VIOLATION seed %llu at %llu us: %s\n", (unsigned long long)world->seed,
		    (unsigned long long)schedule_now_ns() / 1000, text);
	trace_event("judge", "violation", 0, 0);
}

void
judge_trouble(struct world *world, unsigned troubles, uint64_t until_ns)
{
	for (unsigned i = 0; i < TROUBLES; i++)
		if ((troubles & 1u << i) != 0 && until_ns > world->judge.trouble_ns[i])
			world->judge.trouble_ns[i] = until_ns;
}

void
judge_troubles_end(struct world *world)
{
	for (unsigned i = 0; i < TROUBLES; i++)
		if (world->judge.trouble_ns[i] > schedule_now_ns())
			world->judge.trouble_ns[i] = schedule_now_ns();
}

/* ---- what was seen ---- */

/* What a worker may have known in a call that began then. */
static struct judge_window
known_at(const struct world *world, const struct node *node, uint64_t at_ns)
{
	return (struct judge_window){.from_ns = judge_before(at_ns, judge_bound_ns(world) + GAP_NS),
	    .to_ns = at_ns,
	    .clock_ns = judge_before(at_ns, GAP_NS + ROUNDED_NS),
	    .set_ns = node_ran_since_ns(node, at_ns, SET_NS)};
}

/*
 * Without an identity only its job's record counts from the decision on. A token that it shows has
 * to have been valid until then.
 */
static bool
may_be_sent(const struct world *world, const struct sim_exchange *exchange,
    const struct judge_window *window, int backend)
{
	const struct exchange_plan without = judge_without_token(&exchange->plan);
	struct judge_window all = *window;

	if (!exchange->open)
		return judge_was_signed_in(world, &exchange->plan, window->from_ns) &&
		       judge_gives(world, &exchange->plan, window, FORWARD, backend);
	all.from_ns = all.clock_ns = judge_before(exchange->sent_ns, judge_bound_ns(world));
	return (judge_gives(world, &without, window, OPEN, backend) ||
		   judge_gives(world, &without, window, UNLISTED, backend)) &&
	       (judge_gives(world, &exchange->plan, &all, OPEN, -1) ||
		   judge_session_may_be_over(
		       world, exchange, window->to_ns)); /* it counts no more */
}

void
judge_forward(struct world *world, uint32_t mark, int backend, const struct end *end,
    const struct stamp *stamp, const struct told *told)
{
	struct sim_exchange *exchange = exchanges_get(&world->exchanges, mark);
	struct judge_window window = known_at(world, end->peer->owner, stamp->begun_ns);

	if (exchange == NULL) {
		judge_violation(world, "backend %d got a request that was never made", backend);
		return;
	}
	exchange->forward_ns = stamp->begun_ns;
	exchange->sender = end->peer->owner;
	exchange->backend = backend;
	exchange->seen++;
	exchange->open = judge_is_told_rightly(world, mark, &exchange->plan, told);
	if (!may_be_sent(world, exchange, &window, backend))
		judge_violation(world,
		    "exchange %u was forwarded to backend %d at %llu us (in a call made at %llu "
		    "us), "
		    "which no record allowed since %llu us",
		    mark, backend, (unsigned long long)stamp->sent_ns / 1000,
		    (unsigned long long)stamp->begun_ns / 1000,
		    (unsigned long long)window.from_ns / 1000);
	if (exchange->seen == 1)
		judge_choice(world, exchange, mark);
}

/* At first, then after a connection that was at its end, one that broke, and a refusal. */
#define SEEN_MAX 4

void
judge_processed(struct world *world, uint32_t mark)
{
	struct sim_exchange *exchange = exchanges_get(&world->exchanges, mark);
	bool idempotent = strcmp(exchange_method(&exchange->plan, mark), "POST") != 0;

	exchange->processed++;
	if (exchange->processed > 1 && !idempotent)
		judge_violation(
		    world, "exchange %u, which is not idempotent, was processed twice", mark);
	if (exchange->seen > SEEN_MAX)
		judge_violation(world, "exchange %u was sent %llu times", mark,
		    (unsigned long long)exchange->seen);
}

void
judge_grant(
    struct world *world, uint32_t mark, const struct end *end, const struct stamp *stamp, bool open)
{
	const struct sim_exchange *exchange = exchanges_get(&world->exchanges, mark);
	struct judge_window window = known_at(world, end->peer->owner, stamp->begun_ns);

	/* Who may reach a job may sign in before it is ready. */
	if ((!judge_gives(world, &exchange->plan, &window, open ? OPEN : FORWARD, -1) &&
		!judge_gives(world, &exchange->plan, &window, NOT_READY, -1)) ||
	    !judge_was_signed_in(world, &exchange->plan, window.from_ns))
		judge_violation(world,
		    "exchange %u was granted at %llu us, which no record allowed since %llu us",
		    mark, (unsigned long long)stamp->sent_ns / 1000,
		    (unsigned long long)window.from_ns / 1000);
}

/* The wall clock says when a session ends. */
static bool
clock_was_set(const struct world *world)
{
	return world->faults.count[FAULT_STEP_CLOCK] > 0;
}

/* A session's end is in whole seconds. */
bool
judge_session_may_be_over(
    const struct world *world, const struct sim_exchange *exchange, uint64_t at_ns)
{
	return exchange->plan.by_session &&
	       (clock_was_set(world) || at_ns + 2 * NS_PER_S >= exchange->session_ends_ns ||
		   !judge_was_signed_in(world, &exchange->plan, at_ns + 2 * NS_PER_S));
}

static bool
session_was_over(const struct world *world, const struct sim_exchange *exchange, uint64_t at_ns)
{
	return exchange->plan.by_session && !clock_was_set(world) &&
	       at_ns > exchange->session_ends_ns;
}

/* The longest that a packet between store and worker takes. */
static uint64_t
store_packet_ns(const struct scenario *scenario)
{
	const struct host_rules *store = &scenario->rules[RULES_STORE];
	const struct host_rules *gateway = &scenario->rules[RULES_GATEWAY];

	return store->delay_ns + store->jitter_ns + gateway->delay_ns + gateway->jitter_ns;
}

uint64_t
judge_told_ns(const struct world *world)
{
	return TOLD_NS + 3 * store_packet_ns(&world->scenario);
}

/*
 * While all is well with worker and store, changes before this moment have been told and have had
 * their effect: a push arrives, the record is read again, and 10 ms of the worker's time are over.
 * 0: that cannot be said. Records that end by themselves do without a push.
 */
static uint64_t
told_since_ns(const struct world *world, const struct node *node, uint64_t at_ns)
{
	if (world->scenario.expires ||
	    judge_is_troubled(world, TROUBLED_STORE | TROUBLED_WORKER, at_ns))
		return 0;
	return node_ran_since_ns(node, at_ns, judge_told_ns(world));
}

/* What moved then has to be allowed by a state of the records that held at this moment or later. */
static uint64_t
moved_since_ns(const struct world *world, const struct node *node, uint64_t at_ns)
{
	uint64_t from_ns = node_ran_since_ns(node, at_ns, judge_bound_ns(world) + CUT_NS);
	uint64_t told_ns = told_since_ns(world, node, at_ns);

	return told_ns > from_ns ? told_ns : from_ns;
}

static bool
may_move(const struct world *world, const struct sim_exchange *exchange, const struct node *node,
    uint64_t at_ns)
{
	const struct judge_window window = {.from_ns = moved_since_ns(world, node, at_ns),
	    .to_ns = at_ns,
	    .clock_ns = node_ran_since_ns(node, at_ns, CUT_NS),
	    .set_ns = node_ran_since_ns(node, at_ns, CUT_NS + SET_NS)};
	struct exchange_plan without;

	if (exchange->cut_ns != 0 && at_ns > exchange->cut_ns)
		return false;
	if (!exchange->open)
		return !session_was_over(world, exchange, window.clock_ns) &&
		       judge_was_signed_in(world, &exchange->plan,
			   node_ran_since_ns(node, at_ns, judge_bound_ns(world) + CUT_NS)) &&
		       judge_gives(world, &exchange->plan, &window, FORWARD, -1);
	without = judge_without_token(&exchange->plan);
	return judge_gives(world, &without, &window, OPEN, -1) ||
	       judge_gives(world, &without, &window, UNLISTED, -1);
}

void
judge_moved(struct world *world, uint32_t mark, const struct node *node, const struct stamp *stamp,
    const char *where)
{
	const struct sim_exchange *exchange = exchanges_get(&world->exchanges, mark);

	if (exchange != NULL && may_move(world, exchange, node, stamp->sent_ns))
		return;
	judge_violation(world,
	    "content of exchange %u moved to its %s at %llu us, which no record allowed since %llu "
	    "us, or after its session",
	    mark, where, (unsigned long long)stamp->sent_ns / 1000,
	    (unsigned long long)moved_since_ns(world, node, stamp->sent_ns) / 1000);
}

/*
 * The bound holds for what moves between the two ends. An exchange is over once its whole answer
 * has been handed to the client's end: what waits there then, for a client that reads slowly or a
 * packet that was lost, is like what waits in the kernel, and no revocation takes it back. The ends
 * hold little, so all content before these last bytes is judged by when it left. A backend that
 * breaks a rule ends its exchange before its whole answer has moved: of such an answer as much may
 * come late, wherever it ends.
 */
static bool
had_been_handed_over(struct sim_exchange *exchange, const struct content_place *place)
{
	if (exchange->late_from == 0)
		exchange->late_from = place->offset + 1;
	return place->offset + place->buffered >= exchange->answered ||
	       (exchange->plan.misdeed != MISDEED_NONE &&
		   place->offset + place->len < exchange->late_from + place->buffered);
}

void
judge_came(struct world *world, uint32_t mark, const struct end *end, const struct stamp *stamp,
    const struct content_place *place)
{
	struct sim_exchange *exchange = exchanges_get(&world->exchanges, mark);
	const struct node *node = end->peer->owner;

	if (exchange->answered_ns != 0 && exchange->answered_ns < stamp->sent_ns &&
	    !may_move(world, exchange, node, stamp->sent_ns) &&
	    may_move(world, exchange, node, exchange->answered_ns) &&
	    had_been_handed_over(exchange, place))
		return;
	judge_moved(world, mark, node, stamp, "client");
}

/* A worker that is stopped late stays stopped when the fault is over. */
static uint64_t
last_stop_ns(const struct world *world)
{
	uint64_t last_ns = 0;

	for (unsigned i = 0; i < world->gateway.slots; i++) {
		uint64_t to_ns = node_last_stop_ns(&world->gateway.workers[i].node);

		last_ns = to_ns > last_ns ? to_ns : last_ns;
	}
	return last_ns;
}

bool
judge_is_troubled(const struct world *world, unsigned troubles, uint64_t at_ns)
{
	uint64_t since_ns = judge_before(at_ns, scenario_recovery_ns(&world->scenario));

	if ((troubles & TROUBLED_STORE) != 0 && world->gateway.supervisor.in_nowhere)
		return true;
	if ((troubles & TROUBLED_WORKER) != 0 && since_ns < last_stop_ns(world))
		return true;
	for (unsigned i = 0; i < TROUBLES; i++)
		if ((troubles & 1u << i) != 0 && since_ns <= world->judge.trouble_ns[i])
			return true;
	return false;
}

/* How much of its answer a backend has sent before it closes its connection. */
static size_t
last_words(const struct exchange_plan *plan)
{
	return plan->misdeed == MISDEED_CUT	      ? plan->answer_len / 2
	       : plan->misdeed == MISDEED_EARLY_CLOSE ? plan->answer_len
						      : 0;
}

/*
 * What a backend has sent before it closed must come through. Another stream may have ended its
 * connection earlier than its plan says, or before all of it had left.
 */
static bool
lost_last_words(const struct world *world, const struct sim_exchange *exchange)
{
	const struct exchange_plan *plan = &exchange->plan;
	uint64_t from_ns = judge_before(exchange->sent_ns, judge_bound_ns(world));

	return (exchange->result == RESULT_CUT || exchange->result == RESULT_LOST) &&
	       world->cuts.last_ns < exchange->sent_ns && exchange->seen > 0 &&
	       exchange->received < last_words(plan) && exchange->answered >= last_words(plan) &&
	       !exchange->unsent &&
	       (plan->desertion == STAYS || plan->desertion == LOST_ITS_CONNECTION) &&
	       !plan->tunnel && !plan->head_only && plan->deadline_ms == 0 &&
	       plan->credential_kind == CREDENTIAL_VALID && plan->job >= 0 &&
	       !judge_is_troubled(world, TROUBLED, exchange->sent_ns) &&
	       !judge_job_changed(world, plan, from_ns, UINT64_MAX) &&
	       !judge_token_changed(&world->records.token[plan->token], from_ns);
}

/* A packet that was lost once or twice makes a tunnel silent for so long. */
#define SILENT_MS 1000

static bool
tunnel_may_be_silent(const struct world *world, const struct exchange_plan *plan)
{
	return plan->tunnel && world->scenario.tunnel <= SILENT_MS;
}

void
judge_result(struct world *world, uint32_t mark)
{
	struct sim_exchange *exchange = exchanges_get(&world->exchanges, mark);
	const struct exchange_plan *plan = &exchange->plan;
	bool sound = !judge_session_may_be_over(world, exchange, schedule_now_ns()) &&
		     !judge_call_was_silent(world, exchange, schedule_now_ns()) &&
		     !tunnel_may_be_silent(world, plan) && plan->desertion == STAYS &&
		     plan->deadline_ms == 0 && plan->misdeed == MISDEED_NONE &&
		     !judge_shows_bad_credential(plan) && plan->job >= 0;

	exchange->ended_ns = schedule_now_ns();
	world->exchanges.results[exchange->result]++;
	trace_event("client", "result", mark, (uint64_t)exchange->result << 16 | exchange->status);
	if (lost_last_words(world, exchange))
		judge_violation(world,
		    "exchange %u: its backend sent %zu bytes before it closed, of which %llu came",
		    mark, last_words(plan), (unsigned long long)exchange->received);
	if (!sound || exchange->sent_ns < world->judge.healthy_ns ||
	    exchange->result == RESULT_ANSWERED || exchange->result == RESULT_REFUSED)
		return;
	judge_violation(world,
	    "exchange %u, sent at %llu us when all was well, came to nothing (%u)", mark,
	    (unsigned long long)exchange->sent_ns / 1000, (unsigned)exchange->result);
}
