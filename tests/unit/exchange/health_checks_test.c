/* health_checks_test.c - which replicas are checked, and what follows for requests. */
#include "exchange/context_state.h"
#include "exchange/health_checks.h"
#include "relay_world.h"

static struct replica_places places;

/* The last digit of its port is the index of a replica's backend (fake_upstream.h). */
static const struct job_url urls[] = {
    {.scheme = JOB_URL_HTTP, .host = SLICE("192.0.2.1"), .port = 8001, .base = SLICE("/one")},
    {.scheme = JOB_URL_HTTP, .host = SLICE("192.0.2.2"), .port = 8002},
    {.scheme = JOB_URL_HTTP, .host = SLICE("192.0.2.3"), .port = 8003},
};

static struct record *
record_with(size_t count, struct slice health)
{
	struct record *record = job_record(0, NULL);

	jg_job_set_urls(&record->job, urls, count);
	record->job.health = health;
	return record;
}

static int
setup_two(void **state)
{
	setup(state);
	memset(&places, 0, sizeof(places));
	world.context->options.replica_places = &places;
	jg_directory_invalidate(world.store.directory, RECORD_JOB, SLICE(JOB), world_now(&world));
	jg_directory_lookup(world.store.directory, RECORD_JOB, SLICE(JOB), world_now(&world), NULL);
	world_reply(&world, RECORD_JOB, record_with(2, SLICE("/healthz")));
	return 0;
}

static int
teardown_checks(void **state)
{
	health_checks_free(world.context);
	return teardown(state);
}

/* A whole exchange; the index of its replica. */
static size_t
ask(void)
{
	size_t index;

	world_get(&world);
	world_turn(&world);
	index = fake_pool.acquired[fake_pool.acquires - 1] - 1;
	answer(CONTENT_NONE);
	TELL(content_end, NULL);
	world_turn(&world);
	return index;
}

static void
forget_upstreams(void)
{
	memset(&fake_pool.given, 0, sizeof(fake_pool.given));
	fake_pool.acquires = 0;
}

/* Time passes, and pushes of the store are known to arrive. */
static void
pass_with_turns(uint64_t ms)
{
	for (uint64_t step; ms > 0; ms -= step) {
		step = ms < 500 ? ms : 500;
		world_pass(&world, step);
		jg_directory_good(world.store.directory, world_now(&world));
		world_turn(&world);
	}
}

/* Time passes until the next look; then as many checks run. */
static void
expect_checks(uint64_t ms, unsigned count)
{
	forget_upstreams();
	pass_with_turns(ms);
	assert_int_equal(fake_pool.acquires, count);
}

/* The check that is under way at this index gets this answer. */
static void
answer_check(unsigned index, unsigned status)
{
	struct upstream_user *user = fake_pool.given[index].upstream.user;
	struct response response = {.status = status};

	user->ops->head(user, &response);
	user->ops->content_end(user, NULL);
	world_turn(&world);
}

/* Both are checked, once in five seconds. Index 0 of the URLs gets `first`, the other one 200. */
static void
check_both(unsigned first)
{
	expect_checks(REPLICA_CHECK_MS + 1100, 2);
	for (unsigned i = 0; i < 2; i++)
		answer_check(i, fake_pool.acquired[i] == 1 ? first : 200);
	forget_upstreams();
}

static void
what_is_asked(void **state)
{
	(void)state;
	assert_int_equal(places.places[0].key, 0);
	ask();
	expect_checks(100, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_string_equal(fake_pool.given[i].head,
		    fake_pool.acquired[i] == 1 ? "GET 192.0.2.1:8001 /one/healthz  "
					       : "GET 192.0.2.2:8002 /healthz  ");
		assert_null(strstr(fake_pool.given[i].lines, "Authorization"));
		answer_check(i, 200);
	}
	assert_int_equal(fake_pool.entered, 0);
	assert_int_equal(counter_get(&world.context->stats->health_checks), 2);
	assert_int_equal(counter_get(&world.context->stats->health_failures), 0);
	expect_checks(1000, 0);
}

static void
an_unhealthy_one_gets_no_requests(void **state)
{
	(void)state;
	ask();
	expect_checks(100, 2);
	for (unsigned i = 0; i < 2; i++)
		answer_check(i, fake_pool.acquired[i] == 1 ? 500 : 302);
	forget_upstreams();
	check_both(500);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(ask(), 1);
		forget_upstreams();
	}
	check_both(204);
	for (int i = 0; i < 20; i++) {
		bool first = ask() == 0;

		forget_upstreams();
		if (first)
			return;
	}
	fail_msg("the first one gets no requests");
}

/* If the only healthy one takes no connections, the others are still better than a refusal. */
static void
an_unhealthy_one_is_the_last_resort(void **state)
{
	(void)state;
	ask();
	expect_checks(100, 2);
	for (unsigned i = 0; i < 2; i++)
		answer_check(i, fake_pool.acquired[i] == 1 ? 500 : 200);
	check_both(500);
	fake_pool.to_make[0] = true;
	world_get(&world);
	world_turn(&world);
	assert_int_equal(fake_pool.acquired[0], 2);
	TELL(failed, UPSTREAM_REFUSED, REPEAT_NOT);
	world_turn(&world);
	assert_int_equal(fake_pool.acquired[1], 1);
	answer(CONTENT_NONE);
	TELL(content_end, NULL);
}

static void
a_job_that_is_not_used_is_not_checked(void **state)
{
	(void)state;
	ask();
	for (uint64_t ms = 0; ms <= HEALTH_LINGER_MS; ms += 1000) {
		pass_with_turns(1000);
		for (unsigned i = 0; i < fake_pool.acquires; i++)
			if (fake_pool.given[i].begun > fake_pool.given[i].released)
				answer_check(i, 200);
		forget_upstreams();
	}
	assert_true(counter_get(&world.context->stats->health_checks) > 100);
	expect_checks(REPLICA_CHECK_MS + 1100, 0);
}

/* The record counts that the job has when a check is due. */
static void
the_record_changes(void **state)
{
	(void)state;
	ask();
	expect_checks(100, 2);
	for (unsigned i = 0; i < 2; i++)
		answer_check(i, 200);
	world_change(&world, RECORD_JOB);
	jg_directory_lookup(world.store.directory, RECORD_JOB, SLICE(JOB), world_now(&world), NULL);
	world_reply(&world, RECORD_JOB, record_with(3, (struct slice){0}));
	expect_checks(REPLICA_CHECK_MS + 1100, 0);
}

static void
checks_end_with_the_worker(void **state)
{
	(void)state;
	ask();
	expect_checks(100, 2);
	health_checks_stop(world.context);
	health_checks_free(world.context);
	assert_int_equal(fake_pool.given[0].cancelled + fake_pool.given[1].cancelled, 2);
	assert_int_equal(fake_pool.entered, 0);
}

int
main(void)
{
#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_two, teardown_checks)
	const struct CMUnitTest tests[] = {
	    TEST(what_is_asked),
	    TEST(an_unhealthy_one_gets_no_requests),
	    TEST(an_unhealthy_one_is_the_last_resort),
	    TEST(a_job_that_is_not_used_is_not_checked),
	    TEST(the_record_changes),
	    TEST(checks_end_with_the_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
