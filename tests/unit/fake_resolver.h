/* fake_resolver.h - a resolver that a test answers for. */
#ifndef JOBGATE_TEST_FAKE_RESOLVER_H
#define JOBGATE_TEST_FAKE_RESOLVER_H

#include <stdio.h>
#include <stdlib.h>

#include "jobgate/resolver.h"

/* It takes one lookup at a time. */
struct fake_resolver {
	struct resolver resolver;
	struct resolution resolution;
	resolved_fn *done; /* NULL: no lookup is under way */
	void *ctx;
	unsigned asks, cancels;
	bool refuses; /* to take a lookup, as without memory */
	char name[256];
	uint16_t port;
};

static inline struct resolution *
fake_resolver_ask(
    struct resolver *resolver, struct slice name, uint16_t port, resolved_fn *done, void *ctx)
{
	struct fake_resolver *fake = (struct fake_resolver *)resolver;

	if (fake->refuses || fake->done != NULL)
		return NULL;
	fake->asks++;
	fake->done = done;
	fake->ctx = ctx;
	snprintf(fake->name, sizeof(fake->name), "%.*s", (int)name.len, name.at);
	fake->port = port;
	fake->resolution.resolver = resolver;
	return &fake->resolution;
}

static inline void
fake_resolver_cancel(struct resolution *resolution)
{
	struct fake_resolver *fake = (struct fake_resolver *)resolution->resolver;

	fake->cancels++;
	fake->done = NULL;
}

static inline void
fake_resolver_dump(const struct resolver *resolver, struct dump *dump)
{
	(void)resolver;
	jg_dump_begin(dump, "fake_resolver");
	jg_dump_end(dump);
}

static inline void
fake_resolver_free(struct resolver *resolver)
{
	free(resolver);
}

/* It is freed with resolver_free. */
static inline struct fake_resolver *
fake_resolver_new(void)
{
	static const struct resolver_ops ops = {.ask = fake_resolver_ask,
	    .cancel = fake_resolver_cancel,
	    .dump = fake_resolver_dump,
	    .free = fake_resolver_free};
	struct fake_resolver *fake = calloc(1, sizeof(*fake));

	if (fake != NULL)
		fake->resolver.ops = &ops;
	return fake;
}

static inline struct resolver *
fake_resolver_open(struct event_base *base)
{
	(void)base;
	return (struct resolver *)fake_resolver_new();
}

static inline void
fake_resolver_answer(struct fake_resolver *fake, const struct resolved *resolved)
{
	resolved_fn *done = fake->done;

	if (!resolved->partial)
		fake->done = NULL;
	done(fake->ctx, resolved);
}

#endif
