/* ip.h - classes of IP addresses, and which of them a job's URL must not have. Pure functions. */
#ifndef JOBGATE_IP_H
#define JOBGATE_IP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

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

/*
 * What is counted for a client at this address: of IPv6 only the first 64 bits, because a
 * subscriber has all addresses behind them (RFC 6177); IPv4-mapped IPv6 whole.
 */
struct in6_addr jg_ip_subscriber(const struct in6_addr *address);

/* All addresses that begin with the first `prefix` bits of this one; IPv4 as IPv4-mapped IPv6. */
struct ip_range {
	struct in6_addr address;
	unsigned prefix; /* 0 to 128 */
};

/*
 * Parse an address ("192.0.2.1", "2001:db8::1"), or the first address of a range with its prefix
 * ("10.0.0.0/8", "fd00::/8"). Bits after the prefix may be set. False for anything else.
 */
bool jg_ip_range_parse(struct slice text, struct ip_range *out);

/* Write it so that jg_ip_range_parse reads it back; a single address has no prefix. */
#define IP_RANGE_TEXT_MAX (INET6_ADDRSTRLEN + 4)
void jg_ip_range_format(const struct ip_range *range, char out[IP_RANGE_TEXT_MAX]);

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

/*
 * Parse ranges with commas between them, and optional spaces around them, into items, which has
 * room for `max`. False for an empty text, for a range that is not valid, and for more than max.
 */
bool jg_ip_ranges_parse(struct slice text, struct ip_range *items, size_t max, size_t *count);

/* Write them with commas between them. cap is at least count * IP_RANGE_TEXT_MAX + 1. */
void jg_ip_ranges_format(const struct ip_ranges *ranges, char *out, size_t cap);

/* True when the address lies in one of the ranges. */
bool jg_ip_ranges_contain(const struct ip_ranges *ranges, const struct in6_addr *address);

/* True when each range of inner lies in one of outer. */
bool jg_ip_ranges_within(const struct ip_ranges *inner, const struct ip_ranges *outer);

/* Parse a URL's host (IPv6 without brackets) as an address; false when it is a name. */
bool jg_ip_parse(struct slice host, struct in6_addr *out);

#endif
