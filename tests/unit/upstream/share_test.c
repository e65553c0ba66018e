/* share_test.c - many exchanges that want a connection to a backend which speaks HTTP/2. */
#include "pool_world.h"

#include "fake_user.h"
#include "http/hpack.h"
#include "loopback.h"

#define USERS 64

static struct pool_world world;
static struct backend *backend;
static struct fake_user users[USERS];
static int listener;

static const struct request get = {
    .method = SLICE("GET"), .method_id = METHOD_GET, .authority = SLICE("job"), .path = SLICE("/")};

static int
set_up(void **state)
{
	struct job_url target = {.scheme = JOB_URL_H2C, .host = SLICE("127.0.0.1")};

	(void)state;
	listener = loopback_listen(128, &target.port);
	world_open(&world);
	backend = pool_enter(world.pool, &target, BACKEND_OF_RECORD);
	assert_non_null(backend);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < USERS; i++)
		if (users[i].upstream != NULL && users[i].failed == 0)
			users[i].upstream->ops->cancel(users[i].upstream);
	memset(users, 0, sizeof(users));
	pool_leave(backend);
	world_settle(&world);
	world_close(&world);
	close(listener);
	return 0;
}

static void
acquire(struct fake_user *user, bool exclusive)
{
	bool up;

	*user = FAKE_USER;
	user->request = &get;
	user->lines = SLICE("");
	user->upstream = pool_acquire(
	    backend, &user->user, POOL_ANY, exclusive ? POOL_EXCLUSIVE : POOL_SHARED, &up);
	assert_non_null(user->upstream);
	assert_false(up);
}

static void
acquire_all(void)
{
	for (size_t i = 0; i < USERS; i++)
		acquire(&users[i], false);
}

static size_t
count_connected(void)
{
	size_t count = 0;

	for (size_t i = 0; i < USERS; i++)
		count += users[i].connected;
	return count;
}

static size_t
count_failed(void)
{
	size_t count = 0;

	for (size_t i = 0; i < USERS; i++)
		count += users[i].failed;
	return count;
}

/* Take the next connection; streams: what its SETTINGS allow. */
static int
accept_with(uint32_t streams)
{
	const struct h2_setting setting = {H2_SETTINGS_MAX_CONCURRENT_STREAMS, streams};
	char text[64];
	struct writer writer = writer_of(text, sizeof(text));
	int peer;

	TURN_UNTIL(&world, (peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	h2_write_settings(&writer, &setting, 1);
	assert_int_equal(write(peer, text, (size_t)(writer.at - text)), writer.at - text);
	return peer;
}

static void
expect_no_connection(void)
{
	world_settle(&world);
	assert_int_equal(accept4(listener, NULL, NULL, SOCK_NONBLOCK), -1);
}

static void
all_wait_for_one_connection(void **state)
{
	int peer;

	(void)state;
	acquire_all();
	assert_int_equal(world.pool->connections, 1);
	TURN_UNTIL(&world, count_connected() == 1); /* its SETTINGS have not come */
	peer = accept_with(1000);
	TURN_UNTIL(&world, count_connected() == USERS);
	expect_no_connection();
	close(peer);
	TURN_UNTIL(&world, count_failed() == USERS);
}

static void
a_full_connection_has_the_rest_make_another(void **state)
{
	int peers[4];

	(void)state;
	acquire_all();
	for (size_t i = 0; i < 4; i++) {
		peers[i] = accept_with(USERS / 4);
		TURN_UNTIL(&world, count_connected() >= (i + 1) * (USERS / 4));
		assert_true(count_connected() <= (i + 1) * (USERS / 4) + 1);
	}
	expect_no_connection();
	for (size_t i = 0; i < 4; i++)
		close(peers[i]);
}

static void
when_the_first_leaves_the_next_one_dials(void **state)
{
	int peer;

	(void)state;
	acquire_all();
	users[0].upstream->ops->cancel(users[0].upstream);
	users[0].upstream = NULL;
	TURN_UNTIL(&world, count_connected() == 1);
	assert_int_equal(users[1].connected, 1);
	TURN_UNTIL(&world, (peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	close(peer); /* of the first */
	peer = accept_with(1000);
	TURN_UNTIL(&world, count_connected() == USERS - 1);
	close(peer);
}

static void
when_it_cannot_be_made_all_fail(void **state)
{
	(void)state;
	loopback_refuse(&listener);
	acquire_all();
	ahead_ms += CONNECT_MS + 1000;
	TURN_UNTIL(&world, count_failed() == USERS);
	for (size_t i = 0; i < USERS; i++)
		assert_true(users[i].failure == UPSTREAM_REFUSED ||
			    users[i].failure == UPSTREAM_CONNECT_TIMEOUT);
}

/* A connection that is up, but whose SETTINGS do not come, holds no request longer than a dial may
 * take. */
static void
each_waits_no_longer_than_a_dial(void **state)
{
	int peer;

	(void)state;
	acquire_all();
	TURN_UNTIL(&world, count_connected() == 1);
	TURN_UNTIL(&world, (peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	ahead_ms += CONNECT_MS + 1000;
	TURN_UNTIL(&world, count_failed() == USERS - 1);
	assert_int_equal(users[1].failure, UPSTREAM_CONNECT_TIMEOUT);
	close(peer);
}

static void
a_connection_that_breaks_has_the_next_one_dial(void **state)
{
	int peer;

	(void)state;
	acquire_all();
	TURN_UNTIL(&world, (peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	close(peer);
	TURN_UNTIL(&world, users[0].failed == 1);
	assert_int_equal(users[0].repeat, REPEAT_BROKEN);
	peer = accept_with(1000);
	TURN_UNTIL(&world, count_connected() == USERS);
	close(peer);
}

static void
an_exclusive_request_is_refused(void **state)
{
	(void)state;
	acquire(&users[0], true);
	TURN_UNTIL(&world, users[0].failed == 1);
	assert_int_equal(users[0].failure, UPSTREAM_NEEDS_HTTP1);
	expect_no_connection();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(all_wait_for_one_connection, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_full_connection_has_the_rest_make_another, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		when_the_first_leaves_the_next_one_dials, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(when_it_cannot_be_made_all_fail, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(each_waits_no_longer_than_a_dial, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_connection_that_breaks_has_the_next_one_dial, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(an_exclusive_request_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
