/* store.h - the store's machines: a primary, its replicas, and sentinels that name the primary. */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include "redis.h"

struct world;

#define STORE_SERVERS_MAX 3
#define STORE_SENTINELS 3

struct store_sentinel {
	struct alarm hears; /* of the new primary */
	struct store *store;
	struct redis redis;
	struct host host;
};

struct store {
	struct world *world;
	struct random random;
	unsigned count; /* servers */
	struct redis servers[STORE_SERVERS_MAX];
	struct host hosts[STORE_SERVERS_MAX];
	struct store_sentinel sentinels[STORE_SENTINELS];
	unsigned elected;    /* the server that takes changes */
	uint64_t elected_ns; /* since then */
	uint64_t emptied_ns; /* when it last lost all that it had; 0: never */
	unsigned candidate;  /* during a failover: the server that takes its place */
	bool failing_over;
	struct alarm promotes;
};

/* All of them start, with the same records. */
void store_start(struct store *store, struct world *world);

/* The server that takes changes: most sentinels name it. */
struct redis *store_primary(struct store *store);

/* The `url` of the gateway's configuration. */
void store_url(const struct store *store, char *out, size_t cap);

/*
 * With sentinels: the primary is cut off from its replicas, and a replica takes its place. The old
 * one takes no more changes once most sentinels name the new one, but lives on and calls itself a
 * primary until store_reunite. Without sentinels: the primary becomes a replica of another server,
 * which has all that it had, and hears of no change until store_reunite.
 */
void store_fail_over(struct store *store);

/* A failover ends: all servers follow one primary again; without sentinels, the first one. */
void store_reunite(struct store *store);

/* No change reaches a replica, or all do. */
void store_cut_replicas(struct store *store, bool cut);

/* Changes reach replicas so much later; 0: as usual. */
void store_lag(struct store *store, uint64_t lag_ns);

/* No packet comes from some sentinels until then; the draw says which. */
void store_cut_sentinels(struct store *store, unsigned draw, uint64_t until_ns);

/* One connection to the primary is reset; the draw says which. */
void store_break_one(struct store *store, uint64_t draw);

/* The primary is killed and loses all that it had. */
void store_empty(struct store *store);

/* Keys that have ended are deleted only when they are read; or not at all. */
void store_expire_late(struct store *store, bool late);
void store_pause_writes(struct store *store, bool paused);

/* No server is cut off from its cluster any more: another one may be the primary by now. */
void store_join_cluster(struct store *store);

/* All servers that were killed start again. */
void store_restart(struct store *store);

/* Nothing is cut, frozen or paused any more. */
void store_settle(struct store *store);

#endif
