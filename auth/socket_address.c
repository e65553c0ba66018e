/* socket_address.c - parses socket addresses, and asks whether a socket is connected. */
#include "jobgate/socket_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>

bool
address_parse(struct slice host, uint16_t port, struct address *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&out->storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->storage;
	char text[INET6_ADDRSTRLEN];

	if (host.len == 0 || host.len >= sizeof(text))
		return false;
	memcpy(text, host.at, host.len);
	text[host.len] = '\0';
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		out->len = sizeof(*in);
		return true;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		out->len = sizeof(*in6);
		return true;
	}
	return false;
}

int
socket_connect_error(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	/* -1 with EINTR: the socket is not ready then, either. */
	if (poll(&ready, 1, 0) <= 0)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}
