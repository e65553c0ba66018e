/* directory_callback_test.c - what waiters and watches may do in their callbacks. */
#include "directory_watch_world.h"

/* ---- what those who are told may do ---- */

static void
unwatch_all(struct observer *observer)
{
	struct observer *all = observer->ctx;

	for (size_t i = 0; i < 3; i++)
		jg_directory_unwatch(&all[i].watch);
}

static void
unwatch_itself(struct observer *observer)
{
	jg_directory_unwatch(&observer->watch);
}

/* Watches of one record, told of a change. */
static void
one_who_is_told_may_unwatch_any(void **state)
{
	struct fake *fake = *state;
	struct observer all[3] = {OBSERVER, OBSERVER, OBSERVER};

	make_known(fake, "a", 1, START);
	for (size_t i = 0; i < 3; i++) {
		all[i].then = unwatch_itself;
		watch(fake, "a", START, &all[i]);
	}
	change(fake, "a", START);
	fake_reply(fake, FEED_RECORD, 2, START);
	assert_int_equal(all[0].told + all[1].told + all[2].told, 3);
	assert_int_equal(stats_of(fake).watched, 0);
	for (size_t i = 0; i < 3; i++) {
		all[i].then = unwatch_all;
		all[i].ctx = all;
		watch(fake, "a", START, &all[i]);
	}
	change(fake, "a", START);
	fake_reply(fake, FEED_RECORD, 3, START);
	assert_int_equal(all[0].told + all[1].told + all[2].told, 4);
	assert_int_equal(stats_of(fake).watched, 0);
	assert_int_equal(known_version(fake, "a", START), 3);
}

/* Watches of several records, told of the bound: the walk over the records goes on. */
static void
one_who_is_told_of_the_bound_may_unwatch_any(void **state)
{
	struct fake *fake = *state;
	static const char *const ids[3] = {"a", "b", "c"};
	struct observer all[3] = {OBSERVER, OBSERVER, OBSERVER};

	for (size_t i = 0; i < 3; i++) {
		make_known(fake, ids[i], 1, START);
		watch(fake, ids[i], START, &all[i]);
		all[i].then = unwatch_itself;
	}
	jg_directory_tick(fake->directory, START + STALENESS);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(all[i].told, 1);
		assert_null(all[i].watch.entry);
	}
	jg_directory_good(fake->directory, START + STALENESS);
	for (size_t i = 0; i < 3; i++) {
		watch(fake, ids[i], START + STALENESS, &all[i]);
		all[i].then = unwatch_all;
		all[i].ctx = all;
	}
	jg_directory_tick(fake->directory, START + 2 * STALENESS);
	assert_int_equal(all[0].told + all[1].told + all[2].told, 4);
	assert_int_equal(stats_of(fake).watched, 0);
	assert_int_equal(stats_of(fake).entries, 3);
}

/* The same where the records are in doubt, and so vanish with their watchers. */
static void
one_who_is_told_of_a_doubt_may_unwatch_any(void **state)
{
	struct fake *fake = *state;
	static const char *const ids[3] = {"a", "b", "c"};
	struct observer all[3] = {OBSERVER, OBSERVER, OBSERVER};

	for (size_t i = 0; i < 3; i++) {
		make_known(fake, ids[i], 1, START);
		watch(fake, ids[i], START, &all[i]);
		all[i].then = unwatch_all;
		all[i].ctx = all;
	}
	fake->out_of_reach = true;
	for (size_t i = 0; i < 3; i++)
		change(fake, ids[i], START);
	jg_directory_good(fake->directory, START + STALENESS - 1);
	jg_directory_tick(fake->directory, START + STALENESS);
	assert_int_equal(all[0].told + all[1].told + all[2].told, 1);
	assert_int_equal(stats_of(fake).entries, 0);
}

static void
one_who_comes_to_watch_meanwhile_knows_already(void **state)
{
	struct fake *fake = *state;
	struct observer first = OBSERVER, second = OBSERVER;

	make_known(fake, "a", 1, START);
	watch(fake, "a", START, &first);
	first.then = watch_another;
	first.ctx = &second;
	change(fake, "a", START);
	fake_reply(fake, FEED_RECORD, 2, START);
	assert_int_equal(first.told, 1);
	assert_int_equal(second.told, 0);
	assert_int_equal(stats_of(fake).watched, 1);
	change(fake, "a", START);
	fake_reply(fake, FEED_RECORD, 3, START);
	assert_int_equal(second.told, 1);
	jg_directory_unwatch(&second.watch);
}

/* As the gateway does it: who waited looks up and watches while it is told. */
static void
one_who_waited_may_watch_at_once(void **state)
{
	struct fake *fake = *state;
	struct exchange_like ones[2];

	for (size_t i = 0; i < 2; i++) {
		ones[i] =
		    (struct exchange_like){.asker = ASKER, .observer = OBSERVER, .fake = fake};
		ones[i].asker.then = look_up_and_watch;
		ones[i].asker.ctx = &ones[i];
		expect_pending(fake, "a", START, &ones[i].asker);
	}
	fake_reply(fake, FEED_RECORD, 1, START);
	assert_int_equal(stats_of(fake).watched, 1);
	change(fake, "a", START);
	fake_reply(fake, FEED_RECORD, 2, START);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(ones[i].observer.told, 1);
		jg_directory_unwatch(&ones[i].observer.watch);
	}
}

static void
who_outlives_the_directory_is_let_go(void **state)
{
	struct fake fake;
	struct observer observer = OBSERVER;
	struct asker asker = ASKER;

	(void)state;
	fake_init(&fake, 10);
	fake_up(&fake, START);
	make_known(&fake, "a", 1, START);
	watch(&fake, "a", START, &observer);
	expect_pending(&fake, "b", START, &asker);
	jg_directory_free(fake.directory);
	assert_null(observer.watch.entry);
	assert_null(asker.waiter.entry);
	jg_directory_unwatch(&observer.watch);
	jg_directory_forget(&asker.waiter);
	assert_int_equal(observer.told + asker.answered, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(one_who_is_told_may_unwatch_any),
	    TEST(one_who_is_told_of_the_bound_may_unwatch_any),
	    TEST(one_who_is_told_of_a_doubt_may_unwatch_any),
	    TEST(one_who_comes_to_watch_meanwhile_knows_already),
	    TEST(one_who_waited_may_watch_at_once),
	    cmocka_unit_test(who_outlives_the_directory_is_let_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
