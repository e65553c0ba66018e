/* pool_test.c - the ways to a connection: an idle one, a new one over loopback, or a failure. */
#include "pool_world.h"

#include "fake_user.h"
#include "loopback.h"

static struct pool_world world;
static struct backend *backend;
static struct fake_user user;
static int listener, peer;

static const struct request get = {
    .method = SLICE("GET"), .method_id = METHOD_GET, .authority = SLICE("job"), .path = SLICE("/")};

static void
open_world(const char *host)
{
	struct job_url target = {.scheme = JOB_URL_HTTP, .host = slice_of(host)};

	listener = loopback_listen(16, &target.port);
	peer = -1;
	world_open(&world);
	backend = pool_enter(world.pool, &target, BACKEND_OF_RECORD);
	assert_non_null(backend);
}

static void
close_world(void)
{
	pool_leave(backend);
	world_close(&world);
	close(listener);
	if (peer >= 0)
		close(peer);
}

static int
set_up(void **state)
{
	(void)state;
	open_world("127.0.0.1");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close_world();
	return 0;
}

/* Ask for a connection that is not there yet, for a user that may have another backend to go to. */
static void
acquire_for(enum pool_choice choice, bool elsewhere)
{
	bool up;

	user = FAKE_USER;
	user.user.elsewhere = elsewhere;
	user.request = &get;
	user.lines = SLICE("");
	user.upstream = pool_acquire(backend, &user.user, choice, POOL_SHARED, &up);
	assert_non_null(user.upstream);
	assert_false(up);
	assert_int_equal(user.connected + user.failed, 0); /* never from within */
}

static void
acquire_new(enum pool_choice choice)
{
	acquire_for(choice, false);
}

static void
take_peer(void)
{
	if (peer >= 0)
		close(peer);
	TURN_UNTIL(&world, user.connected == 1);
	TURN_UNTIL(&world, (peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
}

/* The backend answers, and the connection goes back to the pool. */
static void
answer(void)
{
	const char text[] = "HTTP/1.1 204 No Content\r\n\r\n";
	unsigned ends = user.ends;

	assert_int_equal(write(peer, text, sizeof(text) - 1), sizeof(text) - 1);
	TURN_UNTIL(&world, user.ends > ends);
}

static void
expect_failure(enum upstream_failure failure)
{
	TURN_UNTIL(&world, user.failed == 1);
	assert_int_equal(user.connected, 0);
	assert_int_equal(user.failure, failure);
	assert_int_equal(user.repeat, REPEAT_NOT);
}

static void
a_connection_is_made_and_kept(void **state)
{
	struct upstream *waiting;
	struct fake_user next = FAKE_USER;
	bool up;

	(void)state;
	acquire_new(POOL_ANY);
	waiting = user.upstream;
	take_peer();
	assert_ptr_not_equal(user.upstream, waiting); /* a client has taken the dial's place */
	answer();
	assert_int_equal(backend->idle_count, 1);
	assert_int_equal(counter_get(&world.stats->backend_connects), 1);
	next.upstream = pool_acquire(backend, &next.user, POOL_CHECKED, POOL_SHARED, &up);
	assert_true(up);
	assert_int_equal(next.connected, 0);
	assert_int_equal(counter_get(&world.stats->backend_reuses), 1);
	next.upstream->ops->cancel(next.upstream);
}

static void
the_last_one_used_is_taken_first(void **state)
{
	struct fake_user one, next = FAKE_USER;
	struct upstream *first, *second;
	int peers[2];
	bool up;

	(void)state;
	acquire_new(POOL_FRESH);
	take_peer();
	one = user;
	first = one.upstream;
	first->user = &one.user; /* it is served on */
	peers[0] = peer;
	peer = -1;
	acquire_new(POOL_FRESH);
	take_peer();
	peers[1] = peer;
	second = user.upstream;
	first->ops->cancel(first);
	answer();
	assert_ptr_equal(pool_acquire(backend, &next.user, POOL_ANY, POOL_SHARED, &up), second);
	assert_true(up);
	second->ops->cancel(second);
	close(peers[0]);
	peer = peers[1];
}

static void
a_fresh_one_is_asked_for(void **state)
{
	int first;

	(void)state;
	acquire_new(POOL_ANY);
	take_peer();
	answer();
	first = peer;
	peer = -1;
	acquire_new(POOL_FRESH);
	assert_int_equal(backend->idle_count, 1);
	take_peer();
	answer();
	assert_int_equal(backend->idle_count, 2);
	close(first);
}

/* The loop has not said yet that the idle one has ended: one that cannot be repeated looks. */
static void
a_stale_one_is_found_out(void **state)
{
	(void)state;
	acquire_new(POOL_ANY);
	take_peer();
	answer();
	close(peer);
	peer = -1;
	acquire_new(POOL_CHECKED);
	assert_int_equal(backend->idle_count, 0);
	take_peer();
	answer();
}

static void
no_more_than_the_limit_are_kept(void **state)
{
	(void)state;
	world.pool->options.settings.idle_max = 1;
	for (int i = 0; i < 3; i++) {
		acquire_new(POOL_FRESH);
		take_peer();
		answer();
		assert_int_equal(backend->idle_count, 1);
	}
	assert_true(pool_make_room(world.pool));
	assert_int_equal(backend->idle_count, 0);
	assert_false(pool_make_room(world.pool));
	pool_drain(world.pool);
	acquire_new(POOL_ANY);
	take_peer();
	answer();
	assert_int_equal(backend->idle_count, 0);
}

/* A refusal is waited out, as the backend may be about to start; then it is told. */
static void
a_backend_that_refuses(void **state)
{
	(void)state;
	loopback_refuse(&listener);
	acquire_new(POOL_ANY);
	TURN_UNTIL(&world, !TAILQ_EMPTY(&backend->queued));
	assert_int_equal(user.failed, 0);
	ahead_ms += CONNECT_MS;
	expect_failure(UPSTREAM_REFUSED);
}

/* The request can go elsewhere, so its connection fails at the first refusal, or without a try. */
static void
a_refusal_is_not_waited_out(void **state)
{
	struct fake_user last; /* of one that has nowhere else to go */

	(void)state;
	loopback_refuse(&listener);
	for (int i = 0; i < 2; i++) {
		acquire_for(POOL_ANY, true);
		expect_failure(UPSTREAM_REFUSED);
	}
	/* Another one waits here; that does not make this one wait. */
	acquire_new(POOL_ANY);
	last = user;
	user.upstream->user = &last.user;
	TURN_UNTIL(&world, !TAILQ_EMPTY(&backend->queued));
	acquire_for(POOL_ANY, true);
	expect_failure(UPSTREAM_REFUSED);
	assert_int_equal(last.failed, 0);
	last.upstream->ops->cancel(last.upstream);
}

static void
the_better_of_two(void **state)
{
	const struct job_url target = {
	    .scheme = JOB_URL_HTTP, .host = SLICE("127.0.0.1"), .port = 1};
	struct backend *other = pool_enter(world.pool, &target, BACKEND_OF_RECORD);

	(void)state;
	assert_non_null(other);
	assert_true(pool_prefers(backend, other) && pool_prefers(other, backend));
	pool_enter(world.pool, &target, BACKEND_OF_RECORD);
	assert_true(pool_prefers(backend, other));
	assert_false(pool_prefers(other, backend));
	/* A connection is no exchange. */
	acquire_new(POOL_ANY);
	take_peer();
	answer();
	assert_int_equal(backend->connections, 1);
	assert_true(pool_prefers(backend, other));
	assert_false(pool_prefers(other, backend));
	backend->circuit.state = CIRCUIT_OPEN;
	backend->circuit.probe_at_ms = loop_now_ms(world.loop) + 1000;
	assert_false(pool_prefers(backend, other));
	assert_true(pool_prefers(other, backend));
	backend->circuit.state = CIRCUIT_CLOSED;
	pool_leave(other);
	pool_leave(other);
}

/* All that wait follow the one that tries again. */
static void
those_that_wait_follow_the_first(void **state)
{
	struct fake_user waiting;

	(void)state;
	loopback_refuse(&listener);
	acquire_new(POOL_ANY);
	waiting = user;
	user.upstream->user = &waiting.user;
	TURN_UNTIL(&world, !TAILQ_EMPTY(&backend->queued));
	acquire_new(POOL_ANY);
	assert_int_equal(world.pool->connections, 2);
	assert_int_equal(listen(listener, 16), 0);
	TURN_UNTIL(&world, user.connected == 1 && waiting.connected == 1);
	assert_true(TAILQ_EMPTY(&backend->queued));
	user.upstream->ops->cancel(user.upstream);
	waiting.upstream->ops->cancel(waiting.upstream);
}

static void
an_address_that_is_not_allowed(void **state)
{
	(void)state;
	world.pool->options.guard.allow_loopback = false;
	acquire_new(POOL_ANY);
	expect_failure(UPSTREAM_NOT_ALLOWED);
	assert_int_equal(accept(listener, NULL, NULL), -1);
}

/* The second address of localhost, ::1, has no listener; the first one that works wins. */
static void
addresses_are_tried_one_after_the_other(void **state)
{
	(void)state;
	close_world();
	open_world("localhost");
	backend->first = 1;
	acquire_new(POOL_ANY);
	take_peer();
	assert_int_equal(backend->first, 0); /* begin with it next time */
	answer();
}

/* One that gives up while it waits leaves nothing behind; it is told nothing more. */
static void
a_dial_is_cancelled(void **state)
{
	(void)state;
	acquire_new(POOL_ANY);
	user.upstream->ops->cancel(user.upstream);
	world_settle(&world);
	loopback_refuse(&listener);
	acquire_new(POOL_ANY);
	TURN_UNTIL(&world, !TAILQ_EMPTY(&backend->queued));
	user.upstream->ops->cancel(user.upstream);
	assert_true(TAILQ_EMPTY(&backend->queued));
	world_settle(&world);
	assert_int_equal(user.connected + user.failed, 0);
}

/* A circuit that is open lets no dial begin; one that fails at once is told later, if at all. */
static void
an_open_circuit(void **state)
{
	(void)state;
	world.pool->options.settings.circuit = (struct circuit_rules){1, 60000, 0};
	loopback_refuse(&listener);
	acquire_new(POOL_ANY);
	expect_failure(UPSTREAM_REFUSED);
	acquire_new(POOL_ANY);
	expect_failure(UPSTREAM_CIRCUIT_OPEN);
	assert_in_range(pool_retry_s(backend), 1, 60);
	acquire_new(POOL_ANY);
	user.upstream->ops->cancel(user.upstream);
	world_settle(&world);
	assert_int_equal(user.failed, 0);
}

/* A backend that spoke before it was asked has broken the rules, or has answered early. */
static void
a_backend_that_speaks_first(void **state)
{
	const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

	(void)state;
	acquire_new(POOL_ANY);
	TURN_UNTIL(&world, (peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	assert_int_equal(write(peer, text, sizeof(text) - 1), sizeof(text) - 1);
	close(peer);
	peer = -1;
	TURN_UNTIL(&world, user.ends + user.failed == 1);
	assert_int_equal(user.connected, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(a_connection_is_made_and_kept),
	    TEST(the_last_one_used_is_taken_first),
	    TEST(a_fresh_one_is_asked_for),
	    TEST(a_stale_one_is_found_out),
	    TEST(no_more_than_the_limit_are_kept),
	    TEST(a_backend_that_refuses),
	    TEST(a_refusal_is_not_waited_out),
	    TEST(the_better_of_two),
	    TEST(those_that_wait_follow_the_first),
	    TEST(an_address_that_is_not_allowed),
	    TEST(addresses_are_tried_one_after_the_other),
	    TEST(a_dial_is_cancelled),
	    TEST(an_open_circuit),
	    TEST(a_backend_that_speaks_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
