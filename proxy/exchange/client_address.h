/* client_address.h - finds the address of the client behind trusted proxies. Pure functions. */
#ifndef JOBGATE_EXCHANGE_CLIENT_ADDRESS_H
#define JOBGATE_EXCHANGE_CLIENT_ADDRESS_H

#include "jobgate/exchange.h"
#include "jobgate/ip.h"

/*
 * The address of the client that sent this request. It is the peer's own, or, behind a trusted
 * proxy and for forward auth, one of X-Forwarded-For: the last one that is not itself a trusted
 * proxy's, or the first one if all are. Each proxy adds the address that it sees at the end, so
 * what stands before the result may be the client's own invention.
 *
 * False when the client's address is not known: at a Unix socket; when a PROXY header names no
 * client; when a trusted proxy sends no X-Forwarded-For; and when something other than an address
 * (with or without a port) is found before the search is over.
 */
bool client_address_find(const struct exchange_peer *peer, const struct fields *fields,
    const struct ip_ranges *trusted, struct in6_addr *out);

#endif
