/* authorize_test.c - who may pass, with records that are known, that come later, and that change
 * while a request waits for them. */
#include "exchange_world.h"

#include "browser/session.h"
#include "check_catch.h"

#define HEAD "GET 192.0.2.1:8000 /path ?q "

static struct world world;
static size_t hashes; /* of credentials */

/* Linked with --wrap: counts what credentials cost. */
bool __real_jg_token_hash(struct slice value, unsigned char out[TOKEN_HASH_LEN]);
bool __wrap_jg_token_hash(struct slice value, unsigned char out[TOKEN_HASH_LEN]);

bool
__wrap_jg_token_hash(struct slice value, unsigned char out[TOKEN_HASH_LEN])
{
	hashes++;
	return __real_jg_token_hash(value, out);
}

static int
setup(void **state)
{
	(void)state;
	world_open(&world);
	hashes = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

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
	    {"Authorization: Bearer x\nAuthorization: Bearer x\n", 400},
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

/* ---- what changes while a request waits ---- */

static void
a_token_deleted_while_its_request_waits_is_refused(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_TOKEN, NULL);
	ASSERT_REFUSED(&world, 401);
}

static void
a_token_renewed_while_its_request_waits_is_refused(void **state)
{
	char renewed[TOKEN_VALUE_LEN];

	(void)state;
	assert_true(jg_token_value_make(SLICE(TOKEN_ID), NULL, renewed));
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_reply(&world, RECORD_TOKEN, token_record(renewed, 2, NULL));
	ASSERT_REFUSED(&world, 401);
}

static void
a_token_scoped_while_its_request_waits_reaches_no_other_job(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, &model_base));
	ASSERT_REFUSED(&world, 403);
}

static void
a_reply_that_a_change_overtook_counts_for_nothing(void **state)
{
	(void)state;
	world_get(&world);
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_TOKEN, NULL);
	ASSERT_REFUSED(&world, 401);
}

static void
a_job_that_moves_while_its_request_waits_is_reached_where_it_is(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(9000, NULL));
	ASSERT_SENT(&world, "GET 192.0.2.1:9000 /path ?q ");
	assert_string_equal(fake_pool.target, "192.0.2.1:9000");
}

static void
a_job_that_leaves_the_scope_while_its_request_waits_refuses(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, &model_base));
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, &model_base));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_REFUSED(&world, 403);
}

static void
a_value_that_is_not_minted_is_refused_once_that_is_enforced(void **state)
{
	static const unsigned char key[MINT_KEY_LEN] = {9};

	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	jg_directory_set_mint(world.store.directory, MINT_ENFORCED, key);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_REFUSED(&world, 401);
}

/* Other values are read while it waits, in each place that the worker keeps what it read in. */
static void
fill_digests(void)
{
	const struct mint *mint = jg_directory_mint(world.context->directory, world_now(&world));
	struct bearer_memo *kept;
	char field[32];

	for (unsigned i = 0; i < 32 * BEARER_MEMOS; i++)
		assert_int_equal(jg_bearer_recall(&world.context->digests, mint,
				     (struct slice){field,
					 (size_t)snprintf(field, sizeof(field), "Bearer %u", i)},
				     &kept),
		    CREDENTIAL_BEARER);
}

/* It has been read again by then, and what came of that is the request's own. */
static void
a_credential_stays_its_own_when_values_come_to_be_minted_between_both_waits(void **state)
{
	static const unsigned char key[MINT_KEY_LEN] = {9};

	(void)state;
	world_get(&world);
	jg_directory_set_mint(world.store.directory, MINT_STARTED, key);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	fill_digests();
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_SENT(&world, HEAD);
}

static void
a_store_that_is_lost_refuses(void **state)
{
	(void)state;
	world_get(&world);
	fake_break(&world.store, world_now(&world));
	ASSERT_REFUSED(&world, 503);
	assert_int_equal(world.client.failures, 0);
}

static void
a_store_that_is_lost_between_both_waits_refuses(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	fake_break(&world.store, world_now(&world));
	ASSERT_REFUSED(&world, 503);
}

/* The worker was stopped for longer than the bound: what came before that proves nothing. */
static void
records_that_come_past_the_bound_refuse(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ahead_ms += STALENESS + 1;
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_REFUSED(&world, 503);
}

static void
a_wait_has_an_end(void **state)
{
	(void)state;
	world_get(&world);
	world_pass(&world, LOOKUP_MS - 1000);
	ASSERT_WAITS(&world);
	world_pass(&world, 1100);
	ASSERT_REFUSED(&world, 503);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_REFUSED(&world, 503);
}

/* A record that changes again and again keeps a request waiting, but not for longer. */
static void
several_waits_share_one_deadline(void **state)
{
	(void)state;
	world_get(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	for (int i = 0; i < 7; i++) {
		world_pass(&world, LOOKUP_MS / 8);
		world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
		if (i == 0)
			break;
		world_change(&world, RECORD_TOKEN);
	}
	ASSERT_SENT(&world, HEAD);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);

	fake_pool = (struct fake_pool){0};
	world_change(&world, RECORD_TOKEN);
	world_change(&world, RECORD_JOB);
	world_get(&world);
	for (int i = 0; i < 4; i++) { /* now the one is unknown, now the other */
		world_pass(&world, LOOKUP_MS / 8);
		world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
		ASSERT_WAITS(&world);
		world_change(&world, RECORD_TOKEN);
		world_reply(&world, RECORD_JOB, job_record(8000, NULL));
		ASSERT_WAITS(&world);
		world_change(&world, RECORD_JOB);
	}
	world_pass(&world, LOOKUP_MS / 2 + 100);
	ASSERT_REFUSED(&world, 503);
	world_reply(&world, RECORD_TOKEN, NULL);
}

static void
a_client_that_goes_while_it_waits_is_forgotten(void **state)
{
	(void)state;
	world_get(&world);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	assert_int_equal(world.client.end, END_ABANDONED);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_turn(&world);
	assert_int_equal(world.client.ends, 1);
	assert_int_equal(world.client.answers, 0);
	assert_int_equal(fake_pool.acquires, 0);
}

static void
a_request_that_waits_at_the_end_of_the_drain_time_is_unprocessed(void **state)
{
	(void)state;
	world_get(&world);
	exchange_shutdown(world.exchange);
	assert_int_equal(world.client.end, END_UNPROCESSED);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_turn(&world);
	assert_int_equal(world.client.ends, 1);
	assert_int_equal(world.client.answers, 0);
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

/* ---- sessions ---- */

static char cookie[256];

/* A request of a browser that signed in for the job `for_job`, for so many seconds. */
static void
browse(const char *for_job, int64_t seconds, bool wants_html)
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
	    text, wants_html ? "Accept: text/html\n" : "");
	world_ask(&world, &question);
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

static void
a_session_for_another_job_stands_for_nothing(void **state)
{
	(void)state;
	browse("other", 60, false);
	ASSERT_REFUSED(&world, 401);
	assert_int_equal(fake_pending(&world.store), 0);
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
	assert_non_null(strstr(world.client.body, "Your session has ended"));
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
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
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
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	ASSERT_WAITS(&world);
	fill_digests();
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
	    TEST(the_digest_of_a_refused_credential_is_not_kept),
	    TEST(a_token_deleted_while_its_request_waits_is_refused),
	    TEST(a_token_renewed_while_its_request_waits_is_refused),
	    TEST(a_token_scoped_while_its_request_waits_reaches_no_other_job),
	    TEST(a_reply_that_a_change_overtook_counts_for_nothing),
	    TEST(a_job_that_moves_while_its_request_waits_is_reached_where_it_is),
	    TEST(a_job_that_leaves_the_scope_while_its_request_waits_refuses),
	    TEST(a_value_that_is_not_minted_is_refused_once_that_is_enforced),
	    TEST(a_credential_stays_its_own_when_values_come_to_be_minted_between_both_waits),
	    TEST(a_store_that_is_lost_refuses),
	    TEST(a_store_that_is_lost_between_both_waits_refuses),
	    TEST(records_that_come_past_the_bound_refuse),
	    TEST(a_wait_has_an_end),
	    TEST(several_waits_share_one_deadline),
	    TEST(a_client_that_goes_while_it_waits_is_forgotten),
	    TEST(a_request_that_waits_at_the_end_of_the_drain_time_is_unprocessed),
	    TEST(a_client_that_guesses_is_slowed_down),
	    TEST(a_path_that_names_the_job_waits_too),
	    TEST(the_sidecars_job_is_reached_at_the_configured_url),
	    TEST(another_proxy_gets_its_answer_after_a_wait),
	    TEST(a_session_stands_for_the_token),
	    TEST(a_session_for_another_job_stands_for_nothing),
	    TEST(a_session_ends_with_its_token),
	    TEST(a_session_that_expires_while_its_request_waits_stands_for_nothing),
	    TEST(signing_in_waits_for_both_records),
	    TEST(signing_in_with_a_token_deleted_meanwhile_fails),
	    TEST(signing_in_keeps_its_credential_when_values_come_to_be_minted_between_both_waits),
	    TEST(a_wait_for_signing_in_has_an_end),
	    TEST(a_browser_that_goes_while_it_signs_in_is_forgotten),
	    TEST(a_state_follows_only_those_that_the_table_allows),
	    TEST(a_request_is_authorized_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
