/* job_reach_test.c - what is logged of the backends of a sidecar's job, against real sockets. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/control/job_reach.h"
#include "fake_resolver.h"

#define TURNS_MAX 2000

struct world {
	struct event_base *base;
	struct resolver *resolver;
	struct job_reach_options options;
	struct job_reach *reach;
	struct log log;
	char lines[8192];
	size_t len;
	unsigned judged; /* addresses */
	sa_family_t refused_family;
};

static void
put_line(void *to, const char *line, size_t len)
{
	struct world *world = to;

	assert_true(world->len + len < sizeof(world->lines));
	memcpy(world->lines + world->len, line, len);
	world->len += len;
	world->lines[world->len] = '\0';
}

static int
setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	world->base = event_base_new();
	world->resolver = fake_resolver_open(world->base);
	world->log = (struct log){
	    .level = LOG_LEVEL_INFO, .process = "control", .put = put_line, .to = world};
	world->options = (struct job_reach_options){.base = world->base,
	    .resolver = world->resolver,
	    .log = &world->log,
	    .job = "side",
	    .remedy = "correct it",
	    .pause_ms = 1,
	    .again_ms = 1,
	    .connect_ms = 1000};
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;

	job_reach_free(world->reach);
	resolver_free(world->resolver);
	event_base_free(world->base);
	free(world);
	return 0;
}

static void
begin(struct world *world, const char *urls)
{
	world->reach = job_reach_new(&world->options);
	assert_non_null(world->reach);
	job_reach_set(world->reach, slice_of(urls));
}

/* A TCP socket with a port of its own; its address goes to out. */
static int
bind_any(char url[64], bool listens)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	if (listens)
		assert_int_equal(listen(fd, 100), 0);
	snprintf(url, 64, "http://127.0.0.1:%u", ntohs(address.sin_port));
	return fd;
}

static unsigned
count(const struct world *world, const char *words)
{
	unsigned found = 0;

	for (const char *at = world->lines; (at = strstr(at, words)) != NULL; at++)
		found++;
	return found;
}

static void
turn(struct world *world)
{
	const struct timeval timeout = {.tv_sec = 10};

	event_base_loopexit(world->base, &timeout);
	event_base_loop(world->base, EVLOOP_ONCE);
}

static void
wait_for(struct world *world, const char *words)
{
	for (unsigned i = 0; i < TURNS_MAX && count(world, words) == 0; i++)
		turn(world);
	assert_int_equal(count(world, words), 1);
}

/* Until the server has been connected to so often; the connections are closed. */
static void
wait_for_connections(struct world *world, int server, unsigned wanted)
{
	for (unsigned got = 0; got < wanted;) {
		int fd = accept4(server, NULL, NULL, SOCK_NONBLOCK);

		turn(world);
		if (fd < 0)
			continue;
		close(fd);
		got++;
	}
}

static void
a_change_is_told_once(void **state)
{
	struct world *world = *state;
	char url[64];
	int server = bind_any(url, false);

	begin(world, url);
	wait_for(world, "nothing can be reached at");
	assert_non_null(strstr(world->lines, url));
	assert_non_null(strstr(world->lines, "Connection refused; start the job, or correct it"));
	for (unsigned i = 0; i < 100; i++)
		turn(world);
	assert_int_equal(listen(server, 100), 0);
	fcntl(server, F_SETFL, O_NONBLOCK);
	wait_for(world, "job side takes connections at");
	wait_for_connections(world, server, 5);
	assert_int_equal(count(world, "job side"), 2);
	close(server);
}

static void
each_replica_is_told_of(void **state)
{
	struct world *world = *state;
	char up[64], down[64], text[256];
	int server = bind_any(up, true), none = bind_any(down, false);

	fcntl(server, F_SETFL, O_NONBLOCK);
	snprintf(text, sizeof(text), "%s unix:/nonexistent/socket %s", up, down);
	begin(world, text);
	wait_for(world, "at unix:/nonexistent/socket: No such file or directory");
	wait_for(world, down);
	assert_int_equal(count(world, up), 0);
	/* URLs that stay are not logged again. */
	snprintf(text, sizeof(text), "%s %s", down, up);
	job_reach_set(world->reach, slice_of(text));
	wait_for_connections(world, server, 5);
	assert_int_equal(count(world, "nothing can be reached"), 2);
	close(server);
	close(none);
}

/* A Unix socket that listens at this path. */
static int
listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 100), 0);
	return fd;
}

static void
one_that_listens_is_not_told_of(void **state)
{
	struct world *world = *state;
	char path[64], text[160];
	int server;

	snprintf(path, sizeof(path), "/tmp/job_reach_%d", (int)getpid());
	server = listen_at(path);
	assert_int_equal(listen(server, 0), 0);
	snprintf(text, sizeof(text), "unix:%s", path);
	begin(world, text);
	wait_for_connections(world, server, 5);
	assert_int_equal(world->len, 0);
	unlink(path);
	close(server);
}

static void
a_job_has_time_to_start(void **state)
{
	struct world *world = *state;
	char url[64];
	int server = bind_any(url, false);

	world->options.start_ms = 3600000;
	begin(world, url);
	for (unsigned i = 0; i < 50; i++)
		turn(world);
	assert_int_equal(world->len, 0);
	close(server);
}

static void
a_name_without_address(void **state)
{
	struct world *world = *state;
	struct fake_resolver *fake = (struct fake_resolver *)world->resolver;
	const struct resolved none = {.ttl_s = 1, .error = "no such name"};

	begin(world, "http://gone.test:8080");
	for (unsigned round = 0; round < 2; round++) {
		resolved_fn *done;

		for (unsigned i = 0; i < TURNS_MAX && fake->done == NULL; i++)
			turn(world);
		assert_string_equal(fake->name, "gone.test");
		assert_int_equal(fake->port, 8080);
		done = fake->done;
		fake->done = NULL;
		done(fake->ctx, &none);
	}
	assert_int_equal(count(world, "at http://gone.test:8080: no such name; start"), 1);
	for (unsigned i = 0; i < TURNS_MAX && fake->done == NULL; i++)
		turn(world);
	job_reach_set(world->reach, SLICE("")); /* in the middle of a lookup */
	assert_int_equal(fake->cancels, 1);
}

static bool
allows_none(void *ctx, const struct sockaddr *address, int path)
{
	struct world *world = ctx;

	assert_int_equal(path, -1);
	assert_int_equal(address->sa_family, world->refused_family);
	world->judged++;
	return false;
}

static void
a_refused_address_is_not_connected_to(void **state)
{
	struct world *world = *state;
	char url[64];
	int server = bind_any(url, true);

	fcntl(server, F_SETFL, O_NONBLOCK);
	world->options.allows = allows_none;
	world->options.ctx = world;
	world->refused_family = AF_INET;
	begin(world, url);
	wait_for(world, "no job's URL may lead to its address");
	assert_int_equal(world->judged, 2);
	assert_int_equal(accept(server, NULL, NULL), -1);
	close(server);
}

static void
a_refused_socket_is_not_connected_to(void **state)
{
	struct world *world = *state;

	world->options.allows = allows_none;
	world->options.ctx = world;
	world->refused_family = AF_UNIX;
	begin(world, "unix:/nonexistent/socket");
	wait_for(world, "no job's URL may lead to its address");
	assert_int_equal(world->judged, 2);
}

/* The first time, after the check, another process puts a socket in the place of this one. */
static bool
allows_once_and_replaces(void *ctx, const struct sockaddr *address, int path)
{
	const char *at = ((const struct sockaddr_un *)address)->sun_path;
	struct world *world = ctx;
	char other[128];

	assert_true(path >= 0);
	if (world->judged++ > 0)
		return false;
	snprintf(other, sizeof(other), "%s.other", at);
	assert_int_equal(rename(other, at), 0);
	return true;
}

static void
what_was_checked_is_connected_to(void **state)
{
	struct world *world = *state;
	char path[64], other[80], text[160];
	int checked, replaced;

	snprintf(path, sizeof(path), "/tmp/job_reach_%d", (int)getpid());
	snprintf(other, sizeof(other), "%s.other", path);
	checked = listen_at(path);
	replaced = listen_at(other);
	world->options.allows = allows_once_and_replaces;
	world->options.ctx = world;
	snprintf(text, sizeof(text), "unix:%s", path);
	begin(world, text);
	wait_for(world, "no job's URL may lead to its address");
	assert_int_equal(accept(replaced, NULL, NULL), -1);
	wait_for_connections(world, checked, 1);
	unlink(path);
	close(checked);
	close(replaced);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_change_is_told_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(each_replica_is_told_of, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_that_listens_is_not_told_of, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_job_has_time_to_start, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_name_without_address, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_refused_address_is_not_connected_to, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_refused_socket_is_not_connected_to, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_was_checked_is_connected_to, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
