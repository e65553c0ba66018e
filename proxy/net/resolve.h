/* resolve.h - an implementation of jobgate/resolver.h with /etc/hosts, then DNS (c-ares). */
#ifndef JOBGATE_RESOLVE_H
#define JOBGATE_RESOLVE_H

#include <event2/event.h>

#include "jobgate/resolver.h"

/*
 * If /etc/hosts has the name, that is the answer, for both families. Otherwise DNS is asked for
 * both families at once. When only one of them has answered with addresses, the other one gets
 * RESOLUTION_DELAY_MS more (RFC 8305 section 3); then `done` gets what there is (partial). Numeric
 * addresses need no resolver: see address_parse.
 */
#define RESOLUTION_DELAY_MS 50

/*
 * Make a resolver; resolver_free frees it, before base is freed. servers: "ip:port[,ip:port]" (for
 * tests); NULL: those of /etc/resolv.conf, which is read again when it changes. NULL when c-ares
 * cannot be set up.
 */
struct resolver *resolver_new(struct event_base *base, const char *servers);

/* The same with the servers in $JOBGATE_DNS_SERVERS, if that is set. */
struct resolver *resolver_open(struct event_base *base);

/*
 * resolver_new(base, NULL) with another file than /etc/resolv.conf, whose name outlives the
 * resolver, and another port than 53, for tests.
 */
struct resolver *resolver_new_from(struct event_base *base, const char *resolv_conf, uint16_t port);

#endif
