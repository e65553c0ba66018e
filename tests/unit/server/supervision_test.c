/* supervision_test.c - what the supervisor decides, from the first start to the stop. */
#include "supervision_world.h"

/* ---- steps ---- */

/* The slots of the workers in one state; returns their number. */
static unsigned
workers_in(const struct world *world, enum child_state state, unsigned slots[WORKER_SLOTS])
{
	unsigned count = 0;

	for (unsigned i = SLOT_WORKERS; i < SLOTS; i++)
		if (child_of(world, i)->state == state)
			slots[count++] = i;
	return count;
}

static void
assert_workers(const struct world *world, enum child_state state, unsigned expected)
{
	unsigned slots[WORKER_SLOTS];

	assert_int_equal(workers_in(world, state, slots), expected);
}

static unsigned
first_in(const struct world *world, enum child_state state)
{
	unsigned slots[WORKER_SLOTS];

	assert_true(workers_in(world, state, slots) > 0);
	return slots[0];
}

static void
assert_phase(const struct world *world, enum supervision_phase phase)
{
	assert_string_equal(supervision_phase_name(supervision_phase(world->machine)),
	    supervision_phase_name(phase));
}

static void
prove_running(struct world *world)
{
	unsigned slots[WORKER_SLOTS];
	unsigned count = workers_in(world, CHILD_RUNNING, slots);

	for (unsigned i = 0; i < count; i++)
		prove(world, slots[i]);
}

static void
end_all_in(struct world *world, enum child_state state)
{
	unsigned slots[WORKER_SLOTS];
	unsigned count = workers_in(world, state, slots);

	for (unsigned i = 0; i < count; i++)
		end_process(world, slots[i]);
}

static struct world *
cold(void)
{
	struct world *world = world_new();

	supervision_start_redis(world->machine, world->now_ms);
	supervision_start(world->machine, world->now_ms);
	act(world);
	return world;
}

static struct world *
serving(void)
{
	struct world *world = cold();

	prove_running(world);
	pass(world, 10);
	assert_phase(world, PHASE_SERVING);
	return world;
}

static void
order(struct world *world, enum supervision_order order)
{
	supervision_order(world->machine, order, world->now_ms);
	act(world);
}

/* The order to reload is followed, and its configuration is good. */
static void
reload(struct world *world)
{
	order(world, ORDER_RELOAD);
	tick(world);
	answer_prepare(world, WORKERS);
}

static struct world *
replacing(void)
{
	struct world *world = serving();

	reload(world);
	assert_phase(world, PHASE_REPLACING);
	assert_workers(world, CHILD_OLD, WORKERS);
	assert_workers(world, CHILD_RUNNING, WORKERS);
	return world;
}

static void
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

/* ---- the start ---- */

static void
a_cold_start_spawns_all_and_serves_without_its_store(void **state)
{
	struct world *world = cold();

	(void)state;
	assert_int_equal(world->spawned, 2 + WORKERS);
	assert_true(world->last[ACTION_SPAWN].on);
	assert_int_equal(world->count[ACTION_SERVES], WORKERS);
	tick(world);
	assert_phase(world, PHASE_STARTING);
	assert_int_equal(world->count[ACTION_READY], 0);
	prove(world, SLOT_WORKERS);
	tick(world);
	assert_phase(world, PHASE_STARTING);
	prove(world, SLOT_WORKERS + 1);
	tick(world);
	assert_phase(world, PHASE_SERVING);
	assert_int_equal(world->count[ACTION_READY], 1);
	assert_int_equal(world->count[ACTION_SETTLE], 0);
	world_free(world);
}

static void
a_start_that_fails_goes_on_trying_and_yields_to_a_reload(void **state)
{
	struct world *world = cold();

	(void)state;
	end_process(world, SLOT_WORKERS);
	assert_phase(world, PHASE_FAILING);
	order(world, ORDER_RELOAD);
	tick(world);
	end_process(world, SLOT_WORKERS); /* it waits now */
	answer_prepare(world, WORKERS);
	assert_phase(world, PHASE_STARTING);
	assert_int_equal(world->count[ACTION_SETTLE], 1); /* there is no way back */
	assert_workers(world, CHILD_OLD, WORKERS - 1);
	assert_workers(world, CHILD_GONE, 0);
	assert_workers(world, CHILD_RUNNING, WORKERS);
	prove_running(world);
	tick(world);
	assert_phase(world, PHASE_SERVING);
	assert_workers(world, CHILD_RETIRING, WORKERS - 1);
	world_free(world);
}

static void
a_start_that_failed_serves_once_its_workers_accept(void **state)
{
	struct world *world = cold();

	(void)state;
	end_process(world, SLOT_WORKERS);
	pass(world, 10);
	assert_phase(world, PHASE_FAILING);
	prove_running(world);
	pass(world, 10);
	assert_phase(world, PHASE_SERVING);
	world_free(world);
}

static void
a_child_that_cannot_be_forked_is_tried_again_later(void **state)
{
	struct world *world = serving();

	(void)state;
	world->fork_fails = true;
	end_process(world, SLOT_WORKERS);
	tick(world);
	assert_int_equal(child_of(world, SLOT_WORKERS)->state, CHILD_WAITING);
	world->fork_fails = false;
	pass(world, 4999);
	assert_int_equal(child_of(world, SLOT_WORKERS)->state, CHILD_WAITING);
	pass(world, 1);
	assert_int_equal(child_of(world, SLOT_WORKERS)->state, CHILD_RUNNING);
	world_free(world);
}

/* ---- children that end by themselves ---- */

static void
a_crash_loop_backs_off_and_a_child_that_stayed_starts_at_once(void **state)
{
	static const uint64_t pauses[] = {0, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
	struct world *world = serving();

	(void)state;
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		end_process(world, SLOT_WORKERS);
		assert_int_equal(world->last[ACTION_LOST].ms, pauses[i]);
		assert_int_equal(
		    supervision_due_ms(world->machine, world->now_ms, 10000), pauses[i]);
		if (pauses[i] > 0)
			pass(world, pauses[i] - 1);
		assert_int_equal(child_of(world, SLOT_WORKERS)->state, CHILD_WAITING);
		pass(world, pauses[i] > 0);
		assert_int_equal(child_of(world, SLOT_WORKERS)->state, CHILD_RUNNING);
	}
	pass_slowly(world, 10001);
	end_process(world, SLOT_WORKERS);
	assert_int_equal(world->last[ACTION_LOST].ms, 0);
	assert_phase(world, PHASE_SERVING);
	world_free(world);
}

static void
the_private_store_is_back_before_records_are_too_old(void **state)
{
	struct world *world = serving();

	(void)state;
	for (int i = 0; i < 20; i++) {
		end_process(world, SLOT_REDIS);
		pass(world, world->last[ACTION_LOST].ms);
	}
	assert_int_equal(world->last[ACTION_LOST].ms, settings_of_test.staleness_ms / 4);
	world_free(world);
}

static void
others_accept_from_a_dead_workers_sockets_until_its_successor_does(void **state)
{
	struct world *world = serving();

	(void)state;
	end_process(world, SLOT_WORKERS);
	pass(world, 10);
	assert_true(child_of(world, SLOT_WORKERS)->orphaned);
	assert_int_equal(world->count[ACTION_TELL_ORPHANS], 1);
	assert_int_equal(world->last[ACTION_ORPHANED].slot, SLOT_WORKERS);
	assert_int_equal(child_of(world, SLOT_WORKERS)->state, CHILD_RUNNING);
	pass(world, 10);
	assert_int_equal(world->count[ACTION_TELL_ORPHANS], 1);
	prove(world, SLOT_WORKERS);
	pass(world, 10);
	assert_false(child_of(world, SLOT_WORKERS)->orphaned);
	assert_int_equal(world->count[ACTION_TELL_ORPHANS], 2);
	world_free(world);
}

/* ---- processes that hang ---- */

static void
a_worker_that_hangs_is_aborted_then_killed(void **state)
{
	struct world *world = serving();

	(void)state;
	tick(world); /* it has beaten */
	world->processes[SLOT_WORKERS].hangs = true;
	pass_slowly(world, 1500);
	assert_false(child_of(world, SLOT_WORKERS)->orphaned);
	pass_slowly(world, 500);
	assert_true(child_of(world, SLOT_WORKERS)->orphaned);
	pass_slowly(world, 7500);
	assert_int_equal(world->count[ACTION_ABORT], 0);
	pass_slowly(world, 500);
	assert_int_equal(world->count[ACTION_ABORT], 1);
	assert_int_equal(world->last[ACTION_ABORT].slot, SLOT_WORKERS);
	pass_slowly(world, 1500);
	assert_int_equal(world->count[ACTION_KILL], 0);
	pass_slowly(world, 500);
	assert_int_equal(world->count[ACTION_KILL], 1);
	assert_true(supervision_is_healthy(world->machine));
	pass_slowly(world, 3000);
	assert_false(supervision_is_healthy(world->machine)); /* it cannot even be killed */
	assert_int_equal(world->count[ACTION_ABORT], 1);
	end_process(world, SLOT_WORKERS);
	pass(world, 10);
	assert_true(supervision_is_healthy(world->machine));
	world_free(world);
}

static void
the_control_process_is_watched_and_redis_is_not(void **state)
{
	struct world *world = serving();

	(void)state;
	tick(world);
	world->processes[SLOT_CONTROL].hangs = true;
	pass_slowly(world, 10000);
	assert_int_equal(world->count[ACTION_ABORT], 1);
	assert_int_equal(world->last[ACTION_ABORT].slot, SLOT_CONTROL);
	world_free(world);
}

static void
a_process_has_longer_for_its_first_beat_and_a_gap_is_not_silence(void **state)
{
	struct world *world = serving();

	(void)state;
	end_process(world, SLOT_WORKERS);
	pass(world, 0);
	world->processes[SLOT_WORKERS].hangs = true;
	pass(world, 3600000); /* the machine was suspended: it counts one second */
	pass_slowly(world, 58500);
	assert_int_equal(world->count[ACTION_ABORT], 0);
	pass_slowly(world, 500);
	assert_int_equal(world->count[ACTION_ABORT], 1);
	world_free(world);
}

/* ---- reload ---- */

static void
a_reload_retires_the_old_once_all_new_accept(void **state)
{
	struct world *world = replacing();

	(void)state;
	assert_false(world->last[ACTION_SPAWN].on);
	prove(world, first_in(world, CHILD_RUNNING));
	tick(world);
	assert_phase(world, PHASE_REPLACING);
	assert_int_equal(world->count[ACTION_RETIRE], 0);
	prove_running(world);
	tick(world);
	assert_phase(world, PHASE_SERVING);
	assert_int_equal(world->count[ACTION_RETIRE], WORKERS);
	assert_int_equal(world->last[ACTION_RETIRE].how, RETIRE_GENTLY);
	assert_int_equal(world->count[ACTION_SETTLE], 1);
	assert_int_equal(world->count[ACTION_READY], 2);
	assert_workers(world, CHILD_RETIRING, WORKERS);
	for (unsigned i = SLOT_WORKERS; i < SLOTS; i++)
		assert_int_equal(
		    child_of(world, i)->serving, child_of(world, i)->state == CHILD_RUNNING);
	/* They have the time to drain, and a little more; then they are killed, again and again. */
	pass_slowly(world, 32000);
	assert_int_equal(world->count[ACTION_KILL], 0);
	pass(world, 1);
	assert_int_equal(world->count[ACTION_KILL], WORKERS);
	pass(world, 1001);
	assert_int_equal(world->count[ACTION_KILL], 2 * WORKERS);
	end_all_in(world, CHILD_RETIRING);
	assert_workers(world, CHILD_UNUSED, WORKER_SLOTS - WORKERS);
	world_free(world);
}

static void
a_configuration_that_cannot_be_had_changes_nothing(void **state)
{
	struct world *world = serving();

	(void)state;
	order(world, ORDER_RELOAD);
	tick(world);
	answer_prepare(world, 0);
	assert_phase(world, PHASE_SERVING);
	assert_int_equal(world->count[ACTION_READY], 2);
	pass(world, 200);
	assert_int_equal(world->count[ACTION_PREPARE], 1);
	assert_int_equal(world->count[ACTION_SPAWN], 2 + WORKERS);
	world_free(world);
}

static void
a_worker_that_dies_during_a_reload_takes_it_back(void **state)
{
	struct world *world = replacing();
	unsigned old = first_in(world, CHILD_OLD);

	(void)state;
	end_process(world, first_in(world, CHILD_RUNNING));
	tick(world);
	assert_taken_back(world, FAILURE_ENDED);
	assert_int_equal(child_of(world, old)->state, CHILD_RUNNING);
	assert_int_equal(world->last[ACTION_RETIRE].how, RETIRE_DRAIN);
	assert_workers(world, CHILD_RETIRING, WORKERS - 1);
	assert_int_equal(world->count[ACTION_SPAWN], 2 + 2 * WORKERS); /* not the dead one again */
	world_free(world);
}

static void
a_new_worker_that_accepted_and_then_died_is_replaced(void **state)
{
	struct world *world = replacing();
	unsigned slot = first_in(world, CHILD_RUNNING);

	(void)state;
	prove(world, slot);
	tick(world);
	end_process(world, slot);
	tick(world);
	assert_phase(world, PHASE_REPLACING);
	assert_int_equal(child_of(world, slot)->state, CHILD_RUNNING);
	world_free(world);
}

static void
a_reload_into_an_unreachable_store_is_taken_back(void **state)
{
	struct world *world = replacing();

	(void)state;
	pass_slowly(world, 2999);
	assert_phase(world, PHASE_REPLACING);
	pass(world, 1);
	assert_int_equal(world->count[ACTION_STORE_LATE], 1);
	assert_int_equal(world->last[ACTION_STORE_LATE].ms, 3000);
	assert_taken_back(world, FAILURE_STORE_LATE);
	world_free(world);
}

static void
without_any_store_the_new_workers_take_over(void **state)
{
	struct world *world = replacing();
	unsigned slots[WORKER_SLOTS];
	unsigned count = workers_in(world, CHILD_OLD, slots);

	(void)state;
	for (unsigned i = 0; i < count; i++)
		world->processes[slots[i]].report.store_up = false;
	pass_slowly(world, 4000); /* their records are fresh: either store may come back */
	assert_phase(world, PHASE_REPLACING);
	assert_int_equal(world->count[ACTION_STORE_LOST], 0);
	for (unsigned i = 0; i < count; i++)
		world->processes[slots[i]].report.ready = false;
	pass(world, 10);
	assert_int_equal(world->count[ACTION_STORE_LOST], 1);
	assert_int_equal(world->count[ACTION_WITHOUT_STORE], WORKERS);
	pass(world, 10);
	assert_int_equal(world->count[ACTION_STORE_LOST], 1);
	prove_running(world);
	pass(world, 10);
	assert_phase(world, PHASE_SERVING);
	assert_int_equal(world->count[ACTION_SETTLE], 1);
	world_free(world);
}

static void
old_workers_that_ended_with_their_store_come_back(void **state)
{
	struct world *world = replacing();

	(void)state;
	end_all_in(world, CHILD_OLD);
	assert_workers(world, CHILD_GONE, WORKERS);
	pass(world, 10);
	assert_int_equal(world->count[ACTION_ORPHANED], WORKERS);
	pass_slowly(world, 2990);
	assert_taken_back(world, FAILURE_OLD_ENDED);
	assert_workers(world, CHILD_GONE, 0);
	assert_true(world->last[ACTION_SPAWN].on); /* that configuration has served already */
	world_free(world);
}

static void
the_sockets_of_an_old_worker_that_ended_are_free_once_new_ones_accept(void **state)
{
	struct world *world = replacing();
	unsigned old = first_in(world, CHILD_OLD);

	(void)state;
	end_process(world, old);
	pass(world, 10);
	assert_int_equal(child_of(world, old)->state, CHILD_GONE);
	assert_true(child_of(world, old)->orphaned);
	prove_running(world);
	pass(world, 10);
	assert_int_equal(child_of(world, old)->state, CHILD_UNUSED);
	pass(world, 10);
	assert_false(child_of(world, old)->orphaned);
	world_free(world);
}

static void
a_worker_that_waited_when_a_reload_came_is_gone_and_taken_back(void **state)
{
	struct world *world = serving();
	unsigned slot = SLOT_WORKERS;

	(void)state;
	end_process(world, slot);
	pass(world, 0);
	end_process(world, slot);
	reload(world);
	assert_int_equal(child_of(world, slot)->state, CHILD_GONE);
	pass_slowly(world, 3000);
	assert_taken_back(world, FAILURE_STORE_LATE);
	world_free(world);
}

static void
a_second_reload_waits_for_the_first(void **state)
{
	struct world *world = replacing();

	(void)state;
	order(world, ORDER_RELOAD);
	order(world, ORDER_RELOAD);
	pass(world, 10);
	assert_int_equal(world->count[ACTION_PREPARE], 1);
	prove_running(world);
	pass(world, 10);
	assert_int_equal(world->count[ACTION_PREPARE], 2);
	pass(world, 10); /* it has not been answered yet */
	answer_prepare(world, WORKERS);
	assert_phase(world, PHASE_REPLACING);
	prove_running(world);
	pass(world, 10);
	assert_phase(world, PHASE_SERVING);
	pass(world, 10);
	assert_int_equal(world->count[ACTION_PREPARE], 2); /* two orders at once were one */
	assert_int_equal(world->configuration, 3);
	world_free(world);
}

static void
a_reload_waits_for_slots(void **state)
{
	struct world *world = serving();

	(void)state;
	/* Nothing that drains ever ends. */
	for (int i = 0; i < 4; i++) {
		reload(world);
		prove_running(world);
		tick(world);
		assert_phase(world, PHASE_SERVING);
	}
	order(world, ORDER_RELOAD);
	tick(world);
	assert_int_equal(world->count[ACTION_PREPARE], 4);
	end_all_in(world, CHILD_RETIRING);
	tick(world);
	assert_int_equal(world->count[ACTION_PREPARE], 5);
	world_free(world);
}

static void
a_worker_that_drains_unasked_is_replaced_at_once(void **state)
{
	struct world *world = serving();
	unsigned slot = SLOT_WORKERS, next = SLOT_WORKERS + WORKERS;

	(void)state;
	world->processes[slot].report.draining = true;
	pass(world, 10);
	assert_int_equal(world->last[ACTION_RETIRE].how, RETIRE_REPLACED);
	assert_int_equal(child_of(world, slot)->state, CHILD_RETIRING);
	assert_int_equal(child_of(world, next)->state, CHILD_RUNNING);
	assert_int_equal(child_of(world, next)->index, 0);
	assert_true(child_of(world, next)->serving);
	assert_false(child_of(world, slot)->serving);
	assert_phase(world, PHASE_SERVING);
	world_free(world);
}

static void
a_worker_finds_a_slot_as_soon_as_there_is_one(void **state)
{
	struct world *world = serving();

	(void)state;
	/* All slots are taken by workers that drain. */
	for (size_t i = 0; i < 2 * WORKER_SLOTS; i++) {
		world->processes[first_in(world, CHILD_RUNNING)].report.draining = true;
		tick(world);
	}
	assert_workers(world, CHILD_UNUSED, 0);
	end_process(world, first_in(world, CHILD_RETIRING));
	tick(world);
	assert_workers(world, CHILD_UNUSED, 0);
	assert_workers(world, CHILD_RUNNING, WORKERS);
	world_free(world);
}

static void
a_new_generation_without_slots_does_not_take_over(void **state)
{
	struct world *world = serving();

	(void)state;
	order(world, ORDER_RELOAD);
	tick(world);
	for (size_t i = 0; i < 2 * WORKER_SLOTS; i++) {
		world->processes[first_in(world, CHILD_RUNNING)].report.draining = true;
		tick(world);
	}
	answer_prepare(world, WORKERS);
	assert_int_equal(world->count[ACTION_NO_SLOT], 1);
	tick(world);
	assert_phase(world, PHASE_REPLACING);
	assert_workers(world, CHILD_OLD, WORKERS);
	end_process(world, first_in(world, CHILD_RETIRING));
	tick(world);
	prove_running(world);
	tick(world);
	assert_phase(world, PHASE_REPLACING);
	assert_workers(world, CHILD_RUNNING, 1);
	end_all_in(world, CHILD_RETIRING);
	tick(world);
	prove_running(world);
	tick(world);
	assert_phase(world, PHASE_SERVING);
	assert_int_equal(world->count[ACTION_NO_SLOT], 1);
	assert_workers(world, CHILD_RUNNING, WORKERS);
	world_free(world);
}

static void
control_restarts_when_its_settings_change(void **state)
{
	struct world *world = serving();

	(void)state;
	supervision_restart(world->machine, SLOT_CONTROL, 2000, world->now_ms);
	act(world);
	assert_int_equal(world->last[ACTION_RETIRE].slot, SLOT_CONTROL);
	supervision_restart(world->machine, SLOT_CONTROL, 2000, world->now_ms); /* once is enough */
	act(world);
	assert_int_equal(world->count[ACTION_RETIRE], 1);
	assert_int_equal(supervision_due_ms(world->machine, world->now_ms, 10000), 2001);
	pass(world, 2001);
	assert_int_equal(world->last[ACTION_KILL].slot, SLOT_CONTROL);
	end_process(world, SLOT_CONTROL);
	assert_int_equal(world->count[ACTION_LOST], 0);
	tick(world);
	assert_int_equal(child_of(world, SLOT_CONTROL)->state, CHILD_RUNNING);
	world_free(world);
}

/* ---- upgrade ---- */

/* A binary that took over two workers, one of which drains, and redis-server. */
static struct world *
adopted(void)
{
	struct world *world = world_new();
	unsigned slots[] = {
	    supervision_adopt(world->machine, CHILD_REDIS, false, world->now_ms),
	    supervision_adopt(world->machine, CHILD_WORKER, false, world->now_ms),
	    supervision_adopt(world->machine, CHILD_WORKER, true, world->now_ms),
	};

	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		world->processes[slots[i]].alive = true;
	world->spawned = 3;
	world->processes[slots[1]].report.ready = world->processes[slots[1]].report.store_up = true;
	supervision_adopted(world->machine);
	act(world);
	assert_int_equal(world->count[ACTION_RETIRE], 1);
	assert_int_equal(world->last[ACTION_RETIRE].slot, slots[2]);
	supervision_start_redis(world->machine, world->now_ms);
	supervision_start(world->machine, world->now_ms);
	act(world);
	assert_int_equal(world->count[ACTION_SPAWN], 1 + WORKERS);
	return world;
}

static void
an_upgrade_that_fails_leaves_this_binary(void **state)
{
	struct world *world = serving();

	(void)state;
	order(world, ORDER_RELOAD);
	order(world, ORDER_UPGRADE);
	pass(world, 10);
	pass(world, 10);
	assert_int_equal(world->count[ACTION_UPGRADE], 1);
	assert_int_equal(world->count[ACTION_PREPARE], 0);
	supervision_upgrade_failed(world->machine);
	act(world);
	assert_phase(world, PHASE_SERVING);
	assert_int_equal(world->count[ACTION_PREPARE], 1);
	world_free(world);
}

static void
after_an_upgrade_the_old_workers_serve_until_ours_accept(void **state)
{
	struct world *world = adopted();

	(void)state;
	assert_int_equal(world->count[ACTION_SERVES], 0);
	assert_false(world->last[ACTION_SPAWN].on);
	assert_workers(world, CHILD_OLD, 1);
	pass_slowly(world, 600000); /* the old ones are not ours to watch */
	assert_int_equal(world->count[ACTION_ABORT], 0);
	prove_running(world);
	tick(world);
	assert_phase(world, PHASE_SERVING);
	assert_workers(world, CHILD_OLD, 0);
	assert_int_equal(world->count[ACTION_SETTLE], 0);
	world_free(world);
}

static void
after_an_upgrade_there_is_no_way_back_but_a_reload(void **state)
{
	struct world *world = adopted();

	(void)state;
	pass_slowly(world, 3000);
	assert_int_equal(world->count[ACTION_STORE_LATE], 1);
	assert_int_equal(world->count[ACTION_TAKE_BACK], 0);
	assert_phase(world, PHASE_FAILING);
	pass_slowly(world, 3000);
	assert_int_equal(world->count[ACTION_STORE_LATE], 1);
	reload(world);
	assert_int_equal(world->count[ACTION_SETTLE], 1);
	assert_phase(world, PHASE_STARTING);
	assert_workers(world, CHILD_OLD, 1 + WORKERS);
	prove_running(world);
	tick(world);
	assert_phase(world, PHASE_SERVING);
	assert_workers(world, CHILD_RUNNING, WORKERS);
	world_free(world);
}

static void
after_an_upgrade_workers_without_a_store_take_over_from_none(void **state)
{
	struct world *world = adopted();

	(void)state;
	end_all_in(world, CHILD_OLD);
	pass_slowly(world, 3000);
	assert_int_equal(world->count[ACTION_STORE_LOST], 1);
	world_free(world);
}

/* ---- the stop ---- */

static void
a_stop_ends_workers_then_control_then_redis(void **state)
{
	struct world *world = serving();

	(void)state;
	order(world, ORDER_STOP);
	assert_phase(world, PHASE_STOPPING_WORKERS);
	assert_int_equal(world->count[ACTION_STOPPING], 1);
	assert_int_equal(world->count[ACTION_RETIRE], WORKERS);
	assert_int_equal(world->last[ACTION_RETIRE].how, RETIRE_DRAIN);
	end_process(world, SLOT_WORKERS);
	tick(world);
	assert_phase(world, PHASE_STOPPING_WORKERS);
	order(world, ORDER_RELOAD); /* too late */
	order(world, ORDER_UPGRADE);
	end_process(world, SLOT_WORKERS + 1);
	tick(world);
	assert_phase(world, PHASE_STOPPING_CONTROL);
	assert_int_equal(world->last[ACTION_RETIRE].slot, SLOT_CONTROL);
	pass(world, 2001);
	assert_int_equal(world->last[ACTION_KILL].slot, SLOT_CONTROL);
	end_process(world, SLOT_CONTROL);
	tick(world);
	assert_phase(world, PHASE_STOPPING_REDIS);
	assert_int_equal(world->last[ACTION_RETIRE].slot, SLOT_REDIS);
	end_process(world, SLOT_REDIS);
	tick(world);
	assert_phase(world, PHASE_STOPPED);
	assert_int_equal(world->spawned, world->ended);
	assert_int_equal(world->count[ACTION_PREPARE] + world->count[ACTION_UPGRADE], 0);
	world_free(world);
}

static void
a_second_stop_hurries_the_workers_once(void **state)
{
	struct world *world = serving();

	(void)state;
	order(world, ORDER_STOP);
	order(world, ORDER_STOP);
	assert_int_equal(world->last[ACTION_RETIRE].how, RETIRE_AT_ONCE);
	assert_int_equal(world->count[ACTION_RETIRE], 2 * WORKERS);
	order(world, ORDER_STOP);
	assert_int_equal(world->count[ACTION_RETIRE], 2 * WORKERS);
	pass(world, 2001);
	assert_int_equal(world->count[ACTION_KILL], WORKERS);
	world_free(world);
}

static void
a_stop_during_a_reload_ends_both_generations(void **state)
{
	struct world *world = replacing();

	(void)state;
	end_process(world, first_in(world, CHILD_OLD));
	end_process(world, first_in(world, CHILD_RUNNING)); /* it waits to be started again */
	order(world, ORDER_STOP);
	assert_workers(world, CHILD_RETIRING, 2 * WORKERS - 2);
	assert_workers(world, CHILD_UNUSED, WORKER_SLOTS - 2 * WORKERS + 2);
	end_process(world, SLOT_CONTROL); /* by itself: not started again */
	pass(world, 10000);
	assert_int_equal(child_of(world, SLOT_CONTROL)->state, CHILD_UNUSED);
	end_all_in(world, CHILD_RETIRING);
	tick(world);
	assert_phase(world, PHASE_STOPPING_REDIS);
	end_process(world, SLOT_REDIS);
	tick(world);
	assert_phase(world, PHASE_STOPPED);
	assert_int_equal(world->spawned, world->ended);
	world_free(world);
}

static void
a_configuration_that_comes_after_the_stop_starts_nothing(void **state)
{
	struct world *world = serving();

	(void)state;
	order(world, ORDER_RELOAD);
	tick(world);
	order(world, ORDER_STOP);
	answer_prepare(world, WORKERS);
	assert_int_equal(world->count[ACTION_SPAWN], 2 + WORKERS);
	assert_phase(world, PHASE_STOPPING_WORKERS);
	world_free(world);
}

static void
a_dump_shows_phase_and_children(void **state)
{
	struct world *world = replacing();
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	(void)state;
	jg_dump_init(&dump, text, sizeof(text));
	supervision_dump(world->machine, &dump);
	assert_string_equal(text,
	    "supervision{phase=replacing warm child=running child=running child=old child=old "
	    "child=running child=running}");
	world_free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_cold_start_spawns_all_and_serves_without_its_store),
	    cmocka_unit_test(a_start_that_fails_goes_on_trying_and_yields_to_a_reload),
	    cmocka_unit_test(a_start_that_failed_serves_once_its_workers_accept),
	    cmocka_unit_test(a_child_that_cannot_be_forked_is_tried_again_later),
	    cmocka_unit_test(a_crash_loop_backs_off_and_a_child_that_stayed_starts_at_once),
	    cmocka_unit_test(the_private_store_is_back_before_records_are_too_old),
	    cmocka_unit_test(others_accept_from_a_dead_workers_sockets_until_its_successor_does),
	    cmocka_unit_test(a_worker_that_hangs_is_aborted_then_killed),
	    cmocka_unit_test(the_control_process_is_watched_and_redis_is_not),
	    cmocka_unit_test(a_process_has_longer_for_its_first_beat_and_a_gap_is_not_silence),
	    cmocka_unit_test(a_reload_retires_the_old_once_all_new_accept),
	    cmocka_unit_test(a_configuration_that_cannot_be_had_changes_nothing),
	    cmocka_unit_test(a_worker_that_dies_during_a_reload_takes_it_back),
	    cmocka_unit_test(a_new_worker_that_accepted_and_then_died_is_replaced),
	    cmocka_unit_test(a_reload_into_an_unreachable_store_is_taken_back),
	    cmocka_unit_test(without_any_store_the_new_workers_take_over),
	    cmocka_unit_test(old_workers_that_ended_with_their_store_come_back),
	    cmocka_unit_test(the_sockets_of_an_old_worker_that_ended_are_free_once_new_ones_accept),
	    cmocka_unit_test(a_worker_that_waited_when_a_reload_came_is_gone_and_taken_back),
	    cmocka_unit_test(a_second_reload_waits_for_the_first),
	    cmocka_unit_test(a_reload_waits_for_slots),
	    cmocka_unit_test(a_worker_that_drains_unasked_is_replaced_at_once),
	    cmocka_unit_test(a_worker_finds_a_slot_as_soon_as_there_is_one),
	    cmocka_unit_test(a_new_generation_without_slots_does_not_take_over),
	    cmocka_unit_test(control_restarts_when_its_settings_change),
	    cmocka_unit_test(an_upgrade_that_fails_leaves_this_binary),
	    cmocka_unit_test(after_an_upgrade_the_old_workers_serve_until_ours_accept),
	    cmocka_unit_test(after_an_upgrade_there_is_no_way_back_but_a_reload),
	    cmocka_unit_test(after_an_upgrade_workers_without_a_store_take_over_from_none),
	    cmocka_unit_test(a_stop_ends_workers_then_control_then_redis),
	    cmocka_unit_test(a_second_stop_hurries_the_workers_once),
	    cmocka_unit_test(a_stop_during_a_reload_ends_both_generations),
	    cmocka_unit_test(a_configuration_that_comes_after_the_stop_starts_nothing),
	    cmocka_unit_test(a_dump_shows_phase_and_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
