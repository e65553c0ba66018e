/* query_test.c - list queries, cursors and filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/control/query.h"

static struct list_query query;
static struct input_error error;

static void
takes(const char *text, enum record_kind kind)
{
	assert_true(query_parse(slice_of(text), kind, NULL, &query, &error));
}

static void
refuses(const char *text, enum record_kind kind, const char *field)
{
	assert_false(query_parse(slice_of(text), kind, NULL, &query, &error));
	assert_string_equal(error.field, field);
}

static void
limits(void **state)
{
	(void)state;
	takes("", RECORD_JOB);
	assert_int_equal(query.limit, QUERY_LIMIT_DEFAULT);
	takes("limit=1", RECORD_JOB);
	assert_int_equal(query.limit, 1);
	takes("&limit=1000&", RECORD_JOB);
	assert_int_equal(query.limit, 1000);
	refuses("limit=0", RECORD_JOB, "limit");
	refuses("limit=1001", RECORD_JOB, "limit");
	refuses("limit=", RECORD_JOB, "limit");
	refuses("limit", RECORD_JOB, "limit");
	refuses("limit=-1", RECORD_JOB, "limit");
	refuses("limit=1x", RECORD_JOB, "limit");
	refuses("limit=99999999999999999999", RECORD_JOB, "limit");
}

static void
once(void **state)
{
	(void)state;
	refuses("idle_since=2026-01-31T12:00:00Z&idle_since=2026-01-31T12:00:00Z", RECORD_JOB,
	    "idle_since");
	refuses("unused_since=2026-01-31T12:00:00Z&unused_since=2025-01-31T12:00:00Z", RECORD_TOKEN,
	    "unused_since");
}

static void
cursors(void **state)
{
	struct store_cursor cursor = {"1700000000000", "job-1"};
	char text[CURSOR_TEXT_MAX];
	char whole[CURSOR_TEXT_MAX + 8] = "cursor=";

	(void)state;
	cursor_format(&cursor, text);
	takes(strcat(whole, text), RECORD_JOB);
	assert_string_equal(query.after.score, "1700000000000");
	assert_string_equal(query.after.id, "job-1");
	takes("cursor=1e%2B21~a", RECORD_JOB);
	takes("cursor=-inf~a", RECORD_JOB);
	refuses("cursor=", RECORD_JOB, "cursor");
	refuses("cursor=1", RECORD_JOB, "cursor");
	refuses("cursor=~a", RECORD_JOB, "cursor");
	refuses("cursor=1~", RECORD_JOB, "cursor");
	refuses("cursor=(1~a", RECORD_JOB, "cursor");
	refuses("cursor=nan~a", RECORD_JOB, "cursor");
	refuses("cursor=1e~a", RECORD_JOB, "cursor");
	refuses("cursor=1~A", RECORD_JOB, "cursor");
	refuses("cursor=1~short", RECORD_TOKEN, "cursor");
	refuses("cursor=11111111111111111111111111111111111111111111~a", RECORD_JOB, "cursor");
}

static void
escapes(void **state)
{
	(void)state;
	takes("l%69mit=%35", RECORD_JOB);
	assert_int_equal(query.limit, 5);
	refuses("limit=%", RECORD_JOB, "");
	refuses("limit=%3", RECORD_JOB, "");
	refuses("limit=%3g", RECORD_JOB, "");
	refuses("limit=5%00", RECORD_JOB, "");
	refuses("lmit=5", RECORD_JOB, "");
	refuses("name=a", RECORD_JOB, "");
	refuses("label=a%3Db", RECORD_TOKEN, "");
}

static void
job_filters(void **state)
{
	const struct label labels[] = {{SLICE("a"), SLICE("b")}, {SLICE("c"), SLICE("d")}};
	struct record record = {.kind = RECORD_JOB};

	(void)state;
	record.job.labels = (struct label_set){2, labels};
	takes("", RECORD_JOB);
	assert_true(query_match(&query, &record));
	takes("label=a=b&label=c%3Dd", RECORD_JOB);
	assert_true(query_match(&query, &record));
	takes("label=a=b&label=c%3De", RECORD_JOB);
	assert_false(query_match(&query, &record));
	refuses("label=a", RECORD_JOB, "label");
}

static void
token_filters(void **state)
{
	struct record record = {.kind = RECORD_TOKEN};

	(void)state;
	record.token.name = SLICE("base");
	record.token.role = ROLE_OPERATOR;
	takes("name=base&role=operator", RECORD_TOKEN);
	assert_true(query_match(&query, &record));
	takes("name=bas", RECORD_TOKEN);
	assert_false(query_match(&query, &record));
	takes("role=ai_training_read", RECORD_TOKEN);
	assert_false(query_match(&query, &record));
	refuses("role=any", RECORD_TOKEN, "role");
	refuses("name=", RECORD_TOKEN, "name");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(limits),
	    cmocka_unit_test(once),
	    cmocka_unit_test(cursors),
	    cmocka_unit_test(escapes),
	    cmocka_unit_test(job_filters),
	    cmocka_unit_test(token_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
