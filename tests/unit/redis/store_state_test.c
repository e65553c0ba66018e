/* store_state_test.c - how a change waits for replicas, and what dumps show of a store. */
#include "harness.h"

#include "auth/redis/store_state.h"
#include "tests/unit/check_catch.h"

static void
a_confirmation_takes_the_steps_of_its_diagram_alone(void **state)
{
	static const unsigned steps[][2] = {{CONFIRMATION_NONE, CONFIRMATION_DUE},
	    {CONFIRMATION_DUE, CONFIRMATION_ASKED}, {CONFIRMATION_DUE, CONFIRMATION_NONE},
	    {CONFIRMATION_ASKED, CONFIRMATION_NONE}};
	struct operation operation = {0};

	(void)state;
	TRY_STATES(steps, CONFIRMATION_ASKED, operation.confirmation,
	    operation_set_confirmation(&operation, to));
}

static void
a_dump_shows_the_oldest_operation(void **state)
{
	struct store store = {.backoff_ms = 250, .told_down = true};
	struct operation oldest = {.kind = RECORD_JOB, .id = "train", .change = true};
	struct operation next = {.kind = RECORD_TOKEN, .id = "abcdefghij012345"};
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	(void)state;
	TAILQ_INIT(&store.operations);
	TAILQ_INSERT_TAIL(&store.operations, &oldest, link);
	TAILQ_INSERT_TAIL(&store.operations, &next, link);
	jg_dump_init(&dump, text, sizeof(text));
	store_dump(&store, &dump);
	assert_string_equal(text,
	    "store{told_down backoff_ms=250 operations=2 wait_replicas=0 "
	    "operation{kind=job id=\"train\" change told confirmation=none}}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_confirmation_takes_the_steps_of_its_diagram_alone),
	    cmocka_unit_test(a_dump_shows_the_oldest_operation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
