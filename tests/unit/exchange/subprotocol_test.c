/* subprotocol_test.c - which subprotocols of a WebSocket a job gets to see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exchange/subprotocol.h"

#define OURS "base64url.bearer.authorization.jobgate.amd0X3g"

static char room[1024];

/* What is left for the job of these fields. */
static const char *
left(struct subprotocols_found *found, const char *first, const char *second)
{
	struct field items[] = {
	    {.value = slice_of(first), .id = FIELD_SEC_WEBSOCKET_PROTOCOL},
	    {.value = SLICE("x"), .id = FIELD_OTHER},
	    {.value = slice_of(second), .id = FIELD_SEC_WEBSOCKET_PROTOCOL},
	    {.value = SLICE("dropped"), .id = FIELD_SEC_WEBSOCKET_PROTOCOL, .dropped = true},
	};
	const struct fields fields = {items, 4};
	struct writer writer = writer_of(room, sizeof(room) - 1);

	*found = subprotocols_write(&writer, &fields);
	assert_false(writer.full);
	*writer.at = '\0';
	return room;
}

static void
the_jobs_own_pass(void **state)
{
	static const char *const own[] = {"a", "v1.kernel.websocket.jupyter.org",
	    "v1.token.websocket.jupyter.org.abc", "graphql-transport-ws",
	    "base64url.bearer.authorization.k8s.io.eA", "eyJ.x-jgt_.jgt_x", "jobgate.v2"};
	struct subprotocols_found found;

	(void)state;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		assert_string_equal(left(&found, own[i], ""), own[i]);
		assert_true(found.for_job && !found.others && !found.for_gateway);
	}
	assert_string_equal(left(&found, "a,b ,", "c"), "a, b, c");
}

static void
ours_do_not(void **state)
{
	static const char *const ours[] = {OURS, OURS "=", "jgt_x",
	    "v1.token.websocket.jupyter.org.jgt_x", "base64url.bearer.authorization.jobgate.eA",
	    "base64url.bearer.authorization.jobgate.",
	    "base64url.bearer.authorization.k8s.io.amd0X3g",
	    "Base64URL.bearer.authorization.jobgate.amd0X3g", "amd0X3g", "\"a, " OURS ", b\"",
	    "x.jgt_0123456789abcdef_x", "v1.token.websocket.jupyter.org.%jgt_x"};
	struct subprotocols_found found;
	const char *rest;

	(void)state;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		rest = left(&found, ours[i], "c");
		assert_null(strstr(rest, "jgt_"));
		assert_null(strstr(rest, "amd0"));
		assert_non_null(strstr(rest, "c"));
		assert_true(found.for_job && found.others && !found.for_gateway);
	}
}

static void
the_gateways_own(void **state)
{
	struct subprotocols_found found;

	(void)state;
	assert_string_equal(left(&found, "jobgate.v1", OURS), "");
	assert_true(!found.for_job && found.others && found.for_gateway);
	assert_string_equal(left(&found, "jobgate.v1, a", OURS), "a");
	assert_true(found.for_job && found.others && found.for_gateway);
	assert_string_equal(left(&found, "", ""), "");
	assert_true(!found.for_job && !found.others && !found.for_gateway);
}

/* Decoded tokens are wiped: nothing is left behind what was written. */
static void
nothing_stays_in_the_room(void **state)
{
	struct subprotocols_found found;

	(void)state;
	memset(room, 0, sizeof(room));
	left(&found, OURS, "amd0X3g");
	assert_null(memmem(room, sizeof(room), "jgt", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_jobs_own_pass),
	    cmocka_unit_test(ours_do_not),
	    cmocka_unit_test(the_gateways_own),
	    cmocka_unit_test(nothing_stays_in_the_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
