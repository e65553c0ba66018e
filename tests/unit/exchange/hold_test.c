/* hold_test.c - requests that are held until their job is up. */
#include <arpa/inet.h>

#include "exchange/running.h"
#include "exchange_world.h"
#include "limits/table.h"

#define START_MS 5000

static struct world world;

static int
setup(void **state)
{
	struct exchange_options *options;

	(void)state;
	world_open(&world);
	options = &world.context->options;
	options->timeouts.start = START_MS;
	options->timeouts.start_max = 60000;
	options->limits.connections = 1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

#define HELD() counter_get(&world.context->stats->held)

/* A request for a job without a URL, once its records have come. */
static void
ask(const char *fields)
{
	const struct question question = {"POST", JOB ".jobs.test", "/path", "?q", fields};

	world_ask(&world, &question);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_reply(&world, RECORD_JOB, job_record(0, NULL));
}

static void
a_request_is_sent_once_its_job_has_a_url(void **state)
{
	(void)state;
	ask(world.bearer);
	ASSERT_WAITS(&world);
	assert_int_equal(HELD(), 1);
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_turn(&world);
	world_turn(&world);
	assert_int_equal(fake_pool.given[0].begun, 1);
	assert_string_equal(fake_pool.given[0].head, "POST 192.0.2.1:8000 /path ?q ");
	assert_int_equal(HELD(), 0); /* its connection is up */
	assert_true(exchange_is_allowed(world.exchange));
}

static void
a_change_that_gives_no_url_holds_it_further(void **state)
{
	(void)state;
	ask(world.bearer);
	for (int i = 0; i < 3; i++) {
		world_pass(&world, START_MS / 4);
		world_change(&world, RECORD_JOB);
		world_reply(&world, RECORD_JOB, job_record(0, NULL));
		ASSERT_WAITS(&world);
	}
	world_pass(&world, START_MS / 4 + 100); /* the time does not begin again */
	ASSERT_REFUSED(&world, 503);
	assert_int_equal(HELD(), 0);
	assert_int_equal(counter_get(&world.context->stats->verdicts[VERDICT_NO_URL]), 1);
}

/* Its token was valid, so it is told, however many tokens its address has guessed. */
static void
a_revoked_token_is_refused_at_once(void **state)
{
	(void)state;
	ask(world.bearer);
	ASSERT_WAITS(&world);
	world.client.limited = 5;
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, NULL);
	world_turn(&world);
	ASSERT_REFUSED(&world, 401);
	assert_int_equal(HELD(), 0);
}

static void
a_job_that_goes_is_refused_at_once(void **state)
{
	(void)state;
	ask(world.bearer);
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, NULL);
	world_turn(&world);
	ASSERT_REFUSED(&world, 404);
}

static void
a_client_may_ask_for_another_time(void **state)
{
	static char fields[256];

	(void)state;
	snprintf(fields, sizeof(fields), "Prefer: wait=0\n%s", world.bearer);
	ask(fields);
	ASSERT_REFUSED(&world, 503);
	assert_null(strstr(world.client.fields, "Refresh"));
	snprintf(fields, sizeof(fields), "Prefer: wait=20\n%s", world.bearer);
	world_ask(&world, &(struct question){"GET", JOB ".jobs.test", "/", NULL, fields});
	world_pass(&world, START_MS + 1000);
	ASSERT_WAITS(&world);
	world_pass(&world, 20000);
	ASSERT_REFUSED(&world, 503);
}

static void
no_more_are_held_than_the_limit(void **state)
{
	(void)state;
	counter_add(&world.context->stats->held, 1); /* another one */
	ask(world.bearer);
	ASSERT_REFUSED(&world, 503);
	assert_int_equal(HELD(), 1);
}

/* Once half of the places are taken, each token gets an eighth of them. */
static void
no_token_takes_all_places(void **state)
{
	const struct question question = {"POST", JOB ".jobs.test", "/path", "?q", world.bearer};

	(void)state;
	world.context->options.limits.connections = 16;
	counter_add(&world.context->stats->held, 7); /* of others */
	ask(world.bearer);
	ASSERT_WAITS(&world);
	exchange_shutdown(world.exchange);
	counter_add(&world.context->stats->held, 1);
	for (size_t i = 0; i < HOLD_SHARES; i++)
		world.context->held_of[i] = 2;
	world_ask(&world, &question);
	ASSERT_REFUSED(&world, 503);
	for (size_t i = 0; i < HOLD_SHARES; i++)
		world.context->held_of[i] = 1;
	world_ask(&world, &question);
	ASSERT_WAITS(&world);
	exchange_shutdown(world.exchange);
	for (size_t i = 0; i < HOLD_SHARES; i++)
		assert_int_equal(world.context->held_of[i], 1); /* given back */
}

/* Records that let everyone in, and in which the token does not reach the job. */
static void
know_public(void)
{
	static struct label team = {SLICE("team"), SLICE("a")};
	struct record *job = job_record(0, NULL);

	job->job.access = SLICE("public");
	world_reply(&world, RECORD_TOKEN,
	    token_record(world.token, 1, &(struct label_set){.items = &team, .count = 1}));
	world_reply(&world, RECORD_JOB, job);
}

/* Which share a client without a token gets. */
static unsigned
share_of_stranger(const char *address)
{
	const struct question question = {"POST", JOB ".jobs.test", "/path", "?q", world.bearer};
	unsigned share;

	assert_int_equal(inet_pton(AF_INET6, address, world.peer.address), 1);
	world_ask(&world, &question);
	if (world.store.first < world.store.count)
		know_public();
	ASSERT_WAITS(&world);
	assert_true(exchange_is_public(world.exchange));
	share = world.exchange->hold_share;
	exchange_shutdown(world.exchange);
	return share;
}

/* A subscriber has a whole /64 of IPv6. */
static void
a_network_has_one_share(void **state)
{
	unsigned share;

	(void)state;
	world.context->options.limits.connections = 16;
	share = share_of_stranger("2001:db8::1");
	assert_int_equal(share_of_stranger("2001:db8::ffff:ffff:ffff:ffff"), share);
	assert_int_not_equal(share_of_stranger("2001:db8:0:1::1"), share);
	share = share_of_stranger("::ffff:192.0.2.1");
	assert_int_equal(share_of_stranger("::ffff:192.0.2.1"), share);
	assert_int_not_equal(share_of_stranger("::ffff:192.0.2.2"), share);
}

/* The token that it was held with does not reach the job any more, so nothing names it. */
static void
a_token_that_does_not_count_any_more_is_not_named(void **state)
{
	static const char nothing[TOKEN_ID_LEN];

	(void)state;
	ask(world.bearer);
	ASSERT_WAITS(&world);
	assert_true(world.exchange->authenticated);
	world_change(&world, RECORD_TOKEN);
	world_change(&world, RECORD_JOB);
	world_turn(&world);
	know_public();
	ASSERT_WAITS(&world);
	assert_true(exchange_is_public(world.exchange));
	assert_false(world.exchange->authenticated);
	assert_memory_equal(world.exchange->token_id, nothing, TOKEN_ID_LEN);
}

/* From now on the limits of tokens count, in this table. */
static struct limit_table *
count_limits(void)
{
	static const uint64_t key[2] = {1, 2};
	struct exchange_options *options = &world.context->options;

	options->limit_table = limit_table_new(8, key);
	options->limit_owner = 1;
	options->limits.gateways = 1;
	assert_non_null(options->limit_table);
	return options->limit_table;
}

/* Others of the token may run while it is held, or runs, as a stranger. */
static void
a_request_that_becomes_public_gives_its_permit_back(void **state)
{
	struct record *token = token_record(world.token, 1, NULL);
	struct limit_table *table = count_limits();

	(void)state;
	token->token.limits.concurrency = 1;
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token);
	world_reply(&world, RECORD_JOB, job_record(0, NULL));
	ASSERT_WAITS(&world);
	assert_int_equal(limit_table_permits(table), 1);
	world_change(&world, RECORD_TOKEN);
	world_change(&world, RECORD_JOB);
	world_turn(&world);
	know_public();
	ASSERT_WAITS(&world);
	assert_true(exchange_is_public(world.exchange));
	assert_int_equal(limit_table_permits(table), 0);
	exchange_shutdown(world.exchange);
	world_turn(&world);
	limit_table_free(table);
	world.context->options.limit_table = NULL;
}

/* It was held as a stranger's; its token counts since the job is not public any more. */
static void
a_request_that_was_public_is_counted(void **state)
{
	const struct question question = {"POST", JOB ".jobs.test", "/path", "?q", world.bearer};
	struct record *token = token_record(world.token, 1, NULL);
	struct limit_table *table = count_limits();

	(void)state;
	token->token.limits.rate = 1;
	token->token.limits.burst = 1;
	world_get(&world);
	know_public();
	ASSERT_WAITS(&world);
	world_change(&world, RECORD_TOKEN);
	world_change(&world, RECORD_JOB);
	world_turn(&world);
	world_reply(&world, RECORD_JOB, job_record(0, NULL));
	world_turn(&world);
	world_reply(&world, RECORD_TOKEN, token);
	ASSERT_WAITS(&world);
	assert_false(exchange_is_public(world.exchange));
	exchange_shutdown(world.exchange);
	world_ask(&world, &question);
	ASSERT_REFUSED(&world, 429);
	limit_table_free(table);
	world.context->options.limit_table = NULL;
}

static struct session_event told;

static bool
on_told(void *ctx, const struct session_event *event)
{
	(void)ctx;
	told = *event;
	return true;
}

/* When it is refused, it does not watch its records any more. */
static void
who_heard_that_it_began_hears_its_end(void **state)
{
	const struct session_order order = {.watch = SESSION_WATCH_BEGIN};

	(void)state;
	assert_true(running_watch(world.context, &order, on_told, NULL));
	ask(world.bearer);
	assert_int_equal(told.change, SESSION_BEGUN);
	world_change(&world, RECORD_TOKEN);
	world_turn(&world);
	world_reply(&world, RECORD_TOKEN, NULL);
	world_turn(&world);
	ASSERT_REFUSED(&world, 401);
	assert_int_equal(told.change, SESSION_ENDED);
	assert_int_equal(told.status, 401);
	assert_int_equal(told.sees, 1);
	running_watch_free(world.context);
}

static void
a_person_gets_a_page_that_checks_again(void **state)
{
	static char fields[256];

	(void)state;
	snprintf(fields, sizeof(fields), "Accept: text/html\n%s", world.bearer);
	ask(fields); /* a form cannot be sent again: it is held */
	ASSERT_WAITS(&world);
	exchange_shutdown(world.exchange);
	assert_int_equal(HELD(), 0);
	world_ask(&world, &(struct question){"GET", JOB ".jobs.test", "/", NULL, fields});
	ASSERT_REFUSED(&world, 503);
	assert_non_null(strstr(world.client.fields, "Refresh: 3\n"));
	assert_non_null(strstr(world.client.body, "checks again by itself"));
	assert_non_null(strstr(world.client.body, "role=\"status\""));
}

static void
another_proxy_gets_its_answer_at_once(void **state)
{
	static char fields[256];

	(void)state;
	world.peer = (struct exchange_peer){.forward_auth = true, .trusted = true};
	snprintf(fields, sizeof(fields),
	    "X-Forwarded-Uri: /path?q\nX-Forwarded-Host: " JOB ".jobs.test\n"
	    "X-Forwarded-Method: POST\nPrefer: wait=9\n%s",
	    world.bearer);
	world_ask(&world, &(struct question){"GET", "gate.test", "/authorize", NULL, fields});
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_reply(&world, RECORD_JOB, job_record(0, NULL));
	ASSERT_REFUSED(&world, 503);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_request_is_sent_once_its_job_has_a_url),
	    TEST(a_change_that_gives_no_url_holds_it_further),
	    TEST(a_revoked_token_is_refused_at_once),
	    TEST(a_job_that_goes_is_refused_at_once),
	    TEST(a_client_may_ask_for_another_time),
	    TEST(no_more_are_held_than_the_limit),
	    TEST(no_token_takes_all_places),
	    TEST(a_network_has_one_share),
	    TEST(a_token_that_does_not_count_any_more_is_not_named),
	    TEST(a_request_that_becomes_public_gives_its_permit_back),
	    TEST(a_request_that_was_public_is_counted),
	    TEST(who_heard_that_it_began_hears_its_end),
	    TEST(a_person_gets_a_page_that_checks_again),
	    TEST(another_proxy_gets_its_answer_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
