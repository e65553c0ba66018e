/* authorize_test.c - who may pass, with records that are known and records that come later. */
#include "authorize_world.h"

#include "check_catch.h"

static const struct label base[] = {{{"model", 5}, {"base", 4}}};
static const struct label_set model_base = {1, base};

/* ---- both records are known ---- */

static void
known_records_let_a_request_pass_at_once(void **state)
{
	(void)state;
	world_know(&world);
	world_get(&world);
	assert_int_equal(fake_pool.entered, 1);
	ASSERT_SENT(&world, HEAD);
	assert_string_equal(fake_pool.target, "192.0.2.1:8000");
	assert_int_equal(fake_pool.source, BACKEND_OF_RECORD); /* the guard judges its addresses */
	assert_int_equal(fake_pending(&world.store), 0);
	assert_true(exchange_is_allowed(world.exchange));
	assert_null(strstr(fake_pool.given[0].lines, "Authorization"));
	assert_non_null(strstr(fake_pool.given[0].lines, "X-Jobgate-Job: " JOB "\r\n"));
	assert_non_null(strstr(fake_pool.given[0].lines, "X-Jobgate-Token-Id: " TOKEN_ID "\r\n"));
}

static void
requests_that_need_no_record_are_refused_at_once(void **state)
{
	static const struct {
		const char *fields;
		unsigned status;
	} cases[] = {
	    {"", 401},
	    {"Authorization: Basic eDp5\n", 401},
	    {"Authorization: Bearer\n", 400},
	    {"Authorization: Bearer x\n", 401},
	    {"Authorization: Bearer jgt_x\n", 401},
	    {"Authorization: Bearer jgt_x y\n", 400},
	    {"Authorization: Basic eDpqZ3RfeA==\n", 401},
	    {"Authorization: token jgt_x y\n", 401},
	    {"Authorization: Bearer x\nAuthorization: Bearer x\n", 400},
	    {"X-Jobgate-Authorization: Bearer jgt_x\n", 401},
	    {"X-Jobgate-Authorization: Bearer x\n", 401},
	    {"X-Jobgate-Authorization: jgt_x\n", 400},
	    {"X-Jobgate-Authorization: Bearer x\nX-Jobgate-Authorization: Bearer x\n", 400},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct question question = {
		    "GET", JOB ".jobs.test", "/", NULL, cases[i].fields};

		world_ask(&world, &question);
		ASSERT_REFUSED(&world, cases[i].status);
		assert_int_equal(fake_pending(&world.store), 0);
	}
}

static void
a_request_for_no_job_is_refused(void **state)
{
	const struct question question = {"GET", "other.test", "/", NULL, world.bearer};

	(void)state;
	world_know(&world);
	world_ask(&world, &question);
	ASSERT_REFUSED(&world, 404);
}

/* ---- waiting ---- */

static void
unknown_records_are_read_and_waited_for(void **state)
{
	(void)state;
	world_get(&world);
	ASSERT_WAITS(&world);
	/* Both at once: one round trip. */
	assert_int_equal(world_reads(&world, RECORD_TOKEN), 1);
	assert_int_equal(world_reads(&world, RECORD_JOB), 1);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_SENT(&world, HEAD);
}

static void
a_request_may_wait_for_the_token_and_then_for_the_job(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_SENT(&world, HEAD);
	assert_string_equal(fake_pool.target, "192.0.2.1:8000");
	assert_non_null(strstr(fake_pool.given[0].lines, "X-Jobgate-Job: " JOB "\r\n"));
}

static void
a_record_that_is_not_there_refuses(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, NULL);
	ASSERT_REFUSED(&world, 401);
	assert_int_equal(world.client.failures, 1);
	world_reply(&world, RECORD_JOB, NULL);

	world_change(&world, RECORD_TOKEN);
	world_change(&world, RECORD_JOB);
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_reply(&world, RECORD_JOB, NULL);
	ASSERT_REFUSED(&world, 404);

	/* A scoped token does not learn which jobs there are. */
	world_change(&world, RECORD_TOKEN);
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, &model_base));
	ASSERT_REFUSED(&world, 403);
}

static void
nothing_more_is_read_for_a_wrong_secret(void **state)
{
	char other[TOKEN_VALUE_LEN];

	(void)state;
	assert_true(jg_token_value_make(SLICE(TOKEN_ID), NULL, other));
	world_get(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_TOKEN, token_record(other, 1, NULL));
	ASSERT_REFUSED(&world, 401);
	assert_int_equal(fake_pending(&world.store), 0);
}

static void
a_large_request_waits_whole(void **state)
{
	enum { FIELDS = 90, LEN = 500 };
	static char fields[FIELDS * (LEN + 16) + 200], line[LEN + 16];
	struct question question = {"GET", JOB ".jobs.test", "/path", "?q", fields};
	size_t len = (size_t)snprintf(fields, sizeof(fields), "%s", world.bearer);

	(void)state;
	for (int i = 0; i < FIELDS; i++) {
		int n = snprintf(line, sizeof(line), "X-%d: ", i);

		memset(line + n, 'a' + i % 26, LEN);
		memcpy(line + n + LEN, "\n", 2);
		len += (size_t)snprintf(fields + len, sizeof(fields) - len, "%s", line);
	}
	world_ask(&world, &question);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_SENT(&world, HEAD);
	snprintf(line, 8, "X-89: l");
	assert_non_null(strstr(fake_pool.given[0].lines, line));
}

static void
the_credential_is_hashed_once(void **state)
{
	(void)state;
	world_get(&world);
	assert_int_equal(hashes, 1);
	/* Other requests have taken its place in the cache of digests meanwhile. */
	memset(world.context->digests.slots, 0, sizeof(world.context->digests.slots));
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_SENT(&world, HEAD);
	assert_int_equal(hashes, 2); /* of token_record, too */
}

static void
the_credential_is_compared_once(void **state)
{
	(void)state;
	world_know(&world);
	comparisons = 0;
	world_get(&world);
	ASSERT_SENT(&world, HEAD);
	assert_int_equal(comparisons, 1);
}

/* Also for a token that does not exist, so that its refusal takes the same time. */
static void
a_refused_credential_is_compared_once(void **state)
{
	const struct question garbage = {
	    "GET", JOB ".jobs.test", "/", NULL, "Authorization: Bearer jgt_x\n"};
	char other[TOKEN_VALUE_LEN];

	(void)state;
	assert_true(jg_token_value_make(SLICE(TOKEN_ID), NULL, other));
	world_get(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_reply(&world, RECORD_TOKEN, token_record(other, 1, NULL));
	ASSERT_REFUSED(&world, 401);
	assert_int_equal(comparisons, 1);

	world_change(&world, RECORD_TOKEN);
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, NULL);
	ASSERT_REFUSED(&world, 401);
	assert_int_equal(comparisons, 2);

	world_ask(&world, &garbage);
	ASSERT_REFUSED(&world, 401);
	assert_int_equal(comparisons, 3);
}

/* So that no later refusal is quicker. */
static void
the_digest_of_a_refused_credential_is_not_kept(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		world_change(&world, RECORD_TOKEN);
		hashes = 0;
		world_get(&world);
		assert_int_equal(hashes, 1);
		world_reply(&world, RECORD_TOKEN, NULL);
		ASSERT_REFUSED(&world, 401);
	}
	world_get(&world); /* its absence is known by now */
	ASSERT_REFUSED(&world, 401);
	assert_int_equal(hashes, 2);
}

static void
a_client_that_guesses_is_slowed_down(void **state)
{
	(void)state;
	world_get(&world);
	world.client.limited = 5;
	world_reply(&world, RECORD_TOKEN, NULL);
	ASSERT_REFUSED(&world, 429);
	assert_non_null(strstr(world.client.fields, "Retry-After: 5\n"));
	world_reply(&world, RECORD_JOB, NULL);
}

/* ---- other kinds of requests ---- */

static void
a_path_that_names_the_job_waits_too(void **state)
{
	const struct question question = {
	    "GET", "gate.test", "/jobs/" JOB "/path", "?q", world.bearer};

	(void)state;
	world.context->options.jobs.prefix = "/jobs";
	world_ask(&world, &question);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_SENT(&world, HEAD);
	assert_non_null(strstr(fake_pool.given[0].lines, "X-Forwarded-Prefix: /jobs/" JOB "\r\n"));
}

static void
the_sidecars_job_is_reached_at_the_configured_url(void **state)
{
	(void)state;
	world.context->options.jobs = (struct job_forms){.fixed = JOB,
	    .fixed_url = "http://127.0.0.1:8888",
	    .fixed_target = {.scheme = JOB_URL_HTTP, .host = SLICE("127.0.0.1"), .port = 8888}};
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(0, NULL)); /* it needs no URL of its own */
	ASSERT_SENT(&world, "GET 127.0.0.1:8888 /path ?q ");
	assert_string_equal(fake_pool.target, "127.0.0.1:8888");
	assert_int_equal(fake_pool.source, BACKEND_OF_CONFIGURATION);
	/* And it may have another one later. */
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, job_record(9000, NULL));
	assert_int_equal(world.client.ends, 0);
}

static void
another_proxy_gets_its_answer_after_a_wait(void **state)
{
	static char fields[256];
	const struct question question = {"GET", "gate.test", "/authorize", NULL, fields};

	(void)state;
	snprintf(fields, sizeof(fields),
	    "X-Forwarded-Uri: /path?q\nX-Forwarded-Host: " JOB ".jobs.test\n"
	    "X-Forwarded-Method: POST\n%s",
	    world.bearer);
	world.peer = (struct exchange_peer){.forward_auth = true, .trusted = true};
	world_ask(&world, &question);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_REFUSED(&world, 200);
	assert_non_null(strstr(world.client.fields, "X-Jobgate-Job: " JOB "\n"));
	/* The backend gets nothing from us: what counts is the store at this moment. */
	world_change(&world, RECORD_TOKEN);
	world_ask(&world, &question);
	world_reply(&world, RECORD_TOKEN, NULL);
	ASSERT_REFUSED(&world, 401);
}

/* ---- what only a bug can do ---- */

static void
a_state_follows_only_those_that_the_table_allows(void **state)
{
	(void)state;
	world_get(&world);
	assert_check_fails(exchange_set_state(world.exchange, EXCHANGE_AWAITING), "state_allows");
	/* The dump shows what the exchange does, and nothing of what its client sent. */
	assert_non_null(strstr(check_message, "exchange{state=authorizing job=\"" JOB "\""));
	assert_non_null(strstr(check_message, " waits_for_store suspended"));
	assert_null(strstr(check_message, "path"));
	assert_null(memmem(check_message, sizeof(check_message), world.token + 21, 8));
	ASSERT_WAITS(&world);
}

static void
a_request_is_authorized_once(void **state)
{
	struct request again = {0};

	(void)state;
	world_know(&world);
	world_get(&world);
	assert_check_fails(exchange_authorize(world.exchange, &again), "EXCHANGE_AUTHORIZING");
	ASSERT_SENT(&world, HEAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(known_records_let_a_request_pass_at_once),
	    TEST(requests_that_need_no_record_are_refused_at_once),
	    TEST(a_request_for_no_job_is_refused),
	    TEST(unknown_records_are_read_and_waited_for),
	    TEST(a_request_may_wait_for_the_token_and_then_for_the_job),
	    TEST(a_record_that_is_not_there_refuses),
	    TEST(nothing_more_is_read_for_a_wrong_secret),
	    TEST(a_large_request_waits_whole),
	    TEST(the_credential_is_hashed_once),
	    TEST(the_credential_is_compared_once),
	    TEST(a_refused_credential_is_compared_once),
	    TEST(the_digest_of_a_refused_credential_is_not_kept),
	    TEST(a_client_that_guesses_is_slowed_down),
	    TEST(a_path_that_names_the_job_waits_too),
	    TEST(the_sidecars_job_is_reached_at_the_configured_url),
	    TEST(another_proxy_gets_its_answer_after_a_wait),
	    TEST(a_state_follows_only_those_that_the_table_allows),
	    TEST(a_request_is_authorized_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
