/* dial_test.c - names and addresses that answer, refuse, stay silent, or do not exist. */
#include "harness.h"

#include "auth/redis/dial.h"
#include "fake_resolver.h"

struct world {
	struct turner turner;
	struct fake_resolver *resolver;
	struct redis_url url;
	struct redis_dial *dial;
	unsigned calls;
	int fd;
	int refusing[8]; /* sockets that hold the ports of refusing_port() */
	size_t refusing_count;
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
	world->resolver = fake_resolver_new();
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
	for (size_t i = 0; i < world->refusing_count; i++)
		close(world->refusing[i]);
	resolver_free(&world->resolver->resolver);
	turner_free(&world->turner);
	free(world);
	return 0;
}

static void
begin(struct world *world, unsigned timeout_ms)
{
	world->calls = 0;
	world->dial = redis_dial_start(world->turner.base, &world->resolver->resolver, &world->url,
	    timeout_ms, on_dialled, world);
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

/* A port that refuses connections: a socket holds it until the end of the test, and does not
 * listen. */
static uint16_t
refusing_port(struct world *world)
{
	uint16_t port = 0;
	int fd = loopback_bind(&port, false);

	assert_true(world->refusing_count < 8 && fd >= 0);
	world->refusing[world->refusing_count++] = fd;
	return port;
}

static void
numeric_addresses(void **state)
{
	struct world *world = *state;
	int listener = loopback_listen(8, &world->url.port);

	strcpy(world->url.host, "127.0.0.1");
	begin(world, TEST_TIMEOUT_MS);
	expect_connected(world, listener);
	close(listener);
	world->url.port = refusing_port(world);
	begin(world, TEST_TIMEOUT_MS);
	expect_failure(world, "cannot connect: Connection refused");
	strcpy(world->url.host, "::1");
	begin(world, TEST_TIMEOUT_MS);
	RUN_UNTIL(&world->turner, world->calls == 1);
	assert_int_equal(world->fd, -1);
	assert_int_equal(strncmp(world->reason, "cannot connect: ", 16), 0);
	assert_int_equal(world->resolver->asks, 0);
}

/* A listener whose queue is full: who comes then gets no answer at all. */
struct silent {
	int listener, queued[3];
	uint16_t port;
};

static void
silent_open(struct world *world, struct silent *silent)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	silent->listener = loopback_listen(0, &silent->port);
	address.sin_port = htons(silent->port);
	for (size_t i = 0; i < 3; i++) {
		silent->queued[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(silent->queued[i], (struct sockaddr *)&address, sizeof(address));
	}
	run_for(&world->turner, 20);
}

static void
silent_close(struct silent *silent)
{
	for (size_t i = 0; i < 3; i++)
		close(silent->queued[i]);
	close(silent->listener);
}

static void
a_silent_address_times_out(void **state)
{
	struct world *world = *state;
	struct silent silent;
	uint64_t began_ms;

	silent_open(world, &silent);
	world->url.port = silent.port;
	strcpy(world->url.host, "127.0.0.1");
	began_ms = now_ms();
	begin(world, 80);
	expect_failure(world, "cannot connect: Connection timed out");
	assert_true(now_ms() - began_ms >=
		    80 / 2); /* the clock of a turn of the loop is older, and coarse */
	silent_close(&silent);
}

/* The process was stalled for longer than the time-out, and the connection came meanwhile. */
static void
a_late_look_finds_the_connection(void **state)
{
	struct world *world = *state;
	int listener = loopback_listen(8, &world->url.port);

	strcpy(world->url.host, "127.0.0.1");
	begin(world, 20);
	event_base_loop(world->turner.base, EVLOOP_ONCE); /* it connects */
	usleep(60000);
	expect_connected(world, listener);
	close(listener);
}

/* ---- names ---- */

static void
add_address(struct resolved *resolved, uint16_t port)
{
	struct address *address = &resolved->addresses[resolved->count++];
	struct sockaddr_in *in = (struct sockaddr_in *)&address->storage;

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in->sin_port = htons(port);
	address->len = sizeof(*in);
}

/* Begin with a name, and wait until the resolver has been asked for it. */
static void
begin_name(struct world *world, unsigned timeout_ms)
{
	strcpy(world->url.host, "redis.test");
	world->url.port = 6379;
	begin(world, timeout_ms);
	RUN_UNTIL(&world->turner, world->resolver->done != NULL);
	assert_string_equal(world->resolver->name, "redis.test");
	assert_int_equal(world->resolver->port, 6379);
}

static void
addresses_are_tried_in_order(void **state)
{
	struct world *world = *state;
	struct resolved resolved = {0};
	uint16_t port, other;
	int listener = loopback_listen(8, &port), later = loopback_listen(8, &other);

	begin_name(world, TEST_TIMEOUT_MS);
	add_address(&resolved, refusing_port(world));
	add_address(&resolved, port);
	add_address(&resolved, other);
	fake_resolver_answer(world->resolver, &resolved);
	expect_connected(world, listener);
	assert_int_equal(accept4(later, NULL, NULL, SOCK_CLOEXEC), -1);
	close(listener);
	close(later);
}

/* For two addresses: the silent one uses up its half, the other needs little of its own. */
#define SHARED_MS 1000

/* A silent address has its share of the time, not all of it. */
static void
a_silent_address_leaves_time_for_the_next(void **state)
{
	struct world *world = *state;
	struct resolved resolved = {0};
	struct silent silent;
	uint16_t port;
	int listener = loopback_listen(8, &port);

	silent_open(world, &silent);
	begin_name(world, SHARED_MS);
	add_address(&resolved, silent.port);
	add_address(&resolved, port);
	fake_resolver_answer(world->resolver, &resolved);
	expect_connected(world, listener);
	silent_close(&silent);
	close(listener);
}

static void
no_address_can_be_reached(void **state)
{
	struct world *world = *state;
	struct resolved resolved = {0};

	begin_name(world, TEST_TIMEOUT_MS);
	add_address(&resolved, refusing_port(world));
	add_address(&resolved, refusing_port(world));
	fake_resolver_answer(world->resolver, &resolved);
	expect_failure(world, "cannot connect: Connection refused");
}

static void
one_family_goes_ahead(void **state)
{
	struct world *world = *state;
	struct resolved resolved = {.partial = true};
	uint16_t port;
	int listener = loopback_listen(8, &port);

	begin_name(world, TEST_TIMEOUT_MS);
	add_address(&resolved, port);
	fake_resolver_answer(world->resolver, &resolved);
	expect_connected(world, listener);
	assert_int_equal(world->resolver->cancels, 1);
	close(listener);
}

/* What went ahead leads nowhere: the dial waits for the other family. */
static void
the_other_family_follows(void **state)
{
	struct world *world = *state;
	struct resolved resolved = {.partial = true};
	struct silent silent;
	uint16_t port;
	int listener = loopback_listen(8, &port);

	silent_open(world, &silent);
	for (int is_silent = 0; is_silent < 2; is_silent++) {
		resolved = (struct resolved){.partial = true};
		begin_name(world, SHARED_MS);
		add_address(&resolved, is_silent ? silent.port : refusing_port(world));
		fake_resolver_answer(world->resolver, &resolved);
		run_for(&world->turner, is_silent ? 0 : 50);
		assert_int_equal(world->calls, 0);
		resolved.partial = false;
		add_address(&resolved, port);
		fake_resolver_answer(world->resolver, &resolved);
		expect_connected(world, listener);
	}
	silent_close(&silent);
	close(listener);
}

static void
the_other_family_has_nothing(void **state)
{
	struct world *world = *state;
	struct resolved resolved = {.partial = true};

	begin_name(world, TEST_TIMEOUT_MS);
	add_address(&resolved, refusing_port(world));
	fake_resolver_answer(world->resolver, &resolved);
	run_for(&world->turner, 50);
	assert_int_equal(world->calls, 0);
	resolved.partial = false;
	fake_resolver_answer(world->resolver, &resolved);
	expect_failure(world, "cannot connect: Connection refused");
}

static void
sockets_with_a_path(void **state)
{
	struct world *world = *state;
	char directory[64];
	int listener;

	make_directory(directory, sizeof(directory));
	snprintf(world->url.path, sizeof(world->url.path), "%s/s", directory);
	begin(world, TEST_TIMEOUT_MS);
	expect_failure(world, "cannot connect: No such file or directory");
	listener = listen_unix(world->url.path);
	begin(world, TEST_TIMEOUT_MS);
	expect_connected(world, listener);
	close(listener);
	begin(world, TEST_TIMEOUT_MS);
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
	begin(world, TEST_TIMEOUT_MS);
	expect_connected(world, listener);
	close(listener);
	remove_directory(directory);
}

static void
a_name_without_an_address(void **state)
{
	struct world *world = *state;
	const struct resolved none = {.error = "Domain name not found"};

	begin_name(world, TEST_TIMEOUT_MS);
	fake_resolver_answer(world->resolver, &none);
	expect_failure(world, "cannot resolve its host: Domain name not found");
}

static void
a_resolver_that_takes_no_lookup(void **state)
{
	struct world *world = *state;

	world->resolver->refuses = true;
	strcpy(world->url.host, "redis.test");
	begin(world, TEST_TIMEOUT_MS);
	expect_failure(world, "cannot resolve its host: out of memory, or the name is too long");
}

static void
a_cancelled_dial_does_not_call(void **state)
{
	struct world *world = *state;
	struct resolved resolved = {0};
	struct silent silent;

	redis_dial_cancel(NULL);
	silent_open(world, &silent);
	add_address(&resolved, silent.port);
	/* Before it begins, while its name is resolved, while it connects. */
	for (int when = 0; when < 3; when++) {
		if (when == 0)
			begin(world, TEST_TIMEOUT_MS);
		else
			begin_name(world, TEST_TIMEOUT_MS);
		if (when == 2)
			fake_resolver_answer(world->resolver, &resolved);
		redis_dial_cancel(world->dial);
		world->dial = NULL;
		assert_null(world->resolver->done);
		run_for(&world->turner, 20);
		assert_int_equal(world->calls, 0);
	}
	assert_int_equal(world->resolver->cancels, 1);
	silent_close(&silent);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(numeric_addresses),
	    TEST(a_silent_address_times_out),
	    TEST(a_late_look_finds_the_connection),
	    TEST(addresses_are_tried_in_order),
	    TEST(a_silent_address_leaves_time_for_the_next),
	    TEST(no_address_can_be_reached),
	    TEST(one_family_goes_ahead),
	    TEST(the_other_family_follows),
	    TEST(the_other_family_has_nothing),
	    TEST(sockets_with_a_path),
	    TEST(the_longest_path),
	    TEST(a_name_without_an_address),
	    TEST(a_resolver_that_takes_no_lookup),
	    TEST(a_cancelled_dial_does_not_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
