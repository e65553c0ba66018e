/* guard.c - decides which addresses a backend may have. */
#include "net/guard.h"

#include <ifaddrs.h>
#include <string.h>

#include "jobgate/ip.h"
#include "net/address.h"

/* An address as IPv6 (IPv4 mapped), with its port. */
struct place {
	struct in6_addr address;
	in_port_t port; /* network order */
	bool valid;
};

static struct place
place_of(const struct sockaddr *address)
{
	struct place place = {0};

	place.valid = address_bytes(address, place.address.s6_addr);
	if (address->sa_family == AF_INET)
		place.port = ((const struct sockaddr_in *)address)->sin_port;
	else if (address->sa_family == AF_INET6)
		place.port = ((const struct sockaddr_in6 *)address)->sin6_port;
	return place;
}

bool
guard_range_contains(const struct ip_range *range, const struct sockaddr *address)
{
	struct place place = place_of(address);

	return place.valid && jg_ip_range_contains(range, &place.address);
}

static enum guard_verdict
judge_class(const struct guard_rules *rules, const struct in6_addr *address)
{
	switch (jg_ip_class(address)) {
	case IP_CLASS_ORDINARY:
		return GUARD_ALLOW;
	case IP_CLASS_LOOPBACK:
		return rules->allow_loopback ? GUARD_ALLOW : GUARD_LOOPBACK;
	case IP_CLASS_UNSPECIFIED:
		return GUARD_UNSPECIFIED;
	case IP_CLASS_LINK_LOCAL:
		return GUARD_LINK_LOCAL;
	case IP_CLASS_MULTICAST:
		break;
	}
	return GUARD_MULTICAST;
}

/*
 * True when one of this machine's interfaces has the address. This is slow, but called only for a
 * port that is ours.
 */
static bool
is_local(const struct in6_addr *address)
{
	struct ifaddrs *interfaces, *at;
	bool found = false;

	if (getifaddrs(&interfaces) != 0)
		return true; /* unknown: deny */
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
	const struct in6_addr any4 = jg_ip_mapped(any);

	for (size_t i = 0; i < rules->own_count; i++) {
		struct place own = place_of((const struct sockaddr *)&rules->own[i]);
		bool wildcard = IN6_IS_ADDR_UNSPECIFIED(&own.address) ||
				memcmp(&own.address, &any4, sizeof(any4)) == 0;

		if (!own.valid || own.port != place->port)
			continue;
		if (memcmp(&own.address, &place->address, sizeof(own.address)) == 0)
			return true;
		if (wildcard && (jg_ip_class(&place->address) == IP_CLASS_LOOPBACK ||
				    is_local(&place->address)))
			return true;
	}
	return false;
}

static bool
listed(const struct ip_range *ranges, size_t count, const struct in6_addr *address)
{
	for (size_t i = 0; i < count; i++)
		if (jg_ip_range_contains(&ranges[i], address))
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
	has_ipv4 = jg_ip_embedded_ipv4(&place.address, ipv4);
	verdict = judge_class(rules, &place.address);
	if (verdict != GUARD_ALLOW)
		return verdict;
	if (is_own(rules, &place))
		return GUARD_OWN_LISTENER;
	if (listed(rules->deny, rules->deny_count, &place.address))
		return GUARD_DENIED;
	if (has_ipv4) {
		struct in6_addr inner = jg_ip_mapped(ipv4);

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
		return jg_ip_class_text(IP_CLASS_UNSPECIFIED);
	case GUARD_LINK_LOCAL:
		return jg_ip_class_text(IP_CLASS_LINK_LOCAL);
	case GUARD_MULTICAST:
		return jg_ip_class_text(IP_CLASS_MULTICAST);
	case GUARD_LOOPBACK:
		return "a loopback address (backends.allow_loopback is off)";
	case GUARD_OWN_LISTENER:
		return "the gateway itself";
	case GUARD_DENIED:
		return "an address that backends.deny or backends.allow excludes";
	}
	return "an address that is not allowed";
}
