/* heartbeat.c - detects processes that hang, and listening sockets without a worker.
 */
#include "server/supervisor.h"
#include "server/worker.h"

/*
 * Silence is measured in the supervisor's own running time. A longer gap between two checks counts
 * only this much: the machine was suspended, or the supervisor was stopped, and the other processes
 * may not have run either.
 */
#define GAP_MAX_MS 1000

/* A process that has just been forked has this much longer for its first beat. */
#define START_FACTOR 6

/* SIGABRT leaves a core dump where enabled; SIGKILL follows after this time. */
#define ABORT_MS 2000

static struct heartbeat
heartbeat_of(struct supervisor *supervisor, const struct child *child)
{
	struct shared_stats *stats = supervisor->stats;
	struct worker_stats *worker;

	if (child->role == CHILD_CONTROL)
		return (struct heartbeat){&stats->control_beats, &stats->control_silent_ms};
	worker = &stats->workers[child - supervisor->children - SLOT_WORKERS];
	return (struct heartbeat){&worker->beats, &worker->silent_ms};
}

void
heartbeat_start(struct supervisor *supervisor, struct child *child)
{
	struct heartbeat heartbeat;

	if (child->role == CHILD_REDIS)
		return; /* its PING is the workers' */
	heartbeat = heartbeat_of(supervisor, child);
	child->watched = true;
	child->beats = counter_get(heartbeat.beats);
	child->silent_ms = 0;
	child->beaten = child->aborted = false;
	counter_set(heartbeat.silent_ms, 0);
}

static uint64_t
silence_max_ms(const struct supervisor *supervisor, const struct child *child)
{
	uint64_t max_ms = supervisor->config->timeouts.watchdog;

	return child->beaten ? max_ms : max_ms * START_FACTOR;
}

/* It hangs: end it; children_reap has it started again. */
static void
end_hung(struct supervisor *supervisor, struct child *child)
{
	char name[32];

	if (child->silent_ms < silence_max_ms(supervisor, child))
		return;
	if (child->aborted && child->silent_ms >= silence_max_ms(supervisor, child) + ABORT_MS)
		kill(child->pid, SIGKILL);
	if (child->aborted)
		return;
	child->aborted = true;
	log_error(&supervisor->log,
	    "%s hangs: its event loop has not turned for %llu ms; killing it (timeouts.watchdog)",
	    child_name(child, name), (unsigned long long)child->silent_ms);
	counter_add(&supervisor->stats->hung, 1);
	kill(child->pid, SIGABRT);
}

static void
watch(struct supervisor *supervisor, struct child *child, uint64_t gap_ms)
{
	struct heartbeat heartbeat = heartbeat_of(supervisor, child);
	uint64_t beats = counter_get(heartbeat.beats);

	if (child->pid <= 0 || !child->watched) {
		child->silent_ms = 0;
	} else if (beats != child->beats) {
		child->beats = beats;
		child->beaten = true;
		child->silent_ms = 0;
	} else {
		child->silent_ms += gap_ms;
		end_hung(supervisor, child);
	}
	counter_set(heartbeat.silent_ms, child->silent_ms);
}

/* True when a worker's listening sockets have no process that accepts from them. */
static bool
is_orphaned(const struct supervisor *supervisor, size_t slot)
{
	const struct child *child = &supervisor->children[SLOT_WORKERS + slot];

	switch (child->state) {
	case CHILD_WAITING:
	case CHILD_GONE:
		return true;
	case CHILD_RUNNING:
		return child->silent_ms >= HEARTBEAT_LATE_MS ||
		       (child->lost &&
			   counter_get(&supervisor->stats->workers[slot].accepting) == 0);
	case CHILD_OLD:
		return child->silent_ms >= HEARTBEAT_LATE_MS ||
		       counter_get(&supervisor->stats->workers[slot].draining) != 0;
	case CHILD_UNUSED:
	case CHILD_RETIRING: /* it has closed them, or others have them too */
		return false;
	}
	return false;
}

/* Tell the workers which sockets are orphaned now. */
static void
tell_workers(struct supervisor *supervisor)
{
	atomic_fetch_add_explicit(&supervisor->stats->orphan_changes, 1, memory_order_release);
	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		const struct child *child = &supervisor->children[SLOT_WORKERS + i];

		if (child->pid > 0 && child->watched)
			kill(child->pid, SIGNAL_ORPHANS);
	}
}

void
heartbeat_orphans(struct supervisor *supervisor)
{
	bool changed = false;

	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		counter *mark = &supervisor->stats->workers[i].orphaned;
		bool orphaned = is_orphaned(supervisor, i);

		changed = changed || orphaned != (counter_get(mark) != 0);
		counter_set(mark, orphaned);
	}
	if (changed)
		tell_workers(supervisor);
}

void
heartbeat_watch(struct supervisor *supervisor)
{
	uint64_t now_ms = supervisor_clock_ms(), gap_ms = now_ms - supervisor->looked_ms;

	supervisor->looked_ms = now_ms;
	if (gap_ms > GAP_MAX_MS)
		gap_ms = GAP_MAX_MS;
	for (size_t i = SLOT_CONTROL; i < SLOT_WORKERS + supervisor->worker_slots; i++)
		watch(supervisor, &supervisor->children[i], gap_ms);
}

bool
heartbeat_good(const struct supervisor *supervisor)
{
	for (size_t i = SLOT_CONTROL; i < SLOT_WORKERS + supervisor->worker_slots; i++) {
		const struct child *child = &supervisor->children[i];

		if (child->silent_ms > silence_max_ms(supervisor, child) + 2 * ABORT_MS)
			return false;
	}
	return true;
}
