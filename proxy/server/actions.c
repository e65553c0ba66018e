/* actions.c - carries out what the state machine decides. */
#include <string.h>
#include <sys/wait.h>

#include "server/notify.h"
#include "server/supervisor.h"
#include "server/worker.h"

static void
spawn(struct supervisor *supervisor, unsigned slot, bool without_store)
{
	if (!child_fork(supervisor, slot, without_store))
		supervision_not_started(supervisor->supervision, slot, supervisor_clock_ms());
}

static void
retire(struct supervisor *supervisor, unsigned slot, enum retire_how how)
{
	char name[32];

	switch (how) {
	case RETIRE_GENTLY:
		child_signal(supervisor, slot, SIGUSR2);
		return;
	case RETIRE_DRAIN:
		child_signal(supervisor, slot, SIGTERM);
		return;
	case RETIRE_AT_ONCE:
		child_signal(supervisor, slot, SIGINT);
		return;
	case RETIRE_REPLACED:
		log_warning(&supervisor->log,
		    "%s was told to end by another process: starting another in its place",
		    child_name(supervisor, slot, name));
		return;
	}
}

static void
abort_hung(struct supervisor *supervisor, unsigned slot, uint64_t silent_ms)
{
	char name[32];

	log_error(&supervisor->log,
	    "%s hangs: its event loop has not turned for %llu ms; killing it (timeouts.watchdog)",
	    child_name(supervisor, slot, name), (unsigned long long)silent_ms);
	counter_add(&supervisor->stats->hung, 1);
	child_signal(supervisor, slot, SIGABRT);
}

static void
tell_lost(struct supervisor *supervisor, unsigned slot, uint64_t pause_ms)
{
	int status = supervisor->processes[slot].status;
	char name[32], when[32] = "at once";

	if (pause_ms > 0)
		snprintf(when, sizeof(when), "in %llu ms", (unsigned long long)pause_ms);
	if (WIFSIGNALED(status))
		log_error(&supervisor->log, "%s ended by signal %d (%s); starting it again %s",
		    child_name(supervisor, slot, name), WTERMSIG(status),
		    strsignal(WTERMSIG(status)), when);
	else
		log_error(&supervisor->log, "%s ended with status %d; starting it again %s",
		    child_name(supervisor, slot, name), WEXITSTATUS(status), when);
	if (slot == SLOT_REDIS && redis_watch_last_line(supervisor)[0] != '\0')
		log_error(&supervisor->log,
		    "redis-server's last line: %s (its log and its files are in %s)",
		    redis_watch_last_line(supervisor), supervisor->config->store.state_dir);
}

/* Tell the workers that other sockets are orphaned now than before. */
static void
tell_orphans(struct supervisor *supervisor)
{
	atomic_fetch_add_explicit(&supervisor->stats->orphan_changes, 1, memory_order_release);
	for (unsigned i = SLOT_WORKERS; i < SLOT_WORKERS + supervisor->worker_slots; i++)
		if (supervision_child(supervisor->supervision, i)->watched)
			child_signal(supervisor, i, SIGNAL_ORPHANS);
}

static void
tell_store_late(const struct supervisor *supervisor, uint64_t proof_ms)
{
	log_error(&supervisor->log,
	    "the new workers did not reach their store within %llu ms; the old ones reach "
	    "theirs and keep serving: correct store.url, or start that store, then send "
	    "SIGHUP again",
	    (unsigned long long)proof_ms);
}

static void
tell_store_lost(const struct supervisor *supervisor)
{
	log_warning(&supervisor->log,
	    "the new workers cannot reach their store (store.url), and the old ones have lost "
	    "theirs: the new ones take over, and answer 503 until they reach it");
}

static void
begin_stop(struct supervisor *supervisor)
{
	listeners_close(&supervisor->listeners, true);
	log_info(&supervisor->log, "stopping: waiting for requests to end");
	notify_state("STOPPING=1");
	counter_set(&supervisor->stats->draining, 1);
}

static void
tell_bad_transition(const struct supervisor *supervisor)
{
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	jg_dump_init(&dump, text, sizeof(text));
	supervision_dump(supervisor->supervision, &dump);
	log_error(&supervisor->log,
	    "a bug in the supervisor: a change of state that is not allowed (please report it): %s",
	    text);
}

static void
carry_out(struct supervisor *supervisor, const struct supervision_action *action)
{
	unsigned slot = action->slot;

	switch (action->type) {
	case ACTION_SPAWN:
		spawn(supervisor, slot, action->on);
		return;
	case ACTION_RETIRE:
		retire(supervisor, slot, action->how);
		return;
	case ACTION_ABORT:
		abort_hung(supervisor, slot, action->ms);
		return;
	case ACTION_KILL:
		child_signal(supervisor, slot, SIGKILL);
		return;
	case ACTION_LOST:
		tell_lost(supervisor, slot, action->ms);
		return;
	case ACTION_SERVES:
		counter_set(&child_stats(supervisor, slot)->serving, action->on);
		return;
	case ACTION_WITHOUT_STORE:
		counter_set(&child_stats(supervisor, slot)->without_store, 1);
		return;
	case ACTION_ORPHANED:
		counter_set(&child_stats(supervisor, slot)->orphaned, action->on);
		return;
	case ACTION_TELL_ORPHANS:
		tell_orphans(supervisor);
		return;
	case ACTION_NO_SLOT:
		log_error(&supervisor->log,
		    "there is no place for worker %u: too many earlier workers still drain; it "
		    "starts when one of them has ended",
		    action->index);
		return;
	case ACTION_STORE_LATE:
		tell_store_late(supervisor, action->ms);
		return;
	case ACTION_STORE_LOST:
		tell_store_lost(supervisor);
		return;
	case ACTION_PREPARE:
		supervisor_reload(supervisor);
		return;
	case ACTION_SETTLE:
		reload_settle(supervisor);
		return;
	case ACTION_TAKE_BACK:
		reload_undo(supervisor, action->failure);
		return;
	case ACTION_UPGRADE:
		supervisor_upgrade(supervisor);
		supervision_upgrade_failed(supervisor->supervision);
		return;
	case ACTION_READY:
		notify_state("READY=1");
		return;
	case ACTION_STOPPING:
		begin_stop(supervisor);
		return;
	case ACTION_BAD_TRANSITION:
		tell_bad_transition(supervisor);
		return;
	}
}

void
supervisor_act(struct supervisor *supervisor)
{
	struct supervision_action action;

	while (supervision_next(supervisor->supervision, &action))
		carry_out(supervisor, &action);
}
