/* events_test.c - readers of events that come while the control process ends. */
#include "noted_reply.h"

#include "auth/control/events.h"
#include "auth/control/handlers.h"

/* Its workers are freed before its readers. */
static void
without_workers(void **state)
{
	struct control control = {0};
	struct call call = {.ctx = &control, .caller = CALLER_LOCAL, .send = note};

	(void)state;
	events_read(&call);
	assert_int_equal(answered, 503);
	assert_non_null(strstr(sent, "the gateway is shutting down"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(without_workers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
