/* job_stats_test.c - jobs get slots up to a limit, and idle ones give theirs away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/job_stats.h"

#define WORKERS 2

struct world {
	struct job_slots slots;
	struct job_counts counts[WORKERS][JOB_SLOTS + 1];
};

static struct world *world;
static uint32_t minute;

static int
setup(void **state)
{
	(void)state;
	world = calloc(1, sizeof(*world));
	minute = 1000;
	return world == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	free(world);
	return 0;
}

static void
add(size_t worker, uint32_t most, const char *job, unsigned status)
{
	const struct job_use use = {.job = slice_of(job),
	    .status = status,
	    .us = 1500000,
	    .bytes_in = 2,
	    .bytes_out = 3,
	    .minute = minute};

	job_stats_add(&world->slots, world->counts[worker], most, &use);
}

static const struct job_counts *
counts_of(void *ctx, size_t i)
{
	(void)ctx;
	return world->counts[i];
}

static bool
shows(const char *line)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool found;

	assert_true(job_stats_render(&world->slots, WORKERS, counts_of, NULL, out));
	fclose(out);
	found = strstr(text, line) != NULL;
	free(text);
	return found;
}

static void
workers_are_added_up(void **state)
{
	(void)state;
	add(0, 10, "a", 200);
	add(1, 10, "a", 204);
	add(1, 10, "a", 503);
	add(1, 10, "b", 0);
	assert_true(shows("jobgate_job_requests_total{job_id=\"a\",code=\"2xx\"} 2\n"));
	assert_true(shows("jobgate_job_requests_total{job_id=\"a\",code=\"5xx\"} 1\n"));
	assert_true(shows("jobgate_job_requests_total{job_id=\"b\",code=\"none\"} 1\n"));
	assert_true(shows("jobgate_job_received_bytes_total{job_id=\"a\"} 6\n"));
	assert_true(shows("jobgate_job_sent_bytes_total{job_id=\"a\"} 9\n"));
	assert_true(shows("jobgate_job_request_duration_seconds_sum{job_id=\"a\"} 4.500000\n"));
	assert_true(shows("jobgate_job_request_duration_seconds_count{job_id=\"a\"} 3\n"));
	assert_true(shows("jobgate_job_sent_bytes_total{job_id=\"other\"} 0\n"));
}

static void
the_rest_is_counted_together(void **state)
{
	char job[16];

	(void)state;
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 20; i++) {
			snprintf(job, sizeof(job), "job-%u", i);
			add(i % WORKERS, 5, job, 200);
		}
	assert_int_equal(atomic_load(&world->slots.count), 5);
	assert_true(shows("jobgate_job_requests_total{job_id=\"job-4\",code=\"2xx\"} 2\n"));
	assert_false(shows("job_id=\"job-5\""));
	assert_true(shows("jobgate_job_requests_total{job_id=\"other\",code=\"2xx\"} 30\n"));
}

/* Its samples must not be those of the rest twice. */
static void
a_job_may_be_called_other(void **state)
{
	char *text = NULL, *at;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	add(0, 1, "other", 200);
	add(0, 1, "b", 200);
	assert_true(job_stats_render(&world->slots, WORKERS, counts_of, NULL, out));
	fclose(out);
	at = strstr(text, "jobgate_job_requests_total{job_id=\"other\",code=\"2xx\"} 2\n");
	assert_non_null(at);
	assert_null(strstr(at + 1, "jobgate_job_requests_total{job_id=\"other\",code=\"2xx\"}"));
	free(text);
}

static void
an_idle_job_gives_its_place_away(void **state)
{
	uint32_t taken;
	char job[16];

	(void)state;
	for (unsigned i = 0; i < JOB_STATS_MAX; i++) {
		snprintf(job, sizeof(job), "old-%u", i);
		add(0, JOB_STATS_MAX, job, 200);
	}
	taken = atomic_load(&world->slots.count);
	minute += JOB_IDLE_MINUTES;
	add(0, taken, "new", 200);
	assert_false(shows("job_id=\"new\""));
	minute += 1;
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < 200; k++) {
			snprintf(job, sizeof(job), "new-%u", k);
			add(i % WORKERS, taken, job, 404);
		}
	assert_int_equal(atomic_load(&world->slots.count), taken);
	/* Counts begin at 0, also in a worker that counted for the job before. */
	assert_true(shows(",code=\"4xx\"} 3\n"));
	assert_false(shows("job_id=\"new-7\",code=\"2xx\""));
}

static void
two_slots_of_one_job_are_one_row(void **state)
{
	struct job_slot *slot = &world->slots.slots[77];

	(void)state;
	add(0, 10, "a", 200);
	strcpy(slot->id, "a"); /* as if two workers had given it a slot at once */
	atomic_store(&slot->sequence, 2);
	counter_set(&world->counts[1][77].sequence, 2);
	counter_add(&world->counts[1][77].classes[2], 4);
	assert_true(shows("jobgate_job_requests_total{job_id=\"a\",code=\"2xx\"} 5\n"));
}

static void
classes(void **state)
{
	(void)state;
	assert_string_equal(status_class_name(status_class(0)), "none");
	assert_string_equal(status_class_name(status_class(101)), "1xx");
	assert_string_equal(status_class_name(status_class(599)), "5xx");
	assert_string_equal(status_class_name(status_class(600)), "none");
	assert_string_equal(status_class_name(status_class(UINT32_MAX)), "none");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(workers_are_added_up),
	    TEST(the_rest_is_counted_together),
	    TEST(a_job_may_be_called_other),
	    TEST(an_idle_job_gives_its_place_away),
	    TEST(two_slots_of_one_job_are_one_row),
	    TEST(classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
