/* supervision_world.h - processes that exist only in a test, under the supervisor's state machine.
 */
#ifndef TESTS_SUPERVISION_WORLD_H
#define TESTS_SUPERVISION_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/supervision.h"

#define WORKERS 2
#define WORKER_SLOTS ((size_t)8 * WORKERS)
#define SLOTS (SLOT_WORKERS + WORKER_SLOTS)
#define ACTIONS (ACTION_BAD_TRANSITION + 1)

static const struct supervision_settings settings_of_test = {
    .workers = WORKERS,
    .drain_ms = 30000,
    .watchdog_ms = 10000,
    .proof_ms = 3000,
    .staleness_ms = 5000,
};

struct fake_process {
	bool alive, told, hangs;
	unsigned configuration; /* of the world when it was spawned */
	struct child_report report;
};

struct world {
	struct supervision *machine;
	uint64_t now_ms;
	struct fake_process processes[SLOTS];
	unsigned configuration;		    /* that is in force; each reload brings the next */
	unsigned previous;		    /* 0: no way back */
	unsigned workers, previous_workers; /* of these two */
	bool fork_fails;
	bool preparing;	       /* an ACTION_PREPARE is not answered yet */
	size_t spawned, ended; /* processes */
	size_t count[ACTIONS];
	struct supervision_action last[ACTIONS];
};

static inline const struct child *
child_of(const struct world *world, unsigned slot)
{
	return supervision_child(world->machine, slot);
}

static inline void
spawn(struct world *world, unsigned slot)
{
	struct fake_process *process = &world->processes[slot];

	assert_false(process->alive);
	assert_true(child_exists(child_of(world, slot)));
	if (world->fork_fails) {
		supervision_not_started(world->machine, slot, world->now_ms);
		return;
	}
	world->spawned++;
	*process = (struct fake_process){.alive = true,
	    .configuration = world->configuration,
	    .report.beats = process->report.beats};
}

static inline void
carry_out(struct world *world, const struct supervision_action *action)
{
	struct fake_process *process = &world->processes[action->slot];

	switch (action->type) {
	case ACTION_SPAWN:
		spawn(world, action->slot);
		break;
	case ACTION_RETIRE:
		assert_true(process->alive);
		process->told = true;
		break;
	case ACTION_ABORT:
	case ACTION_KILL:
		assert_true(process->alive);
		break;
	case ACTION_PREPARE:
		assert_false(world->preparing);
		world->preparing = true;
		break;
	case ACTION_SETTLE:
		assert_int_not_equal(world->previous, 0);
		world->previous = 0;
		break;
	case ACTION_TAKE_BACK:
		assert_int_not_equal(world->previous, 0);
		world->configuration = world->previous;
		world->workers = world->previous_workers;
		world->previous = 0;
		break;
	case ACTION_BAD_TRANSITION:
		fail_msg("a transition that is not in the table");
		break;
	case ACTION_LOST:
	case ACTION_SERVES:
	case ACTION_WITHOUT_STORE:
	case ACTION_ORPHANED:
	case ACTION_TELL_ORPHANS:
	case ACTION_NO_SLOT:
	case ACTION_STORE_LATE:
	case ACTION_STORE_LOST:
	case ACTION_UPGRADE:
	case ACTION_READY:
	case ACTION_STOPPING:
		break;
	}
	world->count[action->type]++;
	world->last[action->type] = *action;
}

static inline void
act(struct world *world)
{
	struct supervision_action action;

	while (supervision_next(world->machine, &action))
		carry_out(world, &action);
}

static inline struct world *
world_new(void)
{
	const struct supervision_options options = {
	    .worker_slots = WORKER_SLOTS, .late_ms = 2000, .settings = settings_of_test};
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->machine = supervision_new(&options);
	assert_non_null(world->machine);
	world->now_ms = 1000000;
	world->configuration = 1;
	world->workers = WORKERS;
	return world;
}

static inline void
world_free(struct world *world)
{
	supervision_free(world->machine);
	free(world);
}

/* One tick, after all processes have published. */
static inline void
tick(struct world *world)
{
	for (unsigned i = SLOT_CONTROL; i < SLOTS; i++) {
		struct fake_process *process = &world->processes[i];

		process->report.beats += process->alive && !process->hangs;
		supervision_report(world->machine, i, &process->report);
	}
	supervision_tick(world->machine, world->now_ms);
	act(world);
}

static inline void
pass(struct world *world, uint64_t ms)
{
	world->now_ms += ms;
	tick(world);
}

/* Time in which no tick is missed. */
static inline void
pass_slowly(struct world *world, uint64_t ms)
{
	for (; ms > 500; ms -= 500)
		pass(world, 500);
	pass(world, ms);
}

static inline void
end_process(struct world *world, unsigned slot)
{
	struct fake_process *process = &world->processes[slot];

	assert_true(process->alive);
	supervision_report(world->machine, slot, &process->report);
	*process = (struct fake_process){.report.beats = process->report.beats};
	world->ended++;
	supervision_ended(world->machine, slot, world->now_ms);
	act(world);
}

static inline void
prove(struct world *world, unsigned slot)
{
	struct child_report *report = &world->processes[slot].report;

	report->accepting = report->ready = report->store_up = true;
}

/* A configuration with that many workers is in force; 0: there is none. */
static inline void
answer_prepare(struct world *world, unsigned workers)
{
	struct supervision_settings settings = settings_of_test;

	assert_true(world->preparing);
	world->preparing = false;
	settings.workers = workers;
	if (workers > 0) {
		world->previous = world->configuration;
		world->previous_workers = world->workers;
		world->configuration++;
		world->workers = workers;
	}
	supervision_prepared(world->machine, workers > 0 ? &settings : NULL, world->now_ms);
	act(world);
}

#endif
