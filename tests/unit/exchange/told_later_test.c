/* told_later_test.c - very many exchanges lose access at once: one that has not been told yet moves
 * no byte. */
#include "relay_world.h"

static struct directory_tuning tuning;

/* No watch is told while told_max is 0. */
static int
setup_untold(void **state)
{
	setup(state);
	tuning = jg_tuning.directory;
	tuning.told_max = 0;
	world.store.directory->options.tuning = &tuning;
	return 0;
}

/* The token is deleted, and others are told first. */
static void
delete_token(void)
{
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, NULL);
	assert_int_equal(world.client.ends, 0);
	assert_true(jg_directory_tells(world.store.directory));
	world.context->telling = true;
}

static void
it_ends_when_it_is_checked(void **state)
{
	(void)state;
	send_get();
	assert_false(TELL(judge_if_changed));
	delete_token();
	assert_true(exchange_catch_up(world.context));
	assert_true(TELL(judge_if_changed));
	ASSERT_ENDED(END_COMPLETE, 401, cancelled);
}

static void
its_answer_is_cut(void **state)
{
	(void)state;
	send_get();
	answer(CONTENT_UNKNOWN);
	push("abc");
	delete_token();
	assert_true(exchange_judge_if_changed(world.exchange));
	ASSERT_ENDED(END_REVOKED, 200, cancelled);
	assert_int_equal(world.client.body_len, 3);
}

static void
a_change_that_leaves_it_access_does_not_end_it(void **state)
{
	(void)state;
	send_get();
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	assert_true(jg_directory_tells(world.store.directory));
	assert_false(TELL(judge_if_changed));
	assert_false(TELL(judge_if_changed));
	/* Another change counts, too. */
	tuning.told_max = 1;
	jg_directory_turn(world.store.directory, world_now(&world));
	tuning.told_max = 0;
	assert_false(jg_directory_tells(world.store.directory));
	delete_token();
	assert_true(TELL(judge_if_changed));
	ASSERT_ENDED(END_COMPLETE, 401, cancelled);
}

/* Its request would leave at the end of the turn. */
static void
its_request_does_not_leave(void **state)
{
	(void)state;
	world_get(&world);
	delete_token();
	world_turn(&world);
	assert_int_equal(upstream()->begun, 0);
	ASSERT_ENDED(END_COMPLETE, 401, cancelled);
}

static void
its_job_is_followed_before_the_request_leaves(void **state)
{
	(void)state;
	world_get(&world);
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, job_record(8001, NULL));
	assert_true(jg_directory_tells(world.store.directory));
	world.context->telling = true;
	world_turn(&world);
	assert_int_equal(upstream()->begun, 0);
	assert_int_equal(world.client.status, 503);
}

static void
its_content_is_not_taken(void **state)
{
	(void)state;
	send_post(3);
	delete_token();
	assert_int_equal(exchange_content(world.exchange, SLICE("abc")), 0);
	assert_int_equal(upstream()->body_len, 0);
	ASSERT_ENDED(END_COMPLETE, 401, cancelled);
}

static void
its_deadline_does_not_come_first(void **state)
{
	(void)state;
	send_get();
	delete_token();
	world.exchange->timer.expired(&world.exchange->timer);
	ASSERT_ENDED(END_COMPLETE, 401, cancelled);
}

/* Each turn tells more of them; once all are told, no more turns are needed. */
static void
turns_go_on_until_all_are_told(void **state)
{
	(void)state;
	send_get();
	answer(CONTENT_UNKNOWN);
	delete_token();
	loop_defer(world.context->loop, &world.context->tell_task);
	world_turn(&world);
	assert_int_equal(world.client.ends, 0);
	assert_true(world.context->telling);
	tuning.told_max = 1;
	world_turn(&world);
	assert_false(world.context->telling);
	ASSERT_ENDED(END_REVOKED, 200, cancelled);
}

/* The first one that is told starts the task that tells the others. */
static void
one_that_is_told_has_the_others_told(void **state)
{
	(void)state;
	send_get();
	tuning.told_max = 1;
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, NULL);
	assert_true(world.context->telling);
	assert_true(task_is_queued(&world.context->tell_task));
	ASSERT_ENDED(END_COMPLETE, 401, cancelled);
	assert_false(world.context->telling);
	assert_false(task_is_queued(&world.context->tell_task));
}

#define UNTOLD(name) cmocka_unit_test_setup_teardown(name, setup_untold, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    UNTOLD(it_ends_when_it_is_checked),
	    UNTOLD(its_answer_is_cut),
	    UNTOLD(a_change_that_leaves_it_access_does_not_end_it),
	    UNTOLD(its_request_does_not_leave),
	    UNTOLD(its_job_is_followed_before_the_request_leaves),
	    UNTOLD(its_content_is_not_taken),
	    UNTOLD(its_deadline_does_not_come_first),
	    UNTOLD(turns_go_on_until_all_are_told),
	    UNTOLD(one_that_is_told_has_the_others_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
