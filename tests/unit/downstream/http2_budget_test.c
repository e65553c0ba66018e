/* http2_budget_test.c - what uses up the budgets of an HTTP/2 connection, and what costs nothing.
 */
#include "http2_ready.h"

static void
content_that_waits_is_no_overhead(void **state)
{
	static const char *const ids = "\1\3\5\7";

	(void)state;
	serve = allow;
	session_now()->overhead.read = OVERHEAD_SHARE * OVERHEAD_ALLOWANCE - 20000;
	for (size_t i = 0; i < 4; i++) {
		upload((uint32_t)ids[i]);
		send_data((uint32_t)ids[i], 0, 16384);
	}
	assert_int_equal(goaway_error(), -1);
}

static void
content_for_reset_streams_costs_nothing(void **state)
{
	enum { STREAMS = 90 }; /* more than are remembered */

	(void)state;
	serve = allow;
	for (uint32_t i = 0; i < STREAMS; i++)
		upload(2 * i + 1);
	for (size_t i = 0; i < STREAMS; i++)
		end(&exchanges[i], END_REVOKED);
	for (size_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < STREAMS; i++)
			send_data(2 * i + 1, 0, 100); /* it was on its way */
	assert_int_equal(goaway_error(), -1);
	assert_int_equal(session_now()->resets.left, RESETS_MAX);
}

static void
a_reset_of_an_answer_that_has_begun_is_free(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 2 * RESETS_MAX; i++) {
		request(2 * i + 1);
		exchanges[i].left = 1;
		answer(&exchanges[i], 200);
		push(&exchanges[i]);
		send_frame(H2_RST_STREAM, 0, 2 * i + 1, "\0\0\0\10", 4);
		assert_int_equal(exchanges[i].failure, CLIENT_CLOSED);
	}
	assert_int_equal(goaway_error(), -1);
}

static void
early_resets_use_up_the_budget(void **state)
{
	(void)state;
	for (uint32_t i = 0; i <= RESETS_MAX; i++) {
		request(2 * i + 1);
		send_frame(H2_RST_STREAM, 0, 2 * i + 1, "\0\0\0\10", 4);
	}
	assert_int_equal(goaway_error(), H2_ENHANCE_YOUR_CALM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(content_that_waits_is_no_overhead),
	    TEST(content_for_reset_streams_costs_nothing),
	    TEST(a_reset_of_an_answer_that_has_begun_is_free),
	    TEST(early_resets_use_up_the_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
