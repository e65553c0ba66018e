/* directory_tell_test.c - very many watches of one record are told in portions, turn by turn. */
#include "directory_watch_world.h"

#define TOLD_MAX 3
#define WATCHES 10
#define WALL 1700000000000 /* the wall clock at START */

static struct observer observers[WATCHES];

static struct directory_tuning tuning;

static int
setup(void **state)
{
	static struct fake fake;

	tuning = jg_tuning.directory;
	tuning.told_max = TOLD_MAX;
	fake_init(&fake, 100);
	fake.directory->options.tuning = &tuning;
	jg_directory_link_up(fake.directory, START);
	for (size_t i = 0; i < WATCHES; i++)
		observers[i] = OBSERVER;
	*state = &fake;
	return 0;
}

static int
teardown(void **state)
{
	struct fake *fake = *state;

	for (size_t i = 0; i < WATCHES; i++)
		jg_directory_unwatch(&observers[i].watch);
	assert_false(jg_directory_tells(fake->directory));
	jg_directory_free(fake->directory);
	return 0;
}

/* Watch a record that is known. */
static void
watch_from(struct fake *fake, const char *id, size_t first, size_t count)
{
	make_known(fake, id, 1, START);
	for (size_t i = first; i < first + count; i++)
		watch(fake, id, START, &observers[i]);
}

static void
delete_it(struct fake *fake, const char *id, uint64_t now_ms)
{
	change(fake, id, now_ms);
	fake_reply(fake, FEED_ABSENT, 0, now_ms);
}

static unsigned
told(void)
{
	unsigned sum = 0;

	for (size_t i = 0; i < WATCHES; i++)
		sum += observers[i].told;
	return sum;
}

static void
each_turn_tells_a_portion(void **state)
{
	struct fake *fake = *state;

	watch_from(fake, "a", 0, WATCHES);
	delete_it(fake, "a", START + 1);
	assert_int_equal(told(), TOLD_MAX);
	/* The others are untold; when they ask, they have no record any more. */
	assert_true(jg_directory_tells(fake->directory));
	assert_int_equal(observers[0].told, 0);
	assert_true(jg_directory_untold(&observers[0].watch));
	assert_int_equal(watched(fake, &observers[0], START + 1).known, RECORD_ABSENT);
	for (unsigned turn = 2; turn <= WATCHES / TOLD_MAX; turn++) {
		jg_directory_turn(fake->directory, START + turn);
		assert_int_equal(told(), turn * TOLD_MAX);
	}
	jg_directory_turn(fake->directory, START + 10);
	assert_false(jg_directory_tells(fake->directory));
	for (size_t i = 0; i < WATCHES; i++) {
		assert_int_equal(observers[i].told, 1);
		assert_false(jg_directory_untold(&observers[i].watch));
	}
	jg_directory_turn(fake->directory, START + 11);
	assert_int_equal(told(), WATCHES);
}

static void
a_tick_does_not_go_on(void **state)
{
	struct fake *fake = *state;

	watch_from(fake, "a", 0, WATCHES);
	delete_it(fake, "a", START + 1);
	jg_directory_tick(fake->directory, START + 2);
	assert_int_equal(told(), TOLD_MAX);
}

static void
few_are_told_at_once(void **state)
{
	struct fake *fake = *state;
	uint64_t changes = jg_directory_changes(fake->directory);

	watch_from(fake, "a", 0, TOLD_MAX);
	delete_it(fake, "a", START + 1);
	assert_int_equal(told(), TOLD_MAX);
	assert_false(jg_directory_tells(fake->directory));
	assert_true(jg_directory_changes(fake->directory) > changes);
}

static unsigned
turn(struct fake *fake, uint64_t now_ms)
{
	unsigned before = told();

	jg_directory_turn(fake->directory, now_ms);
	return told() - before;
}

/* Turns until none is untold, each with a portion at most. */
static void
turn_until_all_are_told(struct fake *fake, uint64_t now_ms, unsigned turns_max)
{
	for (unsigned turns = 0; jg_directory_tells(fake->directory); turns++) {
		assert_true(turns < turns_max);
		assert_true(turn(fake, now_ms) <= TOLD_MAX);
	}
}

/* Those that were told of the first change are untold again. */
static void
a_second_change_is_told_in_portions(void **state)
{
	struct fake *fake = *state;
	uint64_t changes;

	watch_from(fake, "a", 0, WATCHES);
	delete_it(fake, "a", START + 1);
	assert_int_equal(told(), TOLD_MAX);
	changes = jg_directory_changes(fake->directory);
	delete_it(fake, "a", START + 2);
	assert_true(told() <= 2 * TOLD_MAX);
	assert_true(jg_directory_changes(fake->directory) > changes);
	for (size_t i = 0; i < WATCHES; i++) {
		assert_true(jg_directory_untold(&observers[i].watch));
		observers[i].told = 0;
	}
	/* The round goes on from where it is; then all are told, also the first ones. */
	turn_until_all_are_told(fake, START + 3, 2 * WATCHES / TOLD_MAX + 2);
	for (size_t i = 0; i < WATCHES; i++)
		assert_true(observers[i].told > 0);
}

/* Changes that come faster than one round ends do not keep the last ones from being told. */
static void
changes_without_end_are_told_to_all(void **state)
{
	struct fake *fake = *state;

	watch_from(fake, "a", 0, WATCHES);
	for (unsigned i = 1; i <= WATCHES; i++) {
		unsigned before = told();

		delete_it(fake, "a", START + i);
		assert_true(told() - before <= TOLD_MAX);
		assert_true(turn(fake, START + i) <= TOLD_MAX);
	}
	for (size_t i = 0; i < WATCHES; i++)
		assert_true(observers[i].told > 1);
	turn_until_all_are_told(fake, START + 20, 2 * WATCHES / TOLD_MAX + 2);
}

/* One that changes in each turn does not take the portions of the others. */
static void
changes_without_end_leave_room_for_others(void **state)
{
	struct fake *fake = *state;
	unsigned others = 0;

	watch_from(fake, "a", 0, 2 * TOLD_MAX);
	watch_from(fake, "b", 2 * TOLD_MAX, WATCHES - 2 * TOLD_MAX);
	delete_it(fake, "a", START + 1);
	delete_it(fake, "b", START + 1);
	for (unsigned i = 2; i < 10; i++) {
		delete_it(fake, "a", START + i);
		assert_true(turn(fake, START + i) <= TOLD_MAX);
	}
	for (size_t i = 2 * TOLD_MAX; i < WATCHES; i++)
		others += observers[i].told;
	assert_int_equal(others, WATCHES - 2 * TOLD_MAX);
}

/* The last one that is untold of the first change goes; the others are untold of the second. */
static void
one_may_go_between_two_changes(void **state)
{
	struct fake *fake = *state;

	watch_from(fake, "a", 0, TOLD_MAX + 1);
	delete_it(fake, "a", START + 1);
	tuning.told_max = 0;
	delete_it(fake, "a", START + 2);
	jg_directory_unwatch(&observers[0].watch);
	assert_int_equal(told(), TOLD_MAX);
	for (size_t i = 1; i <= TOLD_MAX; i++)
		assert_true(jg_directory_untold(&observers[i].watch));
	tuning.told_max = TOLD_MAX;
	jg_directory_turn(fake->directory, START + 3);
	for (size_t i = 1; i <= TOLD_MAX; i++)
		assert_int_equal(observers[i].told, 2);
	assert_false(jg_directory_tells(fake->directory));
}

static void
all_may_go_between_two_changes(void **state)
{
	struct fake *fake = *state;

	watch_from(fake, "a", 0, TOLD_MAX + 1);
	delete_it(fake, "a", START + 1);
	tuning.told_max = 0;
	delete_it(fake, "a", START + 2);
	for (size_t i = TOLD_MAX; i > 0; i--)
		jg_directory_unwatch(&observers[i].watch);
	assert_true(jg_directory_tells(fake->directory));
	jg_directory_unwatch(&observers[0].watch);
	assert_false(jg_directory_tells(fake->directory));
}

/* In the middle of a round, all are told at once where bytes are about to move. */
static void
a_tick_tells_all_of_a_second_change(void **state)
{
	struct fake *fake = *state;

	watch_from(fake, "a", 0, WATCHES);
	delete_it(fake, "a", START + 1);
	delete_it(fake, "a", START + 2);
	for (size_t i = 0; i < WATCHES; i++)
		observers[i].told = 0;
	jg_directory_tick(fake->directory, START + STALENESS);
	for (size_t i = 0; i < WATCHES; i++)
		assert_int_equal(observers[i].told, 1);
	assert_false(jg_directory_tells(fake->directory));
}

/* Their token has expired, and they stay (the clock may have been set back): they are told again
 * and again, also while the round before has not ended. */
static void
an_expiry_is_told_in_portions(void **state)
{
	struct fake *fake = *state;
	struct record *record = fake_record(RECORD_TOKEN, 1);

	record->token.expires_ms = WALL + 10;
	jg_directory_set_wall(fake->directory, START, WALL);
	expect_pending(fake, "a", START, NULL);
	jg_directory_feed(fake->directory, fake->asked[fake->first++], FEED_RECORD, record, START);
	for (size_t i = 0; i < WATCHES; i++)
		watch(fake, "a", START, &observers[i]);
	assert_int_equal(turn(fake, START + 9), 0);
	assert_int_equal(turn(fake, START + 10), TOLD_MAX);
	for (size_t i = 0; i < WATCHES; i++)
		assert_true(observers[i].told == 1 || jg_directory_untold(&observers[i].watch));
	assert_true(turn(fake, START + 110) <= 2 * TOLD_MAX); /* AGAIN_MS have passed */
	turn_until_all_are_told(fake, START + 111, 2 * WATCHES / TOLD_MAX + 2);
	for (size_t i = 0; i < WATCHES; i++)
		assert_true(observers[i].told > 0 && observers[i].told <= 3);
}

/* A tick may come while bytes are about to move: then none may stay untold. */
static void
what_a_tick_finds_is_told_at_once(void **state)
{
	struct fake *fake = *state;

	watch_from(fake, "a", 0, WATCHES);
	jg_directory_tick(fake->directory, START + STALENESS);
	assert_int_equal(told(), WATCHES);
	assert_false(jg_directory_tells(fake->directory));
}

static void
what_a_turn_finds_is_told_in_portions(void **state)
{
	struct fake *fake = *state;

	watch_from(fake, "a", 0, 5);
	watch_from(fake, "b", 5, 5);
	jg_directory_turn(fake->directory, START + STALENESS);
	assert_int_equal(told(), TOLD_MAX);
	for (size_t i = 0; i < WATCHES; i++) {
		assert_true(observers[i].told == 1 || jg_directory_untold(&observers[i].watch));
		assert_int_equal(
		    watched(fake, &observers[i], START + STALENESS).known, RECORD_UNKNOWN);
	}
	for (unsigned turn = 2; turn <= WATCHES / TOLD_MAX + 1; turn++)
		jg_directory_turn(fake->directory, START + STALENESS + turn);
	assert_int_equal(told(), WATCHES);
	assert_false(jg_directory_tells(fake->directory));
}

/* The exchange asked before it moved a byte, and ended. */
static void
one_that_is_untold_may_go(void **state)
{
	struct fake *fake = *state;

	watch_from(fake, "a", 0, 5); /* they are told from the last one on */
	delete_it(fake, "a", START + 1);
	jg_directory_unwatch(&observers[1].watch); /* it would be the next */
	assert_true(jg_directory_tells(fake->directory));
	jg_directory_unwatch(&observers[0].watch); /* none is left */
	assert_false(jg_directory_tells(fake->directory));
	assert_false(jg_directory_untold(&observers[4].watch));
	assert_int_equal(told(), 3);
}

static void
all_may_go_meanwhile(void **state)
{
	struct fake *fake = *state;
	struct directory_stats stats;

	watch_from(fake, "a", 0, WATCHES);
	delete_it(fake, "a", START + 1);
	change(fake, "a", START + 2); /* and is read again */
	for (size_t i = 0; i < WATCHES; i++)
		jg_directory_unwatch(&observers[i].watch);
	assert_false(jg_directory_tells(fake->directory));
	fake_reply(fake, FEED_RECORD, 2, START + 3);
	jg_directory_turn(fake->directory, START + 4);
	jg_directory_stats(fake->directory, &stats);
	assert_int_equal(stats.watched, 0);
	assert_int_equal(told(), TOLD_MAX);
}

/* A watch that is added later knows the new state already. */
static void
one_that_comes_meanwhile_is_not_told(void **state)
{
	struct fake *fake = *state;

	watch_from(fake, "a", 0, 5);
	change(fake, "a", START + 1);
	fake_reply(fake, FEED_RECORD, 2, START + 1);
	assert_int_equal(told(), TOLD_MAX);
	watch(fake, "a", START + 1, &observers[9]);
	jg_directory_turn(fake->directory, START + 2);
	assert_int_equal(told(), 5);
	assert_int_equal(observers[9].told, 0);
	assert_false(jg_directory_tells(fake->directory));
}

/* Only a few rounds can be unfinished; the watches of more records are told at once. */
static void
many_records_change(void **state)
{
	static struct observer more[2 * ROUNDS_MAX][5];
	struct fake *fake = *state;
	char id[2] = "a";
	unsigned all = 0;

	for (size_t r = 0; r < 2 * ROUNDS_MAX; r++, id[0]++) {
		make_known(fake, id, 1, START);
		for (size_t i = 0; i < 5; i++) {
			more[r][i] = OBSERVER;
			watch(fake, id, START, &more[r][i]);
		}
	}
	id[0] = 'a';
	for (size_t r = 0; r < 2 * ROUNDS_MAX; r++, id[0]++)
		delete_it(fake, id, START + 1);
	for (unsigned turn = 0; jg_directory_tells(fake->directory); turn++) {
		assert_true(turn <= 2 * ROUNDS_MAX);
		jg_directory_turn(fake->directory, START + 2);
	}
	for (size_t r = 0; r < 2 * ROUNDS_MAX; r++)
		for (size_t i = 0; i < 5; i++) {
			all += more[r][i].told;
			jg_directory_unwatch(&more[r][i].watch);
		}
	assert_int_equal(all, 2 * ROUNDS_MAX * 5);
}

#define TELL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TELL_TEST(each_turn_tells_a_portion),
	    TELL_TEST(a_tick_does_not_go_on),
	    TELL_TEST(few_are_told_at_once),
	    TELL_TEST(a_second_change_is_told_in_portions),
	    TELL_TEST(changes_without_end_are_told_to_all),
	    TELL_TEST(changes_without_end_leave_room_for_others),
	    TELL_TEST(one_may_go_between_two_changes),
	    TELL_TEST(all_may_go_between_two_changes),
	    TELL_TEST(a_tick_tells_all_of_a_second_change),
	    TELL_TEST(an_expiry_is_told_in_portions),
	    TELL_TEST(what_a_tick_finds_is_told_at_once),
	    TELL_TEST(what_a_turn_finds_is_told_in_portions),
	    TELL_TEST(one_that_is_untold_may_go),
	    TELL_TEST(all_may_go_meanwhile),
	    TELL_TEST(one_that_comes_meanwhile_is_not_told),
	    TELL_TEST(many_records_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
