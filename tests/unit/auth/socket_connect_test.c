/* socket_connect_test.c - what a connect that did not block has led to. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "jobgate/socket_address.h"

static int polled, poll_errno;

/* In place of the system's, which a signal may interrupt, also with a timeout of 0. */
int
poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	assert_int_equal(count, 1);
	assert_int_equal(timeout_ms, 0);
	fds->revents = polled > 0 ? POLLOUT : 0;
	errno = poll_errno;
	return polled;
}

static int
error_after(int ready, int error)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), result;

	polled = ready;
	poll_errno = error;
	result = socket_connect_error(fd);
	close(fd);
	return result;
}

static void
one_that_can_be_written_to_is_connected(void **state)
{
	(void)state;
	assert_int_equal(error_after(1, 0), 0);
}

static void
one_that_cannot_is_still_open(void **state)
{
	(void)state;
	assert_int_equal(error_after(0, 0), ETIMEDOUT);
}

/* The system asks for signals only when the socket is not ready. */
static void
a_signal_makes_no_connection(void **state)
{
	(void)state;
	assert_int_equal(error_after(-1, EINTR), ETIMEDOUT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_that_can_be_written_to_is_connected),
	    cmocka_unit_test(one_that_cannot_is_still_open),
	    cmocka_unit_test(a_signal_makes_no_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
