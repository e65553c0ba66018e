/* dial_test.c - names and addresses that answer, refuse, keep silent, or do not exist. */
#include "harness.h"

#include "auth/redis/dial.h"

struct world {
	struct turner turner;
	struct redis_url url;
	struct redis_dial *dial;
	unsigned calls;
	int fd;
	char reason[200];
};

static void
on_dialled(void *ctx, int fd, const char *reason)
{
	struct world *world = ctx;

	world->dial = NULL;
	world->calls++;
	world->fd = fd;
	snprintf(world->reason, sizeof(world->reason), "%s", reason);
}

static int
setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	turner_init(&world->turner);
	world->fd = -1;
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;

	redis_dial_cancel(world->dial);
	if (world->fd >= 0)
		close(world->fd);
	turner_free(&world->turner);
	free(world);
	return 0;
}

static void
begin(struct world *world, unsigned timeout_ms)
{
	world->calls = 0;
	world->dial =
	    redis_dial_start(world->turner.base, &world->url, timeout_ms, on_dialled, world);
	assert_non_null(world->dial);
	assert_int_equal(world->calls, 0); /* never from within */
}

/* One byte from the one end comes out at the other. */
static void
expect_connected(struct world *world, int listener)
{
	int peer;
	char byte = 0;

	RUN_UNTIL(&world->turner, world->calls == 1);
	if (world->fd < 0)
		fail_msg("%s", world->reason);
	assert_true(fcntl(world->fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(world->fd, F_GETFD) & FD_CLOEXEC);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(peer >= 0);
	assert_int_equal(write(peer, "x", 1), 1);
	RUN_UNTIL(&world->turner, read(world->fd, &byte, 1) == 1);
	assert_int_equal(byte, 'x');
	close(peer);
	close(world->fd);
	world->fd = -1;
	run_for(&world->turner, 20);
	assert_int_equal(world->calls, 1);
}

static void
expect_failure(struct world *world, const char *reason)
{
	RUN_UNTIL(&world->turner, world->calls == 1);
	assert_int_equal(world->fd, -1);
	assert_string_equal(world->reason, reason);
}

static void
addresses_and_names(void **state)
{
	struct world *world = *state;
	int listener = listen_tcp(8, &world->url.port);

	strcpy(world->url.host, "127.0.0.1");
	begin(world, PATIENCE_MS);
	expect_connected(world, listener);
	/* Where it also has an address of IPv6 nobody listens there: the next one is tried. */
	strcpy(world->url.host, "localhost");
	begin(world, PATIENCE_MS);
	expect_connected(world, listener);
	close(listener);
}

static void
nobody_listens(void **state)
{
	struct world *world = *state;

	close(listen_tcp(8, &world->url.port));
	strcpy(world->url.host, "127.0.0.1");
	begin(world, PATIENCE_MS);
	expect_failure(world, "cannot connect: Connection refused");
	strcpy(world->url.host, "localhost");
	begin(world, PATIENCE_MS);
	RUN_UNTIL(&world->turner, world->calls == 1);
	assert_int_equal(world->fd, -1);
	assert_int_equal(strncmp(world->reason, "cannot connect: ", 16), 0);
}

/* A listener whose queue is full: the second one to come gets no answer at all. */
static void
nobody_answers(void **state)
{
	struct world *world = *state;
	int listener = listen_tcp(0, &world->url.port), queued[3];
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons(world->url.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	uint64_t began_ms;

	for (size_t i = 0; i < 3; i++) {
		queued[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(queued[i], (struct sockaddr *)&address, sizeof(address));
	}
	run_for(&world->turner, 20);
	strcpy(world->url.host, "127.0.0.1");
	began_ms = now_ms();
	begin(world, 80);
	expect_failure(world, "cannot connect: Connection timed out");
	assert_true(now_ms() - began_ms >= 80 - 5); /* the loop's clock is coarse */
	for (size_t i = 0; i < 3; i++)
		close(queued[i]);
	close(listener);
}

static void
sockets_with_a_path(void **state)
{
	struct world *world = *state;
	char directory[64];
	int listener;

	make_directory(directory, sizeof(directory));
	snprintf(world->url.path, sizeof(world->url.path), "%s/s", directory);
	begin(world, PATIENCE_MS);
	expect_failure(world, "cannot connect: No such file or directory");
	listener = listen_unix(world->url.path);
	begin(world, PATIENCE_MS);
	expect_connected(world, listener);
	close(listener);
	begin(world, PATIENCE_MS);
	expect_failure(world, "cannot connect: Connection refused");
	remove_directory(directory);
}

/* The longest path that a sockaddr_un can hold, without room for a NUL to be missed. */
static void
the_longest_path(void **state)
{
	struct world *world = *state;
	char directory[64];
	int listener;
	size_t len;

	make_directory(directory, sizeof(directory));
	len = (size_t)snprintf(world->url.path, sizeof(world->url.path), "%s/", directory);
	memset(world->url.path + len, 's', sizeof(world->url.path) - 1 - len);
	listener = listen_unix(world->url.path);
	begin(world, PATIENCE_MS);
	expect_connected(world, listener);
	close(listener);
	remove_directory(directory);
}

/* The resolver refuses this by itself: no question leaves the machine. */
static void
a_name_that_is_none(void **state)
{
	struct world *world = *state;

	strcpy(world->url.host, "a..b");
	world->url.port = 1;
	begin(world, PATIENCE_MS);
	RUN_UNTIL(&world->turner, world->calls == 1);
	assert_int_equal(world->fd, -1);
	assert_int_equal(strncmp(world->reason, "cannot resolve its host: ", 25), 0);
}

static void
a_cancelled_dial_does_not_call(void **state)
{
	struct world *world = *state;
	int listener = listen_tcp(8, &world->url.port);

	redis_dial_cancel(NULL);
	for (int turns = 0; turns < 4; turns++) {
		/* Before it begins, while its thread resolves, while it connects. */
		strcpy(world->url.host, turns % 2 ? "localhost" : "127.0.0.1");
		begin(world, PATIENCE_MS);
		for (int i = 0; i < turns / 2 && world->calls == 0; i++)
			event_base_loop(world->turner.base, EVLOOP_NONBLOCK);
		if (world->calls == 0) {
			redis_dial_cancel(world->dial);
			world->dial = NULL;
			run_for(&world->turner, 20);
			assert_int_equal(world->calls, 0);
		} else {
			close(world->fd);
			world->fd = -1;
		}
	}
	close(listener);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(addresses_and_names),
	    TEST(nobody_listens),
	    TEST(nobody_answers),
	    TEST(sockets_with_a_path),
	    TEST(the_longest_path),
	    TEST(a_name_that_is_none),
	    TEST(a_cancelled_dial_does_not_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
