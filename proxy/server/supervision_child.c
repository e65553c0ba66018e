/* supervision_child.c - one child: its states, and when it is started again. */
#include "jobgate/state.h"
#include "server/supervision_state.h"

static const struct state_row child_states[] = {
    [CHILD_UNUSED] = {"unused", STATE(CHILD_RUNNING) | STATE(CHILD_OLD) | STATE(CHILD_RETIRING)},
    [CHILD_RUNNING] = {"running",
	STATE(CHILD_WAITING) | STATE(CHILD_OLD) | STATE(CHILD_RETIRING) | STATE(CHILD_UNUSED)},
    [CHILD_WAITING] = {"waiting", STATE(CHILD_RUNNING) | STATE(CHILD_GONE) | STATE(CHILD_UNUSED)},
    [CHILD_OLD] = {"old", STATE(CHILD_RUNNING) | STATE(CHILD_GONE) | STATE(CHILD_RETIRING)},
    [CHILD_GONE] = {"gone", STATE(CHILD_UNUSED)},
    [CHILD_RETIRING] = {"retiring", STATE(CHILD_WAITING) | STATE(CHILD_UNUSED)},
};

const char *
child_state_name(enum child_state state)
{
	return child_states[state].name;
}

/*
 * No CHECK: no process would take the supervisor's place (jobgate/check.h). A transition that is
 * not in the table is made, and logged.
 */
void
child_set_state(struct supervision *supervision, struct child *child, enum child_state to)
{
	if (!state_allows(child_states, child->state, to))
		supervision_act(
		    supervision, (struct supervision_action){
				     .type = ACTION_BAD_TRANSITION, .slot = child->slot});
	PROBE_STATE(child, child, child->state, to);
	child->state = to;
}

void
child_spawn(struct supervision *supervision, struct child *child, uint64_t now_ms)
{
	child->started_ms = now_ms;
	child->report = (struct child_report){.beats = child->report.beats};
	watch_start(child);
	child_set_state(supervision, child, CHILD_RUNNING);
	supervision_act(supervision,
	    (struct supervision_action){
		.type = ACTION_SPAWN, .slot = child->slot, .on = supervision->without_store});
}

struct child *
child_free_slot(struct supervision *supervision)
{
	for (size_t i = 0; i < supervision->options.worker_slots; i++)
		if (supervision->children[SLOT_WORKERS + i].state == CHILD_UNUSED)
			return &supervision->children[SLOT_WORKERS + i];
	return NULL;
}

bool
child_spawn_worker(struct supervision *supervision, unsigned index, bool lost, uint64_t now_ms)
{
	struct child *child = child_free_slot(supervision);

	if (child == NULL)
		return false;
	child->index = index;
	child->lost = lost;
	child->had_store = false;
	child->backoff_ms = 0;
	child_spawn(supervision, child, now_ms);
	return true;
}

uint64_t
child_kill_after_ms(const struct supervision *supervision)
{
	return supervision->settings.drain_ms + supervision->tuning->grace_ms;
}

void
child_retire(struct supervision *supervision, struct child *child, enum retire_how how,
    uint64_t kill_after_ms, uint64_t now_ms)
{
	if (child->state != CHILD_RETIRING)
		child_set_state(supervision, child, CHILD_RETIRING);
	child->deadline_ms = now_ms + kill_after_ms;
	supervision_act(supervision,
	    (struct supervision_action){.type = ACTION_RETIRE, .slot = child->slot, .how = how});
}

/*
 * The longest pause between two starts. The private store must be back well before the workers'
 * records become stale.
 */
static uint64_t
restart_last_ms(const struct supervision *supervision, const struct child *child)
{
	uint64_t quarter_ms = supervision->settings.staleness_ms / 4;
	uint64_t last_ms = supervision->tuning->restart_last_ms;

	return child->role == CHILD_REDIS && quarter_ms < last_ms ? quarter_ms : last_ms;
}

void
child_lost(struct supervision *supervision, struct child *child, uint64_t now_ms)
{
	const struct supervision_tuning *tuning = supervision->tuning;
	uint64_t last_ms = restart_last_ms(supervision, child), pause_ms;

	if (now_ms - child->started_ms > tuning->stayed_ms)
		child->backoff_ms = 0;
	pause_ms = child->backoff_ms;
	child->backoff_ms = pause_ms > 0 ? pause_ms * 2 : tuning->restart_second_ms;
	if (child->backoff_ms > last_ms)
		child->backoff_ms = last_ms;
	child->restart_ms = now_ms + pause_ms;
	child->lost = true;
	child_set_state(supervision, child, CHILD_WAITING);
	supervision_act(supervision,
	    (struct supervision_action){.type = ACTION_LOST, .slot = child->slot, .ms = pause_ms});
}

void
child_set_serving(struct supervision *supervision, struct child *child, bool serving)
{
	if (child->serving == serving)
		return;
	child->serving = serving;
	supervision_act(supervision,
	    (struct supervision_action){.type = ACTION_SERVES, .slot = child->slot, .on = serving});
}
