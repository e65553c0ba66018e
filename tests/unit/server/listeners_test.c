/* listeners_test.c - the sockets that clients connect to. */
#include "server/listeners.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct log no_log = {.fd = -1};

/* Bind what the configuration says; a socket among `inherited` is taken. */
static void
open_all(struct listeners *listeners, const struct config *config, struct inherited *inherited)
{
	assert_true(listeners_open(listeners, config, inherited, &no_log));
}

/* Connect to this listening socket; whether the accepted connection sends small pieces at once. */
static bool
accepted_sends_at_once(int listening)
{
	struct sockaddr_storage bound = {0};
	socklen_t len = sizeof(bound), size = sizeof(int);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted, set = 0;

	assert_int_equal(getsockname(listening, (struct sockaddr *)&bound, &len), 0);
	assert_int_equal(connect(client, (const struct sockaddr *)&bound, len), 0);
	accepted = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(accepted >= 0);
	assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &set, &size), 0);
	close(accepted);
	close(client);
	return set != 0;
}

/* Of a socket that listens already, as systemd or the previous binary hands it over. */
static int
listening_socket(uint16_t *port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void
test_accepted_connections_send_at_once(void **state)
{
	struct listener_config listener = {
	    .address = "127.0.0.1:0", .host = "127.0.0.1", .setting = "listen"};
	const struct config config = {.listeners = &listener, .listener_count = 1, .workers = 2};
	struct inherited none = {0};
	struct listeners listeners;

	(void)state;
	open_all(&listeners, &config, &none);
	/* The kernel gives a connection to either socket, so only one stays open. */
	close(listeners.fds[1]);
	listeners.fds[1] = -1;
	assert_true(accepted_sends_at_once(listeners.fds[0]));
	listeners_close(&listeners, false);

	open_all(&listeners, &config, &none);
	close(listeners.fds[0]);
	listeners.fds[0] = -1;
	assert_true(accepted_sends_at_once(listeners.fds[1]));
	listeners_close(&listeners, false);
}

static void
test_those_of_an_inherited_socket_do_too(void **state)
{
	struct listener_config listener = {
	    .address = "127.0.0.1", .host = "127.0.0.1", .setting = "listen"};
	const struct config config = {.listeners = &listener, .listener_count = 1, .workers = 1};
	struct inherited inherited = {.count = 1, .fds = calloc(1, sizeof(int))};
	struct listeners listeners;
	int fd = listening_socket(&listener.port);

	(void)state;
	assert_non_null(inherited.fds);
	inherited.fds[0] = fd;
	open_all(&listeners, &config, &inherited);
	assert_int_equal(listeners.fds[0], fd);
	assert_true(accepted_sends_at_once(fd));
	listeners_close(&listeners, false);
	inherited_close(&inherited);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accepted_connections_send_at_once),
	    cmocka_unit_test(test_those_of_an_inherited_socket_do_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
