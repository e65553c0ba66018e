/* directory_turn_test.c - what relies on a token is told at the moment when the token expires. */
#include "directory_fake.h"

#include "auth/entry.h"

#define WALL 1700000000000 /* the wall clock at START */
#define EXPIRES (WALL + 1000)
#define ENDS (START + 1000) /* the same on the directory's clock */

static int
begin(void **state)
{
	static struct fake fake;

	fake_init(&fake, 100);
	fake_up(&fake, START);
	jg_directory_set_wall(fake.directory, START, WALL);
	*state = &fake;
	return 0;
}

static int
end(void **state)
{
	struct fake *fake = *state;

	jg_directory_free(fake->directory);
	return 0;
}

static void
reply(struct fake *fake, uint64_t expires_ms, uint64_t previous_until_ms)
{
	size_t i = fake->first++;
	struct record *record = fake_record(RECORD_TOKEN, 1);

	assert_true(i < fake->count);
	record->token.expires_ms = expires_ms;
	record->token.previous_until_ms = previous_until_ms;
	jg_directory_feed(fake->directory, fake->asked[i], FEED_RECORD, record, START);
}

static void
watch_it(struct fake *fake, const char *id, struct observer *observer)
{
	jg_directory_watch(look_up(fake, RECORD_TOKEN, id, START, NULL).entry, &observer->watch);
}

/* Rely on a token that expires then. */
static void
rely(struct fake *fake, const char *id, uint64_t expires_ms, struct observer *observer)
{
	expect_pending(fake, id, START, NULL);
	reply(fake, expires_ms, 0);
	watch_it(fake, id, observer);
}

static void
tick(struct fake *fake, uint64_t now_ms, uint64_t wall_ms)
{
	jg_directory_set_wall(fake->directory, now_ms, wall_ms);
	jg_directory_tick(fake->directory, now_ms);
}

static void
watches_are_told_when_it_expires(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	rely(fake, "one", EXPIRES, &observer);
	assert_int_equal(jg_directory_due_ms(fake->directory), ENDS);
	tick(fake, ENDS - 1, EXPIRES - 1);
	assert_int_equal(observer.told, 0);
	tick(fake, ENDS, EXPIRES);
	assert_int_equal(observer.told, 1);
	assert_int_equal(fake_pending(fake), 0); /* nothing is read for it */
	assert_int_equal(jg_directory_wall_ms(fake->directory, ENDS + 5), EXPIRES + 5);
	jg_directory_unwatch(&observer.watch);
	assert_int_equal(jg_directory_due_ms(fake->directory), START + STALENESS);
}

static void
others_are_not(void **state)
{
	struct fake *fake = *state;
	struct observer first = OBSERVER, later = OBSERVER, never = OBSERVER;

	rely(fake, "later", EXPIRES + 500, &later);
	rely(fake, "never", 0, &never);
	rely(fake, "first", EXPIRES, &first);
	tick(fake, ENDS, EXPIRES);
	assert_int_equal(first.told, 1);
	jg_directory_unwatch(&first.watch);
	assert_int_equal(jg_directory_due_ms(fake->directory), ENDS + 500);
	tick(fake, ENDS + 500, EXPIRES + 500);
	assert_int_equal(later.told, 1);
	assert_int_equal(never.told, 0);
	jg_directory_unwatch(&later.watch);
	jg_directory_unwatch(&never.watch);
}

static void
the_clock_is_set_forward(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	rely(fake, "one", EXPIRES, &observer);
	jg_directory_set_wall(fake->directory, START + 10, EXPIRES + 10);
	assert_true(jg_directory_due_ms(fake->directory) <= START + 10);
	jg_directory_tick(fake->directory, START + 10);
	assert_int_equal(observer.told, 1);
	jg_directory_unwatch(&observer.watch);
}

static void
the_clock_is_set_back(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER, second = OBSERVER;

	rely(fake, "one", EXPIRES, &observer);
	tick(fake, START + 10, WALL - 5000);
	assert_int_equal(jg_directory_due_ms(fake->directory), START + STALENESS);
	jg_directory_good(fake->directory, START + 6000);
	assert_int_equal(jg_directory_due_ms(fake->directory), START + 10 + 6000);
	tick(fake, START + 10 + 6000, EXPIRES);
	assert_int_equal(observer.told, 1);
	/* One that came in meanwhile is not forgotten either. */
	watch_it(fake, "one", &second);
	tick(fake, START + 6020, EXPIRES - 20);
	tick(fake, START + 6040, EXPIRES);
	assert_int_equal(second.told, 1);
	jg_directory_unwatch(&observer.watch);
	jg_directory_unwatch(&second.watch);
}

/*
 * The clock is set back by less than a tick, just after the end of a grace: time seems to go on,
 * but what the old value then lets in must end with the grace, too.
 */
static void
the_clock_is_set_back_a_little(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER, second = OBSERVER;

	expect_pending(fake, "one", START, NULL);
	reply(fake, 0, EXPIRES);
	watch_it(fake, "one", &observer);
	tick(fake, ENDS, EXPIRES);
	assert_int_equal(observer.told, 1);
	jg_directory_unwatch(&observer.watch);
	/* By now the clock has been set back by 40 ms, and the value before is valid again. */
	watch_it(fake, "one", &second);
	tick(fake, ENDS + 50, EXPIRES + 10);
	assert_int_equal(second.told, 1);
	jg_directory_unwatch(&second.watch);
}

static void
it_expires_while_the_store_is_out_of_reach(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	rely(fake, "one", EXPIRES, &observer);
	fake_break(fake, START + 100);
	tick(fake, ENDS, EXPIRES);
	assert_int_equal(observer.told, 1);
	jg_directory_unwatch(&observer.watch);
}

static void
it_expires_while_it_is_read_again(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	rely(fake, "one", EXPIRES, &observer);
	jg_directory_invalidate(fake->directory, RECORD_TOKEN, SLICE("one"), START + 100);
	assert_int_equal(fake_pending(fake), 1);
	tick(fake, ENDS, EXPIRES);
	assert_int_equal(observer.told, 1);
	jg_directory_unwatch(&observer.watch);
	reply(fake, EXPIRES, 0);
}

/* Who relies on it goes by what the record says now. */
static void
it_expires_later_after_a_change(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	rely(fake, "one", EXPIRES, &observer);
	jg_directory_invalidate(fake->directory, RECORD_TOKEN, SLICE("one"), START + 100);
	reply(fake, EXPIRES + 1000, 0);
	assert_int_equal(observer.told, 1);
	tick(fake, ENDS, EXPIRES);
	assert_int_equal(observer.told, 1);
	assert_int_equal(jg_directory_due_ms(fake->directory), ENDS + 1000);
	jg_directory_unwatch(&observer.watch);
}

static void
who_stays_is_told_again(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	rely(fake, "one", EXPIRES, &observer);
	tick(fake, ENDS, EXPIRES);
	tick(fake, ENDS + 100, EXPIRES + 100);
	assert_int_equal(observer.told, 2);
	jg_directory_unwatch(&observer.watch);
}

/* The end of a grace is told once: what the new value let in goes on. */
static void
a_grace_ends_once(void **state)
{
	struct fake *fake = *state;
	struct observer observer = OBSERVER;

	expect_pending(fake, "one", START, NULL);
	reply(fake, EXPIRES + 1000, EXPIRES);
	watch_it(fake, "one", &observer);
	assert_int_equal(jg_directory_due_ms(fake->directory), ENDS);
	tick(fake, ENDS, EXPIRES);
	assert_int_equal(observer.told, 1);
	assert_int_equal(jg_directory_due_ms(fake->directory), ENDS + 1000);
	tick(fake, ENDS + 1000, EXPIRES + 1000);
	assert_int_equal(observer.told, 2);
	jg_directory_unwatch(&observer.watch);
}

static size_t
count_timed(const struct fake *fake)
{
	const struct entry_times *times;
	size_t count = 0;

	LIST_FOREACH(times, &fake->directory->timed, timed)
	count++;
	return count;
}

/* A step back of the clock goes through the tokens in use that have a moment, and no others. */
static void
a_step_back_goes_through_few_entries(void **state)
{
	struct fake *fake = *state;
	struct observer timed = OBSERVER, graceful = OBSERVER, others[50];
	char id[16];

	for (size_t i = 0; i < 50; i++) {
		others[i] = (struct observer)OBSERVER;
		snprintf(id, sizeof(id), "other%zu", i);
		rely(fake, id, 0, &others[i]);
	}
	rely(fake, "unused", EXPIRES, &timed);
	jg_directory_unwatch(&timed.watch);
	assert_int_equal(count_timed(fake), 0);
	rely(fake, "timed", EXPIRES, &timed);
	expect_pending(fake, "grace", START, NULL);
	reply(fake, 0, WALL - 1); /* its grace has ended: no moment is to come */
	watch_it(fake, "grace", &graceful);
	assert_int_equal(count_timed(fake), 2);
	jg_directory_invalidate(fake->directory, RECORD_TOKEN, SLICE("timed"), START);
	assert_int_equal(count_timed(fake), 2); /* read again */
	tick(fake, START + 10, WALL - 100);
	assert_int_equal(jg_directory_due_ms(fake->directory), START + 10 + 99);
	tick(fake, START + 10 + 99, WALL - 1);
	assert_int_equal(graceful.told, 1);
	reply(fake, 0, 0); /* it expires no more */
	assert_int_equal(count_timed(fake), 1);
	for (size_t i = 0; i < 50; i++) {
		assert_int_equal(others[i].told, 0);
		jg_directory_unwatch(&others[i].watch);
	}
	jg_directory_unwatch(&timed.watch);
	jg_directory_unwatch(&graceful.watch);
	assert_int_equal(count_timed(fake), 0);
}

/* Before the clock is known, all that expires has expired. */
static void
an_unknown_clock_is_past_all_moments(void **state)
{
	struct fake fake;
	struct observer observer = OBSERVER;

	(void)state;
	fake_init(&fake, 100);
	fake_up(&fake, START);
	assert_true(jg_directory_wall_ms(fake.directory, START) > 253402300799000);
	rely(&fake, "one", EXPIRES, &observer);
	jg_directory_tick(fake.directory, START);
	assert_int_equal(observer.told, 1);
	jg_directory_unwatch(&observer.watch);
	jg_directory_free(fake.directory);
}

int
main(void)
{
#define TURN_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
	    TURN_TEST(watches_are_told_when_it_expires),
	    TURN_TEST(others_are_not),
	    TURN_TEST(the_clock_is_set_forward),
	    TURN_TEST(the_clock_is_set_back),
	    TURN_TEST(the_clock_is_set_back_a_little),
	    TURN_TEST(it_expires_while_the_store_is_out_of_reach),
	    TURN_TEST(it_expires_while_it_is_read_again),
	    TURN_TEST(it_expires_later_after_a_change),
	    TURN_TEST(who_stays_is_told_again),
	    TURN_TEST(a_grace_ends_once),
	    TURN_TEST(a_step_back_goes_through_few_entries),
	    cmocka_unit_test(an_unknown_clock_is_past_all_moments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
