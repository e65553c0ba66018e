/* supervisor.c - carries out what the state machine decides, as proxy/server/actions.c does it. */
#include "supervisor.h"

#include <stdlib.h>

#include "clocks.h"
#include "jobgate/container_of.h"
#include "trace.h"
#include "world.h"

#define NAP_MS 200

static uint64_t
now_ms(void)
{
	return clocks_read_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

static struct gateway_worker *
worker_in(struct supervisor_model *supervisor, unsigned slot)
{
	return &supervisor->gateway->workers[slot - SLOT_WORKERS];
}

/* ---- actions ---- */

static void
spawn(struct supervisor_model *supervisor, const struct supervision_action *action)
{
	const struct child *child = supervision_child(supervisor->machine, action->slot);

	if (child->role == CHILD_CONTROL)
		supervisor->control = true;
	else
		gateway_spawn(worker_in(supervisor, action->slot), child->index, action->on,
		    supervisor->nowhere);
}

static void
retire(struct supervisor_model *supervisor, unsigned slot, enum retire_how how)
{
	if (slot == SLOT_CONTROL) {
		supervisor->control = false;
		supervision_ended(supervisor->machine, slot, now_ms());
		return;
	}
	switch (how) {
	case RETIRE_GENTLY:
		gateway_order(worker_in(supervisor, slot), WORKER_DRAIN_GENTLY);
		return;
	case RETIRE_DRAIN:
		gateway_order(worker_in(supervisor, slot), WORKER_DRAIN);
		return;
	case RETIRE_AT_ONCE:
		gateway_order(worker_in(supervisor, slot), WORKER_STOP);
		return;
	case RETIRE_REPLACED:
		return;
	}
}

static void
tell_orphans(struct supervisor_model *supervisor)
{
	struct gateway *gateway = supervisor->gateway;

	atomic_fetch_add_explicit(&gateway->shared->orphan_changes, 1, memory_order_release);
	for (unsigned i = 0; i < gateway->slots; i++)
		gateway_order(&gateway->workers[i], WORKER_LOOK_AT_ORPHANS);
}

static void
prepare(struct supervisor_model *supervisor)
{
	supervisor->reloads++;
	supervisor->was_nowhere = supervisor->nowhere;
	supervisor->nowhere = supervisor->to_nowhere;
	supervision_prepared(supervisor->machine, &supervisor->settings, now_ms());
}

/*
 * The generation is in force. One whose store is out of reach may be only if the one before had
 * lost its own; then there is no store for as long as it is in force.
 */
static void
check_store(struct supervisor_model *supervisor)
{
	struct world *world = supervisor->gateway->world;
	const unsigned troubles = TROUBLED_STORE | TROUBLED_WORKER;

	if (supervisor->in_nowhere && !supervisor->nowhere)
		judge_trouble(world, TROUBLED_STORE, schedule_now_ns());
	if (!supervisor->in_nowhere && supervisor->nowhere &&
	    !judge_is_troubled(world, troubles, schedule_now_ns()))
		judge_violation(world,
		    "a reload to a store that is out of reach took effect, though the old one was "
		    "in reach");
	supervisor->in_nowhere = supervisor->nowhere;
}

static void
carry_out(struct supervisor_model *supervisor, const struct supervision_action *action)
{
	trace_event("supervisor", "acts", action->type, action->slot);
	switch (action->type) {
	case ACTION_SPAWN:
		spawn(supervisor, action);
		return;
	case ACTION_RETIRE:
		retire(supervisor, action->slot, action->how);
		return;
	case ACTION_ABORT:
	case ACTION_KILL:
		gateway_kill(worker_in(supervisor, action->slot));
		return;
	case ACTION_SERVES:
		counter_set(&worker_in(supervisor, action->slot)->setup.stats->serving, action->on);
		return;
	case ACTION_WITHOUT_STORE:
		counter_set(&worker_in(supervisor, action->slot)->setup.stats->without_store, 1);
		return;
	case ACTION_ORPHANED:
		counter_set(
		    &worker_in(supervisor, action->slot)->setup.stats->orphaned, action->on);
		return;
	case ACTION_TELL_ORPHANS:
		tell_orphans(supervisor);
		return;
	case ACTION_PREPARE:
		prepare(supervisor);
		return;
	case ACTION_READY:
		check_store(supervisor);
		return;
	case ACTION_TAKE_BACK:
		trace_say("supervisor", "takes the reload back: %d", (int)action->failure);
		supervisor->taken_back++;
		supervisor->nowhere = supervisor->was_nowhere;
		return;
	case ACTION_BAD_TRANSITION:
		judge_violation(supervisor->gateway->world,
		    "supervision: a transition that is "
		    "not in its table (slot %u)",
		    action->slot);
		return;
	case ACTION_LOST:
	case ACTION_NO_SLOT:
	case ACTION_STORE_LATE:
	case ACTION_STORE_LOST:
	case ACTION_SETTLE:
	case ACTION_UPGRADE:
	case ACTION_STOPPING:
		return;
	}
}

static void
act(struct supervisor_model *supervisor)
{
	struct supervision_action action;

	while (supervision_next(supervisor->machine, &action))
		carry_out(supervisor, &action);
}

/* ---- events ---- */

static void
report_worker(struct supervisor_model *supervisor, unsigned slot)
{
	const struct worker_stats *stats = worker_in(supervisor, slot)->setup.stats;
	const struct child_report report = {.accepting = counter_get(&stats->accepting) != 0,
	    .ready = counter_get(&stats->ready) != 0,
	    .store_up = counter_get(&stats->store_up) != 0,
	    .draining = counter_get(&stats->draining) != 0,
	    .beats = counter_get(&stats->beats)};

	supervision_report(supervisor->machine, slot, &report);
}

static void
reap(struct supervisor_model *supervisor, unsigned slot)
{
	if (!gateway_reap(worker_in(supervisor, slot)))
		return;
	report_worker(supervisor, slot);
	gateway_clear(worker_in(supervisor, slot));
	supervision_ended(supervisor->machine, slot, now_ms());
}

static void
on_tick(struct alarm *alarm)
{
	struct supervisor_model *supervisor = container_of(alarm, struct supervisor_model, tick);
	const struct child_report control = {.beats = ++supervisor->control_beats};
	unsigned slots = SLOT_WORKERS + supervisor->gateway->slots;

	for (unsigned slot = SLOT_WORKERS; slot < slots; slot++)
		reap(supervisor, slot);
	for (unsigned slot = SLOT_WORKERS; slot < slots; slot++)
		report_worker(supervisor, slot);
	supervision_report(supervisor->machine, SLOT_CONTROL, &control);
	supervision_tick(supervisor->machine, now_ms());
	act(supervisor);
	if (supervision_phase(supervisor->machine) != PHASE_STOPPED)
		alarm_set(
		    alarm, schedule_now_ns() +
			       (supervision_due_ms(supervisor->machine, now_ms(), NAP_MS) + 1) *
				   NS_PER_MS);
}

void
supervisor_model_look(struct supervisor_model *supervisor)
{
	alarm_set(&supervisor->tick, schedule_now_ns());
}

void
supervisor_model_reload(struct supervisor_model *supervisor, bool to_nowhere)
{
	supervisor->to_nowhere = to_nowhere;
	supervision_order(supervisor->machine, ORDER_RELOAD, now_ms());
	supervisor_model_look(supervisor);
}

void
supervisor_model_stop(struct supervisor_model *supervisor)
{
	supervision_order(supervisor->machine, ORDER_STOP, now_ms());
	supervisor_model_look(supervisor);
}

void
supervisor_model_start(struct supervisor_model *supervisor, struct gateway *gateway)
{
	const struct scenario *scenario = &gateway->world->scenario;
	struct supervision_options options = {
	    .worker_slots = gateway->slots, .late_ms = HEARTBEAT_LATE_MS};

	supervisor->settings = (struct supervision_settings){
	    .workers = scenario->workers,
	    .drain_ms = scenario->drain,
	    .watchdog_ms = gateway->config->timeouts.watchdog,
	    .proof_ms = scenario->connect_store + scenario->ping_deadline,
	    .staleness_ms = scenario->staleness,
	};
	supervisor->gateway = gateway;
	supervisor->tick.fire = on_tick;
	options.settings = supervisor->settings;
	supervisor->machine = supervision_new(&options);
	if (supervisor->machine == NULL)
		abort();
	supervision_start(supervisor->machine, now_ms());
	act(supervisor);
	supervisor_model_look(supervisor);
}
