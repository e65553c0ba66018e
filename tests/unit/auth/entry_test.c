/*
 * entry_test.c - the limit on entries: which are evicted, which stay, and what is remembered of
 * links.
 */
#include "directory_fake.h"

#include "auth/entry.h"

#define ROOM 4

static int
small_setup(void **state)
{
	struct fake *fake = malloc(sizeof(*fake));

	if (fake == NULL)
		return -1;
	fake_init(fake, ROOM);
	fake_up(fake, START);
	*state = fake;
	return 0;
}

/* True when it is in the cache; asks nothing of the store. */
static bool
is_cached(struct fake *fake, const char *id)
{
	struct directory *directory = fake->directory;

	return entry_find(directory, RECORD_TOKEN, slice_of(id),
		   table_hash(&directory->table, RECORD_TOKEN, slice_of(id))) != NULL;
}

/* Fill the directory with "0", "1", ..., read one millisecond after the other. */
static void
fill(struct fake *fake)
{
	for (size_t i = 0; i < ROOM; i++) {
		const char id[] = {(char)('0' + i), '\0'};

		make_known(fake, id, i, START + i);
	}
	assert_int_equal(stats_of(fake).entries, ROOM);
}

/* Which of those that were filled in are still there: a bit for each. */
static unsigned
those_left(struct fake *fake)
{
	unsigned left = 0;

	for (size_t i = 0; i < ROOM; i++)
		left |= (unsigned)is_cached(fake, (const char[]){(char)('0' + i), '\0'}) << i;
	return left;
}

static void
a_new_entry_takes_the_place_of_one_not_used(void **state)
{
	struct fake *fake = *state;
	const char *stays;

	fill(fake);
	/* All were used when they were asked for: a round takes that from them, and one goes. */
	make_known(fake, "x", 9, START + 100);
	assert_int_equal(stats_of(fake).entries, ROOM);
	assert_int_equal(stats_of(fake).evictions, 1);
	assert_int_equal(__builtin_popcount(those_left(fake)), ROOM - 1);
	/* Of those that are left one is used, and so stays while others go. */
	stays = is_cached(fake, "1") ? "1" : "2";
	known_version(fake, stays, START + 101);
	make_known(fake, "y", 9, START + 102);
	assert_true(is_cached(fake, stays) && is_cached(fake, "x"));
	assert_int_equal(__builtin_popcount(those_left(fake)), ROOM - 2);
	assert_int_equal(stats_of(fake).entries, ROOM);
	assert_int_equal(stats_of(fake).evictions, 2);
	for (unsigned i = 0; i < 3; i++) {
		const char id[] = {(char)('p' + i), '\0'};

		known_version(fake, stays, START + 103 + i);
		make_known(fake, id, 9, START + 103 + i);
		assert_true(is_cached(fake, stays));
	}
	/* Who was evicted is read again. */
	stays = is_cached(fake, "0") ? "3" : "0";
	make_known(fake, stays, 5, START + 110);
	assert_int_equal(known_version(fake, stays, START + 110), 5);
}

static void
the_bound_is_never_passed(void **state)
{
	struct fake *fake = *state;

	for (unsigned i = 0; i < 1000; i++) {
		char id[16];

		snprintf(id, sizeof(id), "t%u", i * 7919 % 100);
		if (look_up(fake, RECORD_TOKEN, id, START + i, NULL).pending)
			fake_reply(fake, i % 3 ? FEED_RECORD : FEED_ABSENT, i, START + i);
		assert_true(stats_of(fake).entries <= ROOM);
	}
	assert_int_equal(stats_of(fake).entries, ROOM);
	assert_true(stats_of(fake).evictions > 500);
}

static void
what_was_handed_out_just_now_stays(void **state)
{
	struct fake *fake = *state;
	struct directory_answer answer;
	struct observer observer = OBSERVER;

	fill(fake);
	for (size_t i = 0; i < ROOM; i++)
		known_version(fake, (const char[]){(char)('0' + i), '\0'}, START + 100);
	answer = look_up(fake, RECORD_TOKEN, "0", START + 100, NULL);
	/* In the same millisecond nothing may go: the asker might not have come to watch it yet. */
	expect_unknown(fake, "x", START + 100);
	assert_int_equal(stats_of(fake).evictions, 0);
	jg_directory_watch(answer.entry, &observer.watch);
	make_known(fake, "x", 9, START + 101);
	assert_true(is_cached(fake, "0"));
	jg_directory_unwatch(&observer.watch);
}

static void
what_is_watched_or_being_read_stays(void **state)
{
	struct fake *fake = *state;
	struct observer observers[2] = {OBSERVER, OBSERVER};
	struct asker asker = ASKER;

	fill(fake);
	watch(fake, "0", START + 10, &observers[0]);
	watch(fake, "1", START + 10, &observers[1]);
	expect_pending(fake, "x", START + 20, &asker);
	expect_pending(fake, "y", START + 20, NULL);
	assert_int_equal(stats_of(fake).evictions, 2);
	/* Now there is nothing that could go. */
	expect_unknown(fake, "z", START + 30);
	assert_int_equal(fake_pending(fake), 2);
	assert_true(is_cached(fake, "0") && is_cached(fake, "1"));
	fake_reply(fake, FEED_RECORD, 1, START + 31);
	assert_int_equal(asker.answered, 1);
	expect_pending(fake, "z", START + 32, NULL);
	assert_false(is_cached(fake, "x"));
	jg_directory_unwatch(&observers[0].watch);
	jg_directory_unwatch(&observers[1].watch);
}

/* One round has an end, even where every entry was used since the last one. */
static void
among_many_that_are_used_one_goes(void **state)
{
	struct fake fake;

	(void)state;
	fake_init(&fake, 500);
	fake_up(&fake, START);
	for (unsigned i = 0; i <= 500; i++) {
		char id[16];

		snprintf(id, sizeof(id), "t%u", i);
		make_known(&fake, id, 1, START + i);
	}
	assert_int_equal(stats_of(&fake).entries, 500);
	assert_int_equal(stats_of(&fake).evictions, 1);
	jg_directory_free(fake.directory);
}

static void
a_failure_is_kept_and_evicted_like_a_record(void **state)
{
	struct fake *fake = *state;

	expect_pending(fake, "bad", START, NULL);
	fake_reply(fake, FEED_FAILED, 0, START);
	assert_true(is_cached(fake, "bad"));
	fill(fake);
	assert_int_equal(stats_of(fake).evictions, 1);
	/* Which one went depends on the hash; as long as others come, its turn comes. */
	for (size_t i = 0; i < 2 * ROOM && is_cached(fake, "bad"); i++)
		make_known(fake, (const char[]){(char)('a' + i), '\0'}, i, START + ROOM + i);
	assert_false(is_cached(fake, "bad"));
}

static void
an_id_that_no_entry_can_hold_is_unknown(void **state)
{
	struct fake *fake = *state;
	char id[257];

	memset(id, 'a', sizeof(id));
	assert_int_equal(
	    jg_directory_lookup(fake->directory, RECORD_TOKEN, (struct slice){id, 256}, START, NULL)
		.known,
	    RECORD_UNKNOWN);
	assert_int_equal(fake->count, 0);
	assert_true(
	    jg_directory_lookup(fake->directory, RECORD_TOKEN, (struct slice){id, 255}, START, NULL)
		.pending);
}

static void
ids_are_told_apart_to_the_last_byte(void **state)
{
	struct fake *fake = *state;

	make_known(fake, "ab", 1, START);
	make_known(fake, "abc", 2, START);
	make_known(fake, "abd", 3, START);
	assert_int_equal(known_version(fake, "ab", START), 1);
	assert_int_equal(known_version(fake, "abc", START), 2);
	assert_int_equal(known_version(fake, "abd", START), 3);
}

/* A caller may still look at a record that went while he was told of something else. */
static void
the_dead_are_buried_by_a_later_tick(void **state)
{
	struct fake *fake = *state;
	struct directory_answer answer;

	make_known(fake, "a", 7, START);
	answer = look_up(fake, RECORD_TOKEN, "a", START, NULL);
	change(fake, "a", START);
	assert_int_equal(stats_of(fake).entries, 0);
	assert_int_equal(version_of(answer), 7);
	assert_false(TAILQ_EMPTY(&fake->directory->dead));
	jg_directory_tick(fake->directory, START + 1);
	assert_true(TAILQ_EMPTY(&fake->directory->dead));
}

/* ---- how long what was read by a link that is no more may be relied on ---- */

static void
links_are_remembered_and_forgotten(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	make_known(fake, "a", 1, START);
	watch(fake, "a", START, &observer);
	/* Links come and go, and none of them brings a reply. */
	for (unsigned i = 1; i < EPOCHS_MAX; i++) {
		fake_break(fake, START + i);
		fake_up(fake, START + i);
		assert_int_equal(watched(fake, &observer, START + i).known, RECORD_KNOWN);
		/* Never beyond the bound of the link by which it was read. */
		assert_int_equal(watched(fake, &observer, START + STALENESS).known, RECORD_UNKNOWN);
	}
	fake_break(fake, START + 50);
	fake_up(fake, START + 50);
	assert_int_equal(watched(fake, &observer, START + 50).known, RECORD_UNKNOWN);
	assert_int_equal(observer.told, 0);
	jg_directory_tick(fake->directory, START + STALENESS);
	assert_int_equal(observer.told, 1);
	jg_directory_unwatch(&observer.watch);
}

/* The limits come with the options: a simulator makes them small. */
static void
limits_are_tuned(void **state)
{
	const struct directory_tuning tuning = {.refreshing_max = 1, .retry_ms = 7, .epochs = 2};
	struct fake *fake = *state;
	struct observer one = OBSERVER, other = OBSERVER;

	fake->directory->options.tuning = &tuning;
	make_known(fake, "a", 1, START);
	make_known(fake, "b", 1, START);
	watch(fake, "a", START, &one);
	watch(fake, "b", START, &other);
	fake_break(fake, START + 1);
	fake_up(fake, START + 1);
	assert_int_equal(fake_pending(fake), 1);
	assert_int_equal(watched(fake, &one, START + 1).known, RECORD_KNOWN);
	fake_reply(fake, FEED_FAILED, 0, START + 2);
	assert_true(entry_failed_lately(one.watch.entry, START + 8));
	assert_false(entry_failed_lately(one.watch.entry, START + 9));
	fake_break(fake, START + 10);
	fake_up(fake, START + 10);
	assert_int_equal(watched(fake, &one, START + 10).known, RECORD_UNKNOWN);
	jg_directory_unwatch(&one.watch);
	jg_directory_unwatch(&other.watch);
}

static void
a_change_counts_from_the_moment_it_is_known(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;
	struct directory_entry *entry;

	make_known(fake, "a", 1, START);
	watch(fake, "a", START, &observer);
	entry = observer.watch.entry;
	assert_true(entry_is_current(entry));
	jg_directory_good(fake->directory, START + 10);
	assert_int_equal(entry_until(entry), START + 10 + STALENESS);
	change(fake, "a", START + 20);
	assert_false(entry_is_current(entry));
	jg_directory_good(fake->directory, START + 30);
	fake_reply(fake, FEED_FAILED, 0, START + 40);
	assert_int_equal(entry_until(entry), START + 10 + STALENESS);
	assert_true(entry_failed_lately(entry, START + 139));
	assert_false(entry_failed_lately(entry, START + 140));
	/* Changed once more: no longer than before, and read again at once. */
	change(fake, "a", START + 50);
	assert_int_equal(entry_until(entry), START + 10 + STALENESS);
	assert_int_equal(fake_pending(fake), 1);
	jg_directory_unwatch(&observer.watch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, small_setup, fake_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_new_entry_takes_the_place_of_one_not_used),
	    TEST(the_bound_is_never_passed),
	    TEST(what_was_handed_out_just_now_stays),
	    TEST(what_is_watched_or_being_read_stays),
	    cmocka_unit_test(among_many_that_are_used_one_goes),
	    TEST(a_failure_is_kept_and_evicted_like_a_record),
	    TEST(an_id_that_no_entry_can_hold_is_unknown),
	    TEST(ids_are_told_apart_to_the_last_byte),
	    TEST(the_dead_are_buried_by_a_later_tick),
	    TEST(links_are_remembered_and_forgotten),
	    TEST(limits_are_tuned),
	    TEST(a_change_counts_from_the_moment_it_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
