/* guard.h - decides which addresses a job's URL may lead to (against server-side request forgery).
 */
#ifndef JOBGATE_GUARD_H
#define JOBGATE_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "jobgate/ip.h"

struct guard_rules {
	bool allow_loopback;
	size_t allow_count, deny_count, own_count;
	const struct ip_range
	    *allow; /* if not empty: only these; what is always refused stays refused */
	const struct ip_range *deny;
	const struct sockaddr_storage *own; /* the gateway's listeners; a wildcard address stands
					       for all local addresses with its port */
};

enum guard_verdict {
	GUARD_ALLOW,
	GUARD_UNSPECIFIED,
	GUARD_LINK_LOCAL, /* 169.254/16, fe80::/10, where clouds serve credentials, and others that
			     count as such */
	GUARD_MULTICAST,  /* and broadcast */
	GUARD_LOOPBACK,
	GUARD_OWN_LISTENER,
	GUARD_DENIED, /* by the deny list, or not on the allow list */
};

/*
 * Judge the address to which a connection is about to be made. IPv4 inside IPv6 (mapped,
 * compatible, NAT64 64:ff9b::/96, 6to4 2002::/16) is also judged as that IPv4 address. A Unix
 * socket (AF_UNIX) gets GUARD_DENIED; this guard is not for them.
 */
enum guard_verdict guard_judge(const struct guard_rules *rules, const struct sockaddr *address);

/* True when the address lies in the range; IPv4 is compared as IPv4-mapped. */
bool guard_range_contains(const struct ip_range *range, const struct sockaddr *address);

/* A text for messages, such as "a link-local address"; static. */
const char *guard_verdict_text(enum guard_verdict verdict);

#endif
