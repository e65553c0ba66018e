/* tracker_test.c - a real redis-server keeps a directory current. */
#include "tracker_world.h"

static void
bad_options(void **state)
{
	struct world *world = *state;
	struct redis_tracker_options options = {.url = "ftp://h", .prefix = ""};
	char error[128] = "", prefix[258];

	assert_null(
	    redis_tracker_new(world->turner.base, &options, &world->log, error, sizeof(error)));
	assert_true(strlen(error) > 0);
	memset(prefix, 'p', sizeof(prefix));
	prefix[257] = '\0';
	options =
	    (struct redis_tracker_options){.url = "unix:/a", .prefix = prefix, .ca_file = "x"};
	assert_null(
	    redis_tracker_new(world->turner.base, &options, &world->log, error, sizeof(error)));
	assert_string_equal(error, "the prefix of keys is longer than 256 bytes");
	prefix[256] = '\0';
	world->tracker =
	    redis_tracker_new(world->turner.base, &options, &world->log, error, sizeof(error));
	assert_non_null(world->tracker);
	redis_tracker_free(NULL);
}

static void
records_are_read(void **state)
{
	struct world *world = *state;
	struct directory_answer answer;
	struct token room;

	put_token(world, 3);
	redis_do(world->admin, "HSET jobgate:job:demo url unix:/run/x label:a b");
	tracker_up(world);
	answer = look_up(world, RECORD_TOKEN, TOKEN_ID);
	assert_int_equal(answer.known, RECORD_KNOWN);
	assert_int_equal(jg_directory_token(answer.entry, &room)->version, 3);
	assert_true(slice_equal(room.id, SLICE(TOKEN_ID)));
	answer = look_up(world, RECORD_JOB, "demo");
	assert_int_equal(answer.known, RECORD_KNOWN);
	assert_true(slice_equal(jg_directory_job(answer.entry)->url.path, SLICE("/run/x")));
	assert_int_equal(look_up(world, RECORD_JOB, TOKEN_ID).known, RECORD_ABSENT);
	assert_int_equal(tracker_stats(world).bad_records, 0);
	assert_int_equal(logged(world, "store: connected\n"), 1);
}

static void
an_id_too_long_for_a_key_is_not_asked_for(void **state)
{
	char id[65];
	struct world *world = *state;

	tracker_up(world);
	memset(id, 'a', sizeof(id));
	id[64] = '\0';
	assert_int_equal(look_up(world, RECORD_JOB, id).known, RECORD_UNKNOWN);
	id[63] = '\0';
	assert_int_equal(look_up(world, RECORD_JOB, id).known, RECORD_ABSENT);
}

static void
what_was_missing_is_seen_when_it_comes(void **state)
{
	struct world *world = *state;

	tracker_up(world);
	assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_ABSENT);
	put_token(world, 1);
	RUN_UNTIL(&world->turner, look_up(world, RECORD_TOKEN, TOKEN_ID).known == RECORD_KNOWN);
}

static void
changes_reach_who_watches(void **state)
{
	struct world *world = *state;

	put_token(world, 1);
	tracker_up(world);
	watch_token(world);
	for (unsigned version = 2; version < 6; version++) {
		put_token(world, version);
		RUN_UNTIL(&world->turner, watched_version(world) == version);
		assert_int_equal(world->told, version - 1);
	}
	/* Other keys and other prefixes are ignored. */
	redis_do(world->admin, "HSET other:token:" TOKEN_ID " version 9");
	redis_do(world->admin, "SET jobgate: x");
	redis_do(world->admin, "SET jobgate:tokens x");
	redis_do(world->admin, "DEL jobgate:token:" TOKEN_ID);
	RUN_UNTIL(&world->turner, watched_version(world) == 0);
	assert_int_equal(world->told, 5);
	put_token(world, 6);
	RUN_UNTIL(&world->turner, watched_version(world) == 6);
	redis_do(world->admin, "FLUSHALL");
	RUN_UNTIL(&world->turner, watched_version(world) == 0);
	assert_int_equal(world->told, 7);
	/* What Redis removes by itself is told as well. */
	put_token(world, 7);
	RUN_UNTIL(&world->turner, watched_version(world) == 7);
	redis_do(world->admin, "PEXPIRE jobgate:token:" TOKEN_ID " 1");
	RUN_UNTIL(&world->turner, watched_version(world) == 0);
	assert_int_equal(logged(world, "warning"), 0);
}

static void
a_broken_record_is_absent_and_told_once(void **state)
{
	struct world *world = *state;
	char id[16];

	tracker_up(world);
	for (unsigned i = 0; i < 3; i++) {
		put_token(world, 1);
		redis_do(world->admin, "HSET jobgate:token:" TOKEN_ID " role %u", i);
		RUN_UNTIL(
		    &world->turner, look_up(world, RECORD_TOKEN, TOKEN_ID).known == RECORD_ABSENT &&
					tracker_stats(world).bad_records > i);
	}
	assert_true(look_up(world, RECORD_TOKEN, TOKEN_ID).broken);
	redis_do(world->admin, "SET jobgate:job:demo x");
	assert_int_equal(look_up(world, RECORD_JOB, "demo").known, RECORD_ABSENT);
	assert_true(look_up(world, RECORD_JOB, "demo").broken);
	assert_false(look_up(world, RECORD_JOB, "none").broken);
	assert_int_equal(logged(world, "jobgate:token:" TOKEN_ID " breaks the rules"), 1);
	assert_int_equal(logged(world, "jobgate:job:demo breaks the rules"), 1);
	/* So many others are told in between that it is told again. */
	for (unsigned i = 0; i < 32; i++) {
		redis_do(world->admin, "SET jobgate:job:j%u x", i);
		snprintf(id, sizeof(id), "j%u", i);
		assert_int_equal(look_up(world, RECORD_JOB, id).known, RECORD_ABSENT);
	}
	redis_do(world->admin, "SET jobgate:job:demo y");
	RUN_UNTIL(&world->turner, look_up(world, RECORD_JOB, "demo").known == RECORD_ABSENT &&
				      logged(world, "jobgate:job:demo breaks the rules") == 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST_ALONE(bad_options),
	    TEST(records_are_read),
	    TEST(an_id_too_long_for_a_key_is_not_asked_for),
	    TEST(what_was_missing_is_seen_when_it_comes),
	    TEST(changes_reach_who_watches),
	    TEST(a_broken_record_is_absent_and_told_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
