/* health_check_test.c - a check of a backend's health, over loopback. */
#include "pool_world.h"

#include "loopback.h"
#include "upstream/health_check.h"

static struct pool_world world;
static int listener, peer;
static struct job_url url;

/* What the check told. */
static unsigned calls, status;
static const char *why;

static void
checked(void *ctx, struct health_check *check, unsigned status_, const char *why_)
{
	assert_ptr_equal(ctx, &world);
	assert_non_null(check);
	calls++;
	status = status_;
	why = why_;
}

static int
set_up(void **state)
{
	(void)state;
	url = (struct job_url){
	    .scheme = JOB_URL_HTTP, .host = SLICE("127.0.0.1"), .base = SLICE("/base")};
	listener = loopback_listen(16, &url.port);
	peer = -1;
	calls = status = 0;
	why = NULL;
	world_open(&world);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	world_settle(&world);
	world_close(&world);
	close(listener);
	if (peer >= 0)
		close(peer);
	return 0;
}

static struct health_check *
begin(void)
{
	const struct health_question question = {.loop = world.loop,
	    .url = &url,
	    .source = BACKEND_OF_RECORD,
	    .authority = SLICE("127.0.0.1:1"),
	    .path = SLICE("/healthz"),
	    .deadline_ms = 1000};
	struct health_check *check = health_check_new(world.pool, &question, checked, &world);

	assert_non_null(check);
	assert_int_equal(calls, 0);
	return check;
}

/* The backend reads the request, which has come whole. */
static void
expect_request(void)
{
	static const char wanted[] = "GET /base/healthz HTTP/1.1\r\nHost: 127.0.0.1:1\r\n";
	char text[512];
	ssize_t n;

	if (peer < 0)
		TURN_UNTIL(&world, (peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	TURN_UNTIL(&world, (n = read(peer, text, sizeof(text))) > 0);
	assert_true((size_t)n > sizeof(wanted));
	assert_memory_equal(text, wanted, sizeof(wanted) - 1);
}

static void
answer(const char *text)
{
	assert_int_equal(write(peer, text, strlen(text)), strlen(text));
	TURN_UNTIL(&world, calls > 0);
}

static void
the_status_is_told(void **state)
{
	(void)state;
	begin();
	expect_request();
	answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	assert_int_equal(status, 200);
	/* The connection is used again. */
	calls = 0;
	begin();
	expect_request();
	answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(status, 503);
	assert_int_equal(counter_get(&world.stats->backend_connects), 1);
}

static void
a_long_answer_is_cut(void **state)
{
	static char content[200000];

	(void)state;
	begin();
	expect_request();
	memset(content, 'x', sizeof(content));
	assert_true(write(peer, "HTTP/1.1 200 OK\r\n\r\n", 19) == 19);
	TURN_UNTIL(&world, calls > 0 || write(peer, content, sizeof(content)) == 0);
	assert_int_equal(status, 200);
	assert_int_equal(world.pool->connections, 0);
}

static void
no_answer_in_time(void **state)
{
	(void)state;
	begin();
	expect_request();
	ahead_ms += 1200;
	TURN_UNTIL(&world, calls > 0);
	assert_int_equal(status, 0);
	assert_string_equal(why, "no answer in time");
}

static void
closed_or_not_valid(void **state)
{
	(void)state;
	begin();
	expect_request();
	close(peer);
	peer = -1;
	TURN_UNTIL(&world, calls > 0);
	assert_int_equal(status, 0);
	assert_string_equal(why, "it closed the connection before it had answered");
	calls = 0;
	begin();
	expect_request();
	answer("220 mail ready\r\n\r\n");
	assert_int_equal(status, 0);
	assert_string_equal(why, "its answer is not valid");
}

static void
a_refusal_is_told_at_once(void **state)
{
	(void)state;
	loopback_refuse(&listener);
	begin();
	TURN_UNTIL(&world, calls > 0);
	assert_int_equal(status, 0);
	assert_string_equal(why, "it takes no connections");
}

static void
an_address_that_is_not_allowed(void **state)
{
	(void)state;
	world.pool->options.guard.allow_loopback = false;
	begin();
	TURN_UNTIL(&world, calls > 0);
	assert_string_equal(why, "its address is not allowed");
}

static void
one_that_is_cancelled_tells_nothing(void **state)
{
	struct health_check *check = begin();

	(void)state;
	expect_request();
	health_check_cancel(check);
	ahead_ms += 1200;
	world_settle(&world);
	assert_int_equal(calls, 0);
	assert_int_equal(world.pool->connections, 0);
	health_check_cancel(begin()); /* its connection is still being made */
	world_settle(&world);
	assert_int_equal(calls, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(the_status_is_told),
	    TEST(a_long_answer_is_cut),
	    TEST(no_answer_in_time),
	    TEST(closed_or_not_valid),
	    TEST(a_refusal_is_told_at_once),
	    TEST(an_address_that_is_not_allowed),
	    TEST(one_that_is_cancelled_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
