/* tracker_state.h - a tracker as its own files see it: tracker.c, tracker_state.c, tracker_arm.c,
 * tracker_proof.c, tracker_mint.c, tracker_public.c and tracker_reads.c. */
#ifndef JOBGATE_REDIS_TRACKER_STATE_H
#define JOBGATE_REDIS_TRACKER_STATE_H

#include "auth/redis/connection.h"
#include "auth/redis/election.h"
#include "auth/redis/tracker.h"

/* How many keys of broken records are remembered, so that each is logged once, not at each read. */
#define COMPLAINTS 32

#define RUN_ID_LEN 40

enum tracker_state {
	TRACKER_WAITING,     /* until it may connect again */
	TRACKER_FINDING,     /* for the voters to name the primary */
	TRACKER_CONNECTING,  /* for all connections */
	TRACKER_IDENTIFYING, /* to know that both connections lead to the same server */
	TRACKER_ARMING,	     /* for the confirmations of the subscription and of CLIENT TRACKING */
	TRACKER_PROVING,     /* for the first proof */
	TRACKER_UP,
};

/* The parts of a proof; each was asked for after began_ms. */
enum {
	PROOF_ELECTION = 1, /* most voters name the primary that we use */
	PROOF_ROLE = 2,	    /* the server that we read says that it is the primary */
	PROOF_REPLICA = 4,  /* or it has all that the primary had */
	PROOF_DATA = 8, /* Redis still has the data connection, with its tracking; and it answers
			   for one of our keys, which a cut-off node of a cluster would not */
	PROOF_PUSH =
	    16, /* the PONG has come, and so have all invalidations that were sent before it */
	PROOF_MINT = 32, /* only in the first proof: the key that values are minted with is known */
	PROOF_PUBLIC = 64, /* only in the first proof: which jobs are public is known */
};

struct proof {
	uint64_t began_ms; /* 0: none is under way */
	unsigned missing;
	bool failed;		     /* it cannot succeed any more; the tracker stays up */
	bool behind;		     /* PROOF_REPLICA: the replica is behind and is asked again */
	char replid[RUN_ID_LEN + 1]; /* the id of the primary's replication history */
	unsigned long long offset;   /* how far the primary was in it */
};

struct redis_tracker {
	enum tracker_state state;
	struct event_base *base;
	struct redis_url url;	      /* what is read, as configured */
	struct redis_url primary_url; /* with `replica`: where changes go */
	bool replica;		      /* the server that is read may be a replica of the primary */
	struct redis_election *election; /* they name the primary; NULL: the URL does */
	struct redis_url here; /* the server that they named when we connected, without its login */
	char *prefix, *ca_file;
	size_t prefix_len;
	struct redis_tracker_options options;
	struct log log;
	struct directory *directory;
	struct redis_connection *data, *push, *primary;		       /* primary: with `replica` */
	char data_run_id[RUN_ID_LEN + 1], push_run_id[RUN_ID_LEN + 1]; /* empty: unknown */
	unsigned unidentified; /* IDENTIFYING: answers about run ids that are still missing */
	char push_name[64];    /* the name of the push connection, used if a run id stays unknown */
	struct event *tick;
	uint64_t retry_ms;    /* WAITING: when it connects again */
	uint64_t armed_by_ms; /* IDENTIFYING, ARMING: the deadline */
	uint64_t backoff_ms;
	bool told_config;		 /* the log has the warning that CONFIG cannot be read */
	bool subscribed, tracking;	 /* ARMING: confirmed */
	bool mint_late;			 /* it is asked for again after the next proof */
	bool mint_asked, mint_overtaken; /* tracker_mint.c: a read is under way; the key changed
					    after it was sent */
	unsigned mint_existing;		 /* how many of its two keys exist */
	enum mint_state mint_told;	 /* the state that the log has; MINT_UNKNOWN: none */
	bool mint_broken;
	/* tracker_public.c: */
	bool public_late;	 /* the read failed because the slot is moving: read again later */
	bool public_asked;	 /* a read is under way */
	bool public_overtaken;	 /* the set has changed since that read began */
	const char *public_told; /* what is wrong with the set of public jobs; NULL: nothing */
	struct proof proof;
	uint64_t next_proof_ms;
	char complaint[160]; /* the logged reason why it is out of reach or the last proof failed;
				empty: neither */
	uint64_t next_failure_ms; /* when a failed read may be logged again */
	struct redis_tracker_stats stats;
	uint64_t complaints[COMPLAINTS]; /* tracker_reads.c: hashes of keys */
	size_t next_complaint;
	uint64_t careful[CAREFUL_MAX]; /* tracker_reads.c: hashes of keys that are read by a script;
					  the first careful_count */
	size_t careful_count;
};

/* ---- tracker_state.c ---- */

/* The only place that assigns a state. */
void tracker_set_state(struct redis_tracker *tracker, enum tracker_state to);

/* ---- tracker.c ---- */

uint64_t tracker_clock_ms(const struct redis_tracker *tracker);

/* Send a command of words without NULs. False when the connection is not up or memory is short. */
bool tracker_send(struct redis_connection *connection, redis_reply_fn *done,
    struct redis_tracker *tracker, int argc, const char *const *argv);

/* Close all connections and connect again later. */
void tracker_break(struct redis_tracker *tracker, const char *which, const char *reason);

/* PROVING: the first proof has succeeded, which began at good_ms. */
void tracker_proved(struct redis_tracker *tracker, uint64_t good_ms);

/* ---- tracker_arm.c ---- */

/*
 * All connections are up: check that the data and the push connection lead to the same server, then
 * turn on tracking. Ends with the first proof, or with tracker_break.
 */
void tracker_identify(struct redis_tracker *tracker);

/* ---- tracker_proof.c ---- */

/*
 * Begin a proof. It ends with tracker_proved or jg_directory_good, with a failure that only the log
 * shows, or with tracker_break.
 */
void proof_begin(struct redis_tracker *tracker, uint64_t now_ms);

/*
 * In PROVING and UP: break the tracker when an answer is late, ask a replica again that was behind,
 * or begin the next proof.
 */
void proof_tick(struct redis_tracker *tracker, uint64_t now_ms);

/* This part of the proof has succeeded. */
void proof_part(struct redis_tracker *tracker, unsigned part);

/* ---- tracker_mint.c ---- */

/* Read the store's mint key, for the first proof or because it changed, and tell the directory. */
void tracker_ask_mint(struct redis_tracker *tracker);

/* ---- tracker_public.c ---- */

/* Read which jobs are public, for the first proof or because that changed; tell the directory. */
void tracker_ask_public(struct redis_tracker *tracker);

/* ---- tracker_reads.c ---- */

bool tracker_read(void *ctx, enum record_kind kind, struct slice id, struct directory_entry *entry);

/* A message on the push connection. */
void tracker_pushed(void *ctx, const redisReply *reply);

#endif
