/*
 * directory_ttl_test.c - a record ends when its time to live ends, even if the store does not say
 * so.
 */
#include "directory_fake.h"

#define ENDS (START + 1000)
#define EXTENSION 100 /* within which an answer may say that it was extended */

static void
it_answers_until_its_end_and_is_read_again_then(void **state)
{
	struct fake *fake = *state;
	struct asker asker = ASKER;

	expect_pending(fake, "one", START, NULL);
	fake_reply_until(fake, 1, ENDS, START);
	assert_int_equal(known_version(fake, "one", ENDS - 1), 1);
	expect_pending(fake, "one", ENDS, &asker);
	fake_reply(fake, FEED_ABSENT, 0, ENDS);
	assert_int_equal(asker.answered, 1);
	assert_int_equal(look_up(fake, RECORD_TOKEN, "one", ENDS, NULL).known, RECORD_ABSENT);
}

static void
it_goes_on_where_it_was_extended(void **state)
{
	struct fake *fake = *state;

	expect_pending(fake, "one", START, NULL);
	fake_reply_until(fake, 1, ENDS, START);
	expect_pending(fake, "one", ENDS, NULL);
	fake_reply_until(fake, 1, ENDS + 500, ENDS);
	assert_int_equal(known_version(fake, "one", ENDS + 499), 1);
	expect_pending(fake, "one", ENDS + 500, NULL);
	fake_reply(fake, FEED_RECORD, 2, ENDS + 500);
	assert_int_equal(known_version(fake, "one", ENDS + 1000), 2);
}

/* Read a record whose time to live ends then, and rely on it. */
static void
watch_one_that_ends(struct fake *fake, const char *id, uint64_t ends_ms, struct observer *observer)
{
	expect_pending(fake, id, START, NULL);
	fake_reply_until(fake, 1, ends_ms, START);
	watch(fake, id, START, observer);
}

static void
its_watchers_are_checked_again_at_its_end(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	watch_one_that_ends(fake, "one", ENDS, &observer);
	assert_int_equal(jg_directory_due_ms(fake->directory), ENDS);
	jg_directory_tick(fake->directory, ENDS - 1);
	assert_int_equal(fake_pending(fake), 0);
	jg_directory_tick(fake->directory, ENDS);
	assert_int_equal(fake_pending(fake), 1);
	assert_int_equal(observer.told, 0);
	fake_reply(fake, FEED_ABSENT, 0, ENDS + 1);
	assert_int_equal(observer.told, 1);
	assert_int_equal(watched(fake, &observer, ENDS + 1).known, RECORD_ABSENT);
	jg_directory_tick(fake->directory, ENDS + EXTENSION);
	assert_int_equal(observer.told, 1);
	assert_int_equal(jg_directory_due_ms(fake->directory), START + STALENESS);
	jg_directory_unwatch(&observer.watch);
}

/* No answer to that read: the watchers are told soon, long before the store's bound. */
static void
its_watchers_wait_for_that_answer_only_briefly(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	watch_one_that_ends(fake, "one", ENDS, &observer);
	jg_directory_tick(fake->directory, ENDS);
	assert_int_equal(jg_directory_due_ms(fake->directory), ENDS + EXTENSION);
	jg_directory_tick(fake->directory, ENDS + EXTENSION - 1);
	assert_int_equal(observer.told, 0);
	jg_directory_tick(fake->directory, ENDS + EXTENSION);
	assert_int_equal(observer.told, 1);
	assert_int_equal(watched(fake, &observer, ENDS + EXTENSION).known, RECORD_UNKNOWN);
	fake_reply(fake, FEED_RECORD, 2, ENDS + EXTENSION);
	assert_int_equal(watched(fake, &observer, ENDS + EXTENSION).known, RECORD_KNOWN);
	jg_directory_unwatch(&observer.watch);
}

/* A worker that was stopped looks at the clock long after the end: nothing more may run on it. */
static void
its_watchers_are_told_at_once_when_it_ended_long_ago(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	watch_one_that_ends(fake, "one", ENDS, &observer);
	jg_directory_tick(fake->directory, ENDS + EXTENSION);
	assert_int_equal(observer.told, 1);
	assert_int_equal(watched(fake, &observer, ENDS + EXTENSION).known, RECORD_UNKNOWN);
	fake_reply(fake, FEED_ABSENT, 0, ENDS + EXTENSION);
	jg_directory_unwatch(&observer.watch);
}

/* Neither a store out of reach nor another doubt makes it last. */
static void
its_end_counts_while_it_is_in_doubt(void **state)
{
	struct fake *fake = *state;
	struct observer lost = OBSERVER, changed = OBSERVER;

	watch_one_that_ends(fake, "two", ENDS, &changed);
	watch_one_that_ends(fake, "one", ENDS, &lost);
	change(fake, "two", START + 10);
	fake_break(fake, START + 20);
	jg_directory_tick(fake->directory, ENDS);
	assert_int_equal(lost.told + changed.told, 0);
	assert_int_equal(jg_directory_due_ms(fake->directory), ENDS + EXTENSION);
	jg_directory_tick(fake->directory, ENDS + EXTENSION);
	assert_true(lost.told > 0 && changed.told > 0);
	assert_int_equal(watched(fake, &lost, ENDS + EXTENSION).known, RECORD_UNKNOWN);
	assert_int_equal(watched(fake, &changed, ENDS + EXTENSION).known, RECORD_UNKNOWN);
	jg_directory_unwatch(&lost.watch);
	jg_directory_unwatch(&changed.watch);
}

static void
a_new_end_replaces_the_old_one(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	watch_one_that_ends(fake, "one", ENDS, &observer);
	change(fake, "one", START + 10); /* a lease is renewed */
	fake_reply_until(fake, 1, ENDS + 100, START + 20);
	jg_directory_tick(fake->directory, ENDS);
	assert_int_equal(fake_pending(fake), 0);
	assert_int_equal(jg_directory_due_ms(fake->directory), ENDS + 100);
	change(fake, "one", ENDS + 50); /* and made to last */
	fake_reply(fake, FEED_RECORD, 2, ENDS + 60);
	jg_directory_tick(fake->directory, ENDS + 100 + EXTENSION);
	assert_int_equal(jg_directory_due_ms(fake->directory), START + STALENESS);
	assert_int_equal(watched(fake, &observer, ENDS + 200).known, RECORD_KNOWN);
	jg_directory_unwatch(&observer.watch);
}

static void
the_soonest_of_many_is_due(void **state)
{
	struct fake *fake = *state;
	struct observer observers[3] = {OBSERVER, OBSERVER, OBSERVER};
	const char *const ids[] = {"one", "two", "three"};

	for (size_t i = 0; i < 3; i++) {
		watch_one_that_ends(fake, ids[i], ENDS + 50 * ((i + 1) % 3), &observers[i]);
	}
	assert_int_equal(jg_directory_due_ms(fake->directory), ENDS);
	jg_directory_unwatch(&observers[2].watch); /* that one: no one relies on it any more */
	assert_int_equal(jg_directory_due_ms(fake->directory), ENDS + 50);
	jg_directory_tick(fake->directory, ENDS + 100);
	assert_int_equal(fake_pending(fake), 2);
	fake_reply(fake, FEED_ABSENT, 0, ENDS + 100);
	fake_reply(fake, FEED_ABSENT, 0, ENDS + 100);
	assert_int_equal(observers[0].told, 1);
	assert_int_equal(observers[1].told, 1);
	assert_int_equal(observers[2].told, 0);
	jg_directory_unwatch(&observers[0].watch);
	jg_directory_unwatch(&observers[1].watch);
}

/* What a new link has to read again has its end meanwhile. */
static void
the_end_of_one_in_doubt_is_no_error(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	watch_one_that_ends(fake, "one", ENDS, &observer);
	fake_break(fake, START + 1);
	fake_up(fake, START + 2);
	assert_int_equal(fake_pending(fake), 1);
	fake_reply(fake, FEED_FAILED, 0, START + 3);
	jg_directory_tick(fake->directory, ENDS);
	assert_int_equal(fake_pending(fake), 1);
	fake_reply_until(fake, 1, ENDS + 1, ENDS);
	jg_directory_tick(fake->directory, ENDS + 1);
	assert_int_equal(fake_pending(fake), 1);
	fake_reply(fake, FEED_ABSENT, 0, ENDS + 1);
	assert_int_equal(watched(fake, &observer, ENDS + 1).known, RECORD_ABSENT);
	jg_directory_unwatch(&observer.watch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(it_answers_until_its_end_and_is_read_again_then),
	    TEST(it_goes_on_where_it_was_extended),
	    TEST(its_watchers_are_checked_again_at_its_end),
	    TEST(its_watchers_wait_for_that_answer_only_briefly),
	    TEST(its_watchers_are_told_at_once_when_it_ended_long_ago),
	    TEST(its_end_counts_while_it_is_in_doubt),
	    TEST(a_new_end_replaces_the_old_one),
	    TEST(the_soonest_of_many_is_due),
	    TEST(the_end_of_one_in_doubt_is_no_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
