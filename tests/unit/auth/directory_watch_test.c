/* directory_watch_test.c - watched records: changes, the staleness bound, and reading again. */
#include "directory_watch_world.h"

static void
one_who_watches_is_told_of_a_change(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER, other = OBSERVER;

	make_known(fake, "a", 1, START);
	make_known(fake, "b", 1, START);
	watch(fake, "a", START, &observer);
	watch(fake, "b", START, &other);
	assert_int_equal(version_of(watched(fake, &observer, START)), 1);
	change(fake, "a", START + 1);
	/* It is read at once; until that is here the old record counts, within its bound. */
	assert_int_equal(fake_pending(fake), 1);
	assert_int_equal(observer.told, 0);
	assert_int_equal(version_of(watched(fake, &observer, START + 1)), 1);
	assert_int_equal(watched(fake, &observer, START + STALENESS).known, RECORD_UNKNOWN);
	fake_reply(fake, FEED_RECORD, 2, START + 2);
	assert_int_equal(observer.told, 1);
	assert_int_equal(version_of(watched(fake, &observer, START + 2)), 2);
	assert_int_equal(other.told, 0);
	/* Deleted: told as well. */
	change(fake, "a", START + 3);
	fake_reply(fake, FEED_ABSENT, 0, START + 4);
	assert_int_equal(observer.told, 2);
	assert_int_equal(watched(fake, &observer, START + 4).known, RECORD_ABSENT);
	assert_int_equal(version_of(watched(fake, &observer, START + 4)), 0);
	jg_directory_unwatch(&observer.watch);
	jg_directory_unwatch(&other.watch);
}

static void
a_new_asker_waits_for_what_the_watcher_may_still_use(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;
	struct asker asker = ASKER;

	make_known(fake, "a", 1, START);
	watch(fake, "a", START, &observer);
	change(fake, "a", START + 1);
	expect_pending(fake, "a", START + 1, &asker);
	assert_int_equal(fake_pending(fake), 1); /* the same read */
	change(fake, "a", START + 2);		 /* which is overtaken */
	fake_reply(fake, FEED_RECORD, 2, START + 3);
	assert_int_equal(observer.told + asker.answered, 0);
	assert_int_equal(version_of(watched(fake, &observer, START + 3)), 1);
	fake_reply(fake, FEED_RECORD, 3, START + 4);
	assert_int_equal(observer.told, 1);
	assert_int_equal(asker.answered, 1);
	assert_int_equal(version_of(watched(fake, &observer, START + 4)), 3);
	jg_directory_unwatch(&observer.watch);
}

static void
one_who_unwatches_is_not_told(void **state)
{
	struct fake *fake = *state;
	struct observer first = OBSERVER, second = OBSERVER;

	make_known(fake, "a", 1, START);
	watch(fake, "a", START, &first);
	watch(fake, "a", START, &second);
	assert_int_equal(stats_of(fake).watched, 1); /* records */
	jg_directory_unwatch(&first.watch);
	jg_directory_unwatch(&first.watch);
	assert_int_equal(stats_of(fake).watched, 1);
	assert_int_equal(watched(fake, &first, START).known, RECORD_UNKNOWN);
	change(fake, "a", START);
	fake_reply(fake, FEED_RECORD, 2, START);
	assert_int_equal(first.told, 0);
	assert_int_equal(second.told, 1);
	/* The last one leaves while a read is under way: its reply is kept for the next. */
	change(fake, "a", START);
	jg_directory_unwatch(&second.watch);
	assert_int_equal(stats_of(fake).watched, 0);
	fake_reply(fake, FEED_RECORD, 3, START);
	assert_int_equal(second.told, 1);
	assert_int_equal(known_version(fake, "a", START), 3);
}

static void
a_changed_record_goes_with_its_last_watcher(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	make_known(fake, "a", 1, START);
	watch(fake, "a", START, &observer);
	fake->out_of_reach = true;
	change(fake, "a", START);
	assert_int_equal(fake_pending(fake), 0);
	jg_directory_unwatch(&observer.watch);
	assert_int_equal(stats_of(fake).entries, 0);
	fake->out_of_reach = false;
	expect_pending(fake, "a", START, NULL);
}

/* ---- doubt ---- */

static void
the_bound_is_told_once(void **state)
{
	struct fake *fake = *state;
	struct observer observers[2] = {OBSERVER, OBSERVER};

	make_known(fake, "a", 1, START);
	make_known(fake, "b", 1, START);
	watch(fake, "a", START, &observers[0]);
	watch(fake, "b", START, &observers[1]);
	jg_directory_tick(fake->directory, START + STALENESS - 1);
	assert_int_equal(observers[0].told + observers[1].told, 0);
	assert_int_equal(watched(fake, &observers[0], START + STALENESS - 1).known, RECORD_KNOWN);
	jg_directory_tick(fake->directory, START + STALENESS);
	jg_directory_tick(fake->directory, START + STALENESS + 100);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(observers[i].told, 1);
		assert_int_equal(
		    watched(fake, &observers[i], START + STALENESS).known, RECORD_UNKNOWN);
	}
	/* Good again, then past the next bound: told again. */
	jg_directory_good(fake->directory, START + STALENESS);
	assert_int_equal(watched(fake, &observers[0], START + STALENESS).known, RECORD_KNOWN);
	jg_directory_tick(fake->directory, START + 2 * STALENESS);
	assert_int_equal(observers[0].told, 2);
	jg_directory_unwatch(&observers[0].watch);
	jg_directory_unwatch(&observers[1].watch);
}

static void
a_change_that_cannot_be_read_is_told_at_the_bound(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	make_known(fake, "a", 1, START);
	watch(fake, "a", START, &observer);
	change(fake, "a", START + 1);
	fake_reply(fake, FEED_FAILED, 0, START + 2);
	assert_int_equal(observer.told, 0);
	/* The link is good, but this record's bound stays where it was when it changed. */
	jg_directory_good(fake->directory, START + 3000);
	assert_int_equal(watched(fake, &observer, START + STALENESS - 1).known, RECORD_KNOWN);
	assert_int_equal(watched(fake, &observer, START + STALENESS).known, RECORD_UNKNOWN);
	fake->out_of_reach = true;
	jg_directory_tick(fake->directory, START + STALENESS - 1);
	assert_int_equal(observer.told, 0);
	jg_directory_tick(fake->directory, START + STALENESS);
	jg_directory_tick(fake->directory, START + STALENESS + 50);
	assert_int_equal(observer.told, 1);
	/* Once it can be had it is read, and told again. */
	fake->out_of_reach = false;
	jg_directory_tick(fake->directory, START + STALENESS + 100);
	fake_reply(fake, FEED_RECORD, 2, START + STALENESS + 101);
	assert_int_equal(observer.told, 2);
	assert_int_equal(version_of(watched(fake, &observer, START + STALENESS + 101)), 2);
	jg_directory_unwatch(&observer.watch);
}

static void
a_flush_that_cannot_be_read_is_told_at_the_bound(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	make_known(fake, "a", 1, START);
	watch(fake, "a", START, &observer);
	fake->out_of_reach = true; /* memory is short: no read can be sent */
	jg_directory_invalidate_all(fake->directory, START + 1);
	jg_directory_good(fake->directory, START + 3000);
	jg_directory_tick(fake->directory, START + STALENESS - 1);
	assert_int_equal(observer.told, 0);
	jg_directory_tick(fake->directory, START + STALENESS);
	assert_int_equal(observer.told, 1);
	assert_int_equal(watched(fake, &observer, START + STALENESS).known, RECORD_UNKNOWN);
	jg_directory_unwatch(&observer.watch);
}

/* A silent store: the read is sent, and neither reply nor failure comes. */
static void
a_read_without_reply_is_told_at_the_bound(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	make_known(fake, "a", 1, START);
	watch(fake, "a", START, &observer);
	change(fake, "a", START + 1);
	change(fake, "a", START + 2);
	jg_directory_good(fake->directory, START + 3000);
	jg_directory_tick(fake->directory, START + STALENESS - 1);
	assert_int_equal(observer.told, 0);
	jg_directory_tick(fake->directory, START + STALENESS);
	jg_directory_tick(fake->directory, START + STALENESS + 1);
	assert_int_equal(observer.told, 1);
	assert_int_equal(watched(fake, &observer, START + STALENESS).known, RECORD_UNKNOWN);
	fake_reply(fake, FEED_RECORD, 2, START + STALENESS + 2); /* overtaken */
	fake_reply(fake, FEED_RECORD, 3, START + STALENESS + 3);
	assert_int_equal(observer.told, 2);
	jg_directory_unwatch(&observer.watch);
}

static void
after_a_reconnect_what_is_watched_is_read_by_itself(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	make_known(fake, "a", 1, START);
	make_known(fake, "idle", 1, START);
	watch(fake, "a", START, &observer);
	jg_directory_good(fake->directory, START + 1000);
	fake_break(fake, START + 2000);
	fake_up(fake, START + 2500);
	assert_int_equal(fake_pending(fake), 1);
	assert_string_equal(fake->ids[fake->first], "a");
	/* Until it is here the watcher may go on, up to the bound of the link that is no more. */
	assert_int_equal(
	    watched(fake, &observer, START + 1000 + STALENESS - 1).known, RECORD_KNOWN);
	assert_int_equal(watched(fake, &observer, START + 1000 + STALENESS).known, RECORD_UNKNOWN);
	expect_pending(fake, "a", START + 2500, NULL);
	jg_directory_tick(fake->directory, START + 1000 + STALENESS - 1);
	assert_int_equal(observer.told, 0);
	jg_directory_tick(fake->directory, START + 1000 + STALENESS);
	jg_directory_tick(fake->directory, START + 1000 + STALENESS + 1);
	assert_int_equal(observer.told, 1);
	fake_reply(fake, FEED_RECORD, 1, START + 6500);
	assert_int_equal(observer.told, 2);
	assert_int_equal(watched(fake, &observer, START + 6500).known, RECORD_KNOWN);
	jg_directory_unwatch(&observer.watch);
}

#define MANY 600
#define AT_ONCE 256 /* re-reads under way */

static void
many_are_read_again_some_at_a_time(void **state)
{
	struct fake *fake = *state;
	struct observer observers[MANY];
	uint64_t now = START + 200;

	for (size_t i = 0; i < MANY; i++) {
		char id[16];

		snprintf(id, sizeof(id), "t%zu", i);
		make_known(fake, id, 1, START);
		observers[i] = OBSERVER;
		watch(fake, id, START, &observers[i]);
	}
	assert_int_equal(stats_of(fake).watched, MANY);
	fake_break(fake, START + 100);
	fake_up(fake, now);
	assert_int_equal(fake_pending(fake), AT_ONCE);
	jg_directory_tick(fake->directory, now);
	assert_int_equal(fake_pending(fake), AT_ONCE);
	/* Each reply makes room for one more. */
	fake_reply(fake, FEED_RECORD, 2, now);
	assert_int_equal(fake_pending(fake), AT_ONCE);
	/* A failure does not: the link may be about to break. The next tick goes on. */
	fake_reply(fake, FEED_FAILED, 0, now);
	assert_int_equal(fake_pending(fake), AT_ONCE - 1);
	jg_directory_tick(fake->directory, now + 1);
	assert_int_equal(fake_pending(fake), AT_ONCE);
	while (fake_pending(fake) > 0)
		fake_reply(fake, FEED_RECORD, 2, now + 2);
	/* All but the one that failed, which is not asked for again before its time. */
	jg_directory_tick(fake->directory, now + 99);
	assert_int_equal(fake_pending(fake), 0);
	jg_directory_tick(fake->directory, now + 100);
	assert_int_equal(fake_pending(fake), 1);
	fake_reply(fake, FEED_RECORD, 2, now + 101);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(observers[i].told, 1);
		assert_int_equal(version_of(watched(fake, &observers[i], now + 101)), 2);
		jg_directory_unwatch(&observers[i].watch);
	}
	assert_int_equal(fake->count, 2 * MANY + 1);
}

static void
a_flush_while_reading_again_reads_again(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	make_known(fake, "a", 1, START);
	watch(fake, "a", START, &observer);
	for (uint64_t i = 1; i <= 3; i++)
		jg_directory_invalidate_all(fake->directory, START + i);
	assert_int_equal(fake_pending(fake), 1);
	fake_reply(fake, FEED_RECORD, 2, START + 9); /* asked before the last flush */
	assert_int_equal(observer.told, 0);
	fake_reply(fake, FEED_ABSENT, 0, START + 10);
	assert_int_equal(observer.told, 1);
	assert_int_equal(watched(fake, &observer, START + 10).known, RECORD_ABSENT);
	jg_directory_unwatch(&observer.watch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(one_who_watches_is_told_of_a_change),
	    TEST(a_new_asker_waits_for_what_the_watcher_may_still_use),
	    TEST(one_who_unwatches_is_not_told),
	    TEST(a_changed_record_goes_with_its_last_watcher),
	    TEST(the_bound_is_told_once),
	    TEST(a_change_that_cannot_be_read_is_told_at_the_bound),
	    TEST(a_flush_that_cannot_be_read_is_told_at_the_bound),
	    TEST(a_read_without_reply_is_told_at_the_bound),
	    TEST(after_a_reconnect_what_is_watched_is_read_by_itself),
	    TEST(many_are_read_again_some_at_a_time),
	    TEST(a_flush_while_reading_again_reads_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
