/* replica_test.c - which of its job's URLs a request goes to. */
#include "relay_world.h"

/* The last digit of its port is the index of a replica's backend (fake_upstream.h). */
static const struct job_url urls[] = {
    {.scheme = JOB_URL_HTTP, .host = SLICE("192.0.2.1"), .port = 8001, .hash = 1},
    {.scheme = JOB_URL_HTTP,
	.host = SLICE("192.0.2.2"),
	.port = 8002,
	.base = SLICE("/two"),
	.hash = 2},
    {.scheme = JOB_URL_HTTP,
	.host = SLICE("192.0.2.3"),
	.port = 8003,
	.base = SLICE("/three"),
	.hash = 3},
};
static const char *const heads[] = {"GET 192.0.2.1:8001 /path ?q ",
    "GET 192.0.2.2:8002 /two/path ?q ", "GET 192.0.2.3:8003 /three/path ?q "};

/* The job's record has this many of the URLs, from this one on. */
static struct record *
record_with(size_t first, size_t count)
{
	struct record *record = job_record(0, NULL);

	jg_job_set_urls(&record->job, urls + first, count);
	return record;
}

static void
know_replicas(size_t count)
{
	jg_directory_invalidate(world.store.directory, RECORD_JOB, SLICE(JOB), world_now(&world));
	jg_directory_lookup(world.store.directory, RECORD_JOB, SLICE(JOB), world_now(&world), NULL);
	world_reply(&world, RECORD_JOB, record_with(0, count));
}

static int
setup_three(void **state)
{
	setup(state);
	know_replicas(3);
	return 0;
}

static void
ask_get(void)
{
	world_get(&world);
	world_turn(&world);
}

/* Index 0 to 2 of the replica of this pool_acquire. */
static size_t
replica_at(unsigned acquire)
{
	assert_true(acquire < fake_pool.acquires);
	return fake_pool.acquired[acquire] - 1;
}

static void
finish_and_forget(void)
{
	finish();
	assert_int_equal(fake_pool.entered, 0);
	memset(&fake_pool.given, 0, sizeof(fake_pool.given));
	fake_pool.acquires = 0;
}

static void
each_replica_gets_requests(void **state)
{
	unsigned counts[3] = {0};

	(void)state;
	for (int i = 0; i < 300; i++) {
		ask_get();
		assert_int_equal(fake_pool.entered, 1);
		counts[replica_at(0)]++;
		assert_string_equal(upstream()->head, heads[replica_at(0)]);
		finish_and_forget();
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(counts[i], 60, 140);
}

static void
the_busiest_gets_none(void **state)
{
	unsigned counts[3] = {0};

	(void)state;
	fake_pool.entered_at[1] = 5;
	for (int i = 0; i < 60; i++) {
		ask_get();
		counts[replica_at(0)]++;
		finish_and_forget();
	}
	assert_int_equal(counts[0], 0);
	assert_true(counts[1] > 0 && counts[2] > 0);
}

static void
all_to_make(void)
{
	for (size_t i = 0; i < FAKE_ACQUIRES_MAX; i++)
		fake_pool.to_make[i] = true;
}

/* No connection can be made to the last backend that was asked for one. */
static void
fail_connection(enum upstream_failure failure)
{
	TELL(failed, failure, REPEAT_NOT);
	world_turn(&world);
}

static void
each_is_tried_once(void **state)
{
	bool tried[3] = {false};

	(void)state;
	all_to_make();
	ask_get();
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fake_pool.acquires, i + 1);
		assert_int_equal(fake_pool.entered, 1);
		/* All but the last fail at the first refusal. */
		assert_int_equal(upstream()->upstream.user->elsewhere, i < 2);
		assert_false(tried[replica_at(i)]);
		tried[replica_at(i)] = true;
		fail_connection(UPSTREAM_REFUSED);
	}
	assert_int_equal(fake_pool.acquires, 3);
	assert_int_equal(world.client.status, 502);
}

/* Nothing was sent, so a request that cannot be repeated goes elsewhere, too. */
static void
the_head_is_that_of_the_other_replica(void **state)
{
	const struct question question = {
	    "POST", JOB ".jobs.test", "/path", "?q", world.bearer, CONTENT_LENGTH, 3};

	(void)state;
	all_to_make();
	fake_pool.to_make[1] = false;
	world_ask(&world, &question);
	world_turn(&world);
	fail_connection(UPSTREAM_CONNECT_FAILED);
	assert_int_equal(fake_pool.acquires, 2);
	assert_int_not_equal(replica_at(0), replica_at(1));
	assert_string_equal(upstream()->head + 5, heads[replica_at(1)] + 4);
	assert_int_equal(fake_pool.choices[1], POOL_CHECKED);
}

static void
two_that_do_not_answer_are_enough(void **state)
{
	(void)state;
	all_to_make();
	ask_get();
	fail_connection(UPSTREAM_CONNECT_TIMEOUT);
	fail_connection(UPSTREAM_CONNECT_TIMEOUT);
	assert_int_equal(fake_pool.acquires, 2);
	assert_int_equal(world.client.status, 504);
}

/* The gateway lacks a descriptor: another replica would not help. */
static void
no_socket(void **state)
{
	(void)state;
	all_to_make();
	ask_get();
	fail_connection(UPSTREAM_NO_SOCKET);
	assert_int_equal(fake_pool.acquires, 1);
	assert_int_equal(world.client.status, 503);
}

static void
a_repeat_goes_to_another(void **state)
{
	(void)state;
	ask_get();
	assert_int_equal(upstream()->begun, 1);
	TELL(failed, UPSTREAM_BROKEN, REPEAT_BROKEN);
	world_turn(&world);
	assert_int_equal(fake_pool.acquires, 2);
	assert_int_not_equal(replica_at(0), replica_at(1));
	assert_string_equal(upstream()->head, heads[replica_at(1)]);
	finish_and_forget();
}

/* After the first byte, only what may be repeated is. */
static void
what_was_sent_and_may_not_be_repeated(void **state)
{
	(void)state;
	send_post(3);
	TELL(failed, UPSTREAM_BROKEN, REPEAT_NOT);
	world_turn(&world);
	assert_int_equal(fake_pool.acquires, 1);
	assert_int_equal(world.client.status, 502);
}

static void
the_record_changes(struct record *record)
{
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, record);
	world_turn(&world);
}

/* The indexes may name other URLs now. */
static void
no_other_is_tried_after_a_change(void **state)
{
	(void)state;
	all_to_make();
	ask_get();
	the_record_changes(record_with(0, 3));
	assert_int_equal(world.client.ends, 0);
	assert_false(upstream()->upstream.user->elsewhere);
	fail_connection(UPSTREAM_REFUSED);
	assert_int_equal(fake_pool.acquires, 1);
	assert_int_equal(world.client.status, 502);
}

static void
the_replica_is_removed_before_it_gets_the_request(void **state)
{
	(void)state;
	all_to_make();
	ask_get();
	the_record_changes(replica_at(0) == 0 ? record_with(1, 2) : record_with(0, 1));
	assert_int_equal(world.client.status, 503);
	assert_int_equal(fake_pool.acquires, 1);
}

static void
a_request_that_was_sent_goes_on(void **state)
{
	(void)state;
	ask_get();
	the_record_changes(replica_at(0) == 0 ? record_with(1, 2) : record_with(0, 1));
	assert_int_equal(world.client.ends, 0);
	finish_and_forget();
	assert_int_equal(world.client.status, 200);
}

/* ---- held ---- */

#define HOLD_MS 30000

static void
ask_held(void)
{
	world.context->options.timeouts.start = HOLD_MS;
	world.context->options.limits.connections = 10;
	all_to_make();
	ask_get();
}

/* How many different replicas had these pool_acquires. */
static unsigned
different(unsigned first, unsigned count)
{
	unsigned bits = 0;

	for (unsigned i = first; i < first + count; i++)
		bits |= 1u << replica_at(i);
	return (unsigned)__builtin_popcount(bits);
}

/* It waits only at the last one, and not until the end of its time. */
static void
a_held_request_tries_all_again(void **state)
{
	const struct upstream_user *user;

	(void)state;
	ask_held();
	for (unsigned i = 0; i < 7; i++) {
		user = upstream()->upstream.user;
		assert_int_equal(fake_pool.acquires, i + 1);
		assert_int_equal(user->elsewhere, i != 2 && i != 4 && i != 6);
		if (!user->elsewhere)
			assert_in_range(
			    user->leave_ms, world_now(&world) + 1, world_now(&world) + 5000);
		assert_int_equal(world.client.ends, 0);
		if (i < 6)
			fail_connection(i == 3 ? UPSTREAM_CONNECT_TIMEOUT : UPSTREAM_REFUSED);
	}
	assert_int_equal(different(0, 3), 3);
	assert_int_equal(different(2, 3), 3);
	assert_int_equal(different(4, 3), 3);
	assert_int_equal(fake_pool.entered, 1);
	world_pass(&world, HOLD_MS);
	fail_connection(UPSTREAM_REFUSED);
	assert_int_equal(fake_pool.acquires, 7);
	assert_int_equal(world.client.status, 503);
}

static void
a_held_request_whose_time_is_over_tries_no_more(void **state)
{
	(void)state;
	ask_held();
	for (unsigned i = 0; i < 3; i++)
		fail_connection(UPSTREAM_REFUSED);
	assert_true(upstream()->upstream.user->elsewhere);
	world_pass(&world, HOLD_MS);
	fail_connection(UPSTREAM_REFUSED);
	assert_int_equal(fake_pool.acquires, 4);
	assert_int_equal(world.client.status, 503);
}

/* Where it failed for good it is not tried again, so it pauses at the one that may start. */
static void
a_failure_that_does_not_pass(void **state)
{
	const struct upstream_user *user;

	(void)state;
	ask_held();
	fail_connection(UPSTREAM_NOT_VERIFIED);
	fail_connection(UPSTREAM_REFUSED);
	fail_connection(UPSTREAM_NOT_ALLOWED);
	for (unsigned i = 3; i < 6; i++) {
		user = upstream()->upstream.user;
		assert_int_equal(fake_pool.acquires, i + 1);
		assert_int_equal(replica_at(i), replica_at(1));
		assert_false(user->elsewhere);
		assert_true(user->leave_ms > world_now(&world));
		assert_int_equal(world.client.ends, 0);
		if (i < 5)
			fail_connection(UPSTREAM_REFUSED);
	}
	assert_int_equal(fake_pool.entered, 1);
	fail_connection(UPSTREAM_NOT_VERIFIED);
	assert_int_equal(fake_pool.acquires, 6);
	assert_int_equal(world.client.status, 502);
}

/* The job's record changes: what failed before may be mended. */
static void
a_failure_that_a_change_may_mend(void **state)
{
	(void)state;
	ask_held();
	fail_connection(UPSTREAM_NOT_VERIFIED);
	the_record_changes(record_with(0, 3));
	for (unsigned i = 0; i < 3; i++)
		fail_connection(UPSTREAM_REFUSED);
	assert_int_equal(fake_pool.acquires, 5);
	assert_int_equal(different(1, 3), 3);
	assert_int_equal(world.client.ends, 0);
}

static void
a_held_request_follows_the_urls(void **state)
{
	(void)state;
	know_replicas(1);
	ask_held();
	assert_int_equal(fake_pool.acquires, 1);
	the_record_changes(record_with(1, 1));
	assert_int_equal(world.client.ends, 0);
	assert_int_equal(fake_pool.acquires, 2);
	assert_int_equal(fake_pool.entered, 1);
	assert_int_equal(replica_at(1), 1);
	the_record_changes(record_with(2, 1));
	assert_int_equal(replica_at(2), 2);
	fake_pool.to_make[3] = false;
	the_record_changes(record_with(0, 2));
	assert_int_equal(fake_pool.acquires, 4);
	assert_string_equal(upstream()->head, heads[replica_at(3)]);
	finish_and_forget();
}

/* A change of its labels: the URLs stay, but may have other indexes. */
static void
a_held_request_goes_on_after_a_change(void **state)
{
	(void)state;
	ask_held();
	the_record_changes(record_with(0, 3));
	assert_int_equal(fake_pool.acquires, 1);
	assert_false(upstream()->upstream.user->elsewhere);
	assert_true(upstream()->upstream.user->leave_ms > 0);
	fail_connection(UPSTREAM_REFUSED);
	fail_connection(UPSTREAM_REFUSED);
	assert_int_equal(different(0, 3), 3);
	assert_int_equal(world.client.ends, 0);
}

/* A job of one URL has nothing of this. */
static void
one_url(void **state)
{
	(void)state;
	know_replicas(1);
	all_to_make();
	ask_get();
	assert_false(upstream()->upstream.user->elsewhere);
	fail_connection(UPSTREAM_REFUSED);
	assert_int_equal(fake_pool.acquires, 1);
	assert_int_equal(world.client.status, 502);
}

int
main(void)
{
#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_three, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(each_replica_gets_requests),
	    TEST(the_busiest_gets_none),
	    TEST(each_is_tried_once),
	    TEST(the_head_is_that_of_the_other_replica),
	    TEST(two_that_do_not_answer_are_enough),
	    TEST(no_socket),
	    TEST(a_repeat_goes_to_another),
	    TEST(what_was_sent_and_may_not_be_repeated),
	    TEST(no_other_is_tried_after_a_change),
	    TEST(the_replica_is_removed_before_it_gets_the_request),
	    TEST(a_request_that_was_sent_goes_on),
	    TEST(a_held_request_tries_all_again),
	    TEST(a_held_request_whose_time_is_over_tries_no_more),
	    TEST(a_failure_that_does_not_pass),
	    TEST(a_failure_that_a_change_may_mend),
	    TEST(a_held_request_follows_the_urls),
	    TEST(a_held_request_goes_on_after_a_change),
	    TEST(one_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
