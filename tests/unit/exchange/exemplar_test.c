/* exemplar_test.c - whose traces become exemplars. */
#include "relay_world.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"

static char fields[256];

/* GET /, with the token or without it, whose sender records its trace. */
static void
ask_traced(bool with_token)
{
	snprintf(fields, sizeof(fields), "traceparent: 00-" TRACE "-b7ad6b7169203331-01\n%s",
	    with_token ? world.bearer : "");
	world_ask(&world, &(struct question){"GET", JOB ".jobs.test", "/", NULL, fields});
	world_turn(&world);
}

/* How many buckets have one. */
static unsigned
exemplars(void)
{
	const struct worker_stats *stats = world.context->stats;
	struct exemplar_seen seen;
	unsigned count = 0;

	for (size_t i = 0; i < sizeof(stats->exemplars) / sizeof(stats->exemplars[0]); i++)
		count += exemplar_read(&stats->exemplars[i], &seen);
	return count;
}

/* The token does not reach the job. */
static void
know_apart(const char *access)
{
	static struct label team = {SLICE("team"), SLICE("a")};
	struct record *job = job_record(8000, NULL);

	job->job.access = slice_of(access);
	world_change(&world, RECORD_TOKEN);
	world_change(&world, RECORD_JOB);
	jg_directory_lookup(
	    world.store.directory, RECORD_TOKEN, SLICE(TOKEN_ID), world_now(&world), NULL);
	jg_directory_lookup(world.store.directory, RECORD_JOB, SLICE(JOB), world_now(&world), NULL);
	world_reply(&world, RECORD_TOKEN,
	    token_record(world.token, 1, &(struct label_set){.items = &team, .count = 1}));
	world_reply(&world, RECORD_JOB, job);
}

static void
with_a_token_that_reaches_the_job(void **state)
{
	(void)state;
	ask_traced(true);
	finish();
	assert_int_equal(exemplars(), 1);
}

static void
not_without_a_token(void **state)
{
	(void)state;
	ask_traced(false);
	assert_int_equal(world.client.status, 401);
	assert_int_equal(exemplars(), 0);
}

static void
not_as_a_stranger_at_a_public_job(void **state)
{
	(void)state;
	know_apart("public");
	ask_traced(true);
	assert_true(exchange_is_public(world.exchange));
	finish();
	assert_int_equal(world.client.status, 200);
	assert_int_equal(exemplars(), 0);
}

static void
not_with_a_token_that_does_not_reach_the_job(void **state)
{
	(void)state;
	know_apart("");
	ask_traced(true);
	assert_int_equal(world.client.status, 403);
	assert_int_equal(exemplars(), 0);
}

/* A proxy that is trusted answers for the trace. */
static void
from_a_trusted_peer(void **state)
{
	(void)state;
	world.peer.trusted = true;
	ask_traced(false);
	assert_int_equal(world.client.status, 401);
	assert_int_equal(exemplars(), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(with_a_token_that_reaches_the_job),
	    TEST(not_without_a_token),
	    TEST(not_as_a_stranger_at_a_public_job),
	    TEST(not_with_a_token_that_does_not_reach_the_job),
	    TEST(from_a_trusted_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
