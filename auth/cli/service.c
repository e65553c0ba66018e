/* service.c - finds a free port for a job's command, and tests whether the command listens. */
#include "auth/cli/service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The addresses of the service, which the caller frees with freeaddrinfo. NULL after printing why.
 */
static struct addrinfo *
service_addresses(const char *host, unsigned port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char text[8];
	int error;

	snprintf(text, sizeof(text), "%u", port);
	error = getaddrinfo(host, text, &hints, &found);
	if (error == 0)
		return found;
	fprintf(stderr, "jobgate: host %s: %s\n", host, gai_strerror(error));
	return NULL;
}

bool
service_listens(const char *host, unsigned port)
{
	struct addrinfo *found = service_addresses(host, port);
	const struct timeval timeout = {.tv_sec = 1};
	bool listens = false;

	for (const struct addrinfo *at = found; at != NULL && !listens; at = at->ai_next) {
		int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
		listens = connect(fd, at->ai_addr, at->ai_addrlen) == 0;
		close(fd);
	}
	if (found != NULL)
		freeaddrinfo(found);
	return listens;
}

unsigned
service_pick_port(const char *host)
{
	struct addrinfo *found = service_addresses(host, 0);
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t len = sizeof(address);
	unsigned port = 0;
	int fd;

	if (found == NULL)
		return 0;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memset(&address, 0, sizeof(address));
	if (fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 &&
	    getsockname(fd, &address.any, &len) == 0)
		port = ntohs(
		    address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
	if (port == 0)
		fprintf(stderr, "jobgate: no free port at %s: %s\n", host, strerror(errno));
	if (fd >= 0)
		close(fd);
	freeaddrinfo(found);
	return port;
}
