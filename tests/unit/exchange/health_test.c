/* health_test.c - gRPC's health check at control.metrics, whose client shows no token. */
#include "exchange_world.h"

static struct world world;
static struct shared_stats *shared;

static int
setup(void **state)
{
	(void)state;
	world_open(&world);
	world.peer.purpose = FOR_METRICS;
	shared = shared_stats_map(1);
	assert_non_null(shared);
	world.context->options.shared = shared;
	counter_set(&shared->workers[0].serving, 1);
	counter_set(&shared->workers[0].ready, 1);
	counter_set(&shared->workers[0].accepting, 1);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	shared_stats_unmap(shared);
	return 0;
}

static void
begin(const char *method, const char *path, const char *fields)
{
	const struct question question = {.method = method,
	    .authority = "10.0.0.1:9180",
	    .path = path,
	    .fields = fields,
	    .content = CONTENT_UNKNOWN,
	    .http2 = true};

	world_ask(&world, &question);
}

#define CHECK_PATH "/grpc.health.v1.Health/Check"
#define TYPE "Content-Type: application/grpc\n"

/* A whole check, whose content is these bytes. */
static void
ask(struct slice content)
{
	begin("POST", CHECK_PATH, TYPE);
	assert_true(exchange_takes_content(world.exchange));
	assert_true(exchange_awaits_content(world.exchange));
	assert_false(exchange_may_be_silent(world.exchange));
	assert_int_equal(exchange_content(world.exchange, content), content.len);
	exchange_content_end(world.exchange, NULL);
}

#define ANY SLICE("\0\0\0\0\0")
#define READINESS SLICE("\0\0\0\0\x0b\x0a\x09readiness")
#define LIVENESS SLICE("\0\0\0\0\x0a\x0a\x08liveness")
#define OTHER SLICE("\0\0\0\0\7\x0a\5other")

#define ASSERT_TOLD(serving)                                                                    \
	do {                                                                                    \
		assert_int_equal(world.client.answers, 1);                                      \
		assert_int_equal(world.client.status, 200);                                     \
		assert_non_null(strstr(world.client.fields, TYPE));                             \
		assert_int_equal(world.client.body_len, 7);                                     \
		assert_memory_equal(                                                            \
		    world.client.body, (serving) ? "\0\0\0\0\2\x08\1" : "\0\0\0\0\2\x08\2", 7); \
		assert_string_equal(world.client.trailers, "grpc-status: 0\n");                 \
		assert_int_equal(world.client.end, END_COMPLETE);                               \
	} while (0)

#define ASSERT_ENDED_WITH(grpc_status)                                                          \
	do {                                                                                    \
		assert_int_equal(world.client.answers, 1);                                      \
		assert_int_equal(world.client.status, 200);                                     \
		assert_int_equal(world.client.body_len, 0);                                     \
		assert_non_null(strstr(world.client.fields, "grpc-status: " grpc_status "\n")); \
		assert_ptr_equal(                                                               \
		    strstr(strstr(world.client.fields, "X-Request-Id") + 1, "X-Request-Id"),    \
		    NULL);                                                                      \
		assert_int_equal(world.client.end, END_COMPLETE);                               \
	} while (0)

static void
a_gateway_that_can_decide_is_serving(void **state)
{
	(void)state;
	ask(ANY);
	ASSERT_TOLD(true);
	ask(READINESS);
	ASSERT_TOLD(true);
	ask(LIVENESS);
	ASSERT_TOLD(true);
	assert_int_equal(fake_pending(&world.store), 0);
}

static void
readiness_ends_with_the_store_or_the_gateway(void **state)
{
	(void)state;
	counter_set(&shared->workers[0].ready, 0);
	ask(ANY);
	ASSERT_TOLD(false);
	ask(READINESS);
	ASSERT_TOLD(false);
	ask(LIVENESS);
	ASSERT_TOLD(true);
	counter_set(&shared->workers[0].ready, 1);
	ask(READINESS);
	ASSERT_TOLD(true);
	counter_set(&shared->draining, 1);
	ask(ANY);
	ASSERT_TOLD(false);
	ask(LIVENESS);
	ASSERT_TOLD(true);
}

static void
other_services_and_methods_do_not_exist(void **state)
{
	static const char *const paths[] = {"/grpc.health.v1.Health/Watch",
	    "/grpc.health.v1.Health/List", "/grpc.health.v1.Health/", "/metrics", "/v1/tokens"};

	(void)state;
	ask(OTHER);
	ASSERT_ENDED_WITH("5");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		begin("POST", paths[i], TYPE);
		if (i == 3)
			ASSERT_ENDED_WITH("2"); /* 405 */
		else
			ASSERT_ENDED_WITH("12");
	}
	assert_int_equal(fake_pool.entered, 0);
}

static void
what_is_no_call_gets_http(void **state)
{
	const struct question over_http1 = {
	    .method = "POST", .authority = "m", .path = CHECK_PATH, .content = CONTENT_UNKNOWN};

	(void)state;
	begin("GET", CHECK_PATH, TYPE);
	ASSERT_REFUSED(&world, 404);
	begin("POST", CHECK_PATH, "Content-Type: application/json\n");
	ASSERT_REFUSED(&world, 404);
	begin("POST", CHECK_PATH, NULL);
	ASSERT_REFUSED(&world, 404);
	world_ask(&world, &over_http1);
	ASSERT_REFUSED(&world, 404);
}

static void
broken_requests_are_refused(void **state)
{
	static char long_name[513];

	(void)state;
	ask(SLICE(""));
	ASSERT_ENDED_WITH("13");
	ask(SLICE("\0\0\0\0\1"));
	ASSERT_ENDED_WITH("13");
	ask(SLICE("\1\0\0\0\1x"));
	ASSERT_ENDED_WITH("12");
	begin("POST", CHECK_PATH, TYPE);
	assert_int_equal(
	    exchange_content(world.exchange, (struct slice){long_name, sizeof(long_name)}), 0);
	ASSERT_ENDED_WITH("8");
	begin("POST", CHECK_PATH, TYPE);
	assert_int_equal(exchange_content(world.exchange, ANY), 5);
	assert_int_equal(exchange_content(world.exchange, (struct slice){long_name, 508}), 0);
	ASSERT_ENDED_WITH("8");
}

static void
a_request_that_does_not_come_is_not_waited_for(void **state)
{
	(void)state;
	begin("POST", CHECK_PATH, TYPE);
	assert_int_equal(exchange_content(world.exchange, SLICE("\0\0")), 2);
	world_pass(&world, BODY_MS + 200);
	ASSERT_ENDED_WITH("2"); /* 408 */
	begin("POST", CHECK_PATH, TYPE "grpc-timeout: 100m\n");
	world_pass(&world, 400);
	ASSERT_ENDED_WITH("4");
}

/* Its connection may be busy, too: the answer waits at the client's end. */
static void
a_client_without_a_window_gets_its_answer_later(void **state)
{
	(void)state;
	begin("POST", CHECK_PATH, TYPE);
	world.client.room = 0;
	exchange_content(world.exchange, ANY);
	exchange_content_end(world.exchange, NULL);
	ASSERT_TOLD(true);
}

/* At a job's host the path means nothing here. */
static void
a_job_has_its_own_health_service(void **state)
{
	const struct question question = {.method = "POST",
	    .authority = JOB ".jobs.test",
	    .path = CHECK_PATH,
	    .fields = TYPE,
	    .content = CONTENT_UNKNOWN,
	    .http2 = true};

	(void)state;
	world.peer.purpose = FOR_JOBS;
	world_ask(&world, &question);
	ASSERT_ENDED_WITH("16");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_gateway_that_can_decide_is_serving),
	    TEST(readiness_ends_with_the_store_or_the_gateway),
	    TEST(other_services_and_methods_do_not_exist),
	    TEST(what_is_no_call_gets_http),
	    TEST(broken_requests_are_refused),
	    TEST(a_request_that_does_not_come_is_not_waited_for),
	    TEST(a_client_without_a_window_gets_its_answer_later),
	    TEST(a_job_has_its_own_health_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
