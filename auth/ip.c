/* ip.c - classes of IP addresses. */
#include "jobgate/ip.h"

#include <arpa/inet.h>
#include <string.h>

struct in6_addr
jg_ip_mapped(const unsigned char ipv4[4])
{
	struct in6_addr out = {0};

	out.s6_addr[10] = out.s6_addr[11] = 0xff;
	memcpy(out.s6_addr + 12, ipv4, 4);
	return out;
}

struct in6_addr
jg_ip_subscriber(const struct in6_addr *address)
{
	struct in6_addr out = *address;

	if (!IN6_IS_ADDR_V4MAPPED(address))
		memset(out.s6_addr + 8, 0, 8);
	return out;
}

bool
jg_ip_range_contains(const struct ip_range *range, const struct in6_addr *address)
{
	const unsigned char *a = range->address.s6_addr, *b = address->s6_addr;
	unsigned bytes = range->prefix / 8, bits = range->prefix % 8;

	return memcmp(a, b, bytes) == 0 && (bits == 0 || (a[bytes] ^ b[bytes]) >> (8 - bits) == 0);
}

bool
jg_ip_range_equal(const struct ip_range *a, const struct ip_range *b)
{
	return a->prefix == b->prefix && memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

bool
jg_ip_embedded_ipv4(const struct in6_addr *address, unsigned char out[4])
{
	static const unsigned char zeros[12],
	    mapping[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
	    siit[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, nat64[12] = {0, 0x64, 0xff, 0x9b};
	const unsigned char *bytes = address->s6_addr;

	if (memcmp(bytes, mapping, 12) == 0 || memcmp(bytes, nat64, 12) == 0 ||
	    memcmp(bytes, siit, 12) == 0 ||
	    (memcmp(bytes, zeros, 12) == 0 && (bytes[12] | bytes[13] | bytes[14]) != 0)) {
		memcpy(out, bytes + 12, 4);
		return true;
	}
	if (bytes[0] == 0x20 && bytes[1] == 0x02) {
		memcpy(out, bytes + 2, 4);
		return true;
	}
	return false;
}

/*
 * Other addresses at which clouds give credentials to their machines; they count as link-local. In
 * this order: AWS (all its services for machines), Google, Oracle, Scaleway, Alibaba, Azure,
 * Oracle's older cloud.
 */
static const struct ip_range cloud_services[] = {
    {.address.s6_addr = {0xfd, 0, 0x0e, 0xc2}, .prefix = 32},
    {.address.s6_addr = {0xfd, 0x20, 0, 0xce, [14] = 2, [15] = 0x54}, .prefix = 128},
    {.address.s6_addr = {0xfd, 0, 0, 0xc1, [12] = 0xa9, 0xfe, 0xa9, 0xfe}, .prefix = 128},
    {.address.s6_addr = {0xfd, 0, 0, 0x42, [15] = 0x42}, .prefix = 128},
    {.address.s6_addr = {[10] = 0xff, 0xff, 100, 100, 100, 200}, .prefix = 128},
    {.address.s6_addr = {[10] = 0xff, 0xff, 168, 63, 129, 16}, .prefix = 128},
    {.address.s6_addr = {[10] = 0xff, 0xff, 192, 0, 0, 192}, .prefix = 128},
};

static bool
is_cloud_service(const struct in6_addr *address)
{
	for (size_t i = 0; i < sizeof(cloud_services) / sizeof(cloud_services[0]); i++)
		if (jg_ip_range_contains(&cloud_services[i], address))
			return true;
	return false;
}

static enum ip_class
class_of_ipv4(const unsigned char a[4])
{
	struct in6_addr address = jg_ip_mapped(a);

	if (a[0] == 0)
		return IP_CLASS_UNSPECIFIED;
	if ((a[0] == 169 && a[1] == 254) || is_cloud_service(&address))
		return IP_CLASS_LINK_LOCAL;
	if ((a[0] >= 224 && a[0] <= 239) || (a[0] & a[1] & a[2] & a[3]) == 255)
		return IP_CLASS_MULTICAST;
	return a[0] == 127 ? IP_CLASS_LOOPBACK : IP_CLASS_ORDINARY;
}

enum ip_class
jg_ip_class(const struct in6_addr *address)
{
	static const unsigned char teredo[4] = {0x20, 1},
				   local_nat64[6] = {0, 0x64, 0xff, 0x9b, 0, 1};
	const unsigned char *bytes = address->s6_addr;
	unsigned char ipv4[4];

	if (IN6_IS_ADDR_UNSPECIFIED(address))
		return IP_CLASS_UNSPECIFIED;
	/*
	 * Teredo and local NAT64 (RFC 8215) contain IPv4 addresses in forms that are not decoded
	 * here.
	 */
	if (IN6_IS_ADDR_LINKLOCAL(address) || is_cloud_service(address) ||
	    memcmp(bytes, teredo, 4) == 0 || memcmp(bytes, local_nat64, 6) == 0)
		return IP_CLASS_LINK_LOCAL;
	if (IN6_IS_ADDR_MULTICAST(address))
		return IP_CLASS_MULTICAST;
	if (IN6_IS_ADDR_LOOPBACK(address))
		return IP_CLASS_LOOPBACK;
	return jg_ip_embedded_ipv4(address, ipv4) ? class_of_ipv4(ipv4) : IP_CLASS_ORDINARY;
}

const char *jg_ip_class_text(enum ip_class class)
{
	switch (class) {
	case IP_CLASS_ORDINARY:
		return "an ordinary address";
	case IP_CLASS_LOOPBACK:
		return "a loopback address";
	case IP_CLASS_UNSPECIFIED:
		return "an unspecified address";
	case IP_CLASS_LINK_LOCAL:
		return "a link-local address";
	case IP_CLASS_MULTICAST:
		return "a multicast or broadcast address";
	}
	return "an address";
}

bool jg_ip_class_refused(enum ip_class class)
{
	switch (class) {
	case IP_CLASS_ORDINARY:
	case IP_CLASS_LOOPBACK:
		return false;
	case IP_CLASS_UNSPECIFIED:
	case IP_CLASS_LINK_LOCAL:
	case IP_CLASS_MULTICAST:
		break;
	}
	return true;
}

bool
jg_ip_parse(struct slice host, struct in6_addr *out)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char ipv4[4];

	if (host.len == 0 || host.len >= sizeof(text))
		return false;
	memcpy(text, host.at, host.len);
	text[host.len] = '\0';
	if (inet_pton(AF_INET, text, ipv4) != 1)
		return inet_pton(AF_INET6, text, out) == 1;
	*out = jg_ip_mapped(ipv4);
	return true;
}
