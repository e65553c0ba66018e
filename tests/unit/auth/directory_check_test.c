/* directory_check_test.c - what callers of a directory must not do, and its dump. */
#include "directory_fake.h"

#include "tests/unit/check_catch.h"

#define NOW (START + 10)

static void
on_answered(struct directory_waiter *waiter)
{
	(void)waiter;
}

static void
on_changed(struct directory_watch *watch)
{
	(void)watch;
}

static void
wrong_feeds_fail(void **state)
{
	struct fake fake;
	struct directory *directory;
	struct directory_entry *entry;
	struct record *job = fake_record(RECORD_JOB, 1);

	(void)state;
	fake_init(&fake, 100);
	directory = fake.directory;
	jg_directory_link_up(directory, START);
	jg_directory_lookup(directory, RECORD_TOKEN, SLICE("a"), NOW, NULL);
	entry = fake.asked[0];
	assert_check_fails(
	    jg_directory_feed(directory, entry, FEED_RECORD, job, NOW), "record->kind");
	assert_check_fails(
	    jg_directory_feed(directory, entry, FEED_RECORD, NULL, NOW), "FEED_RECORD");
	free(job);
	jg_directory_feed(directory, entry, FEED_ABSENT, NULL, NOW);
	assert_check_fails(
	    jg_directory_feed(directory, entry, FEED_ABSENT, NULL, NOW), "entry->reading");
	jg_directory_free(directory);
}

static void
one_waits_and_watches_in_one_place(void **state)
{
	static const struct slice id = {"a", 1};
	struct fake fake;
	struct directory_waiter waiter = {.answered = on_answered};
	struct directory_watch watch = {.changed = on_changed}, deaf = {0};
	struct directory_entry *entry;
	struct directory *directory;

	(void)state;
	fake_init(&fake, 100);
	directory = fake.directory;
	jg_directory_link_up(directory, START);
	jg_directory_lookup(directory, RECORD_TOKEN, id, NOW, &waiter);
	assert_check_fails(jg_directory_lookup(directory, RECORD_TOKEN, id, NOW, &waiter),
	    "entry{kind=token id=\"a\" known=unknown");
	entry = fake.asked[0];
	jg_directory_feed(directory, entry, FEED_RECORD, fake_record(RECORD_TOKEN, 1), NOW);
	assert_check_fails(jg_directory_watch(entry, &deaf), "watch->changed");
	jg_directory_watch(entry, &watch);
	assert_check_fails(jg_directory_watch(entry, &watch), "watches=1");
	jg_directory_unwatch(&watch);
	jg_directory_free(directory);
}

static void
a_mint_has_a_state_and_a_key(void **state)
{
	struct fake fake;

	(void)state;
	fake_init(&fake, 100);
	assert_check_fails(
	    jg_directory_set_mint(fake.directory, MINT_UNKNOWN, NULL), "directory{epoch");
	assert_check_fails(jg_directory_set_mint(fake.directory, MINT_ENFORCED, NULL), "MINT_NONE");
	jg_directory_free(fake.directory);
}

static void
a_dump_counts(void **state)
{
	struct fake fake;
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	(void)state;
	fake_init(&fake, 100);
	jg_directory_link_up(fake.directory, START);
	jg_directory_lookup(fake.directory, RECORD_TOKEN, SLICE("a"), NOW, NULL);
	jg_dump_init(&dump, text, sizeof(text));
	jg_directory_dump(fake.directory, &dump);
	assert_string_equal(text,
	    "directory{linked epoch=2 entries=1 watched=0 refreshing=0 hits=0 "
	    "misses=1 evictions=0}");
	jg_directory_free(fake.directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wrong_feeds_fail),
	    cmocka_unit_test(one_waits_and_watches_in_one_place),
	    cmocka_unit_test(a_mint_has_a_state_and_a_key),
	    cmocka_unit_test(a_dump_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
