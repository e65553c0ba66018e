/* record_fields_test.c - a copy shares nothing with its original. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/record_fields.h"

/* Text that is gone when the copy is looked at. */
static char text[] = "abcdefgh12345678 name 2024-01-31T12:00:00Z a b c http://10.0.0.1:8080/base";
static struct label labels[2];
static struct ip_range ranges[2];

static void
wipe(struct record *record)
{
	memset(text, 'x', sizeof(text));
	memset(labels, 0, sizeof(labels));
	memset(ranges, 0, sizeof(ranges));
	memset(record, 0, sizeof(*record));
}

static int
fill(void **state)
{
	(void)state;
	memcpy(text, "abcdefgh12345678 name 2024-01-31T12:00:00Z a b c http://10.0.0.1:8080/base",
	    sizeof(text));
	ranges[0].prefix = 1;
	ranges[1].prefix = 2;
	labels[0] = (struct label){{text + 43, 1}, {text + 45, 1}};
	labels[1] = (struct label){{text + 47, 1}, {text + 47, 0}};
	return 0;
}

static void
expect_labels(const struct label_set *set)
{
	assert_int_equal(set->count, 2);
	assert_true(slice_equal(set->items[0].name, SLICE("a")));
	assert_true(slice_equal(set->items[0].value, SLICE("b")));
	assert_true(slice_equal(set->items[1].name, SLICE("c")));
	assert_int_equal(set->items[1].value.len, 0);
}

static void
copies_of_tokens(void **state)
{
	struct record record = {.kind = RECORD_TOKEN,
	    .ends_ms = 9,
	    .token = {
		.id = {text, 16},
		.name = {text + 17, 4},
		.role = ROLE_OPERATOR,
		.selector = {2, labels},
		.hash = {1, 2, 3},
		.version = 7,
		.created_at = {text + 22, 20},
		.from = {2, ranges},
	    }};
	struct record *copy = record_copy(&record);

	(void)state;
	assert_non_null(copy);
	wipe(&record);
	assert_int_equal(copy->kind, RECORD_TOKEN);
	assert_int_equal(copy->ends_ms, 9);
	assert_true(slice_equal(copy->token.id, SLICE("abcdefgh12345678")));
	assert_true(slice_equal(copy->token.name, SLICE("name")));
	assert_true(slice_equal(copy->token.created_at, SLICE("2024-01-31T12:00:00Z")));
	assert_int_equal(copy->token.updated_at.len, 0);
	assert_int_equal(copy->token.role, ROLE_OPERATOR);
	assert_int_equal(copy->token.version, 7);
	assert_int_equal(copy->token.hash[2], 3);
	expect_labels(&copy->token.selector);
	assert_int_equal(copy->token.from.count, 2);
	assert_int_equal(copy->token.from.items[0].prefix, 1);
	assert_int_equal(copy->token.from.items[1].prefix, 2);
	free(copy);
}

static void
copies_of_jobs(void **state)
{
	struct record record = {.kind = RECORD_JOB,
	    .job = {
		.id = {text + 17, 4},
		.labels = {2, labels},
		.url_text = slice_of(text + 49),
		.lease = 30,
	    }};
	struct record *copy;
	size_t bad;

	(void)state;
	assert_true(jg_job_url_parse(record.job.url_text, &record.job.url, &bad));
	copy = record_copy(&record);
	assert_non_null(copy);
	wipe(&record);
	assert_true(slice_equal(copy->job.id, SLICE("name")));
	assert_true(slice_equal(copy->job.url_text, SLICE("http://10.0.0.1:8080/base")));
	assert_int_equal(copy->job.url.scheme, JOB_URL_HTTP);
	assert_true(slice_equal(copy->job.url.host, SLICE("10.0.0.1")));
	assert_int_equal(copy->job.url.port, 8080);
	assert_true(slice_equal(copy->job.url.base, SLICE("/base")));
	assert_int_equal(copy->job.lease, 30);
	expect_labels(&copy->job.labels);
	free(copy);
}

static void
copies_of_jobs_with_replicas(void **state)
{
	char urls[] = "http://10.0.0.1:1/a unix:/s http://10.0.0.1:3";
	struct label label = {SLICE("a"), SLICE("b")};
	struct record record = {.kind = RECORD_JOB,
	    .job = {.id = SLICE("job"), .labels = {1, &label}, .url_text = slice_of(urls)}};
	struct record *copy = record_copy(&record), *again;

	(void)state;
	assert_non_null(copy);
	memset(urls, 'x', sizeof(urls) - 1);
	again = record_copy(copy);
	free(copy);
	assert_non_null(again);
	assert_int_equal(again->job.replicas.count, 3);
	assert_int_equal(again->job.url.port, 1);
	assert_true(slice_equal(again->job.replicas.items[0].base, SLICE("/a")));
	assert_true(slice_equal(again->job.replicas.items[1].path, SLICE("/s")));
	assert_int_equal(again->job.replicas.items[2].port, 3);
	assert_true(slice_equal(again->job.labels.items[0].value, SLICE("b")));
	free(again);
}

static uintptr_t
line_of(const void *at)
{
	return (uintptr_t)at / 64;
}

/* What leads to a job's backend lies in one cache line, with the whole host if it is not long. */
static void
one_line_leads_to_the_backend(void **state)
{
	char url[] = "https://a-host.with-30-characters.test:8443";
	struct label label = {SLICE("name"), SLICE("value")};
	struct record record = {.kind = RECORD_JOB,
	    .job = {.id = SLICE("job"), .labels = {1, &label}, .url_text = slice_of(url)}};

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct record *copy = record_copy(&record);
		const struct job_url *found = &copy->job.url;

		assert_true(slice_equal(found->host, SLICE("a-host.with-30-characters.test")));
		assert_int_equal(found->port, 8443);
		assert_int_equal(line_of(&found->scheme), line_of(&found->host.len));
		assert_int_equal(
		    line_of(&found->scheme), line_of(found->host.at + found->host.len - 1));
		free(copy);
	}
}

/* A row that no use reads would be a field that goes nowhere. */
static void
rows(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < RECORD_KINDS; kind++)
		for (size_t i = 0; i < record_fields[kind].count; i++) {
			const struct record_field *field = &record_fields[kind].rows[i];
			bool stored = field->stored != NULL || field->form == AS_ID;

			assert_true((field->uses & (USE_SHOW | USE_EXPORT | USE_ISSUE)) != 0);
			assert_true(
			    (field->uses & (USE_SHOW | USE_ISSUE)) == 0 || field->title != NULL);
			assert_true(stored || (field->uses & (USE_CREATE | USE_PATCH)) == 0);
			assert_true((field->form != AS_NUMBER && field->form != AS_TIME) ||
				    field->rule != NULL);
			assert_true(field->form != AS_NUMBER || field->max > 0);
			assert_true((field->form != AS_TEXT && field->form != AS_ID) ||
				    (field->valid != NULL && field->rule != NULL));
			assert_true((field->uses & USE_NEEDED) == 0 || field->form == AS_ID ||
				    field->broken != NULL);
			assert_true(field->option == NULL || field->help != NULL);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(copies_of_tokens, fill),
	    cmocka_unit_test_setup(copies_of_jobs, fill),
	    cmocka_unit_test(copies_of_jobs_with_replicas),
	    cmocka_unit_test(one_line_leads_to_the_backend),
	    cmocka_unit_test(rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
