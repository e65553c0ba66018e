/* supervision_watch.c - detects processes that hang, and listening sockets without a worker. */
#include "server/supervision_state.h"

void
watch_start(struct child *child)
{
	child->watched = true;
	child->beats = child->report.beats;
	child->silent_ms = 0;
	child->beaten = child->aborted = false;
}

static uint64_t
silence_max_ms(const struct supervision *supervision, const struct child *child)
{
	uint64_t max_ms = supervision->settings.watchdog_ms;

	return child->beaten ? max_ms : max_ms * supervision->tuning->start_factor;
}

/* A process hangs: end it. Once it has ended, it is started again. */
static void
end_hung(struct supervision *supervision, struct child *child)
{
	uint64_t max_ms = silence_max_ms(supervision, child);

	if (child->silent_ms < max_ms)
		return;
	if (!child->aborted)
		supervision_act(supervision,
		    (struct supervision_action){
			.type = ACTION_ABORT, .slot = child->slot, .ms = child->silent_ms});
	else if (child->silent_ms >= max_ms + supervision->tuning->abort_ms)
		supervision_act(supervision,
		    (struct supervision_action){.type = ACTION_KILL, .slot = child->slot});
	child->aborted = true;
}

static void
count_silence(struct supervision *supervision, struct child *child, uint64_t gap_ms)
{
	if (!child_exists(child) || !child->watched) {
		child->silent_ms = 0;
	} else if (child->report.beats != child->beats) {
		child->beats = child->report.beats;
		child->beaten = true;
		child->silent_ms = 0;
	} else {
		child->silent_ms += gap_ms;
		end_hung(supervision, child);
	}
}

/*
 * Silence is measured in the supervisor's own running time. A longer gap between two ticks counts
 * only gap_max_ms: the machine was suspended, or the supervisor was stopped, and the other
 * processes may not have run either. redis-server is not watched: the workers' PING does that.
 */
void
watch_silence(struct supervision *supervision, uint64_t now_ms)
{
	uint64_t gap_ms = now_ms - supervision->looked_ms;

	supervision->looked_ms = now_ms;
	if (gap_ms > supervision->tuning->gap_max_ms)
		gap_ms = supervision->tuning->gap_max_ms;
	for (size_t i = SLOT_CONTROL; i < supervision_slots(supervision); i++)
		count_silence(supervision, &supervision->children[i], gap_ms);
}

bool
supervision_is_healthy(const struct supervision *supervision)
{
	for (size_t i = SLOT_CONTROL; i < supervision_slots(supervision); i++) {
		const struct child *child = &supervision->children[i];

		if (child->silent_ms >
		    silence_max_ms(supervision, child) + 2 * supervision->tuning->abort_ms)
			return false;
	}
	return true;
}

/* True when a worker's listening sockets have no process that accepts from them. */
static bool
is_orphaned(const struct supervision *supervision, const struct child *child)
{
	bool late = child->silent_ms >= supervision->options.late_ms;

	switch (child->state) {
	case CHILD_WAITING:
	case CHILD_GONE:
		return true;
	case CHILD_RUNNING:
	case CHILD_OLD:
		return late || child->report.draining || (child->lost && !child->report.accepting);
	case CHILD_UNUSED:
	case CHILD_RETIRING: /* it has closed them, or others have them too */
		return false;
	}
	return false;
}

void
watch_orphans(struct supervision *supervision)
{
	bool changed = false;

	for (size_t i = SLOT_WORKERS; i < supervision_slots(supervision); i++) {
		struct child *child = &supervision->children[i];
		bool orphaned = is_orphaned(supervision, child);

		if (orphaned == child->orphaned)
			continue;
		changed = true;
		child->orphaned = orphaned;
		supervision_act(
		    supervision, (struct supervision_action){
				     .type = ACTION_ORPHANED, .slot = child->slot, .on = orphaned});
	}
	if (changed)
		supervision_act(
		    supervision, (struct supervision_action){.type = ACTION_TELL_ORPHANS});
}
