/* connection_break_test.c - each way in which a connection ends, and who hears of it. */
#include "connection_world.h"

/* ---- breaking ---- */

static void
all_who_wait_are_told_first(void **state)
{
	struct world *world = *state;

	come_up(world);
	assert_true(ask(world, on_reply));
	assert_true(ask(world, NULL));
	assert_true(ask(world, on_reply));
	expect(world, SLICE(PING PING PING));
	say(world, "+one\r\n");
	shutdown(world->peer, SHUT_RDWR);
	expect_down(world, "Redis closed the connection");
	assert_int_equal(world->calls, 2);
	assert_string_equal(world->replies[0], "one");
	assert_string_equal(world->replies[1], "(none)");
}

static void
what_is_no_reply_breaks_it(void **state)
{
	struct world *world = *state;

	come_up(world);
	assert_true(ask(world, on_reply));
	say(world, "HTTP/1.1 400 Bad Request\r\n\r\n");
	expect_down(world, "Redis sent something that is not a reply");
	assert_string_equal(world->replies[0], "(none)");
}

static void
an_unrequested_reply_breaks_it(void **state)
{
	struct world *world = *state;

	come_up(world);
	say(world, "+OK\r\n");
	expect_down(world, "Redis sent a reply without a command");
}

static void
a_message_without_a_subscription_breaks_it(void **state)
{
	struct world *world = *state;

	come_up(world);
	say(world, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n*1\r\n$1\r\nk\r\n");
	expect_down(world, "Redis sent a reply without a command");
}

/* The memory for an array is not taken on a stranger's word. */
static void
a_huge_array_is_skipped(void **state)
{
	struct world *world = *state;

	come_up(world);
	assert_true(ask(world, on_reply));
	say(world, "*2\r\n*1048575\r\n");
	RUN_UNTIL(&world->turner, world->calls == 1);
	assert_string_equal(world->replies[0], "TOOLONG is this reply");
	for (int i = 0; i < 1048575; i += 15)
		say(world, ":1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n"
			   ":10\r\n:11\r\n:12\r\n:13\r\n:14\r\n:15\r\n");
	assert_true(ask(world, on_reply));
	say(world, "+half\r\n+next\r\n");
	RUN_UNTIL(&world->turner, world->calls == 2);
	assert_string_equal(world->replies[1], "next");
	assert_int_equal(world->downs, 0);
}

/* Who asked knows as soon as it is announced; others get their replies behind it. */
static void
a_huge_string_is_skipped(void **state)
{
	struct world *world = *state;
	char *bytes = calloc(1, 1 << 20);

	come_up(world);
	for (int i = 0; i < 3; i++)
		assert_true(ask(world, on_reply));
	say(world, "+first\r\n*2\r\n$3\r\nkey\r\n$100000000\r\n");
	RUN_UNTIL(&world->turner, world->calls == 2);
	assert_string_equal(world->replies[1], "TOOLONG is this reply");
	for (size_t left = 100000000; left > 0;) {
		size_t len = left < 1 << 20 ? left : 1 << 20;

		say_bytes(world, bytes, len);
		left -= len;
	}
	run_for(&world->turner, 20);
	assert_int_equal(world->calls, 2);
	say(world, "\r\n*1\r\n:7\r\n");
	RUN_UNTIL(&world->turner, world->calls == 3);
	assert_string_equal(world->replies[0], "first");
	assert_string_equal(world->replies[2], "*1");
	assert_int_equal(world->downs, 0);
	free(bytes);
}

/* Many small strings make a long reply, too, and the next reply is judged by itself. */
static void
long_replies_are_skipped_one_by_one(void **state)
{
	struct world *world = *state;
	char *bytes = calloc(1, 1 << 20);

	come_up(world);
	for (unsigned n = 0; n < 2; n++) {
		assert_true(ask(world, on_reply));
		say(world, "*17\r\n");
		for (int i = 0; i < 17; i++) {
			say(world, "$1048576\r\n");
			say_bytes(world, bytes, 1 << 20);
			say(world, "\r\n");
		}
		RUN_UNTIL(&world->turner, world->calls == n + 1);
		assert_string_equal(world->replies[n], "TOOLONG is this reply");
	}
	assert_true(ask(world, on_reply));
	say(world, "+third\r\n");
	RUN_UNTIL(&world->turner, world->calls == 3);
	assert_string_equal(world->replies[2], "third");
	free(bytes);
}

static void
a_long_reply_unasked_for_breaks_it(void **state)
{
	struct world *world = *state;

	come_up(world);
	say(world, "$100000000\r\n");
	expect_down(world, "Redis sent a reply that is too long");
}

static void
a_long_message_breaks_it(void **state)
{
	struct world *world = *state;

	world->handlers.push = on_push;
	come_up(world);
	assert_true(ask(world, on_reply));
	say(world, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n*2000000\r\n");
	expect_down(world, "Redis sent a reply that is too long");
	assert_string_equal(world->replies[0], "(none)");
}

static void
who_frees_it_at_a_long_reply_may(void **state)
{
	struct world *world = *state;

	come_up(world);
	assert_true(ask(world, on_reply_free));
	assert_true(ask(world, on_reply));
	say(world, "$100000000\r\nxxx");
	RUN_UNTIL(&world->turner, world->calls == 2);
	assert_string_equal(world->replies[0], "TOOLONG is this reply");
	assert_string_equal(world->replies[1], "(none)");
	assert_int_equal(world->downs, 0);
}

/* Sixteen megabytes in many replies are another thing. */
static void
many_replies_are_not_one_long_reply(void **state)
{
	struct world *world = *state;
	char *bytes = malloc(2 << 20);

	memset(bytes, 'x', 2 << 20);
	come_up(world);
	for (int i = 0; i < 10; i++) {
		assert_true(ask(world, on_reply));
		say(world, "$2097152\r\n");
		say_bytes(world, bytes, 2 << 20);
		say(world, "\r\n");
	}
	RUN_UNTIL(&world->turner, world->calls == 10);
	assert_int_equal(world->downs, 0);
	free(bytes);
}

/* ---- an owner who frees it ---- */

static void
who_waits_when_it_is_freed_is_told(void **state)
{
	struct world *world = *state;

	come_up(world);
	assert_true(ask(world, on_reply));
	assert_true(ask(world, on_reply));
	give_up(world);
	assert_int_equal(world->calls, 2);
	assert_string_equal(world->replies[1], "(none)");
	run_for(&world->turner, 20);
	assert_int_equal(world->downs, 0);
	redis_connection_free(NULL);
}

static void
it_may_be_freed_before_it_has_begun(void **state)
{
	struct world *world = *state;

	dial(world, "");
	give_up(world);
	run_for(&world->turner, 20);
	assert_int_equal(world->ups + world->downs, 0);
}

static void
it_may_be_freed_when_it_comes_up(void **state)
{
	struct world *world = *state;

	world->free_when_up = true;
	dial(world, "");
	RUN_UNTIL(&world->turner, accepted(world));
	say(world, "+OK\r\n" STANDALONE "+and more\r\n");
	RUN_UNTIL(&world->turner, world->ups == 1);
	run_for(&world->turner, 20);
	assert_int_equal(world->downs, 0);
}

static void
it_may_be_freed_when_it_goes_down(void **state)
{
	struct world *world = *state;

	world->free_when_down = true;
	come_up(world);
	assert_true(ask(world, on_reply));
	close(world->peer);
	world->peer = -1;
	RUN_UNTIL(&world->turner, world->downs == 1);
	assert_int_equal(world->calls, 1);
}

static void
it_may_be_freed_by_a_reply(void **state)
{
	struct world *world = *state;

	come_up(world);
	assert_true(ask(world, on_reply_free));
	assert_true(ask(world, on_reply));
	say(world, "+one\r\n+two\r\n");
	RUN_UNTIL(&world->turner, world->calls == 2);
	assert_string_equal(world->replies[0], "one");
	assert_string_equal(world->replies[1], "(none)"); /* it came too late */
	assert_int_equal(world->downs, 0);
}

static void
it_may_be_freed_by_a_message(void **state)
{
	struct world *world = *state;

	world->handlers.push = on_push;
	world->free_when_pushed = true;
	come_up(world);
	say(world,
	    "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n*-1\r\n*3\r\n$7\r\nmessage\r\n$1\r\nd\r\n*-1\r\n");
	RUN_UNTIL(&world->turner, world->pushes > 0);
	run_for(&world->turner, 20);
	assert_int_equal(world->pushes, 1);
	assert_int_equal(world->downs, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(all_who_wait_are_told_first),
	    TEST(what_is_no_reply_breaks_it),
	    TEST(an_unrequested_reply_breaks_it),
	    TEST(a_message_without_a_subscription_breaks_it),
	    TEST(a_huge_array_is_skipped),
	    TEST(a_huge_string_is_skipped),
	    TEST(long_replies_are_skipped_one_by_one),
	    TEST(a_long_reply_unasked_for_breaks_it),
	    TEST(a_long_message_breaks_it),
	    TEST(who_frees_it_at_a_long_reply_may),
	    TEST(many_replies_are_not_one_long_reply),
	    TEST(who_waits_when_it_is_freed_is_told),
	    TEST(it_may_be_freed_before_it_has_begun),
	    TEST(it_may_be_freed_when_it_comes_up),
	    TEST(it_may_be_freed_when_it_goes_down),
	    TEST(it_may_be_freed_by_a_reply),
	    TEST(it_may_be_freed_by_a_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
