/*
 * ask_test.c - answers of a local handler that wait for the control process: those of the sign-in
 * host, to sign out and to open a job.
 */
#include "control_answers.h"

#include "browser/session.h"

#define HOST "auth.jobs.test"
#define SITE "https://" JOB ".jobs.test"

static struct world world;
static struct job_url control_target = {.scheme = JOB_URL_UNIX, .path = SLICE("/gateway")};
static const unsigned char sign_in_id[SIGN_IN_ID_LEN] = {0xab, 1, 2};
static char fields[512];

static int
setup(void **state)
{
	struct exchange_options *options;

	(void)state;
	world_open(&world);
	options = &world.context->options;
	options->session_key = world_session_key;
	options->sign_in_host = HOST;
	options->jobs.taken[0] = "auth";
	options->control_target = &control_target;
	options->control_secret =
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	world.peer.tls = true;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPEN_PLACES; i++)
		world.context->open_places[i].taken = false;
	world_close(&world);
	return 0;
}

/* Fields of a browser that is signed in. */
static const char *
browser(void)
{
	struct sign_in_cookie cookie = {
	    .expires_s = loop_wall_us(world.context->loop) / 1000000 + 60};
	char text[SIGN_IN_COOKIE_LEN];

	memcpy(cookie.id, sign_in_id, SIGN_IN_ID_LEN);
	assert_true(sign_in_seal(world_session_key, SIGN_IN_HOST_PURPOSE, &cookie, text));
	snprintf(fields, sizeof(fields),
	    "Cookie: " SESSION_COOKIE "=%.*s\nOrigin: https://" HOST "\nAccept: text/html\n"
	    "X-Jobgate-Control-Secret: forged\nX-Own: 1\n",
	    SIGN_IN_COOKIE_LEN, text);
	return fields;
}

/* A browser signs out. */
static void
sign_out(enum content content, uint64_t length)
{
	const struct question question = {
	    "POST", HOST, "/sign-out", NULL, browser(), content, length};

	world_ask(&world, &question);
	world_turn(&world);
}

/* A browser that is signed in comes from this page of the job. */
static void
come_from(const char *method, const char *to)
{
	static char query[4000];
	const struct question question = {method, HOST, "/sign-in", query, browser()};
	struct record *record = calloc(1, sizeof(*record));
	unsigned char hash[TOKEN_HASH_LEN];

	snprintf(query, sizeof(query), "?to=" SITE "%s&nonce=%064d", to, 0);
	assert_non_null(record);
	record->kind = RECORD_SIGN_IN;
	record->sign_in.version = 1;
	assert_true(jg_token_hash((struct slice){world.token, TOKEN_VALUE_LEN}, hash));
	memcpy(record->sign_in.token_id, TOKEN_ID, TOKEN_ID_LEN);
	memcpy(record->sign_in.mark, hash, TOKEN_MARK_LEN);
	world_know(&world);
	world_ask(&world, &question);
	world_reply(&world, RECORD_SIGN_IN, record);
	world_turn(&world);
}

/* Nothing was said yet, and the control process is asked. */
static void
expect_asked(const char *head, const char *json)
{
	assert_int_equal(world.client.answers, 0);
	assert_int_equal(fake_pool.acquires, 1);
	assert_string_equal(fake_pool.target, "/gateway:0");
	assert_string_equal(fake_pool.given[0].head, head);
	assert_int_equal(strncmp(fake_pool.given[0].body, json, strlen(json)), 0);
}

static bool
answer_has(const char *text)
{
	const char *found = strstr(world.client.fields, text);

	return found != NULL && strstr(found + 1, text) == NULL; /* once */
}

static unsigned
places_taken(void)
{
	unsigned taken = 0;

	for (size_t i = 0; i < OPEN_PLACES; i++)
		taken += world.context->open_places[i].taken;
	return taken;
}

/* Another one, in a new world. */
static void
again(void)
{
	teardown(NULL);
	setup(NULL);
}

/* ---- what is asked ---- */

static void
the_answer_waits_until_it_is_agreed_to(void **state)
{
	(void)state;
	sign_out(CONTENT_NONE, 0);
	expect_asked(
	    "POST localhost /gateway/sign-out  ", "{\"id\":\"ab010200000000000000000000000000\"}");
	assert_int_equal(places_taken(), 1);
	world_control_answers(&world, 204);
	assert_int_equal(world.client.status, 303);
	assert_int_equal(world.client.ends, 1);
	assert_true(answer_has("Location: /signed-out\n"));
	assert_true(answer_has("Set-Cookie: " SESSION_COOKIE "=;"));
	assert_true(answer_has("Cache-Control: no-store\n"));
	assert_int_equal(fake_pool.given[0].released, 1);
	assert_int_equal(places_taken(), 0);
}

/* The control process believes what a worker says: nothing of the client's fields goes there. */
static void
the_question_has_nothing_of_the_client(void **state)
{
	static const char *const theirs[] = {
	    "Cookie", "Origin", "Accept", "forged", "X-Own", SESSION_COOKIE, "Control-Token"};

	(void)state;
	sign_out(CONTENT_NONE, 0);
	assert_non_null(strstr(fake_pool.given[0].lines, "X-Jobgate-Control-Secret: 0123"));
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		assert_null(strstr(fake_pool.given[0].lines, theirs[i]));
}

static void
the_longest_answer_is_kept_whole(void **state)
{
	char to[1024], expected[4096];
	size_t len;

	(void)state;
	memset(to, '!', sizeof(to) - 1); /* each becomes three bytes */
	to[0] = '/';
	to[sizeof(to) - 1] = '\0';
	come_from("GET", to);
	expect_asked("POST localhost /gateway/code/add  ", "{\"id\":\"ab0102");
	world_control_answers(&world, 204);
	assert_int_equal(world.client.status, 303);
	len = (size_t)snprintf(expected, sizeof(expected), "&to=%%2F");
	for (size_t i = 1; to[i] != '\0'; i++)
		len += (size_t)snprintf(expected + len, sizeof(expected) - len, "%%21");
	snprintf(expected + len, sizeof(expected) - len, "\n");
	assert_true(answer_has(expected));
	assert_true(answer_has("Location: " SITE "/.jobgate/signed-in?code="));
}

static void
an_answer_to_head_has_no_content(void **state)
{
	(void)state;
	come_from("HEAD", "/lab");
	expect_asked("POST localhost /gateway/code/add  ", "{\"id\":\"ab0102");
	world_control_answers(&world, 204);
	assert_int_equal(world.client.status, 303);
	assert_int_equal(world.client.body_len, 0);
	assert_int_equal(world.client.ends, 1);
}

/* ---- when it is not agreed to ---- */

static void
a_refusal_takes_the_place_of_the_answer(void **state)
{
	static const struct {
		unsigned status, shown;
	} cases[] = {{200, 503}, {201, 503}, {303, 503}, {400, 503}, {401, 503}, {404, 401},
	    {429, 429}, {500, 503}, {503, 503}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sign_out(CONTENT_NONE, 0);
		world_control_answers(&world, cases[i].status);
		assert_int_equal(world.client.status, cases[i].shown);
		assert_null(strstr(world.client.fields, "Location"));
		assert_null(strstr(world.client.fields, "Set-Cookie"));
		assert_int_equal(world.client.ends, 1);
		assert_int_equal(places_taken(), 0);
		again();
	}
}

static void
without_an_answer_nothing_is_agreed_to(void **state)
{
	struct upstream_user *user;

	(void)state;
	sign_out(CONTENT_NONE, 0);
	user = &world.exchange->upstream_user;
	user->ops->failed(user, UPSTREAM_BROKEN, REPEAT_NOT);
	assert_int_equal(world.client.status, 503);
	assert_null(strstr(world.client.fields, "Set-Cookie"));
	assert_int_equal(places_taken(), 0);
	again();
	sign_out(CONTENT_NONE, 0);
	world_pass(&world, FIRST_BYTE_MS);
	assert_int_equal(world.client.status, 503);
	assert_null(strstr(world.client.fields, "Location"));
	assert_int_equal(places_taken(), 0);
	again();
	fake_pool.none[0] = true; /* memory is short */
	sign_out(CONTENT_NONE, 0);
	assert_int_equal(world.client.status, 503);
	assert_null(strstr(world.client.fields, "Location"));
	assert_int_equal(places_taken(), 0);
}

/* ---- what is not asked ---- */

static void
a_request_with_content_is_refused(void **state)
{
	(void)state;
	sign_out(CONTENT_LENGTH, 1);
	ASSERT_REFUSED(&world, 400);
	again();
	sign_out(CONTENT_UNKNOWN, 0);
	ASSERT_REFUSED(&world, 400);
	assert_int_equal(places_taken(), 0);
	again();
	sign_out(CONTENT_LENGTH, 0); /* browsers say so of an empty form */
	expect_asked("POST localhost /gateway/sign-out  ", "{\"id\":\"ab0102");
}

/* An address has a part of the places, and all of them are bounded. */
static void
places_are_bounded(void **state)
{
	struct open_place *places = world.context->open_places;

	(void)state;
	for (size_t i = 0; i < OPEN_PLACES_OF_ADDRESS; i++)
		places[i] = (struct open_place){.taken = true}; /* the same address */
	sign_out(CONTENT_NONE, 0);
	ASSERT_REFUSED(&world, 429);
	assert_true(answer_has("Retry-After: 1\n"));
	assert_null(strstr(world.client.fields, "Set-Cookie"));
	assert_int_equal(places_taken(), OPEN_PLACES_OF_ADDRESS);
	again();
	places = world.context->open_places;
	for (size_t i = 0; i < OPEN_PLACES; i++)
		places[i] =
		    (struct open_place){.taken = true, .address.s6_addr = {(unsigned char)(i + 1)}};
	sign_out(CONTENT_NONE, 0);
	ASSERT_REFUSED(&world, 429);
	again();
	places = world.context->open_places;
	for (size_t i = 0; i + 1 < OPEN_PLACES_OF_ADDRESS; i++)
		places[i].taken = true;
	sign_out(CONTENT_NONE, 0);
	expect_asked("POST localhost /gateway/sign-out  ", "{\"id\":\"ab0102");
}

static void
a_browser_that_leaves_gives_its_place_back(void **state)
{
	(void)state;
	sign_out(CONTENT_NONE, 0);
	assert_int_equal(places_taken(), 1);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	assert_int_equal(places_taken(), 0);
	assert_int_equal(fake_pool.given[0].cancelled, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_answer_waits_until_it_is_agreed_to),
	    TEST(the_question_has_nothing_of_the_client),
	    TEST(the_longest_answer_is_kept_whole),
	    TEST(an_answer_to_head_has_no_content),
	    TEST(a_refusal_takes_the_place_of_the_answer),
	    TEST(without_an_answer_nothing_is_agreed_to),
	    TEST(a_request_with_content_is_refused),
	    TEST(places_are_bounded),
	    TEST(a_browser_that_leaves_gives_its_place_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
