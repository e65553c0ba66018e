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
	static struct record_input patch;

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
	patch.removed_labels[0] = SLICE("c");
	patch.removed_label_count = 1;
	assert_false(scope_left_by(&in_ab, &patch));
	assert_true(scope_left_by(&in_abcd, &patch));
	patch.removed_labels[0] = SLICE("a");
	assert_true(scope_left_by(&in_ab, &patch));
	patch.removed_label_count = 0;
	patch.removed = FIELD_BIT(JOB_FIELD_LABELS);
	assert_true(scope_left_by(&in_ab, &patch));
	assert_false(scope_left_by(&everything, &patch));
}

/* 10.0.5.0/24, fd00::/8 and 192.0.2.7 itself. */
static const struct ip_range ranges[] = {
    {{.s6_addr = {[10] = 0xff, 0xff, 10, 0, 5, 0}}, 120},
    {{.s6_addr = {0xfd}}, 8},
    {{.s6_addr = {[10] = 0xff, 0xff, 192, 0, 2, 7}}, 128},
};
static const struct ip_range every[] = {{{.s6_addr = {0}}, 0}};

static void
urls(void **state)
{
	static const char *const inside[] = {"http://10.0.5.17:8888", "https://10.0.5.0/base",
	    "http://10.0.5.255", "http://[::ffff:10.0.5.17]:1", "http://[FD12::1]",
	    "http://192.0.2.7"};
	static const char *const outside[] = {"http://10.0.6.1", "http://10.0.4.255",
	    "http://192.0.2.6", "http://127.0.0.1", "http://[::1]", "http://[fc00::1]",
	    /* the same place by other roads */
	    "http://[::10.0.5.17]", "http://[64:ff9b::10.0.5.17]", "http://[2002:a00:511::]",
	    /* names, which others may resolve */
	    "http://a.example", "http://10.0.5.17.", "http://10.0.5", "http://010.0.5.17",
	    "http://167773457", "http://0x0a000511", "http://10.0.5.17.nip.example"};

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		if (!scope_may_lead_to(slice_of(inside[i]), ranges, 3))
			fail_msg("refused: %s", inside[i]);
		assert_false(scope_may_lead_to(slice_of(inside[i]), NULL, 0));
	}
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		if (scope_may_lead_to(slice_of(outside[i]), ranges, 3))
			fail_msg("taken: %s", outside[i]);
		assert_true(scope_may_lead_to(slice_of(outside[i]), every, 1));
	}
	assert_false(scope_may_lead_to(SLICE("unix:/run/x"), every, 1));
	assert_false(scope_may_lead_to(SLICE("unix:/run/x"), ranges, 3));
	assert_false(scope_may_lead_to(SLICE("nonsense"), every, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has),
	    cmocka_unit_test(adds),
	    cmocka_unit_test(leaves),
	    cmocka_unit_test(urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
