/* dial.h - a connected socket to where a URL points. */
#ifndef JOBGATE_REDIS_DIAL_H
#define JOBGATE_REDIS_DIAL_H

#include <event2/event.h>

#include "auth/redis/url.h"
#include "jobgate/dump.h"
#include "jobgate/resolver.h"

/* One dial: a name is resolved, then its addresses are tried one after the other. */
struct redis_dial;

/* fd: connected and non-blocking, the callee's to close; or -1, and why. The dial is gone. */
typedef void redis_dial_fn(void *ctx, int fd, const char *reason);

/*
 * Start; done is called once, never from within this call, unless cancelled
 * before. timeout_ms is shared out among the addresses; resolving is not
 * counted. resolver outlives the dial; NULL where the URL has no name, but a path or a numeric
 * address. url is copied. NULL when memory is short.
 */
struct redis_dial *redis_dial_start(struct event_base *base, struct resolver *resolver,
    const struct redis_url *url, unsigned timeout_ms, redis_dial_fn *done, void *ctx);

/* Its addresses, and the one that it tries now. */
void redis_dial_dump(const struct redis_dial *dial, struct dump *dump);

/* Harmless for NULL. */
void redis_dial_cancel(struct redis_dial *dial);

#endif
