/* authorize_sign_in_test.c - sign-ins of a sign-in host: their record, and what is asked of the
 * control process. */
#include "authorize_world.h"
#include "control_answers.h"

#include "browser/code.h"
#include "browser/session.h"
#include "short_memory.h"

#define HOST "auth.jobs.test"
#define SITE "https://" JOB ".jobs.test"

static const unsigned char sign_in_id[SIGN_IN_ID_LEN] = {0xab, 1, 2};
static char fields[512], query[512];
static bool short_after_sealing;
static struct job_url control_target = {.scheme = JOB_URL_UNIX, .path = SLICE("/gateway")};

static void
use_sign_in_host(void)
{
	struct exchange_options *options = &world.context->options;

	options->session_key = world_session_key;
	options->sign_in_host = HOST;
	options->jobs.taken[0] = "auth";
	options->control_target = &control_target;
	options->control_secret =
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	world.peer.tls = true;
}

/* A request with the cookie of a sign-in, bound to this purpose. */
static void
ask_with(struct slice purpose, const char *authority, const char *path, const char *its_query)
{
	struct question question = {"GET", authority, path, its_query, fields};
	struct sign_in_cookie cookie = {
	    .expires_s = loop_wall_us(world.context->loop) / 1000000 + 60};
	char text[SIGN_IN_COOKIE_LEN];

	use_sign_in_host();
	memcpy(cookie.id, sign_in_id, SIGN_IN_ID_LEN);
	assert_true(sign_in_seal(world_session_key, purpose, &cookie, text));
	snprintf(fields, sizeof(fields), "Cookie: " SESSION_COOKIE "=%.*s\nAccept: text/html\n",
	    SIGN_IN_COOKIE_LEN, text);
	is_short = short_after_sealing;
	world_ask(&world, &question);
	is_short = false;
}

static void
browse(void)
{
	ask_with(SLICE(JOB), JOB ".jobs.test", "/path", "?q");
}

/* What the store has of the sign-in. */
static struct record *
sign_in_record(const char *token_id, uint64_t version, unsigned char change)
{
	struct record *record = calloc(1, sizeof(*record));
	unsigned char hash[TOKEN_HASH_LEN];

	assert_non_null(record);
	record->kind = RECORD_SIGN_IN;
	record->sign_in.version = version;
	assert_true(__real_jg_token_hash((struct slice){world.token, TOKEN_VALUE_LEN}, hash));
	memcpy(record->sign_in.token_id, token_id, TOKEN_ID_LEN);
	memcpy(record->sign_in.mark, hash, TOKEN_MARK_LEN);
	record->sign_in.mark[0] ^= change;
	return record;
}

static void
sign_in_ends(void)
{
	char id[SIGN_IN_TEXT_LEN + 1];

	jg_sign_in_id_format(sign_in_id, id);
	jg_directory_invalidate(
	    world.store.directory, RECORD_SIGN_IN, slice_of(id), world_now(&world));
	world_reply(&world, RECORD_SIGN_IN, NULL);
}

/* ---- at a job's host ---- */

static void
its_record_names_the_token(void **state)
{
	(void)state;
	browse();
	ASSERT_WAITS(&world);
	assert_int_equal(world_reads(&world, RECORD_TOKEN), 0);
	world_reply(&world, RECORD_SIGN_IN, sign_in_record(TOKEN_ID, 1, 0));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_SENT(&world, HEAD);
	assert_null(strstr(fake_pool.given[0].lines, SESSION_COOKIE));
	assert_int_equal(stats_of(&world.store).watched, 3);
}

static void
without_its_record_it_stands_for_nothing(void **state)
{
	(void)state;
	world_know(&world);
	browse();
	world_reply(&world, RECORD_SIGN_IN, NULL);
	ASSERT_REFUSED(&world, 303);
}

/* The job may be public, so the request must not pass as one of a browser that is not signed in. */
static void
without_memory_it_is_not_known(void **state)
{
	(void)state;
	short_after_sealing = true;
	browse();
	ASSERT_REFUSED(&world, 503);
	world_close(&world);
	world_open(&world);
	ask_with(SIGN_IN_HOST_PURPOSE, HOST, "/", "");
	ASSERT_REFUSED(&world, 503);
	short_after_sealing = false;
	assert_int_equal(world_reads(&world, RECORD_SIGN_IN), 0);
}

static void
it_stands_for_one_value_of_one_token(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		if (i > 0) {
			world_close(&world);
			world_open(&world);
		}
		world_know(&world);
		browse();
		world_reply(&world, RECORD_SIGN_IN,
		    sign_in_record(i == 0 ? "bbbbbbbbbbbbbbbb" : TOKEN_ID, i == 1 ? 2 : 1, i == 2));
		if (i == 0)
			world_reply(&world, RECORD_TOKEN, NULL);
		ASSERT_REFUSED(&world, 303);
	}
}

static void
without_the_store_it_is_not_known(void **state)
{
	(void)state;
	world_know(&world);
	browse();
	world_pass(&world, LOOKUP_MS);
	ASSERT_REFUSED(&world, 503);
}

static void
it_opens_only_its_own_host(void **state)
{
	(void)state;
	ask_with(SLICE("other"), JOB ".jobs.test", "/path", "?q");
	ASSERT_REFUSED(&world, 303);
	ask_with(SIGN_IN_HOST_PURPOSE, JOB ".jobs.test", "/path", "?q");
	ASSERT_REFUSED(&world, 303);
	assert_int_equal(fake_pending(&world.store), 0);
}

/* Those of jobs' own pages, from before there was a sign-in host. */
static void
other_sessions_do_not_count(void **state)
{
	struct question question = {"GET", JOB ".jobs.test", "/", "", fields};
	struct session session = {
	    .version = 1, .expires_s = loop_wall_us(world.context->loop) / 1000000 + 60};
	char text[SESSION_TEXT_LEN];

	(void)state;
	use_sign_in_host();
	memcpy(session.token_id, TOKEN_ID, TOKEN_ID_LEN);
	assert_true(session_seal(world_session_key, SLICE(JOB), &session, text));
	snprintf(
	    fields, sizeof(fields), "Cookie: " SESSION_COOKIE "=%.*s\n", SESSION_TEXT_LEN, text);
	world_ask(&world, &question);
	ASSERT_REFUSED(&world, 401);
	assert_int_equal(fake_pending(&world.store), 0);
}

static void
signing_out_ends_what_runs(void **state)
{
	(void)state;
	world_know(&world);
	browse();
	world_reply(&world, RECORD_SIGN_IN, sign_in_record(TOKEN_ID, 1, 0));
	ASSERT_SENT(&world, HEAD);
	sign_in_ends();
	world_turn(&world);
	assert_int_equal(world.client.status, 401);
	assert_int_equal(world.client.ends, 1);
	assert_int_equal(fake_pool.given[0].cancelled, 1);
}

/* ---- at the sign-in host ---- */

static void
visit(const char *to)
{
	snprintf(query, sizeof(query), "?to=%s&nonce=%064d", to, 0);
	ask_with(SIGN_IN_HOST_PURPOSE, HOST, "/sign-in", query);
}

static void
it_sends_browsers_to_jobs_only(void **state)
{
	static const char *const elsewhere[] = {"https://evil.test/", "https://jobs.test/",
	    "http://" JOB ".jobs.test/", SITE "/.jobgate/sign-out", "https://" HOST "/", "/",
	    "https://evil.test/?" JOB ".jobs.test/", SITE "@evil.test/", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
		visit(elsewhere[i]);
		ASSERT_REFUSED(&world, 400);
		assert_null(strstr(world.client.fields, "Location"));
	}
	assert_int_equal(fake_pending(&world.store), 0);
}

/* The browser is known here: the control process is asked to add a code. */
static void
ask_for_code(void)
{
	world_know(&world);
	visit(SITE "/lab");
	world_reply(&world, RECORD_SIGN_IN, sign_in_record(TOKEN_ID, 1, 0));
	world_turn(&world);
	assert_int_equal(world.client.answers, 0);
	assert_string_equal(fake_pool.target, "/gateway:0");
	assert_string_equal(fake_pool.given[0].head, "POST localhost /gateway/code/add  ");
	assert_non_null(strstr(fake_pool.given[0].body, "{\"id\":\"ab0102"));
	assert_null(strstr(fake_pool.given[0].lines, "Cookie"));
}

static void
a_code_leads_back(void **state)
{
	(void)state;
	ask_for_code();
	world_control_answers(&world, 204);
	assert_int_equal(world.client.status, 303);
	assert_non_null(strstr(world.client.fields, "Location: " SITE "/.jobgate/signed-in?code="));
	assert_non_null(strstr(world.client.fields, "&to=%2Flab\n"));
	assert_non_null(strstr(world.client.fields, "Cache-Control: no-store\n"));
	assert_int_equal(fake_pool.given[0].released, 1);
}

static void
without_the_control_process_there_is_no_code(void **state)
{
	(void)state;
	ask_for_code();
	world_control_answers(&world, 503);
	assert_int_equal(world.client.status, 503);
	assert_null(strstr(world.client.fields, "Location"));
	world_close(&world);
	world_open(&world);
	ask_for_code();
	world.exchange->upstream_user.ops->failed(
	    &world.exchange->upstream_user, UPSTREAM_BROKEN, REPEAT_NOT);
	assert_int_equal(world.client.status, 503);
	world_close(&world);
	world_open(&world);
	ask_for_code();
	world_pass(&world, FIRST_BYTE_MS);
	assert_int_equal(world.client.status, 503);
}

/* What the code is for has ended meanwhile. */
static void
a_code_that_is_late_is_not_sent(void **state)
{
	(void)state;
	ask_for_code();
	sign_in_ends();
	assert_int_equal(world.client.status, 401);
	assert_null(strstr(world.client.fields, "Location"));
	world_close(&world);
	world_open(&world);
	ask_for_code();
	world_control_answers(&world, 404);
	assert_int_equal(world.client.status, 401);
}

static void
a_job_out_of_reach_gets_no_code(void **state)
{
	static struct label labels[] = {{SLICE("team"), SLICE("other")}};
	static const struct label_set selector = {1, labels};

	(void)state;
	visit(SITE "/lab");
	world_reply(&world, RECORD_SIGN_IN, sign_in_record(TOKEN_ID, 1, 0));
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, &selector));
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_REFUSED(&world, 200);
	world.client.body[world.client.body_len] = '\0';
	assert_non_null(strstr(world.client.body, "does not reach this job"));
}

/* Places that all calls without a token share; a browser that goes gives its place back. */
static void
places_are_bounded(void **state)
{
	(void)state;
	use_sign_in_host();
	for (size_t i = 0; i < OPEN_PLACES; i++)
		world.context->open_places[i] = (struct open_place){
		    .taken = i > 0, .address.s6_addr = {(unsigned char)(i + 1)}};
	ask_for_code();
	assert_true(world.context->open_places[0].taken);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	assert_false(world.context->open_places[0].taken);
	world.context->open_places[0].taken = true;
	visit(SITE "/lab");
	world_turn(&world);
	assert_int_equal(world.client.status, 429);
	memset(world.context->open_places, 0, sizeof(world.context->open_places));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(its_record_names_the_token),
	    TEST(without_its_record_it_stands_for_nothing),
	    TEST(without_memory_it_is_not_known),
	    TEST(it_stands_for_one_value_of_one_token),
	    TEST(without_the_store_it_is_not_known),
	    TEST(it_opens_only_its_own_host),
	    TEST(other_sessions_do_not_count),
	    TEST(signing_out_ends_what_runs),
	    TEST(it_sends_browsers_to_jobs_only),
	    TEST(a_code_leads_back),
	    TEST(without_the_control_process_there_is_no_code),
	    TEST(a_code_that_is_late_is_not_sent),
	    TEST(a_job_out_of_reach_gets_no_code),
	    TEST(places_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
