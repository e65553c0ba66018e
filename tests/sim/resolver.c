/* resolver.c - in place of proxy/net/resolve.c: the simulated network has no names. */
#include "net/resolve.h"

#include <stdlib.h>

static struct resolution *
ask(struct resolver *resolver, struct slice name, uint16_t port, resolved_fn *done, void *ctx)
{
	(void)resolver;
	(void)name;
	(void)port;
	(void)done;
	(void)ctx;
	return NULL;
}

static void
cancel(struct resolution *resolution)
{
	(void)resolution;
}

static void
resolver_end(struct resolver *resolver)
{
	free(resolver);
}

struct resolver *
resolver_new(struct event_base *base, const char *servers)
{
	static const struct resolver_ops ops = {.ask = ask, .cancel = cancel, .free = resolver_end};
	struct resolver *resolver = malloc(sizeof(*resolver));

	(void)base;
	(void)servers;
	if (resolver != NULL)
		resolver->ops = &ops;
	return resolver;
}

struct resolver *
resolver_open(struct event_base *base)
{
	return resolver_new(base, NULL);
}

struct resolver *
resolver_new_from(struct event_base *base, const char *resolv_conf, uint16_t port)
{
	(void)resolv_conf;
	(void)port;
	return resolver_new(base, NULL);
}
