/*
 * tracker_outage_test.c - a redis-server that stops, starts, becomes silent, or refuses what a
 * tracker needs.
 */
#include "tracker_world.h"

/* ---- what Redis may do ---- */

static void
it_may_come_later_and_come_again(void **state)
{
	struct world *world = *state;
	char url[128];

	snprintf(url, sizeof(url), "unix:%s", world->socket);
	tracker_start(world, url, TEST_TIMEOUT_MS);
	run_for(&world->turner, 200);
	assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_UNKNOWN);
	assert_int_equal(logged(world, "cannot be reached"), 1); /* not at each attempt */
	start_redis(world);
	put_token(world, 1);
	RUN_UNTIL(&world->turner, jg_directory_ready(world->directory, clock_ms(world)));
	watch_token(world);
	assert_int_equal(look_up(world, RECORD_JOB, "demo").known, RECORD_ABSENT);
	stop_redis(world);
	RUN_UNTIL(&world->turner, logged(world, "store: out of reach") == 1);
	/* What is known is lived with for a while; what is not cannot be learnt. */
	assert_int_equal(watched_version(world), 1);
	assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_KNOWN);
	assert_int_equal(look_up(world, RECORD_TOKEN, "0123456789abcdef").known, RECORD_UNKNOWN);
	world->ahead_ms += 60000;
	assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_UNKNOWN);
	RUN_UNTIL(&world->turner, world->told == 1);
	assert_int_equal(watched_version(world), 0);
	start_redis(world);
	put_token(world, 2);
	RUN_UNTIL(&world->turner, watched_version(world) == 2);
	redis_do(world->admin, "SET jobgate:job:demo x");
	RUN_UNTIL(&world->turner, look_up(world, RECORD_JOB, "demo").known == RECORD_ABSENT);
	assert_int_equal(logged(world, "store: connected again"), 2);
}

static void
one_connection_does_not_live_without_the_other(void **state)
{
	static const char *const names[] = {"jobgate-push", "jobgate-data"};
	struct world *world = *state;

	put_token(world, 1);
	tracker_up(world);
	watch_token(world);
	for (unsigned i = 0; i < 2; i++) {
		char line[64];
		redisReply *clients = redisCommand(world->admin, "CLIENT LIST");
		const char *at;

		snprintf(line, sizeof(line), " name=%s ", names[i]);
		at = strstr(clients->str, line);
		assert_non_null(at);
		while (at > clients->str && at[-1] != '\n')
			at--;
		redis_do(world->admin, "CLIENT KILL ID %lld", strtoll(at + 3, NULL, 10));
		freeReplyObject(clients);
		/* No push reports this change: it is seen because all is read again. */
		put_token(world, 2 + i);
		RUN_UNTIL(&world->turner, watched_version(world) == 2 + i);
	}
	assert_int_equal(logged(world, "(push connection)"), 1);
	assert_int_equal(logged(world, "(data connection)"), 1);
}

static uint64_t
good_ms(struct world *world)
{
	struct directory_stats stats;

	jg_directory_stats(world->directory, &stats);
	return stats.good_ms;
}

static void
pings_prove_that_it_works(void **state)
{
	struct world *world = *state;
	uint64_t first_ms;

	tracker_up(world);
	first_ms = good_ms(world);
	RUN_UNTIL(&world->turner, good_ms(world) >= first_ms + 150);
	assert_true(good_ms(world) <= clock_ms(world));
}

static void
a_silent_redis_is_given_up(void **state)
{
	struct world *world = *state;
	char url[128];
	uint64_t good;

	put_token(world, 1);
	snprintf(url, sizeof(url), "unix:%s", world->socket);
	tracker_start(world, url, 300);
	RUN_UNTIL(&world->turner, jg_directory_ready(world->directory, clock_ms(world)));
	watch_token(world);
	kill(world->redis, SIGSTOP);
	run_for(&world->turner, 20); /* what was on its way */
	good = good_ms(world);
	RUN_UNTIL(&world->turner, logged(world, "no answer to PING in time") > 0);
	assert_int_equal(good_ms(world), good);
	assert_int_equal(watched_version(world), 1);
	world->ahead_ms += 60000;
	assert_int_equal(watched_version(world), 0);
	kill(world->redis, SIGCONT);
	put_token(world, 2);
	RUN_UNTIL(&world->turner, watched_version(world) == 2);
}

static void
a_read_without_reply_fails_when_the_tracker_goes(void **state)
{
	struct world *world = *state;

	tracker_up(world);
	kill(world->redis, SIGSTOP);
	assert_true(jg_directory_lookup(
	    world->directory, RECORD_TOKEN, SLICE(TOKEN_ID), clock_ms(world), &world->waiter)
			.pending);
	run_for(&world->turner, 20);
	assert_int_equal(world->answered, 0);
	redis_tracker_free(world->tracker);
	world->tracker = NULL;
	assert_int_equal(world->answered, 1);
	kill(world->redis, SIGCONT);
}

/* ---- what it may refuse ---- */

/* A user to whom some things are forbidden, and the URL by which he comes. */
static const char *
user_url(struct world *world, const char *rules, uint16_t *port)
{
	static char url[128];

	*port = free_port();
	redis_do(world->admin, "CONFIG SET bind 127.0.0.1");
	redis_do(world->admin, "CONFIG SET port %u", *port);
	redisReply *reply = redisCommand(world->admin, rules);
	assert_int_equal(reply->type, REDIS_REPLY_STATUS);
	freeReplyObject(reply);
	snprintf(url, sizeof(url), "redis://gate:secret@127.0.0.1:%u", *port);
	return url;
}

static void
a_read_that_is_forbidden_is_no_absence(void **state)
{
	struct world *world = *state;
	uint16_t port;

	put_token(world, 1);
	tracker_start(world,
	    user_url(world, "ACL SETUSER gate on >secret ~jobgate:token:* ~jobgate:tokens &* +@all",
		&port),
	    TEST_TIMEOUT_MS);
	RUN_UNTIL(&world->turner, jg_directory_ready(world->directory, clock_ms(world)));
	assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_KNOWN);
	assert_int_equal(look_up(world, RECORD_JOB, "demo").known, RECORD_UNKNOWN);
	assert_int_equal(look_up(world, RECORD_JOB, "demo2").known, RECORD_UNKNOWN);
	assert_int_equal(logged(world, "store: a read failed: NOPERM"), 1); /* now and then */
	world->ahead_ms += 10000;
	assert_int_equal(look_up(world, RECORD_JOB, "demo").known, RECORD_UNKNOWN);
	assert_int_equal(logged(world, "store: a read failed: NOPERM"), 2);
}

static void
without_invalidations_nothing_is_trusted(void **state)
{
	static const char hidden[] =
	    "hides whether both connections lead to the same server; allow "
	    "the user INFO, or CLIENT SETNAME and CLIENT LIST";
	static const struct {
		const char *rules, *why;
	} cases[] = {
	    {"ACL SETUSER gate reset on >secret ~* &* +@all -client|tracking",
		"cannot be reached (push connection): NOPERM"},
	    {"ACL SETUSER gate reset on >secret ~* resetchannels +@all",
		"cannot be reached (push connection): NOPERM"},
	    {"ACL SETUSER gate reset on >secret ~* &* +@all -exists",
		"cannot be reached (data connection): EXISTS jobgate:tokens: NOPERM"},
	    {"ACL SETUSER gate reset on >secret ~jobgate:token:* &* +@all",
		"cannot be reached (data connection): EXISTS jobgate:tokens: NOPERM"},
	    {"ACL SETUSER gate reset on >secret ~* &* +@all -info -client|list", hidden},
	    {"ACL SETUSER gate reset on >secret ~* &* +@all -info -client|setname", hidden},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *world = *state;
		unsigned before = logged(world, cases[i].why);
		uint16_t port;

		tracker_start(world, user_url(world, cases[i].rules, &port), TEST_TIMEOUT_MS);
		RUN_UNTIL(&world->turner, logged(world, cases[i].why) > before);
		run_for(&world->turner, 100);
		assert_false(jg_directory_ready(world->directory, clock_ms(world)));
		assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_UNKNOWN);
		assert_int_equal(logged(world, "secret"), 0);
		redis_tracker_free(world->tracker);
		jg_directory_free(world->directory);
		world->tracker = NULL;
		world->directory = NULL;
	}
}

/* The name that only the push connection can have is enough. */
static void
a_tracker_without_info_is_trusted_by_the_name_of_its_connection(void **state)
{
	struct world *world = *state;
	uint16_t port;

	tracker_start(world,
	    user_url(world, "ACL SETUSER gate on >secret ~* &* +@all -info", &port),
	    TEST_TIMEOUT_MS);
	RUN_UNTIL(&world->turner, jg_directory_ready(world->directory, clock_ms(world)));
	put_token(world, 1);
	assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_KNOWN);
}

static void
a_wrong_password_is_not_repeated(void **state)
{
	struct world *world = *state;
	uint16_t port;
	char url[128];

	user_url(world, "ACL SETUSER gate on >other ~* &* +@all", &port);
	snprintf(url, sizeof(url), "redis://gate:secret@127.0.0.1:%u", port);
	tracker_start(world, url, TEST_TIMEOUT_MS);
	RUN_UNTIL(&world->turner, logged(world, "Redis says: WRONGPASS") > 0);
	assert_int_equal(logged(world, "secret"), 0);
	assert_false(jg_directory_ready(world->directory, clock_ms(world)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST_ALONE(it_may_come_later_and_come_again),
	    TEST(one_connection_does_not_live_without_the_other),
	    TEST(pings_prove_that_it_works),
	    TEST(a_silent_redis_is_given_up),
	    TEST(a_read_without_reply_fails_when_the_tracker_goes),
	    TEST(a_read_that_is_forbidden_is_no_absence),
	    TEST(without_invalidations_nothing_is_trusted),
	    TEST(a_tracker_without_info_is_trusted_by_the_name_of_its_connection),
	    TEST(a_wrong_password_is_not_repeated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
