/* resolve.h - names of backends to addresses, without blocking (c-ares: DNS and /etc/hosts). */
#ifndef JOBGATE_RESOLVE_H
#define JOBGATE_RESOLVE_H

#include <event2/event.h>
#include <stdint.h>
#include <sys/socket.h>

#include "jobgate/slice.h"

#define RESOLVE_ADDRESSES_MAX 16

struct address {
	struct sockaddr_storage storage;
	socklen_t len;
};

/* Addresses in the order in which to try them: families interleaved, IPv6 first (RFC 8305 section
 * 4). */
struct resolved {
	size_t count; /* 0: the name has none, or the servers did not answer */
	struct address addresses[RESOLVE_ADDRESSES_MAX];
	uint32_t ttl_s;	   /* smallest of the records, within [1, 3600]; 1 for a failure */
	const char *error; /* with count 0: why, static */
};

struct resolver;
struct resolution; /* one question under way */

/*
 * servers: NULL for those of /etc/resolv.conf, else "ip:port[,ip:port]" (tests).
 * NULL when c-ares cannot be set up.
 */
struct resolver *resolver_new(struct event_base *base, const char *servers);
void resolver_free(struct resolver *resolver); /* pending questions get no answer */

/*
 * Resolve a DNS name (at most 253 bytes) for a port. `done` is called later,
 * never from within this call, once, unless cancelled before. Numeric
 * addresses need no resolver: see address_parse.
 */
struct resolution *resolver_ask(struct resolver *resolver, struct slice name, uint16_t port,
    void (*done)(void *ctx, const struct resolved *resolved), void *ctx);
void resolver_cancel(struct resolution *resolution);

/* Parse a numeric IPv4 (dotted quad only) or IPv6 address without brackets. False for anything
 * else. */
bool address_parse(struct slice host, uint16_t port, struct address *out);

/* "192.0.2.1:80" or "[2001:db8::1]:80" or "unix"; always NUL-terminated. */
#define ADDRESS_TEXT_MAX 64
void address_format(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX]);

/* The address alone, without a port: "192.0.2.1", "2001:db8::1", or "unix". IPv4-mapped is shown as
 * IPv4. */
void address_format_host(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX]);

#endif
