/* feed.h - tells which tokens and jobs change in the store, by any program. */
#ifndef JOBGATE_REDIS_FEED_H
#define JOBGATE_REDIS_FEED_H

#include "auth/redis/store.h"

/*
 * A connection of its own, to the server that the store has elected: Redis sends it the key of each
 * record that any client writes, deletes or lets expire (CLIENT TRACKING ... BCAST, redirected to
 * the connection itself, which is subscribed to __redis__:invalidate). It says nothing of what was
 * changed. While the store is out of reach, so is the feed; it connects again by itself.
 */
struct store_feed;

/* None is called from within store_feed_new or store_feed_free. */
struct store_feed_handlers {
	void *ctx;
	/* The record with this id, which is valid for its kind, may have changed. */
	void (*changed)(void *ctx, enum record_kind kind, struct slice id);
	/* Changes are told from now on, or they are not told any more. The first is `up`. */
	void (*up)(void *ctx);
	void (*down)(void *ctx);
	/* All records may have changed: the server dropped all keys, or the list was too long. */
	void (*missed)(void *ctx);
};

/* store outlives the feed; *handlers is copied. NULL when memory is short. */
struct store_feed *store_feed_new(struct store *store, const struct store_feed_handlers *handlers);

/* NULL is allowed. */
void store_feed_free(struct store_feed *feed);

/* True between `up` and `down`. */
bool store_feed_is_up(const struct store_feed *feed);

#endif
