/* connection_test.c - login and pipelining, with a server that sends what the test says. */
#include "connection_world.h"

/* ---- coming up ---- */

static void
it_says_who_it_is(void **state)
{
	struct world *world = *state;

	dial(world, "");
	assert_false(ask(world, on_reply));
	RUN_UNTIL(&world->turner, accepted(world));
	expect(world, SLICE(NAME_AND_HELLO));
	run_for(&world->turner, 20);
	assert_int_equal(world->ups, 0);
	assert_false(ask(world, on_reply));
	say(world, "+OK\r\n");
	run_for(&world->turner, 20);
	assert_int_equal(world->ups, 0);
	say(world, STANDALONE);
	RUN_UNTIL(&world->turner, world->ups == 1);
	assert_true(redis_connection_is_up(world->connection));
	assert_int_equal(redis_connection_id(world->connection), 7);
	assert_false(redis_connection_is_to_replica(world->connection));
	assert_int_equal(world->calls, 0);
}

#define LOGIN                                               \
	"*3\r\n$4\r\nAUTH\r\n$3\r\nann\r\n$6\r\nsecret\r\n" \
	"*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n" NAME_AND_HELLO

static void
it_logs_in(void **state)
{
	struct world *world = *state;

	dial(world, "?db=7");
	RUN_UNTIL(&world->turner, accepted(world));
	expect(world, SLICE(LOGIN));
	say(world, "+OK\r\n+OK\r\n");
	run_for(&world->turner, 20);
	assert_int_equal(world->ups, 0);
	say(world, "+OK\r\n" STANDALONE);
	RUN_UNTIL(&world->turner, world->ups == 1);
}

static void
a_refused_login_is_told(void **state)
{
	struct world *world = *state;

	dial(world, "?db=7");
	RUN_UNTIL(&world->turner, accepted(world));
	expect(world, SLICE(LOGIN));
	say(world, "-WRONGPASS no such pair\r\n-NOAUTH\r\n-NOAUTH\r\n");
	expect_down(world, "Redis says: WRONGPASS no such pair");
	assert_int_equal(world->ups, 0);
}

static void
a_name_can_be_done_without(void **state)
{
	struct world *world = *state;

	dial(world, "");
	RUN_UNTIL(&world->turner, accepted(world));
	say(world, "-NOPERM this user has no permissions\r\n" STANDALONE);
	RUN_UNTIL(&world->turner, world->ups == 1);
}

static void
but_not_for_any_reason(void **state)
{
	struct world *world = *state;

	dial(world, "");
	RUN_UNTIL(&world->turner, accepted(world));
	say(world, "-NOAUTH Authentication required.\r\n");
	expect_down(world, "Redis says: NOAUTH Authentication required.");
}

/* A node of a cluster that is cut off from the others may not know that for a while. */
static void
a_node_of_a_cluster_is_refused(void **state)
{
	struct world *world = *state;

	dial(world, "");
	RUN_UNTIL(&world->turner, accepted(world));
	say(world, "+OK\r\n" SERVER("7\r\ncluster", "6\r\nmaster"));
	expect_down(world, "it is in a Redis Cluster (cluster_enabled:1); the URL of a cluster is "
			   "redis+cluster://host,host,host/ with several of its servers");
	assert_int_equal(world->ups, 0);
}

static void
a_replica_is_known_as_one(void **state)
{
	struct world *world = *state;

	dial(world, "");
	RUN_UNTIL(&world->turner, accepted(world));
	say(world, "+OK\r\n" SERVER("10\r\nstandalone", "7\r\nreplica"));
	RUN_UNTIL(&world->turner, world->ups == 1);
	assert_true(redis_connection_is_to_replica(world->connection));
}

/* Nor is one that does not say what it is. */
static void
an_unknown_server_is_refused(void **state)
{
	static const char *const replies[] = {"+OK\r\n", ":1\r\n", "*0\r\n", "*1\r\n$4\r\nmode\r\n",
	    "*2\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n",
	    "*4\r\n$2\r\nid\r\n$1\r\n7\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n",
	    "*4\r\n$2\r\nid\r\n:7\r\n$4\r\nmode\r\n:1\r\n"};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		world->downs = 0;
		dial(world, "");
		RUN_UNTIL(&world->turner, accepted(world));
		say(world, "+OK\r\n");
		say(world, replies[i]);
		expect_down(world, "it does not say what it is (HELLO): Redis 7 or newer, or "
				   "Valkey, is needed");
		redis_connection_free(world->connection);
		world->connection = NULL;
		close(world->peer);
		world->peer = -1;
	}
	assert_int_equal(world->ups, 0);
}

static void
who_is_not_there_is_told(void **state)
{
	struct world *world = *state;

	unlink(world->path);
	dial(world, "");
	assert_int_equal(world->downs, 0); /* never from within */
	expect_down(world, "cannot connect: No such file or directory");
}

static void
silence_ends(void **state)
{
	struct world *world = *state;
	uint64_t began_ms = now_ms();

	world->timeout_ms = 60;
	dial(world, "");
	RUN_UNTIL(&world->turner, accepted(world));
	expect(world, SLICE(NAME_AND_HELLO));
	expect_down(world, "Redis did not answer in time");
	assert_true(now_ms() - began_ms >= 60 - 5); /* the loop's clock is coarse */
}

/* Once it is up that time counts no more. */
static void
who_is_up_may_be_silent(void **state)
{
	struct world *world = *state;

	world->timeout_ms = 1000;
	come_up(world);
	run_for(&world->turner, 1100);
	assert_int_equal(world->downs, 0);
	assert_true(redis_connection_is_up(world->connection));
}

/* ---- commands ---- */

static void
replies_come_in_the_order_of_commands(void **state)
{
	static const char replies[] =
	    "+one\r\n:2\r\n$5\r\nth\r\ne\r\n*2\r\n:1\r\n$-1\r\n-ERR five\r\n";
	struct world *world = *state;

	come_up(world);
	for (int i = 0; i < 5; i++)
		assert_true(ask(world, on_reply));
	assert_true(ask(world, NULL)); /* its reply is ignored */
	assert_true(ask(world, on_reply));
	assert_int_equal(world->calls, 0);
	expect(world, SLICE(PING PING PING PING PING PING PING));
	/* However they are cut. */
	for (size_t i = 0; i < sizeof(replies) - 1; i++) {
		say_bytes(world, replies + i, 1);
		event_base_loop(world->turner.base, EVLOOP_ONCE);
	}
	say(world, "+six\r\n+seven\r\n");
	RUN_UNTIL(&world->turner, world->calls == 6);
	assert_string_equal(world->replies[0], "one");
	assert_string_equal(world->replies[1], ":2");
	assert_string_equal(world->replies[2], "th\r\ne");
	assert_string_equal(world->replies[3], "*2");
	assert_string_equal(world->replies[4], "ERR five");
	assert_string_equal(world->replies[5], "seven");
	assert_int_equal(world->downs, 0);
}

static void
arguments_may_hold_any_byte(void **state)
{
	struct world *world = *state;

	come_up(world);
	assert_true(redis_command(world->connection, on_reply, world, 2,
	    (const char *[]){"GET", "a\r\n\0b"}, (size_t[]){3, 5}));
	expect(world, SLICE("*2\r\n$3\r\nGET\r\n$5\r\na\r\n\0b\r\n"));
}

static void
messages_go_to_who_subscribed(void **state)
{
	struct world *world = *state;

	world->handlers.push = on_push;
	come_up(world);
	assert_true(ask(world, on_reply));
	say(world, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n*1\r\n$1\r\nk\r\n"
		   "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
		   "*3\r\n$7\r\nmessage\r\n$1\r\nd\r\n*-1\r\n");
	RUN_UNTIL(&world->turner, world->pushes == 2);
	assert_string_equal(world->pushed, "d");
	assert_int_equal(world->calls, 1);
	assert_string_equal(world->replies[0], "*3");
	assert_int_equal(world->downs, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(it_says_who_it_is),
	    TEST(it_logs_in),
	    TEST(a_refused_login_is_told),
	    TEST(a_name_can_be_done_without),
	    TEST(but_not_for_any_reason),
	    TEST(a_node_of_a_cluster_is_refused),
	    TEST(a_replica_is_known_as_one),
	    TEST(an_unknown_server_is_refused),
	    TEST(who_is_not_there_is_told),
	    TEST(silence_ends),
	    TEST(who_is_up_may_be_silent),
	    TEST(replies_come_in_the_order_of_commands),
	    TEST(arguments_may_hold_any_byte),
	    TEST(messages_go_to_who_subscribed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
