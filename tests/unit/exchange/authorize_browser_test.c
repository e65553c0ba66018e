/* authorize_browser_test.c - sessions in place of tokens, and signing in for one. */
#include "authorize_world.h"

#include "browser/session.h"
#include "short_memory.h"

/* ---- sessions ---- */

static char cookie[256];
static bool short_after_sealing;

/* A request with these fields of a browser that signed in for the job `for_job`, for this many
 * seconds. */
static void
browse_with(const char *for_job, int64_t seconds, const char *fields)
{
	struct question question = {"GET", JOB ".jobs.test", "/path", "?q", cookie};
	struct session session = {
	    .version = 1, .expires_s = loop_wall_us(world.context->loop) / 1000000 + seconds};
	unsigned char hash[TOKEN_HASH_LEN];
	char text[SESSION_TEXT_LEN];

	world.context->options.session_key = world_session_key;
	world.peer.tls = true;
	memcpy(session.token_id, TOKEN_ID, TOKEN_ID_LEN);
	assert_true(__real_jg_token_hash((struct slice){world.token, TOKEN_VALUE_LEN}, hash));
	memcpy(session.mark, hash, TOKEN_MARK_LEN);
	assert_true(session_seal(world_session_key, slice_of(for_job), &session, text));
	snprintf(cookie, sizeof(cookie), "Cookie: " SESSION_COOKIE "=%.*s\n%s", SESSION_TEXT_LEN,
	    text, fields);
	is_short = short_after_sealing;
	world_ask(&world, &question);
	is_short = false;
}

static void
browse(const char *for_job, int64_t seconds, bool wants_html)
{
	browse_with(for_job, seconds, wants_html ? "Accept: text/html\n" : "");
}

static void
a_session_stands_for_the_token(void **state)
{
	(void)state;
	browse(JOB, 60, false);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_SENT(&world, HEAD);
	assert_null(strstr(fake_pool.given[0].lines, SESSION_COOKIE));
}

/* A web application has credentials of its own. */
static void
with_a_session_a_foreign_authorization_passes(void **state)
{
	static const char *const fields[] = {"Authorization: Bearer own\n",
	    "Authorization: Basic eDp5\n", "Authorization: Custom x\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (i > 0) {
			world_close(&world);
			world_open(&world);
		}
		world_know(&world);
		browse_with(JOB, 60, fields[i]);
		ASSERT_SENT(&world, HEAD);
		assert_non_null(strstr(fake_pool.given[0].lines, "Authorization: "));
	}
}

/* Also where it does not count in its form. */
static void
with_a_session_no_token_of_ours_passes(void **state)
{
	(void)state;
	world_know(&world);
	browse_with(JOB, 60, "Authorization: Custom jgt_x\n");
	ASSERT_SENT(&world, HEAD);
	assert_null(strstr(fake_pool.given[0].lines, "Authorization: "));
}

static void
a_token_goes_before_a_session(void **state)
{
	(void)state;
	browse_with(JOB, 60, "Authorization: Bearer jgt_x\n");
	ASSERT_REFUSED(&world, 401);
	browse_with(JOB, 60, "X-Jobgate-Authorization: Bearer jgt_x\n");
	ASSERT_REFUSED(&world, 401);
	browse_with(JOB, 60, "Authorization: Basic OmpndF94\nAccept: text/html\n");
	ASSERT_REFUSED(&world, 401);
	world.client.body[world.client.body_len] = '\0';
	assert_null(strstr(world.client.body, "<form"));
	assert_int_equal(fake_pending(&world.store), 0);
}

/* A person whose browser sends what the job asked for can still sign in. */
static void
a_foreign_authorization_does_not_hide_the_page(void **state)
{
	(void)state;
	browse_with("other", 60, "Authorization: Basic eDp5\nAccept: text/html\n");
	ASSERT_REFUSED(&world, 401);
	world.client.body[world.client.body_len] = '\0';
	assert_non_null(strstr(world.client.body, "<form"));
}

static void
a_session_for_another_job_stands_for_nothing(void **state)
{
	(void)state;
	browse("other", 60, false);
	ASSERT_REFUSED(&world, 401);
	assert_int_equal(fake_pending(&world.store), 0);
}

/* The job may be public, so the request must not pass as one without a session. */
static void
a_session_that_cannot_be_opened_is_refused(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		if (i > 0) {
			world_close(&world);
			world_open(&world);
		}
		short_after_sealing = true;
		browse(i == 0 ? JOB : "other", 60, false);
		short_after_sealing = false;
		ASSERT_REFUSED(&world, 503);
		assert_int_equal(world_reads(&world, RECORD_JOB), 0);
	}
}

static void
a_session_ends_with_its_token(void **state)
{
	(void)state;
	browse(JOB, 60, true);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 2, NULL));
	ASSERT_REFUSED(&world, 401);
	world.client.body[world.client.body_len] = '\0';
	assert_non_null(strstr(world.client.body, "Your sign-in has ended"));
	assert_non_null(strstr(world.client.body, "value=\"/path?q\""));
}

static void
a_session_that_expires_while_its_request_waits_stands_for_nothing(void **state)
{
	(void)state;
	browse(JOB, 1, false);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_pass(&world, 1100);
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_REFUSED(&world, 401);
}

/* ---- signing in ---- */

/* Of a token that may be pasted at a job's own host, and of that job. */
static const struct label team_label = {.name = SLICE("team"), .value = SLICE("blue")};
static const struct label_set team = {.count = 1, .items = &team_label};

static void
sign_in(const char *value)
{
	static char form[256];
	const struct question question = {"POST", JOB ".jobs.test", "/.jobgate/sign-in", NULL,
	    "Origin: https://" JOB ".jobs.test\n", CONTENT_UNKNOWN};

	world.context->options.session_key = world_session_key;
	world.peer.tls = true;
	snprintf(form, sizeof(form), "token=%.*s&to=%%2Fpath", TOKEN_VALUE_LEN, value);
	world_ask(&world, &question);
	assert_true(exchange_takes_content(world.exchange));
	assert_int_equal(exchange_content(world.exchange, slice_of(form)), (size_t)strlen(form));
	exchange_content_end(world.exchange, NULL);
}

static void
signing_in_waits_for_both_records(void **state)
{
	(void)state;
	sign_in(world.token);
	assert_int_equal(hashes, 1);
	memset(world.context->digests.slots, 0, sizeof(world.context->digests.slots));
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, &team));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, &team));
	ASSERT_REFUSED(&world, 303);
	assert_non_null(strstr(world.client.fields, "Location: /path\n"));
	assert_non_null(strstr(world.client.fields, "Set-Cookie: " SESSION_COOKIE "="));
	assert_int_equal(hashes, 2); /* of token_record, too */
}

static void
signing_in_with_a_token_deleted_meanwhile_fails(void **state)
{
	(void)state;
	sign_in(world.token);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_TOKEN, NULL);
	ASSERT_REFUSED(&world, 401);
	assert_null(strstr(world.client.fields, "Set-Cookie"));
}

static void
signing_in_keeps_its_credential_when_values_come_to_be_minted_between_both_waits(void **state)
{
	static const unsigned char key[MINT_KEY_LEN] = {9};

	(void)state;
	sign_in(world.token);
	jg_directory_set_mint(world.store.directory, MINT_STARTED, key);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, &team));
	ASSERT_WAITS(&world);
	fill_digests();
	world_reply(&world, RECORD_JOB, job_record(8000, &team));
	ASSERT_REFUSED(&world, 303);
}

static void
a_wait_for_signing_in_has_an_end(void **state)
{
	(void)state;
	sign_in(world.token);
	world_pass(&world, LOOKUP_MS + 200);
	ASSERT_REFUSED(&world, 503);
}

static void
a_browser_that_goes_while_it_signs_in_is_forgotten(void **state)
{
	(void)state;
	sign_in(world.token);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	assert_int_equal(world.client.end, END_ABANDONED);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_turn(&world);
	assert_int_equal(world.client.answers, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_session_stands_for_the_token),
	    TEST(with_a_session_a_foreign_authorization_passes),
	    TEST(with_a_session_no_token_of_ours_passes),
	    TEST(a_token_goes_before_a_session),
	    TEST(a_foreign_authorization_does_not_hide_the_page),
	    TEST(a_session_for_another_job_stands_for_nothing),
	    TEST(a_session_that_cannot_be_opened_is_refused),
	    TEST(a_session_ends_with_its_token),
	    TEST(a_session_that_expires_while_its_request_waits_stands_for_nothing),
	    TEST(signing_in_waits_for_both_records),
	    TEST(signing_in_with_a_token_deleted_meanwhile_fails),
	    TEST(signing_in_keeps_its_credential_when_values_come_to_be_minted_between_both_waits),
	    TEST(a_wait_for_signing_in_has_an_end),
	    TEST(a_browser_that_goes_while_it_signs_in_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
