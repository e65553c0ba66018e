/* connection_state_test.c - the states of a client's connection and of a walk, and their dumps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/control/connection.h"
#include "auth/control/walk.h"
#include "tests/unit/check_catch.h"

static void
a_connection_takes_the_steps_of_its_diagram_alone(void **state)
{
	static const unsigned steps[][2] = {{CONNECTION_IDLE, CONNECTION_READING},
	    {CONNECTION_IDLE, CONNECTION_STARTING}, {CONNECTION_READING, CONNECTION_STARTING},
	    {CONNECTION_READING, CONNECTION_IDLE}, {CONNECTION_STARTING, CONNECTION_CALLING},
	    {CONNECTION_STARTING, CONNECTION_IDLE}, {CONNECTION_CALLING, CONNECTION_IDLE}};
	struct connection connection = {0};

	(void)state;
	TRY_STATES(steps, CONNECTION_CALLING, connection.state,
	    control_connection_set_state(&connection, to));
}

/* A walk that waits is in the list, and no other is. */
static void
set_walk(struct walk *walk, enum walk_state to)
{
	bool waiting = walk->state == WALK_WAITING;

	assert_int_equal(TAILQ_FIRST(&walk->walks->waiting) == walk, waiting);
	walk_set_state(walk, to);
	assert_int_equal(TAILQ_FIRST(&walk->walks->waiting) == walk, to == WALK_WAITING);
}

static void
a_walk_takes_the_steps_of_its_diagram_alone(void **state)
{
	static const unsigned steps[][2] = {{WALK_NONE, WALK_WAITING}, {WALK_NONE, WALK_GOING},
	    {WALK_WAITING, WALK_GOING}, {WALK_WAITING, WALK_NONE}, {WALK_GOING, WALK_GIVING_WAY},
	    {WALK_GOING, WALK_NONE}, {WALK_GIVING_WAY, WALK_NONE}};
	struct walks walks = {0};
	struct call call = {.local = true};
	struct walk walk;

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		TAILQ_INIT(&walks.waiting);
		walk = (struct walk){.walks = &walks, .call = &call, .state = steps[i][0]};
		if (walk.state == WALK_WAITING)
			TAILQ_INSERT_TAIL(&walks.waiting, &walk, link);
		set_walk(&walk, steps[i][1]);
	}
	for (unsigned from = 0; from <= WALK_GIVING_WAY; from++)
		for (unsigned to = 0; to <= WALK_GIVING_WAY; to++) {
			if (is_step(steps, sizeof(steps) / sizeof(steps[0]), from, to))
				continue;
			walk = (struct walk){.walks = &walks, .call = &call, .state = from};
			assert_check_fails(walk_set_state(&walk, to), "state_allows");
		}
}

static void
a_dump_shows_no_bytes_of_the_request(void **state)
{
	struct call call = {.caller = CALLER_UNAUTHENTICATED,
	    .target = "/v1/jobs/secret-path",
	    .path = SLICE("/v1/jobs/secret-path"),
	    .authorization = "Bearer secret-token",
	    .body = "secret-body",
	    .body_len = 11};
	struct connection connection = {.state = CONNECTION_CALLING,
	    .call = &call,
	    .local = true,
	    .peer = "uid 0 pid 7",
	    .body = "secret-body"};
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	(void)state;
	call.connection = &connection;
	jg_dump_init(&dump, text, sizeof(text));
	control_connection_dump(&connection, &dump);
	assert_string_equal(text,
	    "control_connection{state=calling local peer=\"uid?0?pid?7\" body_len=0 answer_len=0 "
	    "call{caller=unauthenticated body_len=11}}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_connection_takes_the_steps_of_its_diagram_alone),
	    cmocka_unit_test(a_walk_takes_the_steps_of_its_diagram_alone),
	    cmocka_unit_test(a_dump_shows_no_bytes_of_the_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
