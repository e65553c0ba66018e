/* record_test.c - what all types of records have in common. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/record.h"

static void
nouns_name_types(void **state)
{
	enum record_kind kind;

	(void)state;
	assert_true(record_kind_of(SLICE("token"), &kind));
	assert_int_equal(kind, RECORD_TOKEN);
	assert_true(record_kind_of(SLICE("job"), &kind));
	assert_int_equal(kind, RECORD_JOB);
	assert_false(record_kind_of(SLICE("tokens"), &kind));
	assert_false(record_kind_of(SLICE("mint"), &kind));
	assert_false(record_kind_of((struct slice){0}, &kind));
	assert_string_equal(record_types[RECORD_TOKEN].nouns, "tokens");
	assert_string_equal(record_types[RECORD_JOB].nouns, "jobs");
}

static void
keys_name_records(void **state)
{
	enum record_kind kind;
	struct slice id;

	(void)state;
	assert_true(record_key_parse(SLICE("token:abc"), &kind, &id));
	assert_int_equal(kind, RECORD_TOKEN);
	assert_true(slice_equal(id, SLICE("abc")));
	assert_true(record_key_parse(SLICE("job:a:b"), &kind, &id));
	assert_int_equal(kind, RECORD_JOB);
	assert_true(slice_equal(id, SLICE("a:b")));
	assert_false(record_key_parse(SLICE("tokens"), &kind, &id));
	assert_false(record_key_parse(SLICE("quota:jobs:a"), &kind, &id));
	assert_false(record_key_parse(SLICE("job"), &kind, &id));
	assert_false(record_key_parse((struct slice){0}, &kind, &id));
	for (kind = 0; kind < RECORD_KINDS; kind++)
		assert_true(record_types[kind].prefix.len <= RECORD_PREFIX_MAX);
}

static void
each_type_checks_its_own_ids(void **state)
{
	(void)state;
	assert_true(record_types[RECORD_TOKEN].id_valid(SLICE("abcdefghij012345")));
	assert_false(record_types[RECORD_TOKEN].id_valid(SLICE("demo")));
	assert_true(record_types[RECORD_JOB].id_valid(SLICE("demo")));
	assert_false(record_types[RECORD_JOB].id_valid(SLICE("-demo")));
}

static void
members_of_each_type(void **state)
{
	struct label label = {SLICE("a"), SLICE("b")};
	struct record token = {.kind = RECORD_TOKEN,
	    .token = {.id = SLICE("t"), .created_at = SLICE("then"), .selector = {1, &label}}};
	struct record job = {.kind = RECORD_JOB,
	    .job = {.id = SLICE("j"), .created_at = SLICE("later"), .labels = {1, &label}}};

	(void)state;
	assert_true(slice_equal(record_id(&token), SLICE("t")));
	assert_true(slice_equal(record_id(&job), SLICE("j")));
	assert_true(slice_equal(record_created_at(&token), SLICE("then")));
	assert_true(slice_equal(record_created_at(&job), SLICE("later")));
	assert_ptr_equal(record_labels(&token), &token.token.selector);
	assert_ptr_equal(record_labels(&job), &job.job.labels);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nouns_name_types),
	    cmocka_unit_test(keys_name_records),
	    cmocka_unit_test(each_type_checks_its_own_ids),
	    cmocka_unit_test(members_of_each_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
