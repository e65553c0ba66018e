/* election_state.h - an election as its own files see it: election.c, election_sentinel.c and
 * election_cluster.c. */
#ifndef JOBGATE_REDIS_ELECTION_STATE_H
#define JOBGATE_REDIS_ELECTION_STATE_H

#include "auth/redis/connection.h"
#include "auth/redis/election.h"

/* One voter, and its vote in the current round. */
struct voter {
	struct redis_election *election;
	bool used; /* its place in the table */
	struct redis_place place;
	struct redis_connection *connection; /* NULL: made in the next round */
	bool asked;			     /* its answer is still to come */
	bool voted;
	char trouble[128]; /* why it has no vote */

	/* election_sentinel.c */
	struct redis_place vote;

	/* election_cluster.c */
	bool in_url;
	char id[CLUSTER_ID_LEN + 1];   /* empty: not known to be a master */
	char said[CLUSTER_ID_LEN + 1]; /* the id that it gives itself, in this round */
	unsigned owner;		       /* the voter that it names as the owner of our slot */
	uint64_t masters;	       /* bit i: voter i is one of its masters */
};

/* What differs between the kinds of voters. */
struct election_kind {
	const char *connection_name;
	/* False when the command could not be sent. */
	bool (*ask)(struct voter *voter);
	/* Write the primary's place (and id) into *primary; false when the votes decide nothing
	 * yet. final: no more votes come. */
	bool (*elected)(
	    const struct redis_election *election, bool final, struct redis_url *primary);
	/* Say why there is none. */
	void (*explain)(const struct redis_election *election, char *why, size_t cap);
	/* A round has ended, with or without a primary. NULL: nothing to do. */
	void (*ended)(struct redis_election *election);
};

extern const struct election_kind election_by_sentinels, election_by_cluster;

struct redis_election {
	const struct election_kind *kind;
	struct event_base *base;
	struct resolver *resolver;
	struct redis_url url;
	char *ca_file;
	bool for_changes;
	unsigned slot;		 /* of the store's keys, in a cluster */
	unsigned timeout_ms;	 /* of the round */
	redis_election_fn *done; /* NULL: no round is under way */
	void *ctx;
	struct event *verdict; /* the deadline; made active early when the votes decide */
	unsigned voter_count;
	struct voter voters[REDIS_VOTERS_MAX];
};

/* ---- election.c ---- */

/* Add a voter at this place, which is asked in the round that is under way; NULL: there are too
 * many. */
struct voter *election_add(struct redis_election *election, const struct redis_place *place);

/* A voter's reply has been read into its vote or its trouble. */
void election_answered(struct voter *voter);

/* It is not asked any more. */
void election_remove(struct voter *voter);

bool redis_same_place(const struct redis_place *a, const struct redis_place *b);

/* ---- election_cluster.c ---- */

/*
 * Read a reply to CLUSTER SLOTS into the masters and the owner that this voter names; its masters
 * become voters. NULL, or why it is no vote, valid as long as the reply.
 */
const char *cluster_read_slots(struct voter *asked, const redisReply *reply);

#endif
