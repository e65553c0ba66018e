/* events_test.c - readers of events that come while the control process ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/control/events.h"
#include "auth/control/handlers.h"
#include "auth/control/reply.h"

static char sent[400];
static unsigned status;

static void
note(struct call *call, const struct reply *reply)
{
	(void)call;
	assert_true(reply->len < sizeof(sent));
	memcpy(sent, reply->content, reply->len);
	sent[reply->len] = '\0';
	status = reply->status;
	free(reply->content);
}

/* Its workers are freed before its readers. */
static void
without_workers(void **state)
{
	struct control control = {0};
	struct call call = {.ctx = &control, .caller = CALLER_LOCAL, .send = note};

	(void)state;
	events_read(&call);
	assert_int_equal(status, 503);
	assert_non_null(strstr(sent, "the gateway is shutting down"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(without_workers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
