/* dial.c - resolve, then connect to one address after the other. */
#include "auth/redis/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "jobgate/check.h"

struct redis_dial {
	struct event_base *base;
	struct resolver *resolver;
	redis_dial_fn *done;
	void *ctx;
	struct redis_url url;
	unsigned timeout_ms;	       /* for all addresses */
	struct event *event;	       /* for the first turn of the loop, then for connect(2) */
	struct resolution *resolution; /* NULL: no more addresses will come */
	struct resolved resolved;
	size_t next; /* index of the address to try next */
	int fd;	     /* being connected, or -1 */
	char reason[160];
};

void
redis_dial_dump(const struct redis_dial *dial, struct dump *dump)
{
	jg_dump_begin(dump, "redis_dial");
	jg_dump_flag(dump, "resolving", dial->resolution != NULL);
	jg_dump_number(dump, "addresses", dial->resolved.count);
	jg_dump_number(dump, "next", dial->next);
	jg_dump_flag(dump, "connecting", dial->fd >= 0);
	jg_dump_end(dump);
}

void
redis_dial_cancel(struct redis_dial *dial)
{
	if (dial == NULL)
		return;
	if (dial->event != NULL)
		event_free(dial->event);
	if (dial->resolution != NULL)
		resolver_cancel(dial->resolution);
	if (dial->fd >= 0)
		close(dial->fd);
	redis_url_wipe(&dial->url);
	free(dial);
}

static void
dial_finish(struct redis_dial *dial, int fd)
{
	redis_dial_fn *done = dial->done;
	void *ctx = dial->ctx;
	char reason[sizeof(dial->reason)];

	memcpy(reason, dial->reason, sizeof(reason));
	redis_dial_cancel(dial);
	done(ctx, fd, reason);
}

static void on_connected(evutil_socket_t fd, short what, void *ctx);

/* Wait for dial->fd to connect. False when memory is short. */
static bool
dial_wait(struct redis_dial *dial)
{
	/* One share is kept for the family of addresses that is not resolved yet. */
	const size_t shares = dial->resolved.count + dial->resolved.partial;
	const uint64_t share_us = (uint64_t)dial->timeout_ms * 1000 / shares;
	const struct timeval timeout = {
	    .tv_sec = (time_t)(share_us / 1000000), .tv_usec = (suseconds_t)(share_us % 1000000)};

	if (dial->event != NULL)
		event_free(dial->event);
	dial->event = event_new(dial->base, dial->fd, EV_WRITE, on_connected, dial);
	return dial->event != NULL && event_add(dial->event, &timeout) == 0;
}

/* Begin to connect to one address; false when it fails at once. */
static bool
dial_try(struct redis_dial *dial, const struct address *address)
{
	const struct sockaddr *at = (const struct sockaddr *)&address->storage;
	const int one = 1;

	CHECK(dial->fd < 0, redis_dial_dump, dial);
	dial->fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (dial->fd < 0)
		goto fail;
	if (at->sa_family != AF_UNIX)
		setsockopt(dial->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(dial->fd, at, address->len) != 0 && errno != EINPROGRESS)
		goto fail;
	if (dial_wait(dial))
		return true;
	errno = ENOMEM;
fail:
	snprintf(dial->reason, sizeof(dial->reason), "cannot connect: %s", strerror(errno));
	if (dial->fd >= 0)
		close(dial->fd);
	dial->fd = -1;
	return false;
}

/* Go on with the next address. The dial may be gone afterwards. */
static void
dial_next(struct redis_dial *dial)
{
	while (dial->next < dial->resolved.count)
		if (dial_try(dial, &dial->resolved.addresses[dial->next++]))
			return;
	if (dial->resolution == NULL)
		dial_finish(dial, -1);
}

static void
on_connected(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_dial *dial = ctx;
	const int error = socket_connect_error(fd);

	(void)what;
	CHECK(fd == dial->fd, redis_dial_dump, dial);
	dial->fd = -1;
	if (error == 0) {
		event_free(dial->event); /* before the descriptor gets another owner */
		dial->event = NULL;
		dial_finish(dial, fd);
		return;
	}
	snprintf(dial->reason, sizeof(dial->reason), "cannot connect: %s", strerror(error));
	event_free(dial->event);
	dial->event = NULL;
	close(fd);
	dial_next(dial);
}

/*
 * Called a second time when one family of addresses came first: those addresses keep their places,
 * the others follow.
 */
static void
on_resolved(void *ctx, const struct resolved *resolved)
{
	struct redis_dial *dial = ctx;

	dial->resolved = *resolved;
	if (!resolved->partial)
		dial->resolution = NULL;
	if (resolved->count == 0)
		snprintf(dial->reason, sizeof(dial->reason), "cannot resolve its host: %s",
		    resolved->error);
	if (dial->fd < 0)
		dial_next(dial);
}

static void
take_path(struct redis_dial *dial)
{
	struct address *out = &dial->resolved.addresses[0];
	struct sockaddr_un *un = (struct sockaddr_un *)&out->storage;

	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, dial->url.path, sizeof(un->sun_path));
	out->len = sizeof(*un);
	dial->resolved.count = 1;
}

/* The first turn of the loop, so that done is never called from within redis_dial_start. */
static void
on_begin(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_dial *dial = ctx;

	(void)fd;
	(void)what;
	if (dial->url.path[0] != '\0') {
		take_path(dial);
	} else if (address_parse(
		       slice_of(dial->url.host), dial->url.port, &dial->resolved.addresses[0])) {
		dial->resolved.count = 1;
	} else {
		snprintf(dial->reason, sizeof(dial->reason),
		    "cannot resolve its host: out of memory, or the name is too long");
		if (dial->resolver != NULL)
			dial->resolution = resolver_ask(dial->resolver, slice_of(dial->url.host),
			    dial->url.port, on_resolved, dial);
	}
	dial_next(dial);
}

struct redis_dial *
redis_dial_start(struct event_base *base, struct resolver *resolver, const struct redis_url *url,
    unsigned timeout_ms, redis_dial_fn *done, void *ctx)
{
	struct redis_dial *dial = calloc(1, sizeof(*dial));

	if (dial == NULL)
		return NULL;
	*dial = (struct redis_dial){.base = base,
	    .resolver = resolver,
	    .done = done,
	    .ctx = ctx,
	    .url = *url,
	    .timeout_ms = timeout_ms,
	    .fd = -1};
	dial->event = event_new(base, -1, 0, on_begin, dial);
	if (dial->event == NULL) {
		redis_dial_cancel(dial);
		return NULL;
	}
	event_active(dial->event, 0, 0);
	return dial;
}
