/* running_watch_test.c - who is told of sessions that begin and end. */
#include "running_world.h"

static struct session_event told;
static unsigned told_count;
static bool no_room;

static bool
on_told(void *ctx, const struct session_event *event)
{
	(void)ctx;
	if (no_room)
		return false;
	told = *event;
	told_count++;
	return true;
}

static bool
watch_slot(unsigned slot, const char *scope, enum session_watch what)
{
	struct session_order watch = {.watch = (uint8_t)what, .slot = (uint8_t)slot};

	if (scope != NULL) {
		watch.filter.scoped = true;
		snprintf(watch.filter.scope, sizeof(watch.filter.scope), "%s", scope);
	}
	told_count = 0;
	no_room = false;
	return running_watch(world.context, &watch, on_told, NULL);
}

static void
who_watches_is_told(void **state)
{
	(void)state;
	assert_true(watch_slot(0, NULL, SESSION_WATCH_BEGIN));
	assert_true(watch_slot(2, "a=b", SESSION_WATCH_BEGIN));
	send_get();
	assert_int_equal(told_count, 1);
	assert_int_equal(told.change, SESSION_BEGUN);
	assert_int_equal(told.sees, 1); /* the records have no labels */
	assert_int_equal(told.names, 1);
	assert_string_equal(told.session.token_id, TOKEN_ID);
	answer(CONTENT_UNKNOWN);
	push("hello");
	TELL(content_end, NULL);
	assert_int_equal(told_count, 2);
	assert_int_equal(told.change, SESSION_ENDED);
	assert_string_equal(told.outcome, "answered");
	assert_int_equal(told.status, 200);
	assert_int_equal(told.session.bytes_out, 5);
	running_watch_free(world.context);
}

/* A session begins in the scope team=a of slot 1, and its job leaves it. */
static void
begin_and_leave(void)
{
	const struct label label = {SLICE("team"), SLICE("a")};
	const struct label_set labels = {1, &label};

	know_labelled(NULL, &labels);
	assert_true(watch_slot(1, "team=a", SESSION_WATCH_BEGIN));
	send_get();
	assert_int_equal(told_count, 1);
	assert_int_equal(told.sees, 1u << 1);
	assert_int_equal(told.names, 0);
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_turn(&world);
}

static void
who_heard_the_beginning_hears_the_end(void **state)
{
	(void)state;
	begin_and_leave();
	assert_true(watch_slot(2, "team=a", SESSION_WATCH_BEGIN));
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	assert_int_equal(told_count, 1);
	assert_int_equal(told.change, SESSION_ENDED);
	assert_int_equal(told.sees, 1u << 1);
	assert_int_equal(told.names, 0);
	running_watch_free(world.context);
}

/*
 * A session whose token the scope of slot 1 may know begins. Then the token becomes this one, and
 * the job leaves the scope; then NULL: the token is deleted, and the session is cut.
 */
static void
begin_named(struct record *then)
{
	const struct label label = {SLICE("team"), SLICE("a")};
	const struct label_set labels = {1, &label};

	know_labelled(&labels, &labels);
	assert_true(watch_slot(1, "team=a", SESSION_WATCH_BEGIN));
	send_get();
	assert_int_equal(told.names, 1u << 1);
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, then);
	if (then != NULL) {
		world_change(&world, RECORD_JOB);
		world_reply(&world, RECORD_JOB, job_record(8000, NULL));
		world_turn(&world);
		exchange_client_failed(world.exchange, CLIENT_CLOSED);
	}
	world_turn(&world);
	assert_int_equal(told.change, SESSION_ENDED);
	assert_int_equal(told.sees, 1u << 1);
	running_watch_free(world.context);
}

/* Its name may have changed since then. */
static void
a_token_that_has_left_the_scope_is_not_named(void **state)
{
	(void)state;
	begin_named(token_record(world.token, 1, NULL));
	assert_int_equal(told.names, 0);
	assert_string_equal(told.session.token_id, "");
	assert_string_equal(told.session.token_name, "");
}

static void
a_token_that_is_gone_has_an_id(void **state)
{
	(void)state;
	begin_named(NULL);
	assert_int_equal(told.names, 1u << 1);
	assert_string_equal(told.session.token_id, TOKEN_ID);
	assert_string_equal(told.session.token_name, "");
}

/* The slot has another audience by then; in between no slot was watched. */
static void
the_next_of_a_slot_does_not_hear_the_end(void **state)
{
	(void)state;
	begin_and_leave();
	assert_true(watch_slot(1, "team=a", SESSION_WATCH_END));
	assert_null(world.context->watch);
	assert_true(watch_slot(1, "team=b", SESSION_WATCH_BEGIN));
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	assert_int_equal(told_count, 0);
	running_watch_free(world.context);
}

/* Those of public jobs fill no more than half of what is told. */
static void
strangers_are_told_by_half(void **state)
{
	struct exchange *exchange;

	(void)state;
	assert_true(watch_slot(0, NULL, SESSION_WATCH_BEGIN));
	send_get();
	assert_int_equal(told_count, 1);
	exchange = container_of(LIST_FIRST(&world.context->running), struct exchange, running);
	jg_directory_unwatch(&exchange->token_watch);
	exchange->is_public = true;
	exchange->authenticated = false;
	for (unsigned i = 0; i < SESSION_EVENTS_MAX; i++)
		running_begun(exchange);
	assert_int_equal(told_count, SESSION_EVENTS_MAX / 2);
	assert_string_equal(told.session.token_id, "");
	assert_int_equal(walk(), 1);
	assert_string_equal(seen.token_id, "");
	running_watch_free(world.context);
}

static void
what_is_not_told_is_said_to_be_lost(void **state)
{
	(void)state;
	assert_true(watch_slot(0, NULL, SESSION_WATCH_BEGIN));
	running_watch_look(world.context);
	assert_int_equal(told_count, 0);
	no_room = true;
	send_get();
	running_watch_look(world.context);
	no_room = false;
	running_watch_look(world.context);
	assert_int_equal(told_count, 1);
	assert_int_equal(told.change, SESSION_LOST);
	assert_int_equal(told.sees, 1);
	running_watch_look(world.context);
	assert_int_equal(told_count, 1);
	running_watch_free(world.context);
}

static void
so_many_in_a_second(void **state)
{
	struct exchange *exchange;

	(void)state;
	assert_true(watch_slot(0, NULL, SESSION_WATCH_BEGIN));
	send_get();
	exchange = container_of(LIST_FIRST(&world.context->running), struct exchange, running);
	for (unsigned i = 0; i < SESSION_EVENTS_MAX; i++)
		running_begun(exchange);
	assert_int_equal(told_count, SESSION_EVENTS_MAX);
	running_watch_look(world.context);
	assert_int_equal(told.change, SESSION_LOST);
	running_watch_free(world.context);
}

static void
orders_of_no_use(void **state)
{
	(void)state;
	assert_false(watch_slot(SESSION_SLOTS, NULL, SESSION_WATCH_BEGIN));
	assert_false(watch_slot(255, "a=b", SESSION_WATCH_BEGIN));
	assert_true(watch_slot(1, "=,=", SESSION_WATCH_BEGIN)); /* it sees nothing */
	send_get();
	assert_int_equal(told_count, 0);
	assert_true(watch_slot(1, NULL, SESSION_WATCH_END));
	assert_null(world.context->watch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST_ORDER(who_watches_is_told),
	    TEST_ORDER(who_heard_the_beginning_hears_the_end),
	    TEST_ORDER(a_token_that_has_left_the_scope_is_not_named),
	    TEST_ORDER(a_token_that_is_gone_has_an_id),
	    TEST_ORDER(the_next_of_a_slot_does_not_hear_the_end),
	    TEST_ORDER(strangers_are_told_by_half),
	    TEST_ORDER(what_is_not_told_is_said_to_be_lost),
	    TEST_ORDER(so_many_in_a_second),
	    TEST_ORDER(orders_of_no_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
