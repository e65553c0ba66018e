/* compare_state.h - what compare_redis.c and compare_replica.c share; only they include it. */
#ifndef SIM_COMPARE_STATE_H
#define SIM_COMPARE_STATE_H

#include "redis.h"

/* Connections to the primary: the first is told of changes, the others track; then to the replica.
 */
enum {
	PUSHED,
	FIRST,
	LAST = 3,
	PLAIN, /* does not track */
	REPLICA_PUSHED,
	REPLICA,       /* tracks */
	REPLICA_PLAIN, /* does not */
	CONNECTIONS
};

/* One connection to each. */
struct pair {
	int fd;
	struct end *end;
	int64_t ids[2];
};

struct comparison {
	struct host client_host, server_host, replica_host;
	struct redis redis, replica;
	struct random random;
	struct pair pairs[CONNECTIONS];
	unsigned commands, differences;
	bool unordered; /* what is said may come in another order: SRANDMEMBER's */
};

/* The same command to both servers; both must say the same, and push the same to all that track. */
void compare(struct comparison *comparison, unsigned which, const char *const *words);

/* The same, but a part of the reply: what comes before the first `end` in it. */
void compare_before(
    struct comparison *comparison, unsigned which, const char *const *words, const char *end);

/* Ask one of the two; the reply is text that ends with NUL. */
void compare_ask(struct pair *pair, bool real, const char *const *words, struct bytes *reply);

/* One step with tokens that have created others. */
void compare_family(struct comparison *comparison, unsigned which);

/*
 * One step with scripts of the control process, on the connection `plain`; `which` does the rest.
 */
void compare_scripts(struct comparison *comparison, unsigned which, unsigned plain);

/* One of these words. */
const char *compare_draw(struct random *random, const char *const *words, size_t count);

/* One random command to the primary. */
void compare_step(struct comparison *comparison);

/* Connect this pair, at the socket of the real server and at the model's place. */
void compare_connect(
    struct comparison *comparison, unsigned which, const char *path, struct place place);

/* The connection `which` tracks, and `told` is told. */
void compare_track(struct comparison *comparison, unsigned which, unsigned told);

/* Commands at the primary and its replica, a promotion now and then. */
void compare_replica(struct comparison *comparison, const char *path, unsigned commands);

#endif
