/* usage_test.c - metrics by token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limits/table.h"
#include "limits/usage.h"

#define SECOND_US UINT64_C(1000000)

static const uint64_t hash_key[2] = {1, 2};

static char *
text_of(struct limit_table *table, size_t most, uint64_t now_us)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_true(limit_table_write_usage(table, most, now_us, out));
	fclose(out);
	return text;
}

static void
take(struct limit_table *table, const char *id, unsigned count)
{
	const struct allowance allowance = {1000000000, 60, 40};
	struct permit permit;
	uint64_t wait_us;

	for (unsigned i = 0; i < count; i++)
		jg_limits_take(table, 1, slice_of(id), &allowance, SECOND_US, &permit, &wait_us);
}

static void
each_token_has_its_samples(void **state)
{
	struct limit_table *table = limit_table_new(64, hash_key);
	struct permit permit;
	char *text;

	(void)state;
	assert_non_null(table);
	take(table, "aaaaaaaaaaaaaaaa", 43); /* it has two places */
	for (unsigned i = 0; i < 20; i++) {
		jg_limits_count_running(table, 1, SLICE("bbbbbbbbbbbbbbbb"), &permit);
		jg_limits_give(table, &permit);
	}
	text = text_of(table, 10, SECOND_US);
	assert_non_null(strstr(text,
	    "jobgate_token_requests_total{token=\"aaaaaaaaaaaaaaaa\",result=\"allowed\"} 40\n"));
	assert_non_null(strstr(text,
	    "jobgate_token_requests_total{token=\"aaaaaaaaaaaaaaaa\",result=\"over_concurrency\"} "
	    "3\n"));
	assert_non_null(strstr(text, "jobgate_token_running{token=\"aaaaaaaaaaaaaaaa\"} 40\n"));
	assert_non_null(strstr(text, "jobgate_token_running{token=\"bbbbbbbbbbbbbbbb\"} 0\n"));
	assert_non_null(strstr(text, "jobgate_tokens_left_out 0\n"));
	free(text);
	text = text_of(table, 1, SECOND_US);
	assert_non_null(strstr(text, "jobgate_tokens_left_out 1\n"));
	free(text);
	limit_table_free(table);
}

static void
use(struct limit_table *table, const char *id, uint64_t second)
{
	struct permit permit;
	uint64_t wait_us;

	jg_limits_take(table, 1, slice_of(id), &(struct allowance){1000, 9, 0}, second * SECOND_US,
	    &permit, &wait_us);
}

static void
those_used_last_have_samples(void **state)
{
	struct limit_table *table = limit_table_new(64, hash_key);
	char *text;

	(void)state;
	assert_non_null(table);
	use(table, "aaaaaaaaaaaaaaaa", 1);
	use(table, "bbbbbbbbbbbbbbbb", 20);
	use(table, "cccccccccccccccc", 30);
	text = text_of(table, 1, 30 * SECOND_US);
	assert_non_null(strstr(text, "{token=\"cccccccccccccccc\""));
	assert_null(strstr(text, "bbbb"));
	assert_null(strstr(text, "jobgate_token_running{")); /* none has a concurrency */
	assert_non_null(strstr(text, "jobgate_tokens_left_out 2\n"));
	free(text);
	text = text_of(table, 9, 3610 * SECOND_US);
	assert_null(strstr(text, "aaaa"));
	assert_non_null(strstr(text, "{token=\"bbbbbbbbbbbbbbbb\""));
	assert_non_null(strstr(text, "jobgate_tokens_left_out 0\n"));
	free(text);
	limit_table_free(table);
}

static void
a_place_that_became_free_has_none(void **state)
{
	struct limit_table *table = limit_table_new(8, hash_key);
	struct permit permit;
	uint64_t wait_us;
	char *text;

	(void)state;
	assert_non_null(table);
	for (char c = 'a'; c <= 'c'; c++) {
		char id[] = "?aaaaaaaaaaaaaaa";

		id[0] = c;
		jg_limits_take(table, 1, slice_of(id), &(struct allowance){.concurrency = 1},
		    SECOND_US, &permit, &wait_us);
		jg_limits_give(table, &permit);
	}
	assert_int_equal(limit_table_mark(table, SECOND_US), 3);
	assert_int_equal(limit_table_sweep(table, SECOND_US), 3);
	text = text_of(table, 10, SECOND_US);
	assert_null(strstr(text, "aaaa"));
	free(text);
	limit_table_free(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_token_has_its_samples),
	    cmocka_unit_test(those_used_last_have_samples),
	    cmocka_unit_test(a_place_that_became_free_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
