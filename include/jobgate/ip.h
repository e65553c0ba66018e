/* ip.h - classes of IP addresses, and which of them a job's URL must not have. Pure functions. */
#ifndef JOBGATE_IP_H
#define JOBGATE_IP_H

#include <netinet/in.h>
#include <stdbool.h>

#include "jobgate/slice.h"

/* All addresses here are IPv6; IPv4 addresses are IPv4-mapped. */

enum ip_class {
	IP_CLASS_ORDINARY,
	IP_CLASS_LOOPBACK,
	IP_CLASS_UNSPECIFIED,
	IP_CLASS_LINK_LOCAL, /* 169.254/16, fe80::/10 and other addresses where clouds serve
				credentials */
	IP_CLASS_MULTICAST,  /* and broadcast */
};

/*
 * The class of an address. IPv4 inside IPv6 (mapped, compatible, NAT64 64:ff9b::/96, SIIT, 6to4
 * 2002::/16) has the class of the IPv4 address inside, because a router may unwrap it.
 */
enum ip_class jg_ip_class(const struct in6_addr *address);

/* A noun for messages, such as "a link-local address"; static. */
const char *jg_ip_class_text(enum ip_class class);

/* True when no job's URL may have an address of this class, whatever the configuration says. */
bool jg_ip_class_refused(enum ip_class class);

/*
 * Find the IPv4 address inside an IPv6 address, in one of the forms named above; false when there
 * is none.
 */
bool jg_ip_embedded_ipv4(const struct in6_addr *address, unsigned char out[4]);

/* An IPv4 address as IPv4-mapped IPv6. */
struct in6_addr jg_ip_mapped(const unsigned char ipv4[4]);

/* All addresses that begin with the first `prefix` bits of this one; IPv4 as IPv4-mapped IPv6. */
struct ip_range {
	struct in6_addr address;
	unsigned prefix; /* 0 to 128 */
};

/* True when the address lies in the range. */
bool jg_ip_range_contains(const struct ip_range *range, const struct in6_addr *address);

/* True when address and prefix are equal; bits after the prefix count, too. */
bool jg_ip_range_equal(const struct ip_range *a, const struct ip_range *b);

/* A list of ranges; items is NULL when there are none. */
struct ip_ranges {
	size_t count;
	struct ip_range *items;
};

/* True when both have equal ranges in the same order. */
bool jg_ip_ranges_equal(const struct ip_ranges *a, const struct ip_ranges *b);

/* Parse a URL's host (IPv6 without brackets) as an address; false when it is a name. */
bool jg_ip_parse(struct slice host, struct in6_addr *out);

#endif
