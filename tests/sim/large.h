/*
 * large.h - a large fleet: many real workers, each a gateway of its own, and one store whose thread
 * takes as long as it was measured to take. It measures, and has no faults but a failover.
 */
#ifndef SIM_LARGE_H
#define SIM_LARGE_H

#include "jobgate/token.h"
#include "large_sample.h"
#include "node.h"
#include "redis.h"
#include "server/worker.h"

#define LARGE_SENTINELS 3
#define LARGE_USED_BY 3 /* so many gateways use a token, as in bench/fleet.py */

struct large_options {
	uint64_t seed;
	unsigned gateways, tokens, revocations;
	struct redis_costs costs;
	uint64_t promoted_ns; /* from the end of the primary to its replica's promotion */
};

struct large_token {
	char id[TOKEN_ID_LEN + 1];
	char value[TOKEN_VALUE_LEN];
};

struct large;

/* A connection of the clients' machine to a gateway, with one request at a time. */
struct large_client {
	struct large_gateway *gateway;
	struct end *end; /* NULL: none */
	const struct large_token *token;
	const char *path;
	struct bytes in;
	uint64_t asked_ns;
	bool sent, streams; /* the head of an answer that has no end has come */
	/* An answer has come, or the head of a stream; 0: the connection is over. */
	void (*answered)(struct large_client *client, unsigned status);
};

struct large_gateway {
	struct large *large;
	unsigned number;
	struct host host;
	struct node node;
	int fd;
	struct sockaddr_storage own;
	struct shared_stats *shared;
	struct worker_setup setup;
	struct worker *worker;
	struct large_client uses, stream;
	unsigned next_use;	   /* of its tokens */
	uint64_t lost_ns, back_ns; /* a good token was refused, and let in again; 0: not yet */
	struct alarm asks;
	unsigned turn;
};

struct large {
	struct large_options options;
	struct random random;
	struct host clients, backend, servers[2], sentinel_hosts[LARGE_SENTINELS];
	struct redis redis[2], sentinels[LARGE_SENTINELS];
	struct redis_thread threads[2];
	struct redis *primary;
	struct config *config;
	struct limit_table *limits;
	struct large_token *tokens; /* then one for each revocation, one good and one bad */
	unsigned token_count;
	struct large_gateway *gateways;
	unsigned waiting;     /* gateways that have not come to the end of the step yet */
	uint64_t began_ns;    /* the step, or what it measures from */
	bool over;	      /* no more is asked */
	unsigned wrong;	      /* answers that must not be */
	uint64_t honoured_ns; /* how long a deleted token was let in after a failover */
	struct large_sample ready, revoked, everywhere, lost, back;
};

/* Run all of it, and print what was measured, one `name value` on each line. True: nothing was
 * wrong. */
bool large_run(const struct large_options *options);

/* ---- what its files share ---- */

/* The configuration and the listening sockets; then all begin. */
void large_gateways_init(struct large *large);
void large_gateways_start(struct large *large);

/* How many accept by now. */
unsigned large_gateways_ready(const struct large *large);

/* The job: it answers "/" with 2 bytes, and all else with content that never ends. */
void large_backend_start(struct large *large);
#define LARGE_JOB "fleet"
#define LARGE_JOB_URL "http://10.0.2.1:80"

/* Ask for the path with this token, over the connection that there is or a new one. */
void large_client_ask(
    struct large_client *client, const struct large_token *token, const char *path);
void large_client_close(struct large_client *client);

/* The store and its records. */
void large_store_start(struct large *large);
void large_store_fail_over(struct large *large);

#endif
