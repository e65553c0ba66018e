/* link.c - the two connections of a worker to its store, and the clock that tells whether to trust
 * them. */
#include "auth/redis/link.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/redis/connection.h"
#include "auth/redis/records.h"

#define CHANNEL "__redis__:invalidate"

/* How often the directory's clock is looked at. */
#define TICK_MS 50

/* Between attempts to connect: doubled from the first to the last, and spread by half. */
#define BACKOFF_FIRST_MS 50
#define BACKOFF_LAST_MS 1000

/* Keys of broken records remembered, so that each is logged once and not at every read. */
#define COMPLAINTS 32

/* The least between two lines about failed reads. */
#define FAILURES_EVERY_MS 10000

#define PREFIX_MAX 256

enum link_state {
	LINK_WAITING,	  /* for the moment to connect */
	LINK_CONNECTING,  /* for both connections */
	LINK_IDENTIFYING, /* for the push connection's id */
	LINK_ARMING,	  /* for the confirmations of the subscription and of CLIENT TRACKING */
	LINK_UP,
};

/* One HGETALL under way. */
struct read {
	struct redis_link *link;
	struct directory_entry *entry;
	enum record_kind kind;
	size_t id_len;
	char id[JOB_ID_MAX];
};

struct redis_link {
	enum link_state state;
	struct event_base *base;
	struct redis_url url;
	char *prefix, *ca_file;
	size_t prefix_len;
	struct redis_link_options options;
	struct log log;
	struct directory *directory;
	struct redis_connection *data, *push;
	struct event *tick;
	uint64_t retry_ms;    /* WAITING: until then */
	uint64_t armed_by_ms; /* IDENTIFYING, ARMING: until then */
	uint64_t backoff_ms;
	uint64_t ping_ms; /* when the PINGs under way were sent; 0: none are */
	uint64_t next_ping_ms;
	bool subscribed, tracking; /* ARMING: confirmed */
	bool data_ponged, push_ponged;
	char complaint[160];	  /* why it is out of reach, as logged; empty while it is up */
	uint64_t next_failure_ms; /* when a failed read may be logged again */
	uint64_t bad_records;
	uint64_t complaints[COMPLAINTS]; /* hashes of keys */
	size_t next_complaint;
};

static uint64_t
clock_ms(const struct redis_link *link)
{
	struct timespec now;

	if (link->options.now_ms != NULL)
		return link->options.now_ms(link->options.clock_ctx);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Send words; text without NULs. */
static bool
send_words(struct redis_connection *connection, redis_reply_fn *done, void *ctx, int argc,
    const char *const *argv)
{
	size_t len[8];

	for (int i = 0; i < argc; i++)
		len[i] = strlen(argv[i]);
	return redis_command(connection, done, ctx, argc, argv, len);
}

/* ---- coming up and going down ---- */

static uint64_t
spread(uint64_t ms)
{
	unsigned char random = 0;

	/* Without randomness the attempts are merely less spread. */
	RAND_bytes(&random, 1);
	return ms / 2 + ms * random / 512;
}

/* Once for each reason, not for each attempt. */
static void
link_complain(struct redis_link *link, bool was_up, const char *which, const char *reason)
{
	char complaint[sizeof(link->complaint)];

	snprintf(complaint, sizeof(complaint), "%s", reason);
	if (!was_up && strcmp(complaint, link->complaint) == 0)
		return;
	memcpy(link->complaint, complaint, sizeof(complaint));
	log_warning(&link->log, "store: %s (%s connection): %s; trying again",
	    was_up ? "out of reach" : "cannot be reached", which, reason);
}

/* Give up both connections and come back later. */
static void
link_break(struct redis_link *link, const char *which, const char *reason)
{
	struct redis_connection *data = link->data, *push = link->push;
	bool was_up = link->state == LINK_UP;

	if (link->state == LINK_WAITING)
		return;
	link_complain(link, was_up, which, reason);
	link->state = LINK_WAITING;
	link->retry_ms = clock_ms(link) + spread(link->backoff_ms);
	link->backoff_ms =
	    link->backoff_ms * 2 < BACKOFF_LAST_MS ? link->backoff_ms * 2 : BACKOFF_LAST_MS;
	link->ping_ms = 0;
	link->data = link->push = NULL;
	/* Reads under way are answered with NULL here, and so fed as failed. */
	redis_connection_free(data);
	redis_connection_free(push);
	if (was_up)
		jg_directory_link_down(link->directory, clock_ms(link));
}

static void
on_data_down(void *ctx, const char *reason)
{
	link_break(ctx, "data", reason);
}

static void
on_push_down(void *ctx, const char *reason)
{
	link_break(ctx, "push", reason);
}

/* Redis did not do what the link needs. */
static bool
refused(struct redis_link *link, const redisReply *reply, int type)
{
	if (reply == NULL)
		return true; /* the connection broke: `down` follows */
	if (reply->type == type)
		return false;
	link_break(
	    link, "push", reply->type == REDIS_REPLY_ERROR ? reply->str : "an unexpected reply");
	return true;
}

/* One of the two confirmations has come; they travel on different connections, in any order. */
static void
link_armed(struct redis_link *link)
{
	uint64_t now_ms = clock_ms(link);

	if (!link->subscribed || !link->tracking)
		return;
	link->state = LINK_UP;
	link->backoff_ms = BACKOFF_FIRST_MS;
	link->next_ping_ms = now_ms + link->options.ping_interval_ms;
	log_info(&link->log, "store: connected%s", link->complaint[0] != '\0' ? " again" : "");
	link->complaint[0] = '\0';
	jg_directory_link_up(link->directory, now_ms);
}

static void
on_tracking(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;

	if (refused(link, reply, REDIS_REPLY_STATUS))
		return;
	link->tracking = true;
	link_armed(link);
}

static void
on_subscribed(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;

	if (refused(link, reply, REDIS_REPLY_ARRAY))
		return;
	link->subscribed = true;
	link_armed(link);
}

static void
on_client_id(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;
	char id[24];

	if (refused(link, reply, REDIS_REPLY_INTEGER))
		return;
	snprintf(id, sizeof(id), "%lld", reply->integer);
	link->state = LINK_ARMING;
	link->subscribed = link->tracking = false;
	if (!send_words(
		link->push, on_subscribed, link, 2, (const char *[]){"SUBSCRIBE", CHANNEL}) ||
	    !send_words(link->data, on_tracking, link, 5,
		(const char *[]){"CLIENT", "TRACKING", "ON", "REDIRECT", id}))
		link_break(link, "push", "out of memory");
}

static void
on_up(void *ctx)
{
	struct redis_link *link = ctx;

	if (link->state != LINK_CONNECTING || !redis_connection_is_up(link->data) ||
	    !redis_connection_is_up(link->push))
		return;
	link->state = LINK_IDENTIFYING;
	link->armed_by_ms = clock_ms(link) + link->options.ping_deadline_ms;
	if (!send_words(link->push, on_client_id, link, 2, (const char *[]){"CLIENT", "ID"}))
		link_break(link, "push", "out of memory");
}

/* ---- invalidations ---- */

static void
invalidate_key(struct redis_link *link, struct slice key)
{
	struct slice rest;

	if (key.len < link->prefix_len || memcmp(key.at, link->prefix, link->prefix_len) != 0)
		return;
	rest = slice_after(key, link->prefix_len);
	if (slice_starts_with(rest, SLICE("token:")))
		jg_directory_invalidate(
		    link->directory, RECORD_TOKEN, slice_after(rest, 6), clock_ms(link));
	else if (slice_starts_with(rest, SLICE("job:")))
		jg_directory_invalidate(
		    link->directory, RECORD_JOB, slice_after(rest, 4), clock_ms(link));
}

/* ["message", channel, keys]: an array of keys, or nil when all are gone. */
static void
on_push(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;
	const redisReply *keys = reply->element[2];

	/* Before the link is up nothing has been read that could change. */
	if (link->state != LINK_UP)
		return;
	if (keys->type == REDIS_REPLY_NIL) {
		jg_directory_invalidate_all(link->directory, clock_ms(link));
		return;
	}
	if (keys->type != REDIS_REPLY_ARRAY) {
		link_break(link, "push", "an invalidation of an unexpected form");
		return;
	}
	for (size_t i = 0; i < keys->elements && link->state == LINK_UP; i++)
		if (keys->element[i]->type == REDIS_REPLY_STRING)
			invalidate_key(link,
			    (struct slice){keys->element[i]->str, (size_t)keys->element[i]->len});
}

/* ---- the proof that it works ---- */

/*
 * The round is complete once both connections have answered. That of the push
 * connection shows that all invalidations up to then have arrived, as it travels
 * behind them; that of the data connection, that Redis still had it, and with it
 * what it tracks. Both were sent at ping_ms: what had changed before is known here.
 */
static void
link_ponged(struct redis_link *link, bool *which, const char *name, const redisReply *reply)
{
	if (reply == NULL)
		return; /* `down` follows */
	if (reply->type == REDIS_REPLY_ERROR) {
		link_break(link, name, reply->str);
		return;
	}
	*which = true;
	if (!link->data_ponged || !link->push_ponged)
		return;
	jg_directory_good(link->directory, link->ping_ms);
	link->next_ping_ms = link->ping_ms + link->options.ping_interval_ms;
	link->ping_ms = 0;
}

static void
on_data_pong(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;

	link_ponged(link, &link->data_ponged, "data", reply);
}

static void
on_push_pong(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;

	link_ponged(link, &link->push_ponged, "push", reply);
}

static void
link_ping(struct redis_link *link, uint64_t now_ms)
{
	link->ping_ms = now_ms;
	link->data_ponged = link->push_ponged = false;
	if (!send_words(link->data, on_data_pong, link, 1, (const char *[]){"PING"}) ||
	    !send_words(link->push, on_push_pong, link, 1, (const char *[]){"PING"}))
		link_break(link, "data", "out of memory");
}

/* ---- reads ---- */

static void
complain(struct redis_link *link, const struct read *read, const char *why)
{
	/* FNV-1a of the key: a collision only keeps a line out of the log. */
	uint64_t hash = 14695981039346656037u ^ (uint64_t)read->kind;

	link->bad_records++;
	for (size_t i = 0; i < read->id_len; i++)
		hash = (hash ^ (unsigned char)read->id[i]) * 1099511628211u;
	for (size_t i = 0; i < COMPLAINTS; i++)
		if (link->complaints[i] == hash)
			return;
	link->complaints[link->next_complaint] = hash;
	link->next_complaint = (link->next_complaint + 1) % COMPLAINTS;
	log_warning(&link->log, "store: %s%s:%.*s breaks the rules and is treated as absent: %s",
	    link->prefix, read->kind == RECORD_TOKEN ? "token" : "job", (int)read->id_len, read->id,
	    why);
}

/* Said now and then: every request may be failing. */
static void
link_read_failed(struct redis_link *link, const char *why)
{
	uint64_t now_ms = clock_ms(link);

	if (now_ms < link->next_failure_ms)
		return;
	link->next_failure_ms = now_ms + FAILURES_EVERY_MS;
	log_warning(&link->log, "store: a read failed: %s", why);
}

static void
on_read(void *ctx, const redisReply *reply)
{
	struct read *read = ctx;
	struct redis_link *link = read->link;
	struct record *record = NULL;
	enum feed feed = FEED_FAILED;
	const char *why = NULL;

	if (reply != NULL) {
		switch (record_decode(
		    read->kind, (struct slice){read->id, read->id_len}, reply, &record, &why)) {
		case RECORD_GOOD:
			feed = FEED_RECORD;
			break;
		case RECORD_BROKEN:
			complain(link, read, why);
			feed = FEED_ABSENT;
			break;
		case RECORD_MISSING:
			feed = FEED_ABSENT;
			break;
		case RECORD_FAILED:
			link_read_failed(link, why);
			break;
		}
	}
	jg_directory_feed(link->directory, read->entry, feed, record, clock_ms(link));
	free(read);
}

static bool
link_read(void *ctx, enum record_kind kind, struct slice id, struct directory_entry *entry)
{
	struct redis_link *link = ctx;
	struct slice noun = kind == RECORD_TOKEN ? SLICE("token:") : SLICE("job:");
	char key[PREFIX_MAX + 6 + JOB_ID_MAX];
	const char *argv[2] = {"HGETALL", key};
	size_t len[2] = {7, link->prefix_len + noun.len + id.len};
	struct read *read;

	if (link->state != LINK_UP || id.len > JOB_ID_MAX)
		return false;
	read = malloc(sizeof(*read));
	if (read == NULL)
		return false;
	*read = (struct read){.link = link, .entry = entry, .kind = kind, .id_len = id.len};
	memcpy(read->id, id.at, id.len);
	memcpy(key, link->prefix, link->prefix_len);
	memcpy(key + link->prefix_len, noun.at, noun.len);
	memcpy(key + link->prefix_len + noun.len, id.at, id.len);
	if (redis_command(link->data, on_read, read, 2, argv, len))
		return true;
	free(read);
	return false;
}

struct directory_store
redis_link_store(struct redis_link *link)
{
	return (struct directory_store){.ctx = link, .read = link_read};
}

/* ---- the clock ---- */

static void
link_connect(struct redis_link *link)
{
	const struct redis_handlers data = {.ctx = link, .up = on_up, .down = on_data_down};
	const struct redis_handlers push = {
	    .ctx = link, .up = on_up, .down = on_push_down, .push = on_push};
	unsigned timeout_ms = (unsigned)link->options.connect_timeout_ms;

	link->state = LINK_CONNECTING;
	link->data = redis_connection_new(
	    link->base, &link->url, link->ca_file, "jobgate-data", timeout_ms, &data);
	link->push = redis_connection_new(
	    link->base, &link->url, link->ca_file, "jobgate-push", timeout_ms, &push);
	if (link->data == NULL || link->push == NULL)
		link_break(link, "data", "it cannot be set up (memory, or the CA file)");
}

static void
on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_link *link = ctx;
	uint64_t now_ms = clock_ms(link);

	(void)fd;
	(void)what;
	switch (link->state) {
	case LINK_WAITING:
		if (now_ms >= link->retry_ms)
			link_connect(link);
		break;
	case LINK_UP:
		if (link->ping_ms != 0 && now_ms - link->ping_ms > link->options.ping_deadline_ms)
			link_break(
			    link, link->data_ponged ? "push" : "data", "no answer to PING in time");
		else if (link->ping_ms == 0 && now_ms >= link->next_ping_ms)
			link_ping(link, now_ms);
		break;
	case LINK_CONNECTING:
		break; /* the connections have their own deadline until they are up */
	case LINK_IDENTIFYING:
	case LINK_ARMING:
		if (now_ms > link->armed_by_ms)
			link_break(link, "push", "no answer in time");
		break;
	}
	jg_directory_tick(link->directory, now_ms);
}

struct redis_link *
redis_link_new(struct event_base *base, const struct redis_link_options *options,
    const struct log *log, char *error, size_t error_cap)
{
	struct redis_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		goto memory;
	if (!redis_url_parse(options->url, &link->url, error, error_cap)) {
		redis_link_free(link);
		return NULL;
	}
	if (strlen(options->prefix) > PREFIX_MAX) {
		snprintf(
		    error, error_cap, "the prefix of keys is longer than %d bytes", PREFIX_MAX);
		redis_link_free(link);
		return NULL;
	}
	link->base = base;
	link->options = *options;
	link->log = *log;
	link->backoff_ms = BACKOFF_FIRST_MS;
	link->prefix = strdup(options->prefix);
	link->ca_file = options->ca_file != NULL ? strdup(options->ca_file) : NULL;
	link->tick = event_new(base, -1, EV_PERSIST, on_tick, link);
	if (link->prefix == NULL || link->tick == NULL ||
	    (options->ca_file != NULL && link->ca_file == NULL))
		goto memory;
	link->prefix_len = strlen(link->prefix);
	return link;
memory:
	snprintf(error, error_cap, "out of memory");
	redis_link_free(link);
	return NULL;
}

void
redis_link_start(struct redis_link *link, struct directory *directory)
{
	const struct timeval period = {0, TICK_MS * 1000};

	link->directory = directory;
	event_add(link->tick, &period);
	link_connect(link);
}

void
redis_link_free(struct redis_link *link)
{
	if (link == NULL)
		return;
	redis_connection_free(link->data);
	redis_connection_free(link->push);
	if (link->tick != NULL)
		event_free(link->tick);
	redis_url_wipe(&link->url);
	free(link->prefix);
	free(link->ca_file);
	free(link);
}

uint64_t
redis_link_bad_records(const struct redis_link *link)
{
	return link->bad_records;
}

bool
redis_link_peer(const struct redis_link *link, struct sockaddr_storage *out)
{
	return link->data != NULL && redis_connection_peer(link->data, out);
}
