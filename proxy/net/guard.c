/* guard.c - classes of addresses, and which of them a backend may have. */
#include "net/guard.h"

#include <ifaddrs.h>
#include <string.h>

/* An address as IPv6 (IPv4 mapped), with its port. */
struct place {
	struct in6_addr address;
	in_port_t port; /* network order */
	bool valid;
};

static struct in6_addr
mapped(const unsigned char ipv4[4])
{
	struct in6_addr out = {0};

	out.s6_addr[10] = out.s6_addr[11] = 0xff;
	memcpy(out.s6_addr + 12, ipv4, 4);
	return out;
}

static struct place
place_of(const struct sockaddr *address)
{
	struct place place = {0};

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		place.address = mapped((const unsigned char *)&in->sin_addr);
		place.port = in->sin_port;
		place.valid = true;
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

		place.address = in6->sin6_addr;
		place.port = in6->sin6_port;
		place.valid = true;
	}
	return place;
}

static bool
in_range(const struct in6_addr *range, unsigned prefix, const struct in6_addr *address)
{
	unsigned bytes = prefix / 8, bits = prefix % 8;

	if (memcmp(range->s6_addr, address->s6_addr, bytes) != 0)
		return false;
	return bits == 0 || (range->s6_addr[bytes] ^ address->s6_addr[bytes]) >> (8 - bits) == 0;
}

bool
guard_range_contains(const struct guard_range *range, const struct sockaddr *address)
{
	struct place place = place_of(address);

	return place.valid && in_range(&range->address, range->prefix, &place.address);
}

/*
 * The IPv4 address that an IPv6 one carries inside: mapped (::ffff:0:0/96), compatible (::/96),
 * NAT64 (64:ff9b::/96), SIIT (::ffff:0:0:0/96) and 6to4 (2002::/16). A router on the way may unwrap
 * them.
 */
static bool
embedded_ipv4(const struct in6_addr *address, unsigned char out[4])
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
 * Where clouds serve credentials to their machines, when not at a link-local address: link-local in
 * all but its form. AWS (all of its services to machines), Google, Oracle, Scaleway, Alibaba,
 * Azure, Oracle's older cloud.
 */
static const struct guard_range cloud_services[] = {
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
		if (in_range(&cloud_services[i].address, cloud_services[i].prefix, address))
			return true;
	return false;
}

static enum guard_verdict
judge_ipv4(const struct guard_rules *rules, const unsigned char a[4])
{
	struct in6_addr address = mapped(a);

	if (a[0] == 0)
		return GUARD_UNSPECIFIED;
	if ((a[0] == 169 && a[1] == 254) || is_cloud_service(&address))
		return GUARD_LINK_LOCAL;
	if ((a[0] >= 224 && a[0] <= 239) || (a[0] & a[1] & a[2] & a[3]) == 255)
		return GUARD_MULTICAST;
	return a[0] == 127 && !rules->allow_loopback ? GUARD_LOOPBACK : GUARD_ALLOW;
}

static enum guard_verdict
judge_ipv6(const struct guard_rules *rules, const struct in6_addr *address)
{
	static const unsigned char teredo[4] = {0x20, 1},
				   local_nat64[6] = {0, 0x64, 0xff, 0x9b, 0, 1};
	const unsigned char *bytes = address->s6_addr;

	if (IN6_IS_ADDR_UNSPECIFIED(address))
		return GUARD_UNSPECIFIED;
	/* Teredo and local NAT64 (RFC 8215) carry IPv4 addresses in ways that are not known here.
	 */
	if (IN6_IS_ADDR_LINKLOCAL(address) || is_cloud_service(address) ||
	    memcmp(bytes, teredo, 4) == 0 || memcmp(bytes, local_nat64, 6) == 0)
		return GUARD_LINK_LOCAL;
	if (IN6_IS_ADDR_MULTICAST(address))
		return GUARD_MULTICAST;
	return IN6_IS_ADDR_LOOPBACK(address) && !rules->allow_loopback ? GUARD_LOOPBACK
								       : GUARD_ALLOW;
}

/* 127.0.0.0/8 and ::1, where a listener on every address answers. */
static bool
is_loopback(const struct in6_addr *address)
{
	unsigned char ipv4[4];

	return IN6_IS_ADDR_LOOPBACK(address) || (embedded_ipv4(address, ipv4) && ipv4[0] == 127);
}

/* Does one of this machine's interfaces have the address? Asked only for a port that is ours, so
 * seldom. */
static bool
is_local(const struct in6_addr *address)
{
	struct ifaddrs *interfaces, *at;
	bool found = false;

	if (getifaddrs(&interfaces) != 0)
		return true; /* it cannot be told: deny */
	for (at = interfaces; at != NULL && !found; at = at->ifa_next) {
		struct place place = {0};

		if (at->ifa_addr != NULL)
			place = place_of(at->ifa_addr);
		found = place.valid && memcmp(&place.address, address, sizeof(*address)) == 0;
	}
	freeifaddrs(interfaces);
	return found;
}

static bool
is_own(const struct guard_rules *rules, const struct place *place)
{
	static const unsigned char any[4];
	const struct in6_addr any4 = mapped(any);

	for (size_t i = 0; i < rules->own_count; i++) {
		struct place own = place_of((const struct sockaddr *)&rules->own[i]);
		bool wildcard = IN6_IS_ADDR_UNSPECIFIED(&own.address) ||
				memcmp(&own.address, &any4, sizeof(any4)) == 0;

		if (!own.valid || own.port != place->port)
			continue;
		if (memcmp(&own.address, &place->address, sizeof(own.address)) == 0)
			return true;
		if (wildcard && (is_loopback(&place->address) || is_local(&place->address)))
			return true;
	}
	return false;
}

static bool
listed(const struct guard_range *ranges, size_t count, const struct in6_addr *address)
{
	for (size_t i = 0; i < count; i++)
		if (in_range(&ranges[i].address, ranges[i].prefix, address))
			return true;
	return false;
}

enum guard_verdict
guard_judge(const struct guard_rules *rules, const struct sockaddr *address)
{
	struct place place = place_of(address);
	enum guard_verdict verdict;
	unsigned char ipv4[4];
	bool has_ipv4;

	if (!place.valid)
		return GUARD_DENIED;
	has_ipv4 = embedded_ipv4(&place.address, ipv4);
	verdict = judge_ipv6(rules, &place.address);
	if (verdict == GUARD_ALLOW && has_ipv4)
		verdict = judge_ipv4(rules, ipv4);
	if (verdict != GUARD_ALLOW)
		return verdict;
	if (is_own(rules, &place))
		return GUARD_OWN_LISTENER;
	if (listed(rules->deny, rules->deny_count, &place.address))
		return GUARD_DENIED;
	if (has_ipv4) {
		struct in6_addr inner = mapped(ipv4);

		if (listed(rules->deny, rules->deny_count, &inner))
			return GUARD_DENIED;
	}
	if (rules->allow_count > 0 && !listed(rules->allow, rules->allow_count, &place.address))
		return GUARD_DENIED;
	return GUARD_ALLOW;
}

const char *
guard_verdict_text(enum guard_verdict verdict)
{
	switch (verdict) {
	case GUARD_ALLOW:
		return "an allowed address";
	case GUARD_UNSPECIFIED:
		return "an unspecified address";
	case GUARD_LINK_LOCAL:
		return "a link-local address";
	case GUARD_MULTICAST:
		return "a multicast or broadcast address";
	case GUARD_LOOPBACK:
		return "a loopback address (backends.allow_loopback is off)";
	case GUARD_OWN_LISTENER:
		return "the gateway itself";
	case GUARD_DENIED:
		return "an address that backends.deny or backends.allow excludes";
	}
	return "an address that is not allowed";
}
