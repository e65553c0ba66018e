/* dial.h - connects a socket to the place that a URL names. */
#ifndef JOBGATE_REDIS_DIAL_H
#define JOBGATE_REDIS_DIAL_H

#include <event2/event.h>

#include "auth/redis/url.h"
#include "jobgate/dump.h"
#include "jobgate/resolver.h"

/* A dial resolves a name, then tries its addresses one after the other. */
struct redis_dial;

/*
 * fd is connected and non-blocking, and the callee closes it; or it is -1, and reason says why. The
 * dial has been freed.
 */
typedef void redis_dial_fn(void *ctx, int fd, const char *reason);

/*
 * Start a dial. done is called once, never from within this call, and not after redis_dial_cancel.
 * timeout_ms is divided among the addresses; the time for resolving is not counted. resolver
 * outlives the dial; it may be NULL where the URL has a path or a numeric address. url is copied.
 * NULL when memory is short.
 */
struct redis_dial *redis_dial_start(struct event_base *base, struct resolver *resolver,
    const struct redis_url *url, unsigned timeout_ms, redis_dial_fn *done, void *ctx);

/* Write its addresses, and which one it tries now. */
void redis_dial_dump(const struct redis_dial *dial, struct dump *dump);

/* Stop and free it; NULL is harmless. */
void redis_dial_cancel(struct redis_dial *dial);

#endif
