/* feed_test.c - which changes in the store are told, and when some may have been missed. */
#include "store_world.h"

#include "auth/redis/feed.h"

#define TOKEN "aaaaaaaaaaaaaaaa"

static struct store_feed *feed;
static unsigned ups, downs, misses;
static char told[512]; /* "kind id " for each change */

static void
on_changed(void *ctx, enum record_kind kind, struct slice id)
{
	size_t len = strlen(told);

	assert_non_null(ctx);
	assert_true(len + id.len + 8 < sizeof(told));
	snprintf(told + len, sizeof(told) - len, "%d %.*s ", (int)kind, (int)id.len, id.at);
}

static void
on_up(void *ctx)
{
	assert_non_null(ctx);
	ups++;
}

static void
on_down(void *ctx)
{
	assert_non_null(ctx);
	assert_false(store_feed_is_up(feed));
	downs++;
}

static void
on_missed(void *ctx)
{
	assert_non_null(ctx);
	misses++;
}

static int
setup(void **state)
{
	struct world *world;

	setup_at_socket(state);
	world = *state;
	ups = downs = misses = 0;
	told[0] = '\0';
	feed = store_feed_new(world->store,
	    &(struct store_feed_handlers){world, on_changed, on_up, on_down, on_missed});
	assert_non_null(feed);
	assert_true(ups == 0 && !store_feed_is_up(feed)); /* not from within store_feed_new */
	RUN_UNTIL(&world->turner, store_feed_is_up(feed));
	assert_int_equal(ups, 1);
	return 0;
}

static int
end(void **state)
{
	store_feed_free(feed);
	return teardown(state);
}

/* Wait for the change of this job, which is the last one. */
static void
until_job(struct world *world, const char *id)
{
	char last[32];

	snprintf(last, sizeof(last), "%d %s ", (int)RECORD_JOB, id);
	redis_do(world->admin, "HSET jobgate:job:%s url http://127.0.0.1:1", id);
	RUN_UNTIL(&world->turner, strstr(told, last) != NULL);
}

static void
changes(void **state)
{
	struct world *world = *state;
	char expected[128];

	redis_do(world->admin, "HSET jobgate:token:" TOKEN " name x");
	redis_do(world->admin, "HSET jobgate:token:" TOKEN " name y");
	until_job(world, "a");
	redis_do(world->admin, "DEL jobgate:job:a");
	redis_do(world->admin, "PEXPIRE jobgate:token:" TOKEN " 1");
	RUN_UNTIL(&world->turner, redis_do(world->admin, "EXISTS jobgate:token:" TOKEN) == 0);
	until_job(world, "b");
	/* The end of its time to live is a change: of the two before it, Redis may tell once. */
	snprintf(expected, sizeof(expected), "%d " TOKEN " ", (int)RECORD_TOKEN);
	assert_non_null(strstr(told, expected));
	snprintf(expected, sizeof(expected), "%d a ", (int)RECORD_JOB);
	assert_non_null(strstr(strstr(told, expected) + 1, expected)); /* written, then deleted */
	assert_true(misses == 0 && downs == 0);
}

/* Keys of others, and what cannot be an id. */
static void
what_is_no_record(void **state)
{
	struct world *world = *state;
	char expected[32];

	redis_do(world->admin, "SET other:job:x 1");
	redis_do(world->admin, "SET jobgate:jobs 1");
	redis_do(world->admin, "SET jobgate:job: 1");
	redis_do(world->admin, "SET jobgate:job:Not/an/id 1");
	redis_do(world->admin, "SET jobgate:token:short 1");
	until_job(world, "last");
	snprintf(expected, sizeof(expected), "%d last ", (int)RECORD_JOB);
	assert_string_equal(told, expected);
}

static void
all_keys_are_dropped(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "FLUSHALL");
	RUN_UNTIL(&world->turner, misses == 1);
	assert_int_equal(downs, 0);
	until_job(world, "after");
}

/* Only the feed's own connection ends. */
static void
the_connection_ends(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "CLIENT KILL TYPE pubsub");
	RUN_UNTIL(&world->turner, downs == 1);
	RUN_UNTIL(&world->turner, ups == 2);
	until_job(world, "after");
}

static void
the_server_ends_and_comes_again(void **state)
{
	struct world *world = *state;

	redisFree(world->admin);
	process_end(world->redis);
	RUN_UNTIL(&world->turner, downs == 1);
	assert_false(store_feed_is_up(feed));
	start_server(world);
	RUN_UNTIL(&world->turner, ups == 2);
	until_job(world, "after");
	assert_int_equal(downs, 1);
}

/* It answers no PING: its connection counts as broken. */
static void
the_server_is_silent(void **state)
{
	struct world *world = *state;

	kill(world->redis, SIGSTOP);
	RUN_UNTIL(&world->turner, downs == 1);
	kill(world->redis, SIGCONT);
	RUN_UNTIL(&world->turner, ups == 2);
	until_job(world, "after");
}

/* No handler is called from within it. */
static void
freed_while_up(void **state)
{
	store_feed_free(feed);
	feed = NULL;
	assert_true(downs == 0 && ups == 1);
	run_for(&((struct world *)*state)->turner, 20);
	store_feed_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(changes),
	    TEST(what_is_no_record),
	    TEST(all_keys_are_dropped),
	    TEST(the_connection_ends),
	    TEST(the_server_ends_and_comes_again),
	    TEST(the_server_is_silent),
	    TEST(freed_while_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
