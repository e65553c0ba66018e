/* quota.c - a bounded table of client addresses, each with its connections and a token bucket. */
#include "downstream/quota.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "auth/table.h"
#include "jobgate/check.h"
#include "jobgate/ip.h"
#include "net/slab.h"

/* Credit is in thousandths of a failure, so a rate per second is the credit of a millisecond. */
#define FAILURE 1000

struct quota {
	struct table_node node;	 /* first: what the table holds */
	TAILQ_ENTRY(quota) link; /* among the failed, while there is no connection */
	struct in6_addr address;
	uint64_t credit, credit_ms; /* the credit at the time credit_ms */
	size_t connections;	    /* for all purposes together */
	size_t for_purpose[PURPOSE_COUNT];
	size_t handshakes;
};

struct quotas {
	struct quota_limits limits;
	size_t max;
	struct table table;
	struct slab slab;
	TAILQ_HEAD(, quota) failed; /* in the order in which they left */
};

struct quotas *
quotas_new(const struct quota_limits *limits, size_t connections_max)
{
	struct quotas *quotas = calloc(1, sizeof(*quotas));
	unsigned char key[16];

	if (quotas == NULL)
		return NULL;
	quotas->limits = *limits;
	/* More than there can be connections: when the table is full, an address without any makes
	 * room. */
	quotas->max = connections_max + QUOTAS_FAILED_MAX;
	quotas->slab.size = sizeof(struct quota);
	TAILQ_INIT(&quotas->failed);
	if (RAND_bytes(key, sizeof(key)) != 1 || !table_init(&quotas->table, key)) {
		free(quotas);
		quotas = NULL;
	}
	OPENSSL_cleanse(key, sizeof(key));
	return quotas;
}

/* Forget an address that has no connection; it is not among the failed any more. */
static void
quota_forget(struct quotas *quotas, struct quota *quota)
{
	CHECK(quota->connections == 0 && quota->handshakes == 0, quota_dump, quota);
	table_remove(&quotas->table, &quota->node);
	slab_give(&quotas->slab, quota, QUOTAS_FAILED_MAX);
}

void
quotas_free(struct quotas *quotas)
{
	struct quota *quota;

	if (quotas == NULL)
		return;
	while ((quota = TAILQ_FIRST(&quotas->failed)) != NULL) {
		TAILQ_REMOVE(&quotas->failed, quota, link);
		quota_forget(quotas, quota);
	}
	slab_clear(&quotas->slab);
	table_free(&quotas->table);
	free(quotas);
}

size_t
quotas_count(const struct quotas *quotas)
{
	return quotas->table.count;
}

/* The address that is counted; IPv4 as IPv4-mapped. */
static struct in6_addr
address_of(const struct sockaddr *peer)
{
	struct in6_addr address = IN6ADDR_ANY_INIT;

	if (peer->sa_family == AF_INET) {
		address.s6_addr[10] = address.s6_addr[11] = 0xff;
		memcpy(address.s6_addr + 12, &((const struct sockaddr_in *)peer)->sin_addr, 4);
	} else if (peer->sa_family == AF_INET6) {
		address = jg_ip_subscriber(&((const struct sockaddr_in6 *)peer)->sin6_addr);
	}
	return address;
}

/* ---- failures ---- */

/* Add the credit of the time since the last call. True when all failures are forgiven. */
static bool
quota_forgive(const struct quotas *quotas, struct quota *quota, uint64_t now_ms)
{
	const struct quota_limits *limits = &quotas->limits;
	uint64_t full = (uint64_t)limits->failure_burst * FAILURE;
	uint64_t missing = full - quota->credit;

	/* Compared by division: a client may stay away for any time. */
	if (limits->failure_rate == 0 ||
	    now_ms - quota->credit_ms >=
		(missing + limits->failure_rate - 1) / limits->failure_rate)
		quota->credit = full;
	else
		quota->credit += (now_ms - quota->credit_ms) * limits->failure_rate;
	quota->credit_ms = now_ms;
	return quota->credit == full;
}

unsigned
quotas_failure(const struct quotas *quotas, struct quota *quota, uint64_t now_ms)
{
	size_t rate = quotas->limits.failure_rate;
	uint64_t missing;

	if (rate == 0)
		return 0;
	quota_forgive(quotas, quota, now_ms);
	if (quota->credit >= FAILURE) {
		quota->credit -= FAILURE;
		return 0;
	}
	missing = FAILURE - quota->credit;
	return (unsigned)((missing + rate * 1000 - 1) / (rate * 1000));
}

/* ---- connections ---- */

static struct quota *
quota_find(const struct quotas *quotas, const struct in6_addr *address, uint64_t hash)
{
	struct table_search search;
	struct table_node *node = table_first(&quotas->table, hash, &search);

	while (node != NULL && memcmp(&((struct quota *)node)->address, address, 16) != 0)
		node = table_next(&search);
	return (struct quota *)node;
}

/* Forget the first address in `failed` if its failures are forgiven or its room is needed. */
static void
forget_one(struct quotas *quotas, uint64_t now_ms)
{
	struct quota *quota = TAILQ_FIRST(&quotas->failed);

	if (quota == NULL ||
	    (!quota_forgive(quotas, quota, now_ms) && quotas->table.count < quotas->max))
		return;
	TAILQ_REMOVE(&quotas->failed, quota, link);
	quota_forget(quotas, quota);
}

static struct quota *
quota_new(struct quotas *quotas, const struct in6_addr *address, uint64_t hash, uint64_t now_ms)
{
	struct quota *quota;

	forget_one(quotas, now_ms);
	quota = quotas->table.count < quotas->max ? slab_take(&quotas->slab) : NULL;
	if (quota == NULL)
		return NULL;
	quota->address = *address;
	quota->node.hash = hash;
	quota->credit = (uint64_t)quotas->limits.failure_burst * FAILURE;
	quota->credit_ms = now_ms;
	if (table_insert(&quotas->table, &quota->node))
		return quota;
	slab_give(&quotas->slab, quota, QUOTAS_FAILED_MAX);
	return NULL;
}

static uint64_t
hash_of(const struct quotas *quotas, const struct in6_addr *address)
{
	return table_hash(
	    &quotas->table, 0, (struct slice){(const char *)address->s6_addr, sizeof(*address)});
}

unsigned
quotas_failure_behind(struct quotas *quotas, const struct in6_addr *client, uint64_t now_ms)
{
	struct in6_addr address = jg_ip_subscriber(client);
	uint64_t hash = hash_of(quotas, &address);
	struct quota *quota = quota_find(quotas, &address, hash);

	if (quotas->limits.failure_rate == 0)
		return 0;
	if (quota == NULL) {
		quota = quota_new(quotas, &address, hash, now_ms);
		if (quota == NULL)
			return 1;
		TAILQ_INSERT_TAIL(&quotas->failed, quota, link);
	}
	return quotas_failure(quotas, quota, now_ms);
}

static bool
is_full(const struct quotas *quotas, const struct quota *quota, enum purpose purpose)
{
	size_t max = quotas->limits.connections[purpose];

	return max > 0 && quota->for_purpose[purpose] >= max;
}

const struct quota *
quotas_full(const struct quotas *quotas, const struct sockaddr *peer, enum purpose purpose)
{
	struct in6_addr address = address_of(peer);
	const struct quota *quota = quota_find(quotas, &address, hash_of(quotas, &address));

	return quota != NULL && is_full(quotas, quota, purpose) ? quota : NULL;
}

struct quota *
quotas_enter(
    struct quotas *quotas, const struct sockaddr *peer, enum purpose purpose, uint64_t now_ms)
{
	struct in6_addr address = address_of(peer);
	uint64_t hash = hash_of(quotas, &address);
	struct quota *quota = quota_find(quotas, &address, hash);

	if (quota == NULL) {
		quota = quota_new(quotas, &address, hash, now_ms);
		if (quota == NULL)
			return NULL;
	} else if (quota->connections == 0) {
		TAILQ_REMOVE(&quotas->failed, quota, link);
	} else if (is_full(quotas, quota, purpose)) {
		return NULL;
	}
	quota->connections++;
	quota->for_purpose[purpose]++;
	return quota;
}

void
quotas_leave(struct quotas *quotas, struct quota *quota, enum purpose purpose, uint64_t now_ms)
{
	CHECK(quota->connections > 0 && quota->for_purpose[purpose] > 0, quota_dump, quota);
	quota->for_purpose[purpose]--;
	if (--quota->connections > 0)
		return;
	if (quota_forgive(quotas, quota, now_ms))
		quota_forget(quotas, quota);
	else
		TAILQ_INSERT_TAIL(&quotas->failed, quota, link);
}

bool
quotas_handshake(const struct quotas *quotas, struct quota *quota)
{
	if (quotas->limits.handshakes > 0 && quota->handshakes >= quotas->limits.handshakes)
		return false;
	quota->handshakes++;
	return true;
}

void
quota_handshake_over(struct quota *quota)
{
	CHECK(quota->handshakes > 0, quota_dump, quota);
	quota->handshakes--;
}

void
quota_dump(const struct quota *quota, struct dump *dump)
{
	jg_dump_begin(dump, "quota");
	jg_dump_number(dump, "connections", quota->connections);
	jg_dump_number(dump, "handshakes", quota->handshakes);
	jg_dump_number(dump, "credit", quota->credit);
	jg_dump_end(dump);
}

void
quotas_dump(const struct quotas *quotas, struct dump *dump)
{
	const struct quota *quota;
	size_t failed = 0;

	TAILQ_FOREACH(quota, &quotas->failed, link)
	failed++;
	jg_dump_begin(dump, "quotas");
	jg_dump_number(dump, "addresses", quotas->table.count);
	jg_dump_number(dump, "failed", failed);
	jg_dump_number(dump, "most", quotas->max);
	jg_dump_end(dump);
}
