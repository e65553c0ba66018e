/* supervision_end_test.c - what the supervisor decides about another binary, and about its end. */
#include "supervision_steps.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_upgrade_that_fails_leaves_this_binary),
	    cmocka_unit_test(after_an_upgrade_the_old_workers_serve_until_ours_accept),
	    cmocka_unit_test(after_an_upgrade_there_is_no_way_back_but_a_reload),
	    cmocka_unit_test(after_an_upgrade_workers_without_a_store_take_over_from_none),
	    cmocka_unit_test(a_stop_ends_workers_then_control_then_redis),
	    cmocka_unit_test(a_second_stop_hurries_the_workers_once),
	    cmocka_unit_test(a_stop_during_a_reload_ends_both_generations),
	    cmocka_unit_test(a_configuration_that_comes_after_the_stop_starts_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
