/* address.c - converts socket addresses to text and bytes. */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

bool
address_bytes(const struct sockaddr *address, unsigned char out[16])
{
	if (address->sa_family == AF_INET) {
		memcpy(out, mapped, sizeof(mapped));
		memcpy(out + sizeof(mapped),
		    &((const struct sockaddr_in *)address)->sin_addr.s_addr, 4);
		return true;
	}
	if (address->sa_family == AF_INET6) {
		memcpy(out, ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr, 16);
		return true;
	}
	return false;
}

size_t
address_bytes_format(const unsigned char bytes[16], char out[ADDRESS_TEXT_MAX])
{
	char *at = out;

	if (memcmp(bytes, mapped, sizeof(mapped)) != 0) {
		inet_ntop(AF_INET6, bytes, out, ADDRESS_TEXT_MAX);
		return strlen(out);
	}
	/* By hand for speed: each request of an IPv4 client needs this. */
	for (size_t i = sizeof(mapped); i < 16; i++) {
		unsigned byte = bytes[i];

		if (byte >= 100)
			*at++ = (char)('0' + byte / 100);
		if (byte >= 10)
			*at++ = (char)('0' + byte / 10 % 10);
		*at++ = (char)('0' + byte % 10);
		*at++ = '.';
	}
	*--at = '\0';
	return (size_t)(at - out);
}

void
address_format_host(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX])
{
	unsigned char bytes[16];

	if (address_bytes(address, bytes))
		address_bytes_format(bytes, out);
	else
		snprintf(out, ADDRESS_TEXT_MAX, "unix");
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
