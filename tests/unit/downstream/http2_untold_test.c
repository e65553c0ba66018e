/* http2_untold_test.c - very many exchanges lose access at once: those that have not been told yet
 * move no byte. */
#include "http2_ready.h"

static void
what_waits_is_not_sent(void **state)
{
	(void)state;
	request(1);
	request(3);
	for (size_t i = 0; i < 2; i++) {
		answer(&exchanges[i], 200);
		exchanges[i].left = 1000;
		push(&exchanges[i]);
	}
	exchanges[0].revoked = world.exchanges.untold = true;
	world_turn(&world);
	assert_null(exchanges[0].client);
	assert_non_null(exchanges[1].client);
	while (next_frame())
		assert_true(frame.type != H2_DATA || frame.stream == 3);
}

/* What the gateway grants leaves at once, and with it what waits on the connection. */
static void
others_are_checked_before_a_grant_leaves(void **state)
{
	(void)state;
	request(1);
	request(3);
	request(5);
	exchanges[0].revoked = exchanges[1].revoked = exchanges[2].revoked = true;
	exchanges[1].client->ops->judge_others(exchanges[1].client);
	assert_null(exchanges[0].client);
	assert_non_null(exchanges[1].client);
	assert_null(exchanges[2].client);
}

/* Otherwise what waits of them would be sent. */
static void
they_end_before_the_connection_is_shut_down(void **state)
{
	(void)state;
	request(1);
	answer(&exchanges[0], 200);
	exchanges[0].left = 1000;
	push(&exchanges[0]);
	exchanges[0].revoked = true;
	connection_shutdown(world_first(&world, FOR_JOBS));
	assert_null(exchanges[0].client);
	while (next_frame())
		assert_true(frame.type != H2_DATA);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_waits_is_not_sent),
	    TEST(others_are_checked_before_a_grant_leaves),
	    TEST(they_end_before_the_connection_is_shut_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
