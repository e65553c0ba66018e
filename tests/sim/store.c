/* store.c - failovers. */
#include "store.h"

#include <stdio.h>

#include "jobgate/container_of.h"
#include "trace.h"
#include "world.h"

#define SERVER_PORT 6379
#define SENTINEL_PORT 26379
#define SERVER_ADDRESS 0x0a000300u   /* 10.0.3.0 */
#define SENTINEL_ADDRESS 0x0a000320u /* 10.0.3.32 */

struct redis *
store_primary(struct store *store)
{
	return &store->servers[store->elected];
}

void
store_url(const struct store *store, char *out, size_t cap)
{
	if (store->world->scenario.sentinels)
		snprintf(out, cap, "redis+sentinel://10.0.3.32,10.0.3.33,10.0.3.34/sim");
	else
		snprintf(out, cap, "redis://10.0.3.0:6379");
}

/* ---- the sentinels ---- */

static bool
names(const struct store_sentinel *sentinel, unsigned server)
{
	return sentinel->redis.names.address == SERVER_ADDRESS + server;
}

/* The server that most sentinels name changes: the history of the records goes on with what it has.
 */
static void
elect(struct store *store, unsigned server)
{
	if (store->elected == server)
		return;
	trace_event("store", "elects", server, store->servers[server].offset);
	store->elected = server;
	store->elected_ns = schedule_now_ns();
	records_adopt(&store->world->records, &store->servers[server]);
	if (store->world->records.confirmed_lost > 0)
		judge_violation(store->world, "a change that replicas had confirmed is lost");
}

static void
hear(struct store_sentinel *sentinel, unsigned server)
{
	struct store *store = sentinel->store;
	unsigned votes = 0;

	alarm_stop(&sentinel->hears);
	sentinel->redis.names = (struct place){SERVER_ADDRESS + server, SERVER_PORT};
	for (unsigned i = 0; i < STORE_SENTINELS; i++)
		votes += names(&store->sentinels[i], server);
	if (votes > STORE_SENTINELS / 2)
		elect(store, server);
}

static void
on_hears(struct alarm *alarm)
{
	struct store_sentinel *sentinel = container_of(alarm, struct store_sentinel, hears);

	hear(sentinel, sentinel->store->candidate);
}

/* ---- a failover ---- */

/* Sentinels promote the replica that has most. */
static bool
draw_candidate(struct store *store)
{
	bool found = false;

	for (unsigned i = 0; i < store->count; i++) {
		if (i == store->elected || store->servers[i].listener == NULL ||
		    !store->servers[i].link.synced)
			continue;
		if (!found || store->servers[i].offset > store->servers[store->candidate].offset)
			store->candidate = i;
		found = true;
	}
	return found;
}

static void
follow_all(struct store *store, unsigned primary)
{
	for (unsigned i = 0; i < store->count; i++)
		if (i != primary)
			redis_follow(&store->servers[i], &store->servers[primary]);
}

static void
on_promotes(struct alarm *alarm)
{
	struct store *store = container_of(alarm, struct store, promotes);
	uint64_t now_ns = schedule_now_ns();

	redis_promote(&store->servers[store->candidate]);
	for (unsigned i = 0; i < STORE_SENTINELS; i++)
		alarm_set(&store->sentinels[i].hears,
		    now_ns + random_skewed(&store->random, NS_PER_US, 300 * NS_PER_MS));
}

/* FAILOVER of Redis, or what an operator does: no change is lost. */
static void
switch_over(struct store *store, unsigned from, unsigned to)
{
	redis_catch_up(&store->servers[to]);
	redis_promote(&store->servers[to]);
	redis_follow(&store->servers[from], &store->servers[to]);
	if (random_chance(&store->random, 500))
		redis_drop_clients(&store->servers[from]);
	elect(store, to);
}

void
store_fail_over(struct store *store)
{
	if (store->failing_over || !draw_candidate(store))
		return;
	if (!store->world->scenario.sentinels && store_primary(store)->listener == NULL)
		return;
	store->failing_over = true;
	trace_event("store", "fails over", store->elected, store->candidate);
	if (!store->world->scenario.sentinels) {
		switch_over(store, store->elected, store->candidate);
		store_cut_replicas(store, true);
		return;
	}
	store_cut_replicas(store, true);
	alarm_set(&store->promotes,
	    schedule_now_ns() + random_skewed(&store->random, NS_PER_US, 500 * NS_PER_MS));
}

/* The election is over, if it was not. */
static void
end_election(struct store *store)
{
	if (alarm_is_set(&store->promotes)) {
		alarm_stop(&store->promotes);
		redis_promote(&store->servers[store->candidate]);
	}
	for (unsigned i = 0; i < STORE_SENTINELS; i++)
		hear(&store->sentinels[i], store->candidate);
}

void
store_reunite(struct store *store)
{
	unsigned old = store->elected;

	if (!store->failing_over)
		return;
	store->failing_over = false;
	store_cut_replicas(store, false);
	if (store->world->scenario.sentinels) {
		end_election(store);
		for (unsigned i = 0; i < store->count; i++)
			if (i != store->elected && store->servers[i].link.primary == NULL)
				redis_drop_clients(&store->servers[i]);
		follow_all(store, store->elected);
		return;
	}
	switch_over(store, old, 0);
	follow_all(store, 0);
}

/* ---- other faults ---- */

void
store_cut_replicas(struct store *store, bool cut)
{
	for (unsigned i = 0; i < store->count; i++)
		redis_cut_link(&store->servers[i], cut);
}

void
store_lag(struct store *store, uint64_t lag_ns)
{
	for (unsigned i = 0; i < store->count; i++)
		store->servers[i].link.lag_ns =
		    lag_ns != 0 ? lag_ns : random_skewed(&store->random, NS_PER_US, 50 * NS_PER_MS);
}

void
store_cut_sentinels(struct store *store, unsigned draw, uint64_t until_ns)
{
	for (unsigned i = 0; i < STORE_SENTINELS; i++)
		if ((draw % 7 + 1) & 1u << i)
			store->sentinels[i].host.cut_out_ns = until_ns;
}

void
store_break_one(struct store *store, uint64_t draw)
{
	const struct redis *redis = store_primary(store);
	struct redis_client *client;
	uint64_t count = 0;

	LIST_FOREACH(client, &redis->clients, link)
	count++;
	if (count == 0)
		return;
	draw %= count;
	LIST_FOREACH(client, &redis->clients, link)
	if (draw-- == 0)
		break;
	end_reset(client->end->peer);
}

void
store_empty(struct store *store)
{
	struct redis *redis = store_primary(store);

	if (redis->listener == NULL)
		return;
	redis_kill(redis);
	records_lost(&store->world->records);
	redis_do(redis, (const char *[]){"FLUSHALL", NULL});
	if (store->world->scenario.staff > 0)
		records_put_mint(&store->world->records);
	sign_ins_lost(&store->world->sign_ins);
	store->emptied_ns = schedule_now_ns();
}

void
store_expire_late(struct store *store, bool late)
{
	for (unsigned i = 0; i < store->count; i++)
		store->servers[i].expires_late = late;
}

void
store_pause_writes(struct store *store, bool paused)
{
	for (unsigned i = 0; i < store->count; i++)
		store->servers[i].writes_paused = paused;
}

void
store_join_cluster(struct store *store)
{
	for (unsigned i = 0; i < store->count; i++)
		redis_cut(&store->servers[i], false);
}

void
store_restart(struct store *store)
{
	for (unsigned i = 0; i < store->count; i++)
		if (store->servers[i].listener == NULL)
			redis_start(&store->servers[i], SERVER_PORT);
}

void
store_settle(struct store *store)
{
	for (unsigned i = 0; i < store->count; i++) {
		store->hosts[i].cut_in_ns = store->hosts[i].cut_out_ns = 0;
		store->servers[i].frozen_ns = 0;
	}
	for (unsigned i = 0; i < STORE_SENTINELS; i++)
		store->sentinels[i].host.cut_out_ns = 0;
}

/* ---- the start ---- */

static void
start_server(struct store *store, unsigned i)
{
	struct world *world = store->world;

	host_init(&store->hosts[i], "redis", i, SERVER_ADDRESS + i, world->seed);
	store->hosts[i].rules = world->scenario.rules[RULES_STORE];
	store->servers[i].host = &store->hosts[i];
	random_init(&store->servers[i].random, world->seed, "redis", i);
	store->servers[i].world = world;
	redis_start(&store->servers[i], SERVER_PORT);
}

static void
start_sentinel(struct store *store, unsigned i)
{
	struct store_sentinel *sentinel = &store->sentinels[i];
	struct world *world = store->world;

	sentinel->store = store;
	sentinel->hears.fire = on_hears;
	host_init(&sentinel->host, "sentinel", i, SENTINEL_ADDRESS + i, world->seed);
	sentinel->host.rules = world->scenario.rules[RULES_STORE];
	sentinel->redis.host = &sentinel->host;
	sentinel->redis.names = (struct place){SERVER_ADDRESS, SERVER_PORT};
	random_init(&sentinel->redis.random, world->seed, "sentinel", i);
	if (world->scenario.sentinels)
		redis_start(&sentinel->redis, SENTINEL_PORT);
}

void
store_start(struct store *store, struct world *world)
{
	store->world = world;
	store->count = world->scenario.servers;
	store->promotes.fire = on_promotes;
	random_init(&store->random, world->seed, "store", 0);
	for (unsigned i = 0; i < store->count; i++)
		start_server(store, i);
	for (unsigned i = 0; i < STORE_SENTINELS; i++)
		start_sentinel(store, i);
	store_lag(store, 0);
	follow_all(store, 0);
}
