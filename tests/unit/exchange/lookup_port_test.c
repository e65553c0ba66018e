/* lookup_port_test.c - a port of a job, whose host may be that of another job. */
#include "exchange_world.h"

#define LABEL JOB "-9000"

static struct world world;
static const struct job_port port_9000 = {.number = 9000,
    .url_text = SLICE("http://192.0.2.1:9000"),
    .url = {.scheme = JOB_URL_HTTP, .host = SLICE("192.0.2.1"), .port = 9000}};

static int
setup(void **state)
{
	(void)state;
	world_open(&world);
	world.context->options.jobs.prefix = "/jobs";
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

static struct record *
owner_record(bool has_port)
{
	struct record *record = job_record(8000, NULL);

	if (has_port)
		record->job.ports = (struct job_ports){1, &port_9000};
	return record;
}

static void
ask(const char *authority, const char *path)
{
	const struct question question = {
	    .method = "GET", .authority = authority, .path = path, .fields = world.bearer};

	world_ask(&world, &question);
	/* All three at once. */
	assert_int_equal(world_reads(&world, RECORD_TOKEN), 1);
	assert_int_equal(world_reads(&world, RECORD_JOB), 2);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
}

static void
ask_host(void)
{
	ask(LABEL ".jobs.test", "/");
}

/* In the path form, the owner is read first. */
static void
ask_path(void)
{
	ask("other.test", "/jobs/" JOB ":9000/");
}

static void
label_changes(void)
{
	jg_directory_invalidate(world.store.directory, RECORD_JOB, SLICE(LABEL), world_now(&world));
}

static void
host_of_a_port(void **state)
{
	(void)state;
	ask_host();
	world_reply(&world, RECORD_JOB, NULL);
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, owner_record(true));
	ASSERT_SENT(&world, "GET 192.0.2.1:9000 /  ");
	assert_true(slice_equal(route_job(&world.exchange->route), SLICE(JOB)));
}

static void
host_of_another_job(void **state)
{
	(void)state;
	ask_host();
	world_reply(&world, RECORD_JOB, job_record(7000, NULL));
	ASSERT_SENT(&world, "GET 192.0.2.1:7000 /  ");
	assert_true(slice_equal(route_job(&world.exchange->route), SLICE(LABEL)));
	world_reply(&world, RECORD_JOB, owner_record(true));
}

static void
path_of_a_port(void **state)
{
	(void)state;
	ask_path();
	world_reply(&world, RECORD_JOB, owner_record(true));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, NULL);
	ASSERT_SENT(&world, "GET 192.0.2.1:9000 /  ");
}

static void
path_of_a_port_whose_host_is_another_jobs(void **state)
{
	(void)state;
	ask_path();
	world_reply(&world, RECORD_JOB, owner_record(true));
	world_reply(&world, RECORD_JOB, job_record(7000, NULL));
	ASSERT_REFUSED(&world, 404);
}

/* The record of the label's job breaks the rules: that job is not served, nor is the port. */
static void
host_of_a_broken_job(void **state)
{
	(void)state;
	ask_host();
	world_feed(&world, RECORD_JOB, FEED_BROKEN, NULL);
	ASSERT_REFUSED(&world, 404);
	world_reply(&world, RECORD_JOB, owner_record(true));
}

static void
path_of_a_port_whose_host_is_a_broken_jobs(void **state)
{
	(void)state;
	ask_path();
	world_reply(&world, RECORD_JOB, owner_record(true));
	world_feed(&world, RECORD_JOB, FEED_BROKEN, NULL);
	ASSERT_REFUSED(&world, 404);
}

static void
no_such_port(void **state)
{
	(void)state;
	ask_host();
	world_reply(&world, RECORD_JOB, NULL);
	world_reply(&world, RECORD_JOB, owner_record(false));
	ASSERT_REFUSED(&world, 404);
}

/* What was found before a wait does not count after it. */
static void
a_job_that_comes_during_the_wait(void **state)
{
	(void)state;
	ask_host();
	world_reply(&world, RECORD_JOB, NULL);
	label_changes();
	world_reply(&world, RECORD_JOB, owner_record(true));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(7000, NULL));
	ASSERT_SENT(&world, "GET 192.0.2.1:7000 /  ");
}

/* Nothing is known of the other job: the port is not served. */
static void
unknown_is_not_absent(void **state)
{
	struct fake *store = &world.store;

	(void)state;
	ask_host();
	jg_directory_feed(
	    store->directory, store->asked[store->first++], FEED_FAILED, NULL, world_now(&world));
	ASSERT_REFUSED(&world, 503);
	world_reply(&world, RECORD_JOB, owner_record(true));
}

static void
expect_cut(void)
{
	world_turn(&world);
	assert_int_equal(world.client.status, 404);
	assert_int_equal(world.client.ends, 1);
	assert_int_equal(fake_pool.given[0].cancelled, 1);
}

static void
a_job_that_comes_later_cuts(void **state)
{
	(void)state;
	ask_host();
	world_reply(&world, RECORD_JOB, NULL);
	world_reply(&world, RECORD_JOB, owner_record(true));
	ASSERT_SENT(&world, "GET 192.0.2.1:9000 /  ");
	label_changes();
	world_reply(&world, RECORD_JOB, NULL); /* it was nothing */
	ASSERT_SENT(&world, "GET 192.0.2.1:9000 /  ");
	label_changes();
	world_reply(&world, RECORD_JOB, job_record(7000, NULL));
	expect_cut();
}

static void
a_broken_job_that_comes_later_cuts(void **state)
{
	(void)state;
	ask_host();
	world_reply(&world, RECORD_JOB, NULL);
	world_reply(&world, RECORD_JOB, owner_record(true));
	ASSERT_SENT(&world, "GET 192.0.2.1:9000 /  ");
	label_changes();
	world_feed(&world, RECORD_JOB, FEED_BROKEN, NULL);
	expect_cut();
}

static void
a_port_that_goes_cuts(void **state)
{
	(void)state;
	ask_path();
	world_reply(&world, RECORD_JOB, owner_record(true));
	world_reply(&world, RECORD_JOB, NULL);
	ASSERT_SENT(&world, "GET 192.0.2.1:9000 /  ");
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, owner_record(false));
	expect_cut();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(host_of_a_port),
	    TEST(host_of_another_job),
	    TEST(path_of_a_port),
	    TEST(path_of_a_port_whose_host_is_another_jobs),
	    TEST(host_of_a_broken_job),
	    TEST(path_of_a_port_whose_host_is_a_broken_jobs),
	    TEST(no_such_port),
	    TEST(a_job_that_comes_during_the_wait),
	    TEST(unknown_is_not_absent),
	    TEST(a_job_that_comes_later_cuts),
	    TEST(a_broken_job_that_comes_later_cuts),
	    TEST(a_port_that_goes_cuts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
