/* tracker_reads.c - reads records, and takes the messages that they have changed. */
#include <stdio.h>
#include <stdlib.h>

#include "auth/record.h"
#include "auth/redis/mint.h"
#include "auth/redis/public.h"
#include "auth/redis/record_script.h"
#include "auth/redis/tracker_state.h"
#include "jobgate/check.h"

/* The answer to PTTL for a key without a time to live. */
#define TTL_NONE (-1)

/* A record that is being read. */
struct read {
	struct redis_tracker *tracker;
	struct directory_entry *entry;
	enum record_kind kind;
	bool careful;
	bool again;	  /* is sent once more, without the script */
	unsigned missing; /* replies that are still missing */
	uint64_t sent_ms; /* when the commands were sent, so before Redis read the record */
	enum feed feed;	  /* what the reply about the record means */
	struct record *record;
	size_t id_len;
	char id[JOB_ID_MAX];
};

static const char script[] = RECORD_SCRIPT_GET;

/* ---- invalidations ---- */

/*
 * True when an invalidation matters. Before the tracker is up, only the mint key and the set of
 * public jobs have been read.
 */
static bool
is_listening(const struct redis_tracker *tracker)
{
	return tracker->state == TRACKER_PROVING || tracker->state == TRACKER_UP;
}

static void
invalidate_key(struct redis_tracker *tracker, struct slice key)
{
	struct slice rest, id;
	enum record_kind kind;

	if (key.len < tracker->prefix_len ||
	    memcmp(key.at, tracker->prefix, tracker->prefix_len) != 0)
		return;
	rest = slice_after(key, tracker->prefix_len);
	if (slice_equal(rest, SLICE(MINT_KEY)) || slice_equal(rest, SLICE(MINT_ENFORCED_KEY)))
		tracker_ask_mint(tracker);
	if (slice_equal(rest, SLICE(PUBLIC_KEY)))
		tracker_ask_public(tracker);
	if (tracker->state != TRACKER_UP)
		return;
	if (record_key_parse(rest, &kind, &id))
		jg_directory_invalidate(tracker->directory, kind, id, tracker_clock_ms(tracker));
}

/* ["message", channel, keys]: keys is an array, or nil when all keys were flushed. */
void
tracker_pushed(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;
	const redisReply *keys = reply->element[2];

	if (!is_listening(tracker))
		return;
	if (keys->type == REDIS_REPLY_NIL) {
		if (tracker->state == TRACKER_UP)
			jg_directory_invalidate_all(tracker->directory, tracker_clock_ms(tracker));
		if (is_listening(tracker))
			tracker_ask_mint(tracker);
		if (is_listening(tracker))
			tracker_ask_public(tracker);
		return;
	}
	if (keys->type != REDIS_REPLY_ARRAY) {
		tracker_break(tracker, "push", "an invalidation of an unexpected form");
		return;
	}
	for (size_t i = 0; i < keys->elements && is_listening(tracker); i++)
		if (keys->element[i]->type == REDIS_REPLY_STRING)
			invalidate_key(tracker,
			    (struct slice){keys->element[i]->str, (size_t)keys->element[i]->len});
}

/* ---- reads ---- */

/*
 * FNV-1a of the key. When two keys have the same hash, one may not be logged, or may be read by the
 * script without need.
 */
static uint64_t
key_hash(enum record_kind kind, struct slice id)
{
	uint64_t hash = 14695981039346656037u ^ (uint64_t)kind;

	for (size_t i = 0; i < id.len; i++)
		hash = (hash ^ (unsigned char)id.at[i]) * 1099511628211u;
	return hash;
}

static uint64_t
read_hash(const struct read *read)
{
	return key_hash(read->kind, (struct slice){read->id, read->id_len});
}

static void
complain(struct redis_tracker *tracker, const struct read *read, const char *why)
{
	uint64_t hash = read_hash(read);

	tracker->stats.bad_records++;
	for (size_t i = 0; i < COMPLAINTS; i++)
		if (tracker->complaints[i] == hash)
			return;
	tracker->complaints[tracker->next_complaint] = hash;
	tracker->next_complaint = (tracker->next_complaint + 1) % COMPLAINTS;
	log_warning(&tracker->log, "store: %s%s:%.*s breaks the rules and is treated as absent: %s",
	    tracker->prefix, record_types[read->kind].noun, (int)read->id_len, read->id, why);
}

/* Log a failed read, but not often: every request may be failing. */
static void
tracker_read_failed(struct redis_tracker *tracker, const char *why)
{
	uint64_t now_ms = tracker_clock_ms(tracker);

	if (now_ms < tracker->next_failure_ms)
		return;
	tracker->next_failure_ms = now_ms + tracker->options.tuning->failure_log_ms;
	log_warning(&tracker->log, "store: a read failed: %s", why);
}

/* ---- careful reads ---- */

/*
 * A record of gigabytes may break the tracker: Redis closes connections whose replies get too long
 * for it, and the answer to PING waits behind the record. So a record that was too large, or whose
 * read was under way when the tracker broke, is from then on read by a script that does not send
 * too large records (record_script.h), until its size is found to be fine.
 */
static size_t
careful_find(const struct redis_tracker *tracker, uint64_t hash)
{
	size_t i = 0;

	while (i < tracker->careful_count && tracker->careful[i] != hash)
		i++;
	return i;
}

static void
careful_add(struct redis_tracker *tracker, uint64_t hash)
{
	size_t at = careful_find(tracker, hash);

	if (at < tracker->careful_count)
		return;
	if (at == tracker->options.tuning->careful_max) /* one of them is read normally again */
		at = hash % at;
	else
		tracker->careful_count++;
	tracker->careful[at] = hash;
}

static void
careful_remove(struct redis_tracker *tracker, uint64_t hash)
{
	size_t at = careful_find(tracker, hash);

	if (at < tracker->careful_count)
		tracker->careful[at] = tracker->careful[--tracker->careful_count];
}

/* Learn from the answer how to read this key the next time. */
static void
careful_learn(struct redis_tracker *tracker, uint64_t hash, enum record_status status)
{
	switch (status) {
	case RECORD_TOO_LARGE:
		careful_add(tracker, hash);
		break;
	case RECORD_GOOD:
	case RECORD_BROKEN:
	case RECORD_MISSING:
		if (tracker->careful_count > 0)
			careful_remove(tracker, hash);
		break;
	case RECORD_FAILED:
		break;
	}
}

/* True when the server does not allow scripts, or not these commands in them. */
static bool
is_no_script(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR &&
	       (redis_error_is(reply, "NOPERM ") || redis_error_is(reply, "ERR "));
}

/* True when a server of a cluster does not serve the store's slot, or not at present. */
static bool
is_elsewhere(const redisReply *reply)
{
	return redis_error_is(reply, "MOVED ") || redis_error_is(reply, "CLUSTERDOWN ");
}

/* ---- reading ---- */

static bool read_send(struct read *read);

/* Decode the reply about the record; NULL when the tracker broke. */
static void
read_judge(struct read *read, const redisReply *reply)
{
	struct redis_tracker *tracker = read->tracker;
	const char *why = NULL;
	enum record_status status;

	CHECK(read->record == NULL, redis_tracker_dump, tracker);
	read->feed = FEED_FAILED;
	if (reply == NULL) {
		careful_add(tracker, read_hash(read));
		return;
	}
	status = record_decode(
	    read->kind, (struct slice){read->id, read->id_len}, reply, &read->record, &why);
	careful_learn(tracker, read_hash(read), status);
	switch (status) {
	case RECORD_GOOD:
		read->feed = FEED_RECORD;
		break;
	case RECORD_BROKEN:
	case RECORD_TOO_LARGE:
		complain(tracker, read, why);
		read->feed = FEED_BROKEN;
		break;
	case RECORD_MISSING:
		read->feed = FEED_ABSENT;
		break;
	case RECORD_FAILED:
		if (is_elsewhere(reply))
			tracker->next_proof_ms = 0; /* it will find the server */
		read->again = read->careful && is_no_script(reply);
		if (read->again)
			careful_remove(tracker, read_hash(read));
		else
			tracker_read_failed(tracker, why);
		break;
	}
}

/*
 * Take the record's remaining time to live; we do not rely on Redis to report when it ends. Redis
 * counts from after the read was sent, so the sum of that moment and this time is never too late.
 */
static void
read_judge_ttl(struct read *read, const redisReply *reply)
{
	uint64_t ttl_ms;

	CHECK((read->feed == FEED_RECORD) == (read->record != NULL), redis_tracker_dump,
	    read->tracker);
	if (read->feed != FEED_RECORD)
		return;
	if (reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer == TTL_NONE)
		return;
	if (reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0) {
		ttl_ms = (uint64_t)reply->integer;
		read->record->ends_ms =
		    ttl_ms < UINT64_MAX - read->sent_ms ? read->sent_ms + ttl_ms : UINT64_MAX;
		return;
	}
	free(read->record);
	read->record = NULL;
	read->feed = FEED_FAILED;
	if (reply != NULL && reply->type == REDIS_REPLY_INTEGER)
		read->feed = FEED_ABSENT; /* its time ended after it was read */
	else if (reply != NULL)
		tracker_read_failed(read->tracker,
		    reply->type == REDIS_REPLY_ERROR ? reply->str : "PTTL has no number");
}

/* A reply has come; the last one ends the read. */
static void
read_part(struct read *read)
{
	CHECK(read->missing > 0, redis_tracker_dump, read->tracker);
	if (--read->missing > 0)
		return;
	/*
	 * The second reply may be NULL because the tracker breaks; then the read cannot be sent
	 * again.
	 */
	if (read->again && read->tracker->state == TRACKER_UP && read_send(read))
		return;
	jg_directory_feed(read->tracker->directory, read->entry, read->feed, read->record,
	    tracker_clock_ms(read->tracker));
	free(read);
}

static void
on_record(void *ctx, const redisReply *reply)
{
	struct read *read = ctx;

	read_judge(read, reply);
	if (read->missing == 1)
		read_judge_ttl(read, NULL);
	read_part(read);
}

static void
on_ttl(void *ctx, const redisReply *reply)
{
	read_judge_ttl(ctx, reply);
	read_part(ctx);
}

/* Ask for the record and its time to live in one round trip. */
static bool
read_send(struct read *read)
{
	struct redis_tracker *tracker = read->tracker;
	struct slice prefix = record_types[read->kind].prefix;
	char key[REDIS_PREFIX_MAX + RECORD_PREFIX_MAX + JOB_ID_MAX];
	size_t key_len = tracker->prefix_len + prefix.len + read->id_len;
	bool sent;

	memcpy(key, tracker->prefix, tracker->prefix_len);
	memcpy(key + tracker->prefix_len, prefix.at, prefix.len);
	memcpy(key + tracker->prefix_len + prefix.len, read->id, read->id_len);
	read->again = false;
	read->sent_ms = tracker_clock_ms(tracker);
	read->careful = tracker->careful_count > 0 &&
			careful_find(tracker, read_hash(read)) < tracker->careful_count;
	if (read->careful)
		sent = redis_command(tracker->data, on_record, read, 4,
		    (const char *[]){"EVAL_RO", script, "1", key},
		    (size_t[]){7, sizeof(script) - 1, 1, key_len});
	else
		sent = redis_command(tracker->data, on_record, read, 2,
		    (const char *[]){"HGETALL", key}, (size_t[]){7, key_len});
	if (!sent)
		return false;
	read->missing = 2;
	if (!redis_command(tracker->data, on_ttl, read, 2, (const char *[]){"PTTL", key},
		(size_t[]){4, key_len}))
		read->missing = 1; /* memory is short: the read fails when its first reply comes */
	return true;
}

bool
tracker_read(void *ctx, enum record_kind kind, struct slice id, struct directory_entry *entry)
{
	struct redis_tracker *tracker = ctx;
	struct read *read;

	if (tracker->state != TRACKER_UP || id.len > JOB_ID_MAX)
		return false;
	read = malloc(sizeof(*read));
	if (read == NULL)
		return false;
	*read = (struct read){.tracker = tracker, .entry = entry, .kind = kind, .id_len = id.len};
	memcpy(read->id, id.at, id.len);
	if (read_send(read))
		return true;
	free(read);
	return false;
}
