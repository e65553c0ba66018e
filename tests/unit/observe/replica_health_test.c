/* replica_health_test.c - the places of replicas in shared memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/replica_health.h"

#define KEY UINT64_C(0x123456789abcdef0)
#define NOW UINT64_C(1000000)

static struct replica_places places;
static const struct replica_label label = {.job = SLICE("a"), .name = SLICE("10.0.0.7:8000")};

static int
clear(void **state)
{
	(void)state;
	memset(&places, 0, sizeof(places));
	return 0;
}

static void
one_worker_makes_each_check(void **state)
{
	(void)state;
	assert_true(replica_take_check(&places, KEY, &label, NOW));
	assert_false(replica_take_check(&places, KEY, &label, NOW));
	assert_false(replica_take_check(&places, KEY, &label, NOW + REPLICA_CHECK_MS - 1));
	assert_true(replica_take_check(&places, KEY, &label, NOW + REPLICA_CHECK_MS));
}

static void
note(bool good, uint64_t at_ms, enum replica_change expected)
{
	assert_int_equal(replica_note_check(&places, KEY, good, at_ms), expected);
}

static void
two_failures_in_a_row(void **state)
{
	(void)state;
	assert_true(replica_is_healthy(&places, KEY, NOW));
	assert_true(replica_take_check(&places, KEY, &label, NOW));
	assert_true(replica_is_healthy(&places, KEY, NOW));
	note(false, NOW, REPLICA_SAME);
	assert_true(replica_is_healthy(&places, KEY, NOW));
	note(true, NOW, REPLICA_SAME);
	note(false, NOW, REPLICA_SAME);
	note(false, NOW, REPLICA_FAILED);
	assert_false(replica_is_healthy(&places, KEY, NOW));
	assert_int_equal(replicas_unhealthy(&places, NOW), 1);
	note(false, NOW + 1, REPLICA_SAME);
	note(true, NOW + 2, REPLICA_RECOVERED);
	assert_true(replica_is_healthy(&places, KEY, NOW + 2));
	assert_int_equal(replicas_unhealthy(&places, NOW + 2), 0);
	note(true, NOW + 3, REPLICA_SAME);
}

static void
an_old_result_is_forgotten(void **state)
{
	(void)state;
	assert_true(replica_take_check(&places, KEY, &label, NOW));
	note(false, NOW, REPLICA_SAME);
	note(false, NOW, REPLICA_FAILED);
	assert_false(replica_is_healthy(&places, KEY, NOW + REPLICA_FORGET_MS - 1));
	assert_true(replica_is_healthy(&places, KEY, NOW + REPLICA_FORGET_MS));
}

/* Replicas whose first place is the same. */
static uint64_t
key_at_one_place(uint64_t i)
{
	return KEY + i * REPLICA_PLACES;
}

static void
places_are_few_and_given_on(void **state)
{
	uint64_t taken = 0, later;

	(void)state;
	while (replica_take_check(&places, key_at_one_place(taken), &label, NOW))
		taken++;
	assert_in_range(taken, 2, 64);
	assert_true(replica_is_healthy(&places, key_at_one_place(taken), NOW));
	assert_int_equal(
	    replica_note_check(&places, key_at_one_place(taken), false, NOW), REPLICA_SAME);
	replica_note_check(&places, KEY, false, NOW);
	replica_note_check(&places, KEY, false, NOW);
	/* No worker checks these any more. What was known of one does not count for the next one.
	 */
	later = NOW + REPLICA_CHECK_MS + REPLICA_FORGET_MS;
	assert_true(replica_take_check(&places, key_at_one_place(taken), &label, later));
	assert_true(replica_is_healthy(&places, key_at_one_place(taken), later));
}

/* ---- metrics ---- */

#define HEAD                                                                                      \
	"# HELP jobgate_replica_up 1: the replica is healthy; 0: its last checks failed, and it " \
	"gets requests only while no other is healthy. Of replicas that are checked.\n"           \
	"# TYPE jobgate_replica_up gauge\n"

static void
renders(uint64_t now_ms, const char *expected)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_true(replicas_render(&places, now_ms, out));
	fclose(out);
	assert_memory_equal(text, HEAD, strlen(HEAD));
	assert_string_equal(text + strlen(HEAD), expected);
	free(text);
}

static void
check(uint64_t key, struct slice job, struct slice name, bool good)
{
	const struct replica_label of = {job, name};

	assert_true(replica_take_check(&places, key, &of, NOW));
	for (int i = 0; i < REPLICA_FAILURES; i++)
		replica_note_check(&places, key, good, NOW);
}

static void
each_has_a_sample(void **state)
{
	const struct replica_label unknown = {SLICE("c"), SLICE("h:1")};

	(void)state;
	renders(NOW, "");
	check(1, SLICE("b"), SLICE("h:2"), true);
	check(2, SLICE("b"), SLICE("h:1"), false);
	check(3, SLICE("a"), SLICE("[::1]:80"), true);
	assert_true(replica_take_check(&places, 4, &unknown, NOW)); /* under way */
	renders(NOW, "jobgate_replica_up{job_id=\"b\",replica=\"h:1\"} 0\n"
		     "jobgate_replica_up{job_id=\"a\",replica=\"[::1]:80\"} 1\n"
		     "jobgate_replica_up{job_id=\"b\",replica=\"h:2\"} 1\n");
	renders(NOW + REPLICA_FORGET_MS, "");
}

/* Two URLs may differ in their base alone, or a name may be cut. */
static void
labels_come_once(void **state)
{
	char longer[2 * REPLICA_NAME_MAX];

	(void)state;
	check(1, SLICE("a"), SLICE("h:1"), true);
	check(2, SLICE("a"), SLICE("h:1"), false);
	check(3, SLICE("a"), SLICE("/run/a\"b\\c d\x7f"), true);
	renders(NOW, "jobgate_replica_up{job_id=\"a\",replica=\"h:1\"} 0\n"
		     "jobgate_replica_up{job_id=\"a\",replica=\"/run/a?b?c?d?\"} 1\n");
	clear(NULL);
	memset(longer, 'x', sizeof(longer));
	check(1, SLICE("a"), (struct slice){longer, sizeof(longer)}, true);
	check(2, SLICE("a"), (struct slice){longer, sizeof(longer) - 1}, true);
	longer[REPLICA_NAME_MAX - 1] = '\0';
	char expected[2 * REPLICA_NAME_MAX + 64];
	snprintf(expected, sizeof(expected), "jobgate_replica_up{job_id=\"a\",replica=\"%s\"} 1\n",
	    longer);
	renders(NOW, expected);
}

static void
samples_are_bounded(void **state)
{
	char name[16], *text = NULL;
	size_t len, lines = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	for (unsigned i = 0; i < REPLICA_SAMPLES_MAX + 100; i++) {
		snprintf(name, sizeof(name), "h:%u", i);
		check(i + 1, SLICE("a"), (struct slice){name, strlen(name)},
		    i != REPLICA_SAMPLES_MAX + 50);
	}
	assert_true(replicas_render(&places, NOW, out));
	fclose(out);
	for (const char *at = text; *at != '\0'; at++)
		lines += *at == '\n';
	assert_int_equal(lines, REPLICA_SAMPLES_MAX + 2);
	assert_non_null(strstr(text, "h:1050\"} 0\n"));
	free(text);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, clear)
	const struct CMUnitTest tests[] = {
	    TEST(one_worker_makes_each_check),
	    TEST(two_failures_in_a_row),
	    TEST(an_old_result_is_forgotten),
	    TEST(places_are_few_and_given_on),
	    TEST(each_has_a_sample),
	    TEST(labels_come_once),
	    TEST(samples_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
