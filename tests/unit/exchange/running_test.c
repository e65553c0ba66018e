/* running_test.c - which exchanges are sessions to an operator, and how one is ended. */
#include "running_world.h"

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

/* It is not decided yet that it may pass. */
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

/* How many sessions are at each of these jobs. */
static const uint32_t *
count(const struct session_jobs *jobs)
{
	static uint32_t counts[SESSION_JOBS_MAX];
	struct running_walk *walk = running_count_new(world.context, jobs);
	size_t left = 10;

	assert_non_null(walk);
	assert_int_equal(running_walk_next(walk, &left, &seen), RUNNING_DONE);
	memcpy(counts, running_counts(walk), sizeof(counts));
	running_walk_free(walk);
	return counts;
}

static void
sessions_are_counted_by_job(void **state)
{
	struct session_jobs jobs = {5, {"zzz", JOB "x", JOB, "", "a"}};

	(void)state;
	assert_int_equal(count(&jobs)[2], 0);
	send_get();
	for (uint32_t i = 0; i < SESSION_JOBS_MAX; i++)
		assert_int_equal(count(&jobs)[i], i == 2 ? 1 : 0);
	/* What comes from the socket may be anything. */
	memset(&jobs, 'x', sizeof(jobs));
	assert_int_equal(count(&jobs)[0], 0);
	jobs.count = 0;
	assert_int_equal(count(&jobs)[0], 0);
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
	    TEST_ORDER(sessions_are_counted_by_job),
	    TEST_ORDER(a_request_without_an_answer_is_told),
	    TEST_ORDER(an_answer_is_cut),
	    TEST_ORDER(a_websocket_is_told),
	    TEST_ORDER(exchanges_come_and_go_during_a_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
