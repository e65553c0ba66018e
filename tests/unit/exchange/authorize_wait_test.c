/* authorize_wait_test.c - what changes, and what ends, while a request waits for its records. */
#include "authorize_world.h"

static const struct label base[] = {{{"model", 5}, {"base", 4}}};
static const struct label_set model_base = {1, base};

/* ---- what changes while a request waits ---- */

static void
a_token_deleted_while_its_request_waits_is_refused(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_TOKEN, NULL);
	ASSERT_REFUSED(&world, 401);
}

static void
a_token_renewed_while_its_request_waits_is_refused(void **state)
{
	char renewed[TOKEN_VALUE_LEN];

	(void)state;
	assert_true(jg_token_value_make(SLICE(TOKEN_ID), NULL, renewed));
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_reply(&world, RECORD_TOKEN, token_record(renewed, 2, NULL));
	ASSERT_REFUSED(&world, 401);
}

static void
a_token_scoped_while_its_request_waits_reaches_no_other_job(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, &model_base));
	ASSERT_REFUSED(&world, 403);
}

static void
a_reply_that_a_change_overtook_counts_for_nothing(void **state)
{
	(void)state;
	world_get(&world);
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_TOKEN, NULL);
	ASSERT_REFUSED(&world, 401);
}

static void
a_job_that_moves_while_its_request_waits_is_reached_where_it_is(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(9000, NULL));
	ASSERT_SENT(&world, "GET 192.0.2.1:9000 /path ?q ");
	assert_string_equal(fake_pool.target, "192.0.2.1:9000");
}

static void
a_job_that_leaves_the_scope_while_its_request_waits_refuses(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, &model_base));
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, &model_base));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_REFUSED(&world, 403);
}

static void
a_value_that_is_not_minted_is_refused_once_that_is_enforced(void **state)
{
	static const unsigned char key[MINT_KEY_LEN] = {9};

	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	jg_directory_set_mint(world.store.directory, MINT_ENFORCED, key);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_REFUSED(&world, 401);
}

/* It has been read again by then, and what came of that is the request's own. */
static void
a_credential_stays_its_own_when_values_come_to_be_minted_between_both_waits(void **state)
{
	static const unsigned char key[MINT_KEY_LEN] = {9};

	(void)state;
	world_get(&world);
	jg_directory_set_mint(world.store.directory, MINT_STARTED, key);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	fill_digests();
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_SENT(&world, HEAD);
}

static void
a_store_that_is_lost_refuses(void **state)
{
	(void)state;
	world_get(&world);
	fake_break(&world.store, world_now(&world));
	ASSERT_REFUSED(&world, 503);
	assert_int_equal(world.client.failures, 0);
}

static void
a_store_that_is_lost_between_both_waits_refuses(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	fake_break(&world.store, world_now(&world));
	ASSERT_REFUSED(&world, 503);
}

/* The worker was stopped for longer than the bound: what came before that proves nothing. */
static void
records_that_come_past_the_bound_refuse(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ahead_ms += STALENESS + 1;
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_REFUSED(&world, 503);
}

static void
a_wait_has_an_end(void **state)
{
	(void)state;
	world_get(&world);
	world_pass(&world, LOOKUP_MS - 1000);
	ASSERT_WAITS(&world);
	world_pass(&world, 1100);
	ASSERT_REFUSED(&world, 503);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_REFUSED(&world, 503);
}

/* A record that changes again and again keeps a request waiting, but not for longer. */
static void
several_waits_share_one_deadline(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	for (int i = 0; i < 7; i++) {
		world_pass(&world, LOOKUP_MS / 8);
		world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
		if (i == 0)
			break;
		world_change(&world, RECORD_TOKEN);
	}
	ASSERT_SENT(&world, HEAD);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);

	fake_pool = (struct fake_pool){0};
	world_change(&world, RECORD_TOKEN);
	world_change(&world, RECORD_JOB);
	world_get(&world);
	for (int i = 0; i < 4; i++) { /* now the one is unknown, now the other */
		world_pass(&world, LOOKUP_MS / 8);
		world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
		ASSERT_WAITS(&world);
		world_change(&world, RECORD_TOKEN);
		world_reply(&world, RECORD_JOB, job_record(8000, NULL));
		ASSERT_WAITS(&world);
		world_change(&world, RECORD_JOB);
	}
	world_pass(&world, LOOKUP_MS / 2 + 100);
	ASSERT_REFUSED(&world, 503);
	world_reply(&world, RECORD_TOKEN, NULL);
}

static void
a_client_that_goes_while_it_waits_is_forgotten(void **state)
{
	(void)state;
	world_get(&world);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	assert_int_equal(world.client.end, END_ABANDONED);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_turn(&world);
	assert_int_equal(world.client.ends, 1);
	assert_int_equal(world.client.answers, 0);
	assert_int_equal(fake_pool.acquires, 0);
}

static void
a_request_that_waits_at_the_end_of_the_drain_time_is_unprocessed(void **state)
{
	(void)state;
	world_get(&world);
	exchange_shutdown(world.exchange);
	assert_int_equal(world.client.end, END_UNPROCESSED);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_turn(&world);
	assert_int_equal(world.client.ends, 1);
	assert_int_equal(world.client.answers, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_token_deleted_while_its_request_waits_is_refused),
	    TEST(a_token_renewed_while_its_request_waits_is_refused),
	    TEST(a_token_scoped_while_its_request_waits_reaches_no_other_job),
	    TEST(a_reply_that_a_change_overtook_counts_for_nothing),
	    TEST(a_job_that_moves_while_its_request_waits_is_reached_where_it_is),
	    TEST(a_job_that_leaves_the_scope_while_its_request_waits_refuses),
	    TEST(a_value_that_is_not_minted_is_refused_once_that_is_enforced),
	    TEST(a_credential_stays_its_own_when_values_come_to_be_minted_between_both_waits),
	    TEST(a_store_that_is_lost_refuses),
	    TEST(a_store_that_is_lost_between_both_waits_refuses),
	    TEST(records_that_come_past_the_bound_refuse),
	    TEST(a_wait_has_an_end),
	    TEST(several_waits_share_one_deadline),
	    TEST(a_client_that_goes_while_it_waits_is_forgotten),
	    TEST(a_request_that_waits_at_the_end_of_the_drain_time_is_unprocessed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
