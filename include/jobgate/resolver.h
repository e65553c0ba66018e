/* resolver.h - an interface that finds the addresses of a host name without blocking. */
#ifndef JOBGATE_RESOLVER_H
#define JOBGATE_RESOLVER_H

#include <stdint.h>

#include "jobgate/dump.h"
#include "jobgate/slice.h"
#include "jobgate/socket_address.h"

#define RESOLVE_ADDRESSES_MAX 16

/*
 * Addresses, to be tried in this order: families in turn, IPv6 first (RFC 8305 section 4).
 */
struct resolved {
	size_t count; /* 0: the name has no address, or the servers did not answer */
	struct address addresses[RESOLVE_ADDRESSES_MAX];
	uint32_t ttl_s;	   /* the smallest of all records and aliases, within [1, 3600]; 1 without
			      addresses */
	bool partial;	   /* only one family: done is called again, with all addresses */
	bool failed;	   /* with count 0: unknown whether the name has addresses */
	const char *error; /* with count 0: why, static */
};

/* resolved is valid during the call. */
typedef void resolved_fn(void *ctx, const struct resolved *resolved);

/*
 * One lookup under way. It belongs to the resolver and ends with the call of done that is not
 * partial, or with resolver_cancel. An implementation embeds it as its first member.
 */
struct resolution {
	struct resolver *resolver;
};

struct resolver_ops {
	struct resolution *(*ask)(struct resolver *resolver, struct slice name, uint16_t port,
	    resolved_fn *done, void *ctx);
	void (*cancel)(struct resolution *resolution);
	void (*dump)(const struct resolver *resolver, struct dump *dump);
	void (*free)(struct resolver *resolver);
};

/* An implementation embeds it as its first member. */
struct resolver {
	const struct resolver_ops *ops;
};

/*
 * Look up a name (1 to 253 bytes, copied); the addresses get this port. done is called later, never
 * from within this call. The last call has all addresses. One call before it may have those of one
 * family (partial), so that a family without an answer does not delay the other. NULL when memory
 * is short or the name has another length; then done is not called.
 */
static inline struct resolution *
resolver_ask(
    struct resolver *resolver, struct slice name, uint16_t port, resolved_fn *done, void *ctx)
{
	return resolver->ops->ask(resolver, name, port, done, ctx);
}

/* End a lookup: done is no longer called. Also allowed from within done. */
static inline void
resolver_cancel(struct resolution *resolution)
{
	resolution->resolver->ops->cancel(resolution);
}

/* Write how many lookups are under way; no names are shown. */
static inline void
resolver_dump(const struct resolver *resolver, struct dump *dump)
{
	resolver->ops->dump(resolver, dump);
}

/* Opens a resolver on libevent's loop. NULL when that fails. */
struct event_base;
typedef struct resolver *resolver_open_fn(struct event_base *base);

/* Free a resolver. Lookups under way end without a call of done. NULL is harmless. */
static inline void
resolver_free(struct resolver *resolver)
{
	if (resolver != NULL)
		resolver->ops->free(resolver);
}

#endif
