/* clients.h - what each client address holds and how often it failed: the limits of its own. */
#ifndef JOBGATE_CLIENTS_H
#define JOBGATE_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "jobgate/purpose.h"

/*
 * An address is remembered while it has connections, and after that until its
 * failures are forgiven or the room is needed: memory is bounded whoever comes.
 */
#define CLIENTS_FAILED_MAX                                                    \
	8192 /* addresses without a connection, remembered for their failures \
	      */

struct clients;
struct client; /* one IPv4 address, or the 64 bits of an IPv6 network that one subscriber has */

struct client_limits {
	size_t connections[PURPOSE_COUNT]; /* open at a time; 0: any number */
	size_t handshakes;		   /* of TLS, unfinished; 0: any number */
	size_t failure_rate;  /* failed authentications answered as such, each second; 0: all */
	size_t failure_burst; /* and so many at once, over 0 */
};

/* connections_max: of all clients together. NULL when memory is short, or without random bytes. */
struct clients *clients_new(const struct client_limits *limits, size_t connections_max);
void clients_free(struct clients *clients);

/*
 * A connection comes from this address (AF_INET or AF_INET6); it counts until
 * clients_leave. NULL when the address has as many for this purpose as it may have, or memory is
 * short.
 */
struct client *clients_enter(
    struct clients *clients, const struct sockaddr *peer, enum purpose purpose, uint64_t now_ms);
/* The client at this address if its connections for this purpose are at the limit, else NULL. */
const struct client *clients_full(
    const struct clients *clients, const struct sockaddr *peer, enum purpose purpose);

void clients_leave(
    struct clients *clients, struct client *client, enum purpose purpose, uint64_t now_ms);

/*
 * The client failed to authenticate itself. Returns 0 when it may be told so, or
 * the seconds (1 or more) after which it may try again: too many failures came too fast.
 */
unsigned clients_failure(const struct clients *clients, struct client *client, uint64_t now_ms);

/* It begins a TLS handshake. False when it has as many unfinished ones as it may have. */
bool clients_handshake(const struct clients *clients, struct client *client);

/* One that was begun has ended. */
void clients_handshake_over(struct client *client);

/* Addresses remembered. */
size_t clients_count(const struct clients *clients);

#endif
