/* directory_test.c - who is told what, and when: look-ups, invalidations, the staleness clock. */
#include "directory_fake.h"

/* ---- looking up ---- */

static void
nothing_is_known_before_the_link_is_up(void **state)
{
	struct fake fake;

	(void)state;
	fake_init(&fake, 10);
	assert_false(jg_directory_ready(fake.directory, 0));
	expect_unknown(&fake, "a", 0);
	jg_directory_tick(fake.directory, 0);
	assert_int_equal(fake.count, 0);
	assert_int_equal(stats_of(&fake).entries, 0);
	jg_directory_free(fake.directory);
	jg_directory_free(NULL);
}

static void
all_who_ask_share_one_read(void **state)
{
	struct fake *fake = *state;
	struct asker askers[3] = {ASKER, ASKER, ASKER};

	for (size_t i = 0; i < 3; i++)
		expect_pending(fake, "a", START + i, &askers[i]);
	expect_pending(fake, "a", START + 3, NULL); /* does not wait */
	assert_int_equal(fake->count, 1);
	assert_string_equal(fake->ids[0], "a");
	assert_int_equal(fake->kinds[0], RECORD_TOKEN);
	fake_reply(fake, FEED_RECORD, 7, START + 9);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(askers[i].answered, 1);
	assert_int_equal(known_version(fake, "a", START + 10), 7);
	assert_int_equal(known_version(fake, "a", START + 11), 7);
	assert_int_equal(fake->count, 1);
	assert_int_equal(stats_of(fake).hits, 2);
	assert_int_equal(stats_of(fake).misses, 4);
	assert_int_equal(stats_of(fake).entries, 1);
}

static void
a_token_is_no_job(void **state)
{
	struct fake *fake = *state;

	make_known(fake, "a", 7, START);
	assert_true(look_up(fake, RECORD_JOB, "a", START, NULL).pending);
	assert_int_equal(fake->kinds[1], RECORD_JOB);
	fake_reply(fake, FEED_RECORD, 80, START);
	assert_int_equal(version_of(look_up(fake, RECORD_JOB, "a", START, NULL)), 80);
	assert_int_equal(known_version(fake, "a", START), 7);
	jg_directory_invalidate(fake->directory, RECORD_JOB, SLICE("a"), START);
	assert_int_equal(known_version(fake, "a", START), 7);
	assert_true(look_up(fake, RECORD_JOB, "a", START, NULL).pending);
}

static void
that_there_is_none_is_known_too(void **state)
{
	struct fake *fake = *state;
	struct directory_answer answer;

	expect_pending(fake, "a", START, NULL);
	fake_reply(fake, FEED_ABSENT, 0, START);
	for (int i = 0; i < 2; i++) {
		answer = look_up(fake, RECORD_TOKEN, "a", START, NULL);
		assert_false(answer.pending);
		assert_int_equal(answer.known, RECORD_ABSENT);
		assert_non_null(answer.entry);
	}
	assert_int_equal(fake->count, 1);
	/* It is created: the key is tracked although it was missing. */
	change(fake, "a", START);
	make_known(fake, "a", 1, START);
	assert_int_equal(known_version(fake, "a", START), 1);
	/* And deleted again. */
	change(fake, "a", START);
	expect_pending(fake, "a", START, NULL);
	fake_reply(fake, FEED_ABSENT, 0, START);
	assert_int_equal(look_up(fake, RECORD_TOKEN, "a", START, NULL).known, RECORD_ABSENT);
}

/* A record that breaks the rules is absent, but its key is not free. */
static void
that_it_is_broken_is_known_too(void **state)
{
	static const enum feed feeds[] = {FEED_BROKEN, FEED_ABSENT, FEED_BROKEN, FEED_RECORD};
	struct fake *fake = *state;
	struct directory_answer answer;

	for (size_t i = 0; i < sizeof(feeds) / sizeof(feeds[0]); i++) {
		expect_pending(fake, "a", START, NULL);
		fake_reply(fake, feeds[i], 1, START);
		answer = look_up(fake, RECORD_TOKEN, "a", START, NULL);
		assert_int_equal(
		    answer.known, feeds[i] == FEED_RECORD ? RECORD_KNOWN : RECORD_ABSENT);
		assert_int_equal(answer.broken, feeds[i] == FEED_BROKEN);
		assert_non_null(answer.entry);
		change(fake, "a", START);
	}
}

static void
a_failed_read_is_not_tried_again_at_once(void **state)
{
	struct fake *fake = *state;
	struct asker asker = ASKER;

	expect_pending(fake, "a", START, &asker);
	fake_reply(fake, FEED_FAILED, 0, START + 10);
	assert_int_equal(asker.answered, 1);
	expect_unknown(fake, "a", START + 10);
	expect_unknown(fake, "a", START + 109);
	assert_int_equal(fake->count, 1);
	expect_pending(fake, "a", START + 110, NULL);
	fake_reply(fake, FEED_RECORD, 1, START + 110);
	assert_int_equal(known_version(fake, "a", START + 110), 1);
}

static void
a_new_link_is_a_new_chance(void **state)
{
	struct fake *fake = *state;

	expect_pending(fake, "a", START, NULL);
	fake_break(fake, START + 10);
	expect_unknown(fake, "a", START + 11);
	fake_up(fake, START + 12);
	expect_pending(fake, "a", START + 13, NULL);
}

static void
a_read_that_cannot_be_sent_leaves_nothing(void **state)
{
	struct fake *fake = *state;

	fake->out_of_reach = true; /* the link knows before the directory does */
	expect_unknown(fake, "a", START);
	assert_int_equal(stats_of(fake).entries, 0);
	fake->out_of_reach = false;
	expect_pending(fake, "a", START, NULL);
}

static void
who_forgets_is_not_called(void **state)
{
	struct fake *fake = *state;
	struct asker stays = ASKER, leaves = ASKER;

	expect_pending(fake, "a", START, &leaves);
	expect_pending(fake, "a", START, &stays);
	jg_directory_forget(&leaves.waiter);
	jg_directory_forget(&leaves.waiter);
	assert_null(leaves.waiter.entry);
	fake_reply(fake, FEED_RECORD, 1, START);
	assert_int_equal(leaves.answered, 0);
	assert_int_equal(stays.answered, 1);
	jg_directory_forget(&stays.waiter);

	/* Without waiters the reply is kept, too. */
	expect_pending(fake, "b", START, &leaves);
	jg_directory_forget(&leaves.waiter);
	fake_reply(fake, FEED_RECORD, 2, START);
	assert_int_equal(known_version(fake, "b", START), 2);
}

static void
forget_the_other(struct asker *asker)
{
	jg_directory_forget(asker->ctx);
}

static void
one_who_is_told_may_stop_another_from_waiting(void **state)
{
	struct fake *fake = *state;
	struct asker first = ASKER, second = ASKER;

	first.then = forget_the_other;
	first.ctx = &second.waiter;
	expect_pending(fake, "a", START, &first);
	expect_pending(fake, "a", START, &second);
	fake_reply(fake, FEED_RECORD, 1, START);
	assert_int_equal(first.answered, 1);
	assert_int_equal(second.answered, 0);
}

static void
ask_again(struct asker *asker)
{
	struct fake *fake = asker->ctx;

	look_up(fake, RECORD_TOKEN, "a", START + 500, asker);
}

/* The waiter's turn to ask again comes within the reply's: that must neither loop nor be lost. */
static void
one_who_is_told_may_wait_again(void **state)
{
	struct fake *fake = *state;
	struct asker asker = ASKER;

	asker.then = ask_again;
	asker.ctx = fake;
	expect_pending(fake, "a", START, &asker);
	/* It failed so long ago by the waiter's clock that another read is sent from within. */
	fake_reply(fake, FEED_FAILED, 0, START);
	assert_int_equal(asker.answered, 1);
	assert_int_equal(fake_pending(fake), 1);
	assert_non_null(asker.waiter.entry);
	asker.then = NULL;
	fake_reply(fake, FEED_RECORD, 1, START + 501);
	assert_int_equal(asker.answered, 2);
	assert_int_equal(known_version(fake, "a", START + 501), 1);
}

/* ---- invalidations ---- */

static void
what_has_changed_is_read_again(void **state)
{
	struct fake *fake = *state;

	make_known(fake, "a", 1, START);
	make_known(fake, "b", 1, START);
	change(fake, "a", START + 1);
	assert_int_equal(fake_pending(fake), 0); /* not watched: read when it is looked up */
	assert_int_equal(stats_of(fake).entries, 1);
	assert_int_equal(known_version(fake, "b", START + 1), 1);
	make_known(fake, "a", 2, START + 2);
	assert_int_equal(known_version(fake, "a", START + 2), 2);
	change(fake, "never looked up", START + 2);
	assert_int_equal(stats_of(fake).invalidations, 2);
	assert_int_equal(stats_of(fake).entries, 2);
}

static void
an_overtaken_reply_is_not_kept(void **state)
{
	struct fake *fake = *state;
	struct asker asker = ASKER;

	expect_pending(fake, "a", START, &asker);
	change(fake, "a", START + 1);
	fake_reply(fake, FEED_RECORD, 1, START + 2); /* from before the change */
	assert_int_equal(asker.answered, 0);
	assert_int_equal(fake_pending(fake), 1);
	/* And once more, with one who asks meanwhile. */
	change(fake, "a", START + 3);
	expect_pending(fake, "a", START + 3, NULL);
	fake_reply(fake, FEED_ABSENT, 0, START + 4);
	assert_int_equal(asker.answered, 0);
	assert_int_equal(fake_pending(fake), 1);
	fake_reply(fake, FEED_RECORD, 3, START + 5);
	assert_int_equal(asker.answered, 1);
	assert_int_equal(known_version(fake, "a", START + 5), 3);
	assert_int_equal(fake->count, 3);
}

static void
an_overtaken_reply_without_waiters_is_dropped(void **state)
{
	struct fake *fake = *state;

	expect_pending(fake, "a", START, NULL);
	change(fake, "a", START);
	fake_reply(fake, FEED_RECORD, 1, START);
	assert_int_equal(fake->count, 1);
	assert_int_equal(stats_of(fake).entries, 0);
	expect_pending(fake, "a", START, NULL);
}

static void
an_overtaken_reply_without_another_read_ends_the_waiting(void **state)
{
	struct fake *fake = *state;
	struct asker asker = ASKER;

	expect_pending(fake, "a", START, &asker);
	change(fake, "a", START);
	fake->out_of_reach = true;
	fake_reply(fake, FEED_RECORD, 1, START);
	assert_int_equal(asker.answered, 1);
	expect_unknown(fake, "a", START);

	fake->out_of_reach = false;
	asker = ASKER;
	expect_pending(fake, "b", START, &asker);
	change(fake, "b", START);
	fake_reply(fake, FEED_FAILED, 0, START);
	assert_int_equal(asker.answered, 1);
	expect_unknown(fake, "b", START);
}

static void
a_flush_changes_everything(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;
	struct asker asker = ASKER;

	make_known(fake, "a", 1, START);
	make_known(fake, "watched", 1, START);
	watch(fake, "watched", START, &observer);
	expect_pending(fake, "in flight", START, &asker);
	jg_directory_invalidate_all(fake->directory, START + 1);
	assert_int_equal(fake->count, 4); /* the watched one, by itself */
	fake_reply(fake, FEED_RECORD, 1, START + 2);
	assert_int_equal(asker.answered, 0);
	assert_int_equal(fake->count, 5); /* that which was in flight, again */
	fake_reply(fake, FEED_ABSENT, 0, START + 2);
	assert_int_equal(observer.told, 1);
	assert_int_equal(watched(fake, &observer, START + 2).known, RECORD_ABSENT);
	fake_reply(fake, FEED_ABSENT, 0, START + 2);
	assert_int_equal(asker.answered, 1);
	expect_pending(fake, "a", START + 2, NULL);
	fake_reply(fake, FEED_ABSENT, 0, START + 2);
	assert_int_equal(look_up(fake, RECORD_TOKEN, "a", START + 2, NULL).known, RECORD_ABSENT);
	/* The link was good all the time: the bound has not moved. */
	assert_true(jg_directory_ready(fake->directory, START + STALENESS - 1));
	assert_false(jg_directory_ready(fake->directory, START + STALENESS));
	assert_int_equal(stats_of(fake).invalidations, 1);
	jg_directory_unwatch(&observer.watch);
}

/* ---- the staleness clock ---- */

static void
nothing_is_answered_past_the_bound(void **state)
{
	struct fake *fake = *state;

	make_known(fake, "a", 1, START);
	assert_int_equal(known_version(fake, "a", START + STALENESS - 1), 1);
	expect_unknown(fake, "a", START + STALENESS);
	expect_unknown(fake, "new", START + STALENESS);
	assert_int_equal(fake->count, 1);
	assert_false(jg_directory_ready(fake->directory, START + STALENESS));
	/* Seen to work again, on the same link: the records are as good as before. */
	jg_directory_good(fake->directory, START + STALENESS);
	assert_int_equal(known_version(fake, "a", START + 2 * STALENESS - 1), 1);
	expect_unknown(fake, "a", START + 2 * STALENESS);
	/* An older answer to an older PING takes nothing back. */
	jg_directory_good(fake->directory, START + 10);
	assert_int_equal(known_version(fake, "a", START + 2 * STALENESS - 1), 1);
	assert_int_equal(stats_of(fake).good_ms, START + STALENESS);
}

static void
a_broken_link_is_lived_without_up_to_the_bound(void **state)
{
	struct fake *fake = *state;
	struct asker asker = ASKER;

	make_known(fake, "a", 1, START);
	expect_pending(fake, "b", START, &asker);
	fake_break(fake, START + 100);
	assert_int_equal(asker.answered, 1);
	assert_int_equal(known_version(fake, "a", START + STALENESS - 1), 1);
	expect_unknown(fake, "b", START + 300);
	expect_unknown(fake, "new", START + 300);
	assert_int_equal(stats_of(fake).entries, 2);
	expect_unknown(fake, "a", START + STALENESS);
	assert_int_equal(fake->count, 2);
}

static void
after_a_reconnect_everything_is_read_again(void **state)
{
	struct fake *fake = *state;

	make_known(fake, "a", 1, START);
	fake_break(fake, START + 100);
	fake_up(fake, START + 200);
	make_known(fake, "a", 2, START + 201);
	assert_int_equal(known_version(fake, "a", START + 200 + STALENESS - 1), 2);
	expect_unknown(fake, "a", START + 200 + STALENESS);
}

/* Two clocks are never mixed: what is read by the new link has the new link's bound alone. */
static void
a_new_link_inherits_no_bound(void **state)
{
	struct fake *fake = *state;

	jg_directory_good(fake->directory, START + 900);
	fake_break(fake, START + 950);
	fake_up(fake, START + 800); /* a clock that was looked at earlier */
	assert_true(jg_directory_ready(fake->directory, START + 800 + STALENESS - 1));
	assert_false(jg_directory_ready(fake->directory, START + 800 + STALENESS));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_known_before_the_link_is_up),
	    TEST(all_who_ask_share_one_read),
	    TEST(a_token_is_no_job),
	    TEST(that_there_is_none_is_known_too),
	    TEST(that_it_is_broken_is_known_too),
	    TEST(a_failed_read_is_not_tried_again_at_once),
	    TEST(a_new_link_is_a_new_chance),
	    TEST(a_read_that_cannot_be_sent_leaves_nothing),
	    TEST(who_forgets_is_not_called),
	    TEST(one_who_is_told_may_stop_another_from_waiting),
	    TEST(one_who_is_told_may_wait_again),
	    TEST(what_has_changed_is_read_again),
	    TEST(an_overtaken_reply_is_not_kept),
	    TEST(an_overtaken_reply_without_waiters_is_dropped),
	    TEST(an_overtaken_reply_without_another_read_ends_the_waiting),
	    TEST(a_flush_changes_everything),
	    TEST(nothing_is_answered_past_the_bound),
	    TEST(a_broken_link_is_lived_without_up_to_the_bound),
	    TEST(after_a_reconnect_everything_is_read_again),
	    TEST(a_new_link_inherits_no_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
