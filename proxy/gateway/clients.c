/* clients.c - a bounded table of client addresses, each with its connections and a token bucket. */
#include "gateway/clients.h"

#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "auth/table.h"
#include "net/slab.h"

/* Credit is counted in thousandths of a failure: then a rate each second is one each millisecond.
 */
#define FAILURE 1000

struct client {
	struct table_node node;	  /* first: what the table holds */
	TAILQ_ENTRY(client) link; /* among the failed, while there is no connection */
	struct in6_addr address;
	uint64_t credit, credit_ms; /* as it was at that time */
	size_t connections;	    /* for all purposes together */
	size_t for_purpose[PURPOSE_COUNT];
	size_t handshakes;
};

struct clients {
	struct client_limits limits;
	size_t max;
	struct table table;
	struct slab slab;
	TAILQ_HEAD(, client) failed; /* the one that left first is first */
};

struct clients *
clients_new(const struct client_limits *limits, size_t connections_max)
{
	struct clients *clients = calloc(1, sizeof(*clients));
	unsigned char key[16];

	if (clients == NULL)
		return NULL;
	clients->limits = *limits;
	/* More than there can be connections: one without any is always there to make room. */
	clients->max = connections_max + CLIENTS_FAILED_MAX;
	clients->slab.size = sizeof(struct client);
	TAILQ_INIT(&clients->failed);
	if (RAND_bytes(key, sizeof(key)) != 1 || !table_init(&clients->table, key)) {
		free(clients);
		clients = NULL;
	}
	OPENSSL_cleanse(key, sizeof(key));
	return clients;
}

/* Forget an address that has no connection; it is not among the failed any more. */
static void
client_forget(struct clients *clients, struct client *client)
{
	table_remove(&clients->table, &client->node);
	slab_give(&clients->slab, client, CLIENTS_FAILED_MAX);
}

void
clients_free(struct clients *clients)
{
	struct client *client;

	if (clients == NULL)
		return;
	while ((client = TAILQ_FIRST(&clients->failed)) != NULL) {
		TAILQ_REMOVE(&clients->failed, client, link);
		client_forget(clients, client);
	}
	slab_clear(&clients->slab);
	table_free(&clients->table);
	free(clients);
}

size_t
clients_count(const struct clients *clients)
{
	return clients->table.count;
}

/* Who pays: IPv4 as IPv4-mapped; of IPv6 the network, for a subscriber owns all addresses in it. */
static struct in6_addr
address_of(const struct sockaddr *peer)
{
	struct in6_addr address = IN6ADDR_ANY_INIT;

	if (peer->sa_family == AF_INET) {
		address.s6_addr[10] = address.s6_addr[11] = 0xff;
		memcpy(address.s6_addr + 12, &((const struct sockaddr_in *)peer)->sin_addr, 4);
	} else if (peer->sa_family == AF_INET6) {
		address = ((const struct sockaddr_in6 *)peer)->sin6_addr;
		if (!IN6_IS_ADDR_V4MAPPED(&address))
			memset(address.s6_addr + 8, 0, 8);
	}
	return address;
}

/* ---- failures ---- */

/* Let credit grow up to now; true when all is forgiven. */
static bool
client_forgive(const struct clients *clients, struct client *client, uint64_t now_ms)
{
	const struct client_limits *limits = &clients->limits;
	uint64_t full = (uint64_t)limits->failure_burst * FAILURE;
	uint64_t missing = full - client->credit;

	/* Compared by division: a client may stay away for any time. */
	if (limits->failure_rate == 0 ||
	    now_ms - client->credit_ms >=
		(missing + limits->failure_rate - 1) / limits->failure_rate)
		client->credit = full;
	else
		client->credit += (now_ms - client->credit_ms) * limits->failure_rate;
	client->credit_ms = now_ms;
	return client->credit == full;
}

unsigned
clients_failure(const struct clients *clients, struct client *client, uint64_t now_ms)
{
	size_t rate = clients->limits.failure_rate;
	uint64_t missing;

	if (rate == 0)
		return 0;
	client_forgive(clients, client, now_ms);
	if (client->credit >= FAILURE) {
		client->credit -= FAILURE;
		return 0;
	}
	missing = FAILURE - client->credit;
	return (unsigned)((missing + rate * 1000 - 1) / (rate * 1000));
}

/* ---- connections ---- */

static struct client *
client_find(const struct clients *clients, const struct in6_addr *address, uint64_t hash)
{
	struct table_node *node = table_first(&clients->table, hash);

	while (node != NULL && memcmp(&((struct client *)node)->address, address, 16) != 0)
		node = table_next(node);
	return (struct client *)node;
}

/* Forget the first of the failed: once it is forgiven, or when its room is needed. */
static void
forget_one(struct clients *clients, uint64_t now_ms)
{
	struct client *client = TAILQ_FIRST(&clients->failed);

	if (client == NULL ||
	    (!client_forgive(clients, client, now_ms) && clients->table.count < clients->max))
		return;
	TAILQ_REMOVE(&clients->failed, client, link);
	client_forget(clients, client);
}

static struct client *
client_new(struct clients *clients, const struct in6_addr *address, uint64_t hash, uint64_t now_ms)
{
	struct client *client;

	forget_one(clients, now_ms);
	client = clients->table.count < clients->max ? slab_take(&clients->slab) : NULL;
	if (client == NULL)
		return NULL;
	client->address = *address;
	client->node.hash = hash;
	client->credit = (uint64_t)clients->limits.failure_burst * FAILURE;
	client->credit_ms = now_ms;
	table_insert(&clients->table, &client->node);
	return client;
}

static uint64_t
hash_of(const struct clients *clients, const struct in6_addr *address)
{
	return table_hash(
	    &clients->table, 0, (struct slice){(const char *)address->s6_addr, sizeof(*address)});
}

static bool
is_full(const struct clients *clients, const struct client *client, enum purpose purpose)
{
	size_t max = clients->limits.connections[purpose];

	return max > 0 && client->for_purpose[purpose] >= max;
}

const struct client *
clients_full(const struct clients *clients, const struct sockaddr *peer, enum purpose purpose)
{
	struct in6_addr address = address_of(peer);
	const struct client *client = client_find(clients, &address, hash_of(clients, &address));

	return client != NULL && is_full(clients, client, purpose) ? client : NULL;
}

struct client *
clients_enter(
    struct clients *clients, const struct sockaddr *peer, enum purpose purpose, uint64_t now_ms)
{
	struct in6_addr address = address_of(peer);
	uint64_t hash = hash_of(clients, &address);
	struct client *client = client_find(clients, &address, hash);

	if (client == NULL) {
		client = client_new(clients, &address, hash, now_ms);
		if (client == NULL)
			return NULL;
	} else if (client->connections == 0) {
		TAILQ_REMOVE(&clients->failed, client, link);
	} else if (is_full(clients, client, purpose)) {
		return NULL;
	}
	client->connections++;
	client->for_purpose[purpose]++;
	return client;
}

void
clients_leave(struct clients *clients, struct client *client, enum purpose purpose, uint64_t now_ms)
{
	client->for_purpose[purpose]--;
	if (--client->connections > 0)
		return;
	if (client_forgive(clients, client, now_ms))
		client_forget(clients, client);
	else
		TAILQ_INSERT_TAIL(&clients->failed, client, link);
}

bool
clients_handshake(const struct clients *clients, struct client *client)
{
	if (clients->limits.handshakes > 0 && client->handshakes >= clients->limits.handshakes)
		return false;
	client->handshakes++;
	return true;
}

void
clients_handshake_over(struct client *client)
{
	client->handshakes--;
}
