/* supervision.c - the supervisor's state machine: its events, its orders, and the stop. */
#include "server/supervision.h"

#include <assert.h>
#include <stdlib.h>

#include "jobgate/state.h"
#include "server/supervision_state.h"

static const struct state_row supervision_phases[] = {
    [PHASE_STARTING] = {"starting",
	STATE(PHASE_FAILING) | STATE(PHASE_SERVING) | STATE(PHASE_STOPPING_WORKERS)},
    [PHASE_FAILING] = {"failing",
	STATE(PHASE_STARTING) | STATE(PHASE_SERVING) | STATE(PHASE_STOPPING_WORKERS)},
    [PHASE_SERVING] = {"serving", STATE(PHASE_REPLACING) | STATE(PHASE_STOPPING_WORKERS)},
    [PHASE_REPLACING] = {"replacing", STATE(PHASE_SERVING) | STATE(PHASE_STOPPING_WORKERS)},
    [PHASE_STOPPING_WORKERS] = {"stopping_workers", STATE(PHASE_STOPPING_CONTROL)},
    [PHASE_STOPPING_CONTROL] = {"stopping_control", STATE(PHASE_STOPPING_REDIS)},
    [PHASE_STOPPING_REDIS] = {"stopping_redis", STATE(PHASE_STOPPED)},
    [PHASE_STOPPED] = {"stopped", 0},
};

const char *
supervision_phase_name(enum supervision_phase phase)
{
	return supervision_phases[phase].name;
}

void
supervision_set_phase(struct supervision *supervision, enum supervision_phase to)
{
	if (!state_allows(supervision_phases, supervision->phase, to))
		supervision_act(
		    supervision, (struct supervision_action){.type = ACTION_BAD_TRANSITION});
	PROBE_STATE(supervision, supervision, supervision->phase, to);
	supervision->phase = to;
}

/* ---- actions ---- */

void
supervision_act(struct supervision *supervision, struct supervision_action action)
{
	size_t at = supervision->action_first + supervision->action_count;

	assert(supervision->action_count < supervision->action_max);
	supervision->actions[at % supervision->action_max] = action;
	supervision->action_count++;
}

bool
supervision_next(struct supervision *supervision, struct supervision_action *out)
{
	if (supervision->action_count == 0)
		return false;
	*out = supervision->actions[supervision->action_first];
	supervision->action_first = (supervision->action_first + 1) % supervision->action_max;
	supervision->action_count--;
	return true;
}

/* ---- the beginning ---- */

struct supervision *
supervision_new(const struct supervision_options *options)
{
	struct supervision *supervision = calloc(1, sizeof(*supervision));
	size_t slots = SLOT_WORKERS + options->worker_slots;

	if (supervision == NULL)
		return NULL;
	supervision->options = *options;
	supervision->settings = options->settings;
	supervision->tuning = options->tuning != NULL ? options->tuning : &jg_tuning.supervision;
	supervision->action_max = slots * ACTIONS_OF_SLOT + ACTIONS_SPARE;
	supervision->actions = calloc(supervision->action_max, sizeof(*supervision->actions));
	supervision->children = calloc(slots, sizeof(*supervision->children));
	if (supervision->actions == NULL || supervision->children == NULL) {
		supervision_free(supervision);
		return NULL;
	}
	for (size_t i = 0; i < slots; i++) {
		supervision->children[i].slot = (unsigned)i;
		supervision->children[i].role =
		    i < SLOT_WORKERS ? (enum child_role)i : CHILD_WORKER;
	}
	return supervision;
}

void
supervision_free(struct supervision *supervision)
{
	if (supervision == NULL)
		return;
	free(supervision->actions);
	free(supervision->children);
	free(supervision);
}

unsigned
supervision_adopt(
    struct supervision *supervision, enum child_role role, bool retiring, uint64_t now_ms)
{
	struct child *child =
	    role == CHILD_WORKER ? child_free_slot(supervision) : &supervision->children[role];

	assert(child != NULL); /* the caller has counted them */
	child->started_ms = now_ms;
	if (role != CHILD_WORKER)
		child_set_state(supervision, child, CHILD_RUNNING);
	else if (!retiring)
		child_set_state(supervision, child, CHILD_OLD);
	else
		child_retire(
		    supervision, child, RETIRE_GENTLY, child_kill_after_ms(supervision), now_ms);
	return child->slot;
}

void
supervision_adopted(struct supervision *supervision)
{
	supervision->warm = true;
}

void
supervision_start_redis(struct supervision *supervision, uint64_t now_ms)
{
	if (supervision->children[SLOT_REDIS].state == CHILD_UNUSED)
		child_spawn(supervision, &supervision->children[SLOT_REDIS], now_ms);
}

void
supervision_start(struct supervision *supervision, uint64_t now_ms)
{
	if (supervision->children[SLOT_CONTROL].state == CHILD_UNUSED)
		child_spawn(supervision, &supervision->children[SLOT_CONTROL], now_ms);
	generation_start(supervision, now_ms);
	if (!supervision->warm)
		generation_serves(supervision); /* there are no others */
}

/* ---- what children do ---- */

void
supervision_report(
    struct supervision *supervision, unsigned slot, const struct child_report *report)
{
	supervision->children[slot].report = *report;
}

void
supervision_not_started(struct supervision *supervision, unsigned slot, uint64_t now_ms)
{
	struct child *child = &supervision->children[slot];

	if (child->state != CHILD_RUNNING || stop_is_on(supervision)) {
		supervision_ended(supervision, slot, now_ms);
		return;
	}
	child_set_state(supervision, child, CHILD_WAITING);
	child->restart_ms = now_ms + supervision->tuning->restart_last_ms;
}

/*
 * A child that was told to end has ended. redis-server and the control process are started again
 * (not when all stop); a worker is not.
 */
static void
retired_ended(struct supervision *supervision, struct child *child)
{
	if (child->role == CHILD_WORKER || stop_is_on(supervision)) {
		child_set_serving(supervision, child, false);
		child_set_state(supervision, child, CHILD_UNUSED);
		return;
	}
	child_set_state(supervision, child, CHILD_WAITING);
	child->restart_ms = 0;
}

void
supervision_ended(struct supervision *supervision, unsigned slot, uint64_t now_ms)
{
	struct child *child = &supervision->children[slot];
	bool accepted = child->report.accepting;

	child->had_store = child->report.store_up;
	child->report = (struct child_report){.beats = child->report.beats};
	switch (child->state) {
	case CHILD_RUNNING:
		if (stop_is_on(supervision)) {
			child_set_state(supervision, child, CHILD_UNUSED);
			return;
		}
		if (child->role == CHILD_WORKER && !accepted)
			generation_failed(supervision, FAILURE_ENDED);
		child_lost(supervision, child, now_ms);
		return;
	case CHILD_OLD:
		child_set_serving(supervision, child, false);
		child_set_state(supervision, child, CHILD_GONE);
		return;
	case CHILD_RETIRING:
		retired_ended(supervision, child);
		return;
	case CHILD_UNUSED:
	case CHILD_WAITING:
	case CHILD_GONE:
		return; /* it has no process */
	}
}

void
supervision_restart(
    struct supervision *supervision, unsigned slot, uint64_t kill_after_ms, uint64_t now_ms)
{
	struct child *child = &supervision->children[slot];

	if (child->state == CHILD_RUNNING)
		child_retire(supervision, child, RETIRE_DRAIN, kill_after_ms, now_ms);
}

/* ---- orders ---- */

void
supervision_order(struct supervision *supervision, enum supervision_order order, uint64_t now_ms)
{
	switch (order) {
	case ORDER_RELOAD:
		supervision->reload = true;
		return;
	case ORDER_UPGRADE:
		supervision->upgrade = true;
		return;
	case ORDER_STOP:
		stop_order(supervision, now_ms);
		return;
	}
}

/*
 * Orders are carried out one after the other. But a generation that does not come up must not hold
 * back the next order. A reload also waits for slots.
 */
static void
follow_orders(struct supervision *supervision)
{
	if (supervision->preparing ||
	    (supervision->phase != PHASE_SERVING && supervision->phase != PHASE_FAILING))
		return;
	if (supervision->upgrade) {
		supervision->upgrade = false;
		supervision->preparing = true;
		supervision_act(supervision, (struct supervision_action){.type = ACTION_UPGRADE});
	} else if (supervision->reload && generation_fits(supervision)) {
		supervision->reload = false;
		supervision->preparing = true;
		supervision_act(supervision, (struct supervision_action){.type = ACTION_PREPARE});
	}
}

void
supervision_prepared(
    struct supervision *supervision, const struct supervision_settings *settings, uint64_t now_ms)
{
	bool way_back = supervision->phase == PHASE_SERVING;

	supervision->preparing = false;
	if (stop_is_on(supervision))
		return;
	if (settings == NULL) {
		supervision_act(supervision, (struct supervision_action){.type = ACTION_READY});
		return;
	}
	supervision->previous = supervision->settings;
	supervision->settings = *settings;
	if (!way_back) /* what was in force never came up */
		supervision_act(supervision, (struct supervision_action){.type = ACTION_SETTLE});
	supervision_set_phase(supervision, way_back ? PHASE_REPLACING : PHASE_STARTING);
	generation_start(supervision, now_ms);
}

void
supervision_upgrade_failed(struct supervision *supervision)
{
	supervision->preparing = false;
	follow_orders(supervision);
}

/* ---- time ---- */

static void
kill_overdue(struct supervision *supervision, uint64_t now_ms)
{
	for (size_t i = 0; i < supervision_slots(supervision); i++) {
		struct child *child = &supervision->children[i];

		if (child->state != CHILD_RETIRING || now_ms <= child->deadline_ms)
			continue;
		child->deadline_ms = now_ms + supervision->tuning->kill_again_ms;
		supervision_act(supervision,
		    (struct supervision_action){.type = ACTION_KILL, .slot = child->slot});
	}
}

/*
 * A worker that drains although it was not told to has closed its listening sockets, and may take
 * long to end. Another one starts at once, so that clients need not wait; without a free slot, a
 * little later.
 */
static void
replace_draining(struct supervision *supervision, uint64_t now_ms)
{
	for (size_t i = SLOT_WORKERS; i < supervision_slots(supervision); i++) {
		struct child *child = &supervision->children[i], *next;

		if (child->state != CHILD_RUNNING || !child->report.draining)
			continue;
		next = child_free_slot(supervision);
		if (next == NULL)
			return;
		child_retire(
		    supervision, child, RETIRE_REPLACED, child_kill_after_ms(supervision), now_ms);
		child_spawn_worker(supervision, child->index, true, now_ms);
		child_set_serving(supervision, next, child->serving);
		child_set_serving(supervision, child, false);
	}
}

static void
start_waiting(struct supervision *supervision, uint64_t now_ms)
{
	for (size_t i = 0; i < supervision_slots(supervision); i++) {
		struct child *child = &supervision->children[i];

		if (child->state == CHILD_WAITING && now_ms >= child->restart_ms)
			child_spawn(supervision, child, now_ms);
	}
	if (!generation_is_whole(supervision))
		generation_fill(supervision, false, false, now_ms);
}

void
supervision_tick(struct supervision *supervision, uint64_t now_ms)
{
	if (stop_is_on(supervision)) {
		kill_overdue(supervision, now_ms);
		stop_go_on(supervision, now_ms);
		return;
	}
	replace_draining(supervision, now_ms);
	kill_overdue(supervision, now_ms);
	watch_silence(supervision, now_ms);
	watch_orphans(supervision);
	generation_watch(supervision, now_ms);
	start_waiting(supervision, now_ms);
	follow_orders(supervision);
}

/* ---- questions ---- */

enum supervision_phase
supervision_phase(const struct supervision *supervision)
{
	return supervision->phase;
}

size_t
supervision_slots(const struct supervision *supervision)
{
	return SLOT_WORKERS + supervision->options.worker_slots;
}

const struct child *
supervision_child(const struct supervision *supervision, unsigned slot)
{
	return &supervision->children[slot];
}

uint64_t
supervision_due_ms(const struct supervision *supervision, uint64_t now_ms, uint64_t max_ms)
{
	uint64_t due_ms = now_ms + max_ms;

	for (size_t i = 0; i < supervision_slots(supervision); i++) {
		const struct child *child = &supervision->children[i];

		if (child->state == CHILD_WAITING && child->restart_ms < due_ms)
			due_ms = child->restart_ms;
		if (child->state == CHILD_RETIRING && child->deadline_ms + 1 < due_ms)
			due_ms = child->deadline_ms + 1;
	}
	return due_ms > now_ms ? due_ms - now_ms : 0;
}

void
supervision_dump(const struct supervision *supervision, struct dump *dump)
{
	jg_dump_begin(dump, "supervision");
	jg_dump_word(dump, "phase", supervision_phases[supervision->phase].name);
	jg_dump_flag(dump, "warm", supervision->warm);
	jg_dump_flag(dump, "without_store", supervision->without_store);
	jg_dump_flag(dump, "reload", supervision->reload);
	jg_dump_flag(dump, "upgrade", supervision->upgrade);
	jg_dump_flag(dump, "preparing", supervision->preparing);
	for (size_t i = 0; i < supervision_slots(supervision); i++)
		if (supervision->children[i].state != CHILD_UNUSED)
			jg_dump_word(
			    dump, "child", child_state_name(supervision->children[i].state));
	jg_dump_end(dump);
}
