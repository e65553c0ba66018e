/* connection_world.h - a connection, its owner, and a server that sends what the test says. */
#ifndef JOBGATE_TEST_REDIS_CONNECTION_WORLD_H
#define JOBGATE_TEST_REDIS_CONNECTION_WORLD_H

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

static inline void
give_up(struct world *world)
{
	redis_connection_free(world->connection);
	world->connection = NULL;
}

static inline void
on_up(void *ctx)
{
	struct world *world = ctx;

	world->ups++;
	if (world->free_when_up)
		give_up(world);
}

static inline void
on_down(void *ctx, const char *reason)
{
	struct world *world = ctx;

	world->downs++;
	snprintf(world->reason, sizeof(world->reason), "%s", reason);
	if (world->free_when_down)
		give_up(world);
}

static inline void
on_push(void *ctx, const redisReply *reply)
{
	struct world *world = ctx;

	world->pushes++;
	snprintf(world->pushed, sizeof(world->pushed), "%s", reply->element[1]->str);
	if (world->free_when_pushed)
		give_up(world);
}

static inline void
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

static inline void
on_reply_free(void *ctx, const redisReply *reply)
{
	struct world *world = ctx;

	on_reply(ctx, reply);
	if (reply != NULL)
		give_up(world);
}

static inline int
setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	turner_init(&world->turner);
	make_directory(world->directory, sizeof(world->directory));
	snprintf(world->path, sizeof(world->path), "%s/s", world->directory);
	world->listener = listen_unix(world->path);
	world->peer = -1;
	world->timeout_ms = TEST_TIMEOUT_MS;
	world->handlers = (struct redis_handlers){.ctx = world, .up = on_up, .down = on_down};
	*state = world;
	return 0;
}

static inline int
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

static inline void
dial(struct world *world, const char *more)
{
	struct redis_url url;
	char text[512], error[128];

	snprintf(text, sizeof(text), "unix:%s%s", world->path, more);
	assert_true(redis_url_parse(text, &url, error, sizeof(error)));
	if (strcmp(more, "") != 0) {
		snprintf(url.login.user, sizeof(url.login.user), "ann");
		snprintf(url.login.password, sizeof(url.login.password), "secret");
		url.login.given = true;
	}
	world->connection = redis_connection_new(
	    world->turner.base, NULL, &url, NULL, "tester", world->timeout_ms, &world->handlers);
	assert_non_null(world->connection);
	assert_false(redis_connection_is_up(world->connection));
}

static inline bool
accepted(struct world *world)
{
	if (world->peer < 0)
		world->peer = accept4(world->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return world->peer >= 0;
}

/* True once the server has got all of this, and nothing else. */
static inline bool
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

static inline void
expect(struct world *world, struct slice text)
{
	RUN_UNTIL(&world->turner, hears(world, text));
	world->heard_len = 0;
}

static inline void
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

static inline void
say(struct world *world, const char *text)
{
	say_bytes(world, text, strlen(text));
}

/* What it says at the end of each login, and what a server answers to the last of it. */
#define NAME_AND_HELLO                                            \
	"*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$6\r\ntester\r\n" \
	"*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n"
#define SERVER(mode, role)                                                  \
	"*8\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:7\r\n$4\r\nmode\r\n$" mode \
	"\r\n$4\r\nrole\r\n$" role "\r\n"
#define STANDALONE SERVER("10\r\nstandalone", "6\r\nmaster")

static inline void
come_up(struct world *world)
{
	dial(world, "");
	RUN_UNTIL(&world->turner, accepted(world));
	expect(world, SLICE(NAME_AND_HELLO));
	say(world, "+OK\r\n" STANDALONE);
	RUN_UNTIL(&world->turner, world->ups == 1);
}

#define PING "*1\r\n$4\r\nPING\r\n"

static inline bool
ask(struct world *world, redis_reply_fn *done)
{
	return redis_command(
	    world->connection, done, world, 1, (const char *[]){"PING"}, (size_t[]){4});
}

static inline void
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
