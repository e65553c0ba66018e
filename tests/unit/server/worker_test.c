/* worker_test.c - workers as objects: two of them in one process, without signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/address.h"
#include "server/listeners.h"
#include "server/worker.h"

#define COUNT 2

/* The store is at a socket that does not exist: workers accept without it. */
static const char configuration[] = "listen: [\"127.0.0.1:0\"]\n"
				    "workers: 1\n"
				    "store:\n"
				    "  url: unix:/nonexistent/redis.sock\n"
				    "  connect_timeout: 100ms\n"
				    "log:\n"
				    "  access: \"off\"\n";

/* One worker and what a supervisor would give it. */
struct place {
	struct config *config;
	struct listeners listeners;
	struct tls_client *backend_tls;
	struct worker_setup setup;
	struct worker *worker;
	bool ended;
	int client; /* a connection to it */
};

struct world {
	struct shared_stats *shared;
	struct place places[COUNT];
};

static const char *const no_sockets[] = {NULL};
static const unsigned char session_key[32];

static struct config *
load_configuration(void)
{
	char path[] = "/tmp/worker_test_XXXXXX";
	struct config_error error;
	struct config *config;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(
	    write(fd, configuration, strlen(configuration)), (ssize_t)strlen(configuration));
	close(fd);
	config = config_load(path, &error);
	unlink(path);
	if (config == NULL)
		fail_msg("line %zu: %s", error.line, error.message);
	return config;
}

static void
open_place(struct world *world, size_t i)
{
	const struct tls_client_options unverified = {.unverified = true};
	struct place *place = &world->places[i];
	struct inherited none = {0};
	struct log log = {.fd = -1, .process = "worker"};
	char error[256];

	place->config = load_configuration();
	assert_true(listeners_open(&place->listeners, place->config, &none, &log));
	place->backend_tls = tls_client_new(&unverified, error, sizeof(error));
	assert_non_null(place->backend_tls);
	counter_set(&world->shared->workers[i].without_store, 1);
	place->setup = (struct worker_setup){
	    .config = place->config,
	    .listeners = place->listeners.fds,
	    .all_listeners = place->listeners.fds,
	    .shared = world->shared,
	    .own = place->listeners.bound,
	    .session_key = session_key,
	    .control_secret = "",
	    .backend_tls = place->backend_tls,
	    .store_url = place->config->store.read_url,
	    .primary_url = place->config->store.write_url,
	    .stats = &world->shared->workers[i],
	    .own_sockets = no_sockets,
	    .access_log_fd = -1,
	    .log_runner = &log_threads,
	    .log = log,
	};
	place->worker = worker_open(&place->setup);
	assert_non_null(place->worker);
	place->client = -1;
}

static int
open_all(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	signal(SIGPIPE, SIG_IGN);
	world->shared = shared_stats_map(COUNT);
	assert_non_null(world->shared);
	for (size_t i = 0; i < COUNT; i++)
		open_place(world, i);
	*state = world;
	return 0;
}

static int
close_all(void **state)
{
	struct world *world = *state;

	for (size_t i = 0; i < COUNT; i++) {
		struct place *place = &world->places[i];

		worker_close(place->worker);
		listeners_close(&place->listeners, false);
		tls_client_free(place->backend_tls);
		config_free(place->config);
		if (place->client >= 0)
			close(place->client);
	}
	free(world);
	return 0;
}

/* ---- steps ---- */

/* A turn of each worker that has not ended; then a nap until the client can be read. */
static void
turn_all(struct world *world, int client)
{
	struct pollfd readable = {.fd = client, .events = POLLIN};

	for (size_t i = 0; i < COUNT; i++)
		if (!world->places[i].ended)
			world->places[i].ended = !worker_turn(world->places[i].worker, false);
	poll(&readable, 1, 5);
}

static bool
accepts(const struct world *world, size_t i)
{
	return counter_get(&world->shared->workers[i].accepting) != 0;
}

/* They wait for their store first, each by its own clock. */
static void
wait_until_all_accept(struct world *world)
{
	for (int i = 0; i < 10000 && !(accepts(world, 0) && accepts(world, 1)); i++)
		turn_all(world, -1);
	assert_true(accepts(world, 0) && accepts(world, 1));
}

static int
connect_to(const struct place *place)
{
	const struct sockaddr *address = (const struct sockaddr *)&place->listeners.bound[0];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, address, sizeof(struct sockaddr_in)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Send a request on the place's connection and read the head of its answer, at least. */
static void
ask(struct world *world, size_t i, const char *request, char answer[4096])
{
	int fd = world->places[i].client;
	size_t got = 0;

	assert_int_equal(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
	answer[0] = '\0';
	for (int turns = 0; turns < 10000 && strstr(answer, "\r\n\r\n") == NULL; turns++) {
		ssize_t n;

		turn_all(world, fd);
		n = recv(fd, answer + got, 4095 - got, 0);
		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
		answer[got] = '\0';
	}
	assert_non_null(strstr(answer, "\r\n\r\n"));
}

static void
assert_refuses(struct world *world, size_t i, char answer[4096])
{
	ask(world, i, "HEAD /jobs/j/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", answer);
	if (strncmp(answer, "HTTP/1.1 401 ", 13) != 0)
		fail_msg("worker %zu answers %s", i, answer);
}

static void
connect_all(struct world *world)
{
	char answer[4096];

	wait_until_all_accept(world);
	for (size_t i = 0; i < COUNT; i++) {
		world->places[i].client = connect_to(&world->places[i]);
		assert_refuses(world, i, answer);
		assert_null(strstr(answer, "\r\nConnection: close"));
	}
}

static void
turn_until_ended(struct world *world, size_t i)
{
	for (int turns = 0; turns < 10000 && !world->places[i].ended; turns++)
		turn_all(world, -1);
	assert_true(world->places[i].ended);
}

static void
assert_closed(int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	char rest[4096];
	ssize_t n;

	do {
		assert_int_equal(poll(&readable, 1, 60000), 1);
		n = recv(fd, rest, sizeof(rest), 0);
	} while (n > 0);
	assert_true(n == 0 || errno == ECONNRESET);
}

/* ---- tests ---- */

static void
two_workers_serve_side_by_side(void **state)
{
	struct world *world = *state;
	char answer[4096];

	connect_all(world);
	for (int i = 0; i < 3; i++) {
		assert_refuses(world, 0, answer);
		assert_refuses(world, 1, answer);
	}
	assert_refuses(world, 1, answer);
	assert_int_equal(counter_get(&world->shared->workers[0].requests), 4);
	assert_int_equal(counter_get(&world->shared->workers[1].requests), 5);
}

static void
one_drains_gently_while_the_other_serves(void **state)
{
	struct world *world = *state;
	char answer[4096];

	connect_all(world);
	worker_order(world->places[0].worker, WORKER_DRAIN_GENTLY);
	assert_int_equal(counter_get(&world->shared->workers[0].draining), 1);
	turn_all(world, -1);
	assert_false(world->places[0].ended);
	assert_refuses(world, 0, answer); /* the one request that an idle connection may bring */
	assert_non_null(strstr(answer, "\r\nConnection: close"));
	assert_closed(world->places[0].client);
	turn_until_ended(world, 0);
	assert_false(
	    worker_turn(world->places[0].worker, true)); /* it does not wait for anything */
	assert_refuses(world, 1, answer);
	assert_int_equal(counter_get(&world->shared->workers[1].draining), 0);
	worker_close(world->places[0].worker);
	world->places[0].worker = NULL;
	assert_refuses(world, 1, answer);
}

static void
one_that_drains_closes_idle_connections_and_its_sockets(void **state)
{
	struct world *world = *state;

	connect_all(world);
	worker_order(world->places[0].worker, WORKER_DRAIN);
	turn_until_ended(world, 0);
	assert_closed(world->places[0].client);
	assert_false(world->places[1].ended);
	/* Those for jobs, which are all that it has. */
	assert_int_equal(world->places[0].listeners.fds[0], -1);
	assert_true(world->places[1].listeners.fds[0] >= 0);
}

static void
one_stops_at_once_with_its_connections_open(void **state)
{
	struct world *world = *state;
	char answer[4096];

	connect_all(world);
	worker_order(world->places[1].worker, WORKER_REOPEN_LOG);
	worker_order(world->places[1].worker, WORKER_LOOK_AT_ORPHANS);
	worker_order(world->places[1].worker, WORKER_STOP);
	assert_false(worker_turn(world->places[1].worker, true));
	world->places[1].ended = true;
	worker_close(world->places[1].worker);
	world->places[1].worker = NULL;
	assert_closed(world->places[1].client);
	assert_refuses(world, 0, answer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(two_workers_serve_side_by_side, open_all, close_all),
	    cmocka_unit_test_setup_teardown(
		one_drains_gently_while_the_other_serves, open_all, close_all),
	    cmocka_unit_test_setup_teardown(
		one_that_drains_closes_idle_connections_and_its_sockets, open_all, close_all),
	    cmocka_unit_test_setup_teardown(
		one_stops_at_once_with_its_connections_open, open_all, close_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
