/* running_test.c - which exchanges are sessions to an operator, and how one is ended. */
#include "exchange/running.h"
#include "relay_world.h"

static struct session_order order;
static struct session seen;

static int
setup_order(void **state)
{
	order = (struct session_order){0};
	seen = (struct session){0};
	return setup(state);
}

/* How many sessions the order finds; `seen` is the last one. */
static size_t
walk(void)
{
	struct running_walk *walk = running_walk_new(world.context, &order);
	size_t count = 0, left = 1;
	enum running_step step;

	assert_non_null(walk);
	while ((step = running_walk_next(walk, &left, &seen)) != RUNNING_DONE) {
		count += step == RUNNING_FOUND;
		left = 1;
	}
	running_walk_free(walk);
	return count;
}

static void
set_scope(const char *text)
{
	order.filter.scoped = true;
	snprintf(order.filter.scope, sizeof(order.filter.scope), "%s", text);
}

/* Both records with this label. */
static void
know_labelled(const struct label_set *token, const struct label_set *job)
{
	world_change(&world, RECORD_TOKEN);
	world_change(&world, RECORD_JOB);
	jg_directory_lookup(
	    world.store.directory, RECORD_TOKEN, SLICE(TOKEN_ID), world_now(&world), NULL);
	jg_directory_lookup(world.store.directory, RECORD_JOB, SLICE(JOB), world_now(&world), NULL);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, token));
	world_reply(&world, RECORD_JOB, job_record(8000, job));
}

static void
a_request_is_described(void **state)
{
	(void)state;
	assert_int_equal(walk(), 0);
	send_get();
	assert_int_equal(walk(), 1);
	assert_string_equal(seen.token_id, TOKEN_ID);
	assert_string_equal(seen.token_name, "name");
	assert_string_equal(seen.job, JOB);
	assert_string_equal(seen.method, "GET");
	assert_string_equal(seen.path, "/path");
	assert_int_equal(seen.state, SESSION_AWAITING);
	assert_int_not_equal(seen.serial, 0);
	answer(CONTENT_UNKNOWN);
	push("hello");
	assert_int_equal(walk(), 1);
	assert_int_equal(seen.state, SESSION_RELAYING);
	assert_int_equal(seen.bytes_out, 5);
	TELL(content_end, NULL);
	assert_int_equal(walk(), 0);
}

static void
tokens_in_paths_are_blotted(void **state)
{
	char path[128];
	const struct question question = {
	    .method = "GET", .authority = JOB ".jobs.test", .path = path, .fields = world.bearer};

	(void)state;
	snprintf(path, sizeof(path), "/%.*s", TOKEN_VALUE_LEN, world.token);
	world_ask(&world, &question);
	assert_int_equal(walk(), 1);
	assert_non_null(strstr(seen.path, "jgt_" TOKEN_ID "_*****"));
}

/* Nobody has shown yet that it may pass. */
static void
a_request_that_waits_for_the_store_is_no_session(void **state)
{
	(void)state;
	world_change(&world, RECORD_TOKEN);
	world_get(&world);
	ASSERT_WAITS(&world);
	assert_int_equal(walk(), 0);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, NULL));
	world_turn(&world);
	assert_int_equal(walk(), 1);
}

static void
filters(void **state)
{
	struct session_filter *filter = &order.filter;

	(void)state;
	send_get();
	assert_int_equal(walk(), 1);
#define FINDS(count, change)                       \
	do {                                       \
		order = (struct session_order){0}; \
		change;                            \
		assert_int_equal(walk(), (count)); \
	} while (0)
	FINDS(1, filter->serial = seen.serial);
	FINDS(0, filter->serial = seen.serial + 1);
	FINDS(0, filter->before = seen.serial);
	FINDS(1, filter->before = seen.serial + 1);
	FINDS(1, filter->states = 1u << SESSION_AWAITING);
	FINDS(0, filter->states = 1u << SESSION_TUNNEL);
	FINDS(1, strcpy(filter->token, TOKEN_ID));
	FINDS(0, strcpy(filter->token, "bbbbbbbbbbbbbbbb"));
	FINDS(1, strcpy(filter->job, JOB));
	FINDS(0, strcpy(filter->job, JOB "x"));
	FINDS(0, filter->has_address = true; filter->address.prefix = 128;
	      filter->address.address.s6_addr[0] = 1);
	/* Flags may have any value but 0. */
	FINDS(0, memset(&filter->has_address, 2, 1); filter->address.prefix = 128;
	      filter->address.address.s6_addr[0] = 1);
	FINDS(0, memset(&filter->scoped, 2, 1));
#undef FINDS
}

static void
an_address_without_a_valid_prefix_is_refused(void **state)
{
	(void)state;
	order.filter.address.prefix = 129;
	assert_int_equal(walk(), 0); /* it is not used */
	order.filter.has_address = true;
	assert_null(running_walk_new(world.context, &order));
	order.filter.address.prefix = UINT32_MAX;
	assert_null(running_walk_new(world.context, &order));
}

static void
scopes(void **state)
{
	const struct label label = {SLICE("team"), SLICE("a")};
	const struct label_set labels = {1, &label};

	(void)state;
	know_labelled(NULL, &labels);
	send_get();
	assert_int_equal(walk(), 1);
	set_scope("team=b");
	assert_int_equal(walk(), 0);
	set_scope("team=a,stage=x");
	assert_int_equal(walk(), 0);
	set_scope(""); /* a scope that is lost must not be everything */
	assert_int_equal(walk(), 0);
	set_scope("broken");
	assert_int_equal(walk(), 0);
	/* The job is in the scope, the token is not. */
	set_scope("team=a");
	assert_int_equal(walk(), 1);
	assert_string_equal(seen.token_id, "");
	assert_string_equal(seen.token_name, "");
	strcpy(order.filter.token, TOKEN_ID);
	assert_int_equal(walk(), 0);
	order.cuts = true;
	assert_int_equal(walk(), 0);
	assert_int_equal(world.client.ends, 0);
}

static void
a_token_in_the_scope_is_named(void **state)
{
	const struct label label = {SLICE("team"), SLICE("a")};
	const struct label_set labels = {1, &label};

	(void)state;
	know_labelled(&labels, &labels);
	send_get();
	set_scope("team=a");
	strcpy(order.filter.token, TOKEN_ID);
	assert_int_equal(walk(), 1);
	assert_string_equal(seen.token_id, TOKEN_ID);
}

/* The job's labels as they are now decide, whatever they were when the session began. */
static void
a_job_may_leave_the_scope(void **state)
{
	const struct label label = {SLICE("team"), SLICE("a")};
	const struct label_set labels = {1, &label};

	(void)state;
	know_labelled(&labels, &labels);
	send_get();
	set_scope("team=a");
	assert_int_equal(walk(), 1);
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, job_record(8000, NULL));
	world_turn(&world);
	assert_int_equal(walk(), 0);
	set_scope("team=b");
	assert_int_equal(walk(), 0);
}

/* ---- the end ---- */

static void
a_request_without_an_answer_is_told(void **state)
{
	(void)state;
	send_get();
	order.cuts = true;
	assert_int_equal(walk(), 1);
	ASSERT_ENDED(END_COMPLETE, 503, cancelled);
	assert_int_equal(counter_get(&world.context->stats->outcomes[OUTCOME_CUT]), 1);
	assert_int_equal(walk(), 0);
}

static void
an_answer_is_cut(void **state)
{
	(void)state;
	send_get();
	answer(CONTENT_UNKNOWN);
	push("hello");
	order.cuts = true;
	assert_int_equal(walk(), 1);
	ASSERT_ENDED(END_REVOKED, 200, cancelled);
}

static void
a_websocket_is_told(void **state)
{
	(void)state;
	open_tunnel("websocket");
	order.cuts = true;
	assert_int_equal(walk(), 1);
	assert_true(is_closed_with(1008));
	ASSERT_ENDED(END_TOLD, 101, cancelled);
}

/* The next exchange of the walk may end between two steps, and new ones begin. */
static void
exchanges_come_and_go_during_a_walk(void **state)
{
	struct running_walk *walk;
	size_t left = 0;

	(void)state;
	send_get();
	walk = running_walk_new(world.context, &order);
	assert_int_equal(running_walk_next(walk, &left, &seen), RUNNING_PAUSE);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	world_turn(&world);
	send_get(); /* younger than the walk */
	left = 10;
	assert_int_equal(running_walk_next(walk, &left, &seen), RUNNING_DONE);
	running_walk_free(walk);
}

#define TEST_ORDER(name) cmocka_unit_test_setup_teardown(name, setup_order, teardown)

/* ---- sessions that begin and end ---- */

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

/* The slot has another audience by then; in between nobody watched. */
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
	    TEST_ORDER(a_request_is_described),
	    TEST_ORDER(tokens_in_paths_are_blotted),
	    TEST_ORDER(a_request_that_waits_for_the_store_is_no_session),
	    TEST_ORDER(filters),
	    TEST_ORDER(an_address_without_a_valid_prefix_is_refused),
	    TEST_ORDER(scopes),
	    TEST_ORDER(a_token_in_the_scope_is_named),
	    TEST_ORDER(a_job_may_leave_the_scope),
	    TEST_ORDER(a_request_without_an_answer_is_told),
	    TEST_ORDER(an_answer_is_cut),
	    TEST_ORDER(a_websocket_is_told),
	    TEST_ORDER(exchanges_come_and_go_during_a_walk),
	    TEST_ORDER(who_watches_is_told),
	    TEST_ORDER(who_heard_the_beginning_hears_the_end),
	    TEST_ORDER(the_next_of_a_slot_does_not_hear_the_end),
	    TEST_ORDER(strangers_are_told_by_half),
	    TEST_ORDER(what_is_not_told_is_said_to_be_lost),
	    TEST_ORDER(so_many_in_a_second),
	    TEST_ORDER(orders_of_no_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
