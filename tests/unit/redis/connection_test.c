/* connection_test.c - logging in, pipelining, breaking: against a server that sends what we say. */
#include "harness.h"

#include "auth/redis/connection.h"
#include "jobgate/slice.h"

#define CALLS_MAX 16

struct world {
	struct turner turner;
	char directory[64], path[96];
	int listener, peer; /* peer: the server's end of the connection, or -1 */
	char heard[4096];   /* by the server so far */
	size_t heard_len;
	struct redis_connection *connection;
	unsigned timeout_ms;
	struct redis_handlers handlers;
	unsigned ups, downs, pushes;
	char reason[256], pushed[64];
	unsigned calls;
	char replies[CALLS_MAX][64]; /* as text; "(none)" for NULL */
	bool free_when_up, free_when_down, free_when_pushed;
};

static void
give_up(struct world *world)
{
	redis_connection_free(world->connection);
	world->connection = NULL;
}

static void
on_up(void *ctx)
{
	struct world *world = ctx;

	world->ups++;
	if (world->free_when_up)
		give_up(world);
}

static void
on_down(void *ctx, const char *reason)
{
	struct world *world = ctx;

	world->downs++;
	snprintf(world->reason, sizeof(world->reason), "%s", reason);
	if (world->free_when_down)
		give_up(world);
}

static void
on_push(void *ctx, const redisReply *reply)
{
	struct world *world = ctx;

	world->pushes++;
	snprintf(world->pushed, sizeof(world->pushed), "%s", reply->element[1]->str);
	if (world->free_when_pushed)
		give_up(world);
}

static void
on_reply(void *ctx, const redisReply *reply)
{
	struct world *world = ctx;
	char *text;

	assert_true(world->calls < CALLS_MAX);
	text = world->replies[world->calls++];
	if (reply == NULL)
		snprintf(text, 64, "(none)");
	else if (reply->type == REDIS_REPLY_INTEGER)
		snprintf(text, 64, ":%lld", reply->integer);
	else if (reply->type == REDIS_REPLY_ARRAY)
		snprintf(text, 64, "*%zu", (size_t)reply->elements);
	else
		snprintf(text, 64, "%s", reply->str);
}

static void
on_reply_free(void *ctx, const redisReply *reply)
{
	struct world *world = ctx;

	on_reply(ctx, reply);
	if (reply != NULL)
		give_up(world);
}

static int
setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	turner_init(&world->turner);
	make_directory(world->directory, sizeof(world->directory));
	snprintf(world->path, sizeof(world->path), "%s/s", world->directory);
	world->listener = listen_unix(world->path);
	world->peer = -1;
	world->timeout_ms = PATIENCE_MS;
	world->handlers = (struct redis_handlers){.ctx = world, .up = on_up, .down = on_down};
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;

	redis_connection_free(world->connection);
	turner_free(&world->turner);
	close(world->listener);
	if (world->peer >= 0)
		close(world->peer);
	remove_directory(world->directory);
	free(world);
	return 0;
}

static void
dial(struct world *world, const char *more)
{
	struct redis_url url;
	char text[512], error[128];

	snprintf(text, sizeof(text), "unix:%s%s", world->path, more);
	assert_true(redis_url_parse(text, &url, error, sizeof(error)));
	if (strcmp(more, "") != 0) {
		snprintf(url.user, sizeof(url.user), "ann");
		snprintf(url.password, sizeof(url.password), "secret");
		url.has_password = true;
	}
	world->connection = redis_connection_new(
	    world->turner.base, &url, NULL, "tester", world->timeout_ms, &world->handlers);
	assert_non_null(world->connection);
	assert_false(redis_connection_is_up(world->connection));
}

static bool
accepted(struct world *world)
{
	if (world->peer < 0)
		world->peer = accept4(world->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return world->peer >= 0;
}

/* True once the server has got all of this, and nothing else. */
static bool
hears(struct world *world, struct slice text)
{
	ssize_t len = read(
	    world->peer, world->heard + world->heard_len, sizeof(world->heard) - world->heard_len);

	if (len > 0)
		world->heard_len += (size_t)len;
	assert_true(world->heard_len <= text.len);
	assert_memory_equal(world->heard, text.at, world->heard_len);
	return world->heard_len == text.len;
}

static void
expect(struct world *world, struct slice text)
{
	RUN_UNTIL(&world->turner, hears(world, text));
	world->heard_len = 0;
}

static void
say_bytes(struct world *world, const char *text, size_t len)
{
	/* Who is down reads no more. */
	while (len > 0 && world->downs == 0) {
		ssize_t sent = send(world->peer, text, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN) {
			event_base_loop(world->turner.base, EVLOOP_ONCE);
			continue;
		}
		if (sent <= 0)
			return; /* it has been cut off, which a test may want to see */
		text += sent;
		len -= (size_t)sent;
	}
}

static void
say(struct world *world, const char *text)
{
	say_bytes(world, text, strlen(text));
}

#define SETNAME "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$6\r\ntester\r\n"

static void
come_up(struct world *world)
{
	dial(world, "");
	RUN_UNTIL(&world->turner, accepted(world));
	expect(world, SLICE(SETNAME));
	say(world, "+OK\r\n");
	RUN_UNTIL(&world->turner, world->ups == 1);
}

#define PING "*1\r\n$4\r\nPING\r\n"

static bool
ask(struct world *world, redis_reply_fn *done)
{
	return redis_command(
	    world->connection, done, world, 1, (const char *[]){"PING"}, (size_t[]){4});
}

static void
expect_down(struct world *world, const char *reason)
{
	RUN_UNTIL(&world->turner, world->downs == 1);
	assert_string_equal(world->reason, reason);
	if (world->connection == NULL)
		return;
	assert_false(redis_connection_is_up(world->connection));
	assert_false(ask(world, on_reply));
	run_for(&world->turner, 20);
	assert_int_equal(world->downs, 1);
}

/* ---- coming up ---- */

static void
it_says_who_it_is(void **state)
{
	struct world *world = *state;

	dial(world, "");
	assert_false(ask(world, on_reply));
	RUN_UNTIL(&world->turner, accepted(world));
	expect(world, SLICE(SETNAME));
	run_for(&world->turner, 20);
	assert_int_equal(world->ups, 0);
	assert_false(ask(world, on_reply));
	say(world, "+OK\r\n");
	RUN_UNTIL(&world->turner, world->ups == 1);
	assert_true(redis_connection_is_up(world->connection));
	assert_int_equal(world->calls, 0);
}

#define LOGIN                                               \
	"*3\r\n$4\r\nAUTH\r\n$3\r\nann\r\n$6\r\nsecret\r\n" \
	"*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n" SETNAME

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
	say(world, "+OK\r\n");
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
	say(world, "-NOPERM this user has no permissions\r\n");
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
	expect(world, SLICE(SETNAME));
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
	assert_true(ask(world, NULL)); /* nobody wants that one */
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
	expect_down(world, "Redis sent what is no reply, or too long a one");
	assert_string_equal(world->replies[0], "(none)");
}

static void
what_nobody_asked_for_breaks_it(void **state)
{
	struct world *world = *state;

	come_up(world);
	say(world, "+OK\r\n");
	expect_down(world, "Redis sent a reply that nobody asked for");
}

static void
a_message_without_a_subscription_breaks_it(void **state)
{
	struct world *world = *state;

	come_up(world);
	say(world, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n*1\r\n$1\r\nk\r\n");
	expect_down(world, "Redis sent a reply that nobody asked for");
}

/* The memory for an array is not taken on a stranger's word. */
static void
a_huge_array_breaks_it(void **state)
{
	struct world *world = *state;

	come_up(world);
	assert_true(ask(world, on_reply));
	say(world, "*1048577\r\n");
	expect_down(world, "Redis sent what is no reply, or too long a one");
}

static void
a_huge_string_breaks_it(void **state)
{
	struct world *world = *state;
	char *bytes = calloc(1, 1 << 20);

	come_up(world);
	assert_true(ask(world, on_reply));
	say(world, "$100000000\r\n");
	for (int i = 0; i < 17 && world->downs == 0; i++)
		say_bytes(world, bytes, 1 << 20);
	expect_down(world, "Redis sent a reply that is too long");
	free(bytes);
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
	say(world, "+OK\r\n+and more\r\n");
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(it_says_who_it_is),
	    TEST(it_logs_in),
	    TEST(a_refused_login_is_told),
	    TEST(a_name_can_be_done_without),
	    TEST(but_not_for_any_reason),
	    TEST(who_is_not_there_is_told),
	    TEST(silence_ends),
	    TEST(who_is_up_may_be_silent),
	    TEST(replies_come_in_the_order_of_commands),
	    TEST(arguments_may_hold_any_byte),
	    TEST(messages_go_to_who_subscribed),
	    TEST(all_who_wait_are_told_first),
	    TEST(what_is_no_reply_breaks_it),
	    TEST(what_nobody_asked_for_breaks_it),
	    TEST(a_message_without_a_subscription_breaks_it),
	    TEST(a_huge_array_breaks_it),
	    TEST(a_huge_string_breaks_it),
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
