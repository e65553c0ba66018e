/* store_state.h - a store as its own files see it: store.c, store_reach.c, store_state.c and
 * store_tokens.c.
 */
#ifndef JOBGATE_REDIS_STORE_STATE_H
#define JOBGATE_REDIS_STORE_STATE_H

#include "auth/redis/connection.h"
#include "auth/redis/election.h"
#include "auth/redis/store_operation.h"

struct store {
	struct event_base *base;
	struct resolver *resolver;
	struct log log;
	struct redis_url url;
	char *prefix, *ca_file;
	struct replica_wait wait;
	const struct store_tuning *tuning;
	bool of_primary;
	bool for_lists;
	bool waiting;  /* a WAIT is under way */
	int confirmed; /* replicas that confirmed the change whose caller is being told */
	struct store_deletion deletion;	 /* what that change deleted */
	const struct record *before;	 /* what that change changed; NULL: nothing is known */
	struct redis_election *election; /* NULL: the URL itself says where the primary is */
	struct redis_url here;		 /* the server that they named last, without its login */
	struct event *election_due;
	struct redis_connection *connection; /* NULL while there is none */
	enum store_result uses_result;	     /* of the latest uses: each failure is logged once */
	bool told_policy;		     /* the log has the warning about maxmemory-policy */
	bool told_down;	 /* the log has the warning that it is down: once, not for each dial */
	uint64_t losses; /* see store_losses */
	struct event *reconnect;
	unsigned backoff_ms;
	TAILQ_HEAD(, operation) operations;

	/* store_tokens.c */
	struct mint mint;
	uint64_t mint_known_ms, mint_asked_ms;
	bool mint_broken; /* the log has the warning about it */
};

/* ---- store_reach.c ---- */

/* Start to connect, for as long as the store lives. False when memory is short. */
bool store_reach(struct store *store);

/* Close the connection and connect again later. All operations under way end without an answer. */
void store_down(struct store *store, const char *why);

/* Close the connection for good, and release what store_reach made. */
void store_leave(struct store *store);

/*
 * Ask the server whether it is a primary, before a read. Replies come in order, so a read that was
 * answered by another kind of server is never used. False when it could not be sent.
 */
bool store_ask_role(struct store *store);

#endif
