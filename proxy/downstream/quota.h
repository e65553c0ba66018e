/* quota.h - what each client address holds, and how often it failed to authenticate. */
#ifndef JOBGATE_QUOTA_H
#define JOBGATE_QUOTA_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "jobgate/dump.h"
#include "jobgate/settings.h"

/*
 * An address is remembered while it has connections, and after that until its failures are forgiven
 * or the room is needed. So the memory is bounded, whatever addresses connect.
 */
#define QUOTAS_FAILED_MAX                                                     \
	8192 /* addresses without a connection, remembered for their failures \
	      */

struct quotas;
struct quota; /* one IPv4 address, or the 64 bits of an IPv6 network that one subscriber has */

/* connections_max: of all clients together. NULL when memory is short, or without random bytes. */
struct quotas *quotas_new(const struct quota_limits *limits, size_t connections_max);
void quotas_free(struct quotas *quotas);

/*
 * Count a new connection from this address (AF_INET or AF_INET6), until quotas_leave. NULL when the
 * address is at its limit for this purpose, or memory is short.
 */
struct quota *quotas_enter(
    struct quotas *quotas, const struct sockaddr *peer, enum purpose purpose, uint64_t now_ms);
/* The quota of this address if its connections for this purpose are at the limit, else NULL. */
const struct quota *quotas_full(
    const struct quotas *quotas, const struct sockaddr *peer, enum purpose purpose);

void quotas_leave(
    struct quotas *quotas, struct quota *quota, enum purpose purpose, uint64_t now_ms);

/*
 * The client failed to authenticate itself. Returns 0 when it may be told so, or
 * the seconds (1 or more) after which it may try again: too many failures came too fast.
 */
unsigned quotas_failure(const struct quotas *quotas, struct quota *quota, uint64_t now_ms);

/*
 * The same for a client that has no connection here: it is behind a trusted proxy. When there is no
 * room to remember it, it has to wait.
 */
unsigned quotas_failure_behind(
    struct quotas *quotas, const struct in6_addr *client, uint64_t now_ms);

/* Count the beginning of a TLS handshake. False when the address is at its limit of unfinished
 * ones. */
bool quotas_handshake(const struct quotas *quotas, struct quota *quota);

/* A handshake that was counted has ended. */
void quota_handshake_over(struct quota *quota);

/* Addresses remembered. */
size_t quotas_count(const struct quotas *quotas);

/* What one address has, and how many addresses there are. Neither shows an address. */
void quota_dump(const struct quota *quota, struct dump *dump);
void quotas_dump(const struct quotas *quotas, struct dump *dump);

#endif
