/* tracker_reads.c - records read, and the word that they have changed. */
#include <stdio.h>
#include <stdlib.h>

#include "auth/record.h"
#include "auth/redis/mint.h"
#include "auth/redis/record_script.h"
#include "auth/redis/tracker_state.h"
#include "jobgate/check.h"

/* What PTTL says of a key without a time to live. */
#define TTL_NONE (-1)

/* One record under way. */
struct read {
	struct redis_tracker *tracker;
	struct directory_entry *entry;
	enum record_kind kind;
	bool careful;
	bool again;	  /* must be sent once more, in another way */
	unsigned missing; /* replies still to come */
	uint64_t sent_ms; /* before Redis read what it answers */
	enum feed feed;	  /* what the reply about the record brought */
	struct record *record;
	size_t id_len;
	char id[JOB_ID_MAX];
};

static const char script[] = RECORD_SCRIPT_GET;

/* ---- invalidations ---- */

/* Whether a push may come now that counts; before the tracker is up, the mint alone has been read.
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
	if (tracker->state != TRACKER_UP)
		return;
	if (record_key_parse(rest, &kind, &id))
		jg_directory_invalidate(tracker->directory, kind, id, tracker_clock_ms(tracker));
}

/* ["message", channel, keys]: an array of keys, or nil when all are gone. */
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

/* FNV-1a of the key. Of two with one hash, one may go unlogged or be read with needless care. */
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

/* Said now and then: every request may be failing. */
static void
tracker_read_failed(struct redis_tracker *tracker, const char *why)
{
	uint64_t now_ms = tracker_clock_ms(tracker);

	if (now_ms < tracker->next_failure_ms)
		return;
	tracker->next_failure_ms = now_ms + tracker->options.tuning->failure_log_ms;
	log_warning(&tracker->log, "store: a read failed: %s", why);
}

/* ---- care ---- */

/*
 * A record of gigabytes may end the tracker: Redis closes connections whose replies get
 * too long for it, and PING waits behind what is sent. So what was too large, and what was asked
 * for when a tracker broke, is read by a script from then on, which sends no such
 * record (record_script.h); until it is found to be in order.
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
	if (at == tracker->options.tuning->careful_max) /* one of them gets its chance again */
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

/* What an answer says of how to read this key the next time. */
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

/* Scripts are not allowed here, or not these commands in them. */
static bool
is_no_script(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR &&
	       (redis_error_is(reply, "NOPERM ") || redis_error_is(reply, "ERR "));
}

/* ---- reading ---- */

static bool read_send(struct read *read);

/* What has come of the record is known, or is not; NULL: the tracker broke. */
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
		read->feed = FEED_ABSENT;
		break;
	case RECORD_MISSING:
		read->feed = FEED_ABSENT;
		break;
	case RECORD_FAILED:
		read->again = read->careful && is_no_script(reply);
		if (read->again)
			careful_remove(tracker, read_hash(read));
		else
			tracker_read_failed(tracker, why);
		break;
	}
}

/*
 * The record's remaining time to live, as Redis says; we do not rely on Redis to report its end.
 * Redis counts it after the read was sent, so added to that moment it never ends too late.
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
		read->feed = FEED_ABSENT; /* it has ended since it was read */
	else if (reply != NULL)
		tracker_read_failed(read->tracker,
		    reply->type == REDIS_REPLY_ERROR ? reply->str : "PTTL has no number");
}

/* One of the replies has come; the last one ends the read. */
static void
read_part(struct read *read)
{
	CHECK(read->missing > 0, redis_tracker_dump, read->tracker);
	if (--read->missing > 0)
		return;
	/* The second reply may be missing because the tracker breaks: then there is no connection.
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

/* The record and, right behind it, its time to live: one round trip. */
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
		read->missing = 1; /* memory is short: with the first reply it has failed */
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
