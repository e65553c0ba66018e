/* socket_address.h - the address of a socket, and whether it is connected. */
#ifndef JOBGATE_SOCKET_ADDRESS_H
#define JOBGATE_SOCKET_ADDRESS_H

#include <stdint.h>
#include <sys/socket.h>

#include "jobgate/slice.h"

/* A plain value. */
struct address {
	struct sockaddr_storage storage;
	socklen_t len; /* bytes of storage in use */
};

/*
 * Parse a numeric IPv4 address (only as a dotted quad) or an IPv6 address without brackets, and add
 * this port. False for anything else.
 */
bool address_parse(struct slice host, uint16_t port, struct address *out);

/*
 * The result of a connect(2) that did not block: 0 when the socket is connected, ETIMEDOUT while it
 * is still connecting, otherwise the errno of the failure, which the kernel gives only once. This
 * asks the socket itself, because a process that was stalled sees its time-out together with the
 * connection.
 */
int socket_connect_error(int fd);

#endif
