/* supervision_state.h - what the files of the supervisor's state machine share; only they include
 * it. */
#ifndef JOBGATE_SERVER_SUPERVISION_STATE_H
#define JOBGATE_SERVER_SUPERVISION_STATE_H

#include "server/supervision.h"

/*
 * supervision.c             events, orders, phases
 * supervision_stop.c        the orderly end
 * supervision_child.c       one child: its states, its restarts
 * supervision_generation.c  the workers of one configuration, together
 * supervision_watch.c       which of them hang, and whose listening sockets are orphaned
 */

struct supervision {
	struct supervision_options options;
	const struct supervision_tuning *tuning;
	struct supervision_settings settings; /* in force */
	struct supervision_settings previous; /* while replacing: the way back */
	enum supervision_phase phase;
	enum supervision_failure failure; /* while replacing: why to go back */
	bool warm;			  /* an earlier generation serves meanwhile */
	bool without_store;		  /* workers may accept without their store */
	bool reload, upgrade;		  /* ordered, not yet begun */
	bool preparing;			  /* one of them has begun, and is not answered yet */
	bool hurried;			  /* while stopping */
	uint64_t proof_due_ms;		  /* when all new workers should have reached their store */
	uint64_t looked_ms;		  /* when silence was last counted */
	struct child *children;		  /* SLOT_WORKERS + worker_slots of them */
	struct supervision_action *actions; /* a ring */
	size_t action_first, action_count, action_max;
};

/* Actions for each slot that the events between two calls of supervision_next can cause; more are
 * a bug. */
#define ACTIONS_OF_SLOT 16
#define ACTIONS_SPARE 32

void supervision_act(struct supervision *supervision, struct supervision_action action);

/* The only place that assigns a phase. */
void supervision_set_phase(struct supervision *supervision, enum supervision_phase to);

/* ---- supervision_stop.c ---- */

bool stop_is_on(const struct supervision *supervision);

/* The order to stop; a second one hurries the workers. */
void stop_order(struct supervision *supervision, uint64_t now_ms);

/* Once all processes of a role have ended, tell the next role's to go. */
void stop_go_on(struct supervision *supervision, uint64_t now_ms);

/* ---- supervision_child.c ---- */

/* The only place that assigns a child's state. */
void child_set_state(struct supervision *supervision, struct child *child, enum child_state to);

/* Start its process. */
void child_spawn(struct supervision *supervision, struct child *child, uint64_t now_ms);

/* Start a worker in a free slot; false when there is none. lost: the one before it ended by itself.
 */
bool child_spawn_worker(
    struct supervision *supervision, unsigned index, bool lost, uint64_t now_ms);

/* Tell it to go; it is killed after kill_after_ms. One that was told already has a new deadline. */
void child_retire(struct supervision *supervision, struct child *child, enum retire_how how,
    uint64_t kill_after_ms, uint64_t now_ms);

/* It ended without being told to: start it again, at once or after a pause. */
void child_lost(struct supervision *supervision, struct child *child, uint64_t now_ms);

void child_set_serving(struct supervision *supervision, struct child *child, bool serving);

/* A slot for a worker; NULL while too many old ones are still there. */
struct child *child_free_slot(struct supervision *supervision);

/* How long a worker may take to go before it is killed. */
uint64_t child_kill_after_ms(const struct supervision *supervision);

/* ---- supervision_generation.c ---- */

/* True when there are slots for a generation. Workers of earlier ones may still drain. */
bool generation_fits(const struct supervision *supervision);

/* Start the workers of the settings; those that run already are old from now on. */
void generation_start(struct supervision *supervision, uint64_t now_ms);

/* Start those of its workers that have found no slot. */
void generation_fill(struct supervision *supervision, bool lost, bool tell, uint64_t now_ms);

/* One of its workers ended before it could serve. */
void generation_failed(struct supervision *supervision, enum supervision_failure failure);

/* The gateway's readiness depends on these workers from now on. */
void generation_serves(struct supervision *supervision);

/* While a generation is on its way: has it arrived, or does it have to go back? */
void generation_watch(struct supervision *supervision, uint64_t now_ms);

/* Each of its workers runs, or waits to be started again. */
bool generation_is_whole(const struct supervision *supervision);

/* ---- supervision_watch.c ---- */

void watch_start(struct child *child);

/* Count silence, and end what hangs. */
void watch_silence(struct supervision *supervision, uint64_t now_ms);

/* Mark the workers whose listening sockets are orphaned. */
void watch_orphans(struct supervision *supervision);

#endif
