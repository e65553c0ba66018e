/*
 * authorize_grant_test.c - answers of the gateway itself that rely on a token: they leave only
 * while what allows them still holds, even if the worker was stopped since the verdict, and at
 * once.
 */
#include "authorize_world.h"

/* Another proxy asks whether a request with the token may pass. */
static void
ask_for_another_proxy(void)
{
	static char fields[256];
	const struct question question = {"GET", "gate.test", "/authorize", NULL, fields};

	snprintf(fields, sizeof(fields),
	    "X-Forwarded-Uri: /path?q\nX-Forwarded-Host: " JOB ".jobs.test\n%s", world.bearer);
	world.peer = (struct exchange_peer){.forward_auth = true, .trusted = true};
	world_ask(&world, &question);
}

/* Of a token that may be pasted at a job's own host, and of that job. */
static const struct label team_label = {.name = SLICE("team"), .value = SLICE("blue")};
static const struct label_set team = {.count = 1, .items = &team_label};

/* Both records are known. */
static void
know(void)
{
	struct directory *directory = world.store.directory;

	jg_directory_lookup(directory, RECORD_TOKEN, SLICE(TOKEN_ID), world_now(&world), NULL);
	jg_directory_lookup(directory, RECORD_JOB, SLICE(JOB), world_now(&world), NULL);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, &team));
	world_reply(&world, RECORD_JOB, job_record(8000, &team));
}

static void
sign_in(void)
{
	static char form[256];
	const struct question question = {"POST", JOB ".jobs.test", "/.jobgate/sign-in", NULL,
	    "Origin: https://" JOB ".jobs.test\n", CONTENT_UNKNOWN};

	world.context->options.session_key = world_session_key;
	world.peer = (struct exchange_peer){.tls = true};
	snprintf(form, sizeof(form), "token=%.*s", TOKEN_VALUE_LEN, world.token);
	world_ask(&world, &question);
	assert_int_equal(exchange_content(world.exchange, slice_of(form)), (size_t)strlen(form));
	exchange_content_end(world.exchange, NULL);
}

static void
ask_for_options(void)
{
	static char fields[256];
	const struct question question = {"OPTIONS", JOB ".jobs.test", "/path", NULL, fields};

	snprintf(fields, sizeof(fields), "Max-Forwards: 0\n%s", world.bearer);
	world.peer = (struct exchange_peer){0};
	world_ask(&world, &question);
}

static const struct grant {
	void (*ask)(void);
	unsigned status;
} grants[] = {{ask_for_another_proxy, 200}, {sign_in, 303}, {ask_for_options, 200}};

/* Each kind of grant in a world of its own. */
#define FOR_EACH_GRANT(grant)                                   \
	for (const struct grant *grant = grants;                \
	     grant < grants + sizeof(grants) / sizeof(*grants); \
	     world_close(&world), world_open(&world), stop_ms = 0, grant++)

static void
end_all(void)
{
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
}

/* Others on the connection are told of a change first, and their refusals may end it. */
static void
a_grant_may_end_with_its_connection(void **state)
{
	(void)state;
	fake_client_checked = end_all;
	FOR_EACH_GRANT(grant)
	{
		know();
		world.context->telling = true;
		grant->ask();
		assert_int_equal(world.client.checks, 1);
		assert_int_equal(world.client.answers, 0);
		assert_int_equal(world.client.end, END_ABANDONED);
		world.context->telling = false;
	}
	fake_client_checked = NULL;
}

static void
a_grant_is_sent_at_once(void **state)
{
	(void)state;
	FOR_EACH_GRANT(grant)
	{
		know();
		grant->ask();
		ASSERT_REFUSED(&world, grant->status);
		assert_int_equal(world.client.sends, 1);
		assert_int_equal(stats_of(&world.store).watched, 0);
	}
}

/* Also where it was decided when a record came. */
static void
a_grant_after_a_wait_is_sent_at_once(void **state)
{
	(void)state;
	FOR_EACH_GRANT(grant)
	{
		grant->ask();
		world_reply(&world, RECORD_JOB, job_record(8000, &team));
		world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, &team));
		ASSERT_REFUSED(&world, grant->status);
		assert_int_equal(world.client.sends, 1);
	}
}

static void
a_grant_that_a_stop_made_too_old_becomes_a_refusal(void **state)
{
	(void)state;
	FOR_EACH_GRANT(grant)
	{
		know();
		stop_ms = STALENESS;
		grant->ask();
		ASSERT_REFUSED(&world, 503);
		assert_null(strstr(world.client.fields, "Set-Cookie"));
		assert_null(strstr(world.client.fields, "X-Jobgate-"));
		assert_int_equal(counter_get(&world.context->stats->outcomes[OUTCOME_REFUSED]), 1);
	}
}

static void
the_same_after_a_wait(void **state)
{
	(void)state;
	FOR_EACH_GRANT(grant)
	{
		grant->ask();
		world_reply(&world, RECORD_JOB, job_record(8000, &team));
		stop_ms = STALENESS;
		world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, &team));
		ASSERT_REFUSED(&world, 503);
		assert_null(strstr(world.client.fields, "Set-Cookie"));
	}
}

static void
a_stop_within_the_bound_changes_nothing(void **state)
{
	(void)state;
	FOR_EACH_GRANT(grant)
	{
		know();
		stop_ms = STALENESS / 2;
		grant->ask();
		ASSERT_REFUSED(&world, grant->status);
	}
}

/* A job that is not ready yet lets nothing through, but may be signed in for. */
static void
a_job_without_a_url_may_be_signed_in_for(void **state)
{
	(void)state;
	sign_in();
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, &team));
	world_reply(&world, RECORD_JOB, job_record(0, &team));
	ASSERT_REFUSED(&world, 303);
	assert_int_equal(world.client.sends, 1);
	ask_for_another_proxy();
	ASSERT_REFUSED(&world, 503);
	ask_for_options();
	ASSERT_REFUSED(&world, 503);
}

/* It says nothing of what a token may do: it can wait for its turn, and costs nothing more. */
static void
a_refusal_is_not_sent_at_once(void **state)
{
	const struct question question = {"GET", JOB ".jobs.test", "/path", NULL, ""};

	(void)state;
	world_ask(&world, &question);
	ASSERT_REFUSED(&world, 401);
	assert_int_equal(world.client.sends, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_grant_is_sent_at_once),
	    TEST(a_grant_may_end_with_its_connection),
	    TEST(a_grant_after_a_wait_is_sent_at_once),
	    TEST(a_grant_that_a_stop_made_too_old_becomes_a_refusal),
	    TEST(the_same_after_a_wait),
	    TEST(a_stop_within_the_bound_changes_nothing),
	    TEST(a_job_without_a_url_may_be_signed_in_for),
	    TEST(a_refusal_is_not_sent_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
