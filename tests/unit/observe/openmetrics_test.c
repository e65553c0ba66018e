/* openmetrics_test.c - the metrics in the form of OpenMetrics, and exemplars. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/metrics.h"
#include "observe/openmetrics.h"

#define TRACE_A "4bf92f3577b34da6a3ce929d0e0e4736"
#define TRACE_B "0af7651916cd43dd8448eb211c80319c"
#define BUCKET "jobgate_request_duration_seconds_bucket"

static void
is_rendered(const struct shared_stats *stats, const char *text, const char *expected)
{
	char *made = openmetrics_render(strdup(text), stats);

	assert_non_null(made);
	assert_string_equal(made, expected);
	free(made);
}

static void
families_have_names_and_units(void **state)
{
	struct shared_stats *stats = shared_stats_map(1);

	(void)state;
	is_rendered(stats, "", "# EOF\n");
	is_rendered(stats,
	    "# HELP a_total Some \"things\".\n# TYPE a_total counter\na_total 1\n"
	    "# HELP b_bytes_total Bytes.\n# TYPE b_bytes_total counter\nb_bytes_total 2\n"
	    "# HELP c_seconds Time.\n# TYPE c_seconds gauge\nc_seconds{x=\"y\"} 1.5\n",
	    "# HELP a Some \\\"things\\\".\n# TYPE a counter\na_total 1\n"
	    "# HELP b_bytes Bytes.\n# TYPE b_bytes counter\n# UNIT b_bytes bytes\nb_bytes_total 2\n"
	    "# HELP c_seconds Time.\n# TYPE c_seconds gauge\n# UNIT c_seconds "
	    "seconds\nc_seconds{x=\"y\"} "
	    "1.5\n# EOF\n");
	/* The family of the counter would have the gauge's name. */
	is_rendered(stats,
	    "# HELP a Open.\n# TYPE a gauge\na 1\n# HELP a_total All.\n# TYPE a_total "
	    "counter\na_total 2\n",
	    "# HELP a Open.\n# TYPE a gauge\na 1\n# HELP a_total All.\n# TYPE a_total "
	    "unknown\na_total 2\n# EOF\n");
	assert_null(openmetrics_render(NULL, stats));
	shared_stats_unmap(stats);
}

static void
buckets_have_the_latest_trace(void **state)
{
	struct shared_stats *stats = shared_stats_map(2);
	char *text;

	(void)state;
	exemplar_note(
	    &stats->workers[0].exemplars[histogram_bucket(100)], TRACE_A, 100, 1700000000123456);
	exemplar_note(
	    &stats->workers[1].exemplars[histogram_bucket(90)], TRACE_B, 90, 1700000001000000);
	exemplar_note(&stats->workers[1].exemplars[histogram_bucket(UINT64_MAX)], TRACE_A,
	    300000000, 1700000002500000);
	text = openmetrics_render(metrics_render(stats, "1", NULL, NULL), stats);
	assert_non_null(text);
	assert_non_null(strstr(text, BUCKET "{le=\"0.000064\"} 0\n"));
	assert_non_null(strstr(text,
	    BUCKET "{le=\"0.000128\"} 0 # {trace_id=\"" TRACE_B "\"} 0.000090 1700000001.000\n"));
	assert_non_null(strstr(text,
	    BUCKET "{le=\"+Inf\"} 0 # {trace_id=\"" TRACE_A "\"} 300.000000 1700000002.500\n"));
	assert_null(strstr(text, "decision_duration_seconds_bucket{le=\"0.000128\"} 0 #"));
	free(text);
	shared_stats_unmap(stats);
}

static void
what_is_being_written_is_not_read(void **state)
{
	struct exemplar exemplar = {0};
	struct exemplar_seen seen;

	(void)state;
	assert_false(exemplar_read(&exemplar, &seen));
	exemplar_note(&exemplar, TRACE_A, 5, 6);
	assert_true(exemplar_read(&exemplar, &seen));
	assert_memory_equal(seen.trace, TRACE_A, EXEMPLAR_TRACE_LEN);
	assert_true(seen.us == 5 && seen.at_us == 6);
	counter_add(&exemplar.version, 1); /* a worker that was killed while it wrote */
	assert_false(exemplar_read(&exemplar, &seen));
	exemplar_note(&exemplar, TRACE_B, 7, 8);
	assert_true(exemplar_read(&exemplar, &seen));
	assert_memory_equal(seen.trace, TRACE_B, EXEMPLAR_TRACE_LEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(families_have_names_and_units),
	    cmocka_unit_test(buckets_have_the_latest_trace),
	    cmocka_unit_test(what_is_being_written_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
