/* feed.c - a subscription to the keys of all records that change. */
#include "auth/redis/feed.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/record.h"
#include "auth/redis/store_state.h"
#include "jobgate/clock.h"

#define LOOK_MS 200
#define PING_MS 1000
#define SILENCE_MS 4000 /* without an answer to a PING, the connection counts as broken */
#define PREFIX_MAX 512
#define CHANNEL "__redis__:invalidate"

struct store_feed {
	struct store *store;
	struct store_feed_handlers handlers;
	struct event *look;
	struct redis_connection *connection; /* NULL while there is none */
	uint64_t losses;		     /* of the store's connection, when this one was made */
	uint64_t heard_ms, pinged_ms;
	bool is_up;
};

static bool
send_words(struct store_feed *feed, redis_reply_fn *done, int count, const char *const *words)
{
	size_t len[8];

	for (int i = 0; i < count; i++)
		len[i] = strlen(words[i]);
	return redis_command(feed->connection, done, feed, count, words, len);
}

static void
drop(struct store_feed *feed)
{
	struct redis_connection *connection = feed->connection;
	bool was_up = feed->is_up;

	feed->connection = NULL;
	feed->is_up = false;
	redis_connection_free(connection);
	if (was_up)
		feed->handlers.down(feed->handlers.ctx);
}

/* ---- what changes ---- */

static void
take_key(struct store_feed *feed, struct slice key)
{
	struct slice prefix = slice_of(store_prefix(feed->store)), id;
	enum record_kind kind;

	if (slice_starts_with(key, prefix) &&
	    record_key_parse(slice_after(key, prefix.len), &kind, &id) && kind < RECORD_KINDS &&
	    record_types[kind].id_valid(id))
		feed->handlers.changed(feed->handlers.ctx, kind, id);
}

/* ["message", channel, keys]: keys is an array, or nil when all keys were dropped. */
static void
on_push(void *ctx, const redisReply *reply)
{
	struct store_feed *feed = ctx;
	const redisReply *keys =
	    reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 ? reply->element[2] : NULL;

	feed->heard_ms = clock_ms(CLOCK_MONOTONIC);
	if (!feed->is_up)
		return;
	if (keys == NULL || keys->type != REDIS_REPLY_ARRAY) {
		feed->handlers.missed(feed->handlers.ctx);
		return;
	}
	for (size_t i = 0; i < keys->elements && feed->is_up; i++)
		take_key(feed, redis_text(keys->element[i]));
}

/* ---- the connection ---- */

static void
on_pong(void *ctx, const redisReply *reply)
{
	struct store_feed *feed = ctx;

	if (reply == NULL)
		return;
	feed->heard_ms = clock_ms(CLOCK_MONOTONIC);
	if (redis_error_is(reply, REDIS_TOO_LONG)) /* a list of keys, in place of this answer */
		feed->handlers.missed(feed->handlers.ctx);
}

static void
on_subscribed(void *ctx, const redisReply *reply)
{
	struct store_feed *feed = ctx;

	if (reply == NULL) /* `down` follows */
		return;
	if (reply->type != REDIS_REPLY_ARRAY) {
		drop(feed);
		return;
	}
	feed->heard_ms = clock_ms(CLOCK_MONOTONIC);
	feed->is_up = true;
	feed->handlers.up(feed->handlers.ctx);
}

/* The subscription follows only when tracking is on: then nothing is missed afterwards. */
static void
on_tracking(void *ctx, const redisReply *reply)
{
	struct store_feed *feed = ctx;

	if (reply == NULL)
		return;
	if (reply->type != REDIS_REPLY_STATUS ||
	    !send_words(feed, on_subscribed, 2, (const char *[]){"SUBSCRIBE", CHANNEL}))
		drop(feed);
}

static void
on_up(void *ctx)
{
	struct store_feed *feed = ctx;
	const char *words[6 + 2 * RECORD_KINDS] = {"CLIENT", "TRACKING", "ON", "REDIRECT"};
	size_t len[6 + 2 * RECORD_KINDS] = {6, 8, 2, 8};
	char id[24], keys[RECORD_KINDS][PREFIX_MAX];
	int count = 4;

	snprintf(id, sizeof(id), "%lld", redis_connection_id(feed->connection));
	words[count++] = id;
	words[count++] = "BCAST";
	for (unsigned kind = 0; kind < RECORD_KINDS; kind++) {
		int key_len = snprintf(keys[kind], PREFIX_MAX, "%s%.*s", store_prefix(feed->store),
		    (int)record_types[kind].prefix.len, record_types[kind].prefix.at);

		if (key_len >= PREFIX_MAX) { /* the feed stays down */
			drop(feed);
			return;
		}
		words[count++] = "PREFIX";
		words[count++] = keys[kind];
	}
	for (int i = 4; i < count; i++)
		len[i] = strlen(words[i]);
	if (!redis_command(feed->connection, on_tracking, feed, count, words, len))
		drop(feed);
}

static void
on_down(void *ctx, const char *reason)
{
	(void)reason; /* the store says in the log that it is out of reach */
	drop(ctx);
}

/* Connect to the server where the store is. */
static void
dial(struct store_feed *feed)
{
	struct store *store = feed->store;
	struct redis_url url = store->url;

	if (store->election != NULL)
		redis_note_place(&store->here, &url);
	url.place_count = 0;
	feed->losses = store->losses;
	feed->heard_ms = feed->pinged_ms = clock_ms(CLOCK_MONOTONIC);
	feed->connection = redis_connection_new(store->base, store->resolver, &url, store->ca_file,
	    "jobgate-events", store->tuning->connect_ms,
	    &(struct redis_handlers){.ctx = feed, .up = on_up, .down = on_down, .push = on_push});
	redis_url_wipe(&url);
}

static void
on_look(evutil_socket_t fd, short what, void *ctx)
{
	struct store_feed *feed = ctx;
	const struct store *store = feed->store;
	bool reached = store->connection != NULL && redis_connection_is_up(store->connection);
	uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);

	(void)fd;
	(void)what;
	if (feed->connection != NULL &&
	    (!reached || feed->losses != store->losses || now_ms - feed->heard_ms > SILENCE_MS))
		drop(feed);
	if (feed->connection == NULL && reached)
		dial(feed);
	if (feed->is_up && now_ms - feed->pinged_ms >= PING_MS) {
		feed->pinged_ms = now_ms;
		if (!send_words(feed, on_pong, 1, (const char *[]){"PING"}))
			drop(feed);
	}
}

struct store_feed *
store_feed_new(struct store *store, const struct store_feed_handlers *handlers)
{
	const struct timeval pause = {.tv_usec = LOOK_MS * 1000L};
	struct store_feed *feed = calloc(1, sizeof(*feed));

	if (feed == NULL)
		return NULL;
	feed->store = store;
	feed->handlers = *handlers;
	feed->look = event_new(store->base, -1, EV_PERSIST, on_look, feed);
	if (feed->look == NULL || event_add(feed->look, &pause) != 0) {
		store_feed_free(feed);
		return NULL;
	}
	event_active(feed->look, EV_TIMEOUT, 0); /* the first look is at once */
	return feed;
}

void
store_feed_free(struct store_feed *feed)
{
	if (feed == NULL)
		return;
	feed->is_up = false; /* its handlers are not called any more */
	redis_connection_free(feed->connection);
	if (feed->look != NULL)
		event_free(feed->look);
	free(feed);
}

bool
store_feed_is_up(const struct store_feed *feed)
{
	return feed->is_up;
}
