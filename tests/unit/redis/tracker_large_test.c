/* tracker_large_test.c - records that are too large to read, in a real redis-server. */
#include "tracker_world.h"

/* A field of this many bytes, which APPEND makes. */
static void
put_large(struct world *world, const char *key, unsigned long bytes)
{
	redis_do(world->admin, "SETRANGE filler %lu x", bytes - 1);
	redis_do(world->admin, "EVAL %s 2 filler %s",
	    "return redis.call('HSET', KEYS[2], 'notes', redis.call('GET', KEYS[1]))", key);
	redis_do(world->admin, "DEL filler");
}

#define JOB "jobgate:job:large"

static uint64_t
calls_of(struct world *world, const char *command)
{
	redisReply *reply = redisCommand(world->admin, "INFO commandstats");
	char line[64];
	const char *at;
	uint64_t calls;

	snprintf(line, sizeof(line), "cmdstat_%s:calls=", command);
	at = strstr(reply->str, line);
	calls = at != NULL ? strtoull(at + strlen(line), NULL, 10) : 0;
	freeReplyObject(reply);
	return calls;
}

static void
it_is_absent_and_the_tracker_goes_on(void **state)
{
	struct world *world = *state;

	put_token(world, 1);
	redis_do(world->admin, "HSET " JOB " url unix:/run/x");
	tracker_up(world);
	watch_token(world);
	assert_int_equal(look_up(world, RECORD_JOB, "large").known, RECORD_KNOWN);
	put_large(world, JOB, 40 << 20);
	RUN_UNTIL(&world->turner, look_up(world, RECORD_JOB, "large").known == RECORD_ABSENT);
	for (int i = 0; i < 3; i++) /* remembered */
		assert_true(look_up(world, RECORD_JOB, "large").broken);
	assert_int_equal(tracker_stats(world).bad_records, 1);
	assert_int_equal(logged(world, JOB " breaks the rules and is treated as absent: it is "
					   "larger than 1 MiB"),
	    1);
	/* Others are told of their changes. */
	put_token(world, 2);
	RUN_UNTIL(&world->turner, watched_version(world) == 2);
	/* It is not sent again as a whole, until it is in order. */
	put_large(world, JOB, 41 << 20);
	RUN_UNTIL(&world->turner, look_up(world, RECORD_JOB, "large").known == RECORD_ABSENT &&
				      tracker_stats(world).bad_records == 2);
	assert_int_equal(calls_of(world, "eval_ro"), 1);
	redis_do(world->admin, "HDEL " JOB " notes");
	RUN_UNTIL(&world->turner, look_up(world, RECORD_JOB, "large").known == RECORD_KNOWN);
	assert_int_equal(calls_of(world, "eval_ro"), 2);
	redis_do(world->admin, "HSET " JOB " url unix:/run/y");
	RUN_UNTIL(&world->turner,
	    slice_equal(jg_directory_job(look_up(world, RECORD_JOB, "large").entry)->url.path,
		SLICE("/run/y")));
	assert_int_equal(calls_of(world, "eval_ro"), 2);
	assert_int_equal(tracker_stats(world).connects, 1);
}

/* Redis may rather give us up than send it: that happens once. */
static void
what_breaks_the_tracker_is_not_repeated(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "CONFIG SET client-output-buffer-limit %s", "normal 20mb 0 0");
	redis_do(world->admin, "HSET " JOB " url unix:/run/x");
	put_token(world, 1);
	put_large(world, JOB, 40 << 20);
	tracker_up(world);
	watch_token(world);
	assert_int_equal(look_up(world, RECORD_JOB, "large").known, RECORD_UNKNOWN);
	RUN_UNTIL(&world->turner, look_up(world, RECORD_JOB, "large").known == RECORD_ABSENT);
	assert_int_equal(logged(world, "it is larger than 1 MiB"), 1);
	assert_int_equal(tracker_stats(world).connects, 2);
	put_large(world, JOB, 41 << 20);
	RUN_UNTIL(&world->turner, look_up(world, RECORD_JOB, "large").known == RECORD_ABSENT &&
				      tracker_stats(world).bad_records == 2);
	put_token(world, 2);
	RUN_UNTIL(&world->turner, watched_version(world) == 2);
	assert_int_equal(tracker_stats(world).connects, 2);
}

/* What else was asked for when a tracker broke is innocent, and read as ever once that is known. */
static void
innocent_records_are_soon_read_as_ever(void **state)
{
	struct world *world = *state;

	put_token(world, 1);
	tracker_up(world);
	kill(world->redis, SIGSTOP);
	assert_true(jg_directory_lookup(
	    world->directory, RECORD_TOKEN, SLICE(TOKEN_ID), clock_ms(world), &world->waiter)
			.pending);
	run_for(&world->turner, 20);
	kill(world->redis, SIGCONT);
	redis_do(world->admin, "CLIENT KILL TYPE pubsub"); /* and the tracker is given up, or was */
	RUN_UNTIL(&world->turner, tracker_stats(world).connects == 2);
	watch_token(world);
	for (unsigned version = 2; version < 4; version++) {
		put_token(world, version);
		RUN_UNTIL(&world->turner, watched_version(world) == version);
	}
	assert_true(calls_of(world, "eval_ro") <= 1);
}

/* As a user who may not run scripts. */
static void
tracker_up_without_scripts(struct world *world, uint64_t ping_deadline_ms)
{
	const uint16_t port = free_port();
	char url[128];

	redis_do(world->admin, "CONFIG SET bind 127.0.0.1");
	redis_do(world->admin, "CONFIG SET port %u", port);
	redis_do(world->admin, "ACL SETUSER gate on %s ~* &* +@all -@scripting", ">secret");
	snprintf(url, sizeof(url), "redis://gate:secret@127.0.0.1:%u", port);
	tracker_start(world, url, ping_deadline_ms);
	RUN_UNTIL(&world->turner, jg_directory_ready(world->directory, clock_ms(world)));
}

/* Without the right to scripts a record is read as ever, the large one among them. */
static void
scripts_may_be_forbidden(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "HSET " JOB " url unix:/run/x");
	put_large(world, JOB, 40 << 20);
	tracker_up_without_scripts(world, TEST_TIMEOUT_MS);
	assert_int_equal(look_up(world, RECORD_JOB, "large").known, RECORD_ABSENT);
	redis_do(world->admin, "HDEL " JOB " notes");
	RUN_UNTIL(&world->turner, look_up(world, RECORD_JOB, "large").known == RECORD_KNOWN);
	assert_int_equal(logged(world, "a read failed"), 0);
	assert_int_equal(tracker_stats(world).connects, 1);
}

/*
 * A record is read by script, which is forbidden, and the tracker breaks (for a proof that is late)
 * before its time to live has come: nothing is left to read it again with.
 */
static void
tracker_breaks_between_two_replies(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "HSET " JOB " url unix:/run/x");
	tracker_up_without_scripts(world, 200);
	for (unsigned breaks = 1; breaks <= 2; breaks++) {
		redis_do(world->admin, "CLIENT PAUSE 1000 ALL");
		assert_true(jg_directory_lookup(
		    world->directory, RECORD_JOB, SLICE("large"), clock_ms(world), &world->waiter)
				.pending);
		RUN_UNTIL(&world->turner, world->answered == breaks);
		RUN_UNTIL(&world->turner, tracker_stats(world).connects == 1 + breaks);
	}
	assert_int_equal(look_up(world, RECORD_JOB, "large").known, RECORD_KNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(it_is_absent_and_the_tracker_goes_on),
	    TEST(what_breaks_the_tracker_is_not_repeated),
	    TEST(innocent_records_are_soon_read_as_ever),
	    TEST(scripts_may_be_forbidden),
	    TEST(tracker_breaks_between_two_replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
