/* loopback.h - a port of 127.0.0.1 where a server listens, until nothing does. */
#ifndef JOBGATE_TEST_LOOPBACK_H
#define JOBGATE_TEST_LOOPBACK_H

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * A socket that does not block, at this port, or with 0 at any: while it does not listen,
 * connections are refused. shared: other shared ones may have the port, too. -1 if it is in use.
 */
static inline int
loopback_bind(uint16_t *port, bool shared)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons(*port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = shared;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	if (bind(fd, (struct sockaddr *)&address, len) < 0) {
		close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

/* Listen at any port. */
static inline int
loopback_listen(int backlog, uint16_t *port)
{
	int fd;

	*port = 0;
	fd = loopback_bind(port, true);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

/*
 * Nothing listens there from now on. Another socket keeps the port: otherwise another program could
 * get it, or the connection that is to be refused, which would then connect to itself.
 */
static inline void
loopback_refuse(int *listener)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	uint16_t port;
	int fd;

	assert_int_equal(getsockname(*listener, (struct sockaddr *)&address, &len), 0);
	port = ntohs(address.sin_port);
	fd = loopback_bind(&port, true);
	assert_true(fd >= 0);
	close(*listener);
	*listener = fd;
}

#endif
