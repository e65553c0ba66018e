/* directory_count_test.c - how many records there are of each kind and state. */
#include "directory_fake.h"

#include <string.h>

#define NOW (START + 10)
#define MANY 1500 /* more than one step counts */

static void
on_changed(struct directory_watch *watch)
{
	(void)watch;
}

/* Count all; returns the steps that it took. */
static unsigned
count_all(struct directory *directory, struct directory_count *count)
{
	unsigned steps = 1;

	*count = (struct directory_count){0};
	while (jg_directory_count(directory, count, NOW))
		steps++;
	return steps;
}

static void
each_record_counts_by_its_state(void **state)
{
	const struct directory_tally *tokens, *jobs;
	struct directory_watch watch = {.changed = on_changed};
	struct directory_count count;
	struct fake fake;
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	(void)state;
	fake_init(&fake, 100);
	jg_directory_link_up(fake.directory, START);
	for (size_t i = 0; i < 3; i++)
		jg_directory_lookup(
		    fake.directory, RECORD_TOKEN, (struct slice){&"abc"[i], 1}, NOW, NULL);
	jg_directory_lookup(fake.directory, RECORD_JOB, SLICE("a"), NOW, NULL);
	jg_directory_feed(
	    fake.directory, fake.asked[0], FEED_RECORD, fake_record(RECORD_TOKEN, 1), NOW);
	jg_directory_feed(fake.directory, fake.asked[1], FEED_ABSENT, NULL, NOW);
	jg_directory_watch(fake.asked[0], &watch);
	assert_int_equal(count_all(fake.directory, &count), 1);
	tokens = &count.kinds[RECORD_TOKEN];
	jobs = &count.kinds[RECORD_JOB];
	assert_int_equal(tokens->known, 1);
	assert_int_equal(tokens->absent, 1);
	assert_int_equal(tokens->unknown, 1);
	assert_int_equal(tokens->fresh, 1);
	assert_int_equal(tokens->idle, 1);
	assert_int_equal(tokens->pending, 1);
	assert_int_equal(jobs->unknown, 1);
	assert_int_equal(jobs->pending, 1);
	jg_dump_init(&dump, text, sizeof(text));
	jg_directory_count_dump(&count, RECORD_TOKEN, &dump);
	assert_string_equal(text, "records{kind=token known=1 absent=1 unknown=1 idle=1 pending=1 "
				  "fresh=1 stale=0 refreshing=0 waited_for=0 ended=0}");
	jg_directory_link_down(fake.directory, NOW);
	count_all(fake.directory, &count);
	assert_int_equal(tokens->known, 1);
	jg_directory_unwatch(&watch);
	jg_directory_free(fake.directory);
}

/* Also those that still are in the smaller table, while it grows. */
static void
many_are_counted_in_steps(void **state)
{
	struct directory_count count;
	struct fake fake;
	unsigned steps = 0;
	char id[8];

	(void)state;
	fake_init(&fake, 2 * MANY);
	jg_directory_link_up(fake.directory, START);
	for (size_t i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "a%zu", i);
		jg_directory_lookup(fake.directory, RECORD_JOB, slice_of(id), NOW, NULL);
		if (i % 100 != 0)
			continue;
		steps = count_all(fake.directory, &count);
		assert_int_equal(count.kinds[RECORD_JOB].unknown, i + 1);
		assert_int_equal(count.kinds[RECORD_TOKEN].unknown, 0);
	}
	assert_true(steps > 1);
	jg_directory_free(fake.directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_record_counts_by_its_state),
	    cmocka_unit_test(many_are_counted_in_steps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
