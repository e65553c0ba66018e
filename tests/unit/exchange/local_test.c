/* local_test.c - requests that the gateway answers itself, whatever protocol they came by. */
#include "exchange_world.h"

#include "exchange/handlers.h"

static struct world world;

/* Linked with --wrap: remembers the last memory of 8 KiB and more that was wiped. */
static const void *wiped;

void __real_OPENSSL_cleanse(void *at, size_t len);
void __wrap_OPENSSL_cleanse(void *at, size_t len);

void
__wrap_OPENSSL_cleanse(void *at, size_t len)
{
	if (len >= 8192)
		wiped = at;
	__real_OPENSSL_cleanse(at, len);
}

static int
setup(void **state)
{
	(void)state;
	world_open(&world);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

static void
ask(const char *method, const char *path, const char *fields)
{
	const struct question question = {method, JOB ".jobs.test:80", path, "?q", fields};

	world_ask(&world, &question);
}

/* No record was read for the request. */
#define ASSERT_NOT_JUDGED() assert_int_equal(fake_pending(&world.store), 0)

/* ---- methods ---- */

static void
connect_and_trace_are_refused_before_anything_is_judged(void **state)
{
	static const char *const methods[] = {"CONNECT", "TRACE"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		ask(methods[i], "/", world.bearer);
		ASSERT_REFUSED(&world, 405);
		assert_true(world.client.no_reuse);
		assert_false(exchange_is_allowed(world.exchange));
	}
	world.peer.purpose = FOR_METRICS;
	ask("TRACE", "/metrics", NULL);
	ASSERT_REFUSED(&world, 405);
	world.peer = (struct exchange_peer){.forward_auth = true, .trusted = true};
	ask("TRACE", "/authorize", NULL);
	ASSERT_REFUSED(&world, 405);
	ASSERT_NOT_JUDGED();
}

/* ---- redirects ---- */

static void
a_listener_that_redirects_judges_no_request(void **state)
{
	static const char *const methods[] = {"GET", "POST", "OPTIONS", "REPORT"};

	(void)state;
	world.peer.redirect = true;
	world.context->options.https_port = 8443;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		ask(methods[i], "/a", world.bearer);
		ASSERT_REFUSED(&world, 308);
		assert_non_null(
		    strstr(world.client.fields, "Location: https://" JOB ".jobs.test:8443/a?q\n"));
		assert_false(world.client.no_reuse);
	}
	world.context->options.https_port = 443;
	ask("GET", "/a", world.bearer);
	assert_non_null(strstr(world.client.fields, "Location: https://" JOB ".jobs.test/a?q\n"));
	ASSERT_NOT_JUDGED();
	assert_int_equal(counter_get(&world.context->stats->outcomes[OUTCOME_REDIRECTED]), 5);
}

static void
what_has_no_url_is_not_redirected(void **state)
{
	const struct question nowhere = {"GET", "x@y", "/", NULL, NULL};

	(void)state;
	world.peer.redirect = true;
	ask("OPTIONS", "*", NULL);
	ASSERT_REFUSED(&world, 400);
	assert_true(world.client.no_reuse);
	world_ask(&world, &nowhere);
	ASSERT_REFUSED(&world, 400);
	assert_null(strstr(world.client.fields, "Location"));
	ask("TRACE", "/", NULL);
	ASSERT_REFUSED(&world, 405);
}

/* ---- a job's path without a slash ---- */

static void
a_jobs_path_gets_its_slash_once_allowed(void **state)
{
	const struct question stranger = {"GET", "gate.test", "/jobs/" JOB, "?q", NULL};
	const struct question question = {"POST", "gate.test", "/jobs/" JOB, "?q", world.bearer};
	const struct question longer = {"GET", "gate.test", "/jobs/" JOB "/", "?q", world.bearer};
	const struct question socket = {
	    "GET", "gate.test", "/jobs/" JOB, "?q", world.bearer, .upgrade = "websocket"};

	(void)state;
	world.context->options.jobs.prefix = "/jobs";
	world_ask(&world, &stranger);
	ASSERT_REFUSED(&world, 401);
	ASSERT_NOT_JUDGED();
	world_know(&world);
	world_ask(&world, &question);
	ASSERT_REFUSED(&world, 308);
	assert_non_null(strstr(world.client.fields, "Location: /jobs/" JOB "/?q\n"));
	world_ask(&world, &longer);
	world_turn(&world);
	assert_int_equal(fake_pool.given[0].begun, 1);
	exchange_shutdown(world.exchange);
	world_ask(&world, &socket);
	world_turn(&world);
	assert_int_equal(fake_pool.given[1].begun, 1);
}

/* The longest URL: each byte of a path of 48 KiB was escaped. */
static void
a_long_url_is_redirected_whole(void **state)
{
	static char path[3 * BUFFER_LARGE + 1];
	static char text[LOCAL_ROOM];
	struct local_answer answer = {0};
	struct request request = {.authority = SLICE("h"), .query = SLICE("?end")};
	const struct local_call call = {.request = &request, .room = text, .https_port = 443};

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	request.path = slice_of(path);
	assert_int_equal(redirect_handler.begin(&call, &answer), LOCAL_ANSWER);
	assert_int_equal(answer.field_count, 1);
	assert_int_equal(answer.fields[0].value.len, strlen("https://h") + strlen(path) + 4);
	assert_memory_equal(answer.fields[0].value.at + answer.fields[0].value.len - 4, "?end", 4);
}

/* ---- Max-Forwards ---- */

static void
options_that_may_go_no_further_end_here_once_allowed(void **state)
{
	static char fields[256];

	(void)state;
	world_know(&world);
	ask("OPTIONS", "/", "Max-Forwards: 0\n");
	ASSERT_REFUSED(&world, 401);
	snprintf(fields, sizeof(fields), "Max-Forwards: 0\n%s", world.bearer);
	ask("OPTIONS", "/", fields);
	ASSERT_REFUSED(&world, 200);
	assert_non_null(strstr(world.client.fields, "Allow: GET"));
	ask("GET", "/", fields); /* the field means nothing here */
	world_turn(&world);
	assert_int_equal(fake_pool.given[0].begun, 1);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
}

static void
options_that_may_go_further_count_down(void **state)
{
	static char fields[256];

	(void)state;
	world_know(&world);
	snprintf(fields, sizeof(fields), "Max-Forwards: 1\n%s", world.bearer);
	ask("OPTIONS", "/", fields);
	world_turn(&world);
	assert_int_equal(fake_pool.given[0].begun, 1);
	assert_non_null(strstr(fake_pool.given[0].lines, "Max-Forwards: 0\r\n"));
}

/* ---- content ---- */

/* A browser begins to send the form with which it signs in. */
static void
post_form(bool expects)
{
	static const char origin[] = "Origin: https://" JOB ".jobs.test\n";
	const struct question question = {"POST", JOB ".jobs.test", "/.jobgate/sign-in", NULL,
	    origin, CONTENT_UNKNOWN, 0, NULL, expects};

	world.context->options.session_key = world_session_key;
	world.peer.tls = true;
	world_ask(&world, &question);
	assert_true(exchange_takes_content(world.exchange));
	assert_true(exchange_awaits_content(world.exchange));
}

static void
content_is_read_up_to_a_limit(void **state)
{
	static char much[4096];

	(void)state;
	memset(much, 'x', sizeof(much));
	post_form(false);
	assert_int_equal(world.client.interims, 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		    exchange_content(world.exchange, (struct slice){much, sizeof(much)}),
		    sizeof(much));
	assert_int_equal(exchange_content(world.exchange, (struct slice){much, 1}), 0);
	ASSERT_REFUSED(&world, 413);
}

static void
content_that_is_waited_for_is_asked_for(void **state)
{
	(void)state;
	post_form(true);
	assert_int_equal(world.client.interims, 1);
	assert_int_equal(world.client.status, 100);
}

static void
content_that_does_not_come_is_not_waited_for(void **state)
{
	(void)state;
	post_form(false);
	assert_int_equal(exchange_content(world.exchange, SLICE("token=")), 6);
	world_pass(&world, BODY_MS + 200);
	ASSERT_REFUSED(&world, 408);
}

static void
content_without_a_credential_is_refused_and_wiped(void **state)
{
	const void *content;

	(void)state;
	post_form(false);
	exchange_content(world.exchange, SLICE("to=secret"));
	content = world.exchange->content->bytes;
	exchange_content_end(world.exchange, NULL);
	assert_ptr_equal(wiped, content);
	ASSERT_REFUSED(&world, 400);
	ASSERT_NOT_JUDGED();
}

/* ---- the console ---- */

static void
only_the_control_api_has_the_console(void **state)
{
	(void)state;
	ask("GET", "/console", "");
	ASSERT_REFUSED(&world, 401);
	world.peer.purpose = FOR_CONTROL;
	ask("GET", "/console", "");
	ASSERT_NOT_JUDGED();
	ASSERT_REFUSED(&world, 200);
	ask("POST", "/console", "");
	ASSERT_REFUSED(&world, 401);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(connect_and_trace_are_refused_before_anything_is_judged),
	    TEST(a_listener_that_redirects_judges_no_request),
	    TEST(what_has_no_url_is_not_redirected),
	    TEST(a_long_url_is_redirected_whole),
	    TEST(a_jobs_path_gets_its_slash_once_allowed),
	    TEST(options_that_may_go_no_further_end_here_once_allowed),
	    TEST(options_that_may_go_further_count_down),
	    TEST(content_is_read_up_to_a_limit),
	    TEST(content_that_is_waited_for_is_asked_for),
	    TEST(content_that_does_not_come_is_not_waited_for),
	    TEST(content_without_a_credential_is_refused_and_wiped),
	    TEST(only_the_control_api_has_the_console),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
