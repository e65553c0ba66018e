/* frame_answer_test.c - who may frame a job's answer: the gateway's limit and the job's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exchange/frame_answer.h"
#include "http/head.h"

#define LISTED "frame-ancestors 'self' https://portal.test"
#define NOBODY "frame-ancestors 'none'"
#define SELF "frame-ancestors 'self'"

static struct field items[HEAD_FIELDS_MAX];

/* The policy that is added to an answer with these fields, up to two of them. */
static struct slice
added(const char *name, const char *value, const char *name2, const char *value2)
{
	struct fields fields = {.items = items};

	if (name != NULL)
		items[fields.count++] =
		    (struct field){.name = slice_of(name), .value = slice_of(value)};
	if (name2 != NULL)
		items[fields.count++] =
		    (struct field){.name = slice_of(name2), .value = slice_of(value2)};
	frame_answer(&fields, SLICE(LISTED), false);
	assert_true(slice_equal(items[fields.count - 1].name, SLICE("Content-Security-Policy")));
	return items[fields.count - 1].value;
}

static void
expect(const char *policy, const char *name, const char *value)
{
	struct slice got = added(name, value, NULL, NULL);

	if (!slice_equal(got, slice_of(policy)))
		fail_msg("%s: %s: %.*s", name != NULL ? name : "", value, (int)got.len, got.at);
}

/* Browsers would ignore them beside a policy of ours. */
static void
options_of_the_job_stay_as_strict(void **state)
{
	(void)state;
	expect(LISTED, NULL, "");
	expect(NOBODY, "X-Frame-Options", "DENY");
	expect(NOBODY, "x-frame-options", "deny");
	expect(SELF, "X-Frame-Options", " SAMEORIGIN ");
	expect(SELF, "X-Frame-Options", "SAMEORIGIN, sameorigin");
	expect(NOBODY, "X-Frame-Options", "SAMEORIGIN, DENY");
	expect(NOBODY, "X-Frame-Options", "ALLOWALL, SAMEORIGIN");
	expect(LISTED, "X-Frame-Options", "ALLOW-FROM https://portal.test");
	expect(LISTED, "X-Frame-Options", "");
	assert_true(slice_equal(
	    added("X-Frame-Options", "SAMEORIGIN", "X-Frame-Options", "DENY"), SLICE(NOBODY)));
}

/* Then browsers ignore the job's options in any case, and obey both policies. */
static void
a_policy_of_the_job_counts_before_its_options(void **state)
{
	static const char *const with[] = {"frame-ancestors https://portal.test",
	    "default-src 'self';FRAME-ANCESTORS 'none'", "default-src a, frame-ancestors\t*",
	    "frame-ancestors", "; ; frame-ancestors 'self' ;"};
	static const char *const without[] = {"default-src 'self'", "frame-ancestorsx 'none'",
	    "x frame-ancestors 'none'", "", "frame-src 'none'"};

	(void)state;
	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++)
		assert_true(slice_equal(
		    added("X-Frame-Options", "DENY", "content-security-policy", with[i]),
		    SLICE(LISTED)));
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		assert_true(slice_equal(
		    added("X-Frame-Options", "DENY", "Content-Security-Policy", without[i]),
		    SLICE(NOBODY)));
	assert_true(slice_equal(
	    added("X-Frame-Options", "DENY", "Content-Security-Policy-Report-Only", with[0]),
	    SLICE(NOBODY)));
}

static void
old_browsers_get_options(void **state)
{
	struct fields fields = {.items = items, .count = 0};

	(void)state;
	frame_answer(&fields, SLICE(SELF), true);
	assert_int_equal(fields.count, 2);
	assert_true(slice_equal(items[1].name, SLICE("X-Frame-Options")));
	assert_true(slice_equal(items[1].value, SLICE("SAMEORIGIN")));
	/* Not beside the job's own, nor one that does not travel. */
	items[0] = (struct field){.name = SLICE("X-Frame-Options"), .value = SLICE("DENY")};
	fields.count = 1;
	frame_answer(&fields, SLICE(SELF), true);
	assert_int_equal(fields.count, 2);
	items[0].dropped = true;
	fields.count = 1;
	frame_answer(&fields, SLICE(SELF), true);
	assert_int_equal(fields.count, 3);
	assert_true(slice_equal(items[1].value, SLICE(SELF)));
	/* A full head stays as it is. */
	fields.count = HEAD_FIELDS_MAX;
	frame_answer(&fields, SLICE(SELF), true);
	assert_int_equal(fields.count, HEAD_FIELDS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_of_the_job_stay_as_strict),
	    cmocka_unit_test(a_policy_of_the_job_counts_before_its_options),
	    cmocka_unit_test(old_browsers_get_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
