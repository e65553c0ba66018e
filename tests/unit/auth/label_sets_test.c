/* label_sets_test.c - equal sets of labels are one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/label_sets.h"

static const unsigned char key[16] = {1, 2, 3};

#define SET(items) (&(struct label_set){sizeof(items) / sizeof((items)[0]), items})

static void
equal_sets_are_one(void **state)
{
	const struct label one[] = {{SLICE("team"), SLICE("a")}, {SLICE("gpu"), SLICE("")}};
	const struct label turned[] = {{SLICE("gpu"), SLICE("")}, {SLICE("team"), SLICE("a")}};
	const struct label shifted[] = {{SLICE("tea"), SLICE("ma")}, {SLICE("gpu"), SLICE("")}};
	const struct label more[] = {
	    {SLICE("team"), SLICE("a")}, {SLICE("gpu"), SLICE("")}, {SLICE("x"), SLICE("y")}};
	char copied[] = "team";
	const struct label same[] = {{{copied, 4}, SLICE("a")}, {SLICE("gpu"), SLICE("")}};
	const struct label_set *sets[6];
	struct label_sets kept;

	(void)state;
	assert_true(label_sets_init(&kept, key));
	sets[0] = label_sets_take(&kept, SET(one));
	sets[1] = label_sets_take(&kept, SET(same));
	sets[2] = label_sets_take(&kept, SET(turned));
	sets[3] = label_sets_take(&kept, SET(shifted));
	sets[4] = label_sets_take(&kept, SET(more));
	sets[5] = label_sets_take(&kept, &(struct label_set){0});
	assert_ptr_equal(sets[0], sets[1]);
	for (size_t i = 1; i < 6; i++)
		for (size_t j = 1; j < i; j++)
			assert_ptr_not_equal(sets[i], sets[j]);
	assert_int_equal(kept.table.count, 5);
	copied[0] = 'T';
	assert_true(slice_equal(sets[1]->items[0].name, SLICE("team")));
	assert_true(slice_equal(sets[1]->items[0].value, SLICE("a")));
	assert_int_equal(sets[1]->items[1].value.len, 0);
	assert_int_equal(sets[5]->count, 0);
	label_sets_give(&kept, sets[0]);
	assert_int_equal(kept.table.count, 5);
	assert_true(slice_equal(sets[1]->items[1].name, SLICE("gpu")));
	for (size_t i = 1; i < 6; i++)
		label_sets_give(&kept, sets[i]);
	label_sets_give(&kept, NULL);
	assert_int_equal(kept.table.count, 0);
	label_sets_free(&kept);
}

static void
many_sets_come_and_go(void **state)
{
	static const struct label_set *sets[3000];
	struct label_sets kept;
	char text[16];

	(void)state;
	assert_true(label_sets_init(&kept, key));
	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < 3000; i++) {
			const struct label label = {
			    {text, (size_t)snprintf(text, sizeof(text), "n%zu", i)}, SLICE("v")};
			const struct label_set *set =
			    label_sets_take(&kept, &(struct label_set){1, &label});

			assert_true(round == 0 || set == sets[i]);
			sets[i] = set;
		}
	assert_int_equal(kept.table.count, 3000);
	for (size_t i = 0; i < 6000; i++)
		label_sets_give(&kept, sets[i % 3000]);
	assert_int_equal(kept.table.count, 0);
	label_sets_free(&kept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(equal_sets_are_one),
	    cmocka_unit_test(many_sets_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
