/* guard.h - which addresses a job's URL may lead to (against server-side request forgery). */
#ifndef JOBGATE_GUARD_H
#define JOBGATE_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "jobgate/ip.h"

struct guard_rules {
	bool allow_loopback;
	size_t allow_count, deny_count, own_count;
	const struct ip_range *allow; /* when not empty: nothing but these (and what is always
					    refused stays refused) */
	const struct ip_range *deny;
	const struct sockaddr_storage *own; /* the gateway's listeners; a wildcard one means every
					       local address with its port */
};

enum guard_verdict {
	GUARD_ALLOW,
	GUARD_UNSPECIFIED,
	GUARD_LINK_LOCAL, /* 169.254/16, fe80::/10: clouds serve credentials there, or at others
			     that count as such */
	GUARD_MULTICAST,  /* and broadcast */
	GUARD_LOOPBACK,
	GUARD_OWN_LISTENER,
	GUARD_DENIED, /* by the deny list, or not on the allow list */
};

/*
 * Judge the very address that is about to be connected to. IPv4 inside IPv6
 * (mapped, compatible, NAT64 64:ff9b::/96, 6to4 2002::/16) is judged as the IPv4 it is, too.
 * Unix sockets (AF_UNIX) are not for this guard: GUARD_DENIED.
 */
enum guard_verdict guard_judge(const struct guard_rules *rules, const struct sockaddr *address);

/* True when the address lies in the range; IPv4 is compared as IPv4-mapped. */
bool guard_range_contains(const struct ip_range *range, const struct sockaddr *address);

/* "a link-local address"; static, for messages. */
const char *guard_verdict_text(enum guard_verdict verdict);

#endif
