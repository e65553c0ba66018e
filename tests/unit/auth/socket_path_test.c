/* socket_path_test.c - a Unix socket's path that is held open, against real sockets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "jobgate/socket_path.h"

static char folder[] = "/tmp/socket_path_XXXXXX";
static char path[64], other[64], link_to_it[64];
static int at_path, at_other;

static int
listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

static int
setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/socket_path_XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/path", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	snprintf(link_to_it, sizeof(link_to_it), "%s/link", folder);
	at_path = listen_at(path);
	at_other = listen_at(other);
	assert_int_equal(symlink(path, link_to_it), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(at_path);
	close(at_other);
	unlink(path);
	unlink(other);
	unlink(link_to_it);
	return rmdir(folder);
}

static void
it_is_one_of_the_paths_that_lead_to_it(void **state)
{
	const char *const by_link[] = {"/nonexistent/socket", link_to_it, NULL};
	const char *const others[] = {"/nonexistent/socket", other, NULL};
	int fd = jg_socket_path_open(path);

	(void)state;
	assert_true(fd >= 0);
	assert_true(jg_socket_path_is_one_of(fd, by_link));
	assert_false(jg_socket_path_is_one_of(fd, others));
	assert_false(jg_socket_path_is_one_of(fd, NULL));
	close(fd);
	assert_true(jg_socket_path_is_one_of(fd, others)); /* not known */
	assert_int_equal(jg_socket_path_open("/nonexistent/socket"), -1);
	assert_int_equal(errno, ENOENT);
}

static void
a_path_that_is_replaced_changes_nothing(void **state)
{
	struct sockaddr_un address;
	int fd = jg_socket_path_open(path), client = socket(AF_UNIX, SOCK_STREAM, 0), peer;
	const char *const now[] = {path, NULL};

	(void)state;
	assert_int_equal(rename(other, path), 0);
	assert_false(jg_socket_path_is_one_of(fd, now));
	address = jg_socket_path_address(fd);
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(accept(at_other, NULL, NULL), -1);
	peer = accept(at_path, NULL, NULL);
	assert_true(peer >= 0);
	close(peer);
	close(client);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		it_is_one_of_the_paths_that_lead_to_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_path_that_is_replaced_changes_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
