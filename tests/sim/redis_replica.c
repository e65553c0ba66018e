/* redis_replica.c - replication: changes that arrive later, copies of all keys, a replica's
 * promotion. */
#include <stdlib.h>
#include <string.h>

#include "jobgate/container_of.h"
#include "redis.h"
#include "trace.h"

struct redis_change {
	STAILQ_ENTRY(redis_change) next;
	uint64_t due_ns, offset;
	size_t count;
	char *words[]; /* NULL behind each command */
};

static void
change_free(struct redis_change *change)
{
	for (size_t i = 0; i < change->count; i++)
		free(change->words[i]);
	free(change);
}

static struct redis_change *
take_change(struct redis_link *link)
{
	struct redis_change *change = STAILQ_FIRST(&link->changes);

	STAILQ_REMOVE_HEAD(&link->changes, next);
	return change;
}

static void
forget_changes(struct redis_link *link)
{
	while (!STAILQ_EMPTY(&link->changes))
		change_free(take_change(link));
}

static void
copy_key(struct redis *redis, const struct redis_key *from)
{
	struct redis_key *key = redis_keys_add(&redis->keys, from->name, from->type);
	const struct redis_field *field;

	if (from->text != NULL)
		redis_key_set_text(key, from->text);
	TAILQ_FOREACH(field, &from->fields, link)
	redis_field_set(key, field->name, field->value);
	key->ends_ms = from->ends_ms;
}

/* A whole copy. Clients that track are told that all keys may have changed. */
static void
sync_all(struct redis *redis)
{
	struct redis *primary = redis->link.primary;
	struct redis_key *key;

	while ((key = LIST_FIRST(&redis->keys.all)) != NULL)
		redis_keys_remove(key);
	LIST_FOREACH(key, &primary->keys.all, link)
	copy_key(redis, key);
	redis_tell_all(redis);
	redis->offset = primary->offset;
	redis->link.synced = true;
	LIST_INSERT_HEAD(&primary->replicas, redis, sibling);
	redis_look_at_waits(primary);
	trace_event("redis", "has a copy", redis->offset, 0);
}

static void
apply(struct redis *redis, struct redis_change *change)
{
	redis->offset = change->offset;
	for (size_t i = 0; i < change->count; i++)
		if (i == 0 || change->words[i - 1] == NULL)
			redis_do(redis, (const char *const *)&change->words[i]);
	change_free(change);
	redis_look_at_waits(redis->link.primary);
}

static void
apply_due(struct redis *redis, uint64_t now_ns)
{
	struct redis_link *link = &redis->link;

	if (!link->synced)
		sync_all(redis);
	while (!STAILQ_EMPTY(&link->changes) && STAILQ_FIRST(&link->changes)->due_ns <= now_ns)
		apply(redis, take_change(link));
	if (!STAILQ_EMPTY(&link->changes))
		alarm_set(&link->arrive, STAILQ_FIRST(&link->changes)->due_ns);
}

/* What is late because the link was cut keeps its order. */
static void
on_arrive(struct alarm *alarm)
{
	struct redis *redis = container_of(alarm, struct redis, link.arrive);

	if (!redis->link.cut)
		apply_due(redis, schedule_now_ns());
}

static void
send_change(struct redis *replica, const char *const *words, size_t count)
{
	struct redis_link *link = &replica->link;
	struct redis_change *change =
	    calloc(1, sizeof(*change) + (count + 1) * sizeof(change->words[0]));

	if (change == NULL)
		abort();
	change->count = count;
	for (size_t i = 0; i < count; i++)
		change->words[i] = words[i] != NULL ? strdup(words[i]) : NULL;
	change->offset = link->primary->offset;
	change->due_ns = schedule_now_ns() + link->lag_ns;
	if (change->due_ns < link->last_due_ns)
		change->due_ns = link->last_due_ns;
	link->last_due_ns = change->due_ns;
	STAILQ_INSERT_TAIL(&link->changes, change, next);
	if (!alarm_is_set(&link->arrive))
		alarm_set(&link->arrive, change->due_ns);
}

void
redis_replicate(struct redis *redis, const char *const *words, size_t count)
{
	struct redis *replica;

	if (redis->link.primary != NULL)
		return; /* its offset is that of its primary */
	redis->offset++;
	LIST_FOREACH(replica, &redis->replicas, sibling)
	send_change(replica, words, count);
}

/* ---- who follows whom ---- */

static void
leave(struct redis *redis)
{
	struct redis_link *link = &redis->link;

	if (link->primary == NULL)
		return;
	if (link->synced)
		LIST_REMOVE(redis, sibling);
	forget_changes(link);
	alarm_stop(&link->arrive);
	link->primary = NULL;
	link->synced = false;
}

void
redis_follow(struct redis *redis, struct redis *primary)
{
	struct redis_link *link = &redis->link;

	leave(redis);
	redis_end_waits(redis);
	STAILQ_INIT(&link->changes);
	link->primary = primary;
	link->arrive.fire = on_arrive;
	alarm_set(&link->arrive, schedule_now_ns() + link->lag_ns);
}

void
redis_promote(struct redis *redis)
{
	leave(redis);
	if (redis->expire.fire != NULL)
		alarm_set(&redis->expire, schedule_now_ns());
}

void
redis_cut_link(struct redis *redis, bool cut)
{
	redis->link.cut = cut;
	if (!cut && redis->link.primary != NULL)
		alarm_set(&redis->link.arrive, schedule_now_ns());
}

void
redis_catch_up(struct redis *redis)
{
	if (redis->link.primary != NULL)
		apply_due(redis, UINT64_MAX);
}
