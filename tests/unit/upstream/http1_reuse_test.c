/*
 * http1_reuse_test.c - which backend connections are used again, and which requests are repeated.
 */
#include "http1_client_world.h"

/* ---- which connections are kept, and for how long ---- */

static void
a_connection_serves_again(void **state)
{
	struct backend_conn *idle;

	(void)state;
	open_and_get();
	answer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
	assert_int_equal(backend->idle_count, 1);
	reuse_and_get();
	assert_int_equal(backend->idle_count, 0);
	answer("HTTP/1.1 200 OK\r\nKeep-Alive: max=5, timeout=2\r\nContent-Length: 1\r\n\r\nb");
	BODY("b");
	idle = TAILQ_FIRST(&backend->idle);
	assert_non_null(idle);
	/* We let go of it before the backend does. */
	assert_in_range(
	    ((struct http1_client *)idle)->timer.due_ms, 1, loop_now_ms(world.loop) + 2000 - 500);
}

/* Answers, all complete, after which nothing more may follow on the connection. */
static void
connections_that_are_not_kept(void **state)
{
	static const char *const last[] = {
	    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	    "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 0\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore"};
	struct request request = request_of("GET", METHOD_GET);

	(void)state;
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
		open_and_get();
		answer(last[i]);
		assert_int_equal(user.ends, 1);
		assert_int_equal(backend->idle_count, 0);
		end_peer();
	}
	request.exclusive = true;
	open_client(&request, "", false);
	answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(user.ends, 1);
	assert_int_equal(backend->idle_count, 0);
}

/* The rest would be read as the next request, which may be another client's. */
static void
a_connection_whose_request_has_not_ended_is_not_kept(void **state)
{
	struct request request = request_of("POST", METHOD_POST);

	(void)state;
	request.content = CONTENT_LENGTH;
	request.length = 3;
	for (int whole = 0; whole < 2; whole++) {
		open_client(&request, "", false);
		user.upstream->ops->content(user.upstream, SLICE("ab"));
		if (whole) {
			user.upstream->ops->content(user.upstream, SLICE("c"));
			user.upstream->ops->content_end(user.upstream, NULL);
		}
		user.upstream->ops->flush(user.upstream);
		answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
		assert_int_equal(user.ends, 1);
		assert_int_equal(backend->idle_count, whole);
		end_peer();
	}
}

static void
an_idle_connection_that_ends_or_speaks_is_closed(void **state)
{
	(void)state;
	open_and_get();
	answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(backend->idle_count, 1);
	end_peer();
	assert_int_equal(backend->idle_count, 0);
	open_and_get();
	answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(backend->idle_count, 1);
	answer("HTTP/1.1 408 Request Timeout\r\n\r\n");
	assert_int_equal(backend->idle_count, 0);
}

static void
the_idle_time_ends(void **state)
{
	struct http1_client *idle;

	(void)state;
	open_and_get();
	answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	idle = (struct http1_client *)TAILQ_FIRST(&backend->idle);
	assert_true(idle->timer.due_ms > loop_now_ms(world.loop) + IDLE_MS - 1000);
	ahead_ms += IDLE_MS + 1000;
	TURN_UNTIL(&world, backend->idle_count == 0);
}

/* ---- what may be repeated ---- */

static void
expect_failure(enum repeat repeat)
{
	assert_int_equal(user.failed, 1);
	assert_int_equal(user.failure, UPSTREAM_BROKEN);
	assert_int_equal(user.repeat, repeat);
}

static void
repeats_of_what_is_idempotent(void **state)
{
	(void)state;
	open_and_get();
	end_peer();
	expect_failure(REPEAT_BROKEN);
	open_and_get();
	answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	reuse_and_get();
	end_peer();
	expect_failure(REPEAT_STALE);
	/* Some of an answer came: the backend has acted on the request. */
	open_and_get();
	answer("HTTP/1.1 2");
	end_peer();
	expect_failure(REPEAT_NOT);
}

static void
no_repeats_of_what_may_have_been_done(void **state)
{
	const struct request request = request_of("POST", METHOD_POST);

	(void)state;
	open_client(&request, "", false);
	end_peer();
	expect_failure(REPEAT_NOT);
}

/* None of it was sent: whatever it is, it has not been done. */
static void
repeats_of_what_was_never_sent(void **state)
{
	const struct request request = request_of("POST", METHOD_POST);

	(void)state;
	open_client(&request, "", true);
	world_settle(&world);
	expect_failure(REPEAT_BROKEN);
}

/* An address whose connection broke at once is not the one to begin with. */
static void
a_broken_address_comes_last(void **state)
{
	static const struct job_url target = {
	    .scheme = JOB_URL_HTTP, .host = SLICE("localhost"), .port = 80};
	struct backend *other = pool_enter(world.pool, &target, BACKEND_OF_RECORD),
		       *before = backend;

	(void)state;
	assert_int_equal(other->address_count, 2);
	backend = other;
	open_and_get();
	end_peer();
	backend = before;
	assert_int_equal(other->first, 1);
	pool_leave(other);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(a_connection_serves_again),
	    TEST(connections_that_are_not_kept),
	    TEST(a_connection_whose_request_has_not_ended_is_not_kept),
	    TEST(an_idle_connection_that_ends_or_speaks_is_closed),
	    TEST(the_idle_time_ends),
	    TEST(repeats_of_what_is_idempotent),
	    TEST(no_repeats_of_what_may_have_been_done),
	    TEST(repeats_of_what_was_never_sent),
	    TEST(a_broken_address_comes_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
