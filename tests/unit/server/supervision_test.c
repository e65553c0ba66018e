/* supervision_test.c - what the supervisor decides at the start, and about children that end or
 * hang. */
#include "supervision_steps.h"

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
clients_of_a_start_that_failed_are_served_during_a_reload(void **state)
{
	struct world *world = cold();

	(void)state;
	prove(world, SLOT_WORKERS + 1);
	end_process(world, SLOT_WORKERS);
	pass(world, 0);
	end_process(world, SLOT_WORKERS);
	assert_phase(world, PHASE_FAILING);
	reload(world);
	pass(world, 10);
	assert_phase(world, PHASE_STARTING);
	assert_int_equal(child_of(world, SLOT_WORKERS + 1)->state, CHILD_OLD);
	assert_int_equal(child_of(world, SLOT_WORKERS)->state, CHILD_GONE);
	assert_true(child_of(world, SLOT_WORKERS)->orphaned); /* the old one accepts from it */
	prove_running(world);
	pass(world, 10);
	pass(world, 10);
	assert_phase(world, PHASE_SERVING);
	assert_int_equal(child_of(world, SLOT_WORKERS)->state, CHILD_UNUSED);
	assert_false(child_of(world, SLOT_WORKERS)->orphaned);
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

static void
a_successor_that_does_not_accept_yet_is_orphaned_in_a_reload_too(void **state)
{
	struct world *world = serving();

	(void)state;
	end_process(world, SLOT_WORKERS);
	pass(world, 10);
	reload(world);
	pass(world, 10);
	assert_int_equal(child_of(world, SLOT_WORKERS)->state, CHILD_OLD);
	assert_true(child_of(world, SLOT_WORKERS)->orphaned);
	prove(world, SLOT_WORKERS);
	pass(world, 10);
	assert_false(child_of(world, SLOT_WORKERS)->orphaned);
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
	    cmocka_unit_test(clients_of_a_start_that_failed_are_served_during_a_reload),
	    cmocka_unit_test(a_start_that_failed_serves_once_its_workers_accept),
	    cmocka_unit_test(a_child_that_cannot_be_forked_is_tried_again_later),
	    cmocka_unit_test(a_crash_loop_backs_off_and_a_child_that_stayed_starts_at_once),
	    cmocka_unit_test(the_private_store_is_back_before_records_are_too_old),
	    cmocka_unit_test(others_accept_from_a_dead_workers_sockets_until_its_successor_does),
	    cmocka_unit_test(a_successor_that_does_not_accept_yet_is_orphaned_in_a_reload_too),
	    cmocka_unit_test(a_worker_that_drains_unasked_is_replaced_at_once),
	    cmocka_unit_test(a_worker_finds_a_slot_as_soon_as_there_is_one),
	    cmocka_unit_test(control_restarts_when_its_settings_change),
	    cmocka_unit_test(a_worker_that_hangs_is_aborted_then_killed),
	    cmocka_unit_test(the_control_process_is_watched_and_redis_is_not),
	    cmocka_unit_test(a_process_has_longer_for_its_first_beat_and_a_gap_is_not_silence),
	    cmocka_unit_test(a_dump_shows_phase_and_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
