/* scope_test.c - what a scoped operator may see, make and change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/control/scope.h"

#define A_B                            \
	{                              \
		SLICE("a"), SLICE("b") \
	}
#define C_D                            \
	{                              \
		SLICE("c"), SLICE("d") \
	}
#define A_X                            \
	{                              \
		SLICE("a"), SLICE("x") \
	}

static const struct label ab[] = {A_B}, abcd[] = {A_B, C_D}, ax[] = {A_X};
static const struct label_set everything = {0, NULL}, in_ab = {1, ab}, in_abcd = {2, abcd};

static void
has(void **state)
{
	struct record job = {.kind = RECORD_JOB}, token = {.kind = RECORD_TOKEN};

	(void)state;
	assert_true(scope_has(&everything, &job));
	assert_true(scope_has(&everything, &token));
	/* An unscoped token reaches further than any scope. */
	assert_false(scope_has(&in_ab, &token));
	assert_false(scope_has(&in_ab, &job));
	job.job.labels = (struct label_set){2, abcd};
	token.token.selector = (struct label_set){2, abcd};
	assert_true(scope_has(&in_ab, &job));
	assert_true(scope_has(&in_ab, &token));
	assert_true(scope_has(&in_abcd, &token));
	token.token.selector = in_ab;
	assert_true(scope_has(&in_ab, &token));
	assert_false(scope_has(&in_abcd, &token));
	token.token.selector = (struct label_set){1, ax};
	job.job.labels = (struct label_set){1, ax};
	assert_false(scope_has(&in_ab, &token));
	assert_false(scope_has(&in_ab, &job));
}

static void
adds(void **state)
{
	struct label labels[3] = {A_B};
	struct slice culprit = SLICE("");
	size_t count = 1;

	(void)state;
	assert_int_equal(scope_add(&everything, labels, &count, 3, &culprit), SCOPE_OK);
	assert_int_equal(count, 1);
	assert_int_equal(scope_add(&in_abcd, labels, &count, 3, &culprit), SCOPE_OK);
	assert_int_equal(count, 2);
	assert_true(slice_equal(labels[1].name, SLICE("c")));
	assert_true(slice_equal(labels[1].value, SLICE("d")));
	assert_int_equal(scope_add(&in_abcd, labels, &count, 2, &culprit), SCOPE_OK);
	assert_int_equal(count, 2);
	count = 1;
	assert_int_equal(scope_add(&in_abcd, labels, &count, 1, &culprit), SCOPE_TOO_MANY);
	labels[0] = (struct label)A_X;
	assert_int_equal(scope_add(&in_abcd, labels, &count, 3, &culprit), SCOPE_CONTRADICTED);
	assert_true(slice_equal(culprit, SLICE("a")));
}

static void
leaves(void **state)
{
	static struct job_input patch;

	(void)state;
	assert_false(scope_left_by(&in_ab, &patch));
	patch.labels[0] = (struct label)C_D;
	patch.label_count = 1;
	assert_false(scope_left_by(&in_ab, &patch));
	patch.labels[1] = (struct label)A_B; /* as it is */
	patch.label_count = 2;
	assert_false(scope_left_by(&in_ab, &patch));
	patch.labels[1] = (struct label)A_X;
	assert_true(scope_left_by(&in_ab, &patch));
	assert_false(scope_left_by(&everything, &patch));
	patch.label_count = 0;
	patch.removed[0] = SLICE("c");
	patch.removed_count = 1;
	assert_false(scope_left_by(&in_ab, &patch));
	assert_true(scope_left_by(&in_abcd, &patch));
	patch.removed[0] = SLICE("a");
	assert_true(scope_left_by(&in_ab, &patch));
	patch.removed_count = 0;
	patch.labels_cleared = true;
	assert_true(scope_left_by(&in_ab, &patch));
	assert_false(scope_left_by(&everything, &patch));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has),
	    cmocka_unit_test(adds),
	    cmocka_unit_test(leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
