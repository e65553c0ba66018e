/* resolve.c - looks names up in /etc/hosts, then in DNS for both families. */
#include "net/resolve.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/resolve_channels.h"

#define NAME_MAX_LEN 253
#define TTL_MAX 3600
#define DNS_PORT 53

/* The lookup of one family. */
struct half {
	struct lookup *lookup;
	struct ares_addrinfo *info; /* NULL: none, or not yet */
	int status;
	bool answered; /* c-ares is done with it */
};

#define FAMILIES 2 /* IPv6 goes first */

/* It lives until c-ares has answered both halves. */
struct lookup {
	struct resolution resolution; /* as its user sees it */
	LIST_ENTRY(lookup) link;
	resolved_fn *done; /* NULL: cancelled */
	void *ctx;
	struct event *deliver; /* delivers the answer, never from within resolver_ask */
	struct half halves[FAMILIES];
	int told; /* the half whose addresses were told first; -1: none */
};

struct dns_resolver {
	struct resolver resolver; /* as its users see it */
	struct event_base *base;
	struct dns_channels channels;
	LIST_HEAD(, lookup) lookups;
	bool closing;
};

static void
lookup_free(struct lookup *lookup)
{
	LIST_REMOVE(lookup, link);
	if (lookup->deliver != NULL)
		event_free(lookup->deliver);
	for (size_t i = 0; i < FAMILIES; i++)
		if (lookup->halves[i].info != NULL)
			ares_freeaddrinfo(lookup->halves[i].info);
	free(lookup);
}

/* Append the next address from *at on. False when there is none, or there is no room. */
static bool
take_address(struct resolved *out, const struct ares_addrinfo_node **at)
{
	const struct ares_addrinfo_node *node = *at;
	struct address *address;

	if (node == NULL || out->count == RESOLVE_ADDRESSES_MAX ||
	    node->ai_addrlen > sizeof(address->storage))
		return false;
	address = &out->addresses[out->count++];
	memcpy(&address->storage, node->ai_addr, node->ai_addrlen);
	address->len = node->ai_addrlen;
	*at = node->ai_next;
	return true;
}

/* The time to live of an answer is the smallest of all its records, also of aliases. */
static uint32_t
ttl_of(const struct ares_addrinfo *info, uint32_t ttl_s)
{
	for (const struct ares_addrinfo_node *at = info->nodes; at != NULL; at = at->ai_next)
		if (at->ai_ttl >= 0 && (uint32_t)at->ai_ttl < ttl_s)
			ttl_s = (uint32_t)at->ai_ttl;
	for (const struct ares_addrinfo_cname *at = info->cnames; at != NULL; at = at->next)
		if (at->ttl >= 0 && (uint32_t)at->ttl < ttl_s)
			ttl_s = (uint32_t)at->ttl;
	return ttl_s > 0 ? ttl_s : 1;
}

static bool
all_answered(const struct lookup *lookup)
{
	return lookup->halves[0].answered && lookup->halves[1].answered;
}

/* Merge the families in turn; addresses that were told already keep their places. */
static void
take_addresses(const struct lookup *lookup, struct resolved *out)
{
	const struct ares_addrinfo_node *at[FAMILIES] = {NULL};
	bool more = true;

	for (size_t i = 0; i < FAMILIES; i++)
		if (lookup->halves[i].info != NULL)
			at[i] = lookup->halves[i].info->nodes;
	if (lookup->told >= 0) {
		while (more && out->count < RESOLVE_ADDRESSES_MAX / 2)
			more = take_address(out, &at[lookup->told]);
		at[lookup->told] = NULL;
	}
	do {
		more = false;
		for (size_t i = 0; i < FAMILIES; i++)
			more = take_address(out, &at[i]) || more;
	} while (more);
}

/* Tell the user what has been answered so far. */
static void
lookup_merge(const struct lookup *lookup, struct resolved *out)
{
	int status = ARES_ENODATA;

	*out = (struct resolved){.ttl_s = TTL_MAX, .partial = !all_answered(lookup)};
	for (size_t i = 0; i < FAMILIES; i++) {
		const struct half *half = &lookup->halves[i];

		if (half->info != NULL)
			out->ttl_s = ttl_of(half->info, out->ttl_s);
		if (half->answered && half->status != ARES_SUCCESS && half->status != ARES_ENODATA)
			status = half->status;
	}
	take_addresses(lookup, out);
	if (out->count > 0)
		return;
	out->ttl_s = 1;
	out->failed = status != ARES_ENODATA && status != ARES_ENOTFOUND;
	out->error = ares_strerror(status);
}

static void
on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
	const struct timeval delay = {0, RESOLUTION_DELAY_MS * 1000};
	struct half *half = ctx;
	struct lookup *lookup = half->lookup;

	(void)timeouts;
	half->answered = true;
	half->status = status;
	half->info = info;
	if (((struct dns_resolver *)lookup->resolution.resolver)->closing)
		return;
	if (all_answered(lookup))
		event_active(lookup->deliver, EV_TIMEOUT, 0);
	else if (info != NULL && info->nodes != NULL)
		event_add(lookup->deliver, &delay);
}

/* Tell the user of one family or of both; after both, the lookup ends. */
static void
on_deliver(evutil_socket_t fd, short what, void *ctx)
{
	struct lookup *lookup = ctx;
	struct resolved resolved;

	(void)fd;
	(void)what;
	if (!all_answered(lookup))
		lookup->told = lookup->halves[0].answered ? 0 : 1;
	if (lookup->done != NULL) {
		lookup_merge(lookup, &resolved);
		lookup->done(lookup->ctx, &resolved);
	}
	if (all_answered(lookup))
		lookup_free(lookup);
}

static struct lookup *
lookup_new(struct dns_resolver *resolver, resolved_fn *done, void *ctx)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	lookup->resolution.resolver = &resolver->resolver;
	lookup->done = done;
	lookup->ctx = ctx;
	lookup->told = -1;
	for (size_t i = 0; i < FAMILIES; i++)
		lookup->halves[i].lookup = lookup;
	LIST_INSERT_HEAD(&resolver->lookups, lookup, link);
	lookup->deliver = event_new(resolver->base, -1, 0, on_deliver, lookup);
	if (lookup->deliver != NULL)
		return lookup;
	lookup_free(lookup);
	return NULL;
}

static void
ask_dns(ares_channel channel, struct lookup *lookup, const char *host, const char *service)
{
	static const int families[FAMILIES] = {AF_INET6, AF_INET};
	struct ares_addrinfo_hints hints = {.ai_socktype = SOCK_STREAM};

	for (size_t i = 0; i < FAMILIES; i++) {
		hints.ai_family = families[i];
		ares_getaddrinfo(channel, host, service, &hints, on_answer, &lookup->halves[i]);
	}
}

/* If the hosts file has the name, DNS is not asked, not even for the other family. */
static void
on_hosts(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
	struct lookup *lookup = ctx;

	(void)timeouts;
	if (status != ARES_SUCCESS)
		return;
	lookup->halves[0].info = info;
	for (size_t i = 0; i < FAMILIES; i++) {
		lookup->halves[i].answered = true;
		lookup->halves[i].status = ARES_SUCCESS;
	}
	event_active(lookup->deliver, EV_TIMEOUT, 0);
}

static struct resolution *
dns_ask(struct resolver *of, struct slice name, uint16_t port, resolved_fn *done, void *ctx)
{
	const struct ares_addrinfo_hints hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct dns_resolver *resolver = (struct dns_resolver *)of;
	struct lookup *lookup;
	char host[NAME_MAX_LEN + 1], service[8];

	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return NULL;
	lookup = lookup_new(resolver, done, ctx);
	if (lookup == NULL)
		return NULL;
	memcpy(host, name.at, name.len);
	host[name.len] = '\0';
	snprintf(service, sizeof(service), "%u", port);
	dns_channels_follow(&resolver->channels);
	/* The file is read synchronously: on_hosts has been called when this returns. */
	ares_getaddrinfo(resolver->channels.hosts, host, service, &hints, on_hosts, lookup);
	if (!all_answered(lookup))
		ask_dns(resolver->channels.dns, lookup, host, service);
	dns_channels_schedule(&resolver->channels);
	return &lookup->resolution;
}

static void
dns_cancel(struct resolution *resolution)
{
	/* c-ares cannot cancel one query, so it continues, and its answer is dropped. */
	((struct lookup *)resolution)->done = NULL;
}

/* The number of users that wait is limited by that of connections that are being made. */
static void
dns_dump(const struct resolver *of, struct dump *dump)
{
	const struct dns_resolver *resolver = (const struct dns_resolver *)of;
	const struct lookup *lookup;
	size_t lookups = 0, cancelled = 0, partial = 0;

	LIST_FOREACH(lookup, &resolver->lookups, link)
	{
		lookups++;
		cancelled += lookup->done == NULL;
		partial += lookup->told >= 0;
	}
	jg_dump_begin(dump, "resolver");
	jg_dump_number(dump, "lookups", lookups);
	jg_dump_number(dump, "partial", partial);
	jg_dump_number(dump, "cancelled", cancelled);
	jg_dump_flag(dump, "servers_given", resolver->channels.servers_given);
	jg_dump_flag(dump, "closing", resolver->closing);
	jg_dump_end(dump);
}

/* ---- create and free ---- */

static void
dns_free(struct resolver *of)
{
	struct dns_resolver *resolver = (struct dns_resolver *)of;
	struct lookup *lookup;

	resolver->closing = true;
	dns_channels_close(&resolver->channels);
	while ((lookup = LIST_FIRST(&resolver->lookups)) != NULL)
		/* It has left the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		lookup_free(lookup);
	ares_library_cleanup();
	free(resolver);
}

static struct resolver *
open_resolver(struct event_base *base, const char *servers, const char *resolv_conf, uint16_t port)
{
	static const struct resolver_ops ops = {
	    .ask = dns_ask, .cancel = dns_cancel, .dump = dns_dump, .free = dns_free};
	struct dns_resolver *resolver = calloc(1, sizeof(*resolver));

	if (resolver == NULL)
		return NULL;
	resolver->resolver.ops = &ops;
	resolver->base = base;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(resolver);
		return NULL;
	}
	if (dns_channels_open(&resolver->channels, base, servers, resolv_conf, port))
		return &resolver->resolver;
	dns_free(&resolver->resolver);
	return NULL;
}

struct resolver *
resolver_new(struct event_base *base, const char *servers)
{
	return open_resolver(base, servers, "/etc/resolv.conf", DNS_PORT);
}

struct resolver *
resolver_new_from(struct event_base *base, const char *resolv_conf, uint16_t port)
{
	return open_resolver(base, NULL, resolv_conf, port);
}

struct resolver *
resolver_open(struct event_base *base)
{
	return resolver_new(base, getenv("JOBGATE_DNS_SERVERS"));
}
