/* redis.c - the server: connections, RESP, invalidation messages, keys that expire. */
#include "redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobgate/container_of.h"
#include "trace.h"

/* Redis looks at keys that may have ended ten times a second. */
#define EXPIRE_EVERY_NS (100 * (uint64_t)NS_PER_MS)

/* ---- connections ---- */

static struct redis_clients *
line_of(struct redis *redis, int64_t id)
{
	return &redis->by_id[(uint64_t)id % REDIS_CLIENT_LINES];
}

struct redis_client *
redis_client_find(struct redis *redis, int64_t id)
{
	struct redis_client *client;

	LIST_FOREACH(client, line_of(redis, id), same)
	if (client->id == id)
		break;
	return client;
}

static void
client_free(struct redis_client *client)
{
	LIST_REMOVE(client, link);
	LIST_REMOVE(client, same);
	redis_thread_forget(client);
	alarm_stop(&client->thaw);
	alarm_stop(&client->wait_ends);
	end_close(client->end);
	bytes_free(&client->in);
	bytes_free(&client->out);
	free(client);
}

void
redis_client_flush(struct redis_client *client)
{
	while (client->end != NULL && client->out.len > 0) {
		struct iovec piece = {(char *)bytes_first(&client->out), client->out.len};
		long sent = end_send(client->end, &piece, 1, NULL);

		if (sent < 0)
			return;
		bytes_drop(&client->out, (size_t)sent);
	}
}

/* "$3\r\n": the number behind the type, at *at. False: more has to come. */
static bool
parse_number(const struct bytes *bytes, size_t *at, char type, size_t *out)
{
	const char *text = bytes_first(bytes), *end;
	size_t left = bytes->len - *at;

	end = left > 0 ? memchr(text + *at, '\n', left) : NULL;
	if (end == NULL)
		return false;
	if (text[*at] != type)
		abort(); /* our own code speaks to it */
	*out = strtoul(text + *at + 1, NULL, 10);
	*at = (size_t)(end - text) + 1;
	return true;
}

/* One whole command; its length in *len. False: more has to come. */
static bool
parse(const struct bytes *bytes, struct slice words[REDIS_WORDS_MAX], size_t *count, size_t *len)
{
	size_t at = 0;

	if (!parse_number(bytes, &at, '*', count))
		return false;
	if (*count > REDIS_WORDS_MAX)
		abort();
	for (size_t i = 0; i < *count; i++) {
		size_t word;

		if (!parse_number(bytes, &at, '$', &word) || bytes->len - at < word + 2)
			return false;
		words[i] = (struct slice){bytes_first(bytes) + at, word};
		at += word + 2;
	}
	*len = at;
	return true;
}

void
redis_client_run(struct redis_client *client)
{
	if (client->redis->thread != NULL)
		redis_thread_read(client);
	else
		redis_client_take(client);
}

void
redis_client_take(struct redis_client *client)
{
	struct slice words[REDIS_WORDS_MAX];
	size_t count, len;

	if (schedule_now_ns() < client->redis->frozen_ns) {
		alarm_set(&client->thaw, client->redis->frozen_ns);
		return;
	}
	while (!client->waits && client->in.len > 0 && parse(&client->in, words, &count, &len)) {
		redis_command_run(client, words, count);
		bytes_drop(&client->in, len);
	}
	redis_client_flush(client);
}

static void
on_thaw(struct alarm *alarm)
{
	redis_client_run(container_of(alarm, struct redis_client, thaw));
}

static void
on_change(struct end *end)
{
	struct redis_client *client = end->owner;
	char bytes[4096];
	struct iovec piece = {bytes, sizeof(bytes)};
	long got;

	while ((got = end_receive(end, &piece, 1, false)) > 0)
		bytes_append(&client->in, bytes, (size_t)got);
	if (got == 0 || end->state == END_FAILED) {
		client_free(client);
		return;
	}
	redis_client_run(client);
}

static void
on_accepted(struct listener *listener, struct end *end)
{
	struct redis *redis = listener->owner;
	struct redis_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		abort();
	client->redis = redis;
	client->end = end;
	client->id = redis->next_id++;
	client->thaw.fire = on_thaw;
	client->begun_ns = schedule_now_ns();
	end->owner = client;
	end->changed = on_change;
	LIST_INSERT_HEAD(&redis->clients, client, link);
	LIST_INSERT_HEAD(line_of(redis, client->id), client, same);
	if (redis->thread != NULL)
		redis_thread_spend(redis->thread, redis->thread->costs.accept_ns);
}

/* ---- tracking ---- */

void
redis_track(struct redis_client *client, const char *key)
{
	struct redis_trackers *line = redis_keys_trackers(&client->redis->keys, key);
	struct redis_tracked *tracked;

	LIST_FOREACH(tracked, line, same)
	if (tracked->client == client->id && strcmp(tracked->key, key) == 0)
		return;
	tracked = calloc(1, sizeof(*tracked));
	if (tracked == NULL)
		abort();
	tracked->key = strdup(key);
	tracked->client = client->id;
	LIST_INSERT_HEAD(&client->redis->keys.tracked, tracked, link);
	LIST_INSERT_HEAD(line, tracked, same);
}

static void
forget(struct redis_tracked *tracked)
{
	LIST_REMOVE(tracked, link);
	LIST_REMOVE(tracked, same);
	free(tracked->key);
	free(tracked);
}

/* The invalidation for one who tracks; key NULL: of all keys. */
static void
push(struct redis *redis, int64_t id, const char *key)
{
	struct redis_client *client = redis_client_find(redis, id), *to = NULL;
	static const char head[] = "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n";

	if (client != NULL)
		to = redis_client_find(redis, client->redirect);
	if (to == NULL || !to->subscribed)
		return;
	bytes_append(&to->out, head, sizeof(head) - 1);
	if (key != NULL)
		bytes_print(&to->out, "*1\r\n$%zu\r\n%s\r\n", strlen(key), key);
	else
		bytes_print(&to->out, "$-1\r\n");
	trace_event("redis", "pushes", (uint64_t)id, 0);
	if (redis->thread != NULL)
		redis_thread_write(to);
	else if (schedule_now_ns() >= redis->frozen_ns)
		redis_client_flush(to);
}

void
redis_tell(struct redis *redis, const char *key)
{
	struct redis_tracked *tracked, *next;

	if (redis->cut)
		return;
	for (tracked = LIST_FIRST(redis_keys_trackers(&redis->keys, key)); tracked != NULL;
	     tracked = next) {
		next = LIST_NEXT(tracked, same);
		if (strcmp(tracked->key, key) != 0)
			continue;
		if (redis->running != NULL && redis->running->id == tracked->client)
			redis->delayed[redis->delayed_count++] = strdup(key);
		else
			push(redis, tracked->client, key);
		forget(tracked);
	}
}

void
redis_tell_delayed(struct redis *redis)
{
	int64_t id = redis->running->id;

	redis->running = NULL;
	for (size_t i = 0; i < redis->delayed_count; i++) {
		push(redis, id, redis->delayed[i]);
		free(redis->delayed[i]);
	}
	redis->delayed_count = 0;
}

void
redis_tell_all(struct redis *redis)
{
	struct redis_client *client;
	struct redis_tracked *tracked;

	LIST_FOREACH(client, &redis->clients, link)
	if (client->tracking)
		push(redis, client->id, NULL);
	while ((tracked = LIST_FIRST(&redis->keys.tracked)) != NULL)
		forget(tracked);
}

/* ---- keys that end ---- */

void
redis_expire(struct redis *redis, struct redis_key *key)
{
	char name[64];

	if (redis->writes_paused || redis->link.primary != NULL)
		return;
	snprintf(name, sizeof(name), "%s", key->name);
	redis_keys_remove(key);
	redis_tell(redis, name);
	redis_replicate(redis, (const char *[]){"DEL", name}, 2);
}

static void
on_expire(struct alarm *alarm)
{
	struct redis *redis = container_of(alarm, struct redis, expire);
	struct redis_key *key, *next;
	bool more = false;

	for (key = LIST_FIRST(&redis->keys.all); key != NULL; key = next) {
		next = LIST_NEXT(key, link);
		if (key->ends_ms == 0)
			continue;
		more = true;
		if (redis_now_ms() >= key->ends_ms && !redis->expires_late &&
		    redis->listener != NULL)
			redis_expire(redis, key);
	}
	if (more)
		alarm_set(alarm, schedule_now_ns() + EXPIRE_EVERY_NS);
}

/* ---- the server ---- */

void
redis_start(struct redis *redis, uint16_t port)
{
	unsigned char bytes[20];

	random_bytes(&redis->random, bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		for (int j = 0; j < 2; j++)
			redis->run_id[2 * i + (size_t)j] =
			    "0123456789abcdef"[bytes[i] >> 4 * j & 15];
	redis->next_id = 1 + (int64_t)random_below(&redis->random, 100);
	redis->listener = listener_new(redis->host, (struct place){redis->host->address, port});
	redis->listener->accepted = on_accepted;
	redis->listener->owner = redis;
	redis->listener->descriptor.holders = 1;
	redis->expire.fire = on_expire;
	alarm_set(&redis->expire, schedule_now_ns() + EXPIRE_EVERY_NS);
}

void
redis_drop_clients(struct redis *redis)
{
	struct redis_client *client;

	while ((client = LIST_FIRST(&redis->clients)) != NULL)
		client_free(client);
}

void
redis_kill(struct redis *redis)
{
	struct redis_tracked *tracked;

	if (redis->listener == NULL)
		return;
	trace_event("redis", "is killed", 0, 0);
	descriptor_close(&redis->listener->descriptor);
	redis->listener = NULL;
	redis_drop_clients(redis);
	while ((tracked = LIST_FIRST(&redis->keys.tracked)) != NULL)
		forget(tracked);
	redis->frozen_ns = 0;
}

void
redis_do(struct redis *redis, const char *const *words)
{
	struct redis_client nobody = {.redis = redis};
	struct slice slices[REDIS_WORDS_MAX];
	size_t count = 0;

	for (; words[count] != NULL; count++)
		slices[count] = slice_of(words[count]);
	redis_command_run(&nobody, slices, count);
	bytes_free(&nobody.out);
}

void
redis_cut(struct redis *redis, bool cut)
{
	bool was = redis->cut;

	redis->cut = cut;
	if (was && !cut) /* all that it had was dropped for a copy of what the others have */
		redis_tell_all(redis);
}

void
redis_freeze(struct redis *redis, uint64_t until_ns)
{
	struct redis_client *client;

	if (until_ns <= redis->frozen_ns)
		return;
	redis->frozen_ns = until_ns;
	/* What it was told to send meanwhile leaves then. */
	LIST_FOREACH(client, &redis->clients, link)
	alarm_set(&client->thaw, until_ns);
}
