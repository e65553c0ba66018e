/* tracker_state.h - a tracker as its own files see it: tracker.c, tracker_state.c, tracker_arm.c,
 * tracker_proof.c, tracker_mint.c and tracker_reads.c. */
#ifndef JOBGATE_REDIS_TRACKER_STATE_H
#define JOBGATE_REDIS_TRACKER_STATE_H

#include "auth/redis/connection.h"
#include "auth/redis/sentinel.h"
#include "auth/redis/tracker.h"

/* Keys of broken records remembered, so that each is logged once and not at every read. */
#define COMPLAINTS 32

/* Keys that are read by a script, which measures first: roughly as many as may be under way when a
 * tracker breaks. */

#define RUN_ID_LEN 40

enum tracker_state {
	TRACKER_WAITING,     /* for the moment to connect */
	TRACKER_FINDING,     /* for the sentinels to name the primary */
	TRACKER_CONNECTING,  /* for all connections */
	TRACKER_IDENTIFYING, /* to know that both lead to the same server */
	TRACKER_ARMING,	     /* for the confirmations of the subscription and of CLIENT TRACKING */
	TRACKER_PROVING,     /* for the first proof */
	TRACKER_UP,
};

/* What a proof consists of; all of it was asked after began_ms. */
enum {
	PROOF_SENTINELS = 1, /* most sentinels name the primary that we know */
	PROOF_ROLE = 2,	     /* what we read says that it is the primary */
	PROOF_REPLICA = 4,   /* or has all that the primary had */
	PROOF_DATA = 8, /* Redis still has the data connection, and with it what that tracks; and
			 it answers for a key of ours, which a node of a cluster that is cut off
			 would not */
	PROOF_PUSH =
	    16, /* all invalidations up to its PONG have arrived, which travels behind them */
	PROOF_MINT = 32, /* the key that values are minted with is known; with the first one */
};

struct proof {
	uint64_t began_ms; /* 0: none is under way */
	unsigned missing;
	bool failed;		     /* it cannot be had this time; the tracker goes on */
	bool behind;		     /* PROOF_REPLICA: to be asked again */
	char replid[RUN_ID_LEN + 1]; /* of the primary's history */
	unsigned long long offset;   /* how far in it the primary was */
};

struct redis_tracker {
	enum tracker_state state;
	struct event_base *base;
	struct redis_url url;		   /* what is read, as configured */
	struct redis_url primary_url;	   /* with `replica`: what is written to */
	bool replica;			   /* what is read may be a replica of that */
	struct redis_sentinels *sentinels; /* which name the primary; NULL: the URL does */
	struct redis_place place;	   /* which they named when we connected */
	char *prefix, *ca_file;
	size_t prefix_len;
	struct redis_tracker_options options;
	struct log log;
	struct directory *directory;
	struct redis_connection *data, *push, *primary;		       /* primary: with `replica` */
	char data_run_id[RUN_ID_LEN + 1], push_run_id[RUN_ID_LEN + 1]; /* empty: unknown */
	unsigned unidentified; /* IDENTIFYING: answers about run ids that are still to come */
	char push_name[64];    /* of the push connection, if a run id stays unknown */
	struct event *tick;
	uint64_t retry_ms;    /* WAITING: until then */
	uint64_t armed_by_ms; /* IDENTIFYING, ARMING: until then */
	uint64_t backoff_ms;
	bool subscribed, tracking;	 /* ARMING: confirmed */
	bool mint_asked, mint_overtaken; /* tracker_mint.c: being read; it changed since */
	unsigned mint_existing;		 /* how many of its two keys exist */
	enum mint_state mint_told; /* in the log, and whether as broken; MINT_UNKNOWN: nothing */
	bool mint_broken;
	struct proof proof;
	uint64_t next_proof_ms;
	char complaint[160]; /* why it is out of reach, or the last proof failed, as logged; empty:
				neither */
	uint64_t next_failure_ms; /* when a failed read may be logged again */
	struct redis_tracker_stats stats;
	uint64_t complaints[COMPLAINTS]; /* tracker_reads.c: hashes of keys */
	size_t next_complaint;
	uint64_t careful[CAREFUL_MAX]; /* likewise; the first careful_count */
	size_t careful_count;
};

/* ---- tracker_state.c ---- */

/* The only place that assigns a state. */
void tracker_set_state(struct redis_tracker *tracker, enum tracker_state to);

/* ---- tracker.c ---- */

uint64_t tracker_clock_ms(const struct redis_tracker *tracker);

/* Send words; text without NULs. */
bool tracker_send(struct redis_connection *connection, redis_reply_fn *done,
    struct redis_tracker *tracker, int argc, const char *const *argv);

/* Close all connections and connect again later. */
void tracker_break(struct redis_tracker *tracker, const char *which, const char *reason);

/* The first proof, of PROVING, has succeeded: at good_ms all was right. */
void tracker_proved(struct redis_tracker *tracker, uint64_t good_ms);

/* ---- tracker_arm.c ---- */

/*
 * All connections are up: check that two of them lead to the same server, and have the push
 * connection told of changes to what the data connection reads. It ends with the first proof, or
 * with tracker_break.
 */
void tracker_identify(struct redis_tracker *tracker);

/* ---- tracker_proof.c ---- */

/* Begin a proof; it ends with tracker_proved or jg_directory_good, or with tracker_break. */
void proof_begin(struct redis_tracker *tracker, uint64_t now_ms);

/* Look at the clock: break the tracker when an answer is late, ask a replica again, begin the next
 * proof. In PROVING and UP. */
void proof_tick(struct redis_tracker *tracker, uint64_t now_ms);

/* A part of the proof has come. */
void proof_part(struct redis_tracker *tracker, unsigned part);

/* ---- tracker_mint.c ---- */

/* Read the store's key, for the first proof or because it changed, and tell the directory. */
void tracker_ask_mint(struct redis_tracker *tracker);

/* ---- tracker_reads.c ---- */

bool tracker_read(void *ctx, enum record_kind kind, struct slice id, struct directory_entry *entry);

/* A message on the push connection. */
void tracker_pushed(void *ctx, const redisReply *reply);

#endif
