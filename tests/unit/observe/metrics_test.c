/* metrics_test.c - what workers count, as Prometheus reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/metrics.h"

static bool
has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, line, len) == 0 && at[len] == '\n')
			return true;
	}
	return false;
}

static void
workers_are_added_up(void **state)
{
	struct shared_stats *stats = shared_stats_map(3);
	char *text;

	(void)state;
	counter_add(&stats->workers[0].requests, 3);
	counter_add(&stats->workers[2].requests, 4);
	counter_add(&stats->workers[1].responses[HTTP_2][2], 2);
	counter_add(&stats->workers[0].responses[HTTP_1_1][4], 3);
	counter_add(&stats->workers[2].responses[HTTP_1_1][4], 1);
	counter_add(&stats->failed_checks, 5);
	counter_add(&stats->workers[1].outcomes[OUTCOME_REFUSED], 5);
	counter_add(&stats->workers[0].grpc_calls[16], 3);
	counter_add(&stats->workers[1].grpc_calls[GRPC_NO_STATUS], 2);
	counter_add(&stats->workers[0].access_log.full, 6);
	counter_add(&stats->workers[1].access_log.failed, 7);
	counter_add(&stats->workers[1].service_log.full, 1);
	counter_add(&stats->supervisor_log.full, 2);
	counter_add(&stats->control_log.full, 4);
	counter_add(&stats->workers[0].service_log.failed, 2);
	counter_add(&stats->supervisor_log.failed, 3);
	counter_add(&stats->control_log.failed, 4);
	text = metrics_render(stats, "1.2.3", NULL, NULL);
	assert_non_null(text);
	assert_true(has_line(text, "jobgate_build_info{version=\"1.2.3\"} 1"));
	assert_true(has_line(text, "jobgate_requests_total 7"));
	assert_true(has_line(text, "jobgate_http2_requests_total 2"));
	assert_true(
	    has_line(text, "jobgate_responses_total{protocol=\"HTTP/2.0\",code=\"2xx\"} 2"));
	assert_true(
	    has_line(text, "jobgate_responses_total{protocol=\"HTTP/1.1\",code=\"4xx\"} 4"));
	assert_true(
	    has_line(text, "jobgate_responses_total{protocol=\"HTTP/1.0\",code=\"none\"} 0"));
	assert_true(has_line(text, "jobgate_check_failures_total 5"));
	assert_true(has_line(text, "jobgate_exchanges_total{outcome=\"refused\"} 5"));
	assert_true(has_line(text, "jobgate_grpc_calls_total{grpc_status=\"0\"} 0"));
	assert_true(has_line(text, "jobgate_grpc_calls_total{grpc_status=\"16\"} 3"));
	assert_true(has_line(text, "jobgate_grpc_calls_total{grpc_status=\"none\"} 2"));
	assert_true(has_line(text, "jobgate_log_lines_dropped_total{reason=\"full\"} 6"));
	assert_true(has_line(text, "jobgate_service_log_lines_dropped_total{reason=\"full\"} 7"));
	assert_true(has_line(text, "jobgate_service_log_lines_dropped_total{reason=\"failed\"} 9"));
	assert_true(has_line(text, "jobgate_log_lines_dropped_total{reason=\"failed\"} 7"));
	free(text);
	shared_stats_unmap(stats);
}

static void
a_worker_that_hangs_is_told(void **state)
{
	struct shared_stats *stats = shared_stats_map(2);
	char why[128], *text;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		counter_set(&stats->workers[i].serving, 1);
		counter_set(&stats->workers[i].ready, 1);
		counter_set(&stats->workers[i].accepting, 1);
	}
	counter_set(&stats->workers[1].silent_ms, HEARTBEAT_LATE_MS - 1);
	assert_true(metrics_ready(stats, why, sizeof(why)));
	counter_set(&stats->workers[1].silent_ms, HEARTBEAT_LATE_MS + 345);
	assert_false(metrics_ready(stats, why, sizeof(why)));
	assert_string_equal(why, "worker 1 hangs: it has been silent for 2345 ms");
	counter_set(&stats->hung, 3);
	counter_set(&stats->workers[1].longest_turn_us, 1002030);
	text = metrics_render(stats, "1", NULL, NULL);
	assert_true(has_line(text, "jobgate_worker_heartbeat_age_seconds{worker=\"0\"} 0.000"));
	assert_true(has_line(text, "jobgate_worker_heartbeat_age_seconds{worker=\"1\"} 2.345"));
	assert_true(has_line(text, "jobgate_worker_longest_turn_seconds{worker=\"1\"} 1.002030"));
	assert_true(has_line(text, "jobgate_hung_processes_total 3"));
	free(text);
	shared_stats_unmap(stats);
}

static void
durations_fall_into_the_smallest_bucket_that_holds_them(void **state)
{
	static const struct {
		uint64_t us;
		unsigned bucket;
	} cases[] = {{0, 0}, {1, 0}, {64, 0}, {65, 1}, {128, 1}, {129, 2}, {256, 2}, {257, 3},
	    {(64ull << 21) - 1, 21}, {64ull << 21, 21}, {(64ull << 21) + 1, 22}, {UINT64_MAX, 22}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct histogram histogram = {0};

		histogram_add(&histogram, cases[i].us);
		assert_int_equal(counter_get(&histogram.buckets[cases[i].bucket]), 1);
		assert_int_equal(counter_get(&histogram.sum_us), cases[i].us);
	}
}

static void
histograms_are_cumulative(void **state)
{
	struct shared_stats *stats = shared_stats_map(2);
	char *text;

	(void)state;
	histogram_add(&stats->workers[0].timed[TIMED_CONNECT], 64);
	histogram_add(&stats->workers[1].timed[TIMED_CONNECT], 100);
	histogram_add(&stats->workers[1].timed[TIMED_CONNECT], 1500000);
	histogram_add(&stats->workers[1].timed[TIMED_CONNECT], 1000000000);
	text = metrics_render(stats, "1", NULL, NULL);
	assert_non_null(text);
#define CONNECT "jobgate_backend_connect_duration_seconds"
	assert_true(has_line(text, CONNECT "_bucket{le=\"0.000064\"} 1"));
	assert_true(has_line(text, CONNECT "_bucket{le=\"0.000128\"} 2"));
	assert_true(has_line(text, CONNECT "_bucket{le=\"1.048576\"} 2"));
	assert_true(has_line(text, CONNECT "_bucket{le=\"2.097152\"} 3"));
	assert_true(has_line(text, CONNECT "_bucket{le=\"134.217728\"} 3"));
	assert_true(has_line(text, CONNECT "_bucket{le=\"+Inf\"} 4"));
	assert_true(has_line(text, CONNECT "_sum 1001.500164"));
	assert_true(has_line(text, CONNECT "_count 4"));
	assert_true(has_line(text, "jobgate_first_byte_duration_seconds_count 0"));
	free(text);
	shared_stats_unmap(stats);
}

static void
gauges_are_of_workers_that_serve(void **state)
{
	struct shared_stats *stats = shared_stats_map(3);
	char *text;

	(void)state;
	counter_set(&stats->workers[1].serving, 1);
	counter_set(&stats->workers[1].store_up, 1);
	counter_set(&stats->workers[1].mint_enforced, 1);
	counter_set(&stats->workers[1].store_good_age_ms, 1234);
	counter_set(&stats->workers[1].store_round_trip_ms, 7);
	text = metrics_render(stats, "1", NULL, NULL);
	assert_true(has_line(text, "jobgate_store_up{worker=\"0\"} 1"));
	assert_true(has_line(text, "jobgate_mint_enforced{worker=\"0\"} 1"));
	assert_true(has_line(text, "jobgate_store_staleness_seconds{worker=\"0\"} 1.234"));
	assert_true(has_line(text, "jobgate_store_round_trip_seconds{worker=\"0\"} 0.007"));
	assert_null(strstr(text, "worker=\"1\""));
	free(text);
	shared_stats_unmap(stats);
}

static void
readiness_says_why_not_and_carries_a_warning(void **state)
{
	struct shared_stats *stats = shared_stats_map(1);
	char why[256];

	(void)state;
	assert_false(metrics_ready(stats, why, sizeof(why)));
	counter_set(&stats->workers[0].serving, 1);
	counter_set(&stats->workers[0].ready, 1);
	assert_false(metrics_ready(stats, why, sizeof(why)));
	assert_string_equal(why, "worker 0 does not accept connections yet");
	counter_set(&stats->workers[0].accepting, 1);
	assert_true(metrics_ready(stats, why, sizeof(why)));
	assert_string_equal(why, "");
	counter_set(&stats->store_cut, 1);
	assert_true(metrics_ready(stats, why, sizeof(why)));
	assert_non_null(strstr(why, "cut short"));
	shared_stats_unmap(stats);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(workers_are_added_up),
	    cmocka_unit_test(durations_fall_into_the_smallest_bucket_that_holds_them),
	    cmocka_unit_test(histograms_are_cumulative),
	    cmocka_unit_test(gauges_are_of_workers_that_serve),
	    cmocka_unit_test(readiness_says_why_not_and_carries_a_warning),
	    cmocka_unit_test(a_worker_that_hangs_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
