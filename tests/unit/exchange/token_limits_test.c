/* token_limits_test.c - requests of tokens that have limits: when they count, and what refuses
 * them. */
#include "authorize_world.h"

#include "limits/table.h"

#define PLACES 64
#define OWNER 7

static const uint64_t hash_key[2] = {1, 2};
static struct limit_table *table;

static int
open_limited(void **state)
{
	setup(state);
	table = limit_table_new(PLACES, hash_key);
	assert_non_null(table);
	world.context->options.limit_table = table;
	world.context->options.limit_owner = OWNER;
	world.context->options.limits.gateways = 1;
	return 0;
}

static int
close_limited(void **state)
{
	teardown(state);
	assert_int_equal(limit_table_permits(table), 0);
	limit_table_free(table);
	return 0;
}

static struct record *
limited_record(struct token_limits limits)
{
	struct record *record = token_record(world.token, 1, NULL);

	record->token.limits = limits;
	return record;
}

static void
know(struct token_limits limits)
{
	world_know(&world);
	world_change(&world, RECORD_TOKEN);
	jg_directory_lookup(
	    world.store.directory, RECORD_TOKEN, SLICE(TOKEN_ID), world_now(&world), NULL);
	world_reply(&world, RECORD_TOKEN, limited_record(limits));
}

/* Another request of the token, which holds a permit until it is given back. */
static struct permit
take_other(uint64_t concurrency)
{
	struct permit permit;
	uint64_t wait_us;

	assert_int_equal(jg_limits_take(table, OWNER, SLICE(TOKEN_ID),
			     &(struct allowance){.concurrency = concurrency}, 1, &permit, &wait_us),
	    LIMIT_ALLOWED);
	return permit;
}

static uint64_t
refused_as(enum verdict verdict)
{
	return counter_get(&world.context->stats->verdicts[verdict]);
}

static void
a_permit_lasts_until_the_end(void **state)
{
	(void)state;
	know((struct token_limits){.concurrency = 1});
	world_get(&world);
	assert_int_equal(limit_table_permits(table), 1);
	world_turn(&world);
	assert_int_equal(limit_table_permits(table), 1);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	assert_int_equal(limit_table_permits(table), 0);
}

static void
a_request_that_waits_holds_none(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, limited_record((struct token_limits){.concurrency = 1}));
	ASSERT_WAITS(&world);
	assert_int_equal(limit_table_permits(table), 0);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	assert_int_equal(limit_table_permits(table), 1);
}

static void
over_the_concurrency(void **state)
{
	struct permit other;

	(void)state;
	know((struct token_limits){.concurrency = 1});
	other = take_other(1);
	world_get(&world);
	ASSERT_REFUSED(&world, 429);
	assert_non_null(strstr(world.client.fields, "Retry-After: 1\n"));
	assert_non_null(strstr(world.client.fields,
	    "RateLimit-Policy: \"concurrency\";q=1;qu=\"concurrent-requests\"\n"));
	assert_non_null(strstr(world.client.fields, "RateLimit: \"concurrency\";r=0\n"));
	assert_int_equal(refused_as(VERDICT_OVER_CONCURRENCY), 1);
	assert_int_equal(refused_as(VERDICT_ALLOW), 0);
	jg_limits_give(table, &other);
	world_get(&world);
	assert_int_equal(limit_table_permits(table), 1);
}

static void
over_the_rate(void **state)
{
	(void)state;
	world.context->options.limits.gateways = 4;
	know((struct token_limits){.rate = 1, .burst = 1});
	world_get(&world);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	world_get(&world);
	world_turn(&world);
	assert_int_equal(world.client.status, 429);
	assert_non_null(strstr(world.client.fields, "Retry-After: 4\n"));
	assert_non_null(strstr(world.client.fields, "RateLimit-Policy: \"rate\";q=1;w=4\n"));
	assert_non_null(strstr(world.client.fields, "RateLimit: \"rate\";r=0;t=4\n"));
	world_pass(&world, 1500);
	world_get(&world);
	world_turn(&world);
	assert_non_null(strstr(world.client.fields, "Retry-After: 3\n"));
	world_pass(&world, 2500);
	world_get(&world);
	assert_int_equal(world.client.answers, 0);
	assert_int_equal(refused_as(VERDICT_OVER_RATE), 2);
}

/* Other tokens have all places. */
static void
a_full_table_refuses(void **state)
{
	struct permit permit;
	uint64_t wait_us;
	char id[17];

	(void)state;
	know((struct token_limits){.concurrency = 1});
	for (unsigned i = 0; i < PLACES; i++) {
		snprintf(id, sizeof(id), "other%011u", i);
		jg_limits_take(table, OWNER, slice_of(id), &(struct allowance){.concurrency = 1}, 1,
		    &permit, &wait_us);
	}
	world_get(&world);
	ASSERT_REFUSED(&world, 503);
	assert_non_null(strstr(world.client.fields, "Retry-After: 1\n"));
	assert_null(strstr(world.client.fields, "RateLimit"));
	assert_int_equal(refused_as(VERDICT_LIMITS_FULL), 1);
	limit_table_worker_ended(table, OWNER);
}

static void
the_configuration_has_defaults(void **state)
{
	struct permit other;

	(void)state;
	world.context->options.limits.token.concurrency = 1;
	world_know(&world);
	other = take_other(1);
	world_get(&world);
	ASSERT_REFUSED(&world, 429);
	jg_limits_give(table, &other);
}

static void
a_burst_alone_limits_nothing(void **state)
{
	(void)state;
	know((struct token_limits){.burst = 1});
	for (unsigned i = 0; i < 3; i++) {
		world_get(&world);
		assert_int_equal(world.client.answers, 0);
		exchange_client_failed(world.exchange, CLIENT_CLOSED);
	}
}

/* The token has got a limit while its request runs. */
static void
what_runs_counts_from_then_on(void **state)
{
	(void)state;
	world_know(&world);
	world_get(&world);
	world_turn(&world);
	assert_int_equal(limit_table_permits(table), 0);
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, limited_record((struct token_limits){.concurrency = 1}));
	assert_int_equal(limit_table_permits(table), 1);
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, limited_record((struct token_limits){.concurrency = 2}));
	assert_int_equal(limit_table_permits(table), 1); /* once */
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	assert_int_equal(world.client.answers, 0); /* nothing was cut */
}

/* What another proxy forwards is not seen to end. */
static void
another_proxy_asks_for_the_rate_alone(void **state)
{
	char fields[256];
	const struct question question = {"GET", "gate.test", "/authorize", NULL, fields};
	struct permit other;

	(void)state;
	know((struct token_limits){.rate = 1, .burst = 1, .concurrency = 1});
	other = take_other(1);
	snprintf(fields, sizeof(fields),
	    "X-Forwarded-Uri: /path\nX-Forwarded-Host: " JOB ".jobs.test\n%s", world.bearer);
	world.peer = (struct exchange_peer){.forward_auth = true, .trusted = true};
	world_ask(&world, &question);
	ASSERT_REFUSED(&world, 200);
	assert_int_equal(limit_table_permits(table), 1);
	world_ask(&world, &question);
	ASSERT_REFUSED(&world, 429);
	jg_limits_give(table, &other);
}

static void
a_call_of_grpc_gets_its_own_status(void **state)
{
	char fields[256];
	const struct question question = {
	    "POST", JOB ".jobs.test", "/a.B/C", NULL, fields, CONTENT_UNKNOWN, .http2 = true};
	struct permit other;

	(void)state;
	know((struct token_limits){.concurrency = 1});
	other = take_other(1);
	snprintf(fields, sizeof(fields), "Content-Type: application/grpc\n%s", world.bearer);
	world_ask(&world, &question);
	ASSERT_REFUSED(&world, 200);
	assert_non_null(strstr(world.client.fields, "grpc-status: 8\n"));
	assert_non_null(strstr(world.client.fields, "RateLimit: \"concurrency\";r=0\n"));
	jg_limits_give(table, &other);
}

#define LIMITED(name) cmocka_unit_test_setup_teardown(name, open_limited, close_limited)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    LIMITED(a_permit_lasts_until_the_end),
	    LIMITED(a_request_that_waits_holds_none),
	    LIMITED(over_the_concurrency),
	    LIMITED(over_the_rate),
	    LIMITED(a_full_table_refuses),
	    LIMITED(the_configuration_has_defaults),
	    LIMITED(a_burst_alone_limits_nothing),
	    LIMITED(what_runs_counts_from_then_on),
	    LIMITED(another_proxy_asks_for_the_rate_alone),
	    LIMITED(a_call_of_grpc_gets_its_own_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
