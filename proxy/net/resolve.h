/* resolve.h - names of backends to addresses, without blocking (c-ares: DNS and /etc/hosts). */
#ifndef JOBGATE_RESOLVE_H
#define JOBGATE_RESOLVE_H

#include <event2/event.h>

#include "net/address.h"

#define RESOLVE_ADDRESSES_MAX 16

/*
 * Addresses in the order in which to try them: families in turn, IPv6 first (RFC 8305 section 4).
 */
struct resolved {
	size_t count; /* 0: the name has none, or the servers did not answer */
	struct address addresses[RESOLVE_ADDRESSES_MAX];
	uint32_t ttl_s;	   /* smallest of the records and aliases, within [1, 3600]; 1 for none */
	bool partial;	   /* one family only: the other is still to come, behind these */
	bool failed;	   /* with count 0: nobody has said that there is none */
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
 * Resolve a name (at most 253 bytes) for a port. If /etc/hosts has it, that is the answer, for
 * both families; else both are asked for at once in DNS, and when only one of them has answered
 * with addresses, the other gets RESOLUTION_DELAY_MS more (RFC 8305 section 3), then `done` is told
 * of what there is (partial), and once again of all. It is called later, never from within this
 * call, and not once cancelled. Numeric addresses need no resolver: see address_parse.
 */
#define RESOLUTION_DELAY_MS 50
struct resolution *resolver_ask(struct resolver *resolver, struct slice name, uint16_t port,
    void (*done)(void *ctx, const struct resolved *resolved), void *ctx);
void resolver_cancel(struct resolution *resolution);

#endif
