/* supervision.h - what the supervisor decides: a pure state machine, events in, actions out. */
#ifndef JOBGATE_SERVER_SUPERVISION_H
#define JOBGATE_SERVER_SUPERVISION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jobgate/dump.h"
#include "jobgate/tuning.h"

/*
 * The machine holds the children (redis-server, control process, workers), the generation of
 * workers that is in force or on its way, and the orders that wait. It never forks, signals, reads
 * a clock or does any I/O: each event brings its time (milliseconds of a clock that never goes
 * back), and what is to be done comes out as actions. The supervisor feeds it with what happens to
 * real processes; a simulator feeds it with simulated ones.
 *
 * Carry out all actions (supervision_next) after each event, in their order, before the next tick.
 * Carrying out an action may feed events, such as supervision_not_started.
 *
 * Reload and upgrade are the same act: workers of a new generation start on the same listening
 * sockets, and once all of them accept, the old ones are told to go. A worker accepts once it has
 * proved its store. When one of them ends before that, or cannot reach its store while the old ones
 * have theirs, a reload is taken back: the old ones stay.
 */
struct supervision;

enum child_role { CHILD_REDIS, CHILD_CONTROL, CHILD_WORKER };

enum child_state {
	CHILD_UNUSED,
	CHILD_RUNNING,
	CHILD_WAITING,	/* ended by itself; to be started again at restart_ms */
	CHILD_OLD,	/* runs until the new generation accepts */
	CHILD_GONE,	/* an old one that has ended; until then, others accept from its sockets */
	CHILD_RETIRING, /* was told to go; killed at deadline_ms */
};

/* What a process last published of itself. The control process publishes only `beats`. */
struct child_report {
	bool accepting;
	bool ready;    /* its records are fresh */
	bool store_up; /* it reaches its store */
	bool draining;
	uint64_t beats; /* turns of its event loop; goes on counting over all processes of a slot */
};

/* A child, whether its process exists at the moment or not. Others only read it. */
struct child {
	enum child_role role;
	enum child_state state;
	unsigned slot;
	unsigned index; /* a worker's number in its generation: says which listening sockets are its
			 * own */
	struct child_report report;
	uint64_t started_ms, restart_ms, deadline_ms;
	uint64_t backoff_ms; /* pause before its next restart; 0: none */
	bool lost;	     /* its predecessor ended by itself, and it does not accept yet */
	bool had_store;	     /* when it ended */
	bool serving;	     /* the gateway's readiness depends on it */
	bool orphaned;	     /* others accept from its listening sockets */
	bool watched;	     /* this binary started it, not the one before an upgrade */
	bool beaten;	     /* since it was started */
	bool aborted;	     /* it hangs, and was told to end */
	uint64_t beats;	     /* as last counted */
	uint64_t silent_ms;  /* silence since then, in the supervisor's running time */
};

/* The slots of redis-server and control among the children; workers follow. */
#define SLOT_REDIS 0
#define SLOT_CONTROL 1
#define SLOT_WORKERS 2

/* The process of a child exists, or is about to be started. */
static inline bool
child_exists(const struct child *child)
{
	return child->state == CHILD_RUNNING || child->state == CHILD_OLD ||
	       child->state == CHILD_RETIRING;
}

enum supervision_phase {
	PHASE_STARTING,	 /* a generation starts without a way back: cold, or after an upgrade */
	PHASE_FAILING,	 /* the same, and one of its workers failed: another may take its place */
	PHASE_SERVING,	 /* all workers of the generation have accepted */
	PHASE_REPLACING, /* after a reload: on to the new generation, or back to the old one */
	PHASE_STOPPING_WORKERS,
	PHASE_STOPPING_CONTROL,
	PHASE_STOPPING_REDIS,
	PHASE_STOPPED, /* no process is left */
};

/* What a configuration says about the processes. */
struct supervision_settings {
	unsigned workers;
	uint64_t drain_ms;     /* timeouts.drain */
	uint64_t watchdog_ms;  /* timeouts.watchdog */
	uint64_t proof_ms;     /* time for workers to prove their store: to connect and to get first
				* answers */
	uint64_t staleness_ms; /* store.max_staleness */
};

struct supervision_options {
	size_t
	    worker_slots; /* workers that may exist at once; those of earlier generations drain */
	uint64_t late_ms; /* other workers accept for a worker that has been silent for this long */
	const struct supervision_tuning *tuning; /* NULL: the part of jg_tuning; else it outlives
						  * us */
	struct supervision_settings settings;
};

/* ---- actions ---- */

enum supervision_action_type {
	ACTION_SPAWN,	       /* fork the child; `on`: it may accept without its store */
	ACTION_RETIRE,	       /* tell the child to go, as `how` says */
	ACTION_ABORT,	       /* it hangs, silent for `ms`: end it with a core dump */
	ACTION_KILL,	       /* it does not go: SIGKILL */
	ACTION_LOST,	       /* it ended by itself, and is spawned again in `ms`: for the log */
	ACTION_SERVES,	       /* `on`: the gateway's readiness depends on this worker, too */
	ACTION_WITHOUT_STORE,  /* this worker may accept without its store from now on */
	ACTION_ORPHANED,       /* `on`: nothing accepts from this worker's sockets */
	ACTION_TELL_ORPHANS,   /* that has changed: tell the workers */
	ACTION_NO_SLOT,	       /* worker `index` has to wait for a slot: for the log */
	ACTION_STORE_LATE,     /* new workers do not reach their store within `ms`: for the log */
	ACTION_STORE_LOST,     /* nor do the old ones: the new ones take over: for the log */
	ACTION_PREPARE,	       /* get another configuration: answer with supervision_prepared */
	ACTION_SETTLE,	       /* the new configuration is in force: drop the previous one */
	ACTION_TAKE_BACK,      /* the previous one is in force again, because of `failure` */
	ACTION_UPGRADE,	       /* become another binary, or answer supervision_upgrade_failed */
	ACTION_READY,	       /* tell the service manager that a reload or an upgrade is over */
	ACTION_STOPPING,       /* all children will be told to end */
	ACTION_BAD_TRANSITION, /* a bug: the child (slot) or the phase made a transition that its
				* table does not have
				*/
};

enum retire_how {
	RETIRE_GENTLY,	 /* others have taken over: idle connections may bring one more request */
	RETIRE_DRAIN,	 /* let requests end */
	RETIRE_AT_ONCE,	 /* do not wait for them any more */
	RETIRE_REPLACED, /* another process has told it already; another worker is in its place */
};

/* Why a new generation did not come up. */
enum supervision_failure {
	FAILURE_NONE,
	FAILURE_ENDED,	    /* a worker ended before it could serve */
	FAILURE_STORE_LATE, /* a worker did not reach its store in time */
	FAILURE_OLD_ENDED,  /* the old workers ended, and the new ones did not reach their store */
};

struct supervision_action {
	enum supervision_action_type type;
	unsigned slot;
	unsigned index;
	bool on;
	enum retire_how how;
	uint64_t ms;
	enum supervision_failure failure;
};

/* Take the next action; false when there is none. */
bool supervision_next(struct supervision *supervision, struct supervision_action *out);

/* ---- events ---- */

/* Owned by the caller; NULL when memory is short. Ready for adopt and start. */
struct supervision *supervision_new(const struct supervision_options *options);
void supervision_free(struct supervision *supervision);

/*
 * Before the start, after an upgrade: adopt a process that the previous binary has left. A worker
 * is old from now on, or retiring. Returns its slot; there is one for each.
 */
unsigned supervision_adopt(
    struct supervision *supervision, enum child_role role, bool retiring, uint64_t now_ms);

/* There was a previous binary, whose workers serve while ours start. */
void supervision_adopted(struct supervision *supervision);

/* Start the private redis-server, unless it was adopted; then the control process and the workers.
 */
void supervision_start_redis(struct supervision *supervision, uint64_t now_ms);
void supervision_start(struct supervision *supervision, uint64_t now_ms);

/* A child could not be spawned. Without this event it counts as running from ACTION_SPAWN on. */
void supervision_not_started(struct supervision *supervision, unsigned slot, uint64_t now_ms);

/* What a child publishes. Feed it a last time before supervision_ended. */
void supervision_report(
    struct supervision *supervision, unsigned slot, const struct child_report *report);

/* Its process has ended. */
void supervision_ended(struct supervision *supervision, unsigned slot, uint64_t now_ms);

/* redis-server or control, if it runs, has to be restarted; it is killed after kill_after_ms. */
void supervision_restart(
    struct supervision *supervision, unsigned slot, uint64_t kill_after_ms, uint64_t now_ms);

enum supervision_order {
	ORDER_RELOAD,  /* at the next tick at which nothing is being replaced */
	ORDER_UPGRADE, /* the same; before a reload */
	ORDER_STOP,    /* a second one hurries the workers */
};
void supervision_order(
    struct supervision *supervision, enum supervision_order order, uint64_t now_ms);

/* The answer to ACTION_PREPARE: the other configuration is in force; NULL: there is none that can
 * be used. */
void supervision_prepared(
    struct supervision *supervision, const struct supervision_settings *settings, uint64_t now_ms);

/* The answer to ACTION_UPGRADE: this binary keeps running. */
void supervision_upgrade_failed(struct supervision *supervision);

/* Time has passed: end pauses and deadlines that are over, count silence, decide what waits. */
void supervision_tick(struct supervision *supervision, uint64_t now_ms);

/* ---- questions ---- */

enum supervision_phase supervision_phase(const struct supervision *supervision);

/* SLOT_REDIS, SLOT_CONTROL and all workers' slots. */
size_t supervision_slots(const struct supervision *supervision);
const struct child *supervision_child(const struct supervision *supervision, unsigned slot);

/* How long until a pause or a deadline is over; at most max_ms. */
uint64_t supervision_due_ms(
    const struct supervision *supervision, uint64_t now_ms, uint64_t max_ms);

/* False when a process that hangs cannot even be killed. */
bool supervision_is_healthy(const struct supervision *supervision);

/* "starting", "running"; static. */
const char *supervision_phase_name(enum supervision_phase phase);
const char *child_state_name(enum child_state state);

void supervision_dump(const struct supervision *supervision, struct dump *dump);

#endif
