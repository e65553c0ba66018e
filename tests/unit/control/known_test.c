/* known_test.c - the records that readers of events may know of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/control/known.h"

static struct slice
id_of(unsigned number, char room[16])
{
	snprintf(room, 16, "job-%u", number);
	return slice_of(room);
}

static struct record
job_of(struct slice id, struct label *label)
{
	return (struct record){
	    .kind = RECORD_JOB, .job = {.id = id, .labels = {.items = label, .count = 1}}};
}

static void
labels_are_remembered(void **state)
{
	struct label label = {SLICE("team"), SLICE("a")};
	struct record job = job_of(SLICE("x"), &label);
	struct known *known = known_new();
	struct known_record *one;

	(void)state;
	assert_null(known_find(known, RECORD_JOB, SLICE("x")));
	one = known_get(known, RECORD_JOB, SLICE("x"));
	assert_non_null(one);
	assert_null(one->last);
	known_set(known, one, &job);
	label.value = SLICE("b"); /* it is a copy */
	assert_true(slice_equal(one->last->job.labels.items[0].value, SLICE("a")));
	assert_ptr_equal(known_find(known, RECORD_JOB, SLICE("x")), one);
	assert_null(known_find(known, RECORD_TOKEN, SLICE("x")));
	known_set(known, one, NULL);
	assert_null(one->last);
	known_free(known);
}

static void
the_oldest_are_forgotten(void **state)
{
	struct known *known = known_new();
	char room[16];

	(void)state;
	for (unsigned i = 0; i < KNOWN_MAX; i++)
		assert_non_null(known_get(known, RECORD_JOB, id_of(i, room)));
	assert_true(known_queue(known, known_find(known, RECORD_JOB, id_of(0, room))));
	assert_non_null(known_get(known, RECORD_JOB, id_of(1, room))); /* it is young again */
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(known_get(known, RECORD_JOB, id_of(KNOWN_MAX + i, room)));
	assert_non_null(known_find(known, RECORD_JOB, id_of(0, room)));
	assert_non_null(known_find(known, RECORD_JOB, id_of(1, room)));
	for (unsigned i = 2; i < 5; i++)
		assert_null(known_find(known, RECORD_JOB, id_of(i, room)));
	assert_non_null(known_find(known, RECORD_JOB, id_of(5, room)));
	known_free(known);
}

static void
bytes_are_bounded(void **state)
{
	static char text[LABEL_VALUE_MAX];
	struct label labels[JOB_LABELS_MAX];
	struct known *known = known_new();
	char room[16];
	unsigned kept = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < JOB_LABELS_MAX; i++)
		labels[i] = (struct label){{text, sizeof(text)}, {text, sizeof(text)}};
	for (unsigned i = 0; i < KNOWN_MAX; i++) {
		struct known_record *one = known_get(known, RECORD_JOB, id_of(i, room));
		struct record job = job_of(id_of(i, room), labels);

		job.job.labels.count = JOB_LABELS_MAX;
		known_set(known, one, &job);
	}
	for (unsigned i = 0; i < KNOWN_MAX; i++)
		kept += known_find(known, RECORD_JOB, id_of(i, room)) != NULL;
	assert_in_range(kept, 100, KNOWN_BYTES / (JOB_LABELS_MAX * 2 * LABEL_VALUE_MAX));
	known_free(known);
}

static void
the_queue(void **state)
{
	struct label label = {SLICE("team"), SLICE("a")};
	struct known *known = known_new();
	struct known_record *one, *two;
	struct record job;
	char room[16];

	(void)state;
	one = known_get(known, RECORD_JOB, id_of(1, room));
	two = known_get(known, RECORD_JOB, id_of(2, room));
	assert_null(known_next(known));
	assert_true(known_queue(known, one));
	assert_true(known_queue(known, two));
	assert_true(known_queue(known, one)); /* once */
	assert_ptr_equal(known_next(known), one);
	assert_true(known_queue(known, one)); /* it has changed while it is read */
	assert_ptr_equal(known_next(known), two);
	assert_null(known_next(known));
	job = job_of(id_of(1, room), &label);
	known_set(known, one, &job);
	known_read(known, one);
	assert_ptr_equal(known_next(known), one);
	known_read(known, one);
	assert_ptr_equal(known_find(known, RECORD_JOB, id_of(1, room)), one);
	known_read(known, two); /* it is gone, so it need not be remembered */
	assert_null(known_find(known, RECORD_JOB, id_of(2, room)));
	for (unsigned i = 0; i < KNOWN_QUEUE_MAX; i++)
		assert_true(known_queue(known, known_get(known, RECORD_JOB, id_of(10 + i, room))));
	assert_false(known_queue(known, known_get(known, RECORD_JOB, id_of(9, room))));
	known_free(known);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(labels_are_remembered),
	    cmocka_unit_test(the_oldest_are_forgotten),
	    cmocka_unit_test(bytes_are_bounded),
	    cmocka_unit_test(the_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
