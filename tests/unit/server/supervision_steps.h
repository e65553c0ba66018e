/* supervision_steps.h - steps of the tests of the supervisor's state machine. */
#ifndef TESTS_SUPERVISION_STEPS_H
#define TESTS_SUPERVISION_STEPS_H

#include "supervision_world.h"

/* The slots of the workers in one state; returns their number. */
static inline unsigned
workers_in(const struct world *world, enum child_state state, unsigned slots[WORKER_SLOTS])
{
	unsigned count = 0;

	for (unsigned i = SLOT_WORKERS; i < SLOTS; i++)
		if (child_of(world, i)->state == state)
			slots[count++] = i;
	return count;
}

static inline void
assert_workers(const struct world *world, enum child_state state, unsigned expected)
{
	unsigned slots[WORKER_SLOTS];

	assert_int_equal(workers_in(world, state, slots), expected);
}

static inline unsigned
first_in(const struct world *world, enum child_state state)
{
	unsigned slots[WORKER_SLOTS];

	assert_true(workers_in(world, state, slots) > 0);
	return slots[0];
}

static inline void
assert_phase(const struct world *world, enum supervision_phase phase)
{
	assert_string_equal(supervision_phase_name(supervision_phase(world->machine)),
	    supervision_phase_name(phase));
}

static inline void
prove_running(struct world *world)
{
	unsigned slots[WORKER_SLOTS];
	unsigned count = workers_in(world, CHILD_RUNNING, slots);

	for (unsigned i = 0; i < count; i++)
		prove(world, slots[i]);
}

static inline void
end_all_in(struct world *world, enum child_state state)
{
	unsigned slots[WORKER_SLOTS];
	unsigned count = workers_in(world, state, slots);

	for (unsigned i = 0; i < count; i++)
		end_process(world, slots[i]);
}

static inline struct world *
cold(void)
{
	struct world *world = world_new();

	supervision_start_redis(world->machine, world->now_ms);
	supervision_start(world->machine, world->now_ms);
	act(world);
	return world;
}

static inline struct world *
serving(void)
{
	struct world *world = cold();

	prove_running(world);
	pass(world, 10);
	assert_phase(world, PHASE_SERVING);
	return world;
}

static inline void
order(struct world *world, enum supervision_order order)
{
	supervision_order(world->machine, order, world->now_ms);
	act(world);
}

/* The order to reload is followed, and its configuration is good. */
static inline void
reload(struct world *world)
{
	order(world, ORDER_RELOAD);
	tick(world);
	answer_prepare(world, WORKERS);
}

static inline struct world *
replacing(void)
{
	struct world *world = serving();

	reload(world);
	assert_phase(world, PHASE_REPLACING);
	assert_workers(world, CHILD_OLD, WORKERS);
	assert_workers(world, CHILD_RUNNING, WORKERS);
	return world;
}

static inline void
assert_taken_back(struct world *world, enum supervision_failure failure)
{
	assert_int_equal(world->count[ACTION_TAKE_BACK], 1);
	assert_int_equal(world->last[ACTION_TAKE_BACK].failure, failure);
	assert_phase(world, PHASE_SERVING);
	assert_int_equal(world->configuration, 1);
	assert_int_equal(world->count[ACTION_SETTLE], 0);
	assert_int_equal(world->count[ACTION_READY], 2); /* after the start, too */
	assert_workers(world, CHILD_RUNNING, WORKERS);
}

#endif
