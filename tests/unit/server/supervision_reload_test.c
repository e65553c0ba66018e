/* supervision_reload_test.c - what the supervisor decides about a new configuration. */
#include "supervision_steps.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
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
	    cmocka_unit_test(a_new_generation_without_slots_does_not_take_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
