/* public_jobs_test.c - a set of ids has what was added to it, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "jobgate/public_jobs.h"

#define LONGEST "a23456789012345678901234567890123456789012345678901234567890123"

static void
it_has_what_was_added(void **state)
{
	static const char *const ids[] = {"b", "a", "ab", "a-b", "0", LONGEST, "a"};
	static const char *const others[] = {"c", "b0", "aa", "a-", "-b", "62"};
	struct public_jobs *jobs = public_jobs_new(16);

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_true(public_jobs_add(jobs, slice_of(ids[i])));
	public_jobs_sort(jobs);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_true(public_jobs_has(jobs, slice_of(ids[i])));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(public_jobs_has(jobs, slice_of(others[i])));
	assert_false(public_jobs_has(jobs, (struct slice){LONGEST, 62}));
	public_jobs_free(jobs);
}

/* The end of a slice is its length, whatever follows it. */
static void
other_texts_are_not_added(void **state)
{
	struct public_jobs *jobs = public_jobs_new(2);

	(void)state;
	assert_false(public_jobs_add(jobs, SLICE("")));
	assert_false(public_jobs_add(jobs, SLICE("A")));
	assert_false(public_jobs_add(jobs, SLICE("a.b")));
	assert_false(public_jobs_add(jobs, SLICE("a\0")));
	assert_false(public_jobs_add(jobs, SLICE(LONGEST "4")));
	assert_true(public_jobs_add(jobs, (struct slice){"abc", 2}));
	assert_true(public_jobs_add(jobs, SLICE("x")));
	assert_false(public_jobs_add(jobs, SLICE("y"))); /* it is full */
	public_jobs_sort(jobs);
	assert_true(public_jobs_has(jobs, SLICE("ab")));
	assert_false(public_jobs_has(jobs, SLICE("abc")));
	assert_false(public_jobs_has(jobs, SLICE("y")));
	public_jobs_free(jobs);
}

static void
an_empty_set_has_nothing(void **state)
{
	struct public_jobs *jobs = public_jobs_new(0);

	(void)state;
	assert_false(public_jobs_add(jobs, SLICE("a")));
	public_jobs_sort(jobs);
	assert_false(public_jobs_has(jobs, SLICE("a")));
	assert_false(public_jobs_has(NULL, SLICE("a")));
	public_jobs_free(jobs);
	public_jobs_free(NULL);
}

static void
the_most_ids(void **state)
{
	struct public_jobs *jobs = public_jobs_new(JOBS_PUBLIC_MAX);
	char id[16];

	(void)state;
	for (unsigned i = 0; i < JOBS_PUBLIC_MAX; i++) {
		snprintf(id, sizeof(id), "job-%u", i * 7919 % JOBS_PUBLIC_MAX);
		assert_true(public_jobs_add(jobs, slice_of(id)));
	}
	public_jobs_sort(jobs);
	for (unsigned i = 0; i < JOBS_PUBLIC_MAX; i++) {
		snprintf(id, sizeof(id), "job-%u", i);
		assert_true(public_jobs_has(jobs, slice_of(id)));
	}
	assert_false(public_jobs_has(jobs, SLICE("job-10000")));
	public_jobs_free(jobs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_has_what_was_added),
	    cmocka_unit_test(other_texts_are_not_added),
	    cmocka_unit_test(an_empty_set_has_nothing),
	    cmocka_unit_test(the_most_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
