/* authorize_order_test.c - credentials in other places than Authorization: Bearer. */
#include <openssl/evp.h>

#include "authorize_world.h"

static char fields[1024];

/* Copy fields, with the token in the place of a '$'. */
static void
fill(const char *before, const char *text)
{
	const char *mark = strchrnul(text, '$');

	snprintf(fields, sizeof(fields), "%s%.*s%.*s%s", before, (int)(mark - text), text,
	    *mark == '$' ? TOKEN_VALUE_LEN : 0, world.token, *mark == '$' ? mark + 1 : mark);
}

static void
ask(const char *text, const char *method)
{
	const struct question question = {method, JOB ".jobs.test", "/path", "?q", fields};

	fill("", text);
	world_ask(&world, &question);
}

/* The field of a token with the scheme Basic, as the password. */
static void
ask_basic(const char *others, const char *method)
{
	unsigned char pair[4 + TOKEN_VALUE_LEN], text[2 * sizeof(pair)];
	char format[sizeof(text) + 256];

	memcpy(pair, "git:", 4);
	memcpy(pair + 4, world.token, TOKEN_VALUE_LEN);
	EVP_EncodeBlock(text, pair, sizeof(pair));
	snprintf(format, sizeof(format), "Authorization: Basic %s\n%s", (char *)text, others);
	ask(format, method);
}

static void
our_own_field_leaves_authorization_to_the_job(void **state)
{
	(void)state;
	world_know(&world);
	ask("Authorization: Bearer own\nX-Jobgate-Authorization: Bearer $\n", "GET");
	ASSERT_SENT(&world, HEAD);
	assert_non_null(strstr(fake_pool.given[0].lines, "Authorization: Bearer own\r\n"));
	assert_null(strstr(fake_pool.given[0].lines, "X-Jobgate-Authorization"));
	assert_null(memmem(
	    fake_pool.given[0].lines, sizeof(fake_pool.given[0].lines), world.token + 21, 8));
}

static void
what_looks_like_ours_never_passes(void **state)
{
	(void)state;
	world_know(&world);
	ask("Authorization: Bearer jgt_broken\nX-Jobgate-Authorization: Bearer $\n", "GET");
	ASSERT_SENT(&world, HEAD);
	assert_null(strstr(fake_pool.given[0].lines, "Authorization"));
}

static void
only_the_one_that_counts_can_be_forwarded(void **state)
{
	(void)state;
	world.context->options.forwarding.forward_token = true;
	world_know(&world);
	ask("Authorization: Bearer jgt_broken\nX-Jobgate-Authorization: Bearer $\n", "GET");
	ASSERT_SENT(&world, HEAD);
	assert_null(strstr(fake_pool.given[0].lines, "Authorization"));
}

static void
the_one_that_counts_is_forwarded(void **state)
{
	(void)state;
	world.context->options.forwarding.forward_token = true;
	world_know(&world);
	ask("Authorization: token $\n", "GET");
	ASSERT_SENT(&world, HEAD);
	assert_non_null(strstr(fake_pool.given[0].lines, "Authorization: token jgt_"));
}

/* The order is the same after a wait, and when the key of minted values has changed meanwhile. */
static void
the_order_is_the_same_after_a_wait(void **state)
{
	static const unsigned char key[MINT_KEY_LEN] = {1};

	(void)state;
	ask("Authorization: Basic eDp5\nX-Jobgate-Authorization: Bearer $\n", "GET");
	ASSERT_WAITS(&world);
	jg_directory_set_mint(world.store.directory, MINT_STARTED, key);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	ASSERT_SENT(&world, HEAD);
	assert_non_null(strstr(fake_pool.given[0].lines, "Authorization: Basic eDp5\r\n"));
}

static void
basic_takes_the_place_of_bearer(void **state)
{
	(void)state;
	world_know(&world);
	ask_basic("", "POST");
	ASSERT_SENT(&world, "POST 192.0.2.1:8000 /path ?q ");
	assert_null(strstr(fake_pool.given[0].lines, "Authorization"));
	/* The decoded value is not left in memory. */
	assert_null(memmem(world.context->local_room, 1024, world.token + 21, 8));
}

/* Browsers send Basic with every request to the host, whichever page caused it. */
static void
basic_of_a_browser_obeys_the_rules_of_a_session(void **state)
{
	static const struct {
		const char *method, *fields;
		bool passes;
	} cases[] = {
	    {"GET", "Sec-Fetch-Site: none\n", true},
	    {"POST", "Origin: http://" JOB ".jobs.test\n", true},
	    {"POST", "Sec-Fetch-Site: same-origin\nOrigin: http://" JOB ".jobs.test\n", true},
	    {"GET",
		"Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\n"
		"Sec-Fetch-Dest: document\n",
		true},
	    {"GET", "Sec-Fetch-Site: same-site\nSec-Fetch-Mode: no-cors\n", false},
	    {"GET",
		"Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\n"
		"Sec-Fetch-Dest: iframe\n",
		false},
	    {"GET", "Origin: http://" JOB ".jobs.test\n", true},
	    {"GET", "Origin: http://other.test\n", false}, /* without TLS, no Fetch Metadata */
	    {"HEAD", "Origin: null\n", false},
	    {"POST", "Origin: http://other.test\n", false},
	    {"POST", "Origin: null\n", false},
	    {"POST", "Sec-Fetch-Site: none\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (i > 0) {
			world_close(&world);
			world_open(&world);
		}
		world_know(&world);
		ask_basic(cases[i].fields, cases[i].method);
		world_turn(&world);
		assert_int_equal(world.client.status, cases[i].passes ? 0 : 403);
		assert_int_equal(fake_pool.acquires, cases[i].passes);
	}
}

/* A page can only send these by a script, which has to be allowed to. */
static void
other_schemes_are_not_sent_by_browsers_themselves(void **state)
{
	(void)state;
	world_know(&world);
	ask("Authorization: token $\nOrigin: http://other.test\nSec-Fetch-Site: cross-site\n",
	    "POST");
	ASSERT_SENT(&world, "POST 192.0.2.1:8000 /path ?q ");
}

static void
refusals_name_the_field_to_caches(void **state)
{
	(void)state;
	ask("X-Jobgate-Authorization: Bearer jgt_x\n", "GET");
	ASSERT_REFUSED(&world, 401);
	assert_non_null(strstr(world.client.fields, "Vary: X-Jobgate-Authorization\n"));
	ask("Authorization: Bearer jgt_x\n", "GET");
	ASSERT_REFUSED(&world, 401);
	assert_null(strstr(world.client.fields, "Vary"));
}

/* Others on the way could read what a client sends when it is asked. */
static void
basic_is_not_offered_in_cleartext(void **state)
{
	static const unsigned char loopback[] = {
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};

	(void)state;
	ask("", "GET");
	ASSERT_REFUSED(&world, 401);
	assert_null(strstr(world.client.fields, "Basic"));
	memcpy(world.peer.address, loopback, sizeof(loopback));
	ask("", "GET");
	assert_non_null(strstr(world.client.fields, "Basic"));
}

/* Programs such as git send no password unless they are asked for it; browsers would ask people. */
static void
basic_is_offered_to_programs(void **state)
{
	static const struct {
		const char *fields;
		bool offered;
	} cases[] = {
	    {"", true},
	    {"Authorization: Bearer jgt_x\n", true},
	    {"Authorization: Basic eDp5\nAccept: */*\n", true},
	    {"Origin: http://other.test\n", false},
	    {"Sec-Fetch-Site: none\n", false},
	    {"Sec-Fetch-Mode: cors\n", false},
	    {"Sec-Fetch-Dest: empty\n", false},
	    {"Accept: text/html, */*\n", false},
	};

	(void)state;
	world.peer.tls = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(cases[i].fields, "GET");
		ASSERT_REFUSED(&world, 401);
		assert_int_equal(strstr(world.client.fields,
				     "\nWWW-Authenticate: Basic realm=\"test\"\n") != NULL,
		    cases[i].offered);
		assert_non_null(strstr(world.client.fields, "\nWWW-Authenticate: Bearer realm="));
	}
	ask("Authorization: Bearer a b\n", "GET");
	ASSERT_REFUSED(&world, 400);
	assert_null(strstr(world.client.fields, "Basic"));
}

/* ---- another proxy asks ---- */

static void
ask_for_proxy(const char *text)
{
	const struct question question = {"GET", "gate.test", "/authorize", NULL, fields};

	world.peer = (struct exchange_peer){.forward_auth = true, .trusted = true};
	fill("X-Forwarded-Uri: /path?q\nX-Forwarded-Host: " JOB ".jobs.test\n"
	     "X-Forwarded-Method: POST\n",
	    text);
	world_ask(&world, &question);
}

static void
another_proxy_is_told_what_to_take_out(void **state)
{
	(void)state;
	world_know(&world);
	ask_for_proxy("Authorization: Bearer $\n");
	ASSERT_REFUSED(&world, 200);
	assert_non_null(strstr(world.client.fields, "\nAuthorization: \n"));
	assert_non_null(strstr(world.client.fields, "\nCookie: \n"));

	ask_for_proxy("X-Jobgate-Authorization: Bearer $\nAuthorization: Bearer own\n"
		      "Cookie: a=b; __Host-jobgate=x\nCookie: __Host-jobgate=y;c=d\n");
	ASSERT_REFUSED(&world, 200);
	assert_non_null(strstr(world.client.fields, "\nAuthorization: Bearer own\n"));
	assert_non_null(strstr(world.client.fields, "\nCookie: a=b; c=d\n"));

	assert_non_null(strstr(world.client.fields, "\nSec-WebSocket-Protocol: \n"));

	ask_for_proxy(
	    "X-Jobgate-Authorization: Bearer $\nSec-WebSocket-Protocol: chat, jobgate.v1\n");
	ASSERT_REFUSED(&world, 200);
	assert_non_null(strstr(world.client.fields, "\nSec-WebSocket-Protocol: chat\n"));

	ask_for_proxy("X-Jobgate-Authorization: Bearer $\nCookie: __Host-jobgate=x\n"
		      "Sec-WebSocket-Protocol: jobgate.v1\n");
	assert_non_null(strstr(world.client.fields, "\nSec-WebSocket-Protocol: \n"));
	ASSERT_REFUSED(&world, 200);
	assert_non_null(strstr(world.client.fields, "\nCookie: \n"));
	assert_non_null(strstr(world.client.fields, "\nAuthorization: \n"));
}

static void
envoy_sends_no_empty_list_of_subprotocols(void **state)
{
	const struct question question = {"GET", JOB ".jobs.test", "/authorize/path", NULL, fields};

	(void)state;
	world_know(&world);
	world.peer = (struct exchange_peer){.forward_auth = true, .trusted = true};
	fill("", "Authorization: Bearer $\n");
	world_ask(&world, &question);
	ASSERT_REFUSED(&world, 200);
	assert_non_null(strstr(world.client.fields, "\nCookie: \n"));
	assert_null(strstr(world.client.fields, "\nSec-WebSocket-Protocol:"));
}

static void
basic_of_a_browser_at_another_proxy(void **state)
{
	unsigned char pair[4 + TOKEN_VALUE_LEN], text[2 * sizeof(pair)];
	char format[512];
	static const struct {
		const char *fields;
		unsigned status;
	} cases[] = {
	    {"", 200},
	    {"Sec-Fetch-Site: none\n", 403}, /* the method is POST */
	    {"Origin: http://other.test\n", 403},
	    {"Origin: https://other.test\nX-Forwarded-Proto: https\n", 403},
	    {"Origin: https://" JOB ".jobs.test\nX-Forwarded-Proto: https\n", 200},
	    {"Origin: https://" JOB ".jobs.test\nX-Forwarded-Proto: wss\n", 200},
	    {"Origin: https://" JOB ".jobs.test\nX-Forwarded-Proto: ws\n", 403},
	};

	(void)state;
	world_know(&world);
	memcpy(pair, "git:", 4);
	memcpy(pair + 4, world.token, TOKEN_VALUE_LEN);
	EVP_EncodeBlock(text, pair, sizeof(pair));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(format, sizeof(format), "Authorization: Basic %s\n%s", (char *)text,
		    cases[i].fields);
		ask_for_proxy(format);
		ASSERT_REFUSED(&world, cases[i].status);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(our_own_field_leaves_authorization_to_the_job),
	    TEST(what_looks_like_ours_never_passes),
	    TEST(only_the_one_that_counts_can_be_forwarded),
	    TEST(the_one_that_counts_is_forwarded),
	    TEST(the_order_is_the_same_after_a_wait),
	    TEST(basic_takes_the_place_of_bearer),
	    TEST(basic_of_a_browser_obeys_the_rules_of_a_session),
	    TEST(other_schemes_are_not_sent_by_browsers_themselves),
	    TEST(refusals_name_the_field_to_caches),
	    TEST(basic_is_offered_to_programs),
	    TEST(basic_is_not_offered_in_cleartext),
	    TEST(another_proxy_is_told_what_to_take_out),
	    TEST(envoy_sends_no_empty_list_of_subprotocols),
	    TEST(basic_of_a_browser_at_another_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
