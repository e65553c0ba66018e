/* link_reads.c - records read, and the word that they have changed. */
#include <stdio.h>
#include <stdlib.h>

#include "auth/redis/link_state.h"
#include "auth/redis/records.h"

/* The least between two lines about failed reads. */
#define FAILURES_EVERY_MS 10000

/* One HGETALL under way. */
struct read {
	struct redis_link *link;
	struct directory_entry *entry;
	enum record_kind kind;
	size_t id_len;
	char id[JOB_ID_MAX];
};

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
		    link->directory, RECORD_TOKEN, slice_after(rest, 6), link_clock_ms(link));
	else if (slice_starts_with(rest, SLICE("job:")))
		jg_directory_invalidate(
		    link->directory, RECORD_JOB, slice_after(rest, 4), link_clock_ms(link));
}

/* ["message", channel, keys]: an array of keys, or nil when all are gone. */
void
link_pushed(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;
	const redisReply *keys = reply->element[2];

	/* Before the link is up nothing has been read that could change. */
	if (link->state != LINK_UP)
		return;
	if (keys->type == REDIS_REPLY_NIL) {
		jg_directory_invalidate_all(link->directory, link_clock_ms(link));
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

/* ---- reads ---- */

static void
complain(struct redis_link *link, const struct read *read, const char *why)
{
	/* FNV-1a of the key: a collision only keeps a line out of the log. */
	uint64_t hash = 14695981039346656037u ^ (uint64_t)read->kind;

	link->stats.bad_records++;
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
	uint64_t now_ms = link_clock_ms(link);

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
	jg_directory_feed(link->directory, read->entry, feed, record, link_clock_ms(link));
	free(read);
}

bool
link_read(void *ctx, enum record_kind kind, struct slice id, struct directory_entry *entry)
{
	struct redis_link *link = ctx;
	struct slice noun = kind == RECORD_TOKEN ? SLICE("token:") : SLICE("job:");
	char key[REDIS_PREFIX_MAX + 6 + JOB_ID_MAX];
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
