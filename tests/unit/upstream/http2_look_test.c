/* http2_look_test.c - the look that a connection's timer takes at a backend over HTTP/2, while
 * very many exchanges are told of a change. */
#include "http2_client_world.h"

static void
expire(void)
{
	struct timer *timer = &session()->timer;

	timer_remove(timer);
	timer->expired(timer);
}

/* To look means to judge all exchanges of the connection: there may be 1,000 such in a second. */
static void
a_look_waits_once(void **state)
{
	struct fake_user *user = open_settled(&get);
	unsigned before = user->checks;

	(void)state;
	world.untold = true;
	for (unsigned i = 1; i <= 3; i++) {
		expire();
		assert_int_equal(user->checks, before);
		assert_true(session()->timer.due_ms != 0);
		/* They are still being told: it must not wait for ever. */
		expire();
		assert_true(user->checks > before);
		before = user->checks;
	}
	world.untold = false;
	assert_int_equal(user->failed, 0);
}

static void
a_look_does_not_wait_when_all_are_told(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	say_head(1, 200, NULL, false);
	assert_true(send(peer, said, (size_t)(saying.at - said), MSG_NOSIGNAL) > 0);
	begin_to_say();
	expire();
	assert_int_equal(user->status, 200);
}

/* A backend that did not answer in time is left, whatever else is going on. */
static void
a_deadline_does_not_wait(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	world.untold = true;
	session()->ping_due_ms = 1;
	expire();
	assert_int_equal(user->failed, 1);
	world.untold = false;
	TURN_UNTIL(&world, world.pool->connections == 0);
}

/* The clock may end an exchange while the timer looks at it, and its connection with it. */
static void
all_may_end_before_the_look(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	world.untold = user->revoked = true;
	expire();
	expire();
	assert_null(user->upstream);
	world.untold = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_look_waits_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_look_does_not_wait_when_all_are_told, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_deadline_does_not_wait, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(all_may_end_before_the_look, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
