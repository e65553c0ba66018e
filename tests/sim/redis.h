/*
 * redis.h - a model of redis-server 7: the commands that we use, with the same semantics of
 * tracking and times to live. compare_redis.c compares it with a real server.
 */
#ifndef SIM_REDIS_H
#define SIM_REDIS_H

#include "jobgate/slice.h"
#include "redis_keys.h"
#include "redis_thread.h"
#include "stream.h"

#define REDIS_WORDS_MAX 64
#define REDIS_CLIENT_LINES 1024

/* The commands of one script, each of which is a few words and then NULL. */
#define REDIS_EFFECTS_MAX 1024
struct redis_effects {
	char *words[REDIS_EFFECTS_MAX];
	size_t count;
};

struct redis_client;
struct world;

/* A command on its way from a primary to a replica. */
struct redis_change;

/* What makes a server a replica. */
struct redis_link {
	struct redis *primary; /* NULL: it is a primary itself */
	bool synced;	       /* it has had all that its primary had, and follows its changes */
	bool cut;	       /* nothing comes from the primary */
	uint64_t lag_ns;       /* a change arrives so much later */
	struct alarm arrive;
	uint64_t last_due_ns; /* when the last one arrives: they keep their order */
	STAILQ_HEAD(, redis_change) changes;
};

/* Is told of a script of a program under test: before it runs, and when it has changed something.
 */
struct redis_watch {
	void (*begins)(void *ctx, struct redis *redis);
	void (*changed)(void *ctx, struct redis *redis);
	void *ctx;
};

struct redis {
	struct host *host;
	struct world *world;	   /* its judge hears of records that are read; NULL: no one does */
	struct listener *listener; /* NULL: it does not run */
	LIST_HEAD(redis_clients, redis_client) clients;
	struct redis_clients by_id[REDIS_CLIENT_LINES];
	struct redis_keys keys;
	struct random random;
	char run_id[41];
	int64_t next_id;
	uint64_t frozen_ns;  /* it answers nothing until then */
	bool writes_paused;  /* CLIENT PAUSE WRITE: keys that have expired stay */
	bool expires_late;   /* only reading a key deletes it once it has expired */
	struct alarm expire; /* when keys are looked at for their end */
	/* Cut off from the others of its cluster: it answers for no key (CLUSTERDOWN), and is told
	 * of no change, which another one takes meanwhile. */
	bool cut;
	/* A client hears of its own changes after its command, of whatever else it may have
	 * changed. */
	const struct redis_client *running;
	char *delayed[REDIS_WORDS_MAX];
	size_t delayed_count;
	struct redis_effects effects;	 /* of the script that runs */
	bool is_full;			 /* it takes nothing that needs memory (OOM) */
	bool fails_scripts;		 /* a script that changes something answers with an error */
	const struct redis_watch *watch; /* NULL: scripts are not watched */
	struct redis_thread *thread;	 /* NULL: it spends no time */
	uint64_t commands;
	uint64_t offset; /* changes that it has made or taken from its primary */
	struct redis_link link;
	LIST_ENTRY(redis) sibling;
	LIST_HEAD(, redis) replicas; /* that follow it */
	struct place
	    names; /* of a sentinel: the primary that it names; address 0: it is a server */
};

/* It runs from now on; it has what its keys hold. */
void redis_start(struct redis *redis, uint16_t port);

/* Its connections break; its keys stay for the next start. */
void redis_kill(struct redis *redis);

/* A command of another client, not over a connection. Words are text, NULL at the end. */
void redis_do(struct redis *redis, const char *const *words);

/* It is cut off, or is among the others again and has what they have. */
void redis_cut(struct redis *redis, bool cut);

/*
 * REPLICAOF: it follows that primary. It keeps what it has until the link is open and the lag is
 * over; then it drops that for a copy of what the primary has.
 */
void redis_follow(struct redis *redis, struct redis *primary);

/* REPLICAOF NO ONE: it takes changes from now on. What has not arrived never will. */
void redis_promote(struct redis *redis);

/* No change arrives from the primary, or all do that are on their way. */
void redis_cut_link(struct redis *redis, bool cut);

/* All that is on its way arrives now. */
void redis_catch_up(struct redis *redis);

/* CLIENT KILL TYPE normal, and pubsub. */
void redis_drop_clients(struct redis *redis);

/* Replicas have more than before, or there are fewer: clients that wait for them may go on. */
void redis_look_at_waits(struct redis *redis);

/* Nothing is answered until then. */
void redis_freeze(struct redis *redis, uint64_t until_ns);

/* Its own clock. */
static inline uint64_t
redis_now_ms(void)
{
	return schedule_now_ns() / NS_PER_MS;
}

/* ---- what the files of the model share ---- */

struct redis_client {
	LIST_ENTRY(redis_client) link;
	LIST_ENTRY(redis_client) same;			/* others whose ids have the same hash */
	STAILQ_ENTRY(redis_client) read_due, write_due; /* in the thread's queues */
	bool is_read_due, is_write_due;
	struct redis *redis;
	struct end *end;      /* NULL: the commands of redis_do */
	int64_t id, redirect; /* redirect: 0: it does not track */
	char name[64];
	bool subscribed, tracking;
	struct bytes in, out;
	struct alarm thaw;
	uint64_t begun_ns;    /* when it connected */
	uint64_t last_offset; /* of its last change */
	/* WAIT: it does nothing else until so many replicas have that, or until then. */
	bool waits;
	unsigned wait_replicas;
	struct alarm wait_ends;
};

/* Carry out one command; its reply is appended to client->out. */
void redis_command_run(struct redis_client *client, const struct slice *words, size_t count);

/* A key has changed: those who track it are told. redis_tell_all: all keys have gone. */
void redis_tell(struct redis *redis, const char *key);
void redis_tell_all(struct redis *redis);

/* Delete a key that has ended. Replicas wait for their primary to tell them. */
void redis_expire(struct redis *redis, struct redis_key *key);

/* Send a change to all replicas: commands, with NULL between two of them. */
void redis_replicate(struct redis *redis, const char *const *words, size_t count);

/* Go on with what a client has sent, once the server's thread has time. */
void redis_client_run(struct redis_client *client);

/* The thread has time. */
void redis_client_take(struct redis_client *client);

/* NULL: none has this id. */
struct redis_client *redis_client_find(struct redis *redis, int64_t id);

/* The server becomes a replica: its replicas are not waited for any more. */
void redis_end_waits(struct redis *redis);

/* The command that runs has come to its end. */
void redis_tell_delayed(struct redis *redis);

/* The client is told of the key's next change. */
void redis_track(struct redis_client *client, const char *key);

/* Send what waits. */
void redis_client_flush(struct redis_client *client);

#endif
