/* address.c - addresses from text and to text. */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

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

void
address_format_host(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

	snprintf(out, ADDRESS_TEXT_MAX, "unix");
	if (address->sa_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, out, ADDRESS_TEXT_MAX);
	else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, out, ADDRESS_TEXT_MAX);
	else if (address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &in6->sin6_addr, out, ADDRESS_TEXT_MAX);
}

void
address_format(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX])
{
	char host[ADDRESS_TEXT_MAX];
	unsigned port = 0;

	address_format_host(address, host);
	if (address->sa_family == AF_INET)
		port = ntohs(((const struct sockaddr_in *)address)->sin_port);
	else if (address->sa_family == AF_INET6)
		port = ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
	if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
		snprintf(out, ADDRESS_TEXT_MAX, "unix");
	else if (strchr(host, ':') != NULL)
		snprintf(out, ADDRESS_TEXT_MAX, "[%.50s]:%u", host, port);
	else
		snprintf(out, ADDRESS_TEXT_MAX, "%.50s:%u", host, port);
}
