/* counts_test.c - workers are asked how many sessions some jobs have. */
#include "questions_world.h"

static struct session_jobs jobs;
static uint64_t counts[SESSION_JOBS_MAX];

static void
set_jobs(void)
{
	jobs = (struct session_jobs){2, {"one", "two"}};
	memset(counts, 0, sizeof(counts));
	question.jobs = &jobs;
	question.counts = counts;
	question.order = (struct session_order){0};
}

/* The order to count that this worker has got. */
static uint32_t
got_count(int fd)
{
	struct session_count_order order;

	assert_int_equal(recv(fd, &order, sizeof(order), MSG_DONTWAIT), (ssize_t)sizeof(order));
	assert_true(order.jobs.count == 2 && strcmp(order.jobs.ids[1], "two") == 0);
	return order.order.number;
}

static void
tell_counts(int fd, uint32_t number, uint32_t one, uint32_t two)
{
	tell(fd, &(struct session_message){
		     .kind = SESSION_END, .number = number, .end = {.counts = {one, two, 77}}});
}

static void
counts_are_added_up(void **state)
{
	int first = connect_worker(1, SESSION_PROTOCOL),
	    second = connect_worker(2, SESSION_PROTOCOL);
	uint32_t number;

	(void)state;
	set_jobs();
	workers_ask(workers, &question);
	turn();
	number = got_count(first);
	tell_session(first, number, 5); /* it was not asked for any */
	tell_counts(first, number, 3, 0);
	tell_counts(second, got_count(second), UINT32_MAX, 2);
	assert_true(answered == 1 && question.silent == 0 && found == 0);
	assert_true(counts[0] == 3ull + UINT32_MAX && counts[1] == 2 && counts[2] == 0);
	close(first);
	close(second);
}

/* Counting takes no places from lists, and a token's counts none from others'. */
static void
those_who_count_are_bounded(void **state)
{
	static const char ids[] = "abcdefghijklmnopqrstuvwxyz";
	const struct label label = {SLICE("team"), SLICE("a")};
	const struct label_set scope = {1, &label};
	struct session_question many[16], other = {.by = SLICE("z")};

	(void)state;
	set_jobs();
	for (size_t i = 0; i < 16; i++) {
		size_t by = i < 4 ? 0 : i;

		many[i] = (struct session_question){.answered = on_other_answered,
		    .by = {ids + by, 1},
		    .jobs = &jobs,
		    .counts = counts,
		    .scope = i < 8 ? &scope : NULL};
		if (i >= 4)
			assert_false(workers_count_too_much(workers, &many[i]));
		workers_ask(workers, &many[i]);
		assert_int_equal(workers_count_too_much(workers, &many[0]), i >= 3);
		other.scope = &scope;
		assert_int_equal(workers_count_too_much(workers, &other), i >= 7);
		other.scope = NULL;
		assert_int_equal(workers_count_too_much(workers, &other), i >= 15);
	}
	assert_false(is_busy("a", false));
	workers_free(workers);
	workers = NULL;
	assert_int_equal(others_answered, 16);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(counts_are_added_up),
	    TEST(those_who_count_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
